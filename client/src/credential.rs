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

type Asked = dyn Fn() -> BoxFuture<'static, io::Result<String>> + Send + Sync;

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Source(_) => f.write_str("Source"),
        }
    }
}

impl Origin {
    async fn token(&self) -> Result<HeaderValue, Error> {
        let text = match self {
            Self::File(path) => tokio::fs::read_to_string(path).await,
            Self::Source(ask) => ask().await,
        };
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
        ask: impl Fn() -> BoxFuture<'static, io::Result<String>> + Send + Sync + 'static,
    ) -> Self {
        Self::read_from(Origin::Source(Box::new(ask)))
    }

    fn read_from(from: Origin) -> Self {
        let last = Mutex::new(None);
        Self::Read { from, last }
    }

    /// The value of `Authorization`.
    pub(crate) async fn value(&self) -> Result<Option<HeaderValue>, Error> {
        match self {
            Self::None => Ok(None),
            Self::Token(value) => Ok(Some(value.clone())),
            Self::Read { last, .. } => {
                let known = last.lock().clone();
                match known {
                    Some((at, value)) if at.elapsed() < FRESH => Ok(Some(value)),
                    // It may be written anew at this very moment.
                    Some((_, value)) => Ok(self.read().await.unwrap_or(Some(value))),
                    None => self.read().await,
                }
            }
        }
    }

    /// Whether there is another one than the service refused.
    pub(crate) async fn is_another(&self, refused: Option<&HeaderValue>) -> bool {
        match self {
            Self::None | Self::Token(_) => false,
            Self::Read { .. } => self.read().await.is_ok_and(|read| read.as_ref() != refused),
        }
    }

    async fn read(&self) -> Result<Option<HeaderValue>, Error> {
        let Self::Read { from, last } = self else {
            return Ok(None);
        };
        let value = from.token().await?;
        *last.lock() = Some((Instant::now(), value.clone()));
        Ok(Some(value))
    }
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
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| FORM)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_file_that_changed_has_another_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let credential = Credential::file(path.clone());
        let error = credential.value().await.unwrap_err();
        assert!(error.to_string().contains("token"), "{error}");
        std::fs::write(&path, "first\n").unwrap();
        let first = credential.value().await.unwrap();
        assert_eq!(first.as_ref().unwrap(), "Bearer first");
        assert!(!credential.is_another(first.as_ref()).await);
        std::fs::write(&path, "second").unwrap();
        // Within its time the one that is known counts, unless the service refuses it.
        assert_eq!(credential.value().await.unwrap(), first);
        assert!(credential.is_another(first.as_ref()).await);
        assert_eq!(credential.value().await.unwrap().unwrap(), "Bearer second");
        assert!(!format!("{credential:?}").contains("second"));
    }

    #[tokio::test]
    async fn a_source_is_asked_again_where_the_service_refuses_what_it_gave() {
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = asked.clone();
        let credential = Credential::asked(move || {
            let number = counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Box::pin(async move {
                match number {
                    2 => Err(io::Error::other("away")),
                    number => Ok(format!("token-{number}")),
                }
            })
        });
        let first = credential.value().await.unwrap();
        assert_eq!(first.as_ref().unwrap(), "Bearer token-0");
        assert_eq!(credential.value().await.unwrap(), first);
        assert!(credential.is_another(first.as_ref()).await);
        let second = credential.value().await.unwrap();
        assert_eq!(second.as_ref().unwrap(), "Bearer token-1");
        assert!(!credential.is_another(second.as_ref()).await);
        assert_eq!(credential.value().await.unwrap(), second);
        let away = Credential::asked(|| Box::pin(async { Err(io::Error::other("away")) }));
        let error = away.value().await.unwrap_err();
        assert!(matches!(error, Error::TokenSource { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn what_is_no_token_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for bad in ["", "\n", "a\nb", "a b", "é"] {
            std::fs::write(&path, bad).unwrap();
            assert!(
                Credential::file(path.clone()).value().await.is_err(),
                "{bad:?}"
            );
        }
    }
}
