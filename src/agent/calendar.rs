//! When drains end by people's clock: what the state file says of it, and what to do when that clock
//! turns out to be wrong.
//!
//! A drain that was ordered while this process runs lasts as long as was asked for, by a clock that
//! nobody sets; only its dates in the file follow the clock. One that an earlier process left is known
//! by its dates alone. It ends when they say so, but:
//!
//! - If the clock shows a time before the order, it is wrong now: the drain lasts as long as was asked
//!   for from here, until the clock is set.
//! - If it was ordered before [`CLOCKS_ARE_SET`], the clock was wrong then: the same.
//! - If it seems to be over for longer than [`GRACE`] at the start, the clock may be ahead: it is held
//!   for as long again, in which the clock may be set.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::engine::Moment;
use crate::engine::event::Drain;
use crate::state;

/// For how long a drain that seems to be over for as long is held after a start.
pub(super) const GRACE: Duration = Duration::from_mins(2);

/// The beginning of 2020, in seconds of Unix time. A clock that shows less was not set yet.
const CLOCKS_ARE_SET: u64 = 1_577_836_800;

/// Both clocks, read at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocks {
    /// The engine's.
    pub(super) engine: Moment,
    /// People's, in whole seconds of Unix time.
    pub(super) wall: u64,
}

impl Clocks {
    /// What people's clock shows at `moment`.
    fn wall_at(self, moment: Moment) -> u64 {
        let after = moment.saturating_sub(self.engine).as_secs();
        let before = self.engine.saturating_sub(moment).as_secs();
        self.wall.saturating_add(after).saturating_sub(before)
    }
}

/// A drain whose dates are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    /// When it ends, by the engine's clock.
    until: Option<Moment>,
    /// Its dates are from an earlier process and not of a clock that was wrong then.
    by_date: bool,
}

/// Holds the dates of drains against the clock.
#[derive(Debug, Default)]
pub(super) struct Calendar {
    known: BTreeMap<IpAddr, Known>,
}

impl Calendar {
    /// The drains that an earlier process left, as the engine wants them.
    pub(super) fn take_over(
        &mut self,
        kept: &[state::Drain],
        now: Clocks,
    ) -> BTreeMap<IpAddr, Drain> {
        let mut drains = BTreeMap::new();
        for drain in kept {
            let left = left(drain, now.wall);
            let left = left.map(|left| if is_long_over(drain, now.wall) { GRACE } else { left });
            let until = left.map(|left| later(now.engine, left));
            let by_date = !was_unset(drain, now.wall);
            self.known.insert(drain.address, Known { until, by_date });
            drains.insert(drain.address, Drain { until, reason: drain.reason.clone() });
        }
        drains
    }

    /// What the file is to say of `drains`, of which it said `kept`.
    pub(super) fn date(
        &mut self,
        kept: &[state::Drain],
        drains: &BTreeMap<IpAddr, Drain>,
        now: Clocks,
    ) -> Vec<state::Drain> {
        self.known.retain(|address, _| drains.contains_key(address));
        let dated = drains.iter().map(|(&address, drain)| {
            let known = self.known.get(&address).filter(|known| known.until == drain.until);
            let old = known.and_then(|_| kept.iter().find(|old| old.address == address));
            if let (Some(old), true) = (old, known.is_some_and(|known| known.by_date)) {
                return old.clone();
            }
            let until = drain.until.map(|until| now.wall_at(until));
            let since = match (old, until) {
                (None, _) => now.wall,
                // The clock was set since, by so much.
                (Some(state::Drain { since, until: Some(before), .. }), Some(until)) => {
                    since.saturating_add(until).saturating_sub(*before)
                }
                (Some(old), _) => old.since,
            };
            self.known.insert(address, Known { until: drain.until, by_date: false });
            state::Drain { address, since, until, reason: drain.reason.clone() }
        });
        dated.collect()
    }

    /// The clock was set: when those of `drains` end from now on that are known by their dates.
    pub(super) fn clock_set(
        &mut self,
        kept: &[state::Drain],
        drains: &BTreeMap<IpAddr, Drain>,
        now: Clocks,
    ) -> BTreeMap<IpAddr, Moment> {
        let mut moved = BTreeMap::new();
        for old in kept {
            let Some(known) = self.known.get_mut(&old.address) else { continue };
            let drain = drains.get(&old.address);
            if !known.by_date || drain.is_none_or(|drain| drain.until != known.until) {
                continue;
            }
            if was_unset(old, now.wall) {
                // Its dates mean nothing on this clock. It goes on for as long as it has left.
                known.by_date = false;
            } else if let Some(left) = left(old, now.wall) {
                let until = later(now.engine, left);
                known.until = Some(until);
                moved.insert(old.address, until);
            }
        }
        moved
    }
}

/// Whether a drain is dated by a clock that was not set then, as opposed to now.
fn was_unset(drain: &state::Drain, wall: u64) -> bool {
    drain.since < CLOCKS_ARE_SET && wall >= CLOCKS_ARE_SET
}

/// For how long a drain lasts from `wall` on; `None` if it does not end by itself.
fn left(drain: &state::Drain, wall: u64) -> Option<Duration> {
    let until = drain.until?;
    let asked_for = until.saturating_sub(drain.since);
    let dated = wall >= drain.since && !was_unset(drain, wall);
    Some(Duration::from_secs(if dated { until.saturating_sub(wall) } else { asked_for }))
}

/// Whether the end of a drain is so long ago that the clock may be wrong.
fn is_long_over(drain: &state::Drain, wall: u64) -> bool {
    let dated = wall >= drain.since && !was_unset(drain, wall);
    dated && drain.until.is_some_and(|until| wall.saturating_sub(until) >= GRACE.as_secs())
}

fn later(now: Moment, wait: Duration) -> Moment {
    now.checked_add(wait).unwrap_or(Moment::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;
    /// Some day in 2026.
    const TODAY: u64 = 1_790_000_000;

    fn address() -> IpAddr {
        IpAddr::from([192, 0, 2, 1])
    }

    fn kept(since: u64, lasts: u64) -> [state::Drain; 1] {
        [state::Drain { address: address(), since, until: Some(since + lasts), reason: None }]
    }

    fn at(seconds: u64, wall: u64) -> Clocks {
        Clocks { engine: Duration::from_secs(seconds), wall }
    }

    /// In how many seconds a drain ends.
    fn ends_in(drains: &BTreeMap<IpAddr, Drain>, now: Clocks) -> u64 {
        drains[&address()].until.unwrap().saturating_sub(now.engine).as_secs()
    }

    #[test]
    fn a_drain_of_an_earlier_process_ends_when_it_was_meant_to_whatever_the_clock_shows_first() {
        // `(what the clock shows at the start, how long the drain lasts by that, and after the clock
        // was set right ten seconds later)`. Ordered today for an hour; it is ten minutes later.
        let cases = [
            ("right", TODAY + 600, 3000, 2990),
            ("1970", 5, 3600, 2990),
            ("a month behind", TODAY - 30 * DAY, 3600, 2990),
            ("a month ahead", TODAY + 30 * DAY, 120, 2990),
            ("a minute ahead", TODAY + 660, 2940, 2990),
            ("ten seconds short of its end", TODAY + 3590, 10, 2990),
            ("a minute beyond its end", TODAY + 3660, 0, 2990),
        ];
        for (name, shown, first, then) in cases {
            let kept = kept(TODAY, HOUR);
            let mut calendar = Calendar::default();
            let mut drains = calendar.take_over(&kept, at(0, shown));
            assert_eq!(ends_in(&drains, at(0, shown)), first, "{name}");
            let set = at(10, TODAY + 610);
            let moved = calendar.clock_set(&kept, &drains, set);
            drains.get_mut(&address()).unwrap().until = Some(moved[&address()]);
            assert_eq!(ends_in(&drains, set), then, "{name}, set right");
            assert_eq!(calendar.date(&kept, &drains, set), kept, "{name}: the dates stay");
        }
    }

    #[test]
    fn a_drain_that_was_ordered_before_the_clock_was_set_lasts_as_long_as_was_asked_for() {
        let kept = kept(60, HOUR);
        for (name, shown) in [("set before the restart", TODAY), ("not set at the restart", 90)] {
            let mut calendar = Calendar::default();
            let drains = calendar.take_over(&kept, at(0, shown));
            let set = at(10, TODAY);
            let moved = calendar.clock_set(&kept, &drains, set);
            assert!(moved.is_empty(), "{name}: {moved:?}");
            assert!((3500..=3600).contains(&ends_in(&drains, set)), "{name}");
            let dated = calendar.date(&kept, &drains, set);
            let ends = dated[0].until.unwrap();
            assert!((TODAY + 3500..=TODAY + 3600).contains(&ends), "{name}: {dated:?}");
        }
    }

    #[test]
    fn a_drain_of_this_process_lasts_as_long_as_was_asked_for_and_its_dates_follow_the_clock() {
        for (name, shown) in [("1970", 60), ("a month ahead", TODAY + 30 * DAY)] {
            let mut calendar = Calendar::default();
            let until = Some(Duration::from_secs(100 + HOUR));
            let drains: BTreeMap<_, _> = [(address(), Drain { until, reason: None })].into();
            let ordered = calendar.date(&[], &drains, at(100, shown));
            assert_eq!(ordered, kept(shown, HOUR), "{name}");
            let set = at(160, TODAY + 60);
            assert!(calendar.clock_set(&ordered, &drains, set).is_empty(), "{name}");
            assert_eq!(calendar.date(&ordered, &drains, set), kept(TODAY, HOUR), "{name}");
        }
    }

    #[test]
    fn another_order_on_the_same_address_has_dates_of_its_own() {
        let kept_before = kept(TODAY, HOUR);
        let mut calendar = Calendar::default();
        let mut drains = calendar.take_over(&kept_before, at(0, TODAY + 600));
        let again = at(60, TODAY + 660);
        drains.get_mut(&address()).unwrap().until = Some(Duration::from_secs(60 + 2 * HOUR));
        let dated = calendar.date(&kept_before, &drains, again);
        assert_eq!(dated, kept(TODAY + 660, 2 * HOUR));
    }
}
