//! What callers see, with an API server that is played and a clock that is ours.

mod bounds;
mod cluster;
mod lines;
mod outage;
mod played;
mod rights;
mod tokens;

use super::reviews::UserInfo;
use super::*;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use played::Played;
use std::sync::atomic::Ordering;
use tokio::time::sleep;

/// For whom tokens are.
const AUDIENCE: &str = "fileserver";
/// How long decisions are used in these tests.
const FRESH: u64 = 60;
/// How much longer while the API server is away.
const STALE: u64 = 600;

/// A token with these claims.
pub(super) fn jwt(claims: &str) -> String {
    let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let (head, claims) = (part(r#"{"alg":"RS256"}"#), part(claims));
    format!("{head}.{claims}.c2lnbmF0dXJl")
}

fn settings() -> Settings {
    Settings {
        audience: AUDIENCE.to_owned(),
        namespace: "files-here".to_owned(),
        fresh: Duration::from_secs(FRESH),
        stale: Duration::from_secs(STALE),
        most: 4096,
        quotas: Quotas::default(),
    }
}

/// An API server, and what asks it.
fn world() -> (Arc<Played>, Arc<Kubernetes>) {
    let played = Arc::new(Played::default());
    let kubernetes = Arc::new(Kubernetes::new(played.clone(), settings()));
    (played, kubernetes)
}

impl Kubernetes {
    /// Who sent a token, for a client without other requests.
    async fn known(&self, token: &str) -> Result<Arc<User>, Denied> {
        self.authenticate(token, &Share::new(100)).await
    }
}

fn info(username: &str) -> UserInfo {
    UserInfo {
        username: username.to_owned(),
        uid: Some(format!("uid of {username}")),
        groups: vec!["system:authenticated".to_owned()],
        extra: [("credential".to_owned(), vec!["1".to_owned()])].into(),
    }
}

/// Waits so many milliseconds.
async fn pass(milliseconds: u64) {
    sleep(Duration::from_millis(milliseconds)).await;
}

fn is_away<T>(result: &Result<T, Denied>) -> bool {
    matches!(result, Err(Denied::Away(_)))
}

#[tokio::test]
async fn nothing_that_is_shown_holds_a_token() {
    let (played, kubernetes) = world();
    played.know("secret-token", info("system:serviceaccount:a:b"));
    let user = kubernetes.known("secret-token").await.expect("known");
    assert_eq!(user.identity().to_string(), "system:serviceaccount:a:b");
    assert_eq!(user.identity().prefix(), None);
    for shown in [format!("{user:?}"), format!("{kubernetes:?}")] {
        assert!(!shown.contains("secret"), "{shown}");
    }
    assert!(format!("{user:?}").contains("system:serviceaccount:a:b"));
}
