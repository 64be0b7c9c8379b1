//! Drains that the floor allows only because a target that waits goes in.

use super::super::standby::run_without_a_gap;
use super::*;

/// Returns a site in which the drain of 1 was accepted since 2 would be back, and cannot be carried out.
fn accepted() -> Site {
    let mut settings = waiting(&[1, 2], 60, 60);
    settings.services.get_mut(&service(1)).unwrap().floor = 1;
    let mut site = Site::new(&settings);
    site.run_until(ms(8_000));
    fails(&mut site, 2);
    assert_eq!((site.published(1), reason(&site, 2)), (vec![1], Some(Reason::Returning)));
    site.drain(target(1, 1), None, false);
    while site.ledger.answers.is_empty() {
        site.run_for(ms(1));
    }
    assert_eq!(last_answer(&site), Ok(()));
    site.set_provider(0, Provider::Fails);
    site.run_for(ms(1_000));
    assert_eq!(site.published(1), [1]);
    site
}

#[test]
fn a_target_that_dies_before_the_drain_is_carried_out_leaves_the_last_address_in() {
    let mut site = accepted();
    site.dies(2);
    site.run_for(ms(8_000));
    site.set_provider(0, Provider::Works);
    run_without_a_gap(&mut site, 20_000);
    assert_eq!(site.published(1), [1]);
    assert_eq!(reason(&site, 1), Some(Reason::Floor), "it is not out, and somebody has to know");
    site.lives(2);
    run_without_a_gap(&mut site, 20_000);
    assert_eq!((site.published(1), reason(&site, 1)), (vec![2], Some(Reason::Drained)));
    site.assert_sound("the target died");
}

#[test]
fn an_agent_that_is_restarted_before_the_drain_is_carried_out_waits_for_the_target() {
    for answers in [true, false] {
        let mut site = accepted();
        site.set_provider(0, Provider::Works);
        if !answers {
            site.dies(2);
        }
        site.restart();
        run_without_a_gap(&mut site, 20_000);
        assert_eq!(site.published(1), [if answers { 2 } else { 1 }]);
    }
}
