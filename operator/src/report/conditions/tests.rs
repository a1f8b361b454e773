//! Which condition says what, and why.

use super::*;
use crate::names::PoolName;
use crate::observe::Observed;
use crate::plan::roll::{self, Hold};
use crate::plan::storage;
use crate::plan::store::Doubt;
use crate::release::Release;
use crate::trouble::{AbandonRefused, DrainRefused, Left, Trouble};

/// All that was decided about a pool of no nodes, which is as it should be.
struct Decided {
    trouble: Option<Trouble>,
    doubt: Option<Doubt>,
    step: Step,
    roll: roll::Decision,
}

impl Default for Decided {
    fn default() -> Self {
        Self {
            trouble: None,
            doubt: None,
            step: Step::Rest,
            roll: roll::Decision {
                partition: 0,
                outdated: Vec::new(),
                holds: None,
            },
        }
    }
}

impl Decided {
    /// Whether a condition holds, and its reason.
    fn says(&self, type_: Type) -> (Holds, Reason) {
        let name = PoolName {
            namespace: "files".to_owned(),
            name: "main".to_owned(),
        };
        let facts = Facts {
            release: &Release::sample(),
            name: &name,
            generation: Some(1),
            wanted: 0,
            desired: None,
            observed: &Observed::default(),
            view: Ok(&crate::managers::View::default()),
            nodes: &[],
            doubt: self.doubt.as_ref(),
            step: &self.step,
            roll: &self.roll,
            storage: &storage::Decision::default(),
            refused: None,
            trouble: self.trouble.as_ref(),
            obstacle: None,
            deleting: false,
        };
        let told = conditions(&facts);
        let found = told.iter().find(|told| told.type_ == type_);
        let found = found.expect("each condition is always told");
        (found.holds, found.reason)
    }
}

#[test]
fn a_trouble_is_a_reason_and_stalls_the_pool_only_where_a_person_has_to_act() {
    let why = || "so".to_owned();
    for (trouble, reason, stalls) in [
        (Trouble::Token(why()), Reason::TokenRefused, true),
        (Trouble::Conflicts(vec![]), Reason::NameConflict, true),
        (
            Trouble::Abandon(AbandonRefused::Malformed),
            Reason::AbandonRefused,
            true,
        ),
        (
            Trouble::Drain(DrainRefused::Malformed),
            Reason::DrainRefused,
            true,
        ),
        (Trouble::NotApplied(why()), Reason::Failed, false),
        (Trouble::Manager(why()), Reason::ManagerRefused, false),
        (Trouble::Deleting(Left::Pods(1)), Reason::Deleting, false),
        (Trouble::Paused, Reason::Paused, false),
    ] {
        let decided = Decided {
            trouble: Some(trouble),
            ..Decided::default()
        };
        assert_eq!(decided.says(Type::Reconciling), (Holds::True, reason));
        assert_eq!(decided.says(Type::Ready), (Holds::False, reason));
        let stalled = match stalls {
            true => (Holds::True, reason),
            false => (Holds::False, Reason::Progresses),
        };
        assert_eq!(decided.says(Type::Stalled), stalled, "{reason:?}");
    }
}

#[test]
fn what_a_step_waits_for_is_draining_unless_the_store_is_in_doubt() {
    let doubt = Doubt::Replaced { ordinal: 0 };
    let doubted = Wait::Doubted {
        current: 3,
        wanted: 1,
        doubt: doubt.clone(),
    };
    for (wait, doubt, reason) in [
        (Wait::Unreachable, None, Reason::Draining),
        (Wait::Stopping(1), None, Reason::Draining),
        (Wait::Moving(7), None, Reason::Draining),
        (doubted, Some(doubt), Reason::Held),
    ] {
        let decided = Decided {
            step: Step::Wait(wait),
            doubt,
            ..Decided::default()
        };
        assert_eq!(decided.says(Type::Reconciling), (Holds::True, reason));
    }
}

#[test]
fn a_roll_that_stands_still_waits_for_a_person_or_goes_on_by_itself() {
    for (hold, rolling, stalled) in [
        (
            Some(Hold::ClaimGoes(1)),
            Reason::Waiting,
            (Holds::True, Reason::RollWaits),
        ),
        (
            Some(Hold::Unreachable),
            Reason::Restarting,
            (Holds::False, Reason::Progresses),
        ),
        (None, Reason::Restarting, (Holds::False, Reason::Progresses)),
    ] {
        let mut decided = Decided::default();
        decided.roll.outdated = vec![1];
        decided.roll.holds = hold;
        assert_eq!(decided.says(Type::Rolling), (Holds::True, rolling));
        assert_eq!(decided.says(Type::Stalled), stalled);
    }
}

#[test]
fn a_pool_that_is_as_it_should_be_says_so_in_each_condition() {
    let decided = Decided::default();
    for (type_, holds, reason) in [
        (Type::Ready, Holds::True, Reason::AllServe),
        (Type::ManagerReachable, Holds::True, Reason::Answers),
        (Type::NodesAvailable, Holds::True, Reason::AllAvailable),
        (Type::VolumeReplaced, Holds::False, Reason::OwnVolumes),
        (Type::FilesDamaged, Holds::False, Reason::Intact),
        (Type::StorageReady, Holds::True, Reason::Sized),
        (Type::ScaleDownBlocked, Holds::False, Reason::NotBlocked),
        (Type::Rolling, Holds::False, Reason::UpToDate),
        (Type::Stalled, Holds::False, Reason::Progresses),
        (Type::Reconciling, Holds::False, Reason::Done),
    ] {
        assert_eq!(decided.says(type_), (holds, reason), "{}", type_.text());
    }
}
