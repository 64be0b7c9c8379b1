//! The peers: their votes and liveness, and when this agent's own votes are announced to them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::ids::{ServiceId, TargetRef};
use super::moment::Moment;
use super::quorum::{Agreement, Ballot, Ballots, PeerStanding, PeerVote, Poll};
use super::types::PeerState;

/// Time after a suspension during which votes sent before its end may still be in the queue.
const QUEUE_GRACE: Duration = Duration::from_secs(1);

/// The time between two announcements of unchanged votes, which renew the age of their evidence.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(5);

/// The same with more targets than [`MANY_VOTES`]: their votes wait for their turn, and their
/// evidence must not grow old in that time.
const ANNOUNCE_MANY_EVERY: Duration = Duration::from_secs(2);

/// The number of votes above which a peer does not receive all of them at once.
const MANY_VOTES: usize = 5_000;

/// Returns the minimum time between two announcements of this number of votes. Thousands of targets
/// that are confirmed one after the other must not cause thousands of announcements of thousands of
/// votes.
fn min_announce_gap(votes: usize) -> Duration {
    Duration::from_micros(5 * u64::try_from(votes).unwrap_or(u64::MAX))
}

/// The votes of the peers, and the announcement of this agent's own votes.
#[derive(Debug, Default)]
pub(super) struct Peers {
    ballots: Ballots,
    /// Whether this agent's votes changed since they were last announced.
    announce_due: bool,
    /// The time of the last announcement.
    announced_at: Option<Moment>,
    /// Votes received before this time are ignored: they may have been queued while the process was
    /// suspended.
    ignore_votes_until: Moment,
}

/// The time at which this agent's votes are to be announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnnounceDue {
    /// Not yet. A change waits until the given time, if there is one.
    Later(Option<Moment>),
    /// Now, and again at this time.
    Now(Moment),
}

impl Peers {
    /// Registers `peers` as voters on `targets`. Votes on the targets of a service count for its
    /// term.
    pub(super) fn enroll(
        &mut self,
        peers: impl IntoIterator<Item = SocketAddr>,
        targets: &BTreeSet<TargetRef>,
        terms: BTreeMap<ServiceId, Duration>,
    ) {
        self.ballots.set_peers(peers);
        self.ballots.set_terms(terms);
        self.ballots.retain_targets(targets);
        self.announce_due = true;
    }

    /// Discards votes after the process was suspended until `now`: they are fresh by its own clock
    /// only, and the peers repeat the ones that still hold.
    pub(super) fn suspended(&mut self, now: Moment) {
        self.ballots.forget();
        self.ignore_votes_until = now + QUEUE_GRACE;
    }

    /// Records a vote. Returns `None` if it is ignored, otherwise whether it differs from the
    /// peer's last vote.
    pub(super) fn vote(&mut self, now: Moment, received: PeerVote) -> Option<bool> {
        // A legacy agent repeats nothing.
        let ignored = now < self.ignore_votes_until && !self.ballots.is_legacy(received.peer);
        (!ignored).then(|| self.ballots.record(now, received))
    }

    /// Retracts a peer's vote. Returns whether that vote counted.
    pub(super) fn retract(&mut self, now: Moment, peer: SocketAddr, target: TargetRef) -> bool {
        self.ballots.retract(now, peer, target)
    }

    /// Records the state of a peer. Returns whether its liveness changed.
    pub(super) fn set_state(&mut self, peer: SocketAddr, state: PeerState) -> bool {
        let before = self.ballots.is_alive(peer);
        self.ballots.set_state(peer, state);
        before != state.is_alive()
    }

    /// Requests an announcement of this agent's votes, since they changed.
    pub(super) fn announce(&mut self) {
        self.announce_due = true;
    }

    /// Returns whether the votes on `targets` many targets are to be announced at `now`. If so,
    /// they count as announced.
    pub(super) fn announce_due(&mut self, now: Moment, targets: usize) -> AnnounceDue {
        let every = if targets > MANY_VOTES { ANNOUNCE_MANY_EVERY } else { ANNOUNCE_EVERY };
        let wait = if self.announce_due { min_announce_gap(targets) } else { every };
        if let Some(next) = self.announced_at.map(|at| at + wait).filter(|next| *next > now) {
            return AnnounceDue::Later(self.announce_due.then_some(next));
        }
        self.announce_due = false;
        self.announced_at = Some(now);
        AnnounceDue::Now(now + every)
    }

    /// Evaluates the votes on a target; see [`Ballots::agreement`].
    pub(super) fn agreement(&self, poll: &Poll<'_>, now: Moment) -> Agreement {
        self.ballots.agreement(poll, now)
    }

    /// Iterates over the peers that are alive.
    pub(super) fn live(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.ballots.live()
    }

    /// Whether a peer is a legacy agent.
    pub(super) fn is_legacy(&self, peer: SocketAddr) -> bool {
        self.ballots.is_legacy(peer)
    }

    /// Returns the votes on a target that count at `now`.
    pub(super) fn votes_on(
        &self,
        target: TargetRef,
        now: Moment,
    ) -> impl Iterator<Item = Ballot> + '_ {
        self.ballots.on(target, now)
    }

    /// Iterates over all peers, each with its vote on a target if that counts at `now`.
    pub(super) fn standings(
        &self,
        target: TargetRef,
        now: Moment,
    ) -> impl Iterator<Item = PeerStanding> + '_ {
        self.ballots.standings(target, now)
    }

    /// Returns the time at which the first vote on a target expires.
    pub(super) fn next_expiry(&self, target: TargetRef, now: Moment) -> Option<Moment> {
        self.ballots.next_expiry(target, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ids::ServiceId;
    use crate::engine::types::{PeerKind, Vote};

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u32) -> Moment {
        Moment::START + SECOND * seconds
    }

    fn peer() -> SocketAddr {
        ([10, 0, 0, 2], 8081).into()
    }

    fn target() -> TargetRef {
        TargetRef { service: ServiceId::DEFAULT, address: [192, 0, 2, 1].into() }
    }

    fn peers(kind: PeerKind) -> Peers {
        let mut peers = Peers::default();
        peers.enroll([peer()], &[target()].into(), BTreeMap::new());
        assert!(peers.set_state(peer(), PeerState::Alive(kind)));
        peers
    }

    #[test]
    fn votes_are_ignored_for_a_second_after_a_suspension_but_for_legacy_ones() {
        let down =
            PeerVote { peer: peer(), target: target(), vote: Vote::Down, age: Duration::ZERO };
        for (kind, first, second) in
            [(PeerKind::Native, None, Some(true)), (PeerKind::Legacy, Some(true), Some(false))]
        {
            let mut peers = peers(kind);
            peers.suspended(at(10));
            assert_eq!(peers.vote(at(10), down), first, "{kind:?}");
            assert_eq!(peers.vote(at(11), down), second, "{kind:?}");
        }
    }

    #[test]
    fn votes_are_announced_at_each_change_and_every_five_seconds() {
        let mut peers = peers(PeerKind::Native);
        assert_eq!(peers.announce_due(at(1), 10), AnnounceDue::Now(at(6)));
        assert_eq!(peers.announce_due(at(2), 10), AnnounceDue::Later(None));
        peers.announce();
        assert_eq!(peers.announce_due(at(2), 10), AnnounceDue::Now(at(7)));
        assert_eq!(peers.announce_due(at(7), 10), AnnounceDue::Now(at(12)));
    }

    #[test]
    fn many_votes_are_announced_more_often_and_changes_of_them_keep_a_minimum_gap() {
        let mut peers = peers(PeerKind::Native);
        assert_eq!(peers.announce_due(at(1), 10_000), AnnounceDue::Now(at(3)));
        peers.announce();
        let next = at(1) + Duration::from_millis(50);
        assert_eq!(peers.announce_due(at(1), 10_000), AnnounceDue::Later(Some(next)));
        assert_eq!(peers.announce_due(next, 10_000), AnnounceDue::Now(next + SECOND * 2));
    }
}
