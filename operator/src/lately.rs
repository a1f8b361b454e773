//! Recent answers, so that many pools cost one request.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// How long an answer stays valid, unless another time is given.
const LATELY: Duration = Duration::from_secs(5);
/// How long the others still get an old answer while one reconcile asks anew.
const ASKING: Duration = Duration::from_secs(2);

/// Recent answers that are the same for all pools of a namespace, or for all pools.
#[derive(Debug)]
pub(crate) struct Lately<K, V> {
    answers: Mutex<HashMap<K, Answer<V>>>,
    holds: Duration,
}

#[derive(Debug)]
struct Answer<V> {
    until: Instant,
    /// When a reconcile first found it too old.
    asked: Option<Instant>,
    value: V,
}

impl<K, V> Default for Lately<K, V> {
    fn default() -> Self {
        Self::holding(LATELY)
    }
}

impl<K, V> Lately<K, V> {
    /// One whose answers hold for this long.
    pub(crate) fn holding(holds: Duration) -> Self {
        Self {
            answers: Mutex::default(),
            holds,
        }
    }
}

impl<K: Eq + Hash, V: Clone> Lately<K, V> {
    /// The answer, if it is recent. Of several reconciles that find it too old only the
    /// first gets None, and asks; the others get the old answer for a little longer, and
    /// None after that if no new one has come.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.get_at(key, Instant::now())
    }

    fn get_at(&self, key: &K, now: Instant) -> Option<V> {
        let mut answers = self.answers.lock();
        let answer = answers.get_mut(key)?;
        let holds = match answer.asked {
            _ if now < answer.until => true,
            Some(asked) => now.duration_since(asked) < ASKING,
            None => {
                answer.asked = Some(now);
                false
            }
        };
        holds.then(|| answer.value.clone())
    }

    /// The recent answer, or else what `ask` returns now. Where `ask` fails the old answer
    /// is dropped.
    ///
    /// # Errors
    /// As `ask`.
    pub(crate) async fn or_ask<E>(
        &self,
        key: K,
        ask: impl Future<Output = Result<V, E>>,
    ) -> Result<V, E> {
        if let Some(known) = self.get(&key) {
            return Ok(known);
        }
        let asked = ask.await;
        match &asked {
            Ok(answer) => self.put(key, answer.clone()),
            Err(_) => self.forget(&key),
        }
        asked
    }

    fn forget(&self, key: &K) {
        let mut answers = self.answers.lock();
        answers.remove(key);
    }

    /// Keeps an answer. The keys are few: namespaces, classes, the token.
    pub(crate) fn put(&self, key: K, answer: V) {
        let mut answers = self.answers.lock();
        let answer = Answer {
            until: Instant::now() + self.holds,
            asked: None,
            value: answer,
        };
        answers.insert(key, answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_looks_that_find_an_answer_too_old_one_asks_anew() {
        let lately = Lately::holding(Duration::ZERO);
        assert_eq!(lately.get(&"a"), None);
        lately.put("a", 1);
        let now = Instant::now();
        let found: Vec<_> = (0..3).map(|_| lately.get_at(&"a", now)).collect();
        assert_eq!(found, [None, Some(1), Some(1)]);
        // No new answer comes: nobody gets the old one any more.
        for later in [ASKING, ASKING * 2, ASKING * 3] {
            assert_eq!(lately.get_at(&"a", now + later), None);
        }
    }

    #[tokio::test]
    async fn an_answer_that_can_t_be_renewed_is_given_to_nobody() {
        let lately = Lately::default();
        let answer = |answer: Result<i32, &'static str>| async move { answer };
        assert_eq!(lately.or_ask("a", answer(Ok(1))).await, Ok(1));
        assert_eq!(lately.or_ask("a", answer(Err("away"))).await, Ok(1));
        let lately = Lately::holding(Duration::ZERO);
        lately.put("a", 1);
        assert_eq!(lately.or_ask("a", answer(Err("away"))).await, Err("away"));
        assert_eq!(lately.get(&"a"), None, "nor to the one that comes next");
    }
}
