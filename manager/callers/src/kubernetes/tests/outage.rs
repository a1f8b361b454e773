//! What callers see while the API server is away.

use super::*;

/// A user with one right, of whom all was asked just now.
async fn known(played: &Played, kubernetes: &Kubernetes) -> Arc<User> {
    played.know("a", info("user"));
    played.allow("user", Verb::Get);
    let user = kubernetes.known("a").await.expect("known");
    assert_eq!(kubernetes.may(&user, Verb::Get).await, Ok(true));
    assert_eq!(kubernetes.may(&user, Verb::Create).await, Ok(false));
    user
}

#[tokio::test(start_paused = true)]
async fn decisions_are_held_for_a_while_and_then_nobody_is_let_in() {
    let (played, kubernetes) = world();
    let user = known(&played, &kubernetes).await;
    played.set_away(true);
    pass((FRESH + STALE) * 1_000 - 1).await;
    kubernetes.known("a").await.expect("held");
    assert_eq!(kubernetes.may(&user, Verb::Get).await, Ok(true));
    assert_eq!(kubernetes.may(&user, Verb::Create).await, Ok(false));
    pass(1).await;
    let late = kubernetes.known("a").await;
    let why = "the API server does not answer: played".to_owned();
    assert_eq!(late.err(), Some(Denied::Away(why)));
    assert!(is_away(&kubernetes.may(&user, Verb::Get).await));
    assert!(is_away(&kubernetes.may(&user, Verb::Create).await));
    played.set_away(false);
    pass(1_000).await;
    kubernetes.known("a").await.expect("known again");
    assert_eq!(kubernetes.may(&user, Verb::Get).await, Ok(true));
}

#[tokio::test(start_paused = true)]
async fn what_was_never_decided_is_not_let_in() {
    let (played, kubernetes) = world();
    let user = known(&played, &kubernetes).await;
    played.know("b", info("other"));
    played.set_away(true);
    assert!(is_away(&kubernetes.known("b").await));
    assert!(is_away(&kubernetes.may(&user, Verb::Delete).await));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_not_known_is_not_called_unknown_for_longer() {
    let (played, kubernetes) = world();
    assert!(kubernetes.known("a").await.is_err());
    played.set_away(true);
    pass(4_999).await;
    let refused = kubernetes.known("a").await;
    assert_eq!(refused.err(), Some(Denied::Unknown));
    pass(1).await;
    assert!(is_away(&kubernetes.known("a").await));
}

#[tokio::test(start_paused = true)]
async fn a_review_that_failed_is_repeated_after_a_second() {
    let (played, kubernetes) = world();
    known(&played, &kubernetes).await;
    played.set_away(true);
    pass(FRESH * 1_000).await;
    for (wait, wanted) in [(0, 2), (999, 2), (1, 3), (999, 3), (1, 4)] {
        pass(wait).await;
        kubernetes.known("a").await.expect("held");
        assert_eq!(played.tokens(), wanted);
    }
    for (wait, wanted) in [(0, 5), (999, 5), (1, 6)] {
        pass(wait).await;
        assert!(is_away(&kubernetes.known("b").await));
        assert_eq!(played.tokens(), wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_hangs_is_given_up_after_its_deadline() {
    let (played, kubernetes) = world();
    known(&played, &kubernetes).await;
    played.set_takes(3_600_000);
    pass(FRESH * 1_000).await;
    let begin = Instant::now();
    kubernetes.known("a").await.expect("held");
    assert_eq!(begin.elapsed(), Duration::from_secs(5));
    pass(1_000).await;
    // It is still away: one request waits to see that, and no other does.
    let asks = tokio::spawn({
        let kubernetes = kubernetes.clone();
        async move { kubernetes.known("a").await }
    });
    pass(100).await;
    let begin = Instant::now();
    kubernetes.known("a").await.expect("held");
    assert_eq!(begin.elapsed(), Duration::ZERO);
    asks.await.expect("no panic").expect("held");
    assert_eq!(played.tokens(), 3);
}

#[tokio::test(start_paused = true)]
async fn requests_that_waited_for_a_failure_share_it() {
    let (played, kubernetes) = world();
    played.set_takes(3_600_000);
    let begin = Instant::now();
    let ask = || kubernetes.known("a");
    let (a, b, c) = tokio::join!(ask(), ask(), ask());
    assert!([a, b, c].iter().all(is_away));
    assert_eq!(begin.elapsed(), Duration::from_secs(5));
    assert_eq!(played.tokens(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_counts_at_once_after_an_outage() {
    let (played, kubernetes) = world();
    known(&played, &kubernetes).await;
    played.set_away(true);
    pass(FRESH * 1_000).await;
    kubernetes.known("a").await.expect("held");
    played.set_away(false);
    played.forget("a");
    pass(1_000).await;
    let refused = kubernetes.known("a").await;
    assert_eq!(refused.err(), Some(Denied::Unknown));
    played.set_away(true);
    pass(5_000).await;
    assert!(is_away(&kubernetes.known("a").await), "no way back");
}
