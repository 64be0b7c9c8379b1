//! Spaces the echo requests that leave.
//!
//! A firewall on the way may let a thousand pass in a second, and five at once. Those that are due at
//! the same time, or late, therefore leave a few at a time.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::Moment;
use crate::engine::event::ProbeRequest;

/// Maximum number of echo requests within [`SPACE`], where the pace allows it.
const AT_ONCE: u16 = 4;

/// Time between two groups.
const SPACE: Duration = Duration::from_millis(1);

/// Number of groups in which all that are held leave: after a stall they are more than usual.
const GROUPS: usize = 8;

/// Echo requests that are due.
#[derive(Debug, Default)]
pub(in crate::agent) struct Departures {
    held: VecDeque<ProbeRequest>,
    /// The time from which the next group may leave.
    opens: Moment,
}

/// How echo requests leave: all at once, or in groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spacing {
    /// All that are due leave together. The operator wants it (`burst`), or the pace leaves no choice.
    None,
    /// A few leave within a millisecond.
    Groups,
}

impl Spacing {
    /// Returns the spacing for a pace, in probes a second.
    pub(super) fn of(pace: f64, burst: usize) -> Self {
        let most = f64::from(AT_ONCE) / SPACE.as_secs_f64();
        if burst > 1 || pace > most { Self::None } else { Self::Groups }
    }

    /// Returns the time within which this pace has one group due.
    pub(super) fn grain(self, pace: f64) -> Duration {
        match self {
            Self::None => Duration::MAX,
            Self::Groups => Duration::try_from_secs_f64(f64::from(AT_ONCE) / pace.max(1.0))
                .unwrap_or(Duration::MAX)
                .max(SPACE),
        }
    }
}

impl Departures {
    /// Adds a request that is due.
    pub(super) fn hold(&mut self, request: ProbeRequest) {
        self.held.push_back(request);
    }

    /// Removes and returns the requests that leave now, those that were added first.
    pub(super) fn release(
        &mut self,
        now: Moment,
        spacing: Spacing,
    ) -> impl Iterator<Item = ProbeRequest> {
        let count = match spacing {
            Spacing::None => self.held.len(),
            Spacing::Groups if now < self.opens => 0,
            Spacing::Groups => {
                let group = self.held.len().div_ceil(GROUPS).max(AT_ONCE.into());
                group.min(self.held.len())
            }
        };
        if count > 0 {
            self.opens = now + SPACE;
        }
        self.held.drain(..count)
    }

    /// Returns the time at which the next group leaves.
    pub(super) fn next(&self) -> Option<Moment> {
        (!self.held.is_empty()).then_some(self.opens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::types::Endpoint;

    const MS: Duration = Duration::from_millis(1);

    fn held(count: usize) -> Departures {
        let mut departures = Departures::default();
        for _ in 0..count {
            let endpoint = Endpoint::echo(std::net::Ipv4Addr::LOCALHOST.into());
            departures.hold(ProbeRequest::first(endpoint, MS));
        }
        departures
    }

    #[test]
    fn four_leave_within_a_millisecond() {
        let (mut departures, start) = (held(10), Moment::START + MS);
        assert_eq!(departures.release(start, Spacing::Groups).count(), 4);
        assert_eq!(departures.next(), Some(start + MS));
        assert_eq!(departures.release(start + MS / 2, Spacing::Groups).count(), 0);
        assert_eq!(departures.release(start + MS, Spacing::Groups).count(), 4);
        assert_eq!(departures.release(start + MS * 9, Spacing::Groups).count(), 2);
        assert_eq!(departures.next(), None);
    }

    #[test]
    fn many_that_are_late_leave_within_some_milliseconds() {
        let (mut departures, mut now, mut groups) = (held(4000), Moment::START + MS, 0);
        while departures.next().is_some() {
            departures.release(now, Spacing::Groups).for_each(drop);
            (now, groups) = (now + MS, groups + 1);
        }
        assert!((GROUPS..60).contains(&groups), "{groups}");
    }

    #[test]
    fn all_leave_together_in_bursts_and_at_a_pace_that_has_no_room() {
        for (pace, burst, spacing, grain) in [
            (100.0, 1, Spacing::Groups, MS * 40),
            (1000.0, 1, Spacing::Groups, MS * 4),
            (4000.0, 1, Spacing::Groups, MS),
            (4001.0, 1, Spacing::None, Duration::MAX),
            (1000.0, 2, Spacing::None, Duration::MAX),
            (0.0, 1, Spacing::Groups, MS * 4000),
        ] {
            let is = Spacing::of(pace, burst);
            assert_eq!((is, is.grain(pace)), (spacing, grain), "{pace} {burst}");
        }
        assert_eq!(held(100).release(Moment::START, Spacing::None).count(), 100);
    }
}
