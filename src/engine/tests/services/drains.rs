//! The services that a drain belongs to after a change of the configuration: the same ones whether the
//! agent read it again or was started anew.

use std::collections::{BTreeMap, BTreeSet};

use super::site::{Site, icmp, no_services, target, with_service};
use crate::engine::Engine;
use crate::engine::event::{Action, Event};
use crate::engine::ids::TargetRef;
use crate::engine::moment::Moment;
use crate::engine::settings::Settings;
use crate::engine::tests::world::ms;

/// The services of a configuration: number, owner names and targets of each.
type Services<'a> = &'a [(usize, &'a [&'a str], &'a [u8])];

/// The configuration in which the target 1 of the service 1 is drained.
const BEFORE: Services<'_> = &[(1, &["www", "api"], &[1, 2]), MAIL];

const MAIL: (usize, &[&str], &[u8]) = (2, &["mail"], &[1, 3]);

fn settings(services: Services<'_>) -> Settings {
    let mut settings = no_services();
    for (number, names, targets) in services {
        settings = with_service(settings, *number, 0, targets, icmp());
        if let Some(its) = settings.services.get_mut(&(*number).into()) {
            its.names = names.iter().map(|name| format!("{name}.example.com")).collect();
        }
    }
    settings
}

fn drained(engine: &Engine) -> BTreeSet<TargetRef> {
    let mut drained = BTreeSet::new();
    for (service, drains) in engine.drains() {
        drained.extend(drains.into_keys().map(|address| TargetRef { service, address }));
    }
    drained
}

/// Returns the drains of an engine that starts with the stored drains of another one, and the drains that
/// are stored then.
fn restarted(before: &Site, settings: &Settings) -> [BTreeSet<TargetRef>; 2] {
    let mut stored = before.ledger.stored.clone();
    let mut remembered = BTreeMap::new();
    for (&service, drains) in &stored {
        for (&address, drain) in drains {
            remembered.insert(TargetRef { service, address }, drain.clone());
        }
    }
    let mut engine = Engine::new(settings.clone(), remembered, Moment::START);
    for action in engine.handle(Moment::START, Event::Tick) {
        if let Action::StoreDrains { service, drains } = action {
            stored.insert(service, drains);
        }
    }
    let mut kept = BTreeSet::new();
    for (service, drains) in stored {
        kept.extend(drains.into_keys().map(|address| TargetRef { service, address }));
    }
    [drained(&engine), kept]
}

#[test]
fn a_drain_follows_its_names_and_then_its_address() {
    let www: &[&str] = &["www", "api"];
    let rows: &[(&str, &[Services<'_>], &[usize])] = &[
        ("nothing changes", &[BEFORE], &[1]),
        ("another name of the service", &[&[(9, www, &[1, 2]), MAIL]], &[9]),
        ("the same in two steps", &[&[MAIL], &[(9, www, &[1, 2]), MAIL]], &[9]),
        ("removed", &[&[MAIL]], &[1]),
        ("removed, and back", &[&[MAIL], BEFORE], &[1]),
        ("split", &[&[(1, &["www"], &[1, 2]), MAIL, (9, &["api"], &[1, 2])]], &[1, 9]),
        ("the names are swapped", &[&[(1, &["mail"], &[1, 2]), (2, www, &[1, 3])]], &[2]),
        ("other names of the service", &[&[(1, &["web"], &[1, 2]), MAIL]], &[1]),
        (
            "one more service with names of its own",
            &[&[(1, www, &[1, 2]), MAIL, (9, &["new"], &[1])]],
            &[1],
        ),
        ("the address leaves", &[&[(1, www, &[2]), MAIL]], &[1]),
        ("the address moves", &[&[(1, www, &[2]), MAIL, (9, &["new"], &[1])]], &[9]),
        (
            "another service with the address gets a name",
            &[&[(2, &["mail", "www"], &[1, 3])]],
            &[1],
        ),
    ];
    for (name, steps, wanted) in rows {
        let mut site = Site::new(&settings(BEFORE));
        site.run_until(ms(20_000));
        site.drain(target(1, 1), None, true);
        site.run_for(ms(1_000));
        let wanted: BTreeSet<_> = wanted.iter().map(|number| target(*number, 1)).collect();
        let last = settings(steps.last().expect("there is a step"));
        assert_eq!(restarted(&site, &last), [wanted.clone(), wanted.clone()], "{name}, restarted");
        for step in *steps {
            site.reload(settings(step));
            site.run_for(ms(1_000));
        }
        assert_eq!(drained(&site.engine), wanted, "{name}, read again");
        assert_eq!(restarted(&site, &last), [wanted.clone(), wanted], "{name}, then restarted");
    }
}
