//! Which votes count: from whom, about what, signed when.
//!
//! A sender is known by the name in its vote, which must be in `peers`, and not by the address that
//! its connection comes from: behind NAT that is the router's, and the Go agents are told apart by
//! name as well. Without a key or signature a name proves nothing; `require_signed` is what keeps
//! others from voting in a peer's name.
//!
//! With a key, a stranger learns nothing from an answer. A vote without a signature is encrypted, but
//! not authenticated: whoever could tell a word that decrypts to nonsense from one that decrypts to a
//! name could make up words bit by bit. So whatever is neither signed with the key nor, decrypted,
//! from a peer and on a target, gets one answer, and the same work is done for it.

mod spelling;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use self::spelling::Spellings;
use super::seal::Seal;
use super::signature::Signed;
use super::wire::{self, RawVote, Unreadable};

/// How far a signature's time may be from ours, in milliseconds.
pub const SIGNATURE_WINDOW: u64 = 30_000;

/// How far two clocks that are kept right may be apart, in milliseconds. By so much a vote may seem
/// to be from before the start and be new: its sender is asked to say it again.
const CLOCKS_APART: u64 = 2_000;

/// When a vote arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// By the wall clock, in milliseconds of Unix time.
    pub millis: u64,
    /// Since this agent started, by a clock that nobody sets. What was signed before that may have
    /// been accepted by an earlier process, and that is not remembered.
    pub uptime: Duration,
}

/// A vote that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact about the vote of its own")]
pub struct Admitted {
    /// Who votes.
    pub peer: SocketAddr,
    /// On what.
    pub target: IpAddr,
    /// What it sees: `true` is up.
    pub up: bool,
    /// How old what it saw is; 0 if that was not said.
    pub age: Duration,
    /// It takes its vote back.
    pub abstains: bool,
    /// Whether its signature held.
    pub signed: bool,
    /// Whether this is the first vote of its sender, or the first that is signed or not as opposed
    /// to the one before.
    pub signing_changed: bool,
}

/// Why a vote does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// Not JSON, or not a vote. Found before anything is decrypted.
    #[error("it is not a vote in JSON")]
    Malformed,
    /// To an agent with a key: neither signed with it nor, decrypted with it, from a peer and on a
    /// target. There is no telling what is wrong, and nobody is told.
    #[error("it is not encrypted with our crypto_key, or not by one of peers about a target")]
    NotOurs,
    /// A signature that does not hold.
    #[error("it is not signed with our crypto_key")]
    BadSignature,
    /// A signature of another time: the clocks differ, or somebody sends an old vote again.
    #[error("it was signed more than 30 s from now by our clock; are the clocks apart?")]
    OtherTime,
    /// A signature no later than the last one that was accepted.
    #[error("it is no newer than the last vote of its sender")]
    Replayed,
    /// A signature from before this agent started.
    #[error("it was signed before this agent started")]
    BeforeStart,
    /// A signature that may be from just before this agent started, or from just after.
    #[error("it may have been signed before this agent started")]
    JustStarted,
    /// A signature of the first form, though its sender has used the second.
    #[error("its signature is of the old form, and its sender has used the new one before")]
    OldForm,
    /// No signature, where one is required: by `require_signed`, or as its sender has signed before.
    #[error("it is not signed")]
    Unsigned,
    /// The sender has this agent's own name. Without a key, or of a signed vote.
    #[error("its sender has our own local_addr; each agent needs one of its own")]
    OurName,
    /// The sender is not in `peers`. Without a key, or of a signed vote.
    #[error("its sender is not in peers")]
    Stranger,
    /// The address is not a target here. Without a key, or of a signed vote.
    #[error("its address is not watched here")]
    UnknownTarget,
}

impl Refusal {
    /// The HTTP status that says so.
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::NotOurs
            | Self::BadSignature
            | Self::OtherTime
            | Self::Replayed
            | Self::BeforeStart
            | Self::OldForm
            | Self::Unsigned => 401,
            Self::OurName | Self::Stranger => 403,
            Self::UnknownTarget => 404,
            Self::JustStarted => 503,
        }
    }
}

/// What is remembered of one peer.
#[derive(Debug, Clone, Default)]
struct Sender {
    /// The last signature that was accepted. While there is one, votes must be signed, and in its
    /// form or a newer one.
    last_signed: Option<Signed>,
    /// Whether its last vote was signed.
    signed: Option<bool>,
}

/// Judges votes.
#[derive(Debug)]
pub struct Admission {
    /// This agent's name in votes; what a signature says that it is for.
    local: SocketAddr,
    seal: Option<Arc<Seal>>,
    require_signed: bool,
    senders: BTreeMap<SocketAddr, Sender>,
    targets: BTreeSet<IpAddr>,
    /// The same, by the words of votes that are not signed.
    peer_words: Spellings<SocketAddr>,
    target_words: Spellings<IpAddr>,
}

impl Admission {
    /// Admits votes of `peers` to `local` on `targets`; with a key, encrypted ones only, and if
    /// `require_signed`, signed ones only.
    pub fn new(
        local: SocketAddr,
        seal: Option<Arc<Seal>>,
        require_signed: bool,
        peers: impl IntoIterator<Item = SocketAddr>,
        targets: impl IntoIterator<Item = IpAddr>,
    ) -> Self {
        let mut admission = Self {
            local,
            seal,
            require_signed,
            senders: BTreeMap::new(),
            targets: BTreeSet::new(),
            peer_words: Spellings::default(),
            target_words: Spellings::default(),
        };
        admission.reload(peers, targets);
        admission
    }

    /// Takes other peers and targets; what is known of peers that stay is kept.
    pub fn reload(
        &mut self,
        peers: impl IntoIterator<Item = SocketAddr>,
        targets: impl IntoIterator<Item = IpAddr>,
    ) {
        let mut before = std::mem::take(&mut self.senders);
        self.senders = peers
            .into_iter()
            .map(|peer| (peer, before.remove(&peer).unwrap_or_default()))
            .collect();
        self.targets = targets.into_iter().collect();
        if self.seal.is_some() {
            self.peer_words = self.senders.keys().copied().collect();
            self.target_words = self.targets.iter().copied().collect();
        }
    }

    /// Judges a vote that came at `now`. `signature` is its header's value; `is_ours` says whether a
    /// peer is known to run this program, which signs whenever it has a key.
    ///
    /// On a refusal the peer that it names is returned as well, if it got as far as that.
    pub fn admit(
        &mut self,
        now: Arrival,
        body: &[u8],
        signature: Option<&str>,
        is_ours: impl FnOnce(SocketAddr) -> bool,
    ) -> Result<Admitted, (Refusal, Option<SocketAddr>)> {
        let vote = wire::decode(None, body).map_err(|_| (Refusal::Malformed, None))?;
        match (self.seal.clone(), signature) {
            // Without a key there is nothing to hold a signature against.
            (None, _) => self.admit_raw(&vote, None),
            (Some(seal), Some(header)) => {
                let signed = seal.verify(header, self.local, body);
                let signed = signed.map_err(|_| (Refusal::BadSignature, None))?;
                let vote =
                    wire::decode(Some(&seal), body).map_err(|unreadable| match unreadable {
                        Unreadable::Malformed => (Refusal::Malformed, None),
                        Unreadable::NotOurs => (Refusal::NotOurs, None),
                    })?;
                // Whose clock is apart is to be named.
                let peer = vote.peer.parse().ok().filter(|peer| self.senders.contains_key(peer));
                now.check(signed).map_err(|refusal| (refusal, peer))?;
                self.admit_raw(&vote, Some(signed))
            }
            (Some(seal), None) => self.admit_unsigned(&seal, &vote, is_ours),
        }
    }

    /// Judges a vote in plain words: it was signed, or there is no key.
    fn admit_raw(
        &mut self,
        vote: &RawVote,
        signed: Option<Signed>,
    ) -> Result<Admitted, (Refusal, Option<SocketAddr>)> {
        let known = vote.peer.parse().ok().and_then(|peer| {
            let sender = self.senders.get_mut(&peer)?;
            Some((peer, sender))
        });
        let (peer, sender) = known.ok_or_else(|| {
            let own = vote.peer.parse() == Ok(self.local);
            (if own { Refusal::OurName } else { Refusal::Stranger }, None)
        })?;
        if let Some(signed) = signed {
            sender.check(signed).map_err(|refusal| (refusal, Some(peer)))?;
        }
        let target = vote.target.parse().ok().filter(|target| self.targets.contains(target));
        let target = target.ok_or((Refusal::UnknownTarget, Some(peer)))?;
        Ok(sender.accept(peer, target, vote, signed))
    }

    /// Judges a vote that is encrypted and not signed. The work is the same whatever the words are,
    /// but for those that a peer made.
    fn admit_unsigned(
        &mut self,
        seal: &Seal,
        vote: &RawVote,
        is_ours: impl FnOnce(SocketAddr) -> bool,
    ) -> Result<Admitted, (Refusal, Option<SocketAddr>)> {
        let peer = self.peer_words.find(&seal.reveal(&vote.peer));
        let target = self.target_words.find(&seal.reveal(&vote.target));
        let (Some(peer), Some(target)) = (peer, target) else {
            return Err((Refusal::NotOurs, None));
        };
        let sender = self.senders.entry(peer).or_default();
        if self.require_signed || sender.last_signed.is_some() || is_ours(peer) {
            return Err((Refusal::Unsigned, Some(peer)));
        }
        Ok(sender.accept(peer, target, vote, None))
    }
}

impl Arrival {
    /// Whether what was signed counts by its time alone.
    fn check(self, Signed { at, .. }: Signed) -> Result<(), Refusal> {
        if at.abs_diff(self.millis) > SIGNATURE_WINDOW {
            return Err(Refusal::OtherTime);
        }
        let uptime = u64::try_from(self.uptime.as_millis()).unwrap_or(u64::MAX);
        match self.millis.saturating_sub(at).saturating_sub(uptime) {
            0 => Ok(()),
            1..=CLOCKS_APART => Err(Refusal::JustStarted),
            _ => Err(Refusal::BeforeStart),
        }
    }
}

impl Sender {
    /// Whether a signature counts after those that were accepted before.
    fn check(&self, Signed { at, form }: Signed) -> Result<(), Refusal> {
        match self.last_signed {
            Some(last) if form < last.form => Err(Refusal::OldForm),
            Some(last) if at <= last.at => Err(Refusal::Replayed),
            _ => Ok(()),
        }
    }

    /// Remembers how a vote that is accepted was signed.
    fn accept(
        &mut self,
        peer: SocketAddr,
        target: IpAddr,
        vote: &RawVote,
        signed: Option<Signed>,
    ) -> Admitted {
        self.last_signed = signed.or(self.last_signed);
        let signed = signed.is_some();
        let signing_changed = self.signed.replace(signed) != Some(signed);
        let (up, age, abstains) = (vote.up, vote.age.unwrap_or_default(), vote.abstains);
        Admitted { peer, target, up, age, abstains, signed, signing_changed }
    }
}

#[cfg(test)]
mod tests;
