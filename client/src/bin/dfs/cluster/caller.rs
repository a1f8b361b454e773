//! Who calls a service in a cluster: decided from what its managers ask for.

use super::find::containers;
use crate::outcome::NotReached;
use crate::release::Account;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;

/// The manager's variables about its callers.
const AUTH: &str = "DFS_AUTH";
const AUDIENCE: &str = "DFS_AUTH_AUDIENCE";
/// Where rights and tokens are explained, for error messages.
const EXPLAINED: &str = "docs/dfs.md, In a Kubernetes cluster";

/// What managers ask of their callers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asks {
    /// Nothing: whoever reaches them may do everything.
    Nothing,
    /// A token of their file.
    Token,
    /// A token of the cluster's for this audience, or one of their file.
    Audience(String),
}

/// Whose token is shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Nobody,
    /// A ServiceAccount, whose token is for this audience.
    Account {
        account: Account,
        audience: String,
    },
    /// The kubeconfig's current user, whose token is for this audience.
    User {
        audience: String,
    },
}

/// What the manager in this pod asks of its callers.
pub(crate) fn asks(pod: &Pod) -> Asks {
    let value = |name: &str| {
        let all = containers(pod).flat_map(|one| one.env.iter().flatten());
        let mut named = all.filter(|variable| variable.name == name);
        named.next()?.value.clone()
    };
    // Without a word on it a manager takes nobody but whom it knows.
    let auth = value(AUTH).unwrap_or_default();
    let mut ways = auth.split(',');
    match value(AUDIENCE) {
        _ if auth == "none" => Asks::Nothing,
        Some(audience) if ways.any(|way| way == "kubernetes") => Asks::Audience(audience),
        _ => Asks::Token,
    }
}

/// Whom to call as. `user` is the token of the kubeconfig's current user, if it has one.
pub(crate) fn caller(
    asks: Asks,
    account: Option<Account>,
    user: Option<&str>,
) -> Result<Caller, NotReached> {
    let refused = |text: &str| Err(NotReached(format!("the service asks who calls: {text}")));
    match (asks, account) {
        (Asks::Nothing, _) => Ok(Caller::Nobody),
        (Asks::Audience(audience), Some(account)) => Ok(Caller::Account { account, audience }),
        // A token for somebody else, such as the API server, would be refused, and whoever
        // gets it could use it there.
        (Asks::Audience(audience), None) if user.is_some_and(|token| is_for(token, &audience)) => {
            Ok(Caller::User { audience })
        }
        (Asks::Audience(_), None) => refused(&format!(
            "name a ServiceAccount that has rights on files with --service-account \
             [NAMESPACE/]NAME, or give a token with --token-file ({EXPLAINED})"
        )),
        (Asks::Token, None) => refused("give a token that it knows with --token-file"),
        (Asks::Token, Some(_)) => refused(
            "it takes no ServiceAccount, since auth.clients.mode of its chart is not kubernetes; \
             give a token that it knows with --token-file",
        ),
    }
}

#[derive(Deserialize)]
struct Claims {
    aud: OneOrMore,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// Whether a token is a JSON Web Token for this audience and no other one (RFC 7519): whoever
/// gets it could use it there. What it says of itself is not verified: the service does that.
pub(crate) fn is_for(token: &str, audience: &str) -> bool {
    let claims = || {
        let part = token.split('.').nth(1)?;
        let text = URL_SAFE_NO_PAD.decode(part).ok()?;
        serde_json::from_slice::<Claims>(&text).ok()
    };
    match claims().map(|claims| claims.aud) {
        Some(OneOrMore::One(one)) => one == audience,
        Some(OneOrMore::More(all)) => all == [audience],
        None => false,
    }
}
