//! The cluster's id, the nodes, the leader's lease, and the counters.

use std::sync::atomic::Ordering;

use uuid::Uuid;

use super::{Place, add, remove};
use manager_protocol::sim::sample::{node, record};
use manager_protocol::store::{Lease, NodeRow, Stay, StoreError};

fn row(id: &str) -> NodeRow {
    NodeRow {
        id: node(id),
        volume_id: Uuid::new_v4(),
        pool: "pool".into(),
        rev: 1,
        stay: Stay::Stays,
        merged_session: u64::MAX,
        endpoint: "10.0.0.1:9100".into(),
        set_back: false,
        generation_floor: 0,
    }
}

pub(super) async fn a_new_store_has_a_cluster_id_of_its_own_and_keeps_it(place: &dyn Place) {
    let store = place.open().await;
    let id = store.cluster_id().await.expect("cluster id");
    assert!(!id.is_nil());
    store.ping().await.expect("ping");
    drop(store);
    assert_eq!(
        place.open().await.cluster_id().await.expect("cluster id"),
        id
    );
}

pub(super) async fn the_cluster_id_changes_only_while_there_are_no_records(place: &dyn Place) {
    let store = place.open().await;
    let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
    store.set_cluster_id(first).await.expect("empty");
    assert_eq!(store.cluster_id().await.expect("cluster id"), first);
    let file = record("file", 1);
    add(&*store, &file).await;
    let refused = store.set_cluster_id(second).await;
    assert!(matches!(refused, Err(StoreError::NotEmpty)), "{refused:?}");
    assert_eq!(store.cluster_id().await.expect("cluster id"), first);
    remove(&*store, &file).await;
    store.set_cluster_id(second).await.expect("empty again");
    drop(store);
    assert_eq!(
        place.open().await.cluster_id().await.expect("cluster id"),
        second
    );
}

pub(super) async fn a_rebuild_is_remembered(place: &dyn Place) {
    let store = place.open().await;
    assert_eq!(store.rebuilt_at_ms().await.expect("read"), None);
    store
        .set_rebuilt_at_ms(Some(1_700_000_000_123))
        .await
        .expect("write");
    drop(store);
    let store = place.open().await;
    assert_eq!(
        store.rebuilt_at_ms().await.expect("read"),
        Some(1_700_000_000_123)
    );
    store.set_rebuilt_at_ms(None).await.expect("write");
    drop(store);
    let store = place.open().await;
    assert_eq!(store.rebuilt_at_ms().await.expect("read"), None);
}

pub(super) async fn the_first_key_of_links_is_kept(place: &dyn Place) {
    let store = place.open().await;
    let offers = [1, 2, 3].map(|byte| store.link_key([byte; 32]));
    let keys = futures::future::try_join_all(offers).await.expect("a key");
    assert!(keys.iter().all(|key| key == &keys[0]), "{keys:?}");
    drop(store);
    let store = place.open().await;
    let kept = store.link_key([4; 32]).await.expect("the key");
    assert_eq!(kept, keys[0]);
}

pub(super) async fn a_node_row_changes_by_compare_and_swap(place: &dyn Place) {
    let store = place.open().await;
    let first = row("default/b");
    assert!(
        !store
            .put_node(NodeRow {
                rev: 2,
                ..first.clone()
            })
            .await
            .expect("put"),
        "no rev 1"
    );
    assert!(
        !store
            .put_node(NodeRow {
                rev: 0,
                ..first.clone()
            })
            .await
            .expect("put"),
        "rev 0"
    );
    assert!(store.put_node(first.clone()).await.expect("put"));
    assert!(
        !store.put_node(first.clone()).await.expect("put"),
        "it is there already"
    );
    let second = NodeRow {
        rev: 2,
        stay: Stay::Drains,
        merged_session: 0,
        set_back: true,
        generation_floor: 7,
        ..first.clone()
    };
    assert!(
        !store
            .put_node(NodeRow {
                rev: 3,
                ..second.clone()
            })
            .await
            .expect("put"),
        "skips one"
    );
    assert!(store.put_node(second.clone()).await.expect("put"));
    let other = row("default/a");
    assert!(store.put_node(other.clone()).await.expect("put"));
    assert_eq!(
        store.nodes().await.expect("nodes"),
        [other.clone(), second.clone()]
    );
    drop(store);
    assert_eq!(
        place.open().await.nodes().await.expect("nodes"),
        [other, second]
    );
}

pub(super) async fn a_node_row_is_removed_by_compare_and_swap(place: &dyn Place) {
    let store = place.open().await;
    let first = row("n");
    assert!(
        !store.remove_node(&first.id, 0).await.expect("remove"),
        "there is none"
    );
    assert!(store.put_node(first.clone()).await.expect("put"));
    for rev in [0, 2] {
        assert!(
            !store.remove_node(&first.id, rev).await.expect("remove"),
            "rev {rev}"
        );
    }
    assert!(store.remove_node(&first.id, 1).await.expect("remove"));
    assert_eq!(store.nodes().await.expect("nodes"), []);
    assert!(
        store.put_node(first.clone()).await.expect("put"),
        "it may come back as new"
    );
}

pub(super) async fn the_lease_is_taken_only_as_it_was_seen(place: &dyn Place) {
    let store = place.open().await;
    let imagined = Lease {
        holder: "x".into(),
        number: 1,
        counter: 0,
        term: 1,
        begun: 0,
    };
    assert_eq!(store.lease().await.expect("lease"), None);
    let outcome = store.take_lease(Some(&imagined), "a").await.expect("take");
    assert_eq!(outcome, Err(None), "there is none to be seen");
    let a = store
        .take_lease(None, "a")
        .await
        .expect("take")
        .expect("free");
    assert_eq!((a.holder.as_str(), a.number), ("a", 1));
    let outcome = store.take_lease(None, "b").await.expect("take");
    assert_eq!(outcome, Err(Some(a.clone())), "it is not free");
    let renewed = store.renew_lease(&a).await.expect("renew").expect("held");
    let outcome = store.take_lease(Some(&a), "b").await.expect("take");
    assert_eq!(
        outcome,
        Err(Some(renewed.clone())),
        "it did not stand still"
    );
    let b = store
        .take_lease(Some(&renewed), "b")
        .await
        .expect("take")
        .expect("as seen");
    assert_eq!((b.holder.as_str(), b.number), ("b", 2));
    assert!(b.counter > renewed.counter, "the counter never falls");
    assert_eq!(b.begun, renewed.counter, "where the term before ended");
    assert_ne!(b.term, a.term);
    assert_eq!(renewed.term, a.term);
    drop(store);
    assert_eq!(place.open().await.lease().await.expect("lease"), Some(b));
}

pub(super) async fn only_the_holder_of_the_lease_as_it_is_renews_it(place: &dyn Place) {
    let store = place.open().await;
    let imagined = Lease {
        holder: "a".into(),
        number: 1,
        counter: 0,
        term: 1,
        begun: 0,
    };
    assert_eq!(
        store.renew_lease(&imagined).await.expect("renew"),
        Err(None)
    );
    let a = store
        .take_lease(None, "a")
        .await
        .expect("take")
        .expect("free");
    let second = store.renew_lease(&a).await.expect("renew").expect("held");
    assert_eq!(
        second,
        Lease {
            counter: a.counter + 1,
            ..a.clone()
        }
    );
    let again = store.renew_lease(&a).await.expect("renew");
    assert_eq!(
        again,
        Err(Some(second.clone())),
        "an old counter renews nothing"
    );
    let b = store
        .take_lease(Some(&second), "b")
        .await
        .expect("take")
        .expect("as seen");
    assert_eq!(
        store.renew_lease(&second).await.expect("renew"),
        Err(Some(b))
    );
}

pub(super) async fn of_many_who_take_the_lease_one_gets_it(place: &dyn Place) {
    let store = place.open().await;
    let mut seen = None;
    for round in 1..=5 {
        let tasks: Vec<_> = (0..20)
            .map(|i| {
                let (store, seen) = (store.clone(), seen.clone());
                tokio::spawn(async move {
                    store
                        .take_lease(seen.as_ref(), &format!("m{i}"))
                        .await
                        .expect("take")
                })
            })
            .collect();
        let mut taken: Vec<Lease> = Vec::new();
        for task in tasks {
            taken.extend(task.await.expect("no panic"));
        }
        assert_eq!(taken.len(), 1, "round {round}");
        assert_eq!(taken[0].number, round);
        assert_eq!(store.lease().await.expect("lease"), taken.first().cloned());
        seen = taken.pop();
    }
}

pub(super) async fn operations_are_counted_and_the_queue_is_empty_in_the_end(place: &dyn Place) {
    let store = place.open().await;
    let before = store.stats().operations.load(Ordering::Relaxed);
    for i in 0..10 {
        add(&*store, &record(&format!("f{i}"), 1)).await;
    }
    let stats = store.stats();
    assert_eq!(stats.operations.load(Ordering::Relaxed) - before, 10);
    assert!(stats.commits.load(Ordering::Relaxed) > 0);
    assert!(stats.commit_nanos.load(Ordering::Relaxed) > 0);
    assert!(stats.records_committed.load(Ordering::Relaxed) >= 10);
    for _ in 0..1000 {
        if stats.queue_depth.load(Ordering::Relaxed) == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    panic!("the queue is not empty: {stats:?}");
}
