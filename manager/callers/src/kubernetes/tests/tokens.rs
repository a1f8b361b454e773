//! Whose a token is, and for how long that counts.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_thousand_requests_at_once_cost_one_review() {
    let (played, kubernetes) = world();
    played.know("a", info("user"));
    played.set_takes(50);
    let requests: Vec<_> = (0..1_000)
        .map(|_| {
            let kubernetes = kubernetes.clone();
            tokio::spawn(async move { kubernetes.known("a").await })
        })
        .collect();
    for request in requests {
        let user = request.await.expect("no panic").expect("known");
        assert_eq!(user.identity().to_string(), "kubernetes:user");
    }
    assert_eq!(played.tokens(), 1);
}

#[tokio::test(start_paused = true)]
async fn requests_that_waited_for_a_review_share_it_however_short_it_counts() {
    let (played, _) = world();
    played.set_takes(3_000);
    let brief = Settings {
        fresh: Duration::from_secs(1),
        ..settings()
    };
    let kubernetes = Kubernetes::new(played.clone(), brief);
    let ask = || kubernetes.known("wrong");
    let (a, b, c) = tokio::join!(ask(), ask(), ask());
    assert_eq!(
        [a, b, c].map(Result::err),
        [const { Some(Denied::Unknown) }; 3]
    );
    assert_eq!(played.tokens(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_known_token_is_reviewed_anew_when_its_time_is_over() {
    let (played, kubernetes) = world();
    played.know("a", info("user"));
    for (wait, wanted) in [(0, 1), (59_999, 1), (1, 2), (59_999, 2), (1, 3)] {
        pass(wait).await;
        kubernetes.known("a").await.expect("known");
        assert_eq!(played.tokens(), wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_decision_is_as_old_as_its_question() {
    let (played, kubernetes) = world();
    played.know("a", info("user"));
    played.set_takes(4_000);
    kubernetes.known("a").await.expect("known");
    pass(55_999).await;
    kubernetes.known("a").await.expect("known");
    assert_eq!(played.tokens(), 1);
    pass(1).await;
    kubernetes.known("a").await.expect("known");
    assert_eq!(played.tokens(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_deleted_is_refused_when_its_time_is_over() {
    let (played, kubernetes) = world();
    played.know("a", info("user"));
    kubernetes.known("a").await.expect("known");
    played.forget("a");
    pass(59_999).await;
    kubernetes.known("a").await.expect("its time is not over");
    pass(1).await;
    let refused = kubernetes.known("a").await;
    assert_eq!(refused.err(), Some(Denied::Unknown));
    assert_eq!(kubernetes.0.seen.count(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_not_known_is_refused_for_five_seconds() {
    let (played, kubernetes) = world();
    for (wait, wanted) in [(0, 1), (4_999, 1), (1, 2)] {
        pass(wait).await;
        let refused = kubernetes.known("a").await;
        assert_eq!(refused.err(), Some(Denied::Unknown));
        assert_eq!(played.tokens(), wanted);
    }
    played.know("a", info("user"));
    pass(4_999).await;
    assert!(kubernetes.known("a").await.is_err());
    pass(1).await;
    kubernetes.known("a").await.expect("known by now");
    assert_eq!(kubernetes.0.seen.count(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_never_used_past_its_own_end() {
    let (played, kubernetes) = world();
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let end = seconds.expect("after 1970").as_secs() + 30;
    let token = jwt(&format!(r#"{{"exp":{end}}}"#));
    played.know(&token, info("user"));
    kubernetes.known(&token).await.expect("known");
    pass(28_000).await;
    kubernetes.known(&token).await.expect("known");
    assert_eq!(played.tokens(), 1);
    played.set_away(true);
    pass(2_000).await;
    assert!(is_away(&kubernetes.known(&token).await));
    played.set_away(false);
    played.forget(&token);
    pass(1_000).await;
    let refused = kubernetes.known(&token).await;
    assert_eq!(refused.err(), Some(Denied::Unknown));
}

#[tokio::test(start_paused = true)]
async fn what_can_be_no_token_is_refused_without_a_review() {
    let (played, kubernetes) = world();
    let long = "x".repeat((16 << 10) + 1);
    for token in ["", "a b", "a\n", "\u{e4}", &long] {
        let refused = kubernetes.known(token).await;
        assert_eq!(refused.err(), Some(Denied::Unknown));
    }
    assert_eq!(played.tokens(), 0);
    assert_eq!(kubernetes.0.seen.count(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_kept_decision_is_had_without_waiting() {
    let (played, kubernetes) = world();
    played.know("a", info("user"));
    kubernetes.known("a").await.expect("known");
    let again = kubernetes.known("a");
    let mut again = std::pin::pin!(again);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(again.as_mut().poll(&mut context).is_ready());
}
