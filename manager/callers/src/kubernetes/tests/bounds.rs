//! What many callers at once, and wrong tokens, cost.

use super::*;
use crate::kubernetes::seen::STRANGERS;
use tokio::task::JoinHandle;

/// Asks for many tokens at once; how many were answered in which way.
async fn flood(kubernetes: &Arc<Kubernetes>, tokens: usize) -> (usize, usize, usize) {
    let requests: Vec<_> = (0..tokens)
        .map(|number| {
            let kubernetes = kubernetes.clone();
            tokio::spawn(async move { kubernetes.known(&format!("t{number}")).await })
        })
        .collect();
    let mut counts = (0, 0, 0);
    for request in requests {
        match request.await.expect("no panic") {
            Ok(_) => counts.0 += 1,
            Err(Denied::Away(why)) => {
                assert_eq!(why, "too many reviews at once");
                counts.2 += 1;
            }
            Err(_) => counts.1 += 1,
        }
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn wrong_tokens_are_bounded_and_drive_out_no_good_one() {
    let (played, kubernetes) = world();
    for number in 0..100 {
        let token = format!("good{number}");
        played.know(&token, info(&token));
        kubernetes.known(&token).await.expect("known");
    }
    assert_eq!(flood(&kubernetes, 20_000).await, (0, 20_000, 0));
    let (known, others) = kubernetes.0.seen.count();
    assert_eq!(known, 100);
    assert!(others <= STRANGERS, "{others}");
    let before = played.tokens();
    for number in 0..100 {
        let good = kubernetes.known(&format!("good{number}")).await;
        good.expect("known");
    }
    assert_eq!(played.tokens(), before);
}

#[tokio::test(start_paused = true)]
async fn known_tokens_are_bounded() {
    for most in [1, 5, 16, 100, 1_000] {
        let played = Arc::new(Played::default());
        let kubernetes = Kubernetes::new(played.clone(), Settings { most, ..settings() });
        for number in 0..3_000 {
            let token = format!("t{number}");
            played.know(&token, info("user"));
            kubernetes.known(&token).await.expect("known");
        }
        let (known, others) = kubernetes.0.seen.count();
        assert!(known > 0 && known <= most, "{known} of {most}");
        assert!(others <= STRANGERS);
    }
}

#[tokio::test(start_paused = true)]
async fn sixteen_are_asked_at_once_and_the_others_wait_for_a_place() {
    let (played, kubernetes) = world();
    played.set_takes(2_000);
    for name in ["t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7"] {
        played.know(name, info(name));
        kubernetes.known(name).await.expect("known");
    }
    pass(FRESH * 1_000).await;
    played.most_open.store(0, Ordering::Relaxed);
    // First the eight whose time is over and eight strangers, then twice twelve strangers;
    // the others have waited for five seconds by then.
    let counts = flood(&kubernetes, 8 + 50).await;
    assert_eq!(counts, (8, 32, 18));
    assert_eq!(played.most_open.load(Ordering::Relaxed), 16);
}

#[tokio::test(start_paused = true)]
async fn strangers_leave_places_for_those_who_are_known() {
    let (played, kubernetes) = world();
    played.know("a", info("user"));
    kubernetes.known("a").await.expect("known");
    pass(FRESH * 1_000).await;
    played.set_takes(1_000);
    let strangers = tokio::spawn({
        let kubernetes = kubernetes.clone();
        async move { flood(&kubernetes, 1_000).await }
    });
    pass(500).await;
    let begin = Instant::now();
    kubernetes.known("a").await.expect("known");
    assert_eq!(begin.elapsed(), Duration::from_secs(1));
    let (_, refused, away) = strangers.await.expect("no panic");
    assert!(refused >= 60 && away > 0, "{refused} {away}");
    assert_eq!(played.most_open.load(Ordering::Relaxed), 13);
}

#[tokio::test(start_paused = true)]
async fn a_flood_from_one_client_leaves_places_for_those_who_are_new() {
    let (played, kubernetes) = world();
    played.know("new", info("user"));
    played.set_takes(1_000);
    let share = Arc::new(Share::new(75));
    let flood: Vec<_> = (0..1_000)
        .map(|number| {
            let (kubernetes, share) = (kubernetes.clone(), share.clone());
            let token = format!("wrong-{number}");
            tokio::spawn(async move { kubernetes.authenticate(&token, &share).await })
        })
        .collect();
    pass(500).await;
    // All but a few of them hold nothing any more.
    let refused = flood.iter().filter(|one| one.is_finished()).count();
    assert_eq!(refused, 1_000 - 9 - 64);
    let begin = Instant::now();
    let new = kubernetes.authenticate("new", &Share::new(75)).await;
    assert!(new.is_ok(), "{new:?}");
    assert_eq!(begin.elapsed(), Duration::from_secs(1));
    assert_eq!(played.most_open.load(Ordering::Relaxed), 10);
    for one in flood {
        assert!(one.await.expect("no panic").is_err());
    }
}

/// Asks for token `a` and one right of its user, in a task.
fn ask(kubernetes: &Arc<Kubernetes>) -> JoinHandle<Result<bool, Denied>> {
    let kubernetes = kubernetes.clone();
    tokio::spawn(async move {
        let user = kubernetes.known("a").await?;
        kubernetes.may(&user, Verb::Get).await
    })
}

#[tokio::test(start_paused = true)]
async fn a_review_goes_on_for_others_when_its_request_has_gone() {
    let (played, kubernetes) = world();
    played.know("a", info("user"));
    played.allow("user", Verb::Get);
    played.set_takes(1_000);
    let begin = Instant::now();
    let (first, second) = (ask(&kubernetes), ask(&kubernetes));
    pass(500).await;
    first.abort();
    assert_eq!(second.await.expect("no panic"), Ok(true));
    assert_eq!(begin.elapsed(), Duration::from_secs(2));
    assert_eq!((played.tokens(), played.accesses()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn clients_that_are_impatient_see_that_the_api_server_is_away() {
    let (played, kubernetes) = world();
    played.know("a", info("user"));
    kubernetes.known("a").await.expect("known");
    played.set_takes(3_600_000);
    pass(FRESH * 1_000).await;
    for second in 0..5 {
        let asks = ask(&kubernetes);
        pass(1_000).await;
        assert!(!asks.is_finished(), "{second}");
        asks.abort();
    }
    kubernetes.known("a").await.expect("held");
    assert_eq!(played.tokens(), 2);
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_cancelled_while_they_wait_leave_nothing() {
    let (played, kubernetes) = world();
    played.set_takes(1_000);
    let strangers = tokio::spawn({
        let kubernetes = kubernetes.clone();
        async move { flood(&kubernetes, 36).await }
    });
    for _ in 0..40 {
        pass(10).await;
        let asks = [ask(&kubernetes), ask(&kubernetes)];
        pass(10).await;
        asks.iter().for_each(JoinHandle::abort);
    }
    assert_eq!(strangers.await.expect("no panic"), (0, 36, 0));
    assert_eq!(played.tokens(), 36);
    let refused = kubernetes.known("a").await;
    assert_eq!(refused.err(), Some(Denied::Unknown));
    assert_eq!(played.tokens(), 37);
}
