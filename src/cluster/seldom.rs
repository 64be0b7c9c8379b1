//! Saying the same thing seldom, however often it happens.

use std::collections::BTreeMap;
use std::time::Duration;

/// How long nothing is said about a matter that was mentioned.
const QUIET: Duration = Duration::from_mins(1);

/// How many matters are remembered; strangers choose their addresses, so this must have a bound.
const MATTERS: usize = 256;

/// Remembers what was said and when.
#[derive(Debug)]
pub struct Seldom<Matter> {
    said: BTreeMap<Matter, (Duration, u64)>,
}

impl<Matter> Default for Seldom<Matter> {
    /// Nothing was said yet.
    fn default() -> Self {
        Self { said: BTreeMap::new() }
    }
}

impl<Matter: Ord> Seldom<Matter> {
    /// Whether `matter` should be mentioned at `now`: if so, how often it happened without being
    /// mentioned since the last time.
    ///
    /// While too many matters are fresh, new ones are not mentioned.
    pub fn mention(&mut self, now: Duration, matter: Matter) -> Option<u64> {
        let old = |said: Duration| now.saturating_sub(said) >= QUIET;
        if let Some((said, hushed)) = self.said.get_mut(&matter) {
            if old(*said) {
                *said = now;
                return Some(std::mem::take(hushed));
            }
            *hushed += 1;
            return None;
        }
        if self.said.len() >= MATTERS {
            self.said.retain(|_, (said, _)| !old(*said));
        }
        if self.said.len() >= MATTERS {
            return None;
        }
        self.said.insert(matter, (now, 0));
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_matter_is_mentioned_once_a_minute_with_what_was_left_out() {
        let mut seldom = Seldom::default();
        let cases = [(0, 'a', Some(0)), (1, 'a', None), (59, 'a', None), (59, 'b', Some(0))];
        for (at, matter, want) in cases {
            assert_eq!(seldom.mention(Duration::from_secs(at), matter), want, "{matter} {at} s");
        }
        assert_eq!(seldom.mention(QUIET, 'a'), Some(2));
    }

    #[test]
    fn strangers_cannot_fill_the_memory() {
        let mut seldom = Seldom::default();
        let mentioned = (0..100_000).filter(|&n| seldom.mention(Duration::ZERO, n).is_some());
        assert_eq!(mentioned.count(), MATTERS);
        assert!(seldom.mention(QUIET, 100_000).is_some(), "old matters make room");
        assert_eq!(seldom.said.len(), 1);
    }
}
