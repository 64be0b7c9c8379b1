//! What of a datagram foca gets to see: who is in `peers`, with numbers that can be true.
//!
//! Whoever can send gossip, anybody if there is no key, chooses the numbers in it, and they outlive
//! the datagram: agents tell each other what they were told. A life that no clock shows for centuries
//! could never be outdone by the peer that it is said of. And addresses that are nobody's would be
//! probed, and told on.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use foca::{Codec, Header, Message, PostcardCodec};

use super::{Dropped, Id};

/// How far ahead of our clock the start or a life of a process may be, in milliseconds. Clocks that
/// are further apart than this are not right.
pub(super) const AHEAD: u64 = 24 * 3600 * 1000;

/// Who may be spoken of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sieve<'a> {
    /// The peers, by their vote address.
    pub(super) peers: &'a BTreeSet<SocketAddr>,
    /// Where this agent's gossip comes in.
    pub(super) own: SocketAddr,
    /// When this process started.
    pub(super) start: u64,
    /// The port of everybody's gossip.
    pub(super) members_port: u16,
    /// Our clock, in milliseconds of Unix time.
    pub(super) wall: u64,
}

impl Sieve<'_> {
    /// Whether `id` may be that of a peer.
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

    /// Whether `id` may be that of a peer or of this agent, of which peers tell each other as well.
    fn check_any(self, id: &Id) -> Result<(), Dropped> {
        if id.gossip == self.own { self.check_time(id) } else { self.check(id) }
    }

    /// Foca's datagram `data` without the members that it must not hear of; and who sent it.
    pub(super) fn sift(self, mut data: &[u8]) -> Result<(Id, Vec<u8>), Dropped> {
        let malformed = |_| Dropped::Malformed;
        let header: Header<Id> = PostcardCodec.decode_header(&mut data).map_err(malformed)?;
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
            // Nothing, or a byte that foca has its own opinion of.
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
        // Whatever follows is not of this program.
        Ok((header.src, sifted))
    }
}
