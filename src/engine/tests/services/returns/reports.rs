//! Complaints about delays and penalties elsewhere, each played here.

use super::*;
use crate::engine::settings::StandbySettings;

/// keepalived #80 and #82: after a power loss of all machines the outage was longer by the delay.
#[test]
fn after_a_power_loss_the_first_machine_is_back_at_once() {
    let mut site = Site::started(&waiting(&[1, 2, 3], 600, 600));
    for number in [1, 2, 3] {
        site.dies(number);
    }
    site.run_for(ms(5_000));
    assert!(site.published(1).is_empty());
    for number in [1, 2, 3] {
        site.lives(number);
    }
    site.run_for(ms(5_000));
    assert_eq!(site.published(1).len(), 1, "one at once, the others late");
    site.run_for(seconds(600));
    assert_eq!(site.published(1), [1, 2, 3]);
}

/// keepalived #80 and #82: a reload applied the delay to a machine that was in service.
#[test]
fn a_reload_delays_nothing_that_is_in_service() {
    let settings = waiting(&[1, 2], 600, 600);
    let mut site = Site::started(&settings);
    let before = site.ledger.orders.len();
    for _ in 0..3 {
        site.reload(settings.clone());
        site.run_for(ms(3_000));
        assert_eq!((site.published(1), site.reason(1, 1)), (vec![1, 2], None));
    }
    let ordered = &site.ledger.orders[before..];
    assert!(ordered.iter().all(|(_, it)| it.desired.values().all(|it| *it == Desired::Serve)));
}

/// keepalived #296 and #346: the delay was ignored on the way back from a fault.
#[test]
fn a_target_that_comes_back_from_a_fault_waits_all_the_same() {
    let mut site = Site::started(&waiting(&[1, 2], 60, 60));
    site.dies(1);
    site.run_for(ms(4_000));
    site.unreachable.insert(ip(1));
    site.run_for(seconds(120));
    site.lives(1);
    site.unreachable.clear();
    site.run_for(ms(4_000));
    assert_eq!((site.published(1), site.reason(1, 1)), (vec![2], Some(Reason::Returning)));
    site.run_for(seconds(60));
    assert_eq!(site.published(1), [1, 2]);
}

/// keepalived #2418 and #2559: a delay that a reload found, or took out of the file, never ended.
#[test]
fn a_reload_that_takes_the_delay_out_of_the_file_ends_the_wait() {
    let settings = waiting(&[1, 2], 600, 600);
    let mut without = settings.clone();
    without.services.get_mut(&service(1)).unwrap().returns = ReturnSettings::default();
    for after in [settings.clone(), without] {
        let mut site = Site::started(&settings);
        fails(&mut site, 1);
        assert_eq!(site.reason(1, 1), Some(Reason::Returning));
        site.reload(after);
        site.run_for(ms(2_000));
        assert_eq!((site.published(1), site.reason(1, 1)), (vec![1, 2], None));
    }
}

/// Envoy #6016 and #17147: the time never became shorter again once it was at its maximum.
/// Envoy #37602: it went on counting beyond the maximum, so that it took the longer to come down.
#[test]
fn a_penalty_at_its_maximum_comes_down_however_often_it_was_reached() {
    let mut site = Site::started(&waiting(&[1, 2], 10, 40));
    for _ in 0..8 {
        fails(&mut site, 1);
        site.put_back(target(1, 1), false);
        site.run_for(ms(1_000));
    }
    // 40 + 20 + 10 seconds, and the time that it takes to notice a failure.
    site.run_for(seconds(75));
    fails(&mut site, 1);
    assert!(wait(&site, 1).unwrap().0 <= 10);
}

/// Envoy #21142 and #26758: the time came down although nothing showed that the host was well, and did not
/// grow from one ejection to the next.
#[test]
fn a_penalty_does_not_come_down_in_a_wait_or_without_evidence() {
    let mut site = Site::started(&waiting(&[1, 2], 10, 40));
    for _ in 0..2 {
        fails(&mut site, 1);
        site.put_back(target(1, 1), false);
        site.run_for(ms(1_000));
    }
    site.unreachable.insert(ip(1));
    site.run_for(seconds(300));
    site.unreachable.clear();
    fails(&mut site, 1);
    assert!(wait(&site, 1).unwrap().0 > 30, "it was not seen to be well");
}

/// HAProxy #2424: a server that was made ready after its maintenance got no requests.
#[test]
fn a_machine_that_was_rebooted_under_a_drain_is_back_after_its_wait() {
    let mut site = Site::started(&waiting(&[1, 2], 30, 30));
    site.drain(target(1, 1), None, false);
    site.run_for(ms(1_000));
    fails(&mut site, 1);
    site.undrain(target(1, 1));
    site.run_for(seconds(31));
    assert_eq!(site.published(1), [1, 2]);
}

/// HAProxy #2729: a backup was in use although all others were up, and nobody could say why.
#[test]
fn a_standby_leaves_while_primaries_wait_only_if_enough_others_are_back() {
    let mut settings = waiting(&[1, 2, 3, 9], 60, 60);
    let its = settings.services.get_mut(&service(1)).unwrap();
    its.floor = 1;
    its.standby = StandbySettings { tiers: [(ip(9), 1)].into(), last_resort: None, below: 2 };
    let mut site = Site::started(&settings);
    assert_eq!(site.published(1), [1, 2, 3]);
    for number in [1, 2, 3] {
        site.dies(number);
    }
    site.run_for(ms(5_000));
    assert_eq!(site.published(1), [9]);
    for number in [1, 2, 3] {
        site.lives(number);
        site.run_for(ms(4_000));
    }
    assert_eq!(site.published(1), [1, 2], "two are enough, the third waits, the standby is out");
    assert_eq!(site.reason(1, 3), Some(Reason::Returning));
    site.run_for(seconds(60));
    assert_eq!(site.published(1), [1, 2, 3]);
    site.assert_sound("standbys and waits");
}

/// A and AAAA are sets of their own: one that is empty does not wait for the other.
#[test]
fn a_set_of_one_family_is_short_by_itself() {
    let six = crate::engine::tests::world::ip6(1);
    let mut settings = waiting(&[1, 2], 600, 600);
    let its = settings.services.get_mut(&service(1)).unwrap();
    its.targets = [ip(1), ip(2), six].into();
    let mut site = Site::started(&settings);
    let at = crate::engine::ids::TargetRef { service: service(1), address: six };
    site.dead.insert(crate::engine::types::Endpoint::echo(six));
    site.run_for(ms(4_000));
    assert!(!site.engine.target_view(at).unwrap().in_service);
    site.dead.clear();
    site.run_for(ms(4_000));
    assert!(site.engine.target_view(at).unwrap().in_service, "it is the only one of its family");
    fails(&mut site, 1);
    assert_eq!(site.reason(1, 1), Some(Reason::Returning), "the other family does not help");
    site.run_for(ms(4_000));
    assert_eq!(site.published(1), [2]);
}

/// A target with several checks waits from the time at which enough of them are up.
#[test]
fn a_target_with_several_checks_waits_once_all_are_up() {
    use crate::engine::tests::services::site::{set_checks, tcp};
    let mut settings = waiting(&[1, 2], 30, 30);
    set_checks(settings.services.get_mut(&service(1)).unwrap(), &[icmp(), tcp(80)], 2);
    let mut site = Site::started(&settings);
    site.port_dies(1, 80);
    site.run_for(ms(4_000));
    assert_eq!(site.published(1), [2]);
    site.run_for(seconds(60));
    assert_eq!(site.reason(1, 1), None, "one check is down");
    site.lives(1);
    site.run_for(ms(4_000));
    assert_eq!(site.reason(1, 1), Some(Reason::Returning));
    site.run_for(seconds(30));
    assert_eq!(site.published(1), [1, 2]);
}
