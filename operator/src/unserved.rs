//! What a pool's status says once its release was ordered to leave, or no longer watches
//! its namespace: nobody is left to report that the pool is not ready, so that its status
//! must not say for ever that it is.

use crate::names::{FIELD_MANAGER, PoolName};
use crate::raw::RawPool;
use crate::released::RELEASED_FOR;
use crate::report::{Holds, Reason, Type};
use crate::validate::ValidatedPool;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

/// How long the operator itself writes no status after that: longer than Helm takes to
/// remove it, once the Job before an uninstall is done. Where it is still there then,
/// the pool is served as before, and says so.
const SILENT_FOR: SignedDuration = SignedDuration::from_secs(20);

/// The reason that such a pool gives.
const REASON: Reason = Reason::NotServed;

/// Why a release does not serve a pool any more; each names the release.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unserved<'a> {
    /// It was ordered to leave, by `operator leave`.
    Left(&'a str),
    /// It does not watch the pool's namespace.
    Unwatched(&'a str),
}

impl Unserved<'_> {
    fn said(self) -> String {
        match self {
            Self::Left(owner) => format!(
                "release {owner} was told to leave, and nobody serves the pool or says how it is; \
                 a release of that name in that namespace takes it up again"
            ),
            Self::Unwatched(owner) => format!(
                "release {owner} does not watch this namespace any more, and nobody serves the \
                 pool or says how it is; with the namespace in its watchNamespaces it takes the \
                 pool up again"
            ),
        }
    }
}

/// Whether a pool's condition `Ready` says anything but that nobody serves it; pure.
pub(crate) fn is_told_otherwise(pool: &RawPool) -> bool {
    let ready = conditions(pool)
        .into_iter()
        .find(|one| one.type_ == Type::Ready.text());
    ready.is_some_and(|ready| ready.reason != REASON.text())
}

fn conditions(pool: &RawPool) -> Vec<Condition> {
    let conditions = pool.status.get("conditions").cloned().unwrap_or_default();
    // Conditions that can't be read were not written by us.
    serde_json::from_value(conditions).unwrap_or_default()
}

/// Whether a pool was let go only just now, so that its status is left as it is; pure.
pub(crate) fn is_silent(pool: &ValidatedPool, now: Timestamp) -> bool {
    let after_silence = RELEASED_FOR - SILENT_FOR;
    let ends = pool
        .released_until
        .and_then(|until| until.checked_sub(after_silence).ok());
    ends.is_some_and(|ends| now < ends)
}

/// Makes a pool's status say that nobody serves it, if it has a condition `Ready`.
///
/// # Errors
/// Where the API server refuses, or does not answer.
pub(crate) async fn tell(
    client: &Client,
    pool: &RawPool,
    name: &PoolName,
    why: Unserved<'_>,
) -> kube::Result<()> {
    let Some(conditions) = unserved(conditions(pool), why, Timestamp::now()) else {
        return Ok(());
    };
    let pools: Api<RawPool> = Api::namespaced(client.clone(), &name.namespace);
    let patch = Patch::Merge(json!({ "status": { "conditions": conditions } }));
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    match pools.patch_status(&name.name, &params, &patch).await {
        // It went meanwhile.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        done => done.map(drop),
    }
}

/// All conditions, with `Ready` set to unknown; None where there is no `Ready`; pure.
fn unserved(
    mut conditions: Vec<Condition>,
    why: Unserved<'_>,
    now: Timestamp,
) -> Option<Vec<Condition>> {
    let ready = conditions
        .iter_mut()
        .find(|one| one.type_ == Type::Ready.text())?;
    let unknown = Holds::Unknown.text();
    if ready.status != unknown {
        ready.last_transition_time = Time(now);
    }
    ready.status = unknown.to_owned();
    ready.reason = REASON.text().to_owned();
    ready.message = why.said();
    Some(conditions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotations::RELEASED;

    fn condition(type_: &str, status: &str) -> Condition {
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: "AsItWas".to_owned(),
            message: "as it was".to_owned(),
            observed_generation: Some(1),
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
        }
    }

    #[test]
    fn a_pool_that_nobody_serves_is_not_said_to_be_ready() {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(9);
        let left = Unserved::Left("dfs/files");
        assert_eq!(unserved(Vec::new(), left, now), None);
        let all = vec![condition("Ready", "True"), condition("Rolling", "False")];
        let told = unserved(all.clone(), left, now).expect("it was ready");
        assert_eq!(told[1], all[1]);
        let ready = &told[0];
        assert_eq!(
            (ready.status.as_str(), ready.last_transition_time.0),
            ("Unknown", now)
        );
        assert!(ready.message.contains("dfs/files"), "{}", ready.message);
        let again = unserved(told.clone(), left, now + SILENT_FOR);
        assert_eq!(again, Some(told), "no flip is a second one");
    }

    #[test]
    fn an_operator_that_is_still_there_goes_on_to_say_how_a_pool_is() {
        let left: Timestamp = "2026-11-28T06:00:00Z".parse().expect("a time");
        let pool = |annotations: serde_json::Value| {
            ValidatedPool::sample(json!({}), json!({ "annotations": annotations }))
        };
        let released = pool(json!({ RELEASED: (left + RELEASED_FOR).to_string() }));
        assert!(is_silent(&released, left));
        assert!(!is_silent(&released, left + SILENT_FOR));
        assert!(!is_silent(&pool(json!({})), left));
    }
}
