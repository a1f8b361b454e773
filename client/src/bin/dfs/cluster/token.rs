//! Tokens of a ServiceAccount, requested anew before they end.

use super::words::{Doing, failed};
use crate::outcome::NotReached;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Mutex;

/// How long a token is to last. The API server may choose otherwise.
const LIFE: Duration = Duration::from_secs(3600);

/// A ServiceAccount, and whom its tokens are for.
#[derive(Clone)]
pub(crate) struct Tokens {
    api: Api<ServiceAccount>,
    namespace: String,
    name: String,
    audience: String,
    /// The last token, and until when it is used.
    last: Arc<Mutex<Option<(Instant, String)>>>,
}

impl Tokens {
    pub(crate) fn new(client: Client, namespace: &str, name: &str, audience: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            audience: audience.to_owned(),
            last: Arc::default(),
        }
    }

    /// A token that lasts for a while.
    pub(crate) async fn token(&self) -> Result<String, NotReached> {
        let mut last = self.last.lock().await;
        if let Some((until, token)) = last.as_ref()
            && *until > Instant::now()
        {
            return Ok(token.clone());
        }
        let (life, token) = self.request().await?;
        *last = Some((Instant::now() + used(life), token.clone()));
        Ok(token)
    }

    /// The same, for a client.
    pub(crate) async fn read(self) -> io::Result<String> {
        self.token().await.map_err(io::Error::other)
    }

    async fn request(&self) -> Result<(Duration, String), NotReached> {
        let wanted = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(vec![self.audience.clone()]),
                expiration_seconds: i64::try_from(LIFE.as_secs()).ok(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let params = PostParams::default();
        let made = self.api.create_token_request(&self.name, &params, &wanted);
        let made = made.await.map_err(|error| {
            let doing = Doing::RequestToken(&self.name);
            failed(&error, doing, &self.namespace)
        })?;
        let nothing = || NotReached("the API server gave no token".to_owned());
        let status = made.status.ok_or_else(nothing)?;
        let ends = status.expiration_timestamp.map(|at| at.0.as_second());
        let ends = ends.and_then(|at| u64::try_from(at).ok());
        let ends = UNIX_EPOCH + Duration::from_secs(ends.unwrap_or_default());
        let life = ends.duration_since(SystemTime::now()).unwrap_or_default();
        Ok((life, status.token.ok_or_else(nothing)?))
    }
}

/// For how long a token is used that lasts so long: there is time left for another one.
fn used(life: Duration) -> Duration {
    life.mul_f64(0.8)
}
