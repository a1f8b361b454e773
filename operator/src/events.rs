//! Events for people: one when something begins to hold or ends, none that
//! repeats.

use crate::report::well_holds;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType};

/// The longest note that the API takes, in bytes.
const NOTE: usize = 1000;

/// An event.
pub(crate) fn event(
    type_: EventType,
    reason: &str,
    action: &str,
    note: impl Into<String>,
) -> Event {
    let mut note = note.into();
    if note.len() > NOTE {
        let end = (0..=NOTE).rev().find(|end| note.is_char_boundary(*end));
        note.truncate(end.unwrap_or(0));
    }
    Event {
        type_,
        reason: reason.to_owned(),
        note: Some(note),
        action: action.to_owned(),
        secondary: None,
    }
}

/// What flipped between two reconciles; pure. What is well from the start is no event.
pub(crate) fn flips(before: &[Condition], after: &[Condition]) -> Vec<Event> {
    let mut events = Vec::new();
    for new in after {
        // These two repeat other conditions; and that no manager can be asked is the
        // event of one condition alone.
        let repeats = matches!(new.type_.as_str(), "Reconciling" | "Stalled");
        if repeats || new.reason == "Unknown" {
            continue;
        }
        let old = before.iter().find(|old| old.type_ == new.type_);
        let same = |old: &Condition| old.status == new.status && old.reason == new.reason;
        let well = is_well(new);
        if well && old.is_some_and(|old| old.reason == "Unknown") {
            continue;
        }
        // A node that restarts by our own order is away for a moment.
        let is_rolling = after
            .iter()
            .any(|c| c.type_ == "Rolling" && c.status == "True");
        if new.type_ == "NodesAvailable" && is_rolling {
            continue;
        }
        // Ongoing work has events of its own, published where it is done.
        if new.type_ == "Ready" && is_ongoing(new) {
            continue;
        }
        match old {
            Some(old) if same(old) => {}
            Some(_) => events.push(told(new, well)),
            None if well => {}
            // A new pool is not ready, nor are the managers of a new release: that is no
            // event either.
            None if matches!(new.type_.as_str(), "Ready" | "ManagerReachable") => {}
            None => events.push(told(new, well)),
        }
    }
    // `Ready` is a sum: where a part flipped with it, that part has the event.
    let ready_is_false =
        |event: &Event| event.action == "Ready" && event.type_ == EventType::Warning;
    if events.len() > 1 {
        events.retain(|event| !ready_is_false(event));
    }
    events
}

fn is_well(condition: &Condition) -> bool {
    (condition.status == "True") == well_holds(&condition.type_)
}

fn is_ongoing(condition: &Condition) -> bool {
    matches!(
        condition.reason.as_str(),
        "Restarting" | "Growing" | "Starting" | "Scaling" | "Draining" | "Rolling"
    )
}

fn told(condition: &Condition, well: bool) -> Event {
    let type_ = match well || is_ongoing(condition) {
        true => EventType::Normal,
        false => EventType::Warning,
    };
    event(
        type_,
        &condition.reason,
        &condition.type_,
        &condition.message,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    fn condition(type_: &str, status: &str, reason: &str) -> Condition {
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: "a sentence".to_owned(),
            observed_generation: None,
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
        }
    }

    #[test]
    fn only_flips_are_told() {
        let well = [
            condition("Ready", "True", "AllServe"),
            condition("NodesAvailable", "True", "AllAvailable"),
        ];
        let ill = [
            condition("Ready", "False", "NodeUnavailable"),
            condition("NodesAvailable", "False", "NodeUnavailable"),
        ];
        let reasons = |before: &[Condition], after: &[Condition]| -> Vec<(String, EventType)> {
            let events = flips(before, after).into_iter();
            events.map(|event| (event.reason, event.type_)).collect()
        };
        assert!(reasons(&[], &well).is_empty());
        assert!(reasons(&well, &well).is_empty());
        assert!(reasons(&ill, &ill).is_empty());
        let warning = ("NodeUnavailable".to_owned(), EventType::Warning);
        assert_eq!(reasons(&well, &ill), [warning]);
        assert_eq!(reasons(&ill, &well).len(), 2);
        // No manager could be asked for a while: that is the event of another condition.
        let unknown = [
            well[0].clone(),
            condition("NodesAvailable", "False", "Unknown"),
        ];
        assert!(reasons(&well, &unknown).is_empty());
        assert!(reasons(&unknown, &well).is_empty());
        let rolls = [
            condition("NodesAvailable", "False", "NodeUnavailable"),
            condition("Rolling", "True", "Restarting"),
        ];
        let told = reasons(&well, &rolls);
        assert_eq!(told, [("Restarting".to_owned(), EventType::Normal)]);
        let begins = [condition("Ready", "False", "Starting")];
        assert!(reasons(&[], &begins).is_empty());
        assert!(reasons(&well, &begins).is_empty());
    }

    #[test]
    fn notes_have_the_length_that_the_api_takes() {
        let event = event(EventType::Normal, "R", "A", "ä".repeat(900));
        assert_eq!(event.note.map(|note| note.len()), Some(1000));
    }
}
