//! Rows of accepted and refused votes, and tests that answers reveal nothing to a stranger.

mod services;

use super::*;
use crate::engine::types::Vote;
use proptest::prelude::*;
use secrecy::SecretString;

const NOW: u64 = 1_700_000_000_000;

/// The agent that checks the votes.
const US: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 9)), 8081);

/// An arrival long after the start.
fn at(millis: u64) -> Arrival {
    Arrival { millis, uptime: Duration::from_hours(1) }
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

fn services() -> [WatchedService; 1] {
    [WatchedService::of_default([target(1)])]
}

/// Rules for peers 1 and 2 and target 1.
fn admission(key: Option<&Arc<Seal>>, require_signed: bool) -> Admission {
    Admission::new(US, key.cloned(), require_signed, [peer(1), peer(2)], &services())
}

impl Admission {
    /// Calls [`admit`](Self::admit) for a peer that gossip does not know.
    fn judge(
        &mut self,
        now: Arrival,
        body: &[u8],
        signature: Option<&str>,
    ) -> Result<Admitted, (VoteRefusal, Option<SocketAddr>)> {
        self.admit(now, VoteRequest { path: VotePath::Default, body, signature }, |_| false)
    }
}

fn body(key: Option<&Arc<Seal>>, from: u8, about: u8) -> Vec<u8> {
    wire::encode(key.map(|seal| &**seal), peer(from), target(about), Vote::Down).unwrap()
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
        ("a name that is no peer's, encrypted", ours, body(ours, 3, 1), Err(401)),
        ("an address that is no target, encrypted", ours, body(ours, 1, 2), Err(401)),
        ("not a vote, to an agent with a key", ours, b"hello".to_vec(), Err(400)),
    ];
    for (name, key, body, want) in cases {
        let got = admission(key, false).judge(at(NOW), &body, None);
        let got = got.map(|vote| vote.peer).map_err(|(refusal, _)| refusal.status());
        assert_eq!(got, want, "{name}");
    }
}

#[test]
fn a_signature_must_be_fresh_and_newer_than_the_last() {
    let key = seal("1234567891012345");
    // `(time by the sender's clock, time by ours, status)`, in order of arrival.
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
        let got = admission.judge(at(ours), &body, Some(&key.sign(Form::V2, US, theirs, &body)));
        let got = got.map_or_else(|(refusal, _)| refusal.status(), |_| 200);
        assert_eq!(got, want, "{name}");
    }
    let body = body(Some(&key), 2, 1);
    let other = admission.judge(at(NOW), &body, Some(&key.sign(Form::V2, US, NOW - 5, &body)));
    assert!(other.is_ok(), "each sender has a time of its own");
}

#[test]
fn a_refused_vote_does_not_move_the_time_of_the_last_one() {
    let key = seal("1234567891012345");
    let mut admission = admission(Some(&key), false);
    let unknown = body(Some(&key), 1, 2);
    let refused = admission.judge(at(NOW), &unknown, Some(&key.sign(Form::V2, US, NOW, &unknown)));
    assert_eq!(refused, Err((VoteRefusal::UnknownTarget, Some(peer(1)))));
    let good = body(Some(&key), 1, 1);
    assert!(admission.judge(at(NOW), &good, Some(&key.sign(Form::V2, US, NOW - 1, &good))).is_ok());
}

#[test]
fn a_sender_that_signed_once_must_keep_signing() {
    let key = seal("1234567891012345");
    let mut admission = admission(Some(&key), false);
    let body = body(Some(&key), 1, 1);
    let first = admission.judge(at(NOW), &body, None).unwrap();
    assert_eq!((first.signed, first.signing_changed), (false, true));
    assert!(!admission.judge(at(NOW), &body, None).unwrap().signing_changed, "unsigned as before");
    let header = key.sign(Form::V2, US, NOW, &body);
    let signed = admission.judge(at(NOW), &body, Some(&header)).unwrap();
    assert_eq!((signed.signed, signed.signing_changed), (true, true), "it was upgraded");
    let stripped = admission.judge(at(NOW), &body, None);
    assert_eq!(stripped, Err((VoteRefusal::Unsigned, Some(peer(1)))), "a signature was taken off");
    let forged = admission.judge(at(NOW), &body, Some("v1,1,00"));
    assert_eq!(forged.unwrap_err().0, VoteRefusal::BadSignature);
    admission.reload([peer(1)], &services());
    assert!(admission.judge(at(NOW), &body, None).is_err(), "a reload does not forget it");
}

#[test]
fn a_vote_for_another_agent_is_refused() {
    let key = seal("1234567891012345");
    let mut admission = admission(Some(&key), false);
    let body = body(Some(&key), 1, 1);
    let elsewhere = key.sign(Form::V2, peer(2), NOW, &body);
    let refused = admission.judge(at(NOW), &body, Some(&elsewhere));
    assert_eq!(refused.unwrap_err().0, VoteRefusal::BadSignature);
}

#[test]
fn a_sender_of_the_new_form_may_not_return_to_the_old_one() {
    let key = seal("1234567891012345");
    let mut admission = admission(Some(&key), true);
    let cases = [
        ("a peer of version 0.1", 1, Form::V1, NOW, None),
        ("it was upgraded", 1, Form::V2, NOW + 1, None),
        ("the old form again", 1, Form::V1, NOW + 2, Some((VoteRefusal::OldForm, 401))),
        ("the new form", 1, Form::V2, NOW + 2, None),
        ("another sender", 2, Form::V1, NOW, None),
    ];
    for (name, from, form, millis, want) in cases {
        let body = body(Some(&key), from, 1);
        let header = key.sign(form, US, millis, &body);
        let refused = admission.judge(at(NOW), &body, Some(&header)).err();
        assert_eq!(refused.map(|(refusal, _)| (refusal, refusal.status())), want, "{name}");
    }
}

#[test]
fn a_signature_from_before_the_start_does_not_count() {
    let key = seal("1234567891012345");
    // `(age of the signature, time since this agent started, status)`, in ms.
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
        let arrival = Arrival { millis: NOW, uptime: Duration::from_millis(uptime) };
        let body = body(Some(&key), 1, 1);
        let header = key.sign(Form::V2, US, NOW.saturating_add_signed(-ago), &body);
        let got = admission(Some(&key), false).judge(arrival, &body, Some(&header));
        let got = got.map_or_else(|(refusal, _)| refusal.status(), |_| 200);
        assert_eq!(got, want, "{name}");
    }
}

#[test]
fn a_signed_vote_is_refused_with_its_reason() {
    let key = seal("1234567891012345");
    let cases = [
        ("a stranger", 3, 1, (VoteRefusal::Stranger, 403)),
        ("our own name", 9, 1, (VoteRefusal::OurName, 403)),
        ("no target", 1, 2, (VoteRefusal::UnknownTarget, 404)),
    ];
    for (name, from, about, want) in cases {
        let body = body(Some(&key), from, about);
        let header = key.sign(Form::V2, US, NOW, &body);
        let refused = admission(Some(&key), false).judge(at(NOW), &body, Some(&header));
        let refusal = refused.unwrap_err().0;
        assert_eq!((refusal, refusal.status()), want, "{name}");
    }
}

/// An agent of this program signs whenever it has a key, and sealed gossip identifies it as one. A
/// copy of its vote without the signature is therefore rejected.
#[test]
fn a_peer_that_gossip_knows_must_sign() {
    let key = seal("1234567891012345");
    let body = body(Some(&key), 1, 1);
    for (is_native, want) in
        [(false, Ok(peer(1))), (true, Err((VoteRefusal::Unsigned, Some(peer(1)))))]
    {
        let request = VoteRequest { path: VotePath::Default, body: &body, signature: None };
        let got = admission(Some(&key), false).admit(at(NOW), request, |_| is_native);
        assert_eq!(got.map(|vote| vote.peer), want);
    }
}

/// An attacker that learns a block of keystream by trial. A word decrypts to the bytes sent,
/// combined with the keystream of its IV, which is always the same for one IV. `oracle` returns
/// everything that the agent reveals about a request.
struct Forger {
    requests: usize,
    keystream: Vec<u8>,
}

/// The bytes used in addresses. Accepting only these is how the keystream was revealed.
const GRAPHIC: std::ops::RangeInclusive<u8> = 0x21..=0x7e;

impl Forger {
    const IV: [u8; 16] = [7; 16];

    fn word(bytes: &[u8]) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE.encode([&Self::IV[..], bytes].concat())
    }

    fn vote(peer: &[u8], target: &[u8]) -> Vec<u8> {
        let (peer, target) = (Self::word(peer), Self::word(target));
        format!(r#"{{"Peer":"{peer}","IPAddress":"{target}","Live":false}}"#).into_bytes()
    }

    /// Returns the body of a vote in the name of `peer` on `target`, once the keystream is known.
    fn forge(&self, peer: &str, target: &str) -> Vec<u8> {
        Self::vote(&self.hide(peer), &self.hide(target))
    }

    fn hide(&self, text: &str) -> Vec<u8> {
        text.bytes().zip(&self.keystream).map(|(byte, key)| byte ^ key).collect()
    }

    /// Learns the keystream byte by byte as long as the answers differ at all.
    fn learn<A: PartialEq>(&mut self, length: usize, mut oracle: impl FnMut(&[u8]) -> A) -> bool {
        // A prefix that makes all bytes learnt so far decrypt to a letter.
        let mut prefix = Vec::new();
        while self.keystream.len() < length {
            let answers: Vec<A> = (0..=u8::MAX)
                .map(|byte| {
                    self.requests += 1;
                    let word = [&prefix[..], &[byte]].concat();
                    oracle(&Self::vote(&word, &word))
                })
                .collect();
            let Some(key) = (0..=u8::MAX).find(|key| Self::fits(*key, &answers)) else {
                return false;
            };
            self.keystream.push(key);
            prefix.push(b'1' ^ key);
        }
        true
    }

    /// Whether the answers to all bytes agree with this keystream byte: one answer for all bytes
    /// that decrypt to a letter, another for the rest.
    fn fits<A: PartialEq>(key: u8, answers: &[A]) -> bool {
        let (mut letters, mut others) = (Vec::new(), Vec::new());
        for (byte, answer) in (0..=u8::MAX).zip(answers) {
            let of_kind = if GRAPHIC.contains(&(byte ^ key)) { &mut letters } else { &mut others };
            of_kind.push(answer);
        }
        letters[0] != others[0]
            && letters.iter().all(|answer| *answer == letters[0])
            && others.iter().all(|answer| *answer == others[0])
    }
}

/// Some thousands of requests are enough against an agent that distinguishes words that decrypt to
/// letters. If each request rules out one guess, 260 are enough.
#[test]
fn the_forger_of_these_tests_beats_an_agent_that_reveals_decrypted_words() {
    let key = seal("1234567891012345");
    let mut stranger = Forger { requests: 0, keystream: Vec::new() };
    assert!(stranger.learn(14, |body| wire::decode(VotePath::Default, Some(&key), body).is_ok()));
    let forged = stranger.forge("10.0.0.1:8081", "203.0.113.1");
    let counts = admission(Some(&key), false).judge(at(NOW), &forged, None);
    assert_eq!(
        counts.map(|vote| (vote.peer, vote.target)),
        Ok((peer(1), TargetRef::of_default(target(1))))
    );
}

#[test]
fn a_forger_learns_nothing_from_the_answers() {
    let key = seal("1234567891012345");
    for require_signed in [false, true] {
        let mut admission = admission(Some(&key), require_signed);
        let mut stranger = Forger { requests: 0, keystream: Vec::new() };
        // The answer, the peer it is counted under, and the reason in the log.
        let learnt = stranger.learn(14, |body| {
            let (refusal, peer) = admission.judge(at(NOW), body, None).unwrap_err();
            assert_eq!((refusal.status(), peer), (401, None));
            refusal
        });
        assert!(!learnt, "not one byte");
        assert_eq!((stranger.requests, stranger.keystream.len()), (256, 0));
    }
}

/// Half of a vote reveals no more than none of it: with a peer's word one cannot search for
/// targets.
#[test]
fn a_known_word_beside_an_unknown_one_is_answered_like_two_unknown_ones() {
    let key = seal("1234567891012345");
    let mut admission = admission(Some(&key), false);
    for (from, about) in [(1, 2), (3, 1), (3, 2)] {
        let refused = admission.judge(at(NOW), &body(Some(&key), from, about), None);
        assert_eq!(refused, Err((VoteRefusal::NotOurs, None)), "peer {from} on target {about}");
    }
}

#[test]
fn a_missing_signature_is_401_if_signatures_are_required() {
    let key = seal("1234567891012345");
    let refused = admission(Some(&key), true).judge(at(NOW), &body(Some(&key), 1, 1), None);
    assert_eq!(refused.unwrap_err().0.status(), 401);
}

#[test]
fn a_flipped_word_is_refused_though_it_decrypts() {
    let key = seal("1234567891012345");
    let mut admission = admission(Some(&key), false);
    let body = String::from_utf8(body(Some(&key), 1, 1)).unwrap();
    let header = key.sign(Form::V2, US, NOW, body.as_bytes());
    let flipped = body.replace("false", "true");
    let refused = admission.judge(at(NOW), flipped.as_bytes(), Some(&header));
    assert_eq!(refused.unwrap_err().0, VoteRefusal::BadSignature);
}

proptest! {
    #[test]
    fn any_request_is_checked_without_a_panic(
        body in any::<Vec<u8>>(), header in option(any::<String>()), keyed in any::<bool>(),
    ) {
        let key = seal("1234567891012345");
        let mut admission = admission(keyed.then_some(&key), false);
        prop_assert!(admission.judge(at(NOW), &body, header.as_deref()).is_err());
    }
}

fn option(of: impl Strategy<Value = String>) -> impl Strategy<Value = Option<String>> {
    proptest::option::of(of)
}
