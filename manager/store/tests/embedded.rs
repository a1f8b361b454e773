//! The embedded engine: the suite that every engine passes, and what is its own —
//! the directory, its lock and its format.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use manager_protocol::sim::sample;
use manager_protocol::store::{Insert, Store, StoreError, Which};
use manager_store::Embedded;
use manager_store::suite::{self, Place};
use tempfile::TempDir;

/// A directory that goes when the test ends.
struct Temporary(TempDir);

impl Temporary {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }
}

#[async_trait]
impl Place for Temporary {
    async fn open(&self) -> Arc<dyn Store> {
        manager_store::open(&format!("embedded:{}", self.0.path().display()))
            .await
            .unwrap()
    }
}

/// Every file below a directory, with its contents.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.insert(path.display().to_string(), fs::read(&path).unwrap());
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_engine_keeps_every_promise_of_the_suite() {
    suite::run(Temporary::new).await;
}

#[tokio::test]
async fn the_suite_also_passes_on_one_thread() {
    suite::run(Temporary::new).await;
}

/// While its only thread for such work is taken, a runtime gets no further with a scan,
/// and does not run it on its own threads.
#[test]
fn only_reads_of_one_record_run_on_the_threads_of_the_runtime() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.max_blocking_threads(1).build().unwrap();
    let dir = TempDir::new().unwrap();
    runtime.block_on(async {
        let store = Embedded::open(dir.path()).await.unwrap();
        let record = sample::record("f", 1);
        store.insert(record.clone()).await.unwrap();
        let (go_on, held) = std::sync::mpsc::channel::<()>();
        let taken = tokio::task::spawn_blocking(move || held.recv());
        let (name, node) = (&record.name, &record.node);
        assert!(store.get(name).now_or_never().is_some());
        let names = [name.clone()];
        assert!(store.get_many(&names).now_or_never().is_none());
        assert!(store.page("", None, 9).now_or_never().is_none());
        assert!(store.unsettled(None, 9).now_or_never().is_none());
        assert!(store.listed_on(node, None, 9).now_or_never().is_none());
        let count = store.count(Which::ListedOn(node), None, 9);
        assert!(count.now_or_never().is_none());
        assert!(store.nodes().now_or_never().is_none());
        go_on.send(()).unwrap();
        taken.await.unwrap().unwrap();
        assert_eq!(store.nodes().await.unwrap(), []);
    });
}

#[tokio::test]
async fn a_second_opening_is_refused_and_told_who_holds_the_store() {
    let dir = TempDir::new().unwrap();
    let first = Embedded::open(dir.path()).await.unwrap();
    let refused = Embedded::open(dir.path()).await.err().unwrap();
    assert!(matches!(refused, StoreError::Locked { .. }), "{refused:?}");
    let text = refused.to_string();
    assert!(text.contains(&dir.path().display().to_string()), "{text}");
    assert!(
        text.contains(&format!("process {}", std::process::id())),
        "{text}"
    );
    first
        .insert(sample::record("still writable", 1))
        .await
        .unwrap();
    drop(first);
    let again = Embedded::open(dir.path()).await.unwrap();
    assert_eq!(again.totals().await.unwrap().files, 1);
}

#[tokio::test]
async fn a_newer_format_is_refused_and_nothing_is_touched() {
    let dir = TempDir::new().unwrap();
    drop(Embedded::open(dir.path()).await.unwrap());
    fs::write(dir.path().join("format"), "dfs-store 2\nand more\n").unwrap();
    let before = contents(dir.path());
    let refused = Embedded::open(dir.path()).await.err().unwrap();
    assert!(
        matches!(
            refused,
            StoreError::NewerFormat {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{refused:?}"
    );
    assert!(contents(dir.path()) == before, "something was changed");
}

#[tokio::test]
async fn a_format_file_that_says_something_else_is_damage() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("format"), "shopping list\n").unwrap();
    let refused = Embedded::open(dir.path()).await.err().unwrap();
    assert!(matches!(refused, StoreError::Corrupt(_)), "{refused:?}");
}

#[tokio::test]
async fn a_format_that_was_interrupted_begins_anew() {
    let dir = TempDir::new().unwrap();
    // After step 2, and in the middle of step 3 (see the engine's directory module).
    fs::write(dir.path().join("format"), "dfs-store 1\n").unwrap();
    fs::create_dir(dir.path().join("engine.new")).unwrap();
    fs::write(dir.path().join("engine.new/0.jnl"), "half of something").unwrap();
    let store = Embedded::open(dir.path()).await.unwrap();
    store.insert(sample::record("file", 1)).await.unwrap();
}

#[tokio::test]
async fn a_directory_is_made_with_its_parents() {
    let dir = TempDir::new().unwrap();
    let deep = dir.path().join("a/b/c");
    let store = Embedded::open(&deep).await.unwrap();
    assert!(deep.join("format").is_file());
    store.ping().await.unwrap();
}

#[tokio::test]
async fn two_stores_have_two_cluster_ids() {
    let (one, two) = (Temporary::new(), Temporary::new());
    let ids = (
        one.open().await.cluster_id().await,
        two.open().await.cluster_id().await,
    );
    assert_ne!(ids.0.unwrap(), ids.1.unwrap());
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_names_the_flag_or_the_path() {
    for url in [
        "",
        "embedded",
        "embedded:",
        "mysql://u:secret@host/db",
        "mongodb://u:secret@",
        "mongodb://u:secret@host:none/db",
        "/data/store",
    ] {
        let error = manager_store::open(url).await.err().unwrap();
        assert!(matches!(error, StoreError::Url(_)), "{url:?}: {error:?}");
        assert!(error.to_string().starts_with("--store: "), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(!error.outcome_unknown());
    }
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Embedded::open(&file.join("below")).await.err().unwrap();
    assert!(
        error.to_string().contains(&*file.to_string_lossy()),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_wait_together_share_a_commit() {
    use std::sync::atomic::Ordering::Relaxed;
    let place = Temporary::new();
    let store = place.open().await;
    let tasks: Vec<_> = (0..2000)
        .map(|i| {
            let store = store.clone();
            tokio::spawn(async move { store.insert(sample::record(&format!("f{i}"), 1)).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), Insert::Inserted);
    }
    let (commits, records) = (
        store.stats().commits.load(Relaxed),
        store.stats().records_committed.load(Relaxed),
    );
    assert_eq!(records, 2000);
    assert!(commits < 1000, "{commits} commits");
    assert_eq!(store.totals().await.unwrap().files, 2000);
}
