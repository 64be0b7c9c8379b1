//! Wrong answers: a deployment that breaks one target or all of them, and targets that ask to be taken
//! out.

use std::num::NonZeroU32;

use super::site::*;
use crate::engine::event::{Fact, Reason};
use crate::engine::ids::RequestId;
use crate::engine::settings::{CheckSettings, Settings};
use crate::engine::tests::cluster::chance::Chance;
use crate::engine::tests::world::{ip, last, ms};
use crate::engine::types::{Answer, Endpoint, Health, Method, WrongAnswer};

/// The number of random orders in which a deployment reaches the targets.
const ORDERS: u64 = 100;

fn method() -> Method {
    Method::Request(RequestId::from(1))
}

/// Returns a service with targets that get a request.
fn asked_by_request(targets: &[u8]) -> Settings {
    let check = CheckSettings { method: method(), ..icmp() };
    with_service(no_services(), 1, 0, targets, check)
}

/// Returns a wrong answer with this status.
fn status(code: u16) -> Answer {
    let reason = format!("connect 0.4 ms, then {code} (wanted 200-299)");
    Answer::Failed(WrongAnswer { kind: format!("status {code}"), reason })
}

/// Makes a target answer like this from now on; `None` is the right answer.
fn answers(site: &mut Site, last: u8, answer: Option<Answer>) {
    let endpoint = Endpoint { address: ip(last), method: method() };
    site.ledger.changed.insert(ip(last), site.now);
    match answer {
        Some(answer) => _ = site.answers.insert(endpoint, answer),
        None => _ = site.answers.remove(&endpoint),
    }
}

/// Returns the targets that were withdrawn so far, in order.
fn withdrawn(site: &Site) -> Vec<u8> {
    let facts = site.ledger.facts.iter().filter_map(|(_, fact)| match fact {
        Fact::Applied { withdrawn, .. } => Some(withdrawn.keys()),
        _ => None,
    });
    facts.flatten().map(last).collect()
}

/// Returns the number of times that it was reported that targets fail alike.
fn alarms(site: &Site) -> usize {
    site.ledger.facts.iter().filter(|(_, fact)| matches!(fact, Fact::Alike { .. })).count()
}

/// Returns the three targets in a random order.
fn shuffled(chance: &mut Chance) -> [u8; 3] {
    let mut order = [1, 2, 3];
    for place in [2, 1] {
        order.swap(place, chance.below(place + 1));
    }
    order
}

#[test]
fn a_deployment_that_breaks_all_targets_at_once_withdraws_none() {
    for seed in 0..ORDERS {
        let mut chance = Chance::new(seed);
        let mut site = Site::confirmed(&asked_by_request(&[1, 2, 3]));
        site.run_for(chance.between(0, 2_000));
        for target in shuffled(&mut chance) {
            answers(&mut site, target, Some(status(503)));
        }
        site.run_for(ms(30_000));
        assert_eq!(withdrawn(&site), [0; 0], "seed {seed}");
        assert_eq!(alarms(&site), 1, "seed {seed}");
        for target in [1, 2, 3] {
            let view = site.engine.target_view(target_of(target)).unwrap();
            assert_eq!((view.health, view.reason), (Health::Down, Some(Reason::Alike)));
        }
        for target in shuffled(&mut chance) {
            answers(&mut site, target, None);
        }
        site.run_for(ms(10_000));
        assert_eq!((withdrawn(&site), alarms(&site)), (vec![], 1), "seed {seed}");
        let over = site.ledger.story(service(1)).iter().filter(|it| *it == "alike no more").count();
        assert_eq!(over, 1, "seed {seed}");
        site.assert_sound("in the end");
    }
}

fn target_of(last: u8) -> crate::engine::ids::TargetRef {
    target(1, last)
}

#[test]
fn a_deployment_that_breaks_one_target_after_another_never_withdraws_the_last() {
    for seed in 0..ORDERS {
        let mut chance = Chance::new(seed);
        let mut site = Site::confirmed(&asked_by_request(&[1, 2, 3]));
        let order = shuffled(&mut chance);
        for target in order {
            answers(&mut site, target, Some(status(503)));
            site.run_for(chance.between(0, 1_500));
        }
        site.run_for(ms(30_000));
        let gone = withdrawn(&site);
        assert!(
            gone.iter().all(|it| order[..2].contains(it)),
            "seed {seed}: {gone:?} of {order:?}"
        );
        assert!(site.published(1).contains(&order[2]), "seed {seed}");
        assert_eq!(alarms(&site), 1, "seed {seed}: the last one cannot be told from the others");
        for target in order {
            answers(&mut site, target, None);
        }
        site.run_for(ms(10_000));
        assert_eq!(site.published(1), [1, 2, 3], "seed {seed}");
    }
}

#[test]
fn a_deployment_that_breaks_one_of_three_targets_withdraws_it_without_delay() {
    for seed in 0..ORDERS {
        let mut chance = Chance::new(seed);
        let mut site = Site::confirmed(&asked_by_request(&[1, 2, 3]));
        site.run_for(chance.between(0, 2_000));
        let [broken, ..] = shuffled(&mut chance);
        answers(&mut site, broken, Some(status(503)));
        let since = site.now;
        site.run_for(ms(30_000));
        assert_eq!((withdrawn(&site), alarms(&site)), (vec![broken], 0), "seed {seed}");
        let flipped = site.ledger.flips(service(1))[0].0;
        // A probe a second, and two more at the retry interval.
        assert!(flipped <= since + ms(1_000 + 2 * 200 + 20), "seed {seed}: {since:?} {flipped:?}");
    }
}

/// The first target is found broken before a slow one has had time to answer anything since.
#[test]
fn a_broken_target_among_slow_ones_is_withdrawn_without_an_alarm() {
    for (threshold, seed) in (1..=3).flat_map(|it| (0..ORDERS / 3).map(move |seed| (it, seed))) {
        let mut chance = Chance::new(seed);
        let mut check = asked_by_request(&[1, 2, 3]);
        let its = check.services.get_mut(&service(1)).unwrap();
        its.checks[0].check.thresholds.failure = NonZeroU32::new(threshold).unwrap();
        let mut site = Site::confirmed(&check);
        for last in [2, 3] {
            site.slow.insert(ip(last), ms(480));
        }
        site.run_for(ms(5_000) + chance.between(0, 2_000));
        answers(&mut site, 1, Some(status(503)));
        site.run_for(ms(20_000));
        assert_eq!((withdrawn(&site), alarms(&site)), (vec![1], 0), "{threshold}, seed {seed}");
    }
}

/// A maintenance page first, and an error once the new version runs.
#[test]
fn a_deployment_that_fails_in_one_way_first_and_in_another_later_withdraws_none() {
    for seed in 0..ORDERS {
        let mut chance = Chance::new(seed);
        let mut site = Site::confirmed(&asked_by_request(&[1, 2, 3]));
        site.run_for(chance.between(0, 2_000));
        for code in [503, 502, 500, 503, 500] {
            for target in [1, 2, 3] {
                answers(&mut site, target, Some(status(code)));
            }
            site.run_for(ms(1_500) + chance.between(0, 8_000));
        }
        site.run_for(ms(10_000));
        assert_eq!((withdrawn(&site), alarms(&site)), (vec![], 1), "seed {seed}");
    }
}

/// The probe of the slow target that fails first was sent before the deployment. Others, which decide
/// sooner, still answered well to later probes then.
#[test]
fn a_deployment_that_breaks_a_slow_target_and_fast_ones_at_once_withdraws_none() {
    for seed in 0..ORDERS {
        let mut chance = Chance::new(seed);
        let mut site = Site::confirmed(&asked_by_request(&[1, 2, 3]));
        site.slow.insert(ip(1), ms(480));
        site.run_for(ms(5_000) + chance.between(0, 2_000));
        for target in [1, 2, 3] {
            answers(&mut site, target, Some(status(503)));
        }
        site.run_for(ms(20_000));
        assert_eq!((withdrawn(&site), alarms(&site)), (vec![], 1), "seed {seed}");
    }
}

#[test]
fn other_answers_are_evidence_and_silence_is_none() {
    // The answers of the three targets, and the withdrawn ones.
    let rows = [
        ("another status", [Some(status(503)), Some(status(404)), None], vec![1, 2]),
        (
            "all in another way",
            [Some(status(503)), Some(status(404)), Some(status(500))],
            vec![1, 2, 3],
        ),
        ("two alike, one well", [Some(status(503)), Some(status(503)), None], vec![1, 2]),
        (
            "two alike, one silent",
            [Some(status(503)), Some(status(503)), Some(Answer::Silence)],
            vec![3],
        ),
        (
            "all silent",
            [Some(Answer::Silence), Some(Answer::Silence), Some(Answer::Silence)],
            vec![1, 2, 3],
        ),
    ];
    for (name, given, gone) in rows {
        let mut site = Site::confirmed(&asked_by_request(&[1, 2, 3]));
        for (target, answer) in (1..).zip(given) {
            answers(&mut site, target, answer);
        }
        site.run_for(ms(30_000));
        let mut withdrawn = withdrawn(&site);
        withdrawn.sort_unstable();
        assert_eq!(withdrawn, gone, "{name}");
    }
}

#[test]
fn an_only_target_is_compared_with_nothing() {
    let mut site = Site::confirmed(&asked_by_request(&[1]));
    answers(&mut site, 1, Some(status(503)));
    site.run_for(ms(10_000));
    assert_eq!((withdrawn(&site), alarms(&site)), (vec![1], 0));
}

#[test]
fn targets_that_fail_alike_go_as_soon_as_one_answers_well_again() {
    let mut site = Site::confirmed(&asked_by_request(&[1, 2, 3]));
    for target in [1, 2, 3] {
        answers(&mut site, target, Some(status(503)));
    }
    site.run_for(ms(30_000));
    assert_eq!(withdrawn(&site), [0; 0]);
    answers(&mut site, 2, None);
    site.run_for(ms(2_100));
    let mut gone = withdrawn(&site);
    gone.sort_unstable();
    assert_eq!(gone, [1, 3]);
    assert_eq!(site.published(1), [2]);
    site.assert_sound("in the end");
}

#[test]
fn wrong_answers_of_one_of_several_checks_hold_the_target_only_if_they_decide() {
    let mut settings = asked_by_request(&[1, 2]);
    let request = CheckSettings { method: method(), ..icmp() };
    let its = settings.services.get_mut(&service(1)).unwrap();
    set_checks(its, &[icmp(), request], 2);
    let mut site = Site::confirmed(&settings);
    for target in [1, 2] {
        answers(&mut site, target, Some(status(503)));
    }
    site.run_for(ms(10_000));
    assert_eq!(withdrawn(&site), [0; 0], "both requests fail alike");
    site.dies(1);
    answers(&mut site, 1, Some(status(503)));
    site.run_for(ms(10_000));
    assert_eq!(withdrawn(&site), [1], "its echo requests are not answered, either");
}

#[test]
fn a_target_that_asks_goes_at_once_and_comes_back_by_replies() {
    let mut site = Site::confirmed(&asked_by_request(&[1, 2]));
    answers(&mut site, 1, Some(Answer::Asked("503 drain".into())));
    site.run_for(ms(1_200));
    assert_eq!((withdrawn(&site), alarms(&site)), (vec![1], 0), "with the first probe");
    let view = site.engine.target_view(target_of(1)).unwrap();
    assert_eq!((view.health, view.reason), (Health::Down, Some(Reason::Asked)));
    let flips = site.ledger.facts.iter().filter(|(_, it)| matches!(it, Fact::Flipped { .. }));
    assert_eq!(flips.count(), 0, "it did not fail");
    let gone = site.ledger.facts.iter().find_map(|(_, fact)| match fact {
        Fact::Applied { withdrawn, .. } => withdrawn.values().next().cloned(),
        _ => None,
    });
    assert!(gone.is_some_and(|gone| gone.asked && !gone.by_hand));
    // It is shut down then. Nothing changes.
    answers(&mut site, 1, Some(Answer::Silence));
    site.run_for(ms(20_000));
    let view = site.engine.target_view(target_of(1)).unwrap();
    assert_eq!((view.health, view.reason), (Health::Down, Some(Reason::Asked)));
    answers(&mut site, 1, None);
    site.run_for(ms(5_000));
    assert_eq!(site.published(1), [1, 2]);
    site.assert_sound("in the end");
}

#[test]
fn a_target_that_fails_as_all_others_goes_if_it_asks() {
    let mut site = Site::confirmed(&asked_by_request(&[1, 2, 3]));
    for target in [1, 2, 3] {
        answers(&mut site, target, Some(status(503)));
    }
    site.run_for(ms(10_000));
    assert_eq!((withdrawn(&site), alarms(&site)), (vec![], 1));
    answers(&mut site, 2, Some(Answer::Asked("maint".into())));
    site.run_for(ms(2_000));
    assert_eq!(withdrawn(&site), [2]);
    site.assert_sound("in the end");
}

#[test]
fn a_reload_compares_the_targets_of_the_new_settings() {
    let mut site = Site::confirmed(&asked_by_request(&[1, 2, 3]));
    for target in [1, 2, 3] {
        answers(&mut site, target, Some(status(503)));
    }
    site.run_for(ms(10_000));
    assert_eq!(withdrawn(&site), [0; 0]);
    site.reload(asked_by_request(&[1]));
    site.run_for(ms(2_000));
    assert_eq!(withdrawn(&site), [1], "it is compared with nothing now");
    site.reload(asked_by_request(&[1, 2]));
    answers(&mut site, 1, None);
    site.run_for(ms(10_000));
    assert!(site.published(1).contains(&1));
    site.assert_sound("in the end");
}

/// Each comparison looks at all targets of the service, so many are compared together.
#[test]
fn many_targets_that_fail_alike_stay_and_go_as_few_do() {
    let all: Vec<u8> = (1..=200).collect();
    let mut site = Site::confirmed(&asked_by_request(&all));
    for target in &all {
        answers(&mut site, *target, Some(status(503)));
    }
    site.run_for(ms(5_000));
    assert_eq!((withdrawn(&site), alarms(&site)), (vec![], 1));
    answers(&mut site, 200, None);
    site.run_for(ms(3_000));
    assert_eq!(withdrawn(&site).len(), 199);
    assert_eq!(site.published(1), [200]);
    site.assert_sound("in the end");
}

#[test]
fn the_floor_holds_a_target_that_asks() {
    let mut settings = asked_by_request(&[1, 2]);
    settings.services.get_mut(&service(1)).unwrap().floor = 1;
    let mut site = Site::confirmed(&settings);
    for target in [1, 2] {
        answers(&mut site, target, Some(Answer::Asked("maint".into())));
    }
    site.run_for(ms(10_000));
    assert_eq!(site.published(1).len(), 1, "{:?}", site.ledger.story(service(1)));
    site.assert_sound("in the end");
}
