use super::*;
use crate::rest::activity::Activity;
use futures::FutureExt;
use std::future::poll_fn;

fn answer() -> (Arc<Activity>, Arc<Unsent>) {
    let activity = Arc::<Activity>::default();
    let holds = Holds {
        in_flight: activity.begin(),
        _place: None,
        _head: None,
    };
    (activity, Unsent::new(holds))
}

#[test]
fn an_answer_is_in_flight_until_its_last_piece_was_written() {
    let (activity, answer) = answer();
    let mut piece = answer.piece(Bytes::from_static(b"abc"));
    assert_eq!(piece, "abc");
    drop(answer);
    let rest = piece.split_off(1);
    drop(piece);
    assert_eq!(activity.look(), (1, true), "two bytes are not written");
    drop(rest);
    assert_eq!(activity.look(), (1, false));
}

#[test]
fn no_more_is_handed_on_while_enough_is_not_written() {
    let (_activity, answer) = answer();
    let room = || poll_fn(|cx| answer.poll_room(cx)).now_or_never();
    let small = answer.piece(vec![0; 10].into());
    assert!(room().is_some());
    let large = answer.piece(vec![0; AHEAD].into());
    assert!(room().is_none());
    drop(small);
    assert!(room().is_none());
    drop(large);
    assert!(room().is_some());
}

#[tokio::test]
async fn what_was_written_wakes_who_waits_for_room() {
    let (_activity, answer) = answer();
    let piece = answer.piece(vec![0; AHEAD].into());
    let waits = tokio::spawn(async move { poll_fn(|cx| answer.poll_room(cx)).await });
    tokio::task::yield_now().await;
    assert!(!waits.is_finished());
    drop(piece);
    waits.await.expect("it goes on");
}
