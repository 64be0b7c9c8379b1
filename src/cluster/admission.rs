//! Rules for accepting votes, by sender, target and time of signing.
//!
//! A sender is identified by the name in its vote, which must be in `peers`, and not by the address
//! of its connection. Behind NAT that is the router's address, and the Go agents are also told
//! apart by name. Without a key or signature a name proves nothing; `require_signed` is the setting
//! that keeps others from voting in a peer's name.
//!
//! With a key, a stranger learns nothing from an answer. A vote without a signature is encrypted
//! but not authenticated. An attacker able to tell a word that decrypts to nonsense from one that
//! decrypts to a name could forge words bit by bit. All votes that are neither signed with the key
//! nor, once decrypted, from a peer and on a target therefore get the same answer after the same
//! work.
//!
//! A vote on a named service comes from this program only, which signs with the second form
//! whenever it has a key. Such a vote is therefore never accepted without a signature of that form.

mod refusal;
mod spelling;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use self::spelling::Spellings;
use super::seal::Seal;
use super::services::WatchedService;
use super::signature::{Form, Signed};
use super::wire::{self, Declaration, RawVote, Unreadable, VotePath};
use crate::engine::ids::{ServiceId, TargetRef};
pub(crate) use refusal::VoteRefusal;

/// Maximum difference between the time of a signature and ours, in milliseconds.
pub(crate) const SIGNATURE_WINDOW: u64 = 30_000;

/// Maximum difference between two synchronised clocks, in milliseconds. A vote may seem to precede
/// our start by this much and still be new, so its sender is asked to send it again.
const CLOCKS_APART: u64 = 2_000;

/// The time of a vote's arrival, by two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// The wall clock, in milliseconds of Unix time.
    pub millis: u64,
    /// Time since this agent started, by a monotonic clock. A vote signed before the start may
    /// already have been accepted by an earlier process, and no record of that is kept.
    pub uptime: Duration,
}

/// A request to the vote listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VoteRequest<'a> {
    /// The path of the request.
    pub path: VotePath,
    /// The body of the request.
    pub body: &'a [u8],
    /// The value of the signature's header, if there is one.
    pub signature: Option<&'a str>,
}

/// A vote that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// The voter, as listed in `peers`.
    pub peer: SocketAddr,
    /// The target of the vote.
    pub target: TargetRef,
    /// The voter's view of the target.
    pub declaration: Declaration,
    /// Whether the vote carried a valid signature.
    pub signed: bool,
    /// Whether this is the first vote of its sender, or its first signed vote after unsigned ones
    /// or vice versa.
    pub signing_changed: bool,
}

/// State kept for one peer.
#[derive(Debug, Clone, Default)]
struct Sender {
    /// The last accepted signature. Once there is one, votes must be signed in its form or a newer
    /// one.
    last_signed: Option<Signed>,
    /// Whether its last vote was signed; `None` before the first vote.
    signed: Option<bool>,
}

/// Decides which votes are accepted.
#[derive(Debug)]
pub(crate) struct Admission {
    /// This agent's name in votes, which a signature names as its receiver.
    local: SocketAddr,
    seal: Option<Arc<Seal>>,
    require_signed: bool,
    senders: BTreeMap<SocketAddr, Sender>,
    /// All services but `default`, by name.
    services: BTreeMap<String, ServiceId>,
    /// Whether there is a service `default`.
    has_default: bool,
    targets: BTreeSet<TargetRef>,
    /// The peers and the targets of `default` by their spellings in unsigned votes.
    peer_words: Spellings<SocketAddr>,
    target_words: Spellings<IpAddr>,
}

impl Admission {
    /// Creates the rules for votes of `peers` to `local` on the targets of `services`. With a key
    /// only encrypted votes are accepted, and with `require_signed` only signed ones.
    pub(crate) fn new(
        local: SocketAddr,
        seal: Option<Arc<Seal>>,
        require_signed: bool,
        peers: impl IntoIterator<Item = SocketAddr>,
        services: &[WatchedService],
    ) -> Self {
        let mut admission = Self {
            local,
            seal,
            require_signed,
            senders: BTreeMap::new(),
            services: BTreeMap::new(),
            has_default: false,
            targets: BTreeSet::new(),
            peer_words: Spellings::default(),
            target_words: Spellings::default(),
        };
        admission.reload(peers, services);
        admission
    }

    /// Replaces the peers and services. State of peers that stay is kept.
    pub(crate) fn reload(
        &mut self,
        peers: impl IntoIterator<Item = SocketAddr>,
        services: &[WatchedService],
    ) {
        let mut before = std::mem::take(&mut self.senders);
        self.senders = peers
            .into_iter()
            .map(|peer| (peer, before.remove(&peer).unwrap_or_default()))
            .collect();
        self.services.clear();
        self.targets.clear();
        let mut of_default: &[IpAddr] = &[];
        self.has_default = false;
        for service in services {
            self.targets.extend(service.target_refs());
            if service.id == ServiceId::DEFAULT {
                (self.has_default, of_default) = (true, &service.targets);
            } else {
                self.services.insert(service.name.clone(), service.id);
            }
        }
        if self.seal.is_some() {
            self.peer_words = self.senders.keys().copied().collect();
            self.target_words = of_default.iter().copied().collect();
        }
    }

    /// Checks a vote that arrived at `now`. `is_native` returns whether a peer is known to run this
    /// program, which signs whenever it has a key.
    ///
    /// A refusal includes the peer named in the vote if the check got that far.
    pub(crate) fn admit(
        &mut self,
        now: Arrival,
        request: VoteRequest<'_>,
        is_native: impl FnOnce(SocketAddr) -> bool,
    ) -> Result<Admitted, (VoteRefusal, Option<SocketAddr>)> {
        let VoteRequest { path, body, signature } = request;
        let vote = wire::decode(path, None, body).map_err(|_| (VoteRefusal::Malformed, None))?;
        match (self.seal.clone(), signature) {
            // Without a key a signature cannot be verified.
            (None, _) => self.admit_raw(&vote, None),
            (Some(seal), Some(header)) => {
                let signed = seal.verify(header, self.local, body);
                let signed = signed.map_err(|_| (VoteRefusal::BadSignature, None))?;
                let vote =
                    wire::decode(path, Some(&seal), body).map_err(
                        |unreadable| match unreadable {
                            Unreadable::Malformed => (VoteRefusal::Malformed, None),
                            Unreadable::NotOurs => (VoteRefusal::NotOurs, None),
                        },
                    )?;
                // The warning about differing clocks names the peer.
                let peer = vote.peer.parse().ok().filter(|peer| self.senders.contains_key(peer));
                now.check(signed).map_err(|refusal| (refusal, peer))?;
                if path == VotePath::Named && signed.form < Form::V2 {
                    return Err((VoteRefusal::OldFormNamed, peer));
                }
                self.admit_raw(&vote, Some(signed))
            }
            // The words are not even decrypted.
            (Some(_), None) if path == VotePath::Named => Err((VoteRefusal::UnsignedNamed, None)),
            (Some(seal), None) => self.admit_unsigned(&seal, &vote, is_native),
        }
    }

    /// Checks a vote with readable names: it was signed, or there is no key.
    fn admit_raw(
        &mut self,
        vote: &RawVote,
        signed: Option<Signed>,
    ) -> Result<Admitted, (VoteRefusal, Option<SocketAddr>)> {
        let known = vote.peer.parse().ok().and_then(|peer| {
            let sender = self.senders.get_mut(&peer)?;
            Some((peer, sender))
        });
        let (peer, sender) = known.ok_or_else(|| {
            let own = vote.peer.parse() == Ok(self.local);
            (if own { VoteRefusal::OurName } else { VoteRefusal::Stranger }, None)
        })?;
        if let Some(signed) = signed {
            sender.check(signed).map_err(|refusal| (refusal, Some(peer)))?;
        }
        let service = match &vote.service {
            Some(name) => self.services.get(name).copied().ok_or(VoteRefusal::UnknownService),
            None if self.has_default => Ok(ServiceId::DEFAULT),
            None => Err(VoteRefusal::NoDefault),
        };
        let service = service.map_err(|refusal| (refusal, Some(peer)))?;
        let target = vote.target.parse().ok().map(|address| TargetRef { service, address });
        let target = target.filter(|target| self.targets.contains(target));
        let target = target.ok_or((VoteRefusal::UnknownTarget, Some(peer)))?;
        Ok(sender.accept(peer, target, vote, signed))
    }

    /// Checks a vote that is encrypted and not signed. The work is the same for all words except
    /// those made by a peer.
    fn admit_unsigned(
        &mut self,
        seal: &Seal,
        vote: &RawVote,
        is_native: impl FnOnce(SocketAddr) -> bool,
    ) -> Result<Admitted, (VoteRefusal, Option<SocketAddr>)> {
        let peer = self.peer_words.find(&seal.reveal(&vote.peer));
        let address = self.target_words.find(&seal.reveal(&vote.target));
        let (peer, target) = match (peer, address) {
            (Some(peer), Some(address)) => (peer, TargetRef::of_default(address)),
            // No unsigned vote can count here, whatever its words.
            (Some(peer), None) if !self.has_default => {
                return Err((VoteRefusal::UnsignedNoDefault, Some(peer)));
            }
            _ => return Err((VoteRefusal::NotOurs, None)),
        };
        let sender = self.senders.entry(peer).or_default();
        if self.require_signed || sender.last_signed.is_some() || is_native(peer) {
            return Err((VoteRefusal::Unsigned, Some(peer)));
        }
        Ok(sender.accept(peer, target, vote, None))
    }
}

impl Arrival {
    /// Checks a signature by its time alone.
    fn check(self, Signed { at, .. }: Signed) -> Result<(), VoteRefusal> {
        if at.abs_diff(self.millis) > SIGNATURE_WINDOW {
            return Err(VoteRefusal::OtherTime);
        }
        let uptime = u64::try_from(self.uptime.as_millis()).unwrap_or(u64::MAX);
        match self.millis.saturating_sub(at).saturating_sub(uptime) {
            0 => Ok(()),
            1..=CLOCKS_APART => Err(VoteRefusal::JustStarted),
            _ => Err(VoteRefusal::BeforeStart),
        }
    }
}

impl Sender {
    /// Checks a signature against those accepted before.
    fn check(&self, Signed { at, form }: Signed) -> Result<(), VoteRefusal> {
        match self.last_signed {
            Some(last) if form < last.form => Err(VoteRefusal::OldForm),
            Some(last) if at <= last.at => Err(VoteRefusal::Replayed),
            _ => Ok(()),
        }
    }

    /// Records how an accepted vote was signed.
    fn accept(
        &mut self,
        peer: SocketAddr,
        target: TargetRef,
        vote: &RawVote,
        signed: Option<Signed>,
    ) -> Admitted {
        self.last_signed = signed.or(self.last_signed);
        let signed = signed.is_some();
        // Only this program votes on named services: a missing signature there does not make the
        // sender a Go agent.
        let tells = signed || vote.service.is_none();
        let signing_changed = tells && self.signed.replace(signed) != Some(signed);
        Admitted { peer, target, declaration: vote.declaration, signed, signing_changed }
    }
}

#[cfg(test)]
mod tests;
