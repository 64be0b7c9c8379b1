//! Complaints about sorry servers, fallback pools and panic modes elsewhere, each with its project and
//! number, played here.

use super::super::super::site::{set_checks, tcp};
use super::*;

/// keepalived 1816: the sorry server was put in at the start, since nothing was known to be up.
/// PowerDNS 17239: after a restart every address was down, and the answer was that of the worst case.
#[test]
fn at_the_start_no_last_resort_goes_in() {
    let mut site = site(&with_last_resort(&[1, 2], &[&[9]]));
    site.unreachable.extend([ip(1), ip(2), ip(9)]);
    for _ in 0..200 {
        site.run_for(ms(100));
        assert_eq!(site.published(1), [1, 2], "nothing is known");
    }
    site.restart();
    site.run_for(ms(20_000));
    assert_eq!(site.published(1), [1, 2]);
}

/// keepalived 1370: with the sorry server in, the first server that came back was not put in, and the sorry
/// server was taken out.
#[test]
fn the_way_back_has_no_moment_without_an_address() {
    for number in [1, 2] {
        let mut site = site(&with_last_resort(&[1, 2], &[]));
        site.run_until(ms(8_000));
        site.dies(1);
        site.dies(2);
        run_without_a_gap(&mut site, 8_000);
        assert_eq!(site.published(1), [99]);
        site.lives(number);
        run_without_a_gap(&mut site, 8_000);
        assert_eq!(site.published(1), [number]);
        site.assert_sound("the way back");
    }
}

/// keepalived 2362: with the sorry server in, a service that a reload removed was not removed, and it was
/// wrong once it was added again.
#[test]
fn a_service_that_is_removed_and_added_again_keeps_its_last_resort_until_it_is_not_needed() {
    let settings = with_last_resort(&[1], &[]);
    let mut site = site(&settings);
    site.run_until(ms(8_000));
    site.dies(1);
    site.run_for(ms(8_000));
    let mut without = settings.clone();
    without.services.clear();
    site.reload(without);
    let orders_before = site.ledger.orders.len();
    site.run_for(ms(20_000));
    assert_eq!(site.ledger.orders.len(), orders_before, "nobody looks after it");
    site.reload(settings);
    run_without_a_gap(&mut site, 20_000);
    assert_eq!(site.published(1), [99]);
    site.lives(1);
    run_without_a_gap(&mut site, 8_000);
    assert_eq!(site.published(1), [1]);
}

/// keepalived 2601: it crashed when reloads added and removed the sorry server while servers changed.
#[test]
fn reloads_that_add_and_remove_the_last_resort_leave_no_set_empty() {
    let (with, without) = (with_last_resort(&[1, 2], &[&[9]]), with_tiers(&[1, 2], &[&[9]], 1));
    let mut site = site(&with);
    site.run_until(ms(8_000));
    for number in [1, 2, 9] {
        site.dies(number);
        for settings in [&without, &with] {
            site.reload(settings.clone());
            run_without_a_gap(&mut site, 3_000);
        }
    }
    run_without_a_gap(&mut site, 8_000);
    assert_eq!(site.published(1), [99]);
    site.reload(without);
    site.lives(9);
    run_without_a_gap(&mut site, 8_000);
    site.reload(with);
    run_without_a_gap(&mut site, 8_000);
    assert_eq!(site.published(1), [9]);
}

/// Envoy 14968: with all hosts unhealthy, requests went on to the unhealthy hosts.
/// CoreDNS-GSLB 137: with all backends unhealthy, all of them were returned.
#[test]
fn no_dead_address_stays_beside_a_last_resort() {
    let mut settings = with_last_resort(&[1, 2, 3], &[&[8], &[9]]);
    settings.services.get_mut(&service(1)).unwrap().floor = 1;
    let mut site = site(&settings);
    site.run_until(ms(8_000));
    for number in [1, 2, 3, 8, 9] {
        site.dies(number);
    }
    run_without_a_gap(&mut site, 8_000);
    assert_eq!(site.published(1), [99]);
}

/// traefik 4782: a site that is taken down by hand should show the page of the last resort, too.
/// cloudflare-docs 714: the fallback is used if all pools are disabled or unhealthy.
#[test]
fn a_site_that_is_partly_drained_and_partly_dead_resorts_to_the_page() {
    let mut site = site(&with_last_resort(&[1, 2], &[&[9]]));
    site.run_until(ms(8_000));
    for number in [1, 9] {
        site.drain(target(1, number), None, false);
        run_without_a_gap(&mut site, 2_000);
    }
    assert_eq!(site.published(1), [2]);
    site.dies(2);
    run_without_a_gap(&mut site, 8_000);
    assert_eq!(site.published(1), [99]);
    site.undrain(target(1, 9));
    run_without_a_gap(&mut site, 8_000);
    assert_eq!(site.published(1), [9]);
}

/// tengine 1611: the checks took the backup for down as well when all were slow, and the answer was an error.
/// constellation 11: the fallback must never be disabled, even if it looks down.
#[test]
fn a_last_resort_that_looks_dead_stays_in() {
    let mut site = site(&with_last_resort(&[1], &[]));
    site.run_until(ms(8_000));
    for number in [1, 99] {
        site.dies(number);
    }
    site.run_for(ms(8_000));
    for _ in 0..20 {
        run_without_a_gap(&mut site, 30_000);
        assert_eq!(site.published(1), [99]);
    }
    assert_eq!(reason(&site, 99), None);
}

/// traefik 8952: a request did not go to the router of the next priority once all checks had failed.
/// gobetween 62: backups are to be used one after the other, the farthest one last.
#[test]
fn the_last_resort_comes_after_every_tier_one_after_the_other() {
    let mut site = site(&with_last_resort(&[1], &[&[7], &[8], &[9]]));
    site.run_until(ms(8_000));
    for (dies, next) in [(1, 7), (7, 8), (8, 9), (9, 99)] {
        site.dies(dies);
        run_without_a_gap(&mut site, 8_000);
        assert_eq!(site.published(1), [next]);
    }
    for lives in [9, 8, 7, 1] {
        site.lives(lives);
        run_without_a_gap(&mut site, 8_000);
        assert_eq!(site.published(1), [lives]);
    }
}

/// PowerDNS 16074: with all down an address that is wrong for the service was worse than none. So it is
/// used for no longer than needed, also where addresses come back late.
#[test]
fn a_last_resort_leaves_with_the_first_address_that_is_back_however_long_it_would_wait() {
    let mut settings = with_last_resort(&[1, 2], &[]);
    let delay = Duration::from_mins(10);
    settings.services.get_mut(&service(1)).unwrap().returns = ReturnSettings { delay, max: delay };
    let mut site = site(&settings);
    site.run_until(ms(8_000));
    site.dies(1);
    site.dies(2);
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [99]);
    site.lives(1);
    site.lives(2);
    run_without_a_gap(&mut site, 8_000);
    assert_eq!(site.published(1).len(), 1, "one at once, and the other one late");
    assert!(!site.published(1).contains(&99));
    run_without_a_gap(&mut site, 600_000);
    assert_eq!(site.published(1), [1, 2]);
}

/// traefik 10084: all instances failed their checks for a moment, as with a deployment, and nothing was left.
#[test]
fn a_moment_in_which_all_fail_needs_no_last_resort() {
    let mut site = site(&with_last_resort(&[1, 2], &[]));
    site.run_until(ms(8_000));
    for _ in 0..20 {
        site.dies(1);
        site.dies(2);
        site.run_for(ms(1_000));
        site.lives(1);
        site.lives(2);
        run_without_a_gap(&mut site, 3_000);
        assert_eq!(site.published(1), [1, 2]);
    }
}

/// keepalived 2428: a reload with another check while the sorry server was in left it beside the servers that
/// were up by the new one.
#[test]
fn a_reload_with_another_check_keeps_the_last_resort_until_the_new_check_gets_answers() {
    for answers in [false, true] {
        let settings = with_last_resort(&[1, 2], &[]);
        let mut site = site(&settings);
        site.run_until(ms(8_000));
        (1..=2).for_each(|number| site.dies(number));
        run_without_a_gap(&mut site, 8_000);
        assert_eq!(site.published(1), [99]);
        if answers {
            (1..=2).for_each(|number| site.lives(number));
        }
        let mut other = settings.clone();
        set_checks(other.services.get_mut(&service(1)).unwrap(), &[tcp(80)], 1);
        site.reload(other);
        run_without_a_gap(&mut site, 20_000);
        let want: &[u8] = if answers { &[1, 2] } else { &[99] };
        assert_eq!(site.published(1), want);
        site.assert_sound("another check");
    }
}

/// sozu 1204: with all unhealthy, all are to be used, but for those that were taken out by hand.
/// contour 1846: with all unhealthy, nothing was used, and every request failed.
#[test]
fn without_a_last_resort_the_last_address_stays_and_no_drained_one_comes_back() {
    let mut settings = with_tiers(&[1, 2, 3], &[&[9]], 1);
    settings.services.get_mut(&service(1)).unwrap().floor = 1;
    let mut site = site(&settings);
    site.run_until(ms(8_000));
    site.drain(target(1, 3), None, false);
    run_without_a_gap(&mut site, 2_000);
    for number in [1, 2, 9] {
        site.dies(number);
    }
    for _ in 0..20 {
        run_without_a_gap(&mut site, 30_000);
        let published = site.published(1);
        assert!(published.len() == 1 && published != [3], "{published:?}");
    }
}
