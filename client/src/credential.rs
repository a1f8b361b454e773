//! What the client shows of itself: a bearer token, given, from a file that may change, or
//! asked for.

use crate::Error;
use futures::future::BoxFuture;
use http::HeaderValue;
use parking_lot::Mutex;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// For how long a token that was read counts without another look.
const FRESH: Duration = Duration::from_secs(10);
/// What stands before a token.
const BEARER: &str = "Bearer ";

#[derive(Debug)]
pub(crate) enum Credential {
    None,
    Token(HeaderValue),
    Read {
        from: Origin,
        last: Mutex<Option<(Instant, HeaderValue)>>,
    },
}

/// Where a token is read from, time and again.
pub(crate) enum Origin {
    File(PathBuf),
    Source(Box<Asked>),
}

type Asked = dyn Fn(Option<String>) -> BoxFuture<'static, io::Result<String>> + Send + Sync;

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Source(_) => f.write_str("Source"),
        }
    }
}

impl Origin {
    async fn token(
        &self,
        refused: Option<&HeaderValue>,
        patience: Duration,
    ) -> Result<HeaderValue, Error> {
        let text = async {
            match self {
                Self::File(path) => tokio::fs::read_to_string(path).await,
                Self::Source(ask) => ask(refused.and_then(shown)).await,
            }
        };
        let text = tokio::time::timeout(patience, text).await;
        let text = text.unwrap_or_else(|_| Err(late(patience)));
        let value = text.and_then(|text| bearer(text.trim()).map_err(io::Error::other));
        value.map_err(|source| match self {
            Self::File(path) => Error::Token {
                path: path.clone(),
                source,
            },
            Self::Source(_) => Error::TokenSource { source },
        })
    }
}

impl Credential {
    pub(crate) fn file(path: PathBuf) -> Self {
        Self::read_from(Origin::File(path))
    }

    pub(crate) fn asked(
        ask: impl Fn(Option<String>) -> BoxFuture<'static, io::Result<String>> + Send + Sync + 'static,
    ) -> Self {
        Self::read_from(Origin::Source(Box::new(ask)))
    }

    fn read_from(from: Origin) -> Self {
        let last = Mutex::new(None);
        Self::Read { from, last }
    }

    /// The value of `Authorization`, for which it waits this long.
    pub(crate) async fn value(&self, patience: Duration) -> Result<Option<HeaderValue>, Error> {
        match self {
            Self::None => Ok(None),
            Self::Token(value) => Ok(Some(value.clone())),
            Self::Read { .. } => match self.last() {
                Some((value, true)) => Ok(Some(value)),
                // It may be written anew at this very moment.
                Some((value, false)) => Ok(self.read(None, patience).await.unwrap_or(Some(value))),
                None => self.read(None, patience).await,
            },
        }
    }

    /// Whether there is another one than the service refused.
    pub(crate) async fn is_another(
        &self,
        refused: Option<&HeaderValue>,
        patience: Duration,
    ) -> bool {
        // Of many calls with the same token the first asks for the next one.
        if let Some((value, true)) = self.last()
            && refused != Some(&value)
        {
            return true;
        }
        match self.read(refused, patience).await {
            Ok(Some(read)) => refused != Some(&read),
            Ok(None) | Err(_) => false,
        }
    }

    /// The last one that was read, and whether it counts without another look.
    fn last(&self) -> Option<(HeaderValue, bool)> {
        let Self::Read { last, .. } = self else {
            return None;
        };
        let known = last.lock().clone();
        known.map(|(at, value)| (value, at.elapsed() < FRESH))
    }

    async fn read(
        &self,
        refused: Option<&HeaderValue>,
        patience: Duration,
    ) -> Result<Option<HeaderValue>, Error> {
        let Self::Read { from, last } = self else {
            return Ok(None);
        };
        let value = from.token(refused, patience).await?;
        *last.lock() = Some((Instant::now(), value.clone()));
        Ok(Some(value))
    }
}

/// The token in a value of `Authorization`.
fn shown(value: &HeaderValue) -> Option<String> {
    let token = value.to_str().ok()?.strip_prefix(BEARER)?;
    Some(token.to_owned())
}

fn late(waited: Duration) -> io::Error {
    let waited = humantime::format_duration(waited);
    io::Error::new(
        io::ErrorKind::TimedOut,
        format!("there was none in {waited}"),
    )
}

/// The value of `Authorization` with this token.
pub(crate) fn bearer(token: &str) -> Result<HeaderValue, &'static str> {
    if token.is_empty() {
        return Err("no token in it");
    }
    const FORM: &str = "a token has visible ASCII characters only, and no spaces";
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(FORM);
    }
    let mut value = HeaderValue::try_from(format!("{BEARER}{token}")).map_err(|_| FORM)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_file_that_changed_has_another_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let credential = Credential::file(path.clone());
        let error = credential.value(SOON).await.unwrap_err();
        assert!(error.to_string().contains("token"), "{error}");
        std::fs::write(&path, "first\n").unwrap();
        let first = credential.value(SOON).await.unwrap();
        assert_eq!(first.as_ref().unwrap(), "Bearer first");
        assert!(!credential.is_another(first.as_ref(), SOON).await);
        std::fs::write(&path, "second").unwrap();
        // Within its time the one that is known counts, unless the service refuses it.
        assert_eq!(credential.value(SOON).await.unwrap(), first);
        assert!(credential.is_another(first.as_ref(), SOON).await);
        assert_eq!(
            credential.value(SOON).await.unwrap().unwrap(),
            "Bearer second"
        );
        assert!(!format!("{credential:?}").contains("second"));
    }

    #[tokio::test]
    async fn a_source_is_asked_again_where_the_service_refuses_what_it_gave() {
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = asked.clone();
        let credential = Credential::asked(move |_| {
            let number = counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Box::pin(async move {
                match number {
                    2 => Err(io::Error::other("away")),
                    number => Ok(format!("token-{number}")),
                }
            })
        });
        let first = credential.value(SOON).await.unwrap();
        assert_eq!(first.as_ref().unwrap(), "Bearer token-0");
        assert_eq!(credential.value(SOON).await.unwrap(), first);
        assert!(credential.is_another(first.as_ref(), SOON).await);
        let second = credential.value(SOON).await.unwrap();
        assert_eq!(second.as_ref().unwrap(), "Bearer token-1");
        assert!(!credential.is_another(second.as_ref(), SOON).await);
        assert_eq!(credential.value(SOON).await.unwrap(), second);
        let away = Credential::asked(|_| Box::pin(async { Err(io::Error::other("away")) }));
        let error = away.value(SOON).await.unwrap_err();
        assert!(matches!(error, Error::TokenSource { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn a_source_is_given_what_was_refused_once_for_all_calls_that_showed_it() {
        let refused = std::sync::Arc::new(Mutex::new(Vec::new()));
        let noted = refused.clone();
        let credential = Credential::asked(move |refused| {
            let mut noted = noted.lock();
            noted.push(refused);
            let token = format!("token-{}", noted.len());
            Box::pin(async move { Ok(token) })
        });
        let first = credential.value(SOON).await.unwrap();
        for _ in 0..3 {
            assert!(credential.is_another(first.as_ref(), SOON).await);
        }
        assert_eq!(*refused.lock(), [None, Some("token-1".to_owned())]);
        let second = credential.value(SOON).await.unwrap();
        assert_eq!(second.as_ref().unwrap(), "Bearer token-2");
        assert!(!Credential::None.is_another(None, SOON).await);
        let given = Credential::Token(bearer("a").unwrap());
        assert!(!given.is_another(first.as_ref(), SOON).await);
    }

    #[tokio::test]
    async fn a_source_that_does_not_answer_is_waited_for_no_longer_than_told() {
        let credential = Credential::asked(|_| Box::pin(std::future::pending()));
        let error = credential.value(Duration::ZERO).await.unwrap_err();
        let Error::TokenSource { source } = error else {
            panic!("{error:?}");
        };
        assert_eq!(source.kind(), io::ErrorKind::TimedOut);
        assert!(!credential.is_another(None, Duration::ZERO).await);
    }

    #[tokio::test]
    async fn what_is_no_token_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for bad in ["", "\n", "a\nb", "a b", "é"] {
            std::fs::write(&path, bad).unwrap();
            assert!(
                Credential::file(path.clone()).value(SOON).await.is_err(),
                "{bad:?}"
            );
        }
    }
}
