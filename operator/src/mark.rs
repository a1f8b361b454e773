//! What a claim says about its volume. It outlives pods, records and managers, so that
//! a store that was lost or swapped can be compared with it.

use crate::annotations::VOLUME;
use crate::names::PoolName;
use crate::plan::Mark;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

const EMPTY: &str = "empty";
const STARTED: &str = "started";

/// The mark as it is written; pure.
pub(crate) fn text(mark: Mark) -> Option<String> {
    match mark {
        Mark::Missing => None,
        Mark::Empty => Some(EMPTY.to_owned()),
        Mark::Started => Some(STARTED.to_owned()),
        Mark::Volume(volume) => Some(volume.to_string()),
    }
}

/// What a claim says. One whose text can't be read may be anything but empty.
pub(crate) fn of(claim: &PersistentVolumeClaim) -> Mark {
    match claim.annotations().get(VOLUME).map(String::as_str) {
        None => Mark::Missing,
        Some(EMPTY) => Mark::Empty,
        Some(text) => text.parse().map_or(Mark::Started, Mark::Volume),
    }
}

/// Writes a mark on a claim that is there.
///
/// # Errors
/// Where the API server refuses, or does not answer.
pub(crate) async fn write(
    client: &Client,
    name: &PoolName,
    (ordinal, mark): (i32, Mark),
) -> kube::Result<()> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &name.namespace);
    let patch = json!({ "metadata": { "annotations": { VOLUME: text(mark) } } });
    let params = PatchParams {
        field_manager: Some(crate::names::FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let written = claims
        .patch(&name.claim(ordinal), &params, &Patch::Merge(patch))
        .await;
    match written {
        // It went meanwhile.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        done => done.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let claim = |text: Option<String>| {
            let mut claim = PersistentVolumeClaim::default();
            claim
                .annotations_mut()
                .extend(text.map(|text| (VOLUME.to_owned(), text)));
            of(&claim)
        };
        for mark in [
            Mark::Missing,
            Mark::Empty,
            Mark::Started,
            Mark::Volume(Uuid::max()),
        ] {
            assert_eq!(claim(text(mark)), mark);
        }
        assert_eq!(claim(Some("later".to_owned())), Mark::Started);
    }
}
