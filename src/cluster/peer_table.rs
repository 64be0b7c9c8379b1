//! Liveness of each peer, derived from all sources.
//!
//! A peer that takes part in our gossip is alive while gossip says so. When a link heals, two
//! healthy agents may declare each other dead for some seconds. A death is therefore accepted only
//! after [`DEBOUNCE`], unless the peer itself said that it leaves. A Go agent uses another gossip
//! protocol: a peer that was never seen in ours and votes without a signature is alive while its
//! vote port accepts connections.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::standing::{Standing, Standings};
use crate::engine::types::{PeerKind, PeerState};

/// Minimum time that gossip must report a peer dead before the death is accepted.
pub(crate) const DEBOUNCE: Duration = Duration::from_secs(10);

/// State of a peer according to gossip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Member {
    /// Gossip has never seen the peer.
    #[default]
    Unseen,
    /// The peer is alive.
    Alive,
    /// The peer has been dead since this time.
    Dead(Duration),
    /// The peer announced that it leaves.
    Left,
}

#[derive(Debug, Clone, Default)]
struct PeerEntry {
    member: Member,
    /// Whether nothing was received from the peer since this process was suspended.
    stale: bool,
    /// Whether its last vote was signed; `None` before the first vote.
    signed: Option<bool>,
    /// Whether its vote port accepted the last connection.
    port_open: bool,
    /// The state last reported to the engine.
    reported: Option<PeerState>,
    joins: u64,
}

/// State of every peer.
#[derive(Debug, Default)]
pub(crate) struct PeerTable {
    peers: BTreeMap<SocketAddr, PeerEntry>,
}

impl PeerTable {
    /// Replaces the set of peers. State of those that stay is kept.
    pub(crate) fn set_peers(&mut self, peers: impl IntoIterator<Item = SocketAddr>) {
        let mut before = std::mem::take(&mut self.peers);
        self.peers = peers
            .into_iter()
            .map(|peer| (peer, before.remove(&peer).unwrap_or_default()))
            .collect();
    }

    /// Records that `peer` is alive according to gossip.
    pub(crate) fn seen_alive(&mut self, peer: SocketAddr) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.member = Member::Alive;
        }
    }

    /// Records that `peer` is dead since `now` according to gossip.
    pub(crate) fn seen_dead(&mut self, now: Duration, peer: SocketAddr) {
        if let Some(peer) = self.peers.get_mut(&peer)
            && peer.member == Member::Alive
        {
            peer.member = Member::Dead(now);
        }
    }

    /// Records that `peer` announced that it leaves.
    pub(crate) fn left(&mut self, peer: SocketAddr) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.member = Member::Left;
        }
    }

    /// Records that `peer` restarted before gossip noticed its absence. The new process has none of
    /// our votes.
    pub(crate) fn restarted(&mut self, peer: SocketAddr) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.joins += 1;
        }
    }

    /// Records that gossip was just received from `peer` itself.
    pub(crate) fn received_from(&mut self, peer: SocketAddr) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.stale = false;
        }
    }

    /// Records that `peer` voted, with or without a signature.
    pub(crate) fn voted(&mut self, peer: SocketAddr, signed: bool) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.signed = Some(signed);
        }
    }

    /// Records whether the vote port of `peer` accepted a connection.
    pub(crate) fn port_probed(&mut self, peer: SocketAddr, open: bool) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.port_open = open;
        }
    }

    /// Records that this process was suspended. Peers of our kind count as dead until gossip from
    /// them is received again. Votes that a Go agent sent during the suspension still wait in our
    /// socket and are true.
    pub(crate) fn resumed(&mut self) {
        for peer in self.peers.values_mut() {
            peer.stale = true;
        }
    }

    /// Returns the peers that look like Go agents. Their vote ports must be probed.
    pub(crate) fn legacy_agents(&self) -> Vec<SocketAddr> {
        let legacy = self.peers.iter().filter(|(_, peer)| peer.is_legacy());
        legacy.map(|(&address, _)| address).collect()
    }

    /// Returns the next peer with a state at `now` that differs from the one last reported to the
    /// engine. A peer that was never alive is not reported.
    pub(crate) fn next_change(&self, now: Duration) -> Option<(SocketAddr, PeerState)> {
        for (&address, peer) in &self.peers {
            let state = peer.state(now);
            if state != peer.reported.unwrap_or(PeerState::Gone) {
                return Some((address, state));
            }
        }
        None
    }

    /// Records that `state` was reported to the engine. A peer that becomes alive has joined.
    pub(crate) fn reported(&mut self, peer: SocketAddr, state: PeerState) {
        let Some(peer) = self.peers.get_mut(&peer) else { return };
        // A Go agent noticed by its first vote was there before and has received our votes.
        let is_new_legacy_agent =
            state == PeerState::Alive(PeerKind::Legacy) && peer.reported.is_none();
        if state.is_alive() && !peer.was_alive() && !is_new_legacy_agent {
            peer.joins += 1;
        }
        peer.reported = Some(state);
    }

    /// Returns the standing of every peer, for the vote senders.
    pub(crate) fn standings(&self) -> Standings {
        self.peers.iter().map(|(&address, peer)| (address, peer.standing())).collect()
    }
}

impl PeerEntry {
    fn is_legacy(&self) -> bool {
        self.member == Member::Unseen && self.signed == Some(false)
    }

    /// Whether the peer was alive when its state was last reported.
    fn was_alive(&self) -> bool {
        self.reported.is_some_and(PeerState::is_alive)
    }

    fn standing(&self) -> Standing {
        let native = self.member != Member::Unseen || self.signed == Some(true);
        Standing { native, legacy: self.is_legacy(), joins: self.joins }
    }

    fn state(&self, now: Duration) -> PeerState {
        let (kind, alive) = if self.is_legacy() {
            (PeerKind::Legacy, self.port_open)
        } else {
            (PeerKind::Native, self.is_member(now) && !self.stale)
        };
        if alive { PeerState::Alive(kind) } else { PeerState::Gone }
    }

    /// Whether the peer is alive according to gossip, or may still be.
    fn is_member(&self, now: Duration) -> bool {
        match self.member {
            Member::Alive => true,
            Member::Dead(since) => self.was_alive() && now.saturating_sub(since) < DEBOUNCE,
            Member::Unseen | Member::Left => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), 8081);

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Reports all changes and returns a letter for each: `A` alive, `a` alive as a Go agent, `D`
    /// dead.
    fn report(table: &mut PeerTable, now: Duration) -> String {
        let mut reported = String::new();
        while let Some((peer, state)) = table.next_change(now) {
            table.reported(peer, state);
            reported.push(match state {
                PeerState::Alive(PeerKind::Native) => 'A',
                PeerState::Alive(PeerKind::Legacy) => 'a',
                PeerState::Gone => 'D',
            });
        }
        reported
    }

    fn table() -> PeerTable {
        let mut table = PeerTable::default();
        table.set_peers([PEER]);
        table
    }

    fn standing(table: &PeerTable) -> Standing {
        table.standings()[&PEER]
    }

    #[test]
    fn a_death_is_accepted_after_ten_seconds_and_a_farewell_at_once() {
        let mut table = table();
        assert_eq!(report(&mut table, s(0)), "", "nothing is known");
        table.seen_alive(PEER);
        assert_eq!(report(&mut table, s(1)), "A");
        table.seen_dead(s(2), PEER);
        table.seen_dead(s(9), PEER);
        assert_eq!(report(&mut table, s(11)), "", "it may be a glitch");
        assert_eq!(report(&mut table, s(12)), "D");
        table.seen_alive(PEER);
        assert_eq!(report(&mut table, s(13)), "A", "a return is believed at once");
        table.seen_dead(s(14), PEER);
        table.seen_alive(PEER);
        assert_eq!(report(&mut table, s(40)), "", "a glitch it was");
        table.left(PEER);
        assert_eq!(report(&mut table, s(41)), "D", "it said so itself");
        table.seen_dead(s(41), PEER);
        assert_eq!(report(&mut table, s(42)), "");
        assert_eq!(standing(&table), Standing { native: true, legacy: false, joins: 2 });
    }

    #[test]
    fn a_go_agent_is_alive_while_its_port_is_open() {
        let mut table = table();
        assert!(table.legacy_agents().is_empty(), "it has not voted");
        table.voted(PEER, false);
        assert_eq!(table.legacy_agents(), [PEER]);
        assert_eq!(report(&mut table, s(0)), "", "its port was not probed yet");
        table.port_probed(PEER, true);
        assert_eq!(report(&mut table, s(1)), "a");
        assert_eq!(
            standing(&table),
            Standing { native: false, legacy: true, joins: 0 },
            "it was sent our votes before"
        );
        table.port_probed(PEER, false);
        assert_eq!(report(&mut table, s(11)), "D");
        table.port_probed(PEER, true);
        assert_eq!(report(&mut table, s(21)), "a");
        assert_eq!(standing(&table).joins, 1, "it has forgotten our votes");
    }

    #[test]
    fn a_go_agent_replaced_by_a_native_one_becomes_native() {
        let mut table = table();
        table.voted(PEER, false);
        table.port_probed(PEER, true);
        assert_eq!(report(&mut table, s(0)), "a");
        table.seen_alive(PEER);
        assert_eq!(report(&mut table, s(1)), "A");
        assert!(table.legacy_agents().is_empty());
        table.seen_dead(s(2), PEER);
        assert_eq!(report(&mut table, s(12)), "D", "its open port does not make it one again");
    }

    #[test]
    fn a_signing_peer_is_native_and_needs_gossip_to_be_alive() {
        let mut table = table();
        table.voted(PEER, true);
        table.port_probed(PEER, true);
        assert_eq!(report(&mut table, s(0)), "");
        assert!(standing(&table).native);
        assert!(table.legacy_agents().is_empty());
    }

    #[test]
    fn after_a_suspension_a_peer_must_be_received_from_again() {
        let mut table = table();
        table.seen_alive(PEER);
        assert_eq!(report(&mut table, s(0)), "A");
        table.resumed();
        assert_eq!(report(&mut table, s(60)), "D");
        table.received_from(PEER);
        assert_eq!(report(&mut table, s(61)), "A");
        assert_eq!(standing(&table).joins, 2, "and is sent our votes anew");
        let mut table = self::table();
        table.voted(PEER, false);
        table.port_probed(PEER, true);
        assert_eq!(report(&mut table, s(0)), "a");
        table.resumed();
        assert_eq!(report(&mut table, s(60)), "", "a Go agent's vote stands");
    }

    #[test]
    fn a_reload_keeps_what_is_known_of_peers_that_stay() {
        let mut table = table();
        let other = SocketAddr::from(([10, 0, 0, 2], 8081));
        table.seen_alive(PEER);
        assert_eq!(report(&mut table, s(0)), "A");
        table.set_peers([PEER, other]);
        assert_eq!(report(&mut table, s(1)), "");
        table.set_peers([other]);
        table.set_peers([PEER, other]);
        assert_eq!(standing(&table), Standing::default(), "one that went is forgotten");
    }
}
