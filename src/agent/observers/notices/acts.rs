//! The notices of changes in DNS, with the incidents that they open and close.

use super::draft::{self, NoticeDraft};
use super::incidents::Incidents;
use super::keys;
use crate::dns::confirm::change::ChangeKind;
use crate::dns::confirm::effect::ChangeEffect;
use crate::engine::Engine;
use crate::engine::event::{Fact, Withdrawal};
use crate::engine::ids::{TargetRef, ZoneId};
use crate::notify::{IncidentKey, IncidentProblem, IncidentStatus, NoticeKind, Severity};

/// Returns the notices of a change that the provider confirmed.
pub(super) fn applied(engine: &Engine, fact: &Fact, incidents: &Incidents) -> Vec<NoticeDraft> {
    let Fact::Applied { zone, service, withdrawn, restored, created, took, .. } = fact else {
        return vec![];
    };
    let settings = engine.settings();
    let mut drafts = Vec::new();
    for (address, gone) in withdrawn {
        let target = TargetRef { service: *service, address: *address };
        let (named, standby) = (draft::named(settings, target), engine.why_standby(target));
        let is_standby = standby.is_some();
        let draft = draft::withdrawn(named, gone, standby, *took);
        let (problem, status) = problem_of(gone, is_standby);
        drafts.push(draft.of(key(engine, *zone, target, problem)).status(status));
    }
    for (address, names) in created {
        let target = TargetRef { service: *service, address: *address };
        let draft = draft::created(draft::named(settings, target), names, *took);
        drafts.push(draft.of(key(engine, *zone, target, IncidentProblem::Created)));
    }
    for (address, names) in restored {
        let target = TargetRef { service: *service, address: *address };
        let (view, often) = (engine.target_view(target), engine.how_often(target));
        let is_standby = view.as_ref().is_some_and(|view| view.standby.is_some());
        let named = draft::named(settings, target);
        let draft = draft::restored(named.clone(), names, view.as_ref(), *took).explained(often);
        let status = if is_standby { IncidentStatus::Opened } else { IncidentStatus::Closed };
        // It may have asked to be out first, and died then.
        let problems: &[IncidentProblem] = if is_standby {
            &[IncidentProblem::StandbyIn]
        } else {
            &[IncidentProblem::Asked, IncidentProblem::Withdrawn]
        };
        let mut keys: Vec<_> =
            problems.iter().map(|problem| key(engine, *zone, target, *problem)).collect();
        // Another agent may have opened the last one.
        let last = keys.pop();
        keys.retain(|key| incidents.is_open(key, Some(&named)));
        keys.extend(last.filter(|last| keys.is_empty() || incidents.is_open(last, Some(&named))));
        drafts.extend(keys.into_iter().map(|key| draft.clone().of(key).status(status)));
    }
    if settings.service(*service).is_none() {
        // Nothing could end an incident of a service that is gone.
        return drafts.into_iter().map(|it| it.status(IncidentStatus::Event)).collect();
    }
    drafts
}

/// Returns the problem of a withdrawal, and its place in the course of the incident.
fn problem_of(gone: &Withdrawal, is_standby: bool) -> (IncidentProblem, IncidentStatus) {
    match gone {
        Withdrawal { by_hand: true, .. } => (IncidentProblem::Drained, IncidentStatus::Opened),
        Withdrawal { standing_by: true, .. } => {
            (IncidentProblem::StandbyIn, IncidentStatus::Closed)
        }
        // A standby that is dead is missed only while it is needed, which is another problem.
        _ if is_standby => (IncidentProblem::StandbyIn, IncidentStatus::Closed),
        Withdrawal { asked: true, .. } => (IncidentProblem::Asked, IncidentStatus::Opened),
        _ => (IncidentProblem::Withdrawn, IncidentStatus::Opened),
    }
}

/// Returns the key of a problem with a target. Its service may be gone, but its zone is known.
fn key(engine: &Engine, zone: ZoneId, target: TargetRef, problem: IncidentProblem) -> IncidentKey {
    let settings = engine.settings();
    if settings.service(target.service).is_some() {
        return keys::of_target(settings, target, problem);
    }
    let address = target.address.to_string();
    keys::of_zone(settings, zone, Some(&address), problem)
}

/// Returns the notice that name servers show a change, or do not.
pub(super) fn effect(
    engine: &Engine,
    kind: NoticeKind,
    (zone, effect): (ZoneId, &ChangeEffect),
    incidents: &Incidents,
) -> NoticeDraft {
    let settings = engine.settings();
    let draft = draft::effect(kind, effect, settings);
    let hidden = IncidentProblem::NotVisible;
    let target = effect.service.map(|service| TargetRef { service, address: effect.address });
    let key = match target {
        Some(target) => keys::of_target(settings, target, hidden),
        None => keys::of_zone(settings, zone, Some(&effect.address.to_string()), hidden),
    };
    if kind == NoticeKind::NotVisible {
        let is_dead = effect.kind == ChangeKind::Withdrawn;
        let severity = if is_dead { Severity::Critical } else { Severity::Warning };
        return draft.of(key).severity(severity);
    }
    let Some(target) = target else {
        let is_open = incidents.is_open(&key, None);
        let its = IncidentKey { problem: kind.problem(None), ..key.clone() };
        return if is_open { draft.of(key).status(IncidentStatus::Closed) } else { draft.of(its) };
    };
    let named = draft::named(settings, target);
    if incidents.is_open(&key, Some(&named)) {
        return draft.of(key).status(IncidentStatus::Closed);
    }
    let problem = match effect.kind {
        ChangeKind::Withdrawn => IncidentProblem::Withdrawn,
        ChangeKind::Restored | ChangeKind::Added => IncidentProblem::StandbyIn,
    };
    let changed = keys::of_target(settings, target, problem);
    if incidents.is_open(&changed, Some(&named)) {
        return draft.of(changed).status(IncidentStatus::Updated);
    }
    draft.of(keys::of_target(settings, target, kind.problem(None)))
}
