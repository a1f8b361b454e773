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
