use super::*;
use crate::sim::sample;
use crate::testing;

#[tokio::test]
async fn an_order_that_brought_nothing_takes_back_no_record_that_another_goes_on_with() {
    let core = testing::core();
    for (name, other_goes_on) in [("alone", false), ("together", true)] {
        let record = sample::record(name, 1);
        let inserted = insert(&core, &record).await.expect("a store");
        assert!(matches!(inserted, Changed::Done));
        if other_goes_on {
            let owned = take_over(&core, record.clone(), 77).await;
            assert_eq!(owned.expect("taken over").copies[0].session, 77);
        }
        withdraw(&core, &record, Whose::New, Left::Copy).await;
        let left = core.store.get(&record.name).await.expect("a store");
        assert_eq!(left.is_some(), other_goes_on, "{name}");
    }
}

/// The first has begun the record and the second has taken it over, whichever of
/// them fails first.
#[tokio::test]
async fn two_orders_for_a_copy_that_is_gone_leave_no_record() {
    let core = testing::core();
    for (name, first_fails_first) in [("first", true), ("second", false)] {
        let first = sample::record(name, 1);
        let inserted = insert(&core, &first).await.expect("a store");
        assert!(matches!(inserted, Changed::Done));
        let second = take_over(&core, first.clone(), 77).await;
        let second = second.expect("taken over");
        let mut ends = [(&first, Whose::New), (&second, Whose::Shared)];
        if !first_fails_first {
            ends.reverse();
        }
        for (record, whose) in ends {
            withdraw(&core, record, whose, Left::Nothing).await;
        }
        let left = core.store.get(&first.name).await.expect("a store");
        assert_eq!(left, None, "{name}");
    }
}

#[test]
fn a_record_goes_only_where_nobody_can_bring_its_bytes_any_more() {
    for (whose, left, wanted) in [
        (Whose::New, Left::Copy, true),
        (Whose::New, Left::Nothing, true),
        (Whose::Shared, Left::Nothing, true),
        (Whose::Shared, Left::Copy, false),
        (Whose::Others, Left::Nothing, false),
        (Whose::Others, Left::Copy, false),
    ] {
        assert_eq!(goes(whose, left), wanted, "{whose:?} {left:?}");
    }
}

#[test]
fn a_record_without_bytes_gives_way_to_a_newer_copy_once_it_has_come_to_rest() {
    let meta = |generation| FileMeta {
        id: FileId::from([1; 16]).to_wire(),
        generation,
        ..FileMeta::default()
    };
    let mut record = sample::record("a", 1);
    (record.id, record.created_ms, record.generation) = (FileId::from([1; 16]), 0, 5);
    for (state, newer, older) in [
        (State::Stored, GivesWay::WithoutBytes, GivesWay::No),
        (State::Moving, GivesWay::NotYet, GivesWay::No),
        (State::Pending, GivesWay::No, GivesWay::No),
        (State::Deleting, GivesWay::No, GivesWay::No),
    ] {
        record.state = state;
        assert_eq!(gives_way(&record, &meta(6)), newer, "{state:?}");
        assert_eq!(gives_way(&record, &meta(5)), older, "{state:?}");
    }
}

#[test]
fn an_order_names_the_session_in_which_its_record_lists_the_copy() {
    let mut record = sample::record("a", 1);
    record.copies[0].session = 77;
    assert_eq!(order(&record, CopyRef::default(), 5).session, 77);
}

#[test]
fn every_name_is_in_one_share_of_bounded_size() {
    let shares = Shares::of(&testing::world(), 35_000);
    assert_eq!(shares.count, 4);
    let mut sizes = vec![0u64; 4];
    for i in 0..35_000 {
        let name = format!("f{i}");
        let of: Vec<_> = (0..4).filter(|share| shares.has(*share, &name)).collect();
        assert_eq!(of.len(), 1, "{name}");
        sizes[of[0] as usize] += 1;
    }
    assert!(
        sizes.iter().all(|size| *size < HELD + HELD / 10),
        "{sizes:?}"
    );
    assert!(Shares::of(&testing::world(), 0).has(0, "any"));
}
