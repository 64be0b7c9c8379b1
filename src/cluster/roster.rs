//! Which peers are alive, from all that is known of them.
//!
//! A peer that speaks our gossip is alive while gossip says so. When a link heals, two healthy agents
//! may call each other dead for some seconds, so a death is believed after [`DEBOUNCE`] only; unless
//! the peer said itself that it leaves. A Go agent speaks another gossip: a peer that was never seen
//! in ours and votes without a signature is alive while its vote port takes connections.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::vote_sender::{Standing, Standings};

/// How long gossip must call a peer dead before that is believed.
pub const DEBOUNCE: Duration = Duration::from_secs(10);

/// What gossip says of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Member {
    /// Nothing, ever.
    #[default]
    Unseen,
    /// It is alive.
    Alive,
    /// It is dead since then.
    Dead(Duration),
    /// It said that it leaves.
    Left,
}

#[derive(Debug, Clone, Default)]
struct Peer {
    member: Member,
    /// Nothing was heard from it since this process stood still.
    unheard: bool,
    /// Whether its last vote was signed; `None` before the first.
    signed: Option<bool>,
    /// Whether its vote port took the last connection.
    port_open: bool,
    /// What the engine was told last.
    told: Option<Life>,
    joins: u64,
}

/// Whether a peer is alive, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Whether it has a vote.
    pub alive: bool,
    /// Whether it is a Go agent.
    pub go: bool,
}

/// What is known of every peer.
#[derive(Debug, Default)]
pub struct Roster {
    peers: BTreeMap<SocketAddr, Peer>,
}

impl Roster {
    /// Takes `peers` for the peers; what is known of those that stay is kept.
    pub fn set_peers(&mut self, peers: impl IntoIterator<Item = SocketAddr>) {
        let mut before = std::mem::take(&mut self.peers);
        self.peers = peers
            .into_iter()
            .map(|peer| (peer, before.remove(&peer).unwrap_or_default()))
            .collect();
    }

    /// Gossip says that `peer` is alive or dead since `now`.
    pub fn gossiped(&mut self, now: Duration, peer: SocketAddr, alive: bool) {
        let Some(peer) = self.peers.get_mut(&peer) else { return };
        peer.member = match (alive, peer.member) {
            (true, _) => Member::Alive,
            (false, Member::Alive) => Member::Dead(now),
            (false, before) => before,
        };
    }

    /// `peer` said that it leaves.
    pub fn left(&mut self, peer: SocketAddr) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.member = Member::Left;
        }
    }

    /// `peer` was restarted, so fast that gossip did not miss it; it knows nothing any more.
    pub fn restarted(&mut self, peer: SocketAddr) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.joins += 1;
        }
    }

    /// `peer` was heard in gossip, by itself and just now.
    pub fn heard(&mut self, peer: SocketAddr) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.unheard = false;
        }
    }

    /// `peer` voted, with or without a signature.
    pub fn voted(&mut self, peer: SocketAddr, signed: bool) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.signed = Some(signed);
        }
    }

    /// The vote port of `peer` took a connection, or did not.
    pub fn tried(&mut self, peer: SocketAddr, open: bool) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.port_open = open;
        }
    }

    /// This process stood still. Peers of our kind count as dead until they are heard again; what a
    /// Go agent said meanwhile is still waiting in our socket and true.
    pub fn woke(&mut self) {
        for peer in self.peers.values_mut() {
            peer.unheard = true;
        }
    }

    /// The peers that look like Go agents, whose vote ports must be tried.
    pub fn go_agents(&self) -> Vec<SocketAddr> {
        let go = self.peers.iter().filter(|(_, peer)| peer.is_go());
        go.map(|(&address, _)| address).collect()
    }

    /// The next peer of which something else holds at `now` than the engine was told. Nothing needs
    /// to be told of a peer that was never alive.
    pub fn news(&self, now: Duration) -> Option<(SocketAddr, Life)> {
        self.peers.iter().find_map(|(&address, peer)| {
            let life = peer.life(now);
            (Some(life) != peer.told && (life.alive || peer.told.is_some()))
                .then_some((address, life))
        })
    }

    /// The engine was told. One that comes to life has joined.
    pub fn told(&mut self, peer: SocketAddr, life: Life) {
        let Some(peer) = self.peers.get_mut(&peer) else { return };
        let was_alive = peer.told.is_some_and(|told| told.alive);
        // A Go agent that is noticed by its first vote was there before, and was told our votes.
        let first_of_go = life.go && peer.told.is_none();
        if life.alive && !was_alive && !first_of_go {
            peer.joins += 1;
        }
        peer.told = Some(life);
    }

    /// What the senders must know.
    pub fn standings(&self) -> Standings {
        let standing = |peer: &Peer| Standing {
            ours: peer.member != Member::Unseen || peer.signed == Some(true),
            joins: peer.joins,
        };
        self.peers.iter().map(|(&address, peer)| (address, standing(peer))).collect()
    }
}

impl Peer {
    fn is_go(&self) -> bool {
        self.member == Member::Unseen && self.signed == Some(false)
    }

    fn life(&self, now: Duration) -> Life {
        if self.is_go() {
            return Life { alive: self.port_open, go: true };
        }
        let was_alive = self.told.is_some_and(|told| told.alive);
        let alive = match self.member {
            Member::Alive => true,
            Member::Dead(since) => was_alive && now.saturating_sub(since) < DEBOUNCE,
            Member::Unseen | Member::Left => false,
        };
        Life { alive: alive && !self.unheard, go: false }
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

    /// Tells the engine all there is to tell; one letter each: `A` alive, `D` dead, `a`, `d` as a Go
    /// agent.
    fn tell(roster: &mut Roster, now: Duration) -> String {
        let mut said = String::new();
        while let Some((peer, life)) = roster.news(now) {
            roster.told(peer, life);
            said.push(match (life.alive, life.go) {
                (true, false) => 'A',
                (false, false) => 'D',
                (true, true) => 'a',
                (false, true) => 'd',
            });
        }
        said
    }

    fn roster() -> Roster {
        let mut roster = Roster::default();
        roster.set_peers([PEER]);
        roster
    }

    fn standing(roster: &Roster) -> Standing {
        roster.standings()[&PEER]
    }

    #[test]
    fn a_death_is_believed_after_ten_seconds_and_a_farewell_at_once() {
        let mut roster = roster();
        assert_eq!(tell(&mut roster, s(0)), "", "nothing is known");
        roster.gossiped(s(1), PEER, true);
        assert_eq!(tell(&mut roster, s(1)), "A");
        roster.gossiped(s(2), PEER, false);
        roster.gossiped(s(9), PEER, false);
        assert_eq!(tell(&mut roster, s(11)), "", "it may be a glitch");
        assert_eq!(tell(&mut roster, s(12)), "D");
        roster.gossiped(s(13), PEER, true);
        assert_eq!(tell(&mut roster, s(13)), "A", "a return is believed at once");
        roster.gossiped(s(14), PEER, false);
        roster.gossiped(s(20), PEER, true);
        assert_eq!(tell(&mut roster, s(40)), "", "a glitch it was");
        roster.left(PEER);
        assert_eq!(tell(&mut roster, s(41)), "D", "it said so itself");
        roster.gossiped(s(41), PEER, false);
        assert_eq!(tell(&mut roster, s(42)), "");
        assert_eq!(standing(&roster), Standing { ours: true, joins: 2 });
    }

    #[test]
    fn a_go_agent_is_alive_while_its_port_is_open() {
        let mut roster = roster();
        assert!(roster.go_agents().is_empty(), "it has not voted");
        roster.voted(PEER, false);
        assert_eq!(roster.go_agents(), [PEER]);
        assert_eq!(tell(&mut roster, s(0)), "", "its port was not tried yet");
        roster.tried(PEER, true);
        assert_eq!(tell(&mut roster, s(1)), "a");
        assert_eq!(standing(&roster), Standing { ours: false, joins: 0 }, "it was told before");
        roster.tried(PEER, false);
        assert_eq!(tell(&mut roster, s(11)), "d");
        roster.tried(PEER, true);
        assert_eq!(tell(&mut roster, s(21)), "a");
        assert_eq!(standing(&roster).joins, 1, "it has forgotten what it was told");
    }

    #[test]
    fn a_go_agent_that_is_replaced_by_ours_is_one_of_ours() {
        let mut roster = roster();
        roster.voted(PEER, false);
        roster.tried(PEER, true);
        assert_eq!(tell(&mut roster, s(0)), "a");
        roster.gossiped(s(1), PEER, true);
        assert_eq!(tell(&mut roster, s(1)), "A");
        assert!(roster.go_agents().is_empty());
        roster.gossiped(s(2), PEER, false);
        assert_eq!(tell(&mut roster, s(12)), "D", "its open port does not make it one again");
    }

    #[test]
    fn one_that_signs_is_ours_and_needs_gossip_to_be_alive() {
        let mut roster = roster();
        roster.voted(PEER, true);
        roster.tried(PEER, true);
        assert_eq!(tell(&mut roster, s(0)), "");
        assert!(standing(&roster).ours);
        assert!(roster.go_agents().is_empty());
    }

    #[test]
    fn after_a_standstill_a_peer_must_be_heard_again() {
        let mut roster = roster();
        roster.gossiped(s(0), PEER, true);
        assert_eq!(tell(&mut roster, s(0)), "A");
        roster.woke();
        assert_eq!(tell(&mut roster, s(60)), "D");
        roster.heard(PEER);
        assert_eq!(tell(&mut roster, s(61)), "A");
        assert_eq!(standing(&roster).joins, 2, "and is told our votes anew");
        let mut roster = self::roster();
        roster.voted(PEER, false);
        roster.tried(PEER, true);
        assert_eq!(tell(&mut roster, s(0)), "a");
        roster.woke();
        assert_eq!(tell(&mut roster, s(60)), "", "a Go agent's vote stands");
    }

    #[test]
    fn a_reload_keeps_what_is_known_of_peers_that_stay() {
        let mut roster = roster();
        let other = SocketAddr::from(([10, 0, 0, 2], 8081));
        roster.gossiped(s(0), PEER, true);
        assert_eq!(tell(&mut roster, s(0)), "A");
        roster.set_peers([PEER, other]);
        assert_eq!(tell(&mut roster, s(1)), "");
        roster.set_peers([other]);
        roster.set_peers([PEER, other]);
        assert_eq!(standing(&roster), Standing::default(), "one that went is forgotten");
    }
}
