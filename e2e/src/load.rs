//! A closed loop: a number of clients, each with one request under way.

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use std::future::Future;
use std::time::{Duration, Instant};

/// What a run measured.
#[derive(Debug)]
pub struct Measured {
    /// Requests that succeeded.
    pub operations: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Latencies in microseconds.
    pub latency: Histogram<u64>,
    /// How many requests failed, and the first failure.
    pub failures: (u64, Option<String>),
}

impl Measured {
    /// Operations a second.
    pub fn rate(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64()
    }

    /// A latency quantile in milliseconds.
    pub fn quantile(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1000.0
    }
}

/// An error by which a step ends its client's loop, which is not counted as a failure.
#[derive(Debug)]
pub struct Enough;

impl std::fmt::Display for Enough {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("nothing left to do")
    }
}

impl std::error::Error for Enough {}

/// Runs `clients` loops for `length`. `make` gives each client its state (a
/// connection, say), `step` does one operation.
///
/// # Errors
/// Only where a client can't be made; failed steps are counted.
pub async fn closed_loop<S, Make, MakeFuture, Step>(
    clients: usize,
    length: Duration,
    make: Make,
    step: Step,
) -> Result<Measured>
where
    S: 'static,
    Make: Fn(usize) -> MakeFuture,
    MakeFuture: Future<Output = Result<S>>,
    Step: AsyncFn(&mut S) -> Result<()> + Clone + 'static,
{
    let local = tokio::task::LocalSet::new();
    let mut states = Vec::with_capacity(clients);
    for client in 0..clients {
        states.push(make(client).await?);
    }
    let start = Instant::now();
    let mut tasks = Vec::with_capacity(clients);
    for mut state in states {
        let step = step.clone();
        tasks.push(local.spawn_local(async move {
            let mut latency = new_histogram()?;
            let mut failures = (0, None);
            while start.elapsed() < length {
                let begun = Instant::now();
                match step(&mut state).await {
                    Ok(()) => latency.saturating_record(micros(begun.elapsed())),
                    Err(e) if e.is::<Enough>() => break,
                    Err(e) => {
                        failures.0 += 1;
                        failures.1.get_or_insert_with(|| format!("{e:#}"));
                        // A dead server must not be hammered.
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
            }
            anyhow::Ok((latency, failures))
        }));
    }
    let mut latency = new_histogram()?;
    let mut failures = (0, None);
    let gather = async {
        for task in tasks {
            let (part, failed) = task.await.context("a client panicked")??;
            latency.add(&part)?;
            failures.0 += failed.0;
            failures.1 = failures.1.take().or(failed.1);
        }
        anyhow::Ok(())
    };
    local.run_until(gather).await?;
    Ok(Measured {
        operations: latency.len(),
        elapsed: start.elapsed(),
        latency,
        failures,
    })
}

/// A histogram of microseconds up to a minute, exact to three digits.
pub fn new_histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000, 3)?)
}

/// Microseconds, at least 1.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros())
        .unwrap_or(u64::MAX)
        .max(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn successes_are_measured_and_failures_counted() {
        let step = async |left: &mut u32| {
            tokio::time::sleep(Duration::from_millis(2)).await;
            *left += 1;
            anyhow::ensure!(*left != 3, "the third");
            Ok(())
        };
        let length = Duration::from_millis(100);
        let run = closed_loop(4, length, async |_| Ok(0), step).await.unwrap();
        assert_eq!(run.failures.0, 4);
        assert_eq!(run.failures.1.as_deref(), Some("the third"));
        assert!(run.operations >= 40 && run.quantile(0.5) >= 2.0, "{run:?}");
        assert!(run.rate() > 100.0);
    }
}
