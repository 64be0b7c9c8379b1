//! Complaints about backup servers and failover pools elsewhere, each with its project and number, played
//! here.

use super::super::site::{Site, target};
use super::{reason, site, with_tiers, words};
use crate::engine::tests::world::ms;

/// keepalived 490, 491 and 2428: a reload while the sorry server was in took it out, or left both in.
#[test]
fn a_reload_while_a_standby_is_in_changes_nothing() {
    let settings = with_tiers(&[1], &[&[9]], 1);
    let mut site = site(&settings);
    site.run_until(ms(8_000));
    site.dies(1);
    site.run_for(ms(8_000));
    for _ in 0..3 {
        site.reload(settings.clone());
        site.run_for(ms(700));
        assert_eq!(site.published(1), [9]);
    }
    site.lives(1);
    site.reload(settings.clone());
    site.run_for(ms(10_000));
    assert_eq!(site.published(1), [1]);
}

/// HAProxy 2729: after a restart a backup was used though the others were up, and nobody could see why.
/// nginx 245: backup servers stayed in use.
#[test]
fn a_standby_that_an_earlier_agent_left_behind_leaves_and_says_why_it_is_there() {
    let mut site = Site::new(&with_tiers(&[1, 2], &[&[9]], 1));
    site.run_until(ms(500));
    assert_eq!(site.published(1), [1, 2, 9]);
    assert_eq!(words(&site, 9), "tier 1, since 2 of 2 of tier 0 are in service");
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [1, 2]);
}

/// HAProxy 866: a backup is wanted before the last server is down.
#[test]
fn a_standby_may_help_before_the_last_one_is_down() {
    let mut site = site(&with_tiers(&[1, 2], &[&[9]], 2));
    site.run_until(ms(8_000));
    site.dies(2);
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [1, 9]);
}

/// Technitium 866: the secondary was asked only once the primary had failed, and its health was unknown
/// then. `nginx_upstream_check_module` 7: with health checks the backup was never used.
#[test]
fn a_standby_is_known_before_it_is_needed() {
    let mut site = site(&with_tiers(&[1], &[&[9]], 1));
    site.run_until(ms(8_000));
    assert!(site.probes_of(9, None) > 5);
    site.dies(1);
    site.run_for(ms(2_500));
    assert_eq!(site.published(1), [9], "as soon as the primary is down");
}

/// Technitium 400: with all down, the answer went back to dead addresses after some minutes. PowerDNS
/// 12789: with all down, all sets were mixed.
#[test]
fn with_all_down_the_published_addresses_stay_the_same_for_hours() {
    let mut site = site(&with_tiers(&[1, 2], &[&[8], &[9]], 1));
    site.run_until(ms(8_000));
    for number in [1, 2, 8, 9] {
        site.dies(number);
        site.run_for(ms(8_000));
    }
    assert_eq!(site.published(1), [9], "the last one that answered");
    for _ in 0..60 {
        site.run_for(ms(120_000));
        assert_eq!(site.published(1), [9]);
    }
    site.lives(2);
    site.run_for(ms(20_000));
    assert_eq!(site.published(1), [2]);
}

/// PowerDNS 12557: the first answer after a start took every address for down.
#[test]
fn at_the_start_no_standby_goes_in() {
    let mut site = site(&with_tiers(&[1], &[&[9]], 1));
    for _ in 0..100 {
        site.run_for(ms(100));
        assert_eq!(site.published(1), [1]);
    }
}

/// cpp-ethereum 64 and teamredminer 401: it never went back to the primary.
#[test]
fn it_goes_back_as_often_as_it_goes_over() {
    let mut site = site(&with_tiers(&[1], &[&[9]], 1));
    site.run_until(ms(8_000));
    for _ in 0..5 {
        site.dies(1);
        site.run_for(ms(8_000));
        assert_eq!(site.published(1), [9]);
        site.lives(1);
        site.run_for(ms(8_000));
        assert_eq!(site.published(1), [1]);
    }
}

/// ubicloud 5874: both were unavailable, and neither became available again.
#[test]
fn a_standby_that_dies_while_it_is_needed_is_used_again_once_it_is_back() {
    let mut site = site(&with_tiers(&[1], &[&[9]], 1));
    site.run_until(ms(8_000));
    site.dies(1);
    site.dies(9);
    site.run_for(ms(30_000));
    assert_eq!(site.published(1), [1]);
    site.lives(9);
    site.run_for(ms(8_000));
    assert_eq!((site.published(1), reason(&site, 9)), (vec![9], None));
    assert!(site.engine.target_view(target(1, 1)).is_some_and(|view| !view.in_service));
}

/// keepalived 871: of two roles that change at once, one was taken out and the other not put in.
#[test]
fn a_primary_and_its_standby_that_change_roles_at_once_change_places() {
    let mut site = site(&with_tiers(&[1], &[&[9]], 1));
    site.run_until(ms(8_000));
    site.dies(9);
    site.run_for(ms(8_000));
    site.lives(9);
    site.dies(1);
    site.run_for(ms(10_000));
    assert_eq!(site.published(1), [9]);
    site.dies(9);
    site.lives(1);
    site.run_for(ms(10_000));
    assert_eq!(site.published(1), [1]);
}
