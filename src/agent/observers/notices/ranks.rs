//! The other agents that report before this one about a problem that all of them see.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::causes::{self, Seen};
use super::incidents::{IncidentWitnesses, OtherAgents};
use super::{keys, seeing};
use crate::engine::Engine;
use crate::engine::event::Fact;
use crate::engine::ids::{ServiceId, TargetRef};
use crate::engine::types::Health;
use crate::notify::{IncidentKey, IncidentProblem as Problem, Notice, NoticeKind, NoticeTarget};

/// Returns the peers that see a target as this agent does, and report about it before this agent.
pub(super) fn ahead(engine: &Engine, target: TargetRef) -> OtherAgents {
    OtherAgents::before(engine.agents_before(target).collect())
}

/// Returns the peers that see a target as this agent does, and may have withdrawn it.
pub(super) fn writers(engine: &Engine, target: TargetRef) -> OtherAgents {
    OtherAgents {
        any: engine.agents_alike(target).collect(),
        before: engine.agents_before(target).collect(),
    }
}

/// Returns the peers that report about a whole service before this agent: they are before it in rank for
/// its lowest address, and see each of its targets as this agent does.
pub(super) fn ahead_for(engine: &Engine, service: ServiceId) -> OtherAgents {
    let settings = engine.settings();
    let mut targets: Vec<_> =
        settings.service(service).map(|its| its.targets.to_vec()).unwrap_or_default();
    targets.retain(|&address| {
        let view = engine.target_view(TargetRef { service, address });
        view.is_some_and(|view| view.health != Health::AssumedUp)
    });
    let Some(first) = targets.iter().min().copied() else { return OtherAgents::default() };
    let first = TargetRef { service, address: first };
    let mut before: BTreeSet<SocketAddr> = engine.agents_before(first).collect();
    for address in targets {
        if before.is_empty() {
            break;
        }
        let alike: BTreeSet<_> = engine.agents_alike(TargetRef { service, address }).collect();
        before.retain(|peer| alike.contains(peer));
    }
    OtherAgents::before(before)
}

/// Returns the peers that report an event before this agent, if all agents that see the same report it.
pub(super) fn ahead_of(engine: &Engine, fact: &Fact) -> OtherAgents {
    match fact {
        Fact::Refused { service, target, .. } | Fact::RefusalOver { service, target, .. } => {
            ahead(engine, TargetRef { service: *service, address: *target })
        }
        Fact::Alike { service, .. } => ahead_alike(engine, *service),
        _ => OtherAgents::default(),
    }
}

/// Returns the other agents that may refuse as before, if this agent does not because it is isolated now: it
/// does not know whether that is over.
pub(super) fn still_refusing(engine: &Engine, fact: &Fact) -> Option<OtherAgents> {
    if !engine.is_isolated() {
        return None;
    }
    match fact {
        Fact::RefusalOver { service, target, .. } => {
            Some(writers(engine, TargetRef { service: *service, address: *target }))
        }
        _ => None,
    }
}

fn ahead_alike(engine: &Engine, service: ServiceId) -> OtherAgents {
    OtherAgents::before(engine.agents_before_alike(service).into_iter().collect())
}

/// Returns the agents that see the cause of an open incident, if the configuration has its service.
pub(super) fn witnesses(
    engine: &Engine,
    seen: &Seen,
    key: &IncidentKey,
    members: &[NoticeTarget],
) -> Option<IncidentWitnesses> {
    let service = keys::service_of(engine.settings(), key)?;
    let mut its = IncidentWitnesses::default();
    if key.problem == Problem::NoneLeft {
        its.here = causes::is_none_left(engine, service);
        its.before = ahead_for(engine, service).before;
        its.others = seeing::all_down(engine, service);
        return Some(its);
    }
    // The first target decides, so that the agents agree about an incident of many.
    let mut targets = members.iter().map(|it| TargetRef { service, address: it.address });
    let lasting = targets.find(|target| lasts(engine, seen, key.problem, *target));
    its.here = lasting.is_some();
    match (lasting, key.problem) {
        (Some(_), Problem::Alike) => its.before = ahead_alike(engine, service).before,
        (Some(_), Problem::StandbyIn) => its.before = ahead_for(engine, service).before,
        (Some(target), _) => its.before = ahead(engine, target).before,
        (None, Problem::Withdrawn) => its.others = seeing::down(engine, service, members),
        (None, _) => its.others = seeing::still_seen(engine, key, members),
    }
    if let Some(target) = lasting {
        its.others = engine.agents_alike(target).collect();
    }
    Some(its)
}

/// Whether the cause of an incident lasts here for a target.
fn lasts(engine: &Engine, seen: &Seen, problem: Problem, target: TargetRef) -> bool {
    let Some(view) = engine.target_view(target) else { return false };
    match problem {
        Problem::Certificate => seen.ends_soon(engine, target),
        Problem::Withdrawn => view.health == Health::Down && !view.in_service,
        Problem::StandbyIn => view.standby.is_some() && view.in_service,
        problem => view.reason.is_some_and(|it| it.as_label() == problem.word()),
    }
}

/// Returns the agents that report a refusal before this agent. All else is an act of this agent alone, or
/// was left to others at once.
pub(super) fn ahead_of_notice(engine: &Engine, notice: &Notice) -> OtherAgents {
    let key = &notice.incident;
    let service = keys::service_of(engine.settings(), key);
    match (notice.kind, service, notice.targets.first()) {
        (NoticeKind::Refused, Some(service), Some(target)) => {
            ahead(engine, TargetRef { service, address: target.address })
        }
        _ => OtherAgents::default(),
    }
}
