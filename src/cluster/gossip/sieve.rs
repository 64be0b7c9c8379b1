//! Filter for datagrams to `foca`: only members in `peers`, with plausible numbers.
//!
//! The sender of a datagram, which can be anybody if there is no key, chooses the numbers in it.
//! They outlive the datagram, because agents pass on the gossip they receive. The peer concerned
//! could never surpass a life that lies centuries in the future. And addresses that belong to
//! nobody would be probed and passed on.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use foca::{Codec, Header, Message, PostcardCodec};

use super::{Dropped, Id, open};

/// Maximum time by which the start or a life of a process may be ahead of our clock, in
/// milliseconds. Clocks that differ by more are wrong.
pub(super) const AHEAD: u64 = 24 * 3600 * 1000;

/// The members that may be mentioned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sieve<'a> {
    /// The peers, by their vote address.
    pub(super) peers: &'a BTreeSet<SocketAddr>,
    /// The address that receives this agent's gossip.
    pub(super) own: SocketAddr,
    /// The start of this process.
    pub(super) start: u64,
    /// The gossip port of all agents.
    pub(super) members_port: u16,
    /// Our clock, in milliseconds of Unix time.
    pub(super) wall: u64,
}

impl Sieve<'_> {
    /// Checks that `id` may be the identity of a peer.
    pub(super) fn check(self, id: &Id) -> Result<(), Dropped> {
        if id.gossip == self.own && id.start != self.start {
            return Err(Dropped::OurName);
        }
        let expected = SocketAddr::new(id.vote.ip(), self.members_port);
        if !self.peers.contains(&id.vote) || id.gossip != expected {
            return Err(Dropped::Stranger);
        }
        self.check_time(id)
    }

    fn check_time(self, id: &Id) -> Result<(), Dropped> {
        let latest = self.wall.saturating_add(AHEAD);
        if id.start > latest || id.life > latest { Err(Dropped::Ahead) } else { Ok(()) }
    }

    /// Checks that `id` may be the identity of a peer or of this agent. Peers also tell each other
    /// about this agent.
    fn check_any(self, id: &Id) -> Result<(), Dropped> {
        if id.gossip == self.own { self.check_time(id) } else { self.check(id) }
    }

    /// Returns the sender of `foca`'s datagram `data`, and the datagram without the members that
    /// `foca` must not see.
    pub(super) fn sift(self, mut data: &[u8]) -> Result<(Id, Vec<u8>), Dropped> {
        let header: Header<Id> =
            PostcardCodec.decode_header(&mut data).map_err(|_| Dropped::Malformed)?;
        self.check(&header.src)?;
        match &header.message {
            Message::PingReq { target: id, .. }
            | Message::IndirectPing { origin: id, .. }
            | Message::IndirectAck { target: id, .. }
            | Message::ForwardedAck { origin: id, .. } => self.check_any(id)?,
            _ => {}
        }
        let mut sifted = Vec::with_capacity(data.len() + 128);
        PostcardCodec.encode_header(&header, &mut sifted).map_err(|_| Dropped::Malformed)?;
        let Some((count, mut rest)) = data.split_first_chunk::<2>() else {
            // Nothing, or a byte that `foca` interprets itself.
            sifted.extend_from_slice(data);
            return Ok((header.src, sifted));
        };
        let mut members = Vec::new();
        for _ in 0..u16::from_be_bytes(*count) {
            let member = Codec::<Id>::decode_member(&mut PostcardCodec, &mut rest);
            members.push(member.map_err(|_| Dropped::Malformed)?);
        }
        members.retain(|member| self.check_any(member.id()).is_ok());
        let count = u16::try_from(members.len()).map_err(|_| Dropped::Malformed)?;
        sifted.extend_from_slice(&count.to_be_bytes());
        for member in members {
            PostcardCodec.encode_member(&member, &mut sifted).map_err(|_| Dropped::Malformed)?;
        }
        // Further bytes do not come from this program and are dropped.
        Ok((header.src, sifted))
    }
}

/// Reads a datagram of any content, as of a cluster without a key. For the fuzzer.
pub(crate) fn read_any(datagram: &[u8]) {
    let peer = SocketAddr::from(([192, 0, 2, 1], 8080));
    let own = SocketAddr::from(([192, 0, 2, 2], 7946));
    let peers = BTreeSet::from([peer]);
    let sieve = Sieve { peers: &peers, own, start: 1, members_port: 7946, wall: AHEAD };
    if let Ok((id, sifted)) = open(None, datagram).and_then(|inner| sieve.sift(&inner)) {
        assert_eq!(id.vote, peer, "only peers pass");
        assert!(sieve.sift(&sifted).is_ok(), "what passed once passes again");
    }
}
