use super::*;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

fn told(type_: Type, holds: impl Into<Holds>, reason: Reason) -> Told {
    Told {
        type_,
        holds: holds.into(),
        reason,
        message: "a sentence".to_owned(),
    }
}

/// The same as the API server has it.
fn condition(told: &Told) -> Condition {
    Condition {
        type_: told.type_.text().to_owned(),
        status: told.holds.text().to_owned(),
        reason: told.reason.text().to_owned(),
        message: told.message.clone(),
        observed_generation: None,
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
    }
}

#[test]
fn only_flips_are_told() {
    let well = [
        told(Type::Ready, true, Reason::AllServe),
        told(Type::NodesAvailable, true, Reason::AllAvailable),
    ];
    let ill = [
        told(Type::Ready, false, Reason::NodeUnavailable),
        told(Type::NodesAvailable, false, Reason::NodeUnavailable),
    ];
    let reasons = |before: &[Told], after: &[Told]| -> Vec<(String, EventType)> {
        let before: Vec<_> = before.iter().map(condition).collect();
        let events = flips(&before, after).into_iter();
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
        told(Type::NodesAvailable, Holds::Unknown, Reason::Unknown),
    ];
    assert!(reasons(&well, &unknown).is_empty());
    assert!(reasons(&unknown, &well).is_empty());
    let rolls = [
        told(Type::NodesAvailable, false, Reason::NodeUnavailable),
        told(Type::Rolling, true, Reason::Restarting),
    ];
    let restarts = ("Restarting".to_owned(), EventType::Normal);
    assert_eq!(reasons(&well, &rolls), [restarts]);
    let begins = [told(Type::Ready, false, Reason::Starting)];
    assert!(reasons(&[], &begins).is_empty());
    assert!(reasons(&well, &begins).is_empty());
}

#[test]
fn notes_have_the_length_that_the_api_takes() {
    let event = event(EventType::Normal, "R", "A", "ä".repeat(900));
    assert_eq!(event.note.map(|note| note.len()), Some(1000));
}
