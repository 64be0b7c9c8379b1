//! Which votes count: from whom, about what, signed when.
//!
//! A sender is known by the name in its vote, which must be in `peers`, and not by the address that
//! its connection comes from: behind NAT that is the router's, and the Go agents are told apart by
//! name as well. Without a key or signature a name proves nothing; `require_signed` is what keeps
//! others from voting in a peer's name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::seal::Seal;
use super::signature::Signed;
use super::wire::{self, Unreadable};

/// How far a signature's time may be from ours, in milliseconds.
pub const SIGNATURE_WINDOW: u64 = 30_000;

/// How far two clocks that are kept right may be apart, in milliseconds. By so much a vote may seem
/// to be from before the start and be new: its sender is asked to say it again.
const CLOCKS_APART: u64 = 2_000;

/// When a vote arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// By the wall clock, in milliseconds of Unix time.
    pub millis: u64,
    /// Since this agent started, by a clock that nobody sets. What was signed before that may have
    /// been accepted by an earlier process, and that is not remembered.
    pub uptime: Duration,
}

/// A vote that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    pub turned: bool,
}

/// Why a vote does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// Not JSON, or not a vote.
    #[error("it is not a vote in JSON")]
    Malformed,
    /// Plain text to an agent with a key, or made with another key.
    #[error("it is not encrypted with our crypto_key")]
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
    /// The sender is not in `peers`.
    #[error("its sender is not in peers")]
    Stranger,
    /// The address is not a target here.
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
            Self::Stranger => 403,
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
    }

    /// Judges a vote that came at `now`. `signature` is its header's value.
    ///
    /// On a refusal the peer that it names is returned as well, if it got as far as that.
    pub fn admit(
        &mut self,
        now: Moment,
        body: &[u8],
        signature: Option<&str>,
    ) -> Result<Admitted, (Refusal, Option<SocketAddr>)> {
        let nameless = |refusal| (refusal, None);
        let seal = self.seal.as_deref();
        let words = wire::decode(seal, body).map_err(|unreadable| match unreadable {
            Unreadable::Malformed => nameless(Refusal::Malformed),
            Unreadable::NotOurs => nameless(Refusal::NotOurs),
        })?;
        // Without a key there is nothing to hold a signature against.
        let signed = match (seal, signature) {
            (Some(seal), Some(header)) => {
                let signed = seal.verify(header, self.local, body);
                Some(signed.map_err(|_| nameless(Refusal::BadSignature))?)
            }
            _ => None,
        };
        let known = words.peer.parse().ok().and_then(|peer| {
            let sender = self.senders.get_mut(&peer)?;
            Some((peer, sender))
        });
        let (peer, sender) = known.ok_or_else(|| nameless(Refusal::Stranger))?;
        let named = |refusal| (refusal, Some(peer));
        sender.check(now, signed, self.require_signed).map_err(named)?;
        let target = words.target.parse().ok().filter(|target| self.targets.contains(target));
        let target = target.ok_or_else(|| named(Refusal::UnknownTarget))?;
        let signed = sender.accept(signed);
        let turned = sender.signed.replace(signed) != Some(signed);
        let (age, abstains) = (words.age.unwrap_or_default(), words.abstains);
        Ok(Admitted { peer, target, up: words.up, age, abstains, signed, turned })
    }
}

impl Sender {
    fn check(&self, now: Moment, signed: Option<Signed>, required: bool) -> Result<(), Refusal> {
        let Some(Signed { at, form }) = signed else {
            let may_be_unsigned = !required && self.last_signed.is_none();
            return if may_be_unsigned { Ok(()) } else { Err(Refusal::Unsigned) };
        };
        if at.abs_diff(now.millis) > SIGNATURE_WINDOW {
            return Err(Refusal::OtherTime);
        }
        let uptime = u64::try_from(now.uptime.as_millis()).unwrap_or(u64::MAX);
        match now.millis.saturating_sub(at).saturating_sub(uptime) {
            0 => {}
            1..=CLOCKS_APART => return Err(Refusal::JustStarted),
            _ => return Err(Refusal::BeforeStart),
        }
        match self.last_signed {
            Some(last) if form < last.form => Err(Refusal::OldForm),
            Some(last) if at <= last.at => Err(Refusal::Replayed),
            _ => Ok(()),
        }
    }

    /// Remembers the signature of an accepted vote; says whether there is one.
    fn accept(&mut self, signed: Option<Signed>) -> bool {
        if signed.is_some() {
            self.last_signed = signed;
        }
        signed.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::signature::Form;
    use proptest::prelude::*;
    use secrecy::SecretString;

    const NOW: u64 = 1_700_000_000_000;

    /// The agent that judges.
    const US: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 9)), 8081);

    /// Long after the start.
    fn at(millis: u64) -> Moment {
        Moment { millis, uptime: Duration::from_hours(1) }
    }

    fn seal(key: &str) -> Arc<Seal> {
        Arc::new(Seal::new(&SecretString::from(key)).unwrap())
    }

    fn peer(number: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, number], 8081))
    }

    fn target(number: u8) -> IpAddr {
        IpAddr::from([203, 0, 113, number])
    }

    /// Peers 1 and 2, target 1.
    fn admission(key: Option<&Arc<Seal>>, require_signed: bool) -> Admission {
        Admission::new(US, key.cloned(), require_signed, [peer(1), peer(2)], [target(1)])
    }

    fn body(key: Option<&Arc<Seal>>, from: u8, about: u8) -> Vec<u8> {
        wire::encode(key.map(|seal| &**seal), peer(from), target(about), false).unwrap()
    }

    #[test]
    fn a_vote_counts_if_its_sender_and_target_are_known_and_its_key_is_ours() {
        let (ours, theirs) = (seal("1234567891012345"), seal("another key here"));
        let (none, ours, theirs) = (None, Some(&ours), Some(&theirs));
        let cases = [
            ("plain among plain", none, body(none, 1, 1), Ok(peer(1))),
            ("a name that is no peer's", none, body(none, 3, 1), Err(403)),
            ("an address that is no target", none, body(none, 1, 2), Err(404)),
            ("encrypted to an agent without a key", none, body(ours, 1, 1), Err(403)),
            ("not a vote", none, b"hello".to_vec(), Err(400)),
            ("encrypted, as a Go agent does", ours, body(ours, 1, 1), Ok(peer(1))),
            ("plain to an agent with a key", ours, body(none, 1, 1), Err(401)),
            ("made with another key", ours, body(theirs, 1, 1), Err(401)),
            ("a stranger who has the key", ours, body(ours, 3, 1), Err(403)),
            ("no target, with the key", ours, body(ours, 1, 2), Err(404)),
        ];
        for (name, key, body, want) in cases {
            let got = admission(key, false).admit(at(NOW), &body, None);
            let got = got.map(|vote| vote.peer).map_err(|(refusal, _)| refusal.status());
            assert_eq!(got, want, "{name}");
        }
    }

    #[test]
    fn a_signature_must_be_fresh_and_newer_than_the_last() {
        let key = seal("1234567891012345");
        // `(when by the sender's clock, when by ours, the status)`, in the order they come.
        let cases = [
            ("30 s slow", NOW - 30_000, NOW, 200),
            ("the same again", NOW - 30_000, NOW, 401),
            ("one of before it", NOW - 30_001, NOW - 1, 401),
            ("a millisecond later", NOW - 29_999, NOW, 200),
            ("30 s fast", NOW + 30_000, NOW, 200),
            ("right, but older than the last", NOW, NOW, 401),
            ("over 30 s fast", NOW + 30_001, NOW, 401),
            ("over 30 s slow", NOW + 30_001, NOW + 60_002, 401),
            ("right and newer", NOW + 30_001, NOW + 30_001, 200),
        ];
        let mut admission = admission(Some(&key), true);
        for (name, theirs, ours, want) in cases {
            let body = body(Some(&key), 1, 1);
            let got =
                admission.admit(at(ours), &body, Some(&key.sign(Form::V2, US, theirs, &body)));
            let got = got.map_or_else(|(refusal, _)| refusal.status(), |_| 200);
            assert_eq!(got, want, "{name}");
        }
        let body = body(Some(&key), 2, 1);
        let other = admission.admit(at(NOW), &body, Some(&key.sign(Form::V2, US, NOW - 5, &body)));
        assert!(other.is_ok(), "each sender has a time of its own");
    }

    #[test]
    fn a_refused_vote_does_not_move_the_time_of_the_last_one() {
        let key = seal("1234567891012345");
        let mut admission = admission(Some(&key), false);
        let unknown = body(Some(&key), 1, 2);
        let refused =
            admission.admit(at(NOW), &unknown, Some(&key.sign(Form::V2, US, NOW, &unknown)));
        assert_eq!(refused, Err((Refusal::UnknownTarget, Some(peer(1)))));
        let good = body(Some(&key), 1, 1);
        assert!(
            admission.admit(at(NOW), &good, Some(&key.sign(Form::V2, US, NOW - 1, &good))).is_ok()
        );
    }

    #[test]
    fn who_has_signed_once_goes_on_signing() {
        let key = seal("1234567891012345");
        let mut admission = admission(Some(&key), false);
        let body = body(Some(&key), 1, 1);
        let header = |at| key.sign(Form::V2, US, at, &body);
        let first = admission.admit(at(NOW), &body, None).unwrap();
        assert_eq!((first.signed, first.turned), (false, true));
        assert!(!admission.admit(at(NOW), &body, None).unwrap().turned, "unsigned as before");
        let signed = admission.admit(at(NOW), &body, Some(&header(NOW))).unwrap();
        assert_eq!((signed.signed, signed.turned), (true, true), "it was upgraded");
        let stripped = admission.admit(at(NOW), &body, None);
        assert_eq!(stripped, Err((Refusal::Unsigned, Some(peer(1)))), "a signature was taken off");
        let forged = admission.admit(at(NOW), &body, Some("v1,1,00"));
        assert_eq!(forged.unwrap_err().0, Refusal::BadSignature);
        admission.reload([peer(1)], [target(1)]);
        assert!(admission.admit(at(NOW), &body, None).is_err(), "a reload does not forget it");
    }

    #[test]
    fn a_vote_for_another_agent_is_refused() {
        let key = seal("1234567891012345");
        let mut admission = admission(Some(&key), false);
        let body = body(Some(&key), 1, 1);
        let elsewhere = key.sign(Form::V2, peer(2), NOW, &body);
        let refused = admission.admit(at(NOW), &body, Some(&elsewhere));
        assert_eq!(refused.unwrap_err().0, Refusal::BadSignature);
    }

    #[test]
    fn who_has_used_the_new_form_does_not_go_back_to_the_old_one() {
        let key = seal("1234567891012345");
        let mut admission = admission(Some(&key), true);
        let mut vote = |from, form, to, millis| {
            let body = body(Some(&key), from, 1);
            let header = key.sign(form, to, millis, &body);
            admission.admit(at(NOW), &body, Some(&header)).map_err(|(refusal, _)| refusal)
        };
        assert!(vote(1, Form::V1, US, NOW).is_ok(), "a peer of version 0.1");
        assert!(vote(1, Form::V2, US, NOW + 1).is_ok(), "it was upgraded");
        let back = vote(1, Form::V1, US, NOW + 2).unwrap_err();
        assert_eq!((back, back.status()), (Refusal::OldForm, 401));
        assert!(vote(1, Form::V2, US, NOW + 2).is_ok());
        assert!(vote(2, Form::V1, US, NOW).is_ok(), "each sender has a form of its own");
    }

    #[test]
    fn what_was_signed_before_the_start_does_not_count() {
        let key = seal("1234567891012345");
        // `(how long ago it was signed, how long ago this agent started, the status)`, in ms.
        let cases = [
            ("before a restart", 21_000, 5_000, 401),
            ("the moment of the start", 5_000, 5_000, 200),
            ("just before, or by a slow clock", 5_001, 5_000, 503),
            ("as far as clocks differ", 7_000, 5_000, 503),
            ("further", 7_001, 5_000, 401),
            ("by a fast clock", -1_000, 0, 200),
            ("long after the start", 29_000, 3_600_000, 200),
        ];
        for (name, ago, uptime, want) in cases {
            let moment = Moment { millis: NOW, uptime: Duration::from_millis(uptime) };
            let body = body(Some(&key), 1, 1);
            let header = key.sign(Form::V2, US, NOW.saturating_add_signed(-ago), &body);
            let got = admission(Some(&key), false).admit(moment, &body, Some(&header));
            let got = got.map_or_else(|(refusal, _)| refusal.status(), |_| 200);
            assert_eq!(got, want, "{name}");
        }
    }

    #[test]
    fn when_signatures_are_required_none_is_401() {
        let key = seal("1234567891012345");
        let refused = admission(Some(&key), true).admit(at(NOW), &body(Some(&key), 1, 1), None);
        assert_eq!(refused.unwrap_err().0.status(), 401);
    }

    #[test]
    fn a_flipped_word_is_refused_though_it_decrypts() {
        let key = seal("1234567891012345");
        let mut admission = admission(Some(&key), false);
        let body = String::from_utf8(body(Some(&key), 1, 1)).unwrap();
        let header = key.sign(Form::V2, US, NOW, body.as_bytes());
        let flipped = body.replace("false", "true");
        let refused = admission.admit(at(NOW), flipped.as_bytes(), Some(&header));
        assert_eq!(refused.unwrap_err().0, Refusal::BadSignature);
    }

    proptest! {
        #[test]
        fn no_request_makes_it_panic(
            body in any::<Vec<u8>>(), header in option(any::<String>()), keyed in any::<bool>(),
        ) {
            let key = seal("1234567891012345");
            let mut admission = admission(keyed.then_some(&key), false);
            prop_assert!(admission.admit(at(NOW), &body, header.as_deref()).is_err());
        }
    }

    fn option(of: impl Strategy<Value = String>) -> impl Strategy<Value = Option<String>> {
        proptest::option::of(of)
    }
}
