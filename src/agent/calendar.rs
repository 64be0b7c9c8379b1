//! The ends of drains by the wall clock: their dates in the state file, and the handling of a wall clock
//! that is wrong.
//!
//! A drain ordered in this process lasts for the requested time, by a clock that is never set; its dates
//! in the file follow the wall clock. A drain of an earlier process is known by its dates alone. It ends
//! at its date, with these exceptions:
//!
//! - If the wall clock shows a time before the order, it is wrong now: the drain lasts for its requested
//!   time from now, until the clock is set.
//! - If the drain was ordered before [`CLOCKS_ARE_SET`], the clock was wrong then: the same applies.
//! - If the drain seems to have ended more than [`GRACE`] before the start, the clock may be ahead: the
//!   drain is extended by [`GRACE`], in which the clock may be set.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::engine::Moment;
use crate::engine::event::{Drain, DrainScope};
use crate::state;

/// The extension of a drain that seems to have ended long before the start.
pub(super) const GRACE: Duration = Duration::from_mins(2);

/// The beginning of 2020, in seconds of Unix time. A clock that shows an earlier time was never set.
const CLOCKS_ARE_SET: u64 = 1_577_836_800;

/// A reading of both clocks at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocks {
    /// The time of the engine's clock.
    pub(super) engine: Moment,
    /// The time of the wall clock, in whole seconds of Unix time.
    pub(super) wall: u64,
}

impl Clocks {
    /// Returns the time of the wall clock at `moment`.
    fn wall_at(self, moment: Moment) -> u64 {
        let after = moment.since(self.engine).as_secs();
        let before = self.engine.since(moment).as_secs();
        self.wall.saturating_add(after).saturating_sub(before)
    }
}

/// A drain with known dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    /// The end of the drain, by the engine's clock.
    until: Option<Moment>,
    /// Whether its dates are from an earlier process, and from a clock that was right.
    by_date: bool,
}

/// Compares the dates of drains with the wall clock.
#[derive(Debug, Default)]
pub(super) struct Calendar {
    known: BTreeMap<IpAddr, Known>,
}

impl Calendar {
    /// Returns the drains of an earlier process, with their ends by the engine's clock.
    pub(super) fn adopt(
        &mut self,
        kept: &[state::SavedDrain],
        now: Clocks,
    ) -> BTreeMap<IpAddr, Drain> {
        let mut drains = BTreeMap::new();
        for drain in kept {
            let left = left(drain, now.wall);
            let left = left.map(|left| if is_long_over(drain, now.wall) { GRACE } else { left });
            let until = left.map(|left| later(now.engine, left));
            let by_date = !was_unset(drain, now.wall);
            self.known.insert(drain.address, Known { until, by_date });
            let (names, others) = (drain.names.clone(), drain.others.clone());
            let (reason, scope) = (drain.reason.clone(), DrainScope { names, others });
            drains.insert(drain.address, Drain { until, reason, scope, forced: drain.forced });
        }
        drains
    }

    /// Returns the entries of the file for the `drains` of a service; `kept` are its present entries.
    pub(super) fn date(
        &mut self,
        service: &str,
        kept: &[state::SavedDrain],
        drains: &BTreeMap<IpAddr, Drain>,
        now: Clocks,
    ) -> Vec<state::SavedDrain> {
        self.known.retain(|address, _| drains.contains_key(address));
        let dated = drains.iter().map(|(&address, drain)| {
            let known = self.known.get(&address).filter(|known| known.until == drain.until);
            let old = known.and_then(|_| kept.iter().find(|old| old.address == address));
            let DrainScope { mut names, others } = drain.scope.clone();
            if service == state::DEFAULT && others.is_empty() {
                // The file of an agent without named services is as it always was.
                names.clear();
            }
            let (reason, forced) = (drain.reason.clone(), drain.forced);
            if let (Some(old), true) = (old, known.is_some_and(|known| known.by_date)) {
                return state::SavedDrain { reason, forced, names, others, ..old.clone() };
            }
            let until = drain.until.map(|until| now.wall_at(until));
            let since = match (old, until) {
                (None, _) => now.wall,
                // The clock was set by this difference.
                (Some(state::SavedDrain { since, until: Some(before), .. }), Some(until)) => {
                    since.saturating_add(until).saturating_sub(*before)
                }
                (Some(old), _) => old.since,
            };
            self.known.insert(address, Known { until: drain.until, by_date: false });
            let service = service.to_owned();
            state::SavedDrain { service, address, since, until, reason, forced, names, others }
        });
        dated.collect()
    }

    /// Returns the new ends of the drains that are known by their dates, after the wall clock was set.
    pub(super) fn clock_set(
        &mut self,
        kept: &[state::SavedDrain],
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
                // Its dates are meaningless on this clock. It keeps its remaining time.
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

/// Whether a drain was dated by a clock that was not set yet, while it is set now.
fn was_unset(drain: &state::SavedDrain, wall: u64) -> bool {
    drain.since < CLOCKS_ARE_SET && wall >= CLOCKS_ARE_SET
}

/// Returns the remaining time of a drain at `wall`; `None` if it has no end.
fn left(drain: &state::SavedDrain, wall: u64) -> Option<Duration> {
    let until = drain.until?;
    let asked_for = until.saturating_sub(drain.since);
    let dated = wall >= drain.since && !was_unset(drain, wall);
    Some(Duration::from_secs(if dated { until.saturating_sub(wall) } else { asked_for }))
}

/// Whether a drain ended so long ago that the clock may be wrong.
fn is_long_over(drain: &state::SavedDrain, wall: u64) -> bool {
    let dated = wall >= drain.since && !was_unset(drain, wall);
    dated && drain.until.is_some_and(|until| wall.saturating_sub(until) >= GRACE.as_secs())
}

fn later(now: Moment, wait: Duration) -> Moment {
    now.saturating_add(wait)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;
    /// Some day in 2026.
    const TODAY: u64 = 1_790_000_000;

    fn address() -> IpAddr {
        IpAddr::from([192, 0, 2, 1])
    }

    fn kept(since: u64, lasts: u64) -> [state::SavedDrain; 1] {
        let (service, until) = (state::DEFAULT.to_owned(), Some(since + lasts));
        let (address, reason) = (address(), None);
        let (names, others) = (BTreeSet::new(), BTreeSet::new());
        let forced = false;
        [state::SavedDrain { service, address, since, until, reason, forced, names, others }]
    }

    fn moment(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    fn at(seconds: u64, wall: u64) -> Clocks {
        Clocks { engine: moment(seconds), wall }
    }

    /// Returns the remaining time of the drain in seconds.
    fn ends_in(drains: &BTreeMap<IpAddr, Drain>, now: Clocks) -> u64 {
        drains[&address()].until.unwrap().since(now.engine).as_secs()
    }

    #[test]
    fn a_drain_of_an_earlier_process_ends_at_its_date_although_the_clock_is_wrong_at_first() {
        // The clock at the start, the remaining time by that clock, and the one after it was set right
        // ten seconds later. The drain was ordered for an hour, ten minutes ago.
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
            let mut drains = calendar.adopt(&kept, at(0, shown));
            assert_eq!(ends_in(&drains, at(0, shown)), first, "{name}");
            let set = at(10, TODAY + 610);
            let moved = calendar.clock_set(&kept, &drains, set);
            drains.get_mut(&address()).unwrap().until = Some(moved[&address()]);
            assert_eq!(ends_in(&drains, set), then, "{name}, set right");
            assert_eq!(
                calendar.date(state::DEFAULT, &kept, &drains, set),
                kept,
                "{name}: the dates stay"
            );
        }
    }

    #[test]
    fn a_drain_ordered_before_the_clock_was_set_lasts_for_the_requested_time() {
        let kept = kept(60, HOUR);
        for (name, shown) in [("set before the restart", TODAY), ("not set at the restart", 90)] {
            let mut calendar = Calendar::default();
            let drains = calendar.adopt(&kept, at(0, shown));
            let set = at(10, TODAY);
            let moved = calendar.clock_set(&kept, &drains, set);
            assert!(moved.is_empty(), "{name}: {moved:?}");
            assert!((3500..=3600).contains(&ends_in(&drains, set)), "{name}");
            let dated = calendar.date(state::DEFAULT, &kept, &drains, set);
            let ends = dated[0].until.unwrap();
            assert!((TODAY + 3500..=TODAY + 3600).contains(&ends), "{name}: {dated:?}");
        }
    }

    #[test]
    fn a_drain_of_this_process_lasts_for_the_requested_time_and_its_dates_follow_the_clock() {
        for (name, shown) in [("1970", 60), ("a month ahead", TODAY + 30 * DAY)] {
            let mut calendar = Calendar::default();
            let until = Some(moment(100 + HOUR));
            let drain = Drain { until, ..Drain::default() };
            let drains: BTreeMap<_, _> = [(address(), drain)].into();
            let ordered = calendar.date(state::DEFAULT, &[], &drains, at(100, shown));
            assert_eq!(ordered, kept(shown, HOUR), "{name}");
            let set = at(160, TODAY + 60);
            assert!(calendar.clock_set(&ordered, &drains, set).is_empty(), "{name}");
            assert_eq!(
                calendar.date(state::DEFAULT, &ordered, &drains, set),
                kept(TODAY, HOUR),
                "{name}"
            );
        }
    }

    #[test]
    fn a_second_drain_of_the_same_address_has_dates_of_its_own() {
        let kept_before = kept(TODAY, HOUR);
        let mut calendar = Calendar::default();
        let mut drains = calendar.adopt(&kept_before, at(0, TODAY + 600));
        let again = at(60, TODAY + 660);
        drains.get_mut(&address()).unwrap().until = Some(moment(60 + 2 * HOUR));
        let dated = calendar.date(state::DEFAULT, &kept_before, &drains, again);
        assert_eq!(dated, kept(TODAY + 660, 2 * HOUR));
    }

    #[test]
    fn a_second_drain_that_has_only_a_reason_of_its_own_keeps_the_dates_of_the_first() {
        let before = kept(TODAY, HOUR);
        let mut calendar = Calendar::default();
        let mut drains = calendar.adopt(&before, at(0, TODAY + 600));
        drains.get_mut(&address()).unwrap().reason = Some("disk".into());
        let dated = calendar.date(state::DEFAULT, &before, &drains, at(60, TODAY + 660));
        let [first] = before;
        assert_eq!(dated, [state::SavedDrain { reason: Some("disk".into()), ..first }]);
    }
}
