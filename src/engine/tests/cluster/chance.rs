//! Reproducible random numbers: all of a schedule follows from one seed.

use std::time::Duration;

use crate::engine::tests::world::ms;

/// `SplitMix64` (Steele, Lea, Flood 2014): small, and every seed is a good one.
#[derive(Debug, Clone)]
pub(in crate::engine::tests) struct Chance(u64);

impl Chance {
    pub(in crate::engine::tests) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`.
    pub(in crate::engine::tests) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap();
        usize::try_from(self.next() % end).unwrap()
    }

    /// Returns true so many times in a hundred.
    pub(in crate::engine::tests) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Returns whole milliseconds from `from` to below `to`.
    pub(in crate::engine::tests) fn between(&mut self, from: u64, to: u64) -> Duration {
        ms(from + self.next() % (to - from).max(1))
    }

    pub(in crate::engine::tests) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}
