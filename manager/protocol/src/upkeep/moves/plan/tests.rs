use super::*;
use proptest::prelude::*;

fn load(i: usize, files: u64, draining: bool, receives: bool) -> NodeLoad {
    let id = NodeId::new(&format!("n{i}")).expect("a node id");
    NodeLoad {
        id,
        files,
        draining,
        receives,
    }
}

fn after(nodes: &[NodeLoad], flows: &[Flow]) -> Vec<u64> {
    let at = |id: &NodeId| {
        nodes
            .iter()
            .position(|n| n.id == *id)
            .expect("a known node")
    };
    let mut files: Vec<u64> = nodes.iter().map(|n| n.files).collect();
    for flow in flows {
        assert!(
            flow.files > 0 && flow.from != flow.to,
            "an empty flow: {flow:?}"
        );
        files[at(&flow.from)] -= flow.files;
        files[at(&flow.to)] += flow.files;
    }
    files
}

#[test]
fn a_new_node_gets_its_share_and_no_more() {
    let nodes: Vec<_> = [334, 333, 333, 0]
        .iter()
        .enumerate()
        .map(|(i, f)| load(i, *f, false, true))
        .collect();
    let flows = plan(&nodes);
    assert_eq!(flows.iter().map(|f| f.files).sum::<u64>(), 250);
    assert!(flows.iter().all(|f| f.to.as_str() == "n3"));
    assert_eq!(after(&nodes, &flows), [250, 250, 250, 250]);
}

#[test]
fn a_draining_node_gives_everything() {
    let nodes = [
        load(0, 10, true, true),
        load(1, 4, false, true),
        load(2, 5, false, true),
    ];
    assert_eq!(after(&nodes, &plan(&nodes)), [0, 9, 10]);
}

#[test]
fn nothing_moves_where_nothing_can_or_need() {
    for nodes in [
        vec![],
        vec![load(0, 9, false, true)],
        vec![load(0, 9, true, true)],
        vec![load(0, 5, false, true), load(1, 6, false, true)],
        vec![load(0, 50, false, true), load(1, 0, false, false)],
    ] {
        let total_flow = plan(&nodes);
        if nodes.len() < 2 || nodes[0].files < 50 {
            assert_eq!(total_flow, [], "{nodes:?}");
        } else {
            assert!(total_flow.iter().all(|f| f.to.as_str() != "n1"));
        }
    }
}

prop_compose! {
    fn loads()(all in prop::collection::vec((0u64..2000, 0u8..10, 0u8..10), 0..9))
        -> Vec<NodeLoad>
    {
        all.into_iter()
            .enumerate()
            .map(|(i, (files, d, r))| load(i, files, d == 0, r > 0))
            .collect()
    }
}

proptest! {
    #[test]
    fn every_plan_ends_balanced_drained_and_complete(nodes in loads()) {
        let flows = plan(&nodes);
        let end = after(&nodes, &flows);
        prop_assert_eq!(end.iter().sum::<u64>(), nodes.iter().map(|n| n.files).sum::<u64>());
        for flow in &flows {
            let to = nodes.iter().find(|n| n.id == flow.to).expect("a known node");
            prop_assert!(to.receives && !to.draining);
        }
        let staying = || nodes.iter().zip(&end).filter(|(n, _)| !n.draining && n.receives);
        if staying().count() > 0 {
            for (node, files) in nodes.iter().zip(&end) {
                prop_assert!(!node.draining || *files == 0);
            }
            let max = staying().map(|(_, f)| *f).max().unwrap_or(0);
            let min = staying().map(|(_, f)| *f).min().unwrap_or(0);
            prop_assert!(max - min <= 1, "{:?}", end);
            // One that can't receive never ends above the others' level.
            for (node, files) in nodes.iter().zip(&end) {
                prop_assert!(node.receives || *files <= max.max(min + 1));
            }
        }
    }

    #[test]
    fn a_join_moves_at_most_its_share(counts in prop::collection::vec(0u64..3000, 1..9)) {
        // Balanced before, as the service keeps it.
        let total: u64 = counts.iter().sum();
        let k = counts.len() as u64;
        let mut nodes: Vec<_> = (0..counts.len())
            .map(|i| load(i, total / k + u64::from((i as u64) < total % k), false, true))
            .collect();
        nodes.push(load(counts.len(), 0, false, true));
        let moved: u64 = plan(&nodes).iter().map(|f| f.files).sum();
        prop_assert!(moved <= total.div_ceil(k + 1));
    }
}
