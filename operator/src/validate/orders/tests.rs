use super::*;

fn name() -> PoolName {
    PoolName {
        namespace: "a".to_owned(),
        name: "p".to_owned(),
    }
}

fn read(annotations: &[(&str, &str)]) -> Orders {
    let annotations = annotations.iter().copied();
    let annotations = annotations.map(|(key, text)| (key.to_owned(), text.to_owned()));
    Orders::read(&name(), &annotations.collect())
}

#[test]
fn an_order_to_empty_a_node_names_a_node_of_the_pool() {
    let drained = |text| read(&[(DRAIN, text)]).drain;
    assert_eq!(drained("p-node-2"), Some(DrainOrder::Node(2)));
    for bad in ["", "p-node-", "q-node-2", "b/p-node-2"] {
        assert_eq!(drained(bad), Some(DrainOrder::Malformed), "{bad}");
    }
    assert_eq!(read(&[]).drain, None);
}

#[test]
fn an_order_to_give_a_node_up_names_a_node_of_the_pool_and_its_volume() {
    let volume = Uuid::max();
    let text = format!("p-node-2/{volume}");
    for (begun, has_begun) in [
        (None, false),
        (Some(text.as_str()), true),
        (Some("x"), false),
    ] {
        let mut annotations = vec![(ABANDON, text.as_str())];
        annotations.extend(begun.map(|begun| (ABANDON_BEGUN, begun)));
        let wanted = AbandonOrder::Node {
            ordinal: 2,
            volume,
            text: text.clone(),
            has_begun,
        };
        assert_eq!(read(&annotations).abandon, Some(wanted), "{begun:?}");
    }
    for bad in [
        "",
        "p-node-2",
        "p-node-2/x",
        "q-node-2/ffffffff-ffff-ffff-ffff-ffffffffffff",
        "p-node-2/00000000-0000-0000-0000-000000000000",
    ] {
        let orders = read(&[(ABANDON, bad)]);
        assert_eq!(orders.abandon, Some(AbandonOrder::Malformed), "{bad}");
    }
}

#[test]
fn a_person_waits_for_what_was_ordered_and_not_for_what_was_taken_back() {
    for (annotation, waits) in [
        ((DRAIN, "p-node-0"), true),
        ((DRAIN, "nonsense"), true),
        ((ABANDON, "nonsense"), true),
        ((ADOPT, "true"), true),
        ((ADOPT, "no"), true),
        ((ABANDON_BEGUN, "p-node-0"), false),
        ((PAUSED, "true"), false),
    ] {
        assert_eq!(read(&[annotation]).wait(), waits, "{annotation:?}");
    }
    assert_eq!(read(&[(ADOPT, "no")]).adopt, Some(false));
    assert!(read(&[(PAUSED, "true")]).paused && !read(&[(PAUSED, "yes")]).paused);
}
