//! Sentences word for word: other tools and the documentation quote them.

use super::*;
use crate::plan::Refusal;
use crate::quantity::Amount;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

fn pool() -> PoolName {
    PoolName {
        namespace: "files".to_owned(),
        name: "main".to_owned(),
    }
}

#[test]
fn each_reason_to_wait_has_its_sentence() {
    let doubt = Doubt::Replaced { ordinal: 2 };
    for (wait, wanted) in [
        (
            Wait::Unreachable,
            "no manager answers, so nobody can tell whether nodes are empty; nothing is taken away",
        ),
        (
            Wait::Doubted {
                current: 3,
                wanted: 1,
                doubt,
            },
            "3 nodes stay, and not 1: main-node-2 came with another volume than its files are on",
        ),
        (Wait::Stopping(1), "main-node-1 is being stopped"),
        (
            Wait::Held {
                ordinal: 1,
                why: "so".to_owned(),
            },
            "main-node-1 can't be emptied: so",
        ),
        (
            Wait::Unseen(1),
            "main-node-1 never joined, and its claim does not say that it is empty; if it is: \
             kubectl annotate that claim fileserver.dev/volume=empty",
        ),
        (Wait::Moving(7), "7 files are moved to the nodes that stay"),
    ] {
        assert_eq!(waits(&pool(), &wait), wanted);
    }
}

#[test]
fn each_hold_of_a_roll_has_its_sentence() {
    let elsewhere = |elsewhere| Hold::Elsewhere(elsewhere);
    for (hold, wanted) in [
        (
            Hold::Unreachable,
            "no manager answers, so nobody can tell whether the other nodes serve",
        ),
        (
            Hold::ClaimGoes(1),
            "the claim of main-node-1 is being deleted, and would go with its pod",
        ),
        (
            Hold::NotServing {
                ordinal: 2,
                why: Some("ErrImagePull".to_owned()),
                lasts: true,
            },
            "main-node-2 does not serve: ErrImagePull; no other is restarted before it does, or \
             the pool's image is set back",
        ),
        (
            elsewhere(Elsewhere::NoManager),
            "no manager of the release is found, so none can be new",
        ),
        (
            elsewhere(Elsewhere::Managers {
                new: 1,
                wanted: 2,
                workload: "files-manager".to_owned(),
            }),
            "managers come first: 1 of 2 of files-manager run the newest version",
        ),
        (
            elsewhere(Elsewhere::Turn("a/p".to_owned())),
            "pool a/p restarts its nodes first",
        ),
        (
            elsewhere(Elsewhere::Away {
                node: "a/p-node-0".to_owned(),
                pool: "a/p".to_owned(),
            }),
            "node a/p-node-0 of pool a/p is unavailable, and no second one is taken away",
        ),
    ] {
        assert_eq!(holds(&pool(), &hold), wanted);
    }
}

#[test]
fn a_size_that_is_refused_says_what_helps() {
    let amount = |text: &str| Amount::of(&Quantity(text.to_owned()));
    let (size, ordinal) = (amount("1Gi"), 1);
    let request = amount("5Gi");
    for (refused, wanted) in [
        (
            storage::Refused::Shrinks {
                size: size.clone(),
                capacity: request.clone(),
                ordinal,
            },
            "storage.size 1Gi is less than the 5Gi that the volume of node 1 has; volumes can't \
             shrink: set it to that at least, or make a new pool",
        ),
        (
            storage::Refused::NoVolume {
                ordinal,
                request: request.clone(),
                size: size.clone(),
            },
            "the claim of node 1 asks for 5Gi and has no volume; such a claim can't change: \
             delete it, and it is made anew with 1Gi",
        ),
        (
            storage::Refused::NotExpandable(size.clone()),
            "the claims can't grow to 1Gi: their storage class does not allow it \
             (allowVolumeExpansion)",
        ),
        (
            storage::Refused::SetBack {
                ordinal,
                request,
                size,
            },
            "the claim of node 1 asks for 5Gi and can't be set back to the 1Gi that its volume \
             has: set storage.size to 5Gi, or to anything above 1Gi",
        ),
    ] {
        assert_eq!(size_refused(&refused), wanted);
    }
}

#[test]
fn each_trouble_has_its_sentence() {
    let abandon = |refused| Trouble::Abandon(refused);
    let why = || "so".to_owned();
    for (trouble, wanted) in [
        (
            Trouble::Paused,
            "the annotation fileserver.dev/paused holds everything but this report",
        ),
        (
            Trouble::Deleting(Left::Pods(2)),
            "2 nodes are being stopped",
        ),
        (
            Trouble::Deleting(Left::Records(why())),
            "no manager removes the records: so",
        ),
        (
            Trouble::Deleting(Left::Claims(2)),
            "2 claims are being deleted",
        ),
        (
            abandon(AbandonRefused::Malformed),
            "annotation fileserver.dev/abandon: must be <node>/<volume-id> of this pool, such as \
             main-node-0/…",
        ),
        (
            abandon(AbandonRefused::Managers {
                ordinal: 1,
                why: why(),
            }),
            "main-node-1 is not given up: so",
        ),
        (
            abandon(AbandonRefused::Untold(1)),
            "whether main-node-1 was given up is known once the managers' store is the one that \
             was told to",
        ),
        (
            Trouble::Drain(DrainRefused::Malformed),
            "annotation fileserver.dev/drain: must be a node of this pool, such as main-node-0",
        ),
        (
            Trouble::Drain(DrainRefused::Managers {
                ordinal: 1,
                why: why(),
            }),
            "main-node-1 is not drained: so",
        ),
        (Trouble::Token(why()), "so"),
    ] {
        assert_eq!(troubles(&pool(), &trouble), wanted);
    }
}

#[test]
fn what_speaks_against_the_store_is_said_in_a_sentence_with_a_way_out() {
    let pool = PoolName {
        namespace: "files".to_owned(),
        name: "a-name-of-forty-characters-as-the-longest".to_owned(),
    };
    let refused = |about| Doubt::Refused {
        node: Refused::Stranger(pool.node_id(2)),
        refusal: Refusal {
            why: "its address is another node's".to_owned(),
            about,
        },
        more: 12,
    };
    for doubt in [
        refused(About::Store),
        Doubt::Unknown {
            ordinal: 2,
            more: 12,
        },
    ] {
        let text = doubted(&pool, &doubt);
        assert!(text.len() <= 230, "{} {text}", text.len());
        assert!(text.contains("manager.rebuild.nodes"), "{text}");
    }
    // Another store, or a rebuild, would be no help against this.
    let text = doubted(&pool, &refused(About::Other));
    assert!(
        !text.contains("store") && !text.contains("rebuild"),
        "{text}"
    );
    assert!(text.ends_with("its address is another node's"), "{text}");
}
