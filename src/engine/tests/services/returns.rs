//! Targets that were withdrawn come back late, and the later the more often they were.

mod drained;
pub(in crate::engine::tests) mod flapping;
mod reports;

use std::time::Duration;

use super::reason;
use super::site::{Site, icmp, no_services, service, target, with_service};
use super::zones::Provider;
use crate::engine::event::{DrainRefusal, Reason};
use crate::engine::plan::Desired;
use crate::engine::settings::{ReturnSettings, Settings};
use crate::engine::tests::world::{ip, last, ms};

/// Returns the settings of a service with these targets, which wait for `delay` seconds, up to `max`.
fn waiting(targets: &[u8], delay: u64, max: u64) -> Settings {
    let mut settings = with_service(no_services(), 1, 0, targets, icmp());
    settings.services.get_mut(&service(1)).unwrap().returns = between(delay, max);
    settings
}

fn between(delay: u64, max: u64) -> ReturnSettings {
    ReturnSettings { delay: seconds(delay), max: seconds(max) }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Returns the seconds until a target is put back, and the number of its withdrawals.
fn wait(site: &Site, number: u8) -> Option<(u64, usize)> {
    let wait = site.engine.target_view(target(1, number)).unwrap().returning?;
    Some((wait.until.since_start().saturating_sub(site.now).as_secs(), wait.withdrawals))
}

/// Lets a target die until it is withdrawn, and live until it is up.
fn fails(site: &mut Site, number: u8) {
    site.dies(number);
    site.run_for(ms(4_000));
    site.lives(number);
    site.run_for(ms(4_000));
}

fn last_answer(site: &Site) -> Result<(), DrainRefusal> {
    site.ledger.answers.last().unwrap().1.clone()
}

#[test]
fn a_target_is_put_back_once_it_was_up_for_so_long() {
    let mut site = Site::started(&waiting(&[1, 2], 60, 60));
    assert_eq!(site.reason(1, 1), None, "never at the start");
    fails(&mut site, 1);
    assert_eq!((site.published(1), site.reason(1, 1)), (vec![2], Some(Reason::Returning)));
    let (left, withdrawals) = wait(&site, 1).unwrap();
    assert!((56..60).contains(&left) && withdrawals == 1, "{left} {withdrawals}");
    site.run_for(seconds(left));
    assert_eq!(site.published(1), [2], "not yet");
    site.run_for(ms(2_000));
    assert_eq!((site.published(1), site.reason(1, 1)), (vec![1, 2], None));
    let story = site.ledger.story(service(1));
    let want = ["1 Down Up", "1 refused returning", "1 InService", "1 no longer returning"];
    let mut told = story.iter();
    for line in want {
        assert!(told.any(|it| it == line), "{line} is missing or out of order: {story:?}");
    }
    site.assert_sound("a wait");
}

/// Those that wait count as out, and a dead one may not stay in DNS for that.
#[test]
fn a_wait_ends_if_a_dead_address_stays_for_it() {
    let mut settings = waiting(&[1, 2, 3, 4], 600, 600);
    settings.services.get_mut(&service(1)).unwrap().max_out = Some(2);
    let mut site = Site::started(&settings);
    for number in [1, 2] {
        fails(&mut site, number);
    }
    assert_eq!(site.published(1), [3, 4], "both wait");
    site.dies(3);
    site.run_for(ms(5_000));
    assert_eq!(site.published(1), [1, 4], "the first of them is back, and the dead one is out");
    assert_eq!([2, 3].map(|it| site.reason(1, it)), [Some(Reason::Returning), None]);
    site.dies(4);
    site.run_for(ms(5_000));
    assert_eq!(site.published(1), [1, 2]);
    site.assert_sound("in the end");
}

#[test]
fn a_failure_during_the_wait_begins_it_anew_and_single_losses_do_not() {
    let mut site = Site::started(&waiting(&[1, 2], 30, 30));
    fails(&mut site, 1);
    site.run_for(seconds(20));
    // One probe is lost.
    site.dies(1);
    site.run_for(ms(1_000));
    site.lives(1);
    site.run_for(ms(1_000));
    assert!(wait(&site, 1).unwrap().0 < 10);
    fails(&mut site, 1);
    let (left, withdrawals) = wait(&site, 1).unwrap();
    assert!(left >= 26 && withdrawals == 1, "it was out all the time: {left} {withdrawals}");
    site.run_for(seconds(31));
    assert_eq!(site.published(1), [1, 2]);
}

#[test]
fn the_wait_doubles_and_is_halved_by_good_health() {
    let mut site = Site::started(&waiting(&[1, 2], 10, 40));
    for (nth, want) in [(1, 10), (2, 20), (3, 40), (4, 40)] {
        fails(&mut site, 1);
        let (left, withdrawals) = wait(&site, 1).unwrap();
        assert!((want - 4..=want).contains(&left), "{nth}: {left}");
        assert_eq!(withdrawals, nth);
        site.run_for(seconds(left + 2));
        assert_eq!(site.published(1), [1, 2], "{nth}");
    }
    site.run_for(seconds(45));
    fails(&mut site, 1);
    assert!((36..=40).contains(&wait(&site, 1).unwrap().0), "halved once, and doubled");
    site.run_for(seconds(42 + 75));
    fails(&mut site, 1);
    assert!((6..=10).contains(&wait(&site, 1).unwrap().0), "from 40 to 20, to 10, to nothing");
    site.assert_sound("doubled and halved");
}

#[test]
fn nothing_waits_while_the_set_is_empty_and_one_goes_in_as_soon_as_another_leaves() {
    let mut site = Site::started(&waiting(&[1, 2], 600, 600));
    site.dies(1);
    site.dies(2);
    site.run_for(ms(5_000));
    assert!(site.published(1).is_empty());
    site.lives(1);
    site.run_for(ms(4_000));
    assert_eq!(site.published(1), [1], "the set was empty");
    site.lives(2);
    site.run_for(ms(4_000));
    assert_eq!((site.published(1), site.reason(1, 2)), (vec![1], Some(Reason::Returning)));
    site.dies(1);
    site.run_for(ms(4_000));
    assert_eq!(site.published(1), [2]);
    let desired = site.ledger.orders.iter().map(|(_, order)| &order.desired);
    let both = desired.filter(|it| it.contains_key(&ip(1)) && it.contains_key(&ip(2)));
    let both: Vec<_> = both.map(|it| (it[&ip(1)], it[&ip(2)])).collect();
    assert!(both.contains(&(Desired::Withdraw, Desired::Serve)), "in one order: {both:?}");
}

#[test]
fn an_address_that_is_down_does_not_count_whatever_keeps_it_in_service() {
    let mut settings = waiting(&[1, 2], 600, 600);
    settings.services.get_mut(&service(1)).unwrap().floor = 1;
    let mut site = Site::started(&settings);
    fails(&mut site, 1);
    assert_eq!(site.reason(1, 1), Some(Reason::Returning));
    site.set_provider(0, Provider::Fails);
    site.dies(2);
    site.run_for(ms(4_000));
    assert_eq!(site.reason(1, 1), None);
    site.set_provider(0, Provider::Works);
    site.run_for(ms(4_000));
    assert_eq!(site.published(1), [1]);
    site.assert_sound("the floor");
}

#[test]
fn as_many_go_in_as_the_floor_needs_and_the_first_that_would_be_back_is_the_first() {
    let mut settings = waiting(&[1, 2, 3, 4], 600, 600);
    settings.services.get_mut(&service(1)).unwrap().floor = 2;
    let mut site = Site::started(&settings);
    fails(&mut site, 2);
    fails(&mut site, 1);
    assert_eq!(site.published(1), [3, 4]);
    site.dies(3);
    site.run_for(ms(4_000));
    assert_eq!(site.published(1), [2, 4], "2 waits for longer than 1");
    site.drain(target(1, 4), None, false);
    site.run_for(ms(4_000));
    assert_eq!(last_answer(&site), Ok(()), "1 goes in with the same change");
    assert_eq!(site.published(1), [1, 2]);
    site.assert_sound("a floor of two");
}

#[test]
fn a_wait_ends_before_standbys_are_needed_and_standbys_do_not_wait() {
    let mut settings = waiting(&[1, 2, 9], 600, 600);
    let its = settings.services.get_mut(&service(1)).unwrap();
    its.floor = 1;
    its.standby.below = 1;
    its.standby.tiers.insert(ip(9), 1);
    let mut site = Site::new(&settings);
    for set in site.zones.values_mut().flat_map(|zone| zone.records.sets.values_mut()) {
        set.retain(|address| last(address) != 9);
    }
    site.run_until(ms(8_000));
    fails(&mut site, 1);
    assert_eq!((site.published(1), site.reason(1, 1)), (vec![2], Some(Reason::Returning)));
    site.dies(2);
    site.run_for(ms(4_000));
    assert_eq!(site.published(1), [1], "no standby is needed");
    site.dies(1);
    site.run_for(ms(4_000));
    assert_eq!(site.published(1), [9]);
    fails(&mut site, 9);
    assert_eq!(site.published(1), [9], "a standby does not wait");
    site.lives(2);
    site.run_for(ms(4_000));
    assert_eq!(site.published(1), [2], "a primary does not wait while a standby stands in");
    site.assert_sound("standbys");
}

#[test]
fn the_operator_ends_a_wait_and_is_told_if_there_is_none() {
    let mut site = Site::started(&waiting(&[1, 2], 600, 600));
    site.put_back(target(1, 1), false);
    let refused = |why| Err(DrainRefusal::NotWaiting(why));
    assert_eq!(last_answer(&site), refused("it is in service"));
    site.put_back(target(1, 99), false);
    assert_eq!(last_answer(&site), Err(DrainRefusal::NotATarget));
    site.dies(1);
    site.run_for(ms(4_000));
    site.put_back(target(1, 1), false);
    let down = "it is not up, or something else keeps it out; see goavail status";
    assert_eq!(last_answer(&site), refused(down));
    site.lives(1);
    site.run_for(ms(4_000));
    site.put_back(target(1, 1), false);
    assert_eq!(last_answer(&site), Ok(()));
    site.run_for(ms(1_000));
    assert_eq!((site.published(1), site.reason(1, 1)), (vec![1, 2], None));
    let story = site.ledger.story(service(1));
    assert!(story.contains(&"1 no longer returning".to_owned()), "{story:?}");
    site.put_back(target(1, 1), true);
    assert_eq!(last_answer(&site), Err(DrainRefusal::NotDrained), "as undrain answers");
}

#[test]
fn a_drained_target_that_stays_up_is_back_at_once_and_one_that_was_down_waits() {
    let mut site = Site::started(&waiting(&[1, 2], 60, 600));
    site.drain(target(1, 1), None, false);
    site.run_for(seconds(5));
    site.undrain(target(1, 1));
    site.run_for(ms(1_000));
    assert_eq!(site.published(1), [1, 2], "it was up all the time");
    site.drain(target(1, 1), None, false);
    site.run_for(seconds(5));
    fails(&mut site, 1);
    assert_eq!((site.published(1), site.reason(1, 1)), (vec![2], Some(Reason::Drained)));
    site.put_back(target(1, 1), false);
    let drained = "it is drained; goavail undrain --now gives it back and puts it back at once";
    assert_eq!(last_answer(&site), Err(DrainRefusal::NotWaiting(drained)));
    site.undrain(target(1, 1));
    site.run_for(ms(1_000));
    assert_eq!(site.reason(1, 1), Some(Reason::Returning));
    let (left, withdrawals) = wait(&site, 1).unwrap();
    assert!((50..60).contains(&left) && withdrawals == 0, "a drain is none: {left}");
    site.put_back(target(1, 1), true);
    site.run_for(ms(1_000));
    assert_eq!((last_answer(&site), site.published(1)), (Ok(()), vec![1, 2]));
    site.drain(target(1, 1), None, false);
    site.run_for(ms(1_000));
    fails(&mut site, 1);
    site.put_back(target(1, 1), true);
    site.run_for(ms(1_000));
    assert_eq!((last_answer(&site), site.published(1)), (Ok(()), vec![1, 2]), "--now");
    site.assert_sound("drains");
}

#[test]
fn a_reload_ends_the_waits_and_keeps_the_penalties() {
    let settings = waiting(&[1, 2, 3], 60, 600);
    let mut site = Site::started(&settings);
    fails(&mut site, 1);
    site.dies(3);
    site.run_for(ms(4_000));
    assert_eq!(site.published(1), [2]);
    site.reload(settings.clone());
    site.run_for(ms(1_000));
    assert_eq!(site.published(1), [1, 2], "it was not withdrawn since");
    site.lives(3);
    site.run_for(ms(4_000));
    assert_eq!(site.published(1), [1, 2, 3], "nor was this one");
    fails(&mut site, 1);
    assert!(wait(&site, 1).unwrap().0 > 100, "the second time");
    let mut other = settings.clone();
    other.services.get_mut(&service(1)).unwrap().returns = between(5, 10);
    site.reload(other);
    site.run_for(ms(1_000));
    assert_eq!(site.published(1), [1, 2, 3], "another delay, in the middle of a wait");
    fails(&mut site, 1);
    assert!((6..=10).contains(&wait(&site, 1).unwrap().0), "within the new bounds");
    let mut other = settings.clone();
    other.services.get_mut(&service(1)).unwrap().returns = ReturnSettings::default();
    site.reload(other);
    site.run_for(ms(1_000));
    fails(&mut site, 1);
    assert_eq!(site.published(1), [1, 2, 3], "off");
    site.assert_sound("reloads");
}

#[test]
fn a_target_that_moves_to_another_service_or_is_named_again_does_not_wait() {
    let settings = waiting(&[1, 2], 600, 600);
    let mut both = with_service(settings.clone(), 2, 0, &[3], icmp());
    both.services.get_mut(&service(2)).unwrap().returns = between(600, 600);
    let mut moved =
        with_service(with_service(no_services(), 1, 0, &[2], icmp()), 2, 0, &[1, 3], icmp());
    for its in moved.services.values_mut() {
        its.returns = between(600, 600);
    }
    let mut site = Site::started(&both);
    fails(&mut site, 1);
    assert_eq!(site.reason(1, 1), Some(Reason::Returning));
    site.reload(moved);
    site.run_for(ms(8_000));
    assert_eq!((site.published(1), site.published(2)), (vec![2], vec![1, 3]));
    site.reload(both);
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [1, 2]);
    fails(&mut site, 1);
    assert!((595..=600).contains(&wait(&site, 1).unwrap().0), "nothing is remembered of it");
}

#[test]
fn a_target_without_evidence_waits_anew() {
    let mut site = Site::started(&waiting(&[1, 2], 60, 60));
    fails(&mut site, 1);
    site.run_for(seconds(30));
    site.unreachable.insert(ip(1));
    site.run_for(seconds(20));
    assert!(site.engine.target_view(target(1, 1)).unwrap().unknown);
    assert_eq!(site.reason(1, 1), None);
    site.unreachable.clear();
    site.run_for(ms(3_000));
    assert!(wait(&site, 1).unwrap().0 >= 55, "it is not known to have been up");
    site.run_for(seconds(60));
    assert_eq!(site.published(1), [1, 2]);
}

#[test]
fn a_provider_that_never_carried_out_the_withdrawal_keeps_the_target_in_dns() {
    let mut site = Site::started(&waiting(&[1, 2], 60, 60));
    site.set_provider(0, Provider::Fails);
    fails(&mut site, 1);
    assert_eq!(site.reason(1, 1), Some(Reason::Returning));
    site.set_provider(0, Provider::Works);
    site.run_for(seconds(10));
    assert_eq!(site.published(1), [1, 2], "it is up, so the withdrawal no longer stands");
    site.run_for(seconds(60));
    assert_eq!((site.published(1), site.reason(1, 1)), (vec![1, 2], None));
}

#[test]
fn a_rehearsal_is_over_once_the_target_has_waited() {
    let rehearsed = [target(1, 1)].into();
    let settings = Settings { dry_run: true, ..waiting(&[1, 2], 30, 30) };
    let mut site = Site::rehearsing(&settings, &rehearsed);
    site.run_until(seconds(20));
    let over = "1 rehearsal Over".to_owned();
    assert_eq!(site.reason(1, 1), Some(Reason::Returning));
    assert!(!site.ledger.story(service(1)).contains(&over), "it waits");
    site.run_for(seconds(30));
    assert!(site.ledger.story(service(1)).contains(&over));
}
