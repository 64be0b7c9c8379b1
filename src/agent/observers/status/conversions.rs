//! Conversions from the configuration and the engine's views to the entries of the board.

use crate::agent::clock::Clock;
use crate::engine::TargetView;
use crate::engine::types::{Endpoint, Health};
use crate::probe::checks::CheckKind;
use crate::settings::Config;
use crate::status::{ClockReading, Setup, TargetState, Time, model};

/// Returns the entry of the agent, as the configuration describes it.
pub(super) fn setup(config: &Config, now: Time) -> Setup {
    let zone = config.default_zone().provider.zone().to_owned();
    let single = config.sections.cluster.is_none();
    // All targets are probed by the check of the same port.
    let endpoint = Endpoint {
        address: config.default_service().targets[0],
        port: config.default_service().tcp_port,
    };
    Setup {
        agent: model::Agent {
            name: config.name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            started_at: now,
            dry_run: config.dry_run,
            mode: if single { model::Mode::Single } else { model::Mode::Cluster },
            r#type: CheckKind::of(endpoint).name().into(),
            provider: config.default_zone().provider.name().into(),
            zone,
            isolated: false,
            isolation_cause: None,
            config_loaded_at: now,
            guards_off: config.guards_off.iter().map(ToString::to_string).collect(),
        },
        targets: config.default_service().targets.clone(),
        names: config.default_zone().provider.names().to_vec(),
    }
}

/// Returns the state of one target.
pub(super) fn target_state(view: &TargetView, now: ClockReading, clock: &Clock) -> TargetState {
    let lost = view.losses > 0;
    let drained = view.drain.as_ref().map(|drain| model::Drained {
        until: drain
            .until
            .map(|until| now.wall_at(clock.started().into_std() + until.since_start())),
        reason: drain.reason.clone(),
    });
    TargetState {
        health: match view.health {
            _ if view.unknown => model::Health::Unknown,
            Health::AssumedUp => model::Health::AssumedUp,
            Health::Up => model::Health::Up,
            Health::Down => model::Health::Down,
        },
        judged: Some(clock.started().into_std() + view.judged.since_start()),
        in_service: view.in_service,
        reason: view.reason,
        streak: model::Streak {
            outcome: if lost { model::Outcome::Loss } else { model::Outcome::Reply },
            count: u64::from(if lost { view.losses } else { view.replies }),
        },
        drained,
    }
}
