//! The disk under parallel creates and deletes, staged either way: no directory
//! is above 36 entries at any instant (invariant 1), what is linked is whole
//! (invariant 3), and nothing is left behind.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use node::disk::meta::{CopyKey, Meta};
use node::disk::{Copy, Disk, Done, Op, Options, Place};
use node::metrics::Metrics;
use node::vital::Vital;
use proto::v1::Fault;
use proto::{FileId, FileName, MAX_ENTRIES};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use tokio_util::sync::CancellationToken;

const WRITERS: usize = 4;
const STEPS: usize = 300;

/// A file that was linked, and its bytes.
struct Kept {
    copy: Copy,
    data: Bytes,
}

fn open(dir: &Path, no_tmpfile: bool) -> Disk {
    open_with(
        dir,
        Options {
            no_tmpfile,
            ..Options::default()
        },
    )
}

fn open_with(dir: &Path, options: Options) -> Disk {
    let vital = Vital::new(CancellationToken::new());
    let committer = vital.hold("the committer");
    Disk::open(dir, options, Arc::new(Metrics::default()), committer).unwrap()
}

/// Asks the committer, and waits for its answer.
fn ask<T: Send + 'static>(disk: &Disk, op: impl FnOnce(Done<T>) -> Op) -> T {
    let (send, receive) = mpsc::channel();
    disk.submit(op(Box::new(move |result| send.send(result).unwrap())));
    receive.recv().unwrap().unwrap()
}

fn meta_of(data: &Bytes) -> Meta {
    Meta {
        key: CopyKey {
            id: FileId::random(),
            generation: 1,
        },
        size: data.len() as u64,
        crc64: checksum(CrcAlgorithm::Crc64Nvme, data),
        sha256: None,
        created_ms: 0,
        content_type: String::new(),
        idempotency_key: String::new(),
    }
}

fn store(disk: &Disk, name: &str, data: Bytes) -> Kept {
    let name = FileName::new(name).unwrap();
    let meta = meta_of(&data);
    let key = meta.key;
    let mut staged = Box::new(disk.stage(Some(meta.size)).unwrap());
    staged.append(std::slice::from_ref(&data)).unwrap();
    staged.seal(meta.clone()).unwrap();
    let leaf = ask(disk, |done| Op::Link {
        staged,
        name: name.clone(),
        meta: Box::new(meta),
        done,
    });
    let leaf = Some(leaf);
    let copy = Copy {
        name,
        key,
        leaf,
        session: 0,
    };
    Kept { copy, data }
}

fn remove(disk: &Disk, copy: Copy) {
    assert!(ask(disk, |done| Op::Remove { copy, done }));
}

/// Files, once all that was asked before is done.
fn files(disk: &Disk) -> u64 {
    ask(disk, |done| Op::Barrier { done });
    disk.files()
}

/// Files below a directory by name, how many directories there are, and the
/// entries of the fullest one.
#[derive(Default)]
struct Walk {
    files: BTreeMap<String, u64>,
    dirs: usize,
    largest: usize,
}

impl Walk {
    fn of(dir: &Path) -> Self {
        let mut walk = Self::default();
        walk.enter(dir);
        walk
    }

    /// What vanishes meanwhile is skipped.
    fn enter(&mut self, dir: &Path) {
        let Ok(listing) = std::fs::read_dir(dir) else {
            return;
        };
        let mut entries = 0;
        for entry in listing.flatten() {
            entries += 1;
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                self.dirs += 1;
                self.enter(&entry.path());
            } else {
                let name = entry.file_name().into_string().unwrap();
                self.files.insert(name, meta.len());
            }
        }
        self.largest = self.largest.max(entries);
    }
}

/// Creates and deletes; returns what must be there in the end.
fn work(disk: &Disk, writer: usize) -> Vec<Kept> {
    let mut mine: Vec<Kept> = Vec::new();
    for step in 0..STEPS {
        if step % 3 == 2 {
            let gone = mine.swap_remove(step * 7 % mine.len());
            remove(disk, gone.copy);
        } else {
            let data = Bytes::from(vec![step as u8; step * 13 % 5000]);
            mine.push(store(disk, &format!("w{writer}-{step}"), data));
        }
    }
    mine
}

/// Works with several threads while another one watches the trees.
fn watched_work(dir: &Path, disk: &Disk) -> Vec<Kept> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut looks = 0;
            while !stop.load(Ordering::Relaxed) {
                for tree in ["data", "staging"] {
                    let largest = Walk::of(&dir.join(tree)).largest;
                    assert!(largest <= MAX_ENTRIES, "{largest} entries below {tree}");
                }
                looks += 1;
            }
            looks
        });
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || work(disk, writer)))
            .collect();
        let kept = writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap())
            .collect();
        stop.store(true, Ordering::Relaxed);
        assert!(watcher.join().unwrap() > 0);
        kept
    })
}

fn assert_there(dir: &Path, disk: &Disk, kept: &[Kept]) {
    assert_eq!(disk.files(), kept.len() as u64);
    for Kept { copy, data } in kept {
        let found = disk.find(Place::Data, copy).unwrap().unwrap();
        assert_eq!(found.read(0, data.len()).unwrap(), data);
    }
    assert_eq!(Walk::of(&dir.join("data")).files.len(), kept.len());
}

fn under_parallel_creates_and_deletes(no_tmpfile: bool) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let dir = folder.path();
    let disk = open(dir, no_tmpfile);
    let kept = watched_work(dir, &disk);
    assert_there(dir, &disk, &kept);
    drop(disk);
    let disk = open(dir, no_tmpfile);
    assert_there(dir, &disk, &kept);
    for Kept { copy, .. } in kept {
        remove(&disk, copy);
    }
    let data = Walk::of(&dir.join("data"));
    assert_eq!((data.files.len(), data.dirs), (0, 0), "empty ones go");
    let staged = Walk::of(&dir.join("staging")).files;
    assert!(staged.is_empty(), "left in staging: {staged:?}");
}

#[test]
fn unnamed_staging_keeps_every_bound_and_leaves_nothing() {
    under_parallel_creates_and_deletes(false);
}

#[test]
fn named_staging_keeps_every_bound_and_leaves_nothing() {
    under_parallel_creates_and_deletes(true);
}

#[test]
fn what_was_staged_at_a_crash_is_wiped_at_the_start() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    drop(open(folder.path(), true));
    let left = folder.path().join("staging/0/0");
    std::fs::create_dir_all(&left).unwrap();
    std::fs::write(left.join("0"), "half a file").unwrap();
    let disk = open(folder.path(), true);
    assert_eq!(disk.files(), 0);
    assert!(!left.exists());
}

fn quarantine(disk: &Disk, copy: &Copy) -> Option<u32> {
    ask(disk, |done| Op::Quarantine {
        copy: copy.clone(),
        reason: "a test".to_owned(),
        done,
    })
}

#[test]
fn files_come_and_go_from_quarantine_where_renames_have_no_flag() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let disk = open_with(
        folder.path(),
        Options {
            plain_rename: true,
            ..Options::default()
        },
    );
    let kept = store(&disk, "f", Bytes::from_static(b"bytes"));
    assert!(quarantine(&disk, &kept.copy).is_some());
    assert_eq!((disk.files(), disk.quarantined()), (0, 1));
    let copy = Copy {
        leaf: None,
        ..kept.copy.clone()
    };
    assert!(ask(&disk, |done| Op::Adopt { copy, done }).is_some());
    assert_there(folder.path(), &disk, &[kept]);
}

#[test]
fn a_file_on_its_way_to_quarantine_counts_at_every_instant() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let disk = open(folder.path(), false);
    let kept = store(&disk, "f", Bytes::from_static(b"bytes"));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let (files, quarantined) = disk.counts();
                assert!(files + quarantined > 0, "it said that it is empty");
            }
        });
        for _ in 0..100 {
            assert!(quarantine(&disk, &kept.copy).is_some());
            let copy = Copy {
                leaf: None,
                ..kept.copy.clone()
            };
            assert!(ask(&disk, |done| Op::Adopt { copy, done }).is_some());
        }
        stop.store(true, Ordering::Relaxed);
        watcher.join().unwrap();
    });
}

#[test]
fn what_others_put_into_the_tree_takes_its_own_place_only() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let dir = folder.path();
    let disk = open(dir, false);
    let mut kept: Vec<Kept> = Vec::new();
    let fill = |disk: &Disk, kept: &mut Vec<Kept>, to: usize| {
        for number in kept.len()..to {
            let data = Bytes::from(number.to_string());
            kept.push(store(disk, &format!("f{number}"), data));
        }
    };
    fill(&disk, &mut kept, 20);
    // Where the second leaf would come, while the node runs.
    std::fs::write(dir.join("data/0/0/0/0/1"), "mine").unwrap();
    fill(&disk, &mut kept, 100);
    assert_eq!(disk.troubles().count(), 1, "{:?}", disk.troubles().first(9));
    drop(disk);
    std::fs::write(dir.join("data/0/0/0/notes"), "mine").unwrap();
    std::fs::write(dir.join("data/0/1"), "mine").unwrap();
    let disk = open(dir, false);
    assert_eq!(disk.troubles().count(), 3, "{:?}", disk.troubles().first(9));
    fill(&disk, &mut kept, 200);
    assert_eq!(disk.files(), 200);
    for Kept { copy, data } in &kept {
        let found = disk.find(Place::Data, copy).unwrap().unwrap();
        assert_eq!(found.read(0, data.len()).unwrap(), data);
    }
    let mut listed = 0;
    disk.walk(Place::Data, 0, &mut |_| {
        listed += 1;
        true
    })
    .unwrap();
    assert_eq!(listed, 200, "the walk goes on past what is not its own");
    assert!(Walk::of(&dir.join("data")).largest <= MAX_ENTRIES);
    assert_eq!(std::fs::read(dir.join("data/0/1")).unwrap(), b"mine");
}

/// Removes the files below a directory.
fn remove_files(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => remove_files(&path),
            false => std::fs::remove_file(path).unwrap(),
        }
    }
}

/// A staged file that somebody removed fails alone: every directory stays usable, and
/// takes the next file.
#[test]
fn a_staged_file_that_has_gone_closes_no_directory() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let disk = open(folder.path(), true);
    store(&disk, "before", Bytes::from_static(b"bytes"));
    let data = Bytes::from_static(b"bytes");
    let meta = meta_of(&data);
    let mut staged = Box::new(disk.stage(Some(meta.size)).unwrap());
    staged.append(std::slice::from_ref(&data)).unwrap();
    staged.seal(meta.clone()).unwrap();
    remove_files(&folder.path().join("staging"));
    let (send, receive) = mpsc::channel();
    disk.submit(Op::Link {
        staged,
        name: FileName::new("gone").unwrap(),
        meta: Box::new(meta),
        done: Box::new(move |result| send.send(result).unwrap()),
    });
    let failure = receive.recv().unwrap().unwrap_err();
    assert_eq!(failure.fault, Fault::Disk, "{failure}");
    assert_eq!(disk.troubles().count(), 0, "{:?}", disk.troubles().first(9));
    let next = store(&disk, "after", data);
    assert_eq!(next.copy.leaf, Some(0));
}

#[test]
fn what_files_take_of_the_capacity_is_the_same_after_a_restart() {
    const CAPACITY: u64 = 400 << 10;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let options = Options {
        capacity: Some(CAPACITY),
        ..Options::default()
    };
    let disk = open_with(folder.path(), options);
    for number in 0..50 {
        store(&disk, &format!("f{number}"), Bytes::from_static(b"small"));
    }
    let before = disk.space().room().free;
    drop(disk);
    let disk = open_with(folder.path(), options);
    assert_eq!(disk.space().room().free, before);
}

/// What somebody else removed counts until it is looked for, and no longer.
#[test]
fn a_file_that_something_else_removed_counts_no_more_once_it_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let disk = open(folder.path(), false);
    let store = |name: &str, data: &'static [u8]| store(&disk, name, Bytes::from_static(data));
    let kept: Vec<Kept> = (0..40).map(|n| store(&format!("f{n}"), b"12345")).collect();
    assert_eq!(files(&disk), 40);
    let path = |kept: &Kept| {
        let leaf = proto::leaf_path(kept.copy.leaf.unwrap());
        let path = format!("data/{leaf}/{}", kept.copy.name.as_str());
        folder.path().join(path)
    };
    let gone = |kept: &Kept| disk.find(Place::Data, &kept.copy).unwrap().is_none();
    std::fs::remove_file(path(&kept[3])).unwrap();
    assert_eq!(files(&disk), 40);
    for _ in 0..3 {
        assert!(gone(&kept[3]));
        assert_eq!(files(&disk), 39);
    }
    // A copy that is asked for by another id is not gone: its file is there.
    let mut other = kept[4].copy.clone();
    other.key.id = FileId::random();
    assert!(disk.find(Place::Data, &other).unwrap().is_none());
    assert_eq!(files(&disk), 39);
    // A delete looks for it too, and finds nothing to remove.
    std::fs::remove_file(path(&kept[5])).unwrap();
    let copy = kept[5].copy.clone();
    assert!(!ask(&disk, |done| Op::Remove { copy, done }));
    assert_eq!(files(&disk), 38);
    // Its place is free again, and its name.
    let again = store("f5", b"123");
    assert_eq!(again.copy.leaf, kept[5].copy.leaf);
    assert_eq!(files(&disk), 39);
    // A directory that is away may come back, with all of its files.
    let leaf = path(&kept[39]).parent().unwrap().to_owned();
    let aside = folder.path().join("aside");
    std::fs::rename(&leaf, &aside).unwrap();
    assert!(gone(&kept[39]));
    assert_eq!(files(&disk), 39);
    std::fs::rename(&aside, &leaf).unwrap();
    assert!(!gone(&kept[39]));
    // Nobody knows how long they were: that is counted at the next start.
    assert_eq!(disk.bytes(), 40 * 5 + 3);
    drop(disk);
    let disk = open(folder.path(), false);
    assert_eq!((files(&disk), disk.bytes()), (39, 38 * 5 + 3));
}

/// Bytes are counted by what files have at the start, and taken off by what records say.
#[test]
fn files_that_were_cut_short_leave_no_count_below_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let disk = open(folder.path(), false);
    let kept = store(&disk, "f", Bytes::from_static(b"12345"));
    let leaf = proto::leaf_path(kept.copy.leaf.unwrap());
    drop(disk);
    let path = folder.path().join("data").join(leaf).join("f");
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_len(2).unwrap();
    let disk = open(folder.path(), false);
    assert_eq!(disk.bytes(), 2);
    remove(&disk, kept.copy);
    assert_eq!((files(&disk), disk.bytes()), (0, 0));
}
