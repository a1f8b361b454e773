//! The way of one record to its end, as pure steps: what is known goes in, the next step
//! comes out.

use crate::store::State;

/// What a node said of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    /// It may be there soon.
    pub(super) underway: bool,
    /// It is there, durable, whole and sound, in this leaf.
    pub(super) whole: Option<u32>,
}

/// What is done next. Copies are meant by their places in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: it is settled.
    End,
    /// Nothing yet: this copy may be there soon.
    Wait(usize),
    /// Raise the rev, so that whatever the earlier owner still sends comes too late to
    /// count. All answers of before are forgotten.
    Raise,
    /// Ask the node of this copy.
    Ask(usize),
    /// The upload is complete: this copy is the file, in this leaf.
    Complete(usize, u32),
    /// The upload has failed: mark the record as `deleting`, before anything is removed,
    /// so that a finish that is still on its way finds a tombstone.
    Doom,
    /// Keep one of several copies (rules 8 and 17).
    KeepOne,
    /// Remove all copies, and then the record.
    Remove,
}

/// The next step for a record in this state; pure. `owned` says whether its rev was
/// raised, and `answers` what the nodes of its copies have said since.
pub(super) fn next(state: State, owned: bool, answers: &[Option<Answer>]) -> Step {
    match (state, owned) {
        (State::Stored, _) => Step::End,
        (State::Pending, false) => before_raise(answers),
        (State::Moving | State::Deleting, false) => Step::Raise,
        (State::Pending, true) => complete_or_doom(answers),
        (State::Moving, true) => Step::KeepOne,
        (State::Deleting, true) => Step::Remove,
    }
}

/// While a finish has arrived at a node, its sender still waits for it.
fn before_raise(answers: &[Option<Answer>]) -> Step {
    for (at, answer) in answers.iter().enumerate() {
        match answer {
            None => return Step::Ask(at),
            Some(answer) if answer.underway => return Step::Wait(at),
            Some(_) => {}
        }
    }
    Step::Raise
}

fn complete_or_doom(answers: &[Option<Answer>]) -> Step {
    for (at, answer) in answers.iter().enumerate() {
        match answer.map(|answer| answer.whole) {
            None => return Step::Ask(at),
            Some(Some(leaf)) => return Step::Complete(at, leaf),
            Some(None) => {}
        }
    }
    Step::Doom
}

#[cfg(test)]
mod tests {
    use super::*;
    use State::{Deleting, Moving, Pending, Stored};

    fn said(underway: bool, whole: Option<u32>) -> Option<Answer> {
        Some(Answer { underway, whole })
    }

    #[test]
    fn every_record_has_its_next_step() {
        let (denied, open, whole) = (said(false, None), said(true, None), said(false, Some(7)));
        for (state, owned, answers, wanted) in [
            (Stored, false, &[None][..], Step::End),
            // An open upload: its node is asked before and after the rev is raised.
            (Pending, false, &[None], Step::Ask(0)),
            (Pending, false, &[open], Step::Wait(0)),
            (Pending, false, &[denied], Step::Raise),
            (Pending, false, &[whole], Step::Raise),
            (Pending, true, &[None], Step::Ask(0)),
            (Pending, true, &[whole], Step::Complete(0, 7)),
            (Pending, true, &[denied], Step::Doom),
            // A finish that arrived since is ended by the delete.
            (Pending, true, &[open], Step::Doom),
            // Several copies: none is doomed before all were asked.
            (Pending, false, &[denied, None], Step::Ask(1)),
            (Pending, false, &[denied, open], Step::Wait(1)),
            (Pending, true, &[denied, None], Step::Ask(1)),
            (Pending, true, &[denied, whole], Step::Complete(1, 7)),
            (Pending, true, &[denied, denied], Step::Doom),
            (Moving, false, &[None, None], Step::Raise),
            (Moving, true, &[None, None], Step::KeepOne),
            (Deleting, false, &[None], Step::Raise),
            (Deleting, true, &[None], Step::Remove),
        ] {
            assert_eq!(next(state, owned, answers), wanted, "{state:?} {answers:?}");
        }
    }

    #[test]
    fn nothing_is_changed_or_removed_under_a_rev_that_is_not_ours() {
        let answers = [
            None,
            said(false, None),
            said(false, Some(1)),
            said(true, None),
        ];
        for state in [Stored, Pending, Moving, Deleting] {
            for answer in answers {
                let step = next(state, false, &[answer]);
                let harmless =
                    matches!(step, Step::End | Step::Wait(_) | Step::Raise | Step::Ask(_));
                assert!(harmless, "{state:?} {answer:?}: {step:?}");
            }
        }
    }
}
