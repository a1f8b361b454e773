//! Pages, indices and totals: what they hold, in which order, and that they
//! follow every change.

use super::{Place, add, change, remove};
use manager_protocol::sim::sample::{name, names, next, node, record};
use manager_protocol::store::{Copy, Record, State, Store, Totals, Which};

async fn fill(store: &dyn Store, files: &[&str]) {
    for file in files {
        add(store, &record(file, 1)).await;
    }
}

/// All names that `page` gives, page by page.
async fn all_pages(store: &dyn Store, prefix: &str, limit: usize) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    loop {
        let after = all.last().map(String::as_str);
        let page = store.page(prefix, after, limit).await.expect("page");
        assert!(page.len() <= limit);
        if page.is_empty() {
            return all;
        }
        all.extend(page.iter().map(|r| r.name.to_string()));
    }
}

pub(super) async fn a_page_is_in_byte_order_and_leaves_pending_out(place: &dyn Place) {
    let store = place.open().await;
    for (file, state) in [
        ("b", State::Stored),
        ("a", State::Moving),
        ("\u{10ffff}", State::Stored),
        ("\u{ffff}", State::Stored),
        ("Z", State::Deleting),
        ("hidden", State::Pending),
        ("ä", State::Stored),
        ("a-b", State::Stored),
    ] {
        add(
            &*store,
            &Record {
                state,
                ..record(file, 1)
            },
        )
        .await;
    }
    let page = store.page("", None, 100).await.expect("page");
    assert_eq!(
        names(&page),
        ["Z", "a", "a-b", "b", "ä", "\u{ffff}", "\u{10ffff}"]
    );
}

pub(super) async fn pages_follow_one_another_without_gap_or_repeat(place: &dyn Place) {
    let store = place.open().await;
    let files: Vec<String> = (0..23).map(|i| format!("f{i:02}")).collect();
    fill(
        &*store,
        &files.iter().rev().map(String::as_str).collect::<Vec<_>>(),
    )
    .await;
    add(
        &*store,
        &Record {
            state: State::Pending,
            ..record("f05x", 1)
        },
    )
    .await;
    for limit in [1, 2, 7, 23, 24] {
        assert_eq!(all_pages(&*store, "", limit).await, files, "limit {limit}");
        assert_eq!(
            all_pages(&*store, "f1", limit).await,
            files[10..20],
            "limit {limit}"
        );
    }
}

pub(super) async fn a_cursor_survives_the_deletion_of_its_name_and_of_others(place: &dyn Place) {
    let store = place.open().await;
    fill(&*store, &["a", "b", "c", "d", "e"]).await;
    let first = store.page("", None, 2).await.expect("page");
    assert_eq!(names(&first), ["a", "b"]);
    for file in ["a", "b", "c"] {
        let found = store.get(&name(file)).await.expect("get").expect("there");
        remove(&*store, &found).await;
    }
    add(&*store, &record("aa", 1)).await;
    let rest = store.page("", Some("b"), 10).await.expect("page");
    assert_eq!(
        names(&rest),
        ["d", "e"],
        "what lay before the cursor doesn't come back"
    );
}

pub(super) async fn a_prefix_is_matched_by_bytes_to_its_very_end(place: &dyn Place) {
    let store = place.open().await;
    let max = "\u{10ffff}";
    let files = [
        "a",
        "ab",
        "b",
        "é",
        "éa",
        "ê",
        max,
        &format!("{max}{max}"),
        &format!("{max}a"),
    ];
    fill(&*store, &files).await;
    for (prefix, want) in [
        ("a", vec!["a", "ab"]),
        ("ab", vec!["ab"]),
        ("abc", vec![]),
        ("é", vec!["é", "éa"]),
        ("\u{e8}", vec![]),
        (max, vec![max, &format!("{max}a"), &format!("{max}{max}")]),
        (&format!("{max}{max}"), vec![&format!("{max}{max}")]),
        ("~", vec![]),
    ] {
        let page = store.page(prefix, None, 100).await.expect("page");
        assert_eq!(names(&page), want, "prefix {prefix:?}");
    }
}

pub(super) async fn a_cursor_outside_the_prefix_neither_skips_nor_leaks(place: &dyn Place) {
    let store = place.open().await;
    fill(&*store, &["a", "ma", "mb", "mc", "z"]).await;
    for (after, want) in [
        ("", vec!["ma", "mb", "mc"]),
        ("b", vec!["ma", "mb", "mc"]),
        ("m", vec!["ma", "mb", "mc"]),
        ("ma", vec!["mb", "mc"]),
        ("maa", vec!["mb", "mc"]),
        ("mc", vec![]),
        ("n", vec![]),
        ("\u{10ffff}", vec![]),
    ] {
        let page = store.page("m", Some(after), 100).await.expect("page");
        assert_eq!(names(&page), want, "after {after:?}");
    }
}

pub(super) async fn a_limit_of_nothing_gives_nothing(place: &dyn Place) {
    let store = place.open().await;
    add(
        &*store,
        &Record {
            state: State::Moving,
            ..record("a", 1)
        },
    )
    .await;
    assert_eq!(store.page("", None, 0).await.expect("page"), []);
    assert_eq!(store.unsettled(None, 0).await.expect("unsettled"), []);
    assert_eq!(
        store.listed_on(&node("n1"), None, 0).await.expect("listed"),
        []
    );
}

pub(super) async fn unsettled_follows_every_change_of_state(place: &dyn Place) {
    let store = place.open().await;
    fill(&*store, &["a-settled", "z-settled"]).await;
    let mut file = Record {
        state: State::Pending,
        ..record("m", 1)
    };
    add(&*store, &file).await;
    for state in [
        State::Pending,
        State::Stored,
        State::Moving,
        State::Moving,
        State::Stored,
        State::Stored,
        State::Deleting,
    ] {
        file = next(&file, state);
        change(&*store, &file).await;
        let found = store.unsettled(None, 10).await.expect("unsettled");
        let want = if state == State::Stored {
            vec![]
        } else {
            vec![file.clone()]
        };
        assert_eq!(found, want, "{state:?}");
    }
    let others = ["b", "c", "d"].map(|n| Record {
        state: State::Pending,
        ..record(n, 1)
    });
    for other in &others {
        add(&*store, other).await;
    }
    let page = store
        .unsettled(Some(&name("b")), 2)
        .await
        .expect("unsettled");
    assert_eq!(names(&page), ["c", "d"]);
    remove(&*store, &file).await;
    let page = store
        .unsettled(Some(&name("c")), 10)
        .await
        .expect("unsettled");
    assert_eq!(names(&page), ["d"], "a removed record is not unsettled");
}

pub(super) async fn listed_on_follows_every_copy_in_any_state(place: &dyn Place) {
    let store = place.open().await;
    let listed = async |id: &str| store.listed_on(&node(id), None, 10).await.expect("listed");
    let copy = |id: &str, generation| Copy {
        node: node(id),
        session: 1,
        generation,
        doomed: false,
    };
    let mut file = Record {
        state: State::Pending,
        ..record("file", 1)
    };
    add(&*store, &file).await;
    assert_eq!(listed("n1").await, [file.clone()], "a reservation counts");
    assert_eq!(listed("n2").await, []);

    // Rule 8: list the target, make it count, unlist the source.
    file = next(&file, State::Moving);
    file.copies.push(copy("n2", 2));
    change(&*store, &file).await;
    assert_eq!(
        (listed("n1").await, listed("n2").await),
        (vec![file.clone()], vec![file.clone()])
    );
    file = Record {
        node: node("n2"),
        generation: 2,
        ..next(&file, State::Moving)
    };
    change(&*store, &file).await;
    assert_eq!(
        (listed("n1").await, listed("n2").await),
        (vec![file.clone()], vec![file.clone()])
    );
    file = Record {
        copies: vec![copy("n2", 2)],
        ..next(&file, State::Stored)
    };
    change(&*store, &file).await;
    assert_eq!(
        (listed("n1").await, listed("n2").await),
        (vec![], vec![file.clone()])
    );

    // Two attempts on one node are one line, and it goes with the last of them.
    file.copies = vec![copy("n2", 2), copy("n3", 3), copy("n3", 4)];
    file = next(&file, State::Moving);
    change(&*store, &file).await;
    assert_eq!(listed("n3").await, [file.clone()]);
    file.copies = vec![copy("n2", 2), copy("n3", 4)];
    file = next(&file, State::Moving);
    change(&*store, &file).await;
    assert_eq!(listed("n3").await, [file.clone()]);

    file = next(&file, State::Deleting);
    change(&*store, &file).await;
    assert_eq!(listed("n2").await, [file.clone()]);
    remove(&*store, &file).await;
    assert_eq!((listed("n2").await, listed("n3").await), (vec![], vec![]));
}

pub(super) async fn nodes_whose_ids_begin_alike_are_not_mixed_up(place: &dyn Place) {
    let store = place.open().await;
    let ids = ["n", "n1", "n10", "n1/a", "n1-b"];
    for id in ids {
        for file in ["a", "b", "c"] {
            let copy = Copy {
                node: node(id),
                session: 1,
                generation: 1,
                doomed: false,
            };
            let on = format!("{file}-{}", id.replace('/', "_"));
            add(
                &*store,
                &Record {
                    node: node(id),
                    copies: vec![copy],
                    ..record(&on, 1)
                },
            )
            .await;
        }
    }
    for id in ids {
        let end = id.replace('/', "_");
        let page = store.listed_on(&node(id), None, 10).await.expect("listed");
        assert_eq!(
            names(&page),
            ["a", "b", "c"].map(|f| format!("{f}-{end}")),
            "{id}"
        );
        let rest = store
            .listed_on(&node(id), Some(&name(&format!("a-{end}"))), 1)
            .await;
        assert_eq!(names(&rest.expect("listed")), [format!("b-{end}")], "{id}");
    }
}

pub(super) async fn totals_count_visible_files_and_their_bytes(place: &dyn Place) {
    let store = place.open().await;
    let totals = async || store.totals().await.expect("totals");
    assert_eq!(totals().await, Totals::default());
    let mut file = Record {
        state: State::Pending,
        size: 0,
        ..record("file", 0)
    };
    add(&*store, &file).await;
    assert_eq!(
        totals().await,
        Totals::default(),
        "a reservation is no file"
    );
    file = Record {
        size: 10,
        ..next(&file, State::Stored)
    };
    change(&*store, &file).await;
    add(&*store, &record("other", 5)).await;
    assert_eq!(
        totals().await,
        Totals {
            files: 2,
            bytes: 15
        }
    );
    let _loser = store.insert(record("other", 500)).await.expect("insert");
    let _loser = store
        .swap(Record {
            rev: 9,
            ..file.clone()
        })
        .await
        .expect("swap");
    assert_eq!(
        totals().await,
        Totals {
            files: 2,
            bytes: 15
        },
        "what failed doesn't count"
    );
    for state in [State::Moving, State::Deleting] {
        file = next(&file, state);
        change(&*store, &file).await;
        assert_eq!(
            totals().await,
            Totals {
                files: 2,
                bytes: 15
            }
        );
    }
    remove(&*store, &file).await;
    assert_eq!(totals().await, Totals { files: 1, bytes: 5 });
}

/// Counts to the end in steps of `limit`: files, bytes, and how many steps it took.
async fn counted(store: &dyn Store, which: Which<'_>, limit: usize) -> (u64, u64, usize) {
    let (mut files, mut bytes, mut steps) = (0, 0, 0);
    let mut after = None;
    loop {
        let step = store
            .count(which, after.as_ref(), limit)
            .await
            .expect("count");
        files += step.files;
        bytes += step.bytes;
        steps += 1;
        assert!(steps < 100, "it does not end");
        match step.last {
            Some(last) => after = Some(last),
            None => return (files, bytes, steps),
        }
    }
}

pub(super) async fn steps_of_a_count_add_up_and_end(place: &dyn Place) {
    let store = place.open().await;
    assert_eq!(counted(&*store, Which::Visible, 4).await.0, 0);
    for i in 0..12 {
        let mut file = record(&format!("f{i}"), i);
        if i >= 10 {
            file.state = State::Pending;
        }
        add(&*store, &file).await;
    }
    let (n1, n2) = (node("n1"), node("n2"));
    for limit in [1, 4, 10, 12, 100] {
        let (files, bytes, _) = counted(&*store, Which::Visible, limit).await;
        assert_eq!((files, bytes), (10, 45), "limit {limit}");
        let (files, bytes, _) = counted(&*store, Which::ListedOn(&n1), limit).await;
        assert_eq!((files, bytes), (12, 66), "limit {limit}");
    }
    let one = store
        .count(Which::ListedOn(&n1), None, 100)
        .await
        .expect("count");
    assert_eq!((one.largest, one.last), (11, None));
    assert_eq!(counted(&*store, Which::ListedOn(&n2), 4).await, (0, 0, 1));
}

pub(super) async fn many_names_are_looked_up_at_once(place: &dyn Place) {
    let store = place.open().await;
    assert_eq!(store.get_many(&[]).await.expect("none"), []);
    fill(&*store, &["a", "ä", "c"]).await;
    let wanted = [name("c"), name("b"), name("ä")];
    let found = store.get_many(&wanted).await.expect("many");
    let found: Vec<_> = found
        .iter()
        .map(|record| record.as_ref().map(|record| record.name.to_string()))
        .collect();
    assert_eq!(found, [Some("c".to_owned()), None, Some("ä".to_owned())]);
}
