//! The reasons of failures, and targets of several checks that cannot be asked: each said once.

use super::site::*;
use crate::engine::event::Fact;
use crate::engine::ids::RequestId;
use crate::engine::settings::{CheckSettings, Settings};
use crate::engine::tests::world::{ip, ms};
use crate::engine::types::{Answer, Endpoint, Health, Method, WrongAnswer};

fn request(number: usize) -> Method {
    Method::Request(RequestId::from(number))
}

/// Returns a service with the machines 1 and 2, which two requests and echo requests watch; `require` of
/// them must be up.
fn watched(require: usize) -> Settings {
    let mut settings = with_service(no_services(), 1, 0, &[1, 2], icmp());
    let its = settings.services.get_mut(&service(1)).unwrap();
    let [web, api] = [0, 1].map(|number| CheckSettings { method: request(number), ..icmp() });
    set_checks(its, &[web, api, icmp()], require);
    settings
}

/// Makes machine 1 answer the request of this number like this from now on; `None` is the right answer.
fn answers(site: &mut Site, number: usize, answer: Option<Answer>) {
    let endpoint = Endpoint { address: ip(1), method: request(number) };
    site.ledger.changed.insert(ip(1), site.now);
    match answer {
        Some(answer) => _ = site.answers.insert(endpoint, answer),
        None => _ = site.answers.remove(&endpoint),
    }
}

fn wrong(status: &str) -> Answer {
    let (kind, reason) = (format!("status {status}"), format!("connect 0.4 ms, then {status}"));
    Answer::Failed(WrongAnswer { kind, reason })
}

/// Returns the checks that made machine 1 go down, in words.
fn failed(site: &Site) -> Vec<String> {
    let view = site.engine.target_view(target(1, 1)).unwrap();
    view.failed.iter().map(ToString::to_string).collect()
}

#[test]
fn a_target_that_is_down_keeps_the_reason_of_the_loss_that_flipped_it() {
    let mut site = Site::confirmed(&watched(3));
    assert_eq!(failed(&site), [""; 0]);
    answers(&mut site, 1, Some(wrong("503")));
    site.run_for(ms(5_000));
    assert_eq!(failed(&site), ["c1: connect 0.4 ms, then 503"]);
    // Later answers, and a check that goes down later, do not change it.
    answers(&mut site, 1, Some(wrong("404")));
    answers(&mut site, 0, Some(Answer::TimedOut("no first byte within 0.5 s".into())));
    site.run_for(ms(10_000));
    assert_eq!(failed(&site), ["c1: connect 0.4 ms, then 503"]);
    let said: Vec<_> =
        site.engine.checks_of(target(1, 1)).into_iter().map(|it| it.last_error).collect();
    let newest = ["no first byte within 0.5 s", "connect 0.4 ms, then 404"];
    assert_eq!(said[..2], newest.map(|words| Some(words.to_owned())));
    let withdrawn = site.ledger.facts.iter().find_map(|(_, fact)| match fact {
        Fact::Applied { withdrawn, .. } => withdrawn.get(&ip(1)).cloned(),
        _ => None,
    });
    assert_eq!(withdrawn.unwrap().failed[0].check, "c1", "the change says it too");
    answers(&mut site, 0, None);
    answers(&mut site, 1, None);
    site.run_for(ms(10_000));
    assert_eq!(failed(&site), [""; 0], "it is up again");
}

#[test]
fn any_of_several_checks_names_all_that_are_down_and_silence_is_a_reason() {
    let mut site = Site::confirmed(&watched(1));
    answers(&mut site, 0, Some(wrong("500")));
    answers(&mut site, 1, Some(Answer::Silence));
    site.run_for(ms(10_000));
    assert_eq!(failed(&site), [""; 0], "echo requests are answered");
    site.dies(1);
    site.run_for(ms(10_000));
    let words = failed(&site);
    assert_eq!(words.len(), 3, "{words:?}");
    assert_eq!(words[1..], ["c1: no answer within the timeout", "c2: no reply"]);
}

/// A machine that answers wrongly first, or refuses, and is gone then.
#[test]
fn silence_has_not_the_reason_of_an_earlier_loss() {
    let silent = "no answer within the timeout";
    let rows = [
        (request(1), wrong("503"), Answer::Silence, Some(silent)),
        (request(1), wrong("503"), Answer::TimedOut("no first byte".into()), Some("no first byte")),
        (request(1), Answer::Unreachable("refused".into()), Answer::Silence, Some(silent)),
        (Method::Connect(25), Answer::Unreachable("refused".into()), Answer::Silence, None),
    ];
    for (method, first, then, want) in rows {
        let check = CheckSettings { method, ..icmp() };
        let mut site = Site::confirmed(&with_service(no_services(), 1, 0, &[1, 2], check));
        let endpoint = Endpoint { address: ip(1), method };
        let begun = site.probes_of_endpoint(endpoint);
        site.answers.insert(endpoint, first.clone());
        site.ledger.changed.insert(ip(1), site.now);
        while site.probes_of_endpoint(endpoint) == begun {
            site.run_for(ms(1));
        }
        site.run_for(ms(50));
        site.answers.insert(endpoint, then.clone());
        site.run_for(ms(5_000));
        let flip = site.ledger.reason_of_flip();
        assert_eq!(flip, Some(want), "{first:?}, {then:?}");
    }
}

#[test]
fn a_target_that_asks_gives_its_own_words() {
    let mut site = Site::confirmed(&watched(3));
    answers(&mut site, 0, Some(wrong("503")));
    site.run_for(ms(10_000));
    assert_eq!(failed(&site), ["c0: connect 0.4 ms, then 503"]);
    answers(&mut site, 1, Some(Answer::Asked("connect 0.4 ms, then drain".into())));
    site.run_for(ms(10_000));
    assert_eq!(failed(&site), ["c1: connect 0.4 ms, then drain"]);
}

#[test]
fn a_reload_forgets_the_reasons_of_checks_that_are_gone() {
    let mut site = Site::confirmed(&watched(3));
    answers(&mut site, 1, Some(wrong("503")));
    site.run_for(ms(5_000));
    let mut renamed = watched(3);
    let its = renamed.services.get_mut(&service(1)).unwrap();
    its.checks[1].name = "api".to_owned();
    site.reload(renamed);
    assert_eq!(failed(&site), ["api: connect 0.4 ms, then 503"]);
}

#[test]
fn one_echo_request_explains_nothing() {
    let mut site = Site::confirmed(&with_service(no_services(), 1, 0, &[1, 2], icmp()));
    site.dies(1);
    site.run_for(ms(10_000));
    assert_eq!((site.health(1, 1), failed(&site)), (Some(Health::Down), vec![]));
}

const FAULT: Answer = Answer::Fault(String::new());

#[test]
fn a_target_that_cannot_be_asked_is_reported_once_however_many_checks_it_has() {
    let mut site = Site::confirmed(&watched(3));
    answers(&mut site, 0, Some(FAULT));
    site.run_for(ms(25_000));
    answers(&mut site, 1, Some(FAULT));
    site.run_for(ms(120_000));
    assert_eq!(site.ledger.story(service(1)), ["1 unknown", "1 still unknown"]);
    let view = site.engine.target_view(target(1, 1)).unwrap();
    let age = crate::engine::Moment::after_start(site.now).since(view.judged);
    assert!(view.unknown && age > ms(100_000), "the check that cannot be asked counts: {age:?}");
    let unknown: Vec<_> =
        site.engine.checks_of(target(1, 1)).iter().map(|check| check.unknown).collect();
    assert_eq!(unknown, [true, true, false]);
    // The check that cannot be asked for longer is back first.
    answers(&mut site, 0, None);
    site.run_for(ms(5_000));
    answers(&mut site, 1, None);
    site.run_for(ms(5_000));
    let story = site.ledger.story(service(1));
    assert_eq!(story[2..], ["1 known, notified true"], "{story:?}");
}

#[test]
fn a_check_that_is_only_watched_makes_no_target_unknown() {
    let mut settings = watched(2);
    settings.services.get_mut(&service(1)).unwrap().checks[0].counts = false;
    let mut site = Site::confirmed(&settings);
    answers(&mut site, 0, Some(FAULT));
    site.run_for(ms(120_000));
    answers(&mut site, 0, None);
    site.run_for(ms(5_000));
    assert_eq!(site.ledger.story(service(1)), [""; 0]);
}

#[test]
fn a_reload_that_removes_the_check_that_cannot_be_asked_ends_the_silence() {
    let mut site = Site::confirmed(&watched(3));
    answers(&mut site, 0, Some(FAULT));
    site.run_for(ms(30_000));
    let mut fewer = watched(2);
    fewer.services.get_mut(&service(1)).unwrap().checks.remove(0);
    site.reload(fewer);
    site.run_for(ms(5_000));
    // Another one is as good as new.
    answers(&mut site, 1, Some(FAULT));
    site.run_for(ms(30_000));
    assert_eq!(site.ledger.story(service(1)), ["1 unknown", "1 unknown"]);
}
