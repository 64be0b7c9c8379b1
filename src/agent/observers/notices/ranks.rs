//! The other agents that report before this one about a problem that all of them see.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::causes::{self, Seen};
use super::incidents::OtherAgents;
use super::keys;
use crate::engine::Engine;
use crate::engine::event::{Fact, Reason};
use crate::engine::ids::{ServiceId, TargetRef};
use crate::engine::types::Health;
use crate::notify::{IncidentKey, IncidentProblem as Problem, NoticeTarget};

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

/// Returns the peers that report about an open incident before this agent, if its cause lasts here.
pub(super) fn ahead_now(
    engine: &Engine,
    seen: &Seen,
    key: &IncidentKey,
    members: &[NoticeTarget],
) -> Option<OtherAgents> {
    let service = keys::service_of(engine.settings(), key)?;
    if key.problem == Problem::NoneLeft {
        return causes::is_none_left(engine, service).then(|| ahead_for(engine, service));
    }
    let mut found = None;
    for member in members {
        let target = TargetRef { service, address: member.address };
        let reason = engine.target_view(target).and_then(|view| view.reason);
        let lasts = match key.problem {
            Problem::Certificate => seen.ends_soon(engine, target),
            problem => reason.is_some_and(|it| it.as_label() == problem.word()),
        };
        if !lasts {
            continue;
        }
        let others = match reason {
            Some(Reason::Alike) => ahead_alike(engine, service),
            _ => ahead(engine, target),
        };
        if others == OtherAgents::default() {
            return Some(others);
        }
        found = Some(others);
    }
    found
}
