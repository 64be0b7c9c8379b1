//! Complaints about such bounds elsewhere, each played here. Those about rounding are rows in
//! `settings/tests/max_out.rs`.

use super::*;
use crate::engine::types::{Method, WrongAnswer};

/// Envoy #27066 and Istio #20135: 67 % of three, or 75 % of four, and all of them were ejected.
#[test]
fn the_one_that_would_be_beyond_the_share_stays_however_long_it_is_dead() {
    for (count, limit) in [(3, 2), (4, 3)] {
        let mut site = Site::started(&with_limit(count, limit, 0));
        let all: Vec<u8> = (1..=count).collect();
        die_in_turn(&mut site, &all);
        assert_out(&site, &[count], &[count], "the last one");
        site.run_for(ms(3_600_000));
        assert_out(&site, &[count], &[count], "an hour later");
    }
}

/// gRPC-Java #9492: one more went when exactly as many were out as may be.
#[test]
fn with_exactly_as_many_out_as_may_be_no_further_one_goes() {
    let mut site = Site::started(&with_limit(4, 2, 0));
    all_die(&mut site, &[3, 4]);
    assert_out(&site, &[1, 2], &[], "as many as may be");
    all_die(&mut site, &[2]);
    assert_out(&site, &[1, 2], &[2], "one more is dead");
}

/// Envoy #17504: the only host of a cluster was ejected. `min_in_service` keeps it, not the share.
#[test]
fn the_only_address_is_kept_by_the_floor() {
    let mut settings = with_limit(1, 1, 1);
    settings.services.get_mut(&service(1)).unwrap().max_out = None;
    let mut site = Site::started(&settings);
    all_die(&mut site, &[1]);
    assert_eq!((site.published(1), site.reason(1, 1)), (vec![1], Some(Reason::Floor)));
}

/// Envoy #18950 and #1491: a host that was still failing was never ejected once that was possible again,
/// since its failures had been counted before.
#[test]
fn one_that_was_held_goes_without_another_flip_as_soon_as_there_is_room() {
    let mut site = Site::started(&with_limit(4, 1, 0));
    die_in_turn(&mut site, &[3, 2]);
    assert_out(&site, &[1, 2, 4], &[2], "no room");
    site.run_for(ms(600_000));
    let before = flips(&site, 2);
    site.lives(3);
    site.run_for(ms(8_000));
    assert_out(&site, &[1, 3, 4], &[], "room");
    assert_eq!(flips(&site, 2), before, "it was dead all the time");
}

/// Returns the number of changes of a target's health.
fn flips(site: &Site, number: u8) -> usize {
    let facts = site.ledger.facts.iter();
    let flips = facts
        .filter(|(_, fact)| matches!(fact, Fact::Flipped { target, .. } if *target == ip(number)));
    flips.count()
}

/// Kubernetes #30536: the master was cut off from all nodes, and evicted everything. #70501: it did so only
/// if all of them were gone, since that was no special case any more.
#[test]
fn of_all_that_are_silent_at_once_no_more_go_and_the_end_takes_out_none() {
    let mut site = Site::started(&with_limit(6, 3, 0));
    all_die(&mut site, &[1, 2, 3, 4, 5, 6]);
    let kept = held(&site);
    assert_eq!((site.published(1), kept.len()), (kept.clone(), 3), "cut off");
    site.run_for(ms(3_600_000));
    assert_out(&site, &kept, &kept, "still cut off");
    let before = site.ledger.facts.len();
    (1..=6).for_each(|number| site.lives(number));
    site.run_for(ms(8_000));
    assert_out(&site, &[1, 2, 3, 4, 5, 6], &[], "back");
    let withdrew = site.ledger.facts[before..].iter().any(|(_, fact)| match fact {
        Fact::Applied { withdrawn, .. } => !withdrawn.is_empty(),
        _ => false,
    });
    assert!(!withdrew, "nothing goes on the way back");
}

/// Kubernetes #72320: a dead one could not be drained, since that counted as a disruption.
#[test]
fn a_dead_address_that_is_held_can_be_drained_without_force() {
    let mut site = Site::started(&with_limit(4, 1, 1));
    die_in_turn(&mut site, &[3, 2]);
    assert_out(&site, &[1, 2, 4], &[2], "one of two is held");
    site.drain(target(1, 2), None, false);
    site.run_for(ms(2_000));
    assert_eq!(site.ledger.answers.last().unwrap().1, Ok(()));
    assert_out(&site, &[1, 4], &[], "drained");
}

/// Cluster API #5451: one beyond the limit did not show that it was dead, or why nothing was done about it.
#[test]
fn each_one_that_is_held_is_shown_as_dead_with_the_reason() {
    let mut site = Site::started(&with_limit(4, 1, 0));
    die_in_turn(&mut site, &[4, 1, 2, 3]);
    for number in [1, 2, 3] {
        let view = site.engine.target_view(target(1, number)).unwrap();
        let shown = (view.health, view.in_service, view.reason);
        assert_eq!(shown, (Health::Down, true, Some(Reason::MaxOut)), "{number}");
    }
    let said = |number: u8| {
        let facts = site.ledger.facts.iter();
        facts.filter(|(_, fact)| is_refused(fact, number)).count()
    };
    assert_eq!([1, 2, 3, 4].map(said), [1, 1, 1, 0], "each is said once");
}

fn is_refused(fact: &Fact, number: u8) -> bool {
    let max_out = Reason::MaxOut;
    matches!(fact, Fact::Refused { target, reason, .. } if *target == ip(number) && *reason == max_out)
}

/// Sōzu #1204: all back ends were taken out because the database behind them was gone. Here the answers say
/// that it is one cause, and nothing goes; once one of them is well, no more than the share.
#[test]
fn a_cause_behind_all_of_them_takes_out_none_and_behind_most_of_them_the_share() {
    let mut settings = with_limit(4, 2, 0);
    let method = Method::Request(0.into());
    settings.services.get_mut(&service(1)).unwrap().checks[0].check.method = method;
    let mut site = Site::started(&settings);
    for number in [1, 2, 3, 4] {
        let failed =
            Answer::Failed(WrongAnswer { kind: "status 503".into(), reason: "then 503".into() });
        site.answers.insert(Endpoint { address: ip(number), method }, failed);
    }
    site.run_for(ms(20_000));
    assert_eq!(site.published(1), [1, 2, 3, 4]);
    assert_eq!([1, 2, 3, 4].map(|number| site.reason(1, number)), [Some(Reason::Alike); 4]);
    site.answers.remove(&Endpoint { address: ip(4), method });
    site.run_for(ms(20_000));
    let kept = held(&site)[0];
    assert_out(&site, &[kept, 4], &[kept], "one is well");
}

/// DPVS #945 and keepalived #129: a reload that replaced all addresses lost count.
#[test]
fn a_reload_that_replaces_addresses_counts_those_that_are_left() {
    let mut site = Site::started(&with_limit(4, 2, 0));
    all_die(&mut site, &[3, 4]);
    assert_out(&site, &[1, 2], &[], "as many as may be");
    let mut replaced = with_service(no_services(), 1, 0, &[1, 2, 5, 6], icmp());
    replaced.services.get_mut(&service(1)).unwrap().max_out = Some(2);
    site.reload(replaced);
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [1, 2, 5, 6], "3 and 4 are none of the service any more");
    all_die(&mut site, &[1, 2, 5]);
    assert_out(&site, &[1, 6], &[1], "the room is that of the new ones");
}
