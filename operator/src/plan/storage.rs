//! The claims of a pool: made before their pods, grown, and never made smaller
//! than what a volume has.

use super::Mark;
use crate::quantity::Amount;

/// A claim as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ClaimFacts {
    /// Its node's ordinal.
    pub(crate) ordinal: i32,
    /// What it asks for.
    pub(crate) request: Amount,
    /// What its volume has, where it has one.
    pub(crate) capacity: Option<Amount>,
    /// What the cluster says about its growth, where it says something.
    pub(crate) resizing: Option<String>,
    /// What it says about its volume.
    pub(crate) mark: Mark,
    /// Whether it is being deleted: it goes, and its files with it, once no pod uses it.
    pub(crate) terminating: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Claims to make, by ordinal.
    pub(crate) make: Vec<i32>,
    /// Claims to ask for another size.
    pub(crate) resize: Vec<i32>,
    /// Why the wanted size is refused.
    pub(crate) refused: Option<Refused>,
    /// Claims whose volume is not yet of the wanted size.
    pub(crate) growing: Vec<i32>,
    /// Claims that have no volume yet.
    pub(crate) pending: Vec<i32>,
}

/// Why claims can't have the wanted size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Volumes can't shrink.
    Shrinks {
        /// The wanted size.
        size: Amount,
        /// What the largest volume has.
        capacity: Amount,
        /// Its node's ordinal.
        ordinal: i32,
    },
    /// A claim that has no volume can't change.
    NoVolume {
        /// Its node's ordinal.
        ordinal: i32,
        /// What it asks for.
        request: Amount,
        /// The wanted size.
        size: Amount,
    },
    /// The storage class does not let claims grow to the wanted size.
    NotExpandable(Amount),
    /// A claim whose growth failed can't be set back to what its volume has.
    SetBack {
        /// Its node's ordinal.
        ordinal: i32,
        /// What it asks for.
        request: Amount,
        /// The wanted size, which is the volume's.
        size: Amount,
    },
}

/// Decides about the claims of `replicas` nodes; pure. `expands` is whether the
/// class lets claims grow, where that is known.
pub(crate) fn decide(
    claims: &[ClaimFacts],
    replicas: i32,
    size: &Amount,
    expands: Option<bool>,
) -> Decision {
    let wanted = size.value();
    let capacity = |claim: &ClaimFacts| claim.capacity.as_ref().map_or(0, Amount::value);
    let make: Vec<i32> = (0..replicas)
        .filter(|ordinal| !claims.iter().any(|claim| claim.ordinal == *ordinal))
        .collect();
    // Claims of nodes that left are handled when these come back.
    let claims = || claims.iter().filter(|claim| claim.ordinal < replicas);
    let mut decision = Decision {
        make,
        ..Decision::default()
    };
    if let Some(largest) = claims()
        .filter(|c| capacity(c) > wanted)
        .max_by_key(|c| capacity(c))
    {
        // A volume may be larger than its claim asked for: that is no wish to shrink.
        if largest.request.value() > wanted {
            decision.refused = Some(Refused::Shrinks {
                size: size.clone(),
                capacity: largest.capacity.clone().unwrap_or_default(),
                ordinal: largest.ordinal,
            });
            return decision;
        }
    }
    let has_none = claims().filter(|claim| claim.capacity.is_none());
    decision.pending = has_none.map(|claim| claim.ordinal).collect();
    // Such a claim holds up none of the others.
    if let Some(pending) = claims().find(|c| c.capacity.is_none() && c.request.value() != wanted) {
        decision.refused = Some(Refused::NoVolume {
            ordinal: pending.ordinal,
            request: pending.request.clone(),
            size: size.clone(),
        });
    }
    let has_volume = |claim: &&ClaimFacts| claim.capacity.is_some();
    let claims = || {
        claims()
            .filter(has_volume)
            .filter(|claim| !claim.terminating)
    };
    let grows = |claim: &&ClaimFacts| claim.request.value() < wanted;
    if expands == Some(false) && claims().filter(grows).count() > 0 {
        decision.refused = Some(Refused::NotExpandable(size.clone()));
        return decision;
    }
    // A growth that failed may be lowered, but not to the very size that is there.
    let lowers = |claim: &ClaimFacts| claim.request.value() > wanted && capacity(claim) < wanted;
    let set_back =
        |claim: &&ClaimFacts| claim.request.value() > wanted && capacity(claim) == wanted;
    if let Some(claim) = claims().find(set_back) {
        decision.refused = Some(Refused::SetBack {
            ordinal: claim.ordinal,
            request: claim.request.clone(),
            size: size.clone(),
        });
    }
    let other = claims().filter(|claim| grows(claim) || lowers(claim));
    decision.resize = other.map(|claim| claim.ordinal).collect();
    let behind = claims().filter(|claim| capacity(claim) < wanted);
    decision.growing = behind.map(|claim| claim.ordinal).collect();
    decision
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

    fn amount(text: &str) -> Amount {
        Amount::of(&Quantity(text.to_owned()))
    }

    fn decide(claims: &[ClaimFacts], replicas: i32, size: &str, expands: Option<bool>) -> Decision {
        super::decide(claims, replicas, &amount(size), expands)
    }

    fn claim(ordinal: i32, request: &str, capacity: &str) -> ClaimFacts {
        ClaimFacts {
            ordinal,
            request: amount(request),
            capacity: (!capacity.is_empty()).then(|| amount(capacity)),
            ..ClaimFacts::default()
        }
    }

    #[test]
    fn claims_are_made_grown_and_never_shrunk() {
        let pending = [claim(0, "1Gi", "1Gi"), claim(1, "1Gi", "")];
        let made = decide(&pending, 4, "1024Mi", None);
        assert_eq!((made.make, made.resize), (vec![2, 3], vec![]));
        assert_eq!((made.growing, made.pending), (vec![], vec![1]));
        let stuck = decide(&pending, 2, "2Gi", Some(true));
        assert_eq!(stuck.resize, [0], "one without a volume holds up no other");
        let why = stuck.refused;
        assert!(matches!(why, Some(Refused::NoVolume { ordinal: 1, .. })));
        let two = [claim(0, "1Gi", "1Gi"), claim(1, "1Gi", "2Gi")];
        let grown = decide(&two, 2, "2Gi", Some(true));
        assert_eq!((grown.resize, grown.growing), (vec![0, 1], vec![0]));
        let refused = decide(&two, 2, "2Gi", Some(false));
        assert!(refused.resize.is_empty() && refused.refused.is_some());
        let two = [claim(0, "1Gi", "1Gi"), claim(1, "1Gi", "1Gi")];
        let smaller = decide(&two, 3, "512Mi", Some(true));
        assert_eq!((smaller.make, smaller.resize), (vec![2], vec![]));
        let why = smaller.refused.expect("volumes can't shrink");
        assert!(
            matches!(&why, Refused::Shrinks { capacity, .. } if *capacity == amount("1Gi")),
            "{why:?}"
        );
    }

    #[test]
    fn claims_of_nodes_that_left_are_left_alone() {
        let two = [claim(0, "2Gi", "2Gi"), claim(1, "1Gi", "1Gi")];
        assert_eq!(decide(&two, 1, "2Gi", Some(true)), Decision::default());
        let two = [claim(0, "1Gi", "1Gi"), claim(1, "2Gi", "2Gi")];
        assert_eq!(decide(&two, 1, "1Gi", Some(true)), Decision::default());
        assert!(decide(&two, 2, "1Gi", Some(true)).refused.is_some());
    }

    #[test]
    fn a_growth_that_failed_may_be_lowered_to_what_the_volume_has() {
        let failed = [claim(0, "5Gi", "1Gi")];
        assert_eq!(decide(&failed, 1, "2Gi", Some(true)).resize, [0]);
        // To the very size that is there the API server does not let it.
        let back = decide(&failed, 1, "1Gi", Some(false));
        let still_asks = Refused::SetBack {
            ordinal: 0,
            request: amount("5Gi"),
            size: amount("1Gi"),
        };
        assert_eq!((back.resize, back.refused), (vec![], Some(still_asks)));
    }

    #[test]
    fn a_volume_larger_than_asked_for_is_no_obstacle() {
        let roomy = [claim(0, "1Gi", "10Gi")];
        let decision = decide(&roomy, 1, "1Gi", Some(true));
        assert_eq!(decision, Decision::default());
        // And may be asked for more than it was, up to what it has and beyond.
        assert_eq!(decide(&roomy, 1, "2Gi", Some(true)).resize, [0]);
    }
}
