//! Random numbers from a seed. The generator (SplitMix64) is written down here, so that a
//! seed that failed still means the same run after a library was updated.

use std::time::Duration;

/// A generator.
pub(super) struct Chance(u64);

impl Chance {
    /// The generator of a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
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
