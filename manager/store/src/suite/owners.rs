//! Owners: their sums follow their records, and no quota is exceeded.

use super::{Place, add, change, remove};
use manager_protocol::sim::sample::{next, record};
use manager_protocol::store::{Insert, Record, State, Store, Totals};
use names::{Owner, Quota};

const ONE: Owner = Owner(1);
/// As many bits as there are.
const OTHER: Owner = Owner(u64::MAX);

fn owned(owner: Owner, name: &str, size: u64) -> Record {
    Record {
        owner: Some(owner),
        ..record(name, size)
    }
}

fn quota(files: Option<u64>, bytes: Option<u64>) -> Quota {
    Quota { files, bytes }
}

async fn sum(store: &dyn Store, owner: Owner) -> (u64, u64) {
    let Totals { files, bytes } = store.stored_for(owner).await.expect("a sum");
    (files, bytes)
}

pub(super) async fn an_owners_sum_follows_its_records(place: &dyn Place) {
    let store = place.open().await;
    assert_eq!(sum(&*store, ONE).await, (0, 0));
    let mut file = Record {
        state: State::Pending,
        ..owned(ONE, "a", 10)
    };
    add(&*store, &file).await;
    add(&*store, &owned(ONE, "b", 5)).await;
    add(&*store, &owned(OTHER, "c", 100)).await;
    add(&*store, &record("d", 1000)).await;
    let lost = store.insert(owned(OTHER, "a", 7)).await.expect("insert");
    assert_eq!(lost, Insert::Exists(file.clone()));
    assert_eq!(sum(&*store, ONE).await, (2, 15), "a reservation counts");
    assert_eq!(sum(&*store, OTHER).await, (1, 100));
    for state in [State::Stored, State::Moving, State::Deleting] {
        file = next(&file, state);
        change(&*store, &file).await;
        assert_eq!(sum(&*store, ONE).await, (2, 15), "{state:?}");
    }
    let late = store.remove(&file.name, file.id, 1).await.expect("remove");
    assert_ne!(late, manager_protocol::store::Swap::Done);
    assert_eq!(
        sum(&*store, ONE).await,
        (2, 15),
        "what failed doesn't count"
    );
    remove(&*store, &file).await;
    assert_eq!(sum(&*store, ONE).await, (1, 5));
    drop(store);
    let store = place.open().await;
    assert_eq!(sum(&*store, ONE).await, (1, 5));
    assert_eq!(sum(&*store, OTHER).await, (1, 100));
}

pub(super) async fn a_quota_is_kept_to_the_file_and_to_the_byte(place: &dyn Place) {
    let store = place.open().await;
    let insert = async |record: Record, quota: Quota| {
        let inserted = store.insert_within(record, quota).await;
        inserted.expect("insert")
    };
    let (two, hundred) = (quota(Some(2), None), quota(None, Some(100)));
    assert_eq!(insert(owned(ONE, "a", 40), two).await, Insert::Inserted);
    assert_eq!(insert(owned(ONE, "b", 0), two).await, Insert::Inserted);
    let stored = |files, bytes| Insert::Over(Totals { files, bytes });
    assert_eq!(insert(owned(ONE, "c", 0), two).await, stored(2, 40));
    assert_eq!(insert(owned(ONE, "c", 61), hundred).await, stored(2, 40));
    assert_eq!(insert(owned(ONE, "c", 60), hundred).await, Insert::Inserted);
    assert_eq!(insert(owned(ONE, "d", 1), hundred).await, stored(3, 100));
    let nothing = quota(Some(0), Some(0));
    assert_eq!(insert(owned(OTHER, "d", 0), nothing).await, stored(0, 0));
    let exists = insert(owned(ONE, "a", 1), nothing).await;
    assert!(matches!(exists, Insert::Exists(_)), "{exists:?}");
    let unowned = insert(record("e", 1), nothing).await;
    assert_eq!(unowned, Insert::Inserted, "nobody's");
    assert_eq!(sum(&*store, ONE).await, (3, 100));
    // More than the quota, since it was lowered: nothing new, until there is room.
    let found = store.get(&record("c", 0).name).await.expect("get");
    remove(&*store, &found.expect("c")).await;
    assert_eq!(insert(owned(ONE, "f", 0), two).await, stored(2, 40));
    assert_eq!(insert(owned(ONE, "f", 60), hundred).await, Insert::Inserted);
}

pub(super) async fn of_many_at_once_no_more_than_the_quota_get_in(place: &dyn Place) {
    let store = place.open().await;
    let tasks: Vec<_> = (0..60)
        .map(|i| {
            let (store, record) = (store.clone(), owned(ONE, &format!("f{i}"), 3));
            let within = quota(Some(20), Some(1000));
            tokio::spawn(async move { store.insert_within(record, within).await.expect("insert") })
        })
        .collect();
    let mut inserted = 0;
    for task in tasks {
        match task.await.expect("no panic") {
            Insert::Inserted => inserted += 1,
            other => assert!(matches!(other, Insert::Over(_)), "{other:?}"),
        }
    }
    assert_eq!(inserted, 20);
    assert_eq!(sum(&*store, ONE).await, (20, 60));
    let page = store.page("", None, 100).await.expect("a page");
    assert_eq!(page.len(), 20);
}

pub(super) async fn a_sum_that_is_right_stays_as_it_is(place: &dyn Place) {
    let store = place.open().await;
    add(&*store, &owned(ONE, "a", 10)).await;
    for turn in 0..4 {
        store.recount().await.expect("a count");
        assert_eq!(sum(&*store, ONE).await, (1, 10), "turn {turn}");
    }
    add(&*store, &owned(ONE, "b", 1)).await;
    store.recount().await.expect("a count");
    assert_eq!(sum(&*store, ONE).await, (2, 11));
}
