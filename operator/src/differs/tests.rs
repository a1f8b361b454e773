use super::*;
use serde_json::json;

#[test]
fn only_what_we_want_is_compared() {
    let there = json!({"a": 1, "theirs": true, "size": "1Gi", "list": [{"x": 1, "y": 2}]});
    for wanted in [
        json!({}),
        json!({"a": 1}),
        json!({"size": "1024Mi"}),
        json!({"list": [{"x": 1}]}),
        json!({"none": {}, "nothing": [], "null": null}),
    ] {
        assert!(!lacks(&there, &wanted), "{wanted}");
    }
    for wanted in [
        json!({"a": 2}),
        json!({"b": 1}),
        json!({"size": "2Gi"}),
        json!({"list": []}),
        json!({"list": [{"x": 2}]}),
        json!({"list": [{"x": 1}, {"x": 1}]}),
        json!({"flag": false}),
        json!({"theirs": null}),
    ] {
        assert!(lacks(&there, &wanted), "{wanted}");
    }
}

#[test]
fn what_others_added_to_our_lists_and_selectors_is_taken_away() {
    let wanted = json!({"spec": {
        "selector": {"matchLabels": {"pool": "a"}},
        "ports": [{"port": 1}],
        "template": {"labels": {"x": "1"}},
    }});
    let there = |change: fn(&mut Value)| {
        let mut there = wanted.clone();
        there["spec"]["clusterIP"] = json!("None");
        there["spec"]["ports"][0]["protocol"] = json!("TCP");
        there["spec"]["template"]["labels"]["theirs"] = json!("2");
        change(&mut there);
        there
    };
    assert_eq!(correction(&there(|_| {}), &wanted), None);
    assert!(!lacks(&there(|_| {}), &wanted));
    let more = there(|there| {
        there["spec"]["selector"]["matchLabels"]["other"] = json!("b");
        there["spec"]["selector"]["matchExpressions"] = json!([]);
        there["spec"]["ports"] = json!([{"port": 2}, {"port": 1}]);
    });
    assert!(lacks(&more, &wanted));
    assert_eq!(
        correction(&more, &wanted),
        Some(json!({"spec": {
            "selector": {"matchLabels": {"other": null}, "matchExpressions": null},
            "ports": [{"port": 1}],
        }}))
    );
    // What is missing is the apply's work.
    let less = there(|there| there["spec"]["ports"] = json!([]));
    assert!(lacks(&less, &wanted));
    assert_eq!(correction(&less, &wanted), None);
}
