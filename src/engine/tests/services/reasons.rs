//! Explanations in the situations in which users of other programs asked in vain for the reason: the
//! guard that stands in the way, its answer and its evidence.

use super::site::*;
use super::zones::Provider;
use crate::engine::event::Event;
use crate::engine::explanation::{Explanation, Guard, GuardVerdict};
use crate::engine::ids::{RequestId, TargetRef};
use crate::engine::plan::{Family, SetKey};
use crate::engine::settings::{CheckSettings, ClusterSettings, ReturnSettings, Settings};
use crate::engine::tests::world::{ip, ms};
use crate::engine::types::{Answer, Endpoint, Method, PeerKind, PeerState, Vote, WrongAnswer};

fn explain(site: &Site, number: usize, last: u8) -> Explanation {
    let target = TargetRef { service: service(number), address: ip(last) };
    site.engine.explain(target).expect("it is watched")
}

/// Asserts the answer of a guard, and parts of its evidence and its details.
#[track_caller]
fn assert_answers(it: &Explanation, guard: Guard, answer: GuardVerdict, parts: &[&str]) {
    let found = it.answer_of(guard).expect("every guard answers");
    assert_eq!(found.answer, answer, "{it:#?}");
    let text = format!("{}\n{}", found.evidence, found.details.join("\n"));
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

/// Asserts which guard stops the change.
#[track_caller]
fn assert_stopped_by(it: &Explanation, guard: Option<Guard>) {
    assert_eq!(it.stopped_by().map(|it| it.guard), guard, "{it:#?}");
}

/// Returns a service with the machines 1 to 4: `floor` must stay and `max_out` may be out.
fn guarded(floor: usize, max_out: Option<usize>) -> Settings {
    let mut settings = with_service(no_services(), 1, 0, &[1, 2, 3, 4], icmp());
    let its = settings.services.get_mut(&service(1)).unwrap();
    (its.floor, its.max_out) = (floor, max_out);
    settings
}

fn peer() -> std::net::SocketAddr {
    ([10, 0, 0, 2], 8081).into()
}

fn with_peer(mut settings: Settings) -> Settings {
    let own = ([10, 0, 0, 1], 8081).into();
    settings.cluster = Some(ClusterSettings { own, peers: [peer()].into(), min_peers_agree: 1 });
    settings
}

/// envoyproxy/envoy#2671 and #28304: all were ejected and still got traffic, by a threshold that no
/// output named.
#[test]
fn the_floor_is_named_with_the_addresses_that_are_left() {
    let mut site = Site::confirmed(&guarded(3, None));
    let before = explain(&site, 1, 1);
    assert_answers(&before, Guard::Floor, GuardVerdict::WouldPass, &["3 must stay", "has 4"]);
    site.dies(4);
    site.run_for(ms(8_000));
    let warned = explain(&site, 1, 1);
    assert_answers(&warned, Guard::Floor, GuardVerdict::WouldHold, &["none to spare at s1"]);
    site.dies(1);
    site.run_for(ms(8_000));
    let held = explain(&site, 1, 1);
    assert_stopped_by(&held, Some(Guard::Floor));
    assert_answers(&held, Guard::Floor, GuardVerdict::Holds, &["s1.example.com A has 3 with"]);
}

/// envoyproxy/envoy#12076: the largest share that may be ejected kept a dead host in, silently.
#[test]
fn the_share_that_may_be_out_is_named_before_and_while_it_holds() {
    let mut site = Site::confirmed(&guarded(0, Some(1)));
    site.dies(4);
    site.run_for(ms(8_000));
    let warned = explain(&site, 1, 1);
    assert_answers(
        &warned,
        Guard::MaxOut,
        GuardVerdict::WouldHold,
        &["1 of 4 addresses", "1 may be"],
    );
    site.dies(1);
    site.run_for(ms(8_000));
    let held = explain(&site, 1, 1);
    assert_stopped_by(&held, Some(Guard::MaxOut));
    let gone = explain(&site, 1, 4);
    assert_stopped_by(&gone, None);
    assert!(!gone.change.is_called_for && gone.change.puts_in, "{gone:#?}");
}

/// traefik/traefik#3081: a status of 301 counted as a failure, and nothing said so.
#[test]
fn the_reason_of_the_newest_loss_stands_with_the_streak() {
    let method = Method::Request(RequestId::from(0));
    let check = CheckSettings { method, ..icmp() };
    let mut site = Site::confirmed(&with_service(no_services(), 1, 0, &[1, 2], check));
    let said = "connect 0.4 ms, then 301 (wanted 200-299)";
    let wrong = WrongAnswer { kind: "status 301".into(), reason: said.into() };
    for last in [1, 2] {
        let endpoint = Endpoint { address: ip(last), method };
        site.answers.insert(endpoint, Answer::Failed(wrong.clone()));
        site.ledger.changed.insert(ip(last), site.now);
    }
    site.run_for(ms(20_000));
    let alike = explain(&site, 1, 1);
    let parts = ["losses in a row, 3 make it down", said, "next probe in"];
    assert_answers(&alike, Guard::Health, GuardVerdict::Calls, &parts);
    assert_stopped_by(&alike, Some(Guard::Alike));
    let parts = ["no target answers otherwise: status 301"];
    assert_answers(&alike, Guard::Alike, GuardVerdict::Holds, &parts);
}

/// Returns the vote of the peer on machine 1.
fn vote(vote: Vote) -> Event {
    Event::Vote { peer: peer(), service: service(1), target: ip(1), vote, age: ms(400) }
}

/// acassen/keepalived#570: the other node's adverts had stopped, and the log left that to be guessed.
#[test]
fn each_peer_is_named_with_its_vote_or_its_absence() {
    let mut site = Site::new(&with_peer(guarded(0, None)));
    site.send(Event::Peer { peer: peer(), state: PeerState::Alive(PeerKind::Native) });
    site.run_for(ms(10_000));
    site.dies(1);
    site.run_for(ms(5_000));
    site.send(vote(Vote::Up));
    site.run_for(ms(1_000));
    let alone = explain(&site, 1, 1);
    assert_stopped_by(&alone, Some(Guard::Quorum));
    let parts = ["0 of 1 peers say down, 1 up; 1 must agree", "10.0.0.2:8081 said up, by evidence"];
    assert_answers(&alone, Guard::Quorum, GuardVerdict::Holds, &parts);
    site.send(Event::Peer { peer: peer(), state: PeerState::Gone });
    let gone = explain(&site, 1, 1);
    assert_answers(&gone, Guard::Quorum, GuardVerdict::Holds, &["is gone and has no vote"]);
    site.send(Event::Peer { peer: peer(), state: PeerState::Alive(PeerKind::Native) });
    let silent = explain(&site, 1, 1);
    assert_answers(&silent, Guard::Quorum, GuardVerdict::Holds, &["is alive and has no vote"]);
    site.send(vote(Vote::Down));
    site.run_for(ms(500));
    assert_answers(&explain(&site, 1, 1), Guard::Quorum, GuardVerdict::Passes, &["1 of 1 peers"]);
}

/// acassen/keepalived#649: the check passed again, and the server was not put back.
#[test]
fn an_address_that_is_up_and_out_says_until_when_and_why() {
    let mut settings = guarded(1, None);
    let its = settings.services.get_mut(&service(1)).unwrap();
    its.returns = ReturnSettings { delay: ms(60_000), max: ms(240_000) };
    let mut site = Site::confirmed(&settings);
    site.dies(1);
    site.run_for(ms(8_000));
    let down = explain(&site, 1, 1);
    assert_answers(&down, Guard::Returning, GuardVerdict::WouldPass, &["has to be up for 60 s"]);
    site.lives(1);
    site.run_for(ms(8_000));
    let waits = explain(&site, 1, 1);
    assert_stopped_by(&waits, Some(Guard::Returning));
    assert_answers(&waits, Guard::Returning, GuardVerdict::Holds, &["of 60 s, back in 5"]);
    let until = waits.answer_of(Guard::Returning).and_then(|it| it.until);
    assert!(until > Some(waits.at), "{waits:#?}");
}

/// hashicorp/consul#12725: a service left by itself, and the setting behind it was nowhere named.
#[test]
fn a_drain_is_named_with_its_end_and_its_reason() {
    let mut site = Site::confirmed(&guarded(0, None));
    site.drain(target(1, 1), Some(ms(3_600_000)), false);
    site.run_for(ms(1_000));
    let drained = explain(&site, 1, 1);
    assert_answers(
        &drained,
        Guard::Drain,
        GuardVerdict::Settles,
        &["drained for another 59 min 59 s"],
    );
    assert_answers(&drained, Guard::Isolation, GuardVerdict::DoesNotApply, &[]);
    assert_stopped_by(&drained, None);
}

/// kubernetes-sigs/external-dns#4814: a record that was in the way made the change vanish.
#[test]
fn a_name_that_is_left_alone_is_named_with_its_problem() {
    let mut site = Site::confirmed(&guarded(0, None));
    let key = SetKey { name: "s1.example.com".into(), family: Family::A };
    let zone = site.zones.entry(0.into()).or_default();
    zone.records.unfit.insert(key, "the name has a CNAME".into());
    let listing = zone.listing();
    site.reports(0.into(), vec![listing]);
    let it = explain(&site, 1, 1);
    let parts = ["s1.example.com A is left alone: the name has a CNAME"];
    assert_answers(&it, Guard::Provider, GuardVerdict::WouldHold, &parts);
    assert_eq!(it.records[0].present, None, "it is not known");
}

/// traefik/traefik#5503: the log said removed, the API said UP.
#[test]
fn a_withdrawal_that_the_provider_does_not_make_is_no_withdrawal_yet() {
    let mut site = Site::confirmed(&guarded(0, None));
    site.set_provider(0, Provider::Fails);
    site.dies(1);
    site.run_for(ms(8_000));
    let it = explain(&site, 1, 1);
    assert!(!it.verdict.is_in_service() && it.records[0].present == Some(true), "{it:#?}");
    assert_answers(&it, Guard::Order, GuardVerdict::Passes, &["ordered", "not confirmed yet"]);
    site.set_provider(0, Provider::Works);
    site.run_for(ms(8_000));
    assert_eq!(explain(&site, 1, 1).records[0].present, Some(false));
}

/// kubernetes-sigs/external-dns#4815: a policy dropped changes without a word.
#[test]
fn dry_run_is_named_before_and_after() {
    let mut site = Site::confirmed(&Settings { dry_run: true, ..guarded(0, None) });
    assert_answers(&explain(&site, 1, 1), Guard::DryRun, GuardVerdict::WouldHold, &["nothing is"]);
    site.dies(1);
    site.run_for(ms(8_000));
    let out = explain(&site, 1, 1);
    assert_answers(&out, Guard::DryRun, GuardVerdict::Holds, &["only logged"]);
    assert_stopped_by(&out, Some(Guard::DryRun));
}

/// kubernetes-sigs/external-dns#590: where all was skipped, nothing was said.
#[test]
fn a_healthy_target_is_explained_in_full_and_nothing_stops_it() {
    let site = Site::confirmed(&guarded(1, Some(2)));
    let it = explain(&site, 1, 1);
    assert_stopped_by(&it, None);
    assert!(!it.change.is_called_for && !it.change.puts_in, "{it:#?}");
    assert_answers(
        &it,
        Guard::Health,
        GuardVerdict::DoesNotApply,
        &["up", "last reply", "next probe"],
    );
    assert_answers(&it, Guard::Evidence, GuardVerdict::WouldPass, &["counts for 10 s"]);
    assert_answers(&it, Guard::MaxOut, GuardVerdict::WouldPass, &["0 of 4 addresses", "2 may be"]);
    assert_answers(&it, Guard::Quorum, GuardVerdict::DoesNotApply, &["off: no peers"]);
}

/// A local fault is no loss: a dead target would not be noticed, and that is said.
#[test]
fn a_local_fault_says_that_nothing_is_counted() {
    let mut site = Site::confirmed(&guarded(0, None));
    site.unreachable.insert(ip(1));
    site.run_for(ms(5_000));
    let it = explain(&site, 1, 1);
    assert_answers(
        &it,
        Guard::Probing,
        GuardVerdict::WouldHold,
        &["local fault", "times in a row"],
    );
    site.run_for(ms(20_000));
    let unknown = explain(&site, 1, 1);
    assert!(unknown.unknown, "{unknown:#?}");
    assert_answers(&unknown, Guard::Evidence, GuardVerdict::WouldHold, &["no evidence"]);
    assert_answers(&unknown, Guard::Health, GuardVerdict::DoesNotApply, &["nothing judged for"]);
}
