//! How a transfer whose connection broke goes on: pure decisions.

use crate::fault::Failure;
use prost::Message;
use proto::{FaultMeaning, Retry, v1};
use std::time::{Duration, Instant};
use tonic::{Code, Status};

/// The fewest bytes that are worth resuming: fewer are sent anew sooner than asked about.
pub(super) const WORTH: u64 = 8 << 20;
/// How long it is tried without a further byte. Together with the time in which a
/// break is noticed, this is less than a manager waits for a step.
pub(super) const GIVES_UP: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// The tries of one transfer. The transfer continues as long as the other node has
/// more of the copy each time, however often the connection breaks.
#[derive(Default)]
pub(super) struct Tries {
    /// The most bytes that the other node ever reported to have.
    best: u64,
    /// Since when that has not grown.
    since: Option<Instant>,
    in_vain: u32,
}

impl Tries {
    /// Whether a transfer that broke after `sent` bytes is worth resuming.
    pub(super) fn are_worth(&self, sent: u64) -> bool {
        sent.max(self.best) >= WORTH
    }

    /// The pause before the other node is asked again; None once the tries are over.
    pub(super) fn pause(&mut self, now: Instant) -> Option<Duration> {
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= GIVES_UP {
            return None;
        }
        let pause = FIRST_PAUSE * 2_u32.saturating_pow(self.in_vain.min(10));
        self.in_vain += 1;
        Some(pause.min(LAST_PAUSE))
    }

    /// The other node has this many bytes.
    pub(super) fn reached(&mut self, offset: u64) {
        if offset > self.best {
            *self = Self {
                best: offset,
                ..Self::default()
            };
        }
    }

    /// The other node is making the copy durable: that time does not count as in vain.
    pub(super) fn waits(&mut self, now: Instant) {
        self.since = Some(now);
    }
}

/// Whether a call ended by the other node's decision, and not by the connection:
/// then nothing is tried again.
pub(super) fn is_verdict(status: &Status) -> bool {
    let failure = v1::Failure::decode(status.details());
    if let Some(failure) = failure.ok().filter(|failure| failure.fault != 0) {
        // It only has no place now.
        return FaultMeaning::of(failure.fault()).retry != Retry::Later;
    }
    match status.code() {
        Code::Unauthenticated | Code::Unimplemented => true,
        // Without details these are of the transport, or given by nobody.
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => false,
    }
}

/// How to continue, by the other node's answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Go on at this byte.
    From(u64),
    /// Ask again.
    Wait,
    /// It has arrived, in this leaf.
    Arrived(u32),
    /// The other node refuses it.
    Refused(Failure),
}

impl Next {
    /// Reads an answer on a copy of `size` bytes.
    pub(super) fn of(reply: v1::ResumeReply, size: u64) -> Self {
        use v1::resume_reply::Result as Outcome;
        match reply.result {
            Some(Outcome::Offset(offset)) if offset <= size => Self::From(offset),
            Some(Outcome::Offset(offset)) => {
                let why = format!("the other node has {offset} bytes of {size}");
                Self::Refused(Failure::new(v1::Fault::Io, why))
            }
            Some(Outcome::Underway(_)) => Self::Wait,
            Some(Outcome::Linked(linked)) => Self::Arrived(linked.leaf),
            Some(Outcome::Failure(failure))
                if FaultMeaning::of(failure.fault()).retry == Retry::Later =>
            {
                Self::Wait
            }
            Some(Outcome::Failure(failure)) => Self::Refused(of_other(failure)),
            None => {
                let why = "the other node's answer is empty";
                Self::Refused(Failure::new(v1::Fault::Io, why))
            }
        }
    }
}

/// A failure that the other node reports.
pub(super) fn of_other(failure: v1::Failure) -> Failure {
    Failure {
        fault: failure.fault(),
        message: format!("the other node: {}", failure.message),
        session: failure.session,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::v1::Fault;

    /// How long it is tried where each pause is followed by an ask that takes a second.
    fn tried(tries: &mut Tries, mut now: Instant) -> Duration {
        let begun = now;
        while let Some(pause) = tries.pause(now) {
            now += pause + Duration::from_secs(1);
        }
        now - begun
    }

    #[test]
    fn it_is_given_up_where_nothing_is_added_and_only_then() {
        let (mut tries, mut now) = (Tries::default(), Instant::now());
        // A day of breaks, each after some bytes.
        for break_ in 1..10_000 {
            assert_eq!(tries.pause(now), Some(FIRST_PAUSE));
            tries.reached(break_);
            now += Duration::from_secs(9);
        }
        let all = tried(&mut tries, now);
        let most = GIVES_UP + LAST_PAUSE + Duration::from_secs(1);
        assert!(all >= GIVES_UP && all <= most, "{all:?}");
    }

    #[test]
    fn bytes_that_were_there_already_are_no_progress() {
        let (mut tries, now) = (Tries::default(), Instant::now());
        tries.reached(100);
        assert!(tries.pause(now).is_some());
        // What was kept is gone, and comes anew.
        tries.reached(0);
        tries.reached(100);
        assert_eq!(tries.pause(now + GIVES_UP), None);
        tries.reached(101);
        assert_eq!(tries.pause(now + GIVES_UP), Some(FIRST_PAUSE));
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let (mut tries, now) = (Tries::default(), Instant::now());
        let pauses: Vec<u128> = (0..8)
            .filter_map(|_| Some(tries.pause(now)?.as_millis()))
            .collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        for _ in 0..100 {
            assert_eq!(tries.pause(now), Some(LAST_PAUSE));
        }
    }

    #[test]
    fn a_flush_is_waited_for() {
        let (mut tries, now) = (Tries::default(), Instant::now());
        assert!(tries.pause(now).is_some());
        tries.waits(now + GIVES_UP);
        assert!(tries.pause(now + GIVES_UP).is_some());
        assert_eq!(tries.pause(now + GIVES_UP * 2), None);
    }

    #[test]
    fn a_few_bytes_are_left_to_the_next_transfer() {
        let mut tries = Tries::default();
        assert!(!tries.are_worth(WORTH - 1) && tries.are_worth(WORTH));
        tries.reached(WORTH);
        assert!(tries.are_worth(0));
    }

    #[test]
    fn only_the_other_node_gives_verdicts() {
        for number in (1..1000).filter(|number| Fault::try_from(*number).is_ok()) {
            let failure = v1::Failure {
                fault: number,
                message: "why".to_owned(),
                session: 0,
            };
            let details = failure.encode_to_vec().into();
            let status = Status::with_details(Code::Internal, "text", details);
            let busy = number == i32::from(Fault::Busy);
            assert_eq!(is_verdict(&status), !busy, "{status:?}");
        }
        for code in (0..17).map(Code::from_i32) {
            let status = Status::new(code, "h2 protocol error");
            let known = matches!(code, Code::Unauthenticated | Code::Unimplemented);
            assert_eq!(is_verdict(&status), known, "{code:?}");
        }
    }

    #[test]
    fn an_answer_says_how_it_goes_on() {
        use v1::resume_reply::Result as Outcome;
        let of = |result| Next::of(v1::ResumeReply { result }, 10);
        assert_eq!(of(Some(Outcome::Offset(0))), Next::From(0));
        assert_eq!(of(Some(Outcome::Offset(10))), Next::From(10));
        assert!(matches!(of(Some(Outcome::Offset(11))), Next::Refused(_)));
        assert_eq!(of(Some(Outcome::Underway(true))), Next::Wait);
        let linked = v1::Linked { leaf: 7 };
        assert_eq!(of(Some(Outcome::Linked(linked))), Next::Arrived(7));
        assert!(matches!(of(None), Next::Refused(_)));
        let failure = v1::Failure {
            fault: Fault::Tombstone.into(),
            message: "deleted".to_owned(),
            session: 0,
        };
        let busy = v1::Failure {
            fault: Fault::Busy.into(),
            ..failure.clone()
        };
        assert_eq!(of(Some(Outcome::Failure(busy))), Next::Wait);
        let Next::Refused(refused) = of(Some(Outcome::Failure(failure))) else {
            panic!("it is refused");
        };
        assert_eq!(refused.fault, Fault::Tombstone);
    }
}
