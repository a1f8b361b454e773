//! Whether the disk takes writes, and whether it answers.

use crate::fault::Failure;
use parking_lot::Mutex;
use proto::v1::Fault;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What is known of the disk's health.
#[derive(Debug, Default)]
pub struct Health {
    refusal: OnceLock<String>,
    /// Calls that write, but wait for no flush.
    pub writes: Pulse,
    /// Flushes: these hang where a device does, while writes still go to memory.
    pub flushes: Pulse,
}

impl Health {
    /// Why the node takes no writes until it is restarted; None while it does.
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.get().map(String::as_str)
    }

    /// Takes no writes from now on (rule 5).
    pub fn refuse(&self, why: String) {
        if self.refusal.set(why).is_ok() {
            let why = self.refusal().unwrap_or_default();
            tracing::error!(
                why,
                "the node takes no more writes until it is restarted, what it has is served"
            );
        }
    }

    /// The refusal as an answer.
    ///
    /// # Errors
    /// `ReadOnly`.
    pub fn check(&self) -> Result<(), Failure> {
        match self.refusal() {
            None => Ok(()),
            Some(why) => Err(Failure::new(
                Fault::ReadOnly,
                format!("{why}: the node takes no writes until it is restarted"),
            )),
        }
    }

    /// What a call's error means as long as nothing can be linked yet: what was
    /// asked for certainly did not happen.
    pub fn before_link(&self, doing: &str, error: Errno) -> Failure {
        if is_gone(error) {
            self.refuse(format!("{doing}: {error}"));
        }
        let fault = match error {
            Errno::NOSPC | Errno::DQUOT => Fault::NoSpace,
            _ if is_gone(error) => Fault::ReadOnly,
            _ => Fault::Disk,
        };
        Failure::new(fault, format!("{doing}: {error}"))
    }

    /// What an error means of a call that may have changed the tree.
    pub fn at_link(&self, doing: &str, error: Errno) -> Failure {
        if is_gone(error) {
            self.refuse(format!("{doing}: {error}"));
        }
        let mut failure = Failure::io(doing, error);
        // The kernel checks for this one before it changes anything.
        if error == Errno::ROFS {
            failure.fault = Fault::ReadOnly;
        }
        failure
    }

    /// For how long the disk has not answered a call that waits for it.
    pub fn silent(&self) -> Duration {
        self.writes.silent().max(self.flushes.silent())
    }
}

/// Whether an error says that the disk takes no writes any more, or is not there.
fn is_gone(error: Errno) -> bool {
    matches!(
        error,
        Errno::ROFS
            | Errno::IO
            | Errno::NOTCONN
            | Errno::SHUTDOWN
            | Errno::STALE
            | Errno::NODEV
            | Errno::NXIO
    )
}

/// Calls of one kind that wait for the disk. No panic can leave them half changed.
#[derive(Debug, Default)]
pub struct Pulse(Mutex<Beats>);

#[derive(Debug, Default)]
struct Beats {
    next: u64,
    waiting: BTreeMap<u64, Instant>,
    answered: Option<Instant>,
}

/// A call that waits, until it is dropped.
pub struct Beat<'a> {
    pulse: &'a Pulse,
    number: u64,
}

impl Pulse {
    /// A call begins.
    pub fn begin(&self) -> Beat<'_> {
        let mut beats = self.0.lock();
        beats.next += 1;
        let number = beats.next;
        beats.waiting.insert(number, Instant::now());
        Beat {
            pulse: self,
            number,
        }
    }

    /// How long none was answered while some waited: one long flush is no
    /// silence while others end beside it.
    pub fn silent(&self) -> Duration {
        let beats = self.0.lock();
        let Some((_, oldest)) = beats.waiting.first_key_value() else {
            return Duration::ZERO;
        };
        beats
            .answered
            .map_or(*oldest, |answered| answered.max(*oldest))
            .elapsed()
    }
}

impl Drop for Beat<'_> {
    fn drop(&mut self) {
        let mut beats = self.pulse.0.lock();
        beats.waiting.remove(&self.number);
        beats.answered = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_before_the_link_is_certain_and_a_dead_disk_takes_no_more_writes() {
        for (error, before, at, dead) in [
            (Errno::NOSPC, Fault::NoSpace, Fault::NoSpace, false),
            (Errno::DQUOT, Fault::NoSpace, Fault::NoSpace, false),
            (Errno::ACCESS, Fault::Disk, Fault::Io, false),
            (Errno::MFILE, Fault::Disk, Fault::Io, false),
            (Errno::ROFS, Fault::ReadOnly, Fault::ReadOnly, true),
            (Errno::IO, Fault::ReadOnly, Fault::Io, true),
            (Errno::NOTCONN, Fault::ReadOnly, Fault::Io, true),
            (Errno::SHUTDOWN, Fault::ReadOnly, Fault::Io, true),
            (Errno::STALE, Fault::ReadOnly, Fault::Io, true),
        ] {
            let health = Health::default();
            assert_eq!(health.before_link("create", error).fault, before, "{error}");
            assert_eq!(health.refusal().is_some(), dead, "{error}");
            assert_eq!(health.check().is_err(), dead, "{error}");
            let health = Health::default();
            assert_eq!(health.at_link("link", error).fault, at, "{error}");
            assert_eq!(health.refusal().is_some(), dead, "{error}");
        }
    }

    #[test]
    fn a_disk_is_silent_only_while_calls_wait_and_none_ends() {
        let pulse = Pulse::default();
        assert_eq!(pulse.silent(), Duration::ZERO);
        let long = pulse.begin();
        std::thread::sleep(Duration::from_millis(20));
        assert!(pulse.silent() >= Duration::from_millis(20));
        drop(pulse.begin());
        assert!(pulse.silent() < Duration::from_millis(20));
        drop(long);
        assert_eq!(pulse.silent(), Duration::ZERO);
    }
}
