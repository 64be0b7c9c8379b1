//! Changes that this agent did not make: targets that another agent withdrew or published, and dead targets
//! that were out for another reason before.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Bound;
use std::time::Duration;

use super::incidents::OtherAgents;
use super::ranks;
use crate::engine::ids::{ServiceId, TargetRef, ZoneId};
use crate::engine::plan::{Family, Observed, SetKey};
use crate::engine::types::Health;
use crate::engine::{Engine, Moment, TargetView};
use crate::notify::IncidentProblem;

/// Time after which a change that nobody has reported is reported. Until then the agent that makes it
/// may be about to.
const UNREPORTED_FOR: Duration = Duration::from_secs(15);

/// Time for which a target that asked to be out may be silent: it is being restarted, say.
const SILENT_FOR: Duration = Duration::from_mins(10);

/// The most targets that are looked at in one second.
const LOOKED_AT: usize = 500;

/// A change that this agent did not make.
#[derive(Debug)]
pub(super) struct FoundChange {
    /// The target in question.
    pub(super) target: TargetRef,
    /// The problem of its incident.
    pub(super) problem: IncidentProblem,
    /// The agents that may have made the change, and report it.
    pub(super) left_to: OtherAgents,
}

/// A target that may have been changed by another agent, or may be out for another reason.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    since: Moment,
    /// Whether it was out of DNS before it died, so that no agent withdraws it.
    was_out: bool,
}

/// The targets in question.
#[derive(Debug, Default)]
pub(super) struct FoundChanges {
    candidates: BTreeMap<TargetRef, Candidate>,
    /// The targets that no name had at the first listing after the start or a reload, and that have not been up since: no
    /// agent may have withdrawn them.
    absent: BTreeSet<TargetRef>,
    /// The services with a zone that was listed since.
    listed: BTreeSet<ServiceId>,
    /// The target at which the last look ended.
    looked_at: Option<TargetRef>,
}

impl FoundChanges {
    /// Follows a change of the health of a target, or of the verdict on it.
    pub(super) fn add(&mut self, engine: &Engine, target: TargetRef, now: Moment) {
        let view = engine.target_view(target);
        if view.as_ref().is_none_or(|view| view.health == Health::Up) {
            self.absent.remove(&target);
        }
        let Some(view) = view.filter(|view| problem(view).is_some()) else {
            self.candidates.remove(&target);
            return;
        };
        let was_absent = !view.in_service && self.absent.contains(&target);
        let is_out = is_ordered(engine, &view, now) || was_absent;
        let new = Candidate { since: now, was_out: is_out };
        self.candidates.entry(target).or_insert(new).was_out |= is_out;
    }

    /// Follows the first listing of services.
    fn follow_listing(&mut self, engine: &Engine, zone: ZoneId) {
        let Some(observed) = engine.observed(zone) else { return };
        if engine.settings().cluster.is_none() {
            return;
        }
        for (service, its) in engine.settings().services() {
            if its.zone != zone || !self.listed.insert(service) {
                continue;
            }
            for &address in its.targets.iter() {
                let mut sets = its
                    .names
                    .iter()
                    .map(|name| SetKey { name: name.clone(), family: Family::of(address) });
                if !sets.any(|set| is_in(observed, &set, address)) {
                    self.absent.insert(TargetRef { service, address });
                }
            }
        }
    }

    /// Looks at all targets again: their services or zones may have other names, so that nobody has reported
    /// them under their new keys.
    pub(super) fn add_all(&mut self, engine: &Engine, now: Moment) {
        self.absent.retain(|target| engine.target_view(*target).is_some());
        // There may be new targets.
        self.listed.clear();
        for zone in engine.settings().zones.keys() {
            self.follow_listing(engine, *zone);
        }
        for view in engine.targets().filter(|view| problem(view).is_some()) {
            let target = TargetRef { service: view.service, address: view.address };
            let was_out = problem(&view) == Some(IncidentProblem::Withdrawn);
            self.candidates.entry(target).or_insert(Candidate { since: now, was_out });
        }
    }

    /// Removes and returns the changes in a zone that other agents made, by its last listing.
    pub(super) fn of_others(
        &mut self,
        engine: &Engine,
        zone: ZoneId,
        now: Moment,
    ) -> Vec<FoundChange> {
        let mut found = Vec::new();
        if engine.settings().cluster.is_none() {
            return found;
        }
        self.follow_listing(engine, zone);
        self.candidates.retain(|&target, candidate| {
            let its = engine.settings().service(target.service);
            if candidate.was_out || its.is_none_or(|its| its.zone != zone) {
                return true;
            }
            let Some(problem) = made(engine, target, now) else { return true };
            let left_to = ranks::writers(engine, target);
            if left_to == OtherAgents::default() {
                // This agent alone sees it: it may be its own change.
                return now.since(candidate.since) < UNREPORTED_FOR.saturating_mul(2);
            }
            found.push(FoundChange { target, problem, left_to });
            false
        });
        found
    }

    /// Removes and returns the dead targets that nobody has reported as withdrawn for a while.
    pub(super) fn left_over(&mut self, engine: &Engine, now: Moment) -> Vec<FoundChange> {
        let from = self.looked_at.take().map_or(Bound::Unbounded, Bound::Excluded);
        let next: Vec<_> = self
            .candidates
            .range((from, Bound::Unbounded))
            .map(|(target, candidate)| (*target, *candidate))
            .take(LOOKED_AT)
            .collect();
        if next.len() == LOOKED_AT {
            self.looked_at = next.last().map(|(target, _)| *target);
        }
        let mut found = Vec::new();
        for (target, candidate) in next {
            let Some(view) = engine.target_view(target).filter(|it| problem(it).is_some()) else {
                self.candidates.remove(&target);
                continue;
            };
            // Its order may end before it is alive again.
            if is_ordered(engine, &view, now) {
                let orders = Candidate { since: now, was_out: true };
                self.candidates.insert(target, orders);
                continue;
            }
            let Some(problem) = made(engine, target, now) else { continue };
            if now.since(candidate.since) < UNREPORTED_FOR {
                continue;
            }
            if problem != IncidentProblem::Withdrawn {
                continue;
            }
            self.candidates.remove(&target);
            let left_to = if candidate.was_out {
                ranks::ahead(engine, target)
            } else {
                ranks::writers(engine, target)
            };
            found.push(FoundChange { target, problem, left_to });
        }
        found
    }
}

/// Whether a set had an address in a listing.
fn is_in(observed: &Observed, set: &SetKey, address: IpAddr) -> bool {
    observed.get(set).is_some_and(|there| there.contains(&address))
}

/// Returns the problem of a target that is out and dead, or of a standby that is in.
fn problem(view: &TargetView) -> Option<IncidentProblem> {
    match (view.standby.is_some(), view.in_service) {
        (true, true) => Some(IncidentProblem::StandbyIn),
        (false, false) if view.health == Health::Down => Some(IncidentProblem::Withdrawn),
        _ => None,
    }
}

/// Returns the problem of a target if DNS shows the change and no order explains it.
fn made(engine: &Engine, target: TargetRef, now: Moment) -> Option<IncidentProblem> {
    let view = engine.target_view(target).filter(|view| !is_ordered(engine, view, now))?;
    problem(&view).filter(|_| engine.is_followed(target))
}

/// Whether somebody drained a target, or it asked to be out and is not silent for long since.
fn is_ordered(engine: &Engine, view: &TargetView, now: Moment) -> bool {
    let target = TargetRef { service: view.service, address: view.address };
    let asked = engine.last_asked(target);
    view.drain.is_some() || asked.is_some_and(|at| now.since(at) < SILENT_FOR)
}
