use super::*;
use crate::testing;

async fn delete(node: &Arc<Node>, copy: &Copy) -> bool {
    let (send, receive) = oneshot::channel();
    let done = Box::new(move |found| send.send(found).expect("somebody waits"));
    node.delete(copy.clone(), node.session(), done);
    receive.await.expect("an answer").expect("no failure")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_whose_delete_came_first_stays_in_quarantine() {
    let (node, _dir) = testing::node();
    let mut copies = Vec::new();
    for name in ["kept", "deleted"] {
        let copy = testing::store(&node, name, b"bytes").await;
        let asked = copy.clone();
        let moved = node.ask(|done| Op::Quarantine {
            copy: asked,
            reason: String::new(),
            done,
        });
        assert!(moved.await.expect("moved").is_some());
        copies.push(Copy { leaf: None, ..copy });
    }
    assert!(!delete(&node, &copies[1]).await, "its tree has it no more");
    let refused = node.adopt(copies[1].clone()).await.expect_err("refused");
    assert_eq!(refused.fault, Fault::Tombstone, "{refused}");
    assert_eq!(node.disk.counts(), (0, 2));
    let adopted = node.adopt(copies[0].clone()).await.expect("adopted");
    assert!(adopted.is_some());
    assert_eq!(node.disk.counts(), (1, 1));
}
