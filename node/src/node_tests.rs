use super::*;
use crate::testing;

async fn delete(node: &Arc<Node>, copy: &Copy) -> bool {
    let (send, receive) = oneshot::channel();
    let done = Box::new(move |found| send.send(found).expect("somebody waits"));
    node.delete(copy.clone(), node.session(), done);
    receive.await.expect("an answer").expect("no failure")
}

/// A copy in quarantine.
async fn quarantined(node: &Arc<Node>, name: &str) -> Copy {
    let copy = testing::store(node, name, b"bytes").await;
    let asked = copy.clone();
    let moved = node.ask(|done| Op::Quarantine {
        copy: asked,
        reason: String::new(),
        done,
    });
    assert!(moved.await.expect("moved").is_some());
    Copy { leaf: None, ..copy }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_whose_delete_came_first_stays_in_quarantine() {
    let (node, _dir) = testing::node();
    let mut copies = Vec::new();
    for name in ["kept", "deleted"] {
        copies.push(quarantined(&node, name).await);
    }
    assert!(!delete(&node, &copies[1]).await, "its tree has it no more");
    let session = node.session();
    let refused = node
        .adopt(copies[1].clone(), session)
        .await
        .expect_err("refused");
    assert_eq!(refused.fault, Fault::Tombstone, "{refused}");
    assert_eq!(node.disk.counts(), (0, 2));
    let adopted = node
        .adopt(copies[0].clone(), session)
        .await
        .expect("adopted");
    assert!(adopted.is_some());
    assert_eq!(node.disk.counts(), (1, 1));
}

/// An adoption that was held up arrives after the tombstones have overflowed and the one
/// of its own copy is gone: it is refused for its session.
#[tokio::test(flavor = "multi_thread")]
async fn an_adoption_that_outlived_its_tombstone_is_refused_by_its_session() {
    let (node, _dir) = testing::node_with(1);
    let (copy, session) = (quarantined(&node, "deleted").await, node.session());
    assert!(!delete(&node, &copy).await);
    let other = testing::store(&node, "other", b"bytes").await;
    assert!(delete(&node, &other).await);
    assert_ne!(node.session(), session, "the tombstones ran over");
    let refused = node.adopt(copy.clone(), session).await;
    let refused = refused.expect_err("it comes too late");
    assert_eq!(refused.fault, Fault::WrongSession, "{refused}");
    assert_eq!(refused.session, node.session());
    assert_eq!(node.disk.counts(), (0, 1));
    // A manager of the previous release names no session.
    let adopted = node.adopt(copy, 0).await.expect("adopted");
    assert!(adopted.is_some());
}
