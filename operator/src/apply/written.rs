//! What is remembered of an object that was written: which of its fields are not wanted
//! any more can't be seen in the object itself.

use crate::differs::{correction, lacks};
use serde_json::{Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What is remembered of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    /// What was written.
    pub(super) wanted: Option<u64>,
    /// The object as it was after the write, where others changed it in that moment, as
    /// a webhook or a policy does.
    pub(super) bears: Option<u64>,
}

impl Written {
    /// `timeless` is what was wanted, whatever version of the object was there.
    pub(super) fn of(wanted: Option<u64>, left: &Value, timeless: &Value) -> Self {
        let differs = correction(left, timeless).is_some() || lacks(left, timeless);
        Self {
            wanted,
            bears: differs.then(|| essence(left)),
        }
    }
}

/// A hash of an object, without what the API server and controllers write by themselves.
/// Of JSON, since it is the same for every kind.
pub(super) fn essence(object: &Value) -> u64 {
    let metadata = &object["metadata"];
    hash(&json!({
        "labels": metadata["labels"],
        "annotations": metadata["annotations"],
        "spec": object["spec"],
        "data": object["data"],
    }))
}

/// A hash of JSON.
pub(super) fn hash(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_policy_changes_in_the_moment_of_the_write_is_borne() {
        let wanted = json!({
            "metadata": { "name": "p", "labels": { "a": "b" } },
            "spec": { "maxUnavailable": 1 },
        });
        let left = |unavailable: i32, version: &str| {
            json!({
                "metadata": { "name": "p", "resourceVersion": version, "labels": { "a": "b" } },
                "spec": { "maxUnavailable": unavailable },
            })
        };
        let written = |left: &Value| Written::of(Some(1), left, &wanted);
        assert_eq!(written(&left(1, "2")).bears, None);
        let changed = left(0, "2");
        assert_eq!(written(&changed).bears, Some(essence(&changed)));
        assert_eq!(essence(&changed), essence(&left(0, "3")), "it rests so");
        assert_ne!(essence(&changed), essence(&left(2, "3")), "somebody else");
    }
}
