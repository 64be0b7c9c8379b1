//! Several checks of one target: how many must be up, and those that are only watched.

use super::site::*;
use crate::engine::ids::RequestId;
use crate::engine::settings::{CheckSettings, Settings};
use crate::engine::tests::world::{ip, ms};
use crate::engine::types::{Answer, Endpoint, Health, Method, WrongAnswer};

/// Returns a service with two machines that are watched by echo requests, port 80 and port 25.
/// `require` of the checks must be up.
fn three_checks(require: usize) -> Settings {
    let mut settings = with_service(no_services(), 1, 0, &[1, 2], icmp());
    let its = settings.services.get_mut(&service(1)).unwrap();
    set_checks(its, &[icmp(), tcp(80), tcp(25)], require);
    settings
}

#[test]
fn so_many_checks_decide_whether_a_target_is_up() {
    // The number required, and whether the target is in DNS with one and with two dead ports.
    for (require, one, two) in [(3, false, false), (2, true, false), (1, true, true)] {
        let mut site = Site::confirmed(&three_checks(require));
        assert_eq!(site.engine.endpoint_count(), 6);
        site.port_dies(1, 80);
        site.run_for(ms(10_000));
        assert_eq!(site.published(1).contains(&1), one, "{require} required, one dead");
        site.port_dies(1, 25);
        site.run_for(ms(10_000));
        assert_eq!(site.published(1).contains(&1), two, "{require} required, two dead");
        site.dies(1);
        site.run_for(ms(10_000));
        assert_eq!(site.published(1), [2], "{require} required, all dead");
        site.lives(1);
        site.run_for(ms(10_000));
        assert_eq!(site.published(1), [1, 2], "{require} required, all alive");
        site.assert_sound("in the end");
    }
}

#[test]
fn each_check_is_reported_and_the_target_flips_with_the_decisive_one() {
    let mut site = Site::confirmed(&three_checks(2));
    site.port_dies(1, 80);
    site.run_for(ms(10_000));
    assert_eq!(site.ledger.story(service(1)), ["1 c1 Down"], "the target is up");
    site.port_dies(1, 25);
    site.run_for(ms(10_000));
    let story = site.ledger.story(service(1));
    assert_eq!(story[..3], ["1 c1 Down", "1 c2 Down", "1 Up Down"], "{story:?}");
    let view = site.engine.target_view(target(1, 1)).unwrap();
    let views = site.engine.checks_of(target(1, 1));
    let checks: Vec<_> = views.iter().map(|it| (it.name.as_str(), it.health)).collect();
    let (up, down) = (Health::Up, Health::Down);
    assert_eq!(checks, [("c0", up), ("c1", down), ("c2", down)]);
    assert_eq!((view.health, view.endpoint), (down, views[1].endpoint));
}

#[test]
fn a_check_that_is_only_watched_never_counts() {
    let mut settings = three_checks(2);
    settings.services.get_mut(&service(1)).unwrap().checks[1].counts = false;
    let mut site = Site::confirmed(&settings);
    site.port_dies(1, 80);
    site.run_for(ms(10_000));
    assert_eq!(site.published(1), [1, 2]);
    assert_eq!(site.ledger.story(service(1)), ["1 c1 Down"], "it is shown");
    site.port_dies(1, 25);
    site.run_for(ms(10_000));
    assert_eq!(site.published(1), [2], "both of the others are required");
    site.assert_sound("in the end");
}

#[test]
fn checks_are_shared_with_other_services() {
    let settings = with_service(three_checks(3), 2, 1, &[1, 3], tcp(80));
    let mut site = Site::confirmed(&settings);
    assert_eq!(site.engine.endpoint_count(), 7);
    site.port_dies(1, 80);
    site.run_for(ms(10_000));
    assert_eq!([1, 2].map(|it| site.published(it)), [vec![2], vec![3]]);
    assert_eq!(site.ledger.story(service(2))[0], "1 Up Down");
    site.assert_sound("in the end");
}

#[test]
fn a_reload_keeps_the_counts_of_the_checks_that_stay() {
    let mut site = Site::confirmed(&three_checks(1));
    site.port_dies(1, 80);
    site.run_for(ms(10_000));
    assert_eq!(site.published(1), [1, 2]);
    // The required number rises: the dead port decides without another probe.
    let moment = site.now;
    site.reload(three_checks(3));
    site.run_for(ms(300));
    assert_eq!(site.published(1), [2], "since {moment:?}");
    // Without the dead check the target is up by the others.
    let mut without = three_checks(3);
    let its = without.services.get_mut(&service(1)).unwrap();
    set_checks(its, &[tcp(25), icmp()], 2);
    site.reload(without);
    site.run_for(ms(1_500));
    assert_eq!(site.published(1), [1, 2]);
    assert_eq!(site.engine.endpoint_count(), 4);
    // A check that is added has to be confirmed before it counts against the target.
    site.reload(three_checks(3));
    site.run_for(ms(200));
    assert_eq!(site.published(1), [1, 2]);
    site.run_for(ms(10_000));
    assert_eq!(site.published(1), [2]);
    site.assert_sound("in the end");
}

#[test]
fn all_checks_of_a_rehearsed_target_die() {
    let settings = with_service(three_checks(1), 2, 1, &[1], tcp(80));
    let mut site = Site::rehearsing(&settings, &[target(1, 1)].into());
    assert_eq!(site.engine.endpoint_count(), 7, "the shared probe is made twice");
    site.run_until(ms(6_500));
    assert_eq!([1, 2].map(|it| site.published(it)), [vec![2], vec![1]]);
    site.run_until(ms(20_000));
    assert_eq!([1, 2].map(|it| site.published(it)), [vec![1, 2], vec![1]]);
    assert_eq!(site.engine.endpoint_count(), 6, "it is shared again");
}

/// Runs for a minute in which these ports answer no probe that is sent within 900 ms after one that they
/// have answered.
fn ports_limit(site: &mut Site, ports: &[u16]) {
    let endpoints =
        ports.iter().map(|port| Endpoint { address: ip(1), method: Method::Connect(*port) });
    let mut limited: Vec<_> =
        endpoints.map(|it| (it, site.probes_of_endpoint(it), site.now)).collect();
    let end = site.now + ms(60_000);
    while site.now < end {
        for (endpoint, sent, next) in &mut limited {
            let all = site.probes_of_endpoint(*endpoint);
            if *next <= site.now && all > std::mem::replace(sent, all) {
                *next = site.now + ms(900);
            }
            *sent = all;
            if *next <= site.now {
                site.answers.remove(endpoint);
            } else {
                site.answers.insert(*endpoint, Answer::Silence);
            }
        }
        site.run_for(ms(1));
    }
    for (endpoint, ..) in limited {
        site.answers.remove(&endpoint);
    }
}

#[test]
fn a_target_limits_its_answers_as_long_as_one_of_its_checks_does() {
    let mut site = Site::new(&three_checks(1));
    let noticed_after = Some(ms(3 * 1_000 + 500));
    for ports in [&[80, 25][..], &[80]] {
        ports_limit(&mut site, ports);
        let limits = site.engine.target_view(target(1, 1)).unwrap().limits;
        assert_eq!(limits, noticed_after, "{ports:?}");
    }
    // Once known, it is asked again every hour.
    site.run_for(ms(65 * 60_000));
    assert_eq!(site.engine.target_view(target(1, 1)).unwrap().limits, None);
}

/// Returns a service with two machines that get a request.
fn with_request() -> (Settings, Method) {
    let method = Method::Request(RequestId::from(7));
    let check = CheckSettings { method, ..icmp() };
    (with_service(no_services(), 1, 0, &[1, 2], check), method)
}

#[test]
fn a_loss_carries_the_reason_that_the_prober_gave() {
    let wrong = WrongAnswer { kind: "status 503".into(), reason: "then 503".into() };
    let rows = [
        (Answer::Failed(wrong), Some("then 503"), ms(420)),
        (Answer::Unreachable("refused".into()), Some("refused"), ms(420)),
        (Answer::TimedOut("no first byte".into()), Some("no first byte"), ms(1_500)),
        (Answer::Silence, Some("no answer within the timeout"), ms(1_500)),
    ];
    for (answer, reason, within) in rows {
        let (settings, method) = with_request();
        let mut site = Site::confirmed(&settings);
        let endpoint = Endpoint { address: ip(1), method };
        site.answers.insert(endpoint, answer.clone());
        site.ledger.changed.insert(ip(1), site.now);
        let first = site.probes_of_endpoint(endpoint);
        while site.probes_of_endpoint(endpoint) == first {
            site.run_for(ms(1));
        }
        site.run_for(within);
        let flip = site.ledger.reason_of_flip();
        assert_eq!(flip, Some(reason), "{answer:?}");
    }
}

#[test]
fn a_probe_that_was_not_begun_moves_no_counter() {
    let (settings, method) = with_request();
    let mut site = Site::confirmed(&settings);
    site.answers.insert(Endpoint { address: ip(1), method }, Answer::Unsent);
    site.run_for(ms(60_000));
    assert_eq!(site.published(1), [1, 2]);
    let story = site.ledger.story(service(1));
    assert_eq!(story, ["1 unknown"], "its health is not known any more");
}
