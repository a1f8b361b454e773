use super::*;
use proto::FileId;

fn key() -> CopyKey {
    CopyKey {
        id: FileId::random(),
        generation: 1,
    }
}

fn fault(result: Result<u64, Failure>) -> Option<Fault> {
    result.err().map(|failure| failure.fault)
}

#[test]
fn creates_of_another_session_are_refused_with_the_one_that_is() {
    let mut creates = Creates::new(false, 8);
    let session = creates.session();
    let refused = creates
        .open(key(), session ^ 2)
        .expect_err("another session");
    assert_eq!(
        (refused.fault, refused.session),
        (Fault::WrongSession, session)
    );
    assert!(creates.open(key(), session).is_ok());
}

#[test]
fn a_create_that_comes_after_its_delete_is_refused() {
    let mut creates = Creates::new(false, 8);
    let (late, session) = (key(), creates.session());
    assert!(creates.doom(late, session).is_none());
    assert_eq!(fault(creates.open(late, session)), Some(Fault::Tombstone));
    let other = CopyKey {
        generation: 2,
        ..late
    };
    assert!(creates.open(other, session).is_ok());
}

#[test]
fn a_delete_ends_an_open_create() {
    let mut creates = Creates::new(false, 8);
    let (open, session) = (key(), creates.session());
    let number = creates.open(open, session).expect("opened");
    assert!(creates.doom(open, session).is_none());
    assert!(!creates.touch(open, number));
    assert!(!creates.commit(open, number));
    assert_eq!(creates.why_gone(open).fault, Fault::Tombstone);
}

#[test]
fn full_tombstones_begin_a_session_and_open_creates_go_on() {
    let mut creates = Creates::new(false, 2);
    let (early, session) = (key(), creates.session());
    let number = creates.open(early, session).expect("opened");
    for _ in 0..3 {
        let _ = creates.doom(key(), session);
    }
    assert_ne!(creates.session(), session);
    assert_eq!(
        fault(creates.open(key(), session)),
        Some(Fault::WrongSession)
    );
    assert!(creates.commit(early, number));
}

#[test]
fn a_sealed_node_ends_and_refuses_creates_until_it_is_opened() {
    let mut creates = Creates::new(false, 8);
    let (open, session) = (key(), creates.session());
    let number = creates.open(open, session).expect("opened");
    let _ = creates.set_sealed(true);
    assert!(!creates.commit(open, number));
    assert_eq!(fault(creates.open(key(), session)), Some(Fault::Sealed));
    let _ = creates.set_sealed(false);
    assert!(creates.open(key(), session).is_ok());
}

#[test]
fn what_the_committer_has_is_not_ended_by_a_delete() {
    let mut creates = Creates::new(false, 8);
    let (open, session) = (key(), creates.session());
    let number = creates.open(open, session).expect("opened");
    assert!(creates.commit(open, number));
    let _ = creates.doom(open, session);
    assert!(creates.touch(open, number));
}

#[test]
fn a_finish_that_waits_for_its_bytes_is_answered_when_the_create_is_given_up() {
    let mut creates = Creates::new(false, 8);
    let (open, session) = (key(), creates.session());
    let number = creates.open(open, session).expect("opened");
    let meta = Meta {
        key: open,
        size: 0,
        crc64: 0,
        sha256: None,
        created_ms: 0,
        content_type: String::new(),
        idempotency_key: String::new(),
    };
    let finish = Finish {
        name: FileName::new("f").expect("a name"),
        meta: Box::new(meta),
        done: Box::new(|_| {}),
        begun: Instant::now(),
    };
    assert!(matches!(creates.finish(finish), Finished::Later));
    assert!(creates.abort(open).is_some());
    // Its bytes come late: nothing is left to link them.
    assert!(!creates.commit(open, number));
}

#[test]
fn the_table_is_bounded() {
    let mut creates = Creates::new(false, 8);
    let session = creates.session();
    for _ in 0..MAX_OPEN {
        creates.open(key(), session).expect("opened");
    }
    assert_eq!(fault(creates.open(key(), session)), Some(Fault::Busy));
}

/// What two streams of one copy do at one node.
struct Streams {
    creates: Creates,
    node: std::sync::Arc<crate::node::Node>,
    _dir: tempfile::TempDir,
}

impl Streams {
    fn new(max_tombstones: usize) -> Self {
        let (node, dir) = crate::testing::node();
        Self {
            creates: Creates::new(false, max_tombstones),
            node,
            _dir: dir,
        }
    }

    /// A stream that brings seven bytes and breaks.
    fn breaks(&mut self, key: CopyKey) {
        let session = self.creates.session();
        let stream = self.creates.open_stream(key, session, Some(0));
        let stream = stream.unwrap_or_else(|failure| panic!("{failure}"));
        assert!(stream.staged.is_none());
        let staged = self.staged(7);
        self.creates.put_aside(key, stream.number, staged);
    }

    fn staged(&self, bytes: usize) -> Box<Staged> {
        let mut staged = self.node.disk.stage(None).expect("staged");
        staged.append(&[vec![1; bytes].into()]).expect("written");
        Box::new(staged)
    }

    /// How many bytes of a copy are kept.
    fn kept(&mut self, key: CopyKey) -> Result<Resume, Fault> {
        let session = self.creates.session();
        let resumed = self.creates.resume(key, session);
        resumed.map_err(|failure| failure.fault)
    }
}

#[test]
fn a_stream_that_breaks_goes_on_at_its_end_and_nowhere_else() {
    let (mut streams, copy) = (Streams::new(8), key());
    let session = streams.creates.session();
    streams.breaks(copy);
    assert_eq!(streams.creates.open_count(), 0);
    assert_eq!(streams.kept(copy), Ok(Resume::At(7)));
    let resumed = streams.creates.open_stream(copy, session, Some(7));
    let stream = resumed.unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(stream.staged.map(|staged| staged.size()), Some(7));
    // It is with one stream now: no other may write it.
    let second = streams.creates.open_stream(copy, session, Some(7));
    assert_eq!(fault(second.map(drop_stream)), Some(Fault::Invalid));
    streams.creates.end(copy, stream.number);
    let third = streams.creates.open_stream(copy, session, Some(7));
    assert_eq!(fault(third.map(drop_stream)), Some(Fault::NotFound));
    assert_eq!(streams.creates.open_count(), 0);
    // A stream that begins anew has no use for what is kept.
    streams.breaks(copy);
    streams.breaks(copy);
    assert!(streams.creates.open_stream(copy, session, None).is_ok());
}

fn drop_stream(stream: Stream) -> u64 {
    stream.number
}

#[test]
fn a_stream_that_still_stands_is_told_to_end_before_another_takes_over() {
    let (mut streams, copy) = (Streams::new(8), key());
    let session = streams.creates.session();
    let stream = streams.creates.open_stream(copy, session, Some(0));
    let stream = stream.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(!stream.stop.is_cancelled());
    assert_eq!(streams.kept(copy), Ok(Resume::Underway));
    assert!(stream.stop.is_cancelled());
    assert_eq!(streams.kept(copy), Ok(Resume::Underway));
    let staged = streams.staged(3);
    streams.creates.put_aside(copy, stream.number, staged);
    assert_eq!(streams.kept(copy), Ok(Resume::At(3)));
    // That stream has ended: a Finish that comes late in it links nothing.
    assert!(!streams.creates.seal_stream(copy, stream.number));
}

#[test]
fn what_is_kept_goes_with_its_copy_its_session_and_a_drain() {
    let mut streams = Streams::new(1);
    let [deleted, drained, old] = [key(), key(), key()];
    let session = streams.creates.session();
    streams.breaks(deleted);
    let _ = streams.creates.doom(deleted, session);
    assert_eq!(streams.kept(deleted), Err(Fault::Tombstone));
    streams.breaks(drained);
    let _ = streams.creates.set_sealed(true);
    assert_eq!(streams.kept(drained), Err(Fault::Sealed));
    let _ = streams.creates.set_sealed(false);
    assert_eq!(streams.kept(drained), Ok(Resume::Nothing));
    streams.breaks(old);
    // The tombstones are full.
    let _ = streams.creates.doom(key(), session);
    assert_ne!(streams.creates.session(), session);
    let refused = streams.creates.resume(old, session);
    assert_eq!(refused.map_err(|f| f.fault), Err(Fault::WrongSession));
    assert_eq!(streams.kept(old), Ok(Resume::Nothing));
    // A create that was ended leaves nothing.
    let session = streams.creates.session();
    let stream = streams.creates.open_stream(old, session, Some(0));
    let number = stream.map_or(0, drop_stream);
    let staged = streams.staged(3);
    let _ = streams.creates.doom(old, 0);
    streams.creates.put_aside(old, number, staged);
    assert_eq!(streams.kept(old), Ok(Resume::Nothing));
}
