//! The echo identifiers of this process, which its kernel can tell from others.
//!
//! A raw socket receives the replies to every program of the machine. Of all 65,536 identifiers this process
//! uses one in sixteen: their product with a secret factor is small. That takes the kernel a
//! multiplication, so the replies to other programs rarely wake this one up. An observer of one target's
//! identifier learns nothing about another's, since the factor is random.

use rand::RngExt as _;

/// The number of identifiers that are used.
const USED: u16 = 1 << 12;

/// The identifiers of this process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identifiers {
    /// An odd number, by which they are multiplied.
    factor: u16,
    /// Its inverse, modulo 2^16.
    inverse: u16,
}

impl Identifiers {
    /// Draws the identifiers of a process.
    pub(super) fn random() -> Self {
        Self::with_factor(rand::rng().random::<u16>() | 1)
    }

    /// Returns the identifiers of an odd factor.
    fn with_factor(factor: u16) -> Self {
        // Each step of Newton's method doubles the number of correct bits; an odd number is its own inverse
        // modulo 8.
        let mut inverse = factor;
        for _ in 0..3 {
            let error = factor.wrapping_mul(inverse);
            inverse = inverse.wrapping_mul(2_u16.wrapping_sub(error));
        }
        Self { factor, inverse }
    }

    /// Returns the identifier of a random number.
    pub(super) fn of(self, random: u16) -> u16 {
        (random % USED).wrapping_mul(self.inverse)
    }

    /// Returns the factor and the limit that its product with an identifier stays under, modulo 2^16.
    pub(super) fn rule(self) -> (u32, u32) {
        (self.factor.into(), USED.into())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn one_identifier_in_sixteen_is_ours_and_follows_the_rule() {
        for factor in [1, 3, 0x8001, 0xffff, 12_345] {
            let identifiers = Identifiers::with_factor(factor);
            let (factor, limit) = identifiers.rule();
            let ours: BTreeSet<_> = (0..=u16::MAX).map(|random| identifiers.of(random)).collect();
            let allowed = (0..=u16::MAX)
                .filter(|identifier| u32::from(*identifier) * factor % (1 << 16) < limit);
            assert_eq!(ours, allowed.collect(), "{factor}");
            assert_eq!(ours.len(), usize::from(USED));
        }
    }

    #[test]
    fn each_process_draws_its_own() {
        let factors: BTreeSet<_> = (0..100).map(|_| Identifiers::random().factor).collect();
        assert!(factors.len() > 90, "{}", factors.len());
        assert!(factors.iter().all(|factor| factor % 2 == 1));
    }
}
