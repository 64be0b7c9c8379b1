//! Drains that the floor allows only because a standby goes in.

use super::super::site::{Site, service, target};
use super::super::zones::Provider;
use super::{orders, reason, run_without_a_gap, site, with_tiers};
use crate::engine::event::Reason;
use crate::engine::plan::Desired;
use crate::engine::tests::world::{ip, ms};

/// Returns a site in which the drain of the only primary was accepted and cannot be carried out.
fn accepted() -> Site {
    let mut site = site(&with_tiers(&[1], &[&[9]], 1));
    site.run_until(ms(8_000));
    site.drain(target(1, 1), None, false);
    while site.ledger.answers.is_empty() {
        site.run_for(ms(1));
    }
    assert_eq!(site.ledger.answers[0].1, Ok(()));
    site.set_provider(0, Provider::Fails);
    site.run_for(ms(1_000));
    assert_eq!(site.published(1), [1]);
    site
}

#[test]
fn a_standby_that_dies_before_the_drain_is_carried_out_leaves_the_last_address_in() {
    let mut site = accepted();
    site.dies(9);
    site.run_for(ms(8_000));
    site.set_provider(0, Provider::Works);
    run_without_a_gap(&mut site, 20_000);
    assert_eq!(site.published(1), [1]);
    assert_eq!(reason(&site, 1), Some(Reason::Floor), "it is not out, and somebody has to know");
    site.lives(9);
    run_without_a_gap(&mut site, 20_000);
    assert_eq!((site.published(1), reason(&site, 1)), (vec![9], Some(Reason::Drained)));
    site.assert_sound("the standby died");
}

#[test]
fn an_agent_that_is_restarted_before_the_drain_is_carried_out_waits_for_the_standby() {
    for standby_answers in [true, false] {
        let mut site = accepted();
        site.set_provider(0, Provider::Works);
        if !standby_answers {
            site.dies(9);
        }
        site.restart();
        run_without_a_gap(&mut site, 20_000);
        let want = if standby_answers { 9 } else { 1 };
        assert_eq!(site.published(1), [want]);
    }
}

#[test]
fn a_drain_by_force_waits_for_no_standby() {
    let mut site = site(&with_tiers(&[1], &[&[9]], 1));
    site.dies(9);
    site.run_until(ms(8_000));
    site.drain(target(1, 1), None, true);
    site.run_for(ms(1_000));
    assert_eq!(site.published(1), [0; 0]);
    assert!(site.ledger.stored[&service(1)][&ip(1)].forced, "also after a restart");
    site.drain(target(1, 1), Some(ms(60_000)), true);
    let forced = orders(&site).iter().any(|it| it.get(&1) == Some(&Desired::WithdrawAnyway));
    assert!(forced, "{:?}", orders(&site));
}

#[test]
fn all_primaries_can_be_drained_at_once_if_a_standby_answers() {
    let mut site = site(&with_tiers(&[1, 2], &[&[9]], 1));
    site.run_until(ms(8_000));
    site.drain(target(1, 1), None, false);
    site.drain(target(1, 2), None, false);
    run_without_a_gap(&mut site, 1_000);
    let answers: Vec<_> = site.ledger.answers.iter().map(|(_, answer)| answer.is_ok()).collect();
    assert_eq!((answers, site.published(1)), (vec![true, true], vec![9]));
    site.assert_sound("both at once");
}
