//! The requests of one connection, shared by the code that serves them and the code
//! that reads its socket, and the answers that its client is slow to take.

use super::pace::Pace;
use super::vet::KnownHost;
use crate::limits::MinRate;
use futures::task::AtomicWaker;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Context;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a connection without a request is kept once the manager leaves.
const QUIET: Duration = Duration::from_secs(1);

/// Requests of one connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    begun: AtomicU64,
    ended: AtomicU64,
    /// Answers whose streams have windows of their own: the socket does not
    /// show that one of them is not taken.
    answers: Mutex<HashMap<u64, Answer>>,
    /// An answer goes out before its request was read to its end.
    unread: AtomicBool,
    /// The socket takes nothing of what there is to write.
    full: AtomicBool,
    /// Wakes the task that reads from the socket, which has no deadline while a request
    /// goes on.
    reader: AtomicWaker,
    /// The connection ends with the requests that it has.
    ends: AtomicBool,
    /// Tells so to the task that drives it.
    told: Notify,
    /// The host that the client names.
    pub(super) host: KnownHost,
    /// Whether the connection has TLS.
    tls: bool,
}

#[derive(Debug)]
struct Answer {
    pace: Pace,
    /// Since when the client has something to take, and how much of it is left;
    /// `None` while it waits for us.
    given: Option<(Instant, u64)>,
}

impl Activity {
    /// The requests of a connection, with TLS or without.
    pub(super) fn over(tls: bool) -> Self {
        Self {
            tls,
            ..Self::default()
        }
    }

    /// Whether the connection has TLS.
    pub(super) fn is_over_tls(&self) -> bool {
        self.tls
    }

    /// A request is served until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        InFlight {
            activity: self.clone(),
            number,
        }
    }

    /// Waits until for [`QUIET`] no request has been served and nothing has waited to
    /// be written: a manager that leaves waits for requests and the last of their
    /// answers, not for connections that are silent or have half a head.
    pub(super) async fn quiet(&self) {
        let look = || {
            let (begun, busy) = self.look();
            (begun, busy || self.full.load(Ordering::Relaxed))
        };
        let mut last = look();
        loop {
            tokio::time::sleep(QUIET).await;
            let now = look();
            if now == last && !now.1 {
                return;
            }
            last = now;
        }
    }

    /// Requests begun so far, and whether any of them goes on.
    pub(super) fn look(&self) -> (u64, bool) {
        let ended = self.ended.load(Ordering::Relaxed);
        let begun = self.begun.load(Ordering::Relaxed);
        (begun, begun != ended)
    }

    /// As [`Self::look`]; if a request goes on, its end wakes the caller.
    pub(super) fn poll_look(&self, cx: &Context<'_>) -> (u64, bool) {
        self.reader.register(cx.waker());
        // After the registration, so that no end is missed.
        self.look()
    }

    /// Whether the socket takes nothing of what there is to write.
    pub(super) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    /// How many answers the client takes too slowly, and whether no other request goes on.
    pub(super) fn slow(&self) -> (usize, bool) {
        let answers = self.answers.lock();
        let slow = answers.values().filter(|answer| answer.is_slow()).count();
        let ended = self.ended.load(Ordering::Relaxed);
        let begun = self.begun.load(Ordering::Relaxed);
        (slow, begun.saturating_sub(ended) <= slow as u64)
    }

    /// The connection ends with an answer to a request that was not read.
    pub(super) fn leave_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    /// The connection ends once the requests on it are answered.
    pub(super) fn end(&self) {
        self.ends.store(true, Ordering::Relaxed);
        self.told.notify_one();
    }

    /// Whether it ends.
    pub(super) fn ends(&self) -> bool {
        self.ends.load(Ordering::Relaxed)
    }

    /// Waits until it is to end; one task at a time can.
    pub(super) async fn told_to_end(&self) {
        self.told.notified().await;
    }

    /// Whether the client may still be sending a body that nobody reads.
    pub(super) fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }
}

impl Answer {
    fn is_slow(&self) -> bool {
        let Some((since, bytes)) = self.given else {
            return false;
        };
        let left = self.pace.left_for(bytes);
        self.pace.too_slow() || left.is_some_and(|left| since.elapsed() >= left)
    }
}

/// One request that is being served.
pub(super) struct InFlight {
    activity: Arc<Activity>,
    number: u64,
}

impl InFlight {
    /// The connection's requests.
    pub(super) fn activity(&self) -> &Activity {
        &self.activity
    }

    /// From now on the client has an answer to take.
    pub(super) fn answered(&self, rule: MinRate) {
        let answer = Answer {
            pace: Pace::new(rule),
            given: None,
        };
        self.activity.answers.lock().insert(self.number, answer);
    }

    /// The client was given something to take.
    pub(super) fn gave(&self, bytes: u64) {
        if let Some(answer) = self.activity.answers.lock().get_mut(&self.number) {
            let (_, left) = answer.given.get_or_insert_with(|| (Instant::now(), 0));
            *left += bytes;
        }
    }

    /// The client has taken so much of it.
    pub(super) fn took(&self, bytes: u64) {
        if let Some(answer) = self.activity.answers.lock().get_mut(&self.number)
            && let Some((since, given)) = answer.given.take()
        {
            answer.pace.moved(bytes, since.elapsed());
            let left = given.saturating_sub(bytes);
            answer.given = (left > 0).then(|| (Instant::now(), left));
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.activity.answers.lock().remove(&self.number);
        self.activity.ended.fetch_add(1, Ordering::Relaxed);
        self.activity.reader.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_taken_is_noticed_and_one_that_we_owe_is_not() {
        let rule = MinRate {
            bytes_per_second: 1000,
            grace: Duration::from_secs(10),
        };
        let activity = Arc::new(Activity::default());
        let (slow, owed) = (activity.begin(), activity.begin());
        for answer in [&slow, &owed] {
            answer.answered(rule);
        }
        // 10 s of grace, and 5 s for these bytes.
        slow.gave(5000);
        tokio::time::advance(Duration::from_secs(14)).await;
        assert_eq!(activity.slow(), (0, false));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(activity.slow(), (1, false));
        drop(owed);
        assert_eq!(activity.slow(), (1, true));
        slow.took(5000);
        assert_eq!(activity.slow().0, 0, "it takes something after all");
    }

    #[tokio::test(start_paused = true)]
    async fn each_piece_that_is_taken_earns_its_own_time() {
        let rule = MinRate {
            bytes_per_second: 1000,
            grace: Duration::from_secs(10),
        };
        let activity = Arc::new(Activity::default());
        let answer = activity.begin();
        answer.answered(rule);
        answer.gave(1000);
        answer.gave(4000);
        for _ in 0..100 {
            tokio::time::advance(Duration::from_secs(1)).await;
            answer.took(1000);
            answer.gave(1000);
        }
        assert_eq!(activity.slow(), (0, false), "it keeps the rate");
        // 10 s of grace, and 5 s for the 5000 bytes that are left.
        tokio::time::advance(Duration::from_secs(16)).await;
        assert_eq!(activity.slow(), (1, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_quiet_once_its_last_request_has_ended() {
        let activity = Arc::new(Activity::default());
        let served = activity.begin();
        let quiet = tokio::spawn({
            let activity = activity.clone();
            async move { activity.quiet().await }
        });
        tokio::time::sleep(10 * QUIET).await;
        assert!(!quiet.is_finished(), "a request is being served");
        drop(served);
        tokio::time::sleep(3 * QUIET).await;
        assert!(quiet.is_finished());
    }
}
