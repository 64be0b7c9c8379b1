//! Rehearsals of one target, and of an address in all services that have it.

use super::site::*;
use crate::engine::settings::Settings;
use crate::engine::tests::world::ms;

/// Three services that share a machine; two of them share the check, too.
fn three() -> Settings {
    let settings = with_service(no_services(), 1, 0, &[1, 2], icmp());
    let settings = with_service(settings, 2, 1, &[1, 2], icmp());
    with_service(settings, 3, 1, &[1, 2], tcp(25))
}

fn stages(site: &Site, number: usize) -> Vec<String> {
    let story = site.ledger.story(service(number));
    story.into_iter().filter(|line| line.contains("rehearsal")).collect()
}

const WHOLE: [&str; 3] = ["1 rehearsal Dead", "1 rehearsal Alive", "1 rehearsal Over"];

#[test]
fn an_address_dies_and_revives_in_every_service() {
    let all = [1, 2, 3].map(|number| target(number, 1)).into();
    let mut site = Site::rehearsing(&three(), &all);
    assert_eq!(site.engine.endpoint_count(), 4, "no additional probe is made");
    site.run_until(ms(6_500));
    assert_eq!([1, 2, 3].map(|it| site.published(it)), [vec![2], vec![2], vec![2]]);
    site.run_until(ms(20_000));
    assert_eq!([1, 2, 3].map(|it| site.published(it)), [vec![1, 2], vec![1, 2], vec![1, 2]]);
    for number in [1, 2, 3] {
        assert_eq!(stages(&site, number), WHOLE, "{number}");
    }
    assert_eq!(site.engine.endpoint_count(), 4);
}

#[test]
fn in_one_service_it_has_a_probe_of_its_own_while_it_lasts() {
    let one = [target(2, 1)].into();
    let mut site = Site::rehearsing(&three(), &one);
    assert_eq!(site.engine.endpoint_count(), 5);
    site.run_until(ms(6_500));
    assert_eq!([1, 2, 3].map(|it| site.published(it)), [vec![1, 2], vec![2], vec![1, 2]]);
    // A reload leaves it alone.
    site.reload(site.settings.clone());
    site.run_until(ms(20_000));
    assert_eq!([1, 2, 3].map(|it| site.published(it)), [vec![1, 2], vec![1, 2], vec![1, 2]]);
    assert_eq!(stages(&site, 2), WHOLE);
    assert_eq!([1, 3].map(|it| stages(&site, it).len()), [0; 2], "the others know nothing of it");
    assert_eq!(site.engine.endpoint_count(), 4, "it shares the probe of the others again");
    site.dies(1);
    site.run_for(ms(5_000));
    assert_eq!([1, 2, 3].map(|it| site.published(it)), [vec![2], vec![2], vec![2]]);
}

#[test]
fn a_target_that_is_not_watched_is_not_rehearsed() {
    let mut site = Site::rehearsing(&three(), &[target(1, 9), target(9, 1)].into());
    site.run_until(ms(20_000));
    assert_eq!([1, 2, 3].map(|it| stages(&site, it).len()), [0; 3]);
}
