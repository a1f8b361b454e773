//! What a user may do, and for how long that counts.

use super::*;

/// A world that knows the user of token `a`, who has these rights.
async fn with_user(rights: &[Verb]) -> (Arc<Played>, Arc<Kubernetes>, Arc<User>) {
    let (played, kubernetes) = world();
    played.know("a", info("user"));
    for verb in rights {
        played.allow("user", *verb);
    }
    let user = kubernetes.known("a").await.expect("known");
    (played, kubernetes, user)
}

#[tokio::test(start_paused = true)]
async fn each_right_of_each_user_is_asked_for_by_itself() {
    let (played, kubernetes) = world();
    for name in ["a", "b"] {
        played.know(name, info(name));
    }
    played.allow("a", Verb::Get);
    played.allow("b", Verb::Create);
    let a = kubernetes.known("a").await.expect("known");
    let b = kubernetes.known("b").await.expect("known");
    for _ in 0..3 {
        for verb in Verb::ALL {
            let may_a = kubernetes.may(&a, verb).await;
            let may_b = kubernetes.may(&b, verb).await;
            assert_eq!(may_a, Ok(verb == Verb::Get), "{verb}");
            assert_eq!(may_b, Ok(verb == Verb::Create), "{verb}");
        }
    }
    assert_eq!(played.accesses(), 2 * Verb::ALL.len());
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_revoked_is_gone_when_its_time_is_over() {
    let (played, kubernetes, user) = with_user(&[Verb::Get]).await;
    assert_eq!(kubernetes.may(&user, Verb::Get).await, Ok(true));
    played.revoke("user", Verb::Get);
    pass(59_999).await;
    assert_eq!(kubernetes.may(&user, Verb::Get).await, Ok(true));
    pass(1).await;
    assert_eq!(kubernetes.may(&user, Verb::Get).await, Ok(false));
}

#[tokio::test(start_paused = true)]
async fn a_new_right_counts_after_five_seconds() {
    let (played, kubernetes, user) = with_user(&[]).await;
    assert_eq!(kubernetes.may(&user, Verb::Get).await, Ok(false));
    played.allow("user", Verb::Get);
    pass(4_999).await;
    assert_eq!(kubernetes.may(&user, Verb::Get).await, Ok(false));
    pass(1).await;
    assert_eq!(kubernetes.may(&user, Verb::Get).await, Ok(true));
}

#[tokio::test(start_paused = true)]
async fn a_review_that_changes_nothing_keeps_the_rights() {
    let (played, kubernetes, first) = with_user(&[Verb::Get]).await;
    pass(30_000).await;
    assert_eq!(kubernetes.may(&first, Verb::Get).await, Ok(true));
    pass(30_000).await;
    let second = kubernetes.known("a").await.expect("known");
    assert_eq!(played.tokens(), 2);
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(kubernetes.may(&second, Verb::Get).await, Ok(true));
    assert_eq!(played.accesses(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_user_who_changed_starts_anew() {
    let changes: [fn(&mut UserInfo); 4] = [
        |info| info.groups.push("admins".to_owned()),
        |info| info.uid = Some("another".to_owned()),
        |info| info.extra.clear(),
        |info| info.username = "renamed".to_owned(),
    ];
    for change in changes {
        let (played, kubernetes, first) = with_user(&[Verb::Get]).await;
        pass(30_000).await;
        assert_eq!(kubernetes.may(&first, Verb::Get).await, Ok(true));
        let mut other = info("user");
        change(&mut other);
        played.know("a", other.clone());
        played.revoke("user", Verb::Get);
        pass(30_000).await;
        let second = kubernetes.known("a").await.expect("known");
        assert_eq!(*second.info(), other);
        assert_eq!(
            second.identity().to_string(),
            format!("kubernetes:{}", other.username)
        );
        assert_eq!(kubernetes.may(&second, Verb::Get).await, Ok(false));
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_that_comes_back_has_none_of_its_old_rights() {
    let (played, kubernetes, first) = with_user(&[Verb::Get]).await;
    pass(55_000).await;
    assert_eq!(kubernetes.may(&first, Verb::Get).await, Ok(true));
    played.forget("a");
    played.revoke("user", Verb::Get);
    pass(5_000).await;
    assert!(kubernetes.known("a").await.is_err());
    played.know("a", info("user"));
    pass(5_000).await;
    let second = kubernetes.known("a").await.expect("known");
    assert_eq!(kubernetes.may(&second, Verb::Get).await, Ok(false));
}

#[tokio::test(start_paused = true)]
async fn many_requests_for_one_right_cost_one_review() {
    let (played, kubernetes) = world();
    played.know("a", info("user"));
    played.allow("user", Verb::Get);
    played.set_takes(50);
    let user = kubernetes.known("a").await.expect("known");
    let requests: Vec<_> = (0..100)
        .map(|_| {
            let (kubernetes, user) = (kubernetes.clone(), user.clone());
            tokio::spawn(async move { kubernetes.may(&user, Verb::Get).await })
        })
        .collect();
    for request in requests {
        assert_eq!(request.await.expect("no panic"), Ok(true));
    }
    assert_eq!(played.accesses(), 1);
}
