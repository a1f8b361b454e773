//! The API server of a cluster, over a kube client.

use super::asking::DEADLINE;
use super::reviews::{Away, Reviews, UserInfo};
use crate::Verb;
use async_trait::async_trait;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use kube::api::PostParams;
use kube::{Api, Client, Config};
use std::error::Error;
use std::io;
use tracing::Dispatch;
use tracing::instrument::WithSubscriber;

/// The API group of the resource that rights are on.
const GROUP: &str = "fileserver.dev";
/// The resource that rights are on.
const RESOURCE: &str = "files";

/// There is no way to an API server.
#[derive(Debug, thiserror::Error)]
#[error("no client of the cluster's API server can be made: {0}")]
pub struct ConnectError(#[source] kube::Error);

/// The API server of a cluster.
pub(super) struct Cluster {
    tokens: Api<TokenReview>,
    accesses: Api<SubjectAccessReview>,
}

impl Cluster {
    /// The one of this pod, or of the kubeconfig.
    pub(super) async fn infer() -> Result<Self, ConnectError> {
        let config = Config::infer().await.map_err(kube::Error::InferConfig);
        let mut config = config.map_err(ConnectError)?;
        config.connect_timeout = Some(DEADLINE);
        config.read_timeout = Some(DEADLINE);
        // The time that a connection rested is no time that an answer took.
        config.reset_reader_on_write = true;
        let client = Client::try_from(config).map_err(ConnectError)?;
        Ok(Self::new(client))
    }

    /// The one of a client.
    pub(super) fn new(client: Client) -> Self {
        Self {
            tokens: Api::all(client.clone()),
            accesses: Api::all(client),
        }
    }
}

#[async_trait]
impl Reviews for Cluster {
    async fn token(&self, token: &str, audience: &str) -> Result<Option<UserInfo>, Away> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                audiences: Some(vec![audience.to_owned()]),
                token: token.to_owned(),
            },
            ..TokenReview::default()
        };
        let status = quietly(self.tokens.create(&PostParams::default(), &review)).await;
        let status = status.map_err(|error| away("TokenReview", &error))?.status;
        let status = status.unwrap_or_default();
        if let Some(error) = &status.error {
            let error = error.replace(token, "(the token)");
            tracing::debug!(error, "the API server does not know a token");
        }
        Ok(known(status, audience))
    }

    async fn access(&self, user: &UserInfo, namespace: &str, verb: Verb) -> Result<bool, Away> {
        let review = access_review(user, namespace, verb);
        let status = quietly(self.accesses.create(&PostParams::default(), &review)).await;
        let status = status
            .map_err(|error| away("SubjectAccessReview", &error))?
            .status;
        Ok(status.is_some_and(|status| is_allowed(&status)))
    }
}

/// What kube logs of a request goes nowhere: it logs an answer that it can't read as it
/// is, and the answer to a TokenReview repeats the token; and it logs each failure as an
/// error, while here an outage is logged once.
async fn quietly<T>(request: impl Future<Output = T>) -> T {
    request.with_subscriber(Dispatch::none()).await
}

/// The user of an answer. An authenticator that names no audience has not checked whether
/// the token is for this one.
fn known(status: TokenReviewStatus, audience: &str) -> Option<UserInfo> {
    let audiences = status.audiences.unwrap_or_default();
    let is_for_us = audiences.iter().any(|one| one == audience);
    if status.authenticated != Some(true) || !is_for_us {
        return None;
    }
    let user = status.user?;
    // A name with a line break would forge lines of a log.
    let is_good = |name: &String| !name.is_empty() && !name.contains(char::is_control);
    Some(UserInfo {
        username: user.username.filter(is_good)?,
        uid: user.uid,
        groups: user.groups.unwrap_or_default(),
        extra: user.extra.unwrap_or_default(),
    })
}

fn access_review(user: &UserInfo, namespace: &str, verb: Verb) -> SubjectAccessReview {
    let resource = ResourceAttributes {
        namespace: Some(namespace.to_owned()),
        verb: Some(verb.as_str().to_owned()),
        group: Some(GROUP.to_owned()),
        resource: Some(RESOURCE.to_owned()),
        ..ResourceAttributes::default()
    };
    SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.username.clone()),
            uid: user.uid.clone(),
            groups: Some(user.groups.clone()),
            extra: Some(user.extra.clone()),
            resource_attributes: Some(resource),
            non_resource_attributes: None,
        },
        ..SubjectAccessReview::default()
    }
}

fn is_allowed(status: &SubjectAccessReviewStatus) -> bool {
    status.allowed && status.denied != Some(true)
}

/// What failed, in words of our own: the errors of kube repeat what was sent.
fn away(kind: &str, error: &kube::Error) -> Away {
    Away(match error {
        kube::Error::Api(status) => match status.code {
            401 => "the API server does not accept the manager's own credential".to_owned(),
            403 => format!("the manager itself may not create a {kind}"),
            code => format!("the API server answers a {kind} with {code}"),
        },
        kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => {
            format!("the API server answers a {kind} with what is none")
        }
        kube::Error::Auth(_) => "the manager has no credential of its own".to_owned(),
        error => match io_kind(error) {
            Some(kind) => format!("the API server does not answer: {kind}"),
            None => "the API server does not answer: the connection failed".to_owned(),
        },
    })
}

/// What the system reported, where that is the cause.
fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let mut found = causes.filter_map(|cause| cause.downcast_ref::<io::Error>());
    found.next().map(io::Error::kind)
}
