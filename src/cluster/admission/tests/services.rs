//! Votes on named services: their names, their signatures, and their path.

use super::*;
use crate::cluster::wire::OutgoingVote;

/// Rules for peers 1 and 2, with target 1 in `default`, 1 and 2 in `www`, and 1 in `mx`.
fn admission(key: Option<&Arc<Seal>>) -> Admission {
    let services =
        [WatchedService::of_default([target(1)]), named(1, "www", &[1, 2]), named(2, "mx", &[1])];
    Admission::new(US, key.cloned(), false, [peer(1), peer(2)], &services)
}

fn named(id: usize, name: &str, targets: &[u8]) -> WatchedService {
    let targets = targets.iter().copied().map(target).collect();
    WatchedService { id: id.into(), name: name.into(), targets }
}

/// Returns a vote of peer 1.
fn vote(key: Option<&Arc<Seal>>, service: Option<&str>, about: u8) -> Vec<u8> {
    let outgoing =
        OutgoingVote { service, ..OutgoingVote::new(peer(1), target(about), Vote::Down) };
    outgoing.encode(key.map(|seal| &**seal)).unwrap()
}

fn judge(
    admission: &mut Admission,
    path: VotePath,
    body: &[u8],
    signature: Option<&str>,
) -> Result<TargetRef, (u16, Option<SocketAddr>)> {
    let request = VoteRequest { path, body, signature };
    let judged = admission.admit(at(NOW), request, |_| false);
    judged.map(|vote| vote.target).map_err(|(refusal, peer)| (refusal.status(), peer))
}

/// Judges a vote that is signed at a time of its own.
fn judge_signed(
    admission: &mut Admission,
    key: &Seal,
    path: VotePath,
    body: &[u8],
) -> Result<TargetRef, (u16, Option<SocketAddr>)> {
    let last = admission.senders[&peer(1)].last_signed.map_or(NOW, |signed| signed.at);
    judge(admission, path, body, Some(&key.sign(Form::V2, US, last + 1, body)))
}

fn of(service: usize, number: u8) -> TargetRef {
    TargetRef { service: service.into(), address: target(number) }
}

#[test]
fn a_vote_counts_for_the_service_that_it_names() {
    let key = seal("1234567891012345");
    let refused = Err((404, Some(peer(1))));
    let long = "w".repeat(64);
    let cases = [
        ("a service", "www", 2, Ok(of(1, 2))),
        ("another one at the same address", "mx", 1, Ok(of(2, 1))),
        ("an address of another service", "mx", 2, refused),
        ("an address of no service", "www", 3, refused),
        ("an unknown service", "ftp", 1, refused),
        ("in capitals, which no name has", "WWW", 1, refused),
        ("with a space", "www ", 1, refused),
        ("64 letters", &long, 1, refused),
        ("no letter", "", 1, refused),
        ("default, which has a path of its own", "default", 1, refused),
        ("a name with an end inside", "www\0mx", 1, refused),
    ];
    for (name, service, about, want) in cases {
        let plain = vote(None, Some(service), about);
        let got = judge(&mut admission(None), VotePath::Named, &plain, None);
        assert_eq!(got, want, "{name}, in clear");
        // With a key, a name without a letter or with other bytes than letters is no word of ours.
        let is_graphic = service.bytes().all(|byte| byte.is_ascii_graphic());
        let want = if is_graphic { want } else { Err((401, None)) };
        let hidden = vote(Some(&key), Some(service), about);
        let got = judge_signed(&mut admission(Some(&key)), &key, VotePath::Named, &hidden);
        assert_eq!(got, want, "{name}, signed");
    }
}

/// A copied vote can be posted to another path, since the signature does not cover the path.
#[test]
fn a_vote_for_one_path_is_none_at_the_other() {
    let key = seal("1234567891012345");
    for key in [None, Some(&key)] {
        for (service, path, other) in [
            (None, VotePath::Default, VotePath::Named),
            (Some("www"), VotePath::Named, VotePath::Default),
        ] {
            let body = vote(key, service, 1);
            let header = key.map(|key| key.sign(Form::V2, US, NOW, &body));
            let mut admission = admission(key);
            let got = judge(&mut admission, other, &body, header.as_deref());
            assert_eq!(got, Err((400, None)), "{service:?} at {other:?}");
            assert!(judge(&mut admission, path, &body, header.as_deref()).is_ok(), "{service:?}");
        }
    }
}

/// A vote on one service is older than a later one on another: no path and no service has a time of
/// its own.
#[test]
fn a_vote_is_accepted_once_whatever_its_service() {
    let key = seal("1234567891012345");
    let mut admission = admission(Some(&key));
    let [first, second] = ["www", "mx"].map(|service| vote(Some(&key), Some(service), 1));
    let default = vote(Some(&key), None, 1);
    let cases = [
        ("the first", VotePath::Named, &first, 0, Ok(of(1, 1))),
        ("sent again", VotePath::Named, &first, 0, Err(401)),
        ("on another service", VotePath::Named, &second, 2, Ok(of(2, 1))),
        ("on default, older than that", VotePath::Default, &default, 1, Err(401)),
        ("on default", VotePath::Default, &default, 3, Ok(of(0, 1))),
        ("of a time that was used", VotePath::Named, &first, 3, Err(401)),
    ];
    for (name, path, body, after, want) in cases {
        let header = key.sign(Form::V2, US, NOW + after, body);
        let got = judge(&mut admission, path, body, Some(&header));
        assert_eq!(got.map_err(|(status, _)| status), want, "{name}");
    }
}

/// Nobody but this program votes on named services, and it signs whenever it has a key.
#[test]
fn with_a_key_a_named_vote_needs_a_signature_of_the_second_form() {
    let (ours, theirs) = (seal("1234567891012345"), seal("another key here"));
    let body = vote(Some(&ours), Some("www"), 1);
    let cases = [
        ("signed", Some(ours.sign(Form::V2, US, NOW, &body)), Ok(of(1, 1))),
        ("not signed", None, Err((401, None))),
        ("the first form", Some(ours.sign(Form::V1, US, NOW, &body)), Err((401, Some(peer(1))))),
        ("another receiver", Some(ours.sign(Form::V2, peer(2), NOW, &body)), Err((401, None))),
        ("another key", Some(theirs.sign(Form::V2, US, NOW, &body)), Err((401, None))),
        (
            "another body",
            Some(ours.sign(Form::V2, US, NOW, &vote(Some(&ours), Some("mx"), 1))),
            Err((401, None)),
        ),
        (
            "of hours ago",
            Some(ours.sign(Form::V2, US, NOW - 29_000_000, &body)),
            Err((401, Some(peer(1)))),
        ),
    ];
    for (name, header, want) in cases {
        let mut admission = admission(Some(&ours));
        let got = judge(&mut admission, VotePath::Named, &body, header.as_deref());
        assert_eq!(got, want, "{name}");
    }
}

/// A restart forgets which votes were accepted before it.
#[test]
fn a_named_vote_from_before_the_start_counts_no_more_than_any_other() {
    let key = seal("1234567891012345");
    let body = vote(Some(&key), Some("www"), 1);
    for (ago, want) in [(0, Ok(of(1, 1))), (4_000, Err(503)), (9_000, Err(401))] {
        let header = key.sign(Form::V2, US, NOW - ago, &body);
        let request = VoteRequest { path: VotePath::Named, body: &body, signature: Some(&header) };
        let arrival = Arrival { millis: NOW, uptime: Duration::from_secs(3) };
        let got = admission(Some(&key)).admit(arrival, request, |_| true);
        let got = got.map(|vote| vote.target).map_err(|(refusal, _)| refusal.status());
        assert_eq!(got, want, "{ago} ms ago");
    }
}

#[test]
fn a_service_that_is_not_encrypted_with_our_key_is_401_although_signed() {
    let (ours, theirs) = (seal("1234567891012345"), seal("another key here"));
    let name = ours.encrypt(&peer(1).to_string()).unwrap();
    let address = ours.encrypt(&target(1).to_string()).unwrap();
    // A short name may turn out printable by chance.
    let long = theirs.encrypt(&"w".repeat(63)).unwrap();
    for word in ["www".to_owned(), "d3d3".into(), long, String::new()] {
        let body = format!(
            r#"{{"Peer":"{name}","Service":"{word}","IPAddress":"{address}","Live":false}}"#
        );
        let got =
            judge_signed(&mut admission(Some(&ours)), &ours, VotePath::Named, body.as_bytes());
        assert_eq!(got, Err((401, None)), "{word}");
    }
}

/// The attacker of the other tests, with the service as a third word.
#[test]
fn a_forger_learns_nothing_from_the_answers_about_services() {
    let key = seal("1234567891012345");
    let mut admission = admission(Some(&key));
    let mut stranger = Forger { requests: 0, keystream: Vec::new() };
    let learnt = stranger.learn(14, |body| {
        let text = String::from_utf8(body.to_vec()).unwrap();
        let word = text.split('"').nth(3).unwrap();
        let body = text.replace("\"IPAddress\"", &format!("\"Service\":\"{word}\",\"IPAddress\""));
        let request = VoteRequest { path: VotePath::Named, body: body.as_bytes(), signature: None };
        let (refusal, peer) = admission.admit(at(NOW), request, |_| false).unwrap_err();
        assert_eq!((refusal.status(), peer), (401, None));
        refusal
    });
    assert!(!learnt);
}

/// A peer with the old form of the file, or a Go agent, to an agent with services only.
#[test]
fn a_vote_on_default_where_there_is_none_is_refused_and_its_sender_named() {
    let key = seal("1234567891012345");
    let cases = [
        (None, false, VoteRefusal::NoDefault, 404),
        (Some(&key), true, VoteRefusal::NoDefault, 404),
        (Some(&key), false, VoteRefusal::UnsignedNoDefault, 401),
    ];
    for (key, signed, refusal, status) in cases {
        let body = vote(key, None, 1);
        let header = key.filter(|_| signed).map(|key| key.sign(Form::V2, US, NOW, &body));
        let mut admission =
            Admission::new(US, key.cloned(), false, [peer(1)], &[named(1, "www", &[1])]);
        let request =
            VoteRequest { path: VotePath::Default, body: &body, signature: header.as_deref() };
        let got = admission.admit(at(NOW), request, |_| false);
        assert_eq!(got, Err((refusal, Some(peer(1)))));
        assert_eq!(refusal.status(), status);
        assert!(refusal.is_about_services());
    }
}

#[test]
fn a_named_vote_without_a_key_does_not_make_its_sender_a_go_agent() {
    let mut admission = admission(None);
    let request =
        VoteRequest { path: VotePath::Named, body: &vote(None, Some("www"), 1), signature: None };
    let vote = admission.admit(at(NOW), request, |_| false).unwrap();
    assert_eq!((vote.signed, vote.signing_changed), (false, false));
}

#[test]
fn a_reload_replaces_the_services_and_their_targets() {
    let mut admission = admission(None);
    admission.reload([peer(1)], &[named(3, "ftp", &[5]), named(1, "www", &[2])]);
    let refused = Err((404, Some(peer(1))));
    let cases = [
        ("new", Some("ftp"), 5, Ok(of(3, 5))),
        ("a new target", Some("www"), 2, Ok(of(1, 2))),
        ("a removed target", Some("www"), 1, refused),
        ("a removed service", Some("mx"), 1, refused),
        ("default, which is removed", None, 1, refused),
    ];
    for (name, service, about, want) in cases {
        let path = if service.is_some() { VotePath::Named } else { VotePath::Default };
        let got = judge(&mut admission, path, &vote(None, service, about), None);
        assert_eq!(got, want, "{name}");
    }
}
