//! Events for people: one when something begins to hold or ends, none that
//! repeats.

use crate::report::{Holds, Reason, Told, Type};
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
/// Earlier conditions may be an earlier release's, and so are texts.
pub(crate) fn flips(before: &[Condition], after: &[Told]) -> Vec<Event> {
    let is_rolling = after
        .iter()
        .any(|told| told.type_ == Type::Rolling && told.holds == Holds::True);
    let flipped = |new: &&Told| {
        let old = before.iter().find(|old| old.type_ == new.type_.text());
        is_flip(old, new, is_rolling)
    };
    let mut flipped: Vec<&Told> = after.iter().filter(flipped).collect();
    // `Ready` is a sum: where a part flipped with it, that part has the event.
    let is_sum = |told: &Told| told.type_ == Type::Ready && is_warning(told);
    if flipped.len() > 1 {
        flipped.retain(|told| !is_sum(told));
    }
    flipped.into_iter().map(told).collect()
}

/// Whether a condition flipped, and people are to know; pure.
fn is_flip(old: Option<&Condition>, new: &Told, is_rolling: bool) -> bool {
    let well = new.is_well();
    let was_unknown = old.is_some_and(|old| old.reason == Reason::Unknown.text());
    // That no manager can be asked is the event of one condition alone.
    if new.reason == Reason::Unknown || (well && was_unknown) {
        return false;
    }
    match new.type_ {
        // These two repeat other conditions.
        Type::Reconciling | Type::Stalled => return false,
        // A node that restarts by our own order is away for a moment.
        Type::NodesAvailable if is_rolling => return false,
        // Ongoing work has events of its own, published where it is done.
        Type::Ready if is_ongoing(new.reason) => return false,
        Type::Ready
        | Type::ManagerReachable
        | Type::NodesAvailable
        | Type::VolumeReplaced
        | Type::FilesDamaged
        | Type::StorageReady
        | Type::ScaleDownBlocked
        | Type::Rolling => {}
    }
    match old {
        Some(old) => old.status != new.holds.text() || old.reason != new.reason.text(),
        // A new pool is not ready, nor are the managers of a new release: that is no
        // event either.
        None => !well && !matches!(new.type_, Type::Ready | Type::ManagerReachable),
    }
}

/// Whether a reason is work that goes on as it should.
fn is_ongoing(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Restarting
            | Reason::Growing
            | Reason::Starting
            | Reason::Scaling
            | Reason::Draining
            | Reason::Rolling
    )
}

fn is_warning(told: &Told) -> bool {
    !told.is_well() && !is_ongoing(told.reason)
}

fn told(told: &Told) -> Event {
    let type_ = match is_warning(told) {
        true => EventType::Warning,
        false => EventType::Normal,
    };
    event(type_, told.reason.text(), told.type_.text(), &told.message)
}

#[cfg(test)]
mod tests;
