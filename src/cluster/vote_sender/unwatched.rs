//! The services that a peer does not watch, as its answers to our votes show.
//!
//! Such a peer answers 404 to every vote on the service. One that watches the service, but not
//! every address of it, accepts some of the votes. All votes are repeated every [`REPEAT`]. So a
//! service is not watched there once votes on all of its addresses were declined and none was
//! accepted in between, or none was accepted for a few of these intervals.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::cluster::outbox::REPEAT;
use crate::engine::ids::{ServiceId, TargetRef};

/// Time from the first such answer until the services are reported, so that one line names all.
const REPORT_AFTER: Duration = Duration::from_secs(1);

/// Time after an accepted vote during which the service counts as watched, unless votes on all of
/// its addresses are declined.
const WATCHED_FOR: Duration = REPEAT.saturating_mul(3);

/// The services that a peer does not watch.
#[derive(Debug, Default)]
pub(super) struct UnwatchedServices {
    /// The time of the last accepted vote by service.
    accepted: BTreeMap<ServiceId, Duration>,
    /// The addresses of these services on which votes were declined since.
    declined: BTreeMap<ServiceId, BTreeSet<IpAddr>>,
    unwatched: BTreeSet<ServiceId>,
    /// Those of `unwatched` that were reported.
    reported: BTreeSet<ServiceId>,
    report_at: Option<Duration>,
}

impl UnwatchedServices {
    /// Records that the peer accepted a vote on `service`. Returns whether that is news.
    pub(super) fn accepted(&mut self, now: Duration, service: ServiceId) -> bool {
        self.accepted.insert(service, now);
        self.declined.remove(&service);
        self.reported.remove(&service);
        self.unwatched.remove(&service)
    }

    /// Records that the peer answered 404 to a vote on `target`. `voted` are all addresses of its
    /// service that this agent votes on. Returns whether the peer does not watch the service, rather
    /// than one address of it.
    pub(super) fn declined<'a>(
        &mut self,
        now: Duration,
        target: TargetRef,
        mut voted: impl ExactSizeIterator<Item = &'a IpAddr>,
    ) -> bool {
        let TargetRef { service, address } = target;
        if self.unwatched.contains(&service) {
            return true;
        }
        let declined = self.declined.entry(service).or_default();
        declined.insert(address);
        let is_recent = self.accepted.get(&service).is_some_and(|at| now < *at + WATCHED_FOR);
        let is_all =
            declined.len() >= voted.len() && voted.all(|address| declined.contains(address));
        let is_watched = is_recent && !is_all;
        if !is_watched {
            self.unwatched.insert(service);
            self.report_at.get_or_insert(now + REPORT_AFTER);
        }
        !is_watched
    }

    /// Returns an address that the peer does not watch, of a service that it watches. It is known
    /// when a vote on another address is accepted.
    pub(super) fn unwatched_address(&self, service: ServiceId) -> Option<IpAddr> {
        let declined = self.declined.get(&service).filter(|_| !self.unwatched.contains(&service));
        declined?.first().copied()
    }

    /// Forgets the services that `stays` does not accept.
    pub(super) fn retain(&mut self, stays: impl Fn(ServiceId) -> bool) {
        self.accepted.retain(|service, _| stays(*service));
        self.declined.retain(|service, _| stays(*service));
        self.unwatched.retain(|service| stays(*service));
        self.reported.retain(|service| stays(*service));
    }

    /// Iterates over the services that the peer does not watch.
    pub(super) fn iter(&self) -> impl Iterator<Item = ServiceId> {
        self.unwatched.iter().copied()
    }

    /// Returns the time of the next report, if one is due.
    pub(super) fn report_at(&self) -> Option<Duration> {
        self.report_at
    }

    /// Returns the services that were not reported before, if a report is due at `now`.
    pub(super) fn report(&mut self, now: Duration) -> Vec<ServiceId> {
        if self.report_at.is_none_or(|at| now < at) {
            return vec![];
        }
        self.report_at = None;
        let new: Vec<_> = self.unwatched.difference(&self.reported).copied().collect();
        self.reported.extend(&new);
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn services(numbers: &[usize]) -> Vec<ServiceId> {
        numbers.iter().map(|&number| number.into()).collect()
    }

    fn address(number: u8) -> IpAddr {
        [203, 0, 113, number].into()
    }

    /// Declines a vote on the first of two addresses of a service.
    fn declines(unwatched: &mut UnwatchedServices, at: u64, service: ServiceId) -> bool {
        let target = TargetRef { service, address: address(1) };
        unwatched.declined(s(at), target, [address(1), address(2)].iter())
    }

    #[test]
    fn all_unwatched_services_are_reported_together_and_once() {
        let mut unwatched = UnwatchedServices::default();
        for service in services(&[1, 2, 3]) {
            assert!(declines(&mut unwatched, 1, service));
        }
        assert_eq!(unwatched.report(s(1)), [], "more may follow");
        assert_eq!(unwatched.report_at(), Some(s(2)));
        assert_eq!(unwatched.report(s(2)), services(&[1, 2, 3]));
        for service in services(&[1, 2, 3]) {
            assert!(declines(&mut unwatched, 11, service));
        }
        assert_eq!((unwatched.report_at(), unwatched.report(s(100))), (None, vec![]));
        assert!(declines(&mut unwatched, 101, 4.into()), "a service that is new here");
        assert_eq!(unwatched.report(s(102)), services(&[4]));
    }

    #[test]
    fn a_service_with_one_unknown_address_is_watched() {
        let mut unwatched = UnwatchedServices::default();
        assert!(!unwatched.accepted(s(0), 1.into()));
        for at in [0, 10, 29] {
            assert!(!declines(&mut unwatched, at, 1.into()), "{at}");
        }
        assert_eq!(unwatched.report_at(), None);
        assert!(declines(&mut unwatched, 30, 1.into()), "nothing was accepted since");
    }

    #[test]
    fn a_service_that_goes_is_not_taken_for_a_watched_one_with_an_unknown_address() {
        let mut unwatched = UnwatchedServices::default();
        let voted = [address(1), address(2)];
        let [one, two] = voted.map(|address| TargetRef { service: 1.into(), address });
        assert!(!unwatched.accepted(s(0), 1.into()));
        assert!(!unwatched.declined(s(1), two, voted.iter()), "the first vote after a reload");
        assert_eq!(unwatched.unwatched_address(1.into()), Some(address(2)), "if one is accepted");
        assert!(unwatched.declined(s(2), one, voted.iter()), "all of its votes");
        assert_eq!(unwatched.unwatched_address(1.into()), None);
        assert_eq!(unwatched.report(s(3)), services(&[1]));
        assert!(unwatched.accepted(s(4), 1.into()));
        assert_eq!(unwatched.unwatched_address(1.into()), None);
        assert!(!unwatched.declined(s(5), one, voted.iter()));
    }

    #[test]
    fn a_service_that_the_peer_takes_up_is_reported_again_if_it_goes() {
        let mut unwatched = UnwatchedServices::default();
        assert!(declines(&mut unwatched, 0, 1.into()));
        assert_eq!(unwatched.report(s(1)), services(&[1]));
        assert!(unwatched.accepted(s(10), 1.into()), "its file was changed");
        assert_eq!(unwatched.iter().count(), 0);
        assert!(declines(&mut unwatched, 60, 1.into()));
        assert_eq!(unwatched.report(s(61)), services(&[1]));
        unwatched.retain(|_| false);
        assert_eq!(unwatched.iter().count(), 0, "it was removed here");
    }
}
