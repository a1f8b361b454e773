//! Records: unique names, compare-and-swap, durability (rules 1 and 12).

use names::{FileId, Owner};

use super::{Place, add, change, remove};
use manager_protocol::sim::sample::{name, next, node, record};
use manager_protocol::store::{Copy, Insert, Record, State, StoreError, Swap};

pub(super) async fn what_was_inserted_is_read_back_in_full(place: &dyn Place) {
    let store = place.open().await;
    let full = Record {
        leaf: Some(60_466_175),
        size: u64::MAX >> 1,
        token: u64::MAX,
        crc64: u64::MAX,
        state: State::Moving,
        generation: 4_000_000_000,
        node: node("default/pool-node-1"),
        copies: vec![
            Copy {
                node: node("n1"),
                session: u64::MAX,
                generation: 1,
                doomed: false,
            },
            Copy {
                node: node("default/pool-node-1"),
                session: 0,
                generation: 4_000_000_000,
                doomed: false,
            },
        ],
        next_generation: u32::MAX,
        content_type: Some("text/plain; charset=utf-8".into()),
        idempotency_key: Some("ключ \"1\"".into()),
        moved_event: u64::MAX,
        owner: Some(Owner(u64::MAX)),
        ..record("a name with spaces, ü and 名前.txt", 0)
    };
    let bare = Record {
        content_type: None,
        leaf: Some(0),
        ..record(&"x".repeat(255), 0)
    };
    for record in [full, bare] {
        assert_eq!(store.get(&record.name).await.expect("get"), None);
        add(&*store, &record).await;
        assert_eq!(store.get(&record.name).await.expect("get"), Some(record));
    }
}

pub(super) async fn a_name_is_inserted_once_and_the_loser_sees_the_winner(place: &dyn Place) {
    let store = place.open().await;
    let winner = record("one", 1);
    add(&*store, &winner).await;
    let outcome = store.insert(record("one", 2)).await.expect("insert");
    assert_eq!(outcome, Insert::Exists(winner.clone()));
    assert_eq!(store.get(&winner.name).await.expect("get"), Some(winner));
}

pub(super) async fn of_many_concurrent_inserts_of_one_name_one_wins(place: &dyn Place) {
    let store = place.open().await;
    let tries: Vec<Record> = (0..200).map(|i| record("wanted", i)).collect();
    let tasks: Vec<_> = tries
        .iter()
        .map(|r| {
            let (store, r) = (store.clone(), r.clone());
            tokio::spawn(async move { (r.id, store.insert(r).await.expect("insert")) })
        })
        .collect();
    let (mut winners, mut seen) = (Vec::new(), Vec::new());
    for task in tasks {
        match task.await.expect("no panic") {
            (id, Insert::Inserted) => winners.push(id),
            (_, Insert::Exists(record)) => seen.push(record.id),
            (_, Insert::Over(stored)) => panic!("nobody's quota is full: {stored:?}"),
        }
    }
    let kept = store
        .get(&name("wanted"))
        .await
        .expect("get")
        .expect("one of them");
    assert_eq!(winners, [kept.id], "exactly one may win (invariant 4)");
    assert!(
        seen.iter().all(|id| *id == kept.id),
        "all losers see the winner"
    );
}

pub(super) async fn names_that_differ_in_case_or_normalisation_are_two_files(place: &dyn Place) {
    let store = place.open().await;
    let names = ["a", "A", "\u{e9}", "e\u{301}", "%61", "a "];
    for (size, file) in names.into_iter().enumerate() {
        add(&*store, &record(file, size as u64)).await;
    }
    for (size, file) in names.into_iter().enumerate() {
        let found = store.get(&name(file)).await.expect("get").expect("stored");
        assert_eq!(found.size, size as u64, "{file:?}");
    }
}

pub(super) async fn a_swap_needs_the_name_the_id_and_the_rev_before(place: &dyn Place) {
    let store = place.open().await;
    let first = record("file", 1);
    let second = next(&first, State::Moving);
    let nothing = store.swap(second.clone()).await.expect("swap");
    assert_eq!(nothing, Swap::Mismatch(None), "there is no such name");
    add(&*store, &first).await;
    for wrong in [
        Record {
            rev: first.rev,
            ..second.clone()
        },
        Record {
            rev: first.rev + 2,
            ..second.clone()
        },
        Record {
            id: FileId::random(),
            ..second.clone()
        },
    ] {
        let outcome = store.swap(wrong).await.expect("swap");
        assert_eq!(outcome, Swap::Mismatch(Some(first.clone())));
    }
    change(&*store, &second).await;
    let again = store.swap(second.clone()).await.expect("swap");
    assert_eq!(
        again,
        Swap::Mismatch(Some(second.clone())),
        "a repeat finds its own token"
    );
    assert_eq!(store.get(&second.name).await.expect("get"), Some(second));
}

pub(super) async fn of_many_concurrent_swaps_of_one_rev_one_wins(place: &dyn Place) {
    let store = place.open().await;
    let first = record("file", 1);
    add(&*store, &first).await;
    let tasks: Vec<_> = (0..100u64)
        .map(|token| {
            let new = Record {
                token,
                ..next(&first, State::Deleting)
            };
            let store = store.clone();
            tokio::spawn(async move { (token, store.swap(new).await.expect("swap")) })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        if let (token, Swap::Done) = task.await.expect("no panic") {
            winners.push(token);
        }
    }
    let kept = store.get(&first.name).await.expect("get").expect("there");
    assert_eq!(winners, [kept.token]);
}

pub(super) async fn a_chain_of_concurrent_changes_loses_none(place: &dyn Place) {
    const EACH: u64 = 20;
    let store = place.open().await;
    let first = record("counter", 0);
    add(&*store, &first).await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (store, mut seen) = (store.clone(), first.clone());
            tokio::spawn(async move {
                let mut done = 0;
                while done < EACH {
                    let new = Record {
                        size: seen.size + 1,
                        ..next(&seen, State::Stored)
                    };
                    match store.swap(new.clone()).await.expect("swap") {
                        Swap::Done => (done, seen) = (done + 1, new),
                        Swap::Mismatch(current) => seen = current.expect("never removed"),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    let last = store.get(&first.name).await.expect("get").expect("there");
    assert_eq!((last.size, last.rev), (8 * EACH, 1 + 8 * EACH));
    assert_eq!(store.totals().await.expect("totals").bytes, 8 * EACH);
}

pub(super) async fn a_remove_needs_the_id_and_the_rev(place: &dyn Place) {
    let store = place.open().await;
    let first = record("file", 1);
    let nothing = store
        .remove(&first.name, first.id, first.rev)
        .await
        .expect("remove");
    assert_eq!(nothing, Swap::Mismatch(None));
    add(&*store, &first).await;
    for (id, rev) in [
        (first.id, first.rev - 1),
        (first.id, first.rev + 1),
        (FileId::random(), first.rev),
    ] {
        let outcome = store.remove(&first.name, id, rev).await.expect("remove");
        assert_eq!(outcome, Swap::Mismatch(Some(first.clone())));
    }
    remove(&*store, &first).await;
    assert_eq!(store.get(&first.name).await.expect("get"), None);
}

pub(super) async fn a_removed_name_can_be_taken_anew_and_the_old_id_stays_powerless(
    place: &dyn Place,
) {
    let store = place.open().await;
    let (old, new) = (record("file", 1), record("file", 2));
    add(&*store, &old).await;
    remove(&*store, &old).await;
    add(&*store, &new).await;
    let late = store
        .remove(&old.name, old.id, old.rev)
        .await
        .expect("remove");
    assert_eq!(late, Swap::Mismatch(Some(new.clone())));
    let late = store.swap(next(&old, State::Deleting)).await.expect("swap");
    assert_eq!(late, Swap::Mismatch(Some(new)));
}

pub(super) async fn a_record_that_lists_no_counting_copy_is_refused(place: &dyn Place) {
    let store = place.open().await;
    let good = record("file", 1);
    let bad = |r: &Record| Record {
        node: node("elsewhere"),
        ..r.clone()
    };
    let refused = store.insert(bad(&good)).await;
    assert!(
        matches!(refused, Err(StoreError::Invalid(_))),
        "{refused:?}"
    );
    add(&*store, &good).await;
    let refused = store.swap(bad(&next(&good, State::Moving))).await;
    assert!(
        matches!(refused, Err(StoreError::Invalid(_))),
        "{refused:?}"
    );
    assert_eq!(store.get(&good.name).await.expect("get"), Some(good));
}

pub(super) async fn all_that_was_acknowledged_is_there_after_reopening(place: &dyn Place) {
    let store = place.open().await;
    let mut kept = Vec::new();
    for i in 0..50u64 {
        let first = record(&format!("file-{i:02}"), i);
        add(&*store, &first).await;
        match i % 3 {
            0 => kept.push(first),
            1 => {
                let second = next(&first, State::Deleting);
                change(&*store, &second).await;
                kept.push(second);
            }
            _ => remove(&*store, &first).await,
        }
    }
    let totals = store.totals().await.expect("totals");
    drop(store);
    let store = place.open().await;
    assert_eq!(store.page("", None, 100).await.expect("page"), kept);
    assert_eq!(store.totals().await.expect("totals"), totals);
    let deleting: Vec<Record> = kept
        .iter()
        .filter(|r| r.state == State::Deleting)
        .cloned()
        .collect();
    assert_eq!(
        store.unsettled(None, 100).await.expect("unsettled"),
        deleting
    );
    assert_eq!(
        store
            .listed_on(&node("n1"), None, 100)
            .await
            .expect("listed"),
        kept
    );
}
