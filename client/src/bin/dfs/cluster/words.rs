//! What fails at the API server, in words, and what helps.

use crate::outcome::NotReached;
use kube::Error;
use kube::config::KubeconfigError;
use std::time::Duration;

const UNAUTHORIZED: u16 = 401;
const FORBIDDEN: u16 = 403;
const NOT_FOUND: u16 = 404;

/// What was asked of the API server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Doing<'a> {
    ListServices,
    ListPods,
    /// Of this pod.
    Forward(&'a str),
    /// This Secret, for the authority in it.
    ReadSecret(&'a str),
    /// For this ServiceAccount.
    RequestToken(&'a str),
}

impl Doing<'_> {
    fn words(self) -> String {
        match self {
            Self::ListServices => "listing services".to_owned(),
            Self::ListPods => "listing pods".to_owned(),
            Self::Forward(pod) => format!("forwarding a port of pod {pod}"),
            Self::ReadSecret(secret) => {
                format!("reading the authority of its certificate from Secret {secret}")
            }
            Self::RequestToken(account) => {
                format!("requesting a token of ServiceAccount {account}")
            }
        }
    }

    /// The right that it needs, as a rule of a Role has it.
    fn right(self) -> &'static str {
        match self {
            Self::ListServices => "list of services",
            Self::ListPods => "list of pods",
            Self::Forward(_) => "get and create of pods/portforward",
            Self::ReadSecret(_) => "get of that Secret, or give its authority with --ca",
            Self::RequestToken(_) => "create of serviceaccounts/token",
        }
    }
}

/// A call of the API server that failed.
pub(crate) fn failed(error: &Error, doing: Doing<'_>, namespace: &str) -> NotReached {
    let what = format!("{} in namespace {namespace}", doing.words());
    let why = match error {
        Error::Api(status) if status.code == FORBIDDEN => format!(
            "{what} is not allowed; that needs {}: {}",
            doing.right(),
            status.message
        ),
        Error::Api(status) if status.code == UNAUTHORIZED => {
            format!("{what}: the API server does not know the kubeconfig's user")
        }
        Error::Api(status) if status.code == NOT_FOUND => {
            format!("{what}: there is none")
        }
        Error::Api(status) => format!("{what}: {}", status.message),
        Error::Service(error) => {
            let error: &(dyn std::error::Error + 'static) = error.as_ref();
            let causes: Vec<String> = anyhow::Chain::new(error).map(ToString::to_string).collect();
            format!("{what}: no answer of the API server: {}", causes.join(": "))
        }
        other => format!("{what}: {other}"),
    };
    NotReached(why)
}

/// A call of the API server that has no answer after this long.
pub(crate) fn silent(doing: Doing<'_>, namespace: &str, waited: Duration) -> NotReached {
    let (what, seconds) = (doing.words(), waited.as_secs());
    NotReached(format!(
        "{what} in namespace {namespace}: no answer of the API server in {seconds} s: is the \
         context right, and does `kubectl get services` answer from here?"
    ))
}

/// A kubeconfig that can't be used.
pub(crate) fn kubeconfig(error: &KubeconfigError) -> NotReached {
    NotReached(format!(
        "no kubeconfig that can be used (KUBECONFIG, or ~/.kube/config): {error}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn api(code: u16, message: &str) -> Error {
        Error::Api(Box::new(Status::failure(message, "").with_code(code)))
    }

    #[test]
    fn what_is_not_allowed_names_the_right() {
        for (doing, right) in [
            (Doing::ListServices, "list of services"),
            (Doing::ListPods, "list of pods"),
            (Doing::Forward("m-0"), "get and create of pods/portforward"),
            (Doing::ReadSecret("tls"), "with --ca"),
            (
                Doing::RequestToken("app"),
                "create of serviceaccounts/token",
            ),
        ] {
            let text = failed(&api(403, "pods is forbidden"), doing, "dfs").to_string();
            assert!(text.contains(right), "{text}");
            assert!(text.contains("in namespace dfs is not allowed"), "{text}");
            assert!(text.ends_with("pods is forbidden"), "{text}");
        }
    }

    #[test]
    fn a_call_without_an_answer_names_what_was_asked_and_what_to_check() {
        let waited = Duration::from_secs(15);
        let text = silent(Doing::RequestToken("app"), "dfs", waited).to_string();
        let what = "requesting a token of ServiceAccount app in namespace dfs: no answer";
        assert!(text.starts_with(what), "{text}");
        assert!(
            text.contains("in 15 s") && text.contains("kubectl get"),
            "{text}"
        );
    }

    #[test]
    fn other_refusals_are_told_as_they_are() {
        let token = Doing::RequestToken("app");
        for (code, says) in [
            (401, "does not know the kubeconfig's user"),
            (404, "ServiceAccount app in namespace dfs: there is none"),
            (500, "dfs: etcd is away"),
        ] {
            let text = failed(&api(code, "etcd is away"), token, "dfs").to_string();
            assert!(text.contains(says), "{code}: {text}");
            assert!(!text.contains("not allowed"), "{text}");
        }
    }
}
