//! When a record has its turn in a round: a node that does not answer holds up no
//! record of another.

use std::time::Instant;

/// One round over every unsettled record.
pub(super) struct Round {
    pub(super) number: u64,
    pub(super) begun: Instant,
    /// When the one before it began.
    pub(super) before: Instant,
}

/// When a record has its turn in a round: a node that does not answer holds up no
/// record of another for longer than one deadline.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Now,
    /// After the others: its node let a deadline pass in the round before.
    Last,
    /// Its node let one pass in this round, or its disk is silent.
    NextRound,
}

/// What is known of a node that a record lists.
pub(super) struct Answers {
    /// Its disk does not answer, by its own word.
    pub(super) silent: bool,
    /// When it last let a deadline pass.
    pub(super) late: Option<Instant>,
}

/// When a record that lists these nodes has its turn; pure.
pub(super) fn turn(nodes: impl IntoIterator<Item = Answers>, round: &Round) -> Turn {
    let mut turn = Turn::Now;
    for Answers { silent, late } in nodes {
        if silent || late.is_some_and(|at| at >= round.begun) {
            return Turn::NextRound;
        }
        if late.is_some_and(|at| at >= round.before) {
            turn = Turn::Last;
        }
    }
    turn
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_node_that_hangs_holds_up_no_record_of_another() {
        let begun = Instant::now() + Duration::from_secs(60);
        let round = Round {
            number: 2,
            begun,
            before: begun - Duration::from_secs(20),
        };
        let answers = |silent, late: Option<u64>| Answers {
            silent,
            late: late.map(|ago| begun + Duration::from_secs(20) - Duration::from_secs(ago)),
        };
        let well = || answers(false, None);
        let (in_this, in_the_last, earlier) = (Some(15), Some(30), Some(50));
        for (nodes, wanted) in [
            (vec![], Turn::Now),
            (vec![well(), well()], Turn::Now),
            (vec![answers(false, earlier)], Turn::Now),
            (vec![well(), answers(false, in_the_last)], Turn::Last),
            (vec![answers(false, in_this)], Turn::NextRound),
            (vec![answers(true, None), well()], Turn::NextRound),
            (
                vec![answers(false, in_the_last), answers(false, in_this)],
                Turn::NextRound,
            ),
        ] {
            assert_eq!(turn(nodes, &round), wanted);
        }
    }
}
