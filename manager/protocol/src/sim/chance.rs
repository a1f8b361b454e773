//! Random numbers from a seed. The generator is SplitMix64, by whose definition a seed that
//! failed still means the same run after a library was updated.

use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::time::Duration;

/// A generator.
#[derive(Clone)]
pub(super) struct Chance(SplitMix64);

impl Chance {
    /// The generator of a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(SplitMix64::seed_from_u64(seed))
    }

    /// The next number.
    pub(super) fn draw(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    /// A time between two others, both included, to the microsecond.
    pub(super) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = most.saturating_sub(least).as_micros();
        let span = u64::try_from(span).unwrap_or(u64::MAX - 1);
        least + Duration::from_micros(self.below(span + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_numbers_for_ever() {
        let mut chance = Chance::new(0);
        let first: Vec<u64> = (0..2).map(|_| chance.draw()).collect();
        assert_eq!(first, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
    }

    #[test]
    fn times_stay_within_their_bounds() {
        let mut chance = Chance::new(7);
        let (least, most) = (Duration::from_micros(5), Duration::from_micros(8));
        for _ in 0..100 {
            let drawn = chance.between(least, most);
            assert!(drawn >= least && drawn <= most);
        }
        assert_eq!(chance.between(most, most), most);
    }
}
