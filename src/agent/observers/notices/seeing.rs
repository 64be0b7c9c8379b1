//! The peers that see the cause of an incident, by their votes.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::keys;
use crate::engine::Engine;
use crate::engine::ids::{ServiceId, TargetRef};
use crate::engine::types::Health;
use crate::notify::{IncidentKey, IncidentProblem as Problem, NoticeTarget};

/// Returns the agents that still see the cause of an incident which is over here: they see a target down
/// that this agent sees up. If it is down here too, their votes tell nothing about the incident.
pub(super) fn still_seen(
    engine: &Engine,
    key: &IncidentKey,
    members: &[NoticeTarget],
) -> BTreeSet<SocketAddr> {
    let Some(service) = keys::service_of(engine.settings(), key) else { return BTreeSet::new() };
    match key.problem {
        Problem::NoneLeft => all_down(engine, service),
        Problem::Floor | Problem::MaxOut | Problem::NoQuorum | Problem::Contested => {
            down(engine, service, members)
        }
        _ => BTreeSet::new(),
    }
}

/// Returns the peers that see one of these targets down that is up here.
pub(super) fn down(
    engine: &Engine,
    service: ServiceId,
    members: &[NoticeTarget],
) -> BTreeSet<SocketAddr> {
    let mut peers = BTreeSet::new();
    for member in members {
        let target = TargetRef { service, address: member.address };
        let view = engine.target_view(target);
        if view.is_some_and(|view| view.health == Health::Up) {
            peers.extend(engine.agents_down(target));
        }
    }
    peers
}

/// Returns the peers that see all targets of a service down.
pub(super) fn all_down(engine: &Engine, service: ServiceId) -> BTreeSet<SocketAddr> {
    let its = engine.settings().service(service);
    let targets = its.into_iter().flat_map(|its| its.targets.iter());
    let targets = targets.map(|&address| TargetRef { service, address });
    let mut peers: Option<BTreeSet<SocketAddr>> = None;
    for target in targets {
        let down: BTreeSet<_> = engine.agents_down(target).collect();
        peers = Some(match peers {
            Some(peers) => peers.intersection(&down).copied().collect(),
            None => down,
        });
    }
    peers.unwrap_or_default()
}
