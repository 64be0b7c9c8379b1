//! The targets that the operator took out, and for how long.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::engine::drain::{Drain, DrainCommand, DrainRefusal, DrainScope};
use crate::engine::moment::Moment;

/// The drains of watched targets, those of addresses that are currently not watched, and the
/// commands that wait for a listing.
#[derive(Debug, Default)]
pub(in crate::engine) struct Drains {
    active: BTreeMap<IpAddr, Drain>,
    /// Drains of addresses that are not watched. A reload may name them again.
    parked: BTreeMap<IpAddr, Drain>,
    /// Commands to be answered when the zone has been listed.
    awaiting_listing: Vec<DrainCommand>,
}

impl Drains {
    /// Returns the drain of a watched target.
    pub(in crate::engine) fn get(&self, target: IpAddr) -> Option<&Drain> {
        self.active.get(&target)
    }

    /// Sets the scope of the drain of a watched target.
    pub(in crate::engine) fn set_scope(&mut self, target: IpAddr, scope: DrainScope) {
        if let Some(drain) = self.active.get_mut(&target) {
            drain.scope = scope;
        }
    }

    /// Whether a watched target is drained.
    pub(in crate::engine) fn is_drained(&self, target: IpAddr) -> bool {
        self.active.contains_key(&target)
    }

    /// Drains a watched target. Replaces an earlier drain.
    pub(in crate::engine) fn begin(&mut self, target: IpAddr, drain: Drain) {
        self.active.insert(target, drain);
    }

    /// Ends the drain of a watched target at the operator's command.
    ///
    /// # Errors
    ///
    /// [`DrainRefusal::NotDrained`] if the target is not drained.
    pub(in crate::engine) fn end(&mut self, target: IpAddr) -> Result<(), DrainRefusal> {
        self.active.remove(&target).map(drop).ok_or(DrainRefusal::NotDrained)
    }

    /// Ends the drain of an address that is not watched.
    ///
    /// # Errors
    ///
    /// [`DrainRefusal::NotATarget`] if the address has no drain.
    pub(in crate::engine) fn end_parked(&mut self, address: IpAddr) -> Result<(), DrainRefusal> {
        self.parked.remove(&address).map(drop).ok_or(DrainRefusal::NotATarget)
    }

    /// Ends the drain of a watched target if it has expired. Returns whether it had.
    pub(in crate::engine) fn expire(&mut self, target: IpAddr, now: Moment) -> bool {
        let is_over = self.active.get(&target).is_some_and(|drain| drain.is_over(now));
        if is_over {
            self.active.remove(&target);
        }
        is_over
    }

    /// Keeps a drain of an address that is not watched.
    pub(in crate::engine) fn park(&mut self, address: IpAddr, drain: Drain) {
        self.parked.insert(address, drain);
    }

    /// Removes the drain of an address, watched or not.
    pub(in crate::engine) fn take(&mut self, address: IpAddr) {
        self.active.remove(&address);
        self.parked.remove(&address);
    }

    /// Keeps the drain of a target that is no longer watched.
    pub(in crate::engine) fn unwatch(&mut self, target: IpAddr) {
        if let Some(drain) = self.active.remove(&target) {
            self.park(target, drain);
        }
    }

    /// Removes and returns the parked drains of addresses that are watched now. Parked drains that
    /// have expired are dropped.
    pub(in crate::engine) fn unpark(
        &mut self,
        now: Moment,
        is_watched: impl Fn(IpAddr) -> bool,
    ) -> Vec<(IpAddr, Drain)> {
        self.parked.retain(|_, drain| !drain.is_over(now));
        self.parked.extract_if(.., |address, _| is_watched(*address)).collect()
    }

    /// Changes the times at which drains end. Drains without an end, and drains that are over, stay
    /// as they are. Returns the watched targets with a new end.
    pub(in crate::engine) fn set_ends(
        &mut self,
        ends: &BTreeMap<IpAddr, Moment>,
    ) -> Vec<(IpAddr, Moment)> {
        let mut watched = Vec::new();
        for (&address, &until) in ends {
            let active = self.active.get_mut(&address);
            let is_watched = active.is_some();
            let drain = active.or_else(|| self.parked.get_mut(&address));
            let Some(drain) = drain.filter(|drain| drain.until.is_some()) else { continue };
            drain.until = Some(until);
            if is_watched {
                watched.push((address, until));
            }
        }
        watched
    }

    /// Keeps a command until the zone has been listed.
    pub(in crate::engine) fn await_listing(&mut self, command: DrainCommand) {
        self.awaiting_listing.push(command);
    }

    /// Removes and returns the commands that waited for a listing.
    pub(in crate::engine) fn take_awaiting(&mut self) -> Vec<DrainCommand> {
        std::mem::take(&mut self.awaiting_listing)
    }

    /// Removes and returns the waiting commands that no longer name a watched target.
    pub(in crate::engine) fn take_unwatched(
        &mut self,
        is_watched: impl Fn(IpAddr) -> bool,
    ) -> Vec<DrainCommand> {
        self.awaiting_listing.extract_if(.., |command| !is_watched(command.target)).collect()
    }

    /// Whether a command waits for a listing.
    pub(in crate::engine) fn is_awaiting_listing(&self) -> bool {
        !self.awaiting_listing.is_empty()
    }

    /// Whether there is a drain of an address, watched or not.
    pub(in crate::engine) fn holds(&self, address: IpAddr) -> bool {
        self.active.contains_key(&address) || self.parked.contains_key(&address)
    }

    /// Iterates over the drains of addresses that are not watched.
    pub(in crate::engine) fn parked(&self) -> impl Iterator<Item = (IpAddr, &Drain)> {
        self.parked.iter().map(|(address, drain)| (*address, drain))
    }

    /// Returns all drains: those in force, and those of addresses that are currently not watched.
    pub(in crate::engine) fn all(&self) -> BTreeMap<IpAddr, Drain> {
        let all = self.active.iter().chain(&self.parked);
        all.map(|(address, drain)| (*address, drain.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::tests::world::ip;

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    fn until(second: u64) -> Drain {
        Drain { until: Some(at(second)), ..Drain::default() }
    }

    fn for_good() -> Drain {
        Drain { reason: Some("rack move".into()), ..Drain::default() }
    }

    #[test]
    fn a_drain_ends_by_command_or_when_its_time_is_up() {
        let mut drains = Drains::default();
        drains.begin(ip(1), until(10));
        drains.begin(ip(2), for_good());
        assert!(!drains.expire(ip(1), at(9)));
        assert!(drains.expire(ip(1), at(10)));
        assert!(!drains.expire(ip(2), at(1_000_000)), "it has no end");
        assert_eq!(drains.end(ip(1)), Err(DrainRefusal::NotDrained));
        assert_eq!(drains.end(ip(2)), Ok(()));
        assert!(drains.all().is_empty());
    }

    #[test]
    fn a_drain_outlives_a_reload_that_does_not_name_its_target() {
        let mut drains = Drains::default();
        drains.begin(ip(1), until(10));
        drains.begin(ip(2), for_good());
        drains.unwatch(ip(1));
        drains.unwatch(ip(2));
        assert!(!drains.is_drained(ip(2)));
        assert_eq!(drains.parked().count(), 2);
        assert_eq!(drains.all().len(), 2, "they are still to be remembered");
        assert_eq!(drains.unpark(at(9), |_| false), []);
        assert_eq!(drains.unpark(at(10), |_| true), [(ip(2), for_good())], "one has expired");
        assert_eq!(drains.end_parked(ip(2)), Err(DrainRefusal::NotATarget));
    }

    #[test]
    fn only_drains_with_an_end_get_another_one() {
        let mut drains = Drains::default();
        drains.begin(ip(1), until(10));
        drains.begin(ip(2), for_good());
        drains.park(ip(3), until(10));
        let ends = (1..=4).map(|last| (ip(last), at(20))).collect();
        assert_eq!(drains.set_ends(&ends), [(ip(1), at(20))]);
        assert_eq!(drains.all()[&ip(3)], until(20));
        assert_eq!(drains.all()[&ip(2)], for_good());
    }
}
