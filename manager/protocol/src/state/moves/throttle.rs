//! How fast files may move: files and bytes a second at the most.

use crate::world::World;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Paces moves. A move that is due later waits for its turn, in order.
pub(crate) struct Throttle {
    files_per_second: u32,
    bytes_per_second: u64,
    next: Mutex<Option<Instant>>,
}

impl Throttle {
    /// A pace; 0 means no limit.
    pub(super) fn new(files_per_second: u32, bytes_per_second: u64) -> Self {
        Self {
            files_per_second,
            bytes_per_second,
            next: Mutex::new(None),
        }
    }

    /// Waits until a file of `bytes` may move.
    pub(crate) async fn wait(&self, world: &World, bytes: u64) {
        let due = {
            let mut next = self.next.lock().await;
            let now = world.now();
            let due = next.map_or(now, |at| at.max(now));
            *next = Some(due + self.cost(bytes));
            due
        };
        world.sleep_until(due).await;
    }

    fn cost(&self, bytes: u64) -> Duration {
        let by_files = match self.files_per_second {
            0 => Duration::ZERO,
            rate => Duration::from_secs(1) / rate,
        };
        let by_bytes = match self.bytes_per_second {
            0 => Duration::ZERO,
            rate => Duration::from_secs_f64(bytes as f64 / rate as f64),
        };
        by_files.max(by_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::world;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn moves_keep_to_both_rates() {
        let throttle = Throttle::new(10, 1000);
        let (start, world) = (Instant::now(), world());
        for bytes in [1, 1, 500, 1] {
            throttle.wait(&world, bytes).await;
        }
        // Two small ones at 0.1 s each, then the 500 bytes take half a second.
        assert_eq!(start.elapsed().as_millis(), 700);
    }

    #[tokio::test(start_paused = true)]
    async fn zero_means_no_limit() {
        let throttle = Throttle::new(0, 0);
        let (start, world) = (Instant::now(), world());
        for _ in 0..1000 {
            throttle.wait(&world, 1 << 30).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
