//! Conversions from the configuration and the engine's views to the entries of the board.

use std::collections::BTreeSet;

use crate::agent::clock::Clock;
use crate::agent::ids::Ids;
use crate::engine::event::Drain;
use crate::engine::types::Health;
use crate::engine::{ReturnView, TargetView};
use crate::settings::Config;
use crate::status::{ClockReading, ServiceSetup, Setup, TargetState, Time, ZoneSetup, model};
use crate::text::first_few;

/// The number of zones that the entry of the agent names.
const NAMED: usize = 3;

/// Returns the entries that the configuration determines.
pub(super) fn setup(config: &Config, ids: &Ids, now: Time) -> Setup {
    let single = config.sections.cluster.is_none();
    let services = config.services.iter().map(|service| ServiceSetup {
        id: ids.service(&service.name),
        name: service.name.clone(),
        zone: ids.zone(config.zone_of(service)),
        checks: service.checks.iter().map(|check| check.words.clone()).collect(),
        targets: service.targets.clone(),
        names: service.names.clone(),
    });
    let zones = config.zones.iter().map(|zone| ZoneSetup {
        id: ids.zone(zone),
        name: zone.name.clone(),
        provider: zone.provider.name().to_owned(),
        word: zone.provider.word(),
        domain: zone.provider.zone().to_owned(),
    });
    let zones: Vec<ZoneSetup> = zones.collect();
    let checks = config.services.iter().flat_map(|service| &service.checks);
    Setup {
        agent: model::Agent {
            name: config.name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            started_at: now,
            dry_run: config.dry_run,
            mode: if single { model::Mode::Single } else { model::Mode::Cluster },
            r#type: distinct(checks.map(|check| check.method.word())),
            provider: distinct(zones.iter().map(|zone| zone.provider.as_str())),
            zone: distinct(zones.iter().map(|zone| zone.domain.as_str())),
            isolated: false,
            isolation_cause: None,
            config_loaded_at: now,
            guards_off: config.guards_off.iter().map(ToString::to_string).collect(),
        },
        services: services.collect(),
        zones,
    }
}

/// Lists the distinct words.
fn distinct<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect::<BTreeSet<_>>().into_iter().collect();
    first_few(&words, NAMED, ", ")
}

/// Returns a drain as readers see it.
pub(super) fn drained(drain: &Drain, now: ClockReading, clock: &Clock) -> model::Drained {
    let end = drain.until.map(|until| clock.started().into_std() + until.since_start());
    let until = end.map(|end| now.wall_at(end));
    model::Drained { until, reason: drain.reason.clone(), forced: drain.forced }
}

/// Returns a wait as readers see it.
fn returning(wait: ReturnView, now: ClockReading, clock: &Clock) -> model::Returning {
    let at = clock.started().into_std().checked_add(wait.until.since_start());
    model::Returning {
        at: now.wall_at(at.unwrap_or(now.clock)),
        delay_s: wait.delay.as_secs_f64(),
        withdrawals_1h: wait.withdrawals,
    }
}

/// Returns the state of one target. A target with `several` checks has a probe of its own on the board.
pub(super) fn target_state(
    view: &TargetView,
    several: bool,
    now: ClockReading,
    clock: &Clock,
) -> TargetState {
    let drained = view.drain.as_ref().map(|drain| drained(drain, now, clock));
    let is_unprobed = view.standby.is_some_and(|standby| standby.is_last_resort);
    TargetState {
        probe: Some(view.endpoint).filter(|_| !several && !is_unprobed),
        health: known_health(view.health, view.unknown),
        judged: (!is_unprobed).then(|| clock.started().into_std() + view.judged.since_start()),
        in_service: view.in_service,
        reason: view.reason,
        streak: streak(view.losses, view.replies),
        drained,
        standby: view.standby.map(|standby| model::Standby {
            tier: standby.tier,
            why: standby.in_words(),
            last_resort: standby.is_last_resort,
        }),
        returning: view.returning.map(|wait| returning(wait, now, clock)),
    }
}

/// Returns a health as readers see it; `unknown` means that nothing was judged for too long.
pub(super) fn known_health(health: Health, unknown: bool) -> model::Health {
    match health {
        _ if unknown => model::Health::Unknown,
        Health::AssumedUp => model::Health::AssumedUp,
        Health::Up => model::Health::Up,
        Health::Down => model::Health::Down,
    }
}

/// Returns the newest outcomes in a row, from the numbers of losses and of replies in a row.
pub(super) fn streak(losses: u32, replies: u32) -> model::Streak {
    let lost = losses > 0;
    model::Streak {
        outcome: if lost { model::Outcome::Loss } else { model::Outcome::Reply },
        count: u64::from(if lost { losses } else { replies }),
    }
}
