//! Whether the cause of an open incident lasts, as far as the engine shows it now.
//!
//! Most incidents end with a fact, which has more to say. This is for the others: those that an
//! earlier run left, those that ended by another hand, and those of something that the configuration
//! no longer has.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::incidents::{Cause, Suspect};
use super::{keys, seeing};
use crate::agent::observers::warnings::AskedRequest;
use crate::engine::Engine;
use crate::engine::ids::{EndpointId, ServiceId, TargetRef, ZoneId};
use crate::engine::types::{Health, Method};
use crate::engine::{Moment, TargetView};
use crate::notify::{IncidentKey, IncidentProblem as Problem, NO_PART};
use crate::settings::Config;

/// Time from the confirmation of all targets until everything that is refused has been reported again: a
/// missing quorum has a grace period.
const REPORTED_WITHIN: Duration = Duration::from_mins(1);

/// The end of an incident of an earlier run, if nothing confirms it.
const ENDED_MEANWHILE: &str = "it ended while this agent was not running";

/// The facts of this run that the engine does not keep.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The zones that were listed in this run.
    pub(super) listed: BTreeSet<ZoneId>,
    /// The zones with a provider that fails now.
    pub(super) failing: BTreeSet<ZoneId>,
    /// The requests that were answered in this run, each with whether its certificate ends soon.
    pub(super) certificates: BTreeMap<AskedRequest, bool>,
    /// The names of the zones in which name servers are asked about changes.
    pub(super) proven: BTreeSet<String>,
    /// The time since when no target is assumed up any more.
    pub(super) confirmed_since: Option<Moment>,
    /// The last look at which this agent was isolated.
    isolated_at: Option<Moment>,
}

impl Seen {
    /// Follows a configuration.
    pub(super) fn follow_config(&mut self, config: &Config) {
        let proven = config.zones.iter().filter(|zone| zone.confirm.is_some());
        self.proven = proven.map(|zone| zone.name.clone()).collect();
    }

    /// Follows whether the agent is isolated.
    pub(super) fn follow_isolation(&mut self, engine: &Engine, now: Moment) {
        if engine.is_isolated() {
            self.isolated_at = Some(now);
        }
    }

    /// Follows the engine: whether every target has been judged.
    pub(super) fn follow(&mut self, engine: &Engine, now: Moment) {
        if self.confirmed_since.is_none() {
            let mut probed = engine.targets().filter(|view| !is_unprobed(view));
            if probed.all(|view| view.health != Health::AssumedUp) {
                self.confirmed_since = Some(now);
            }
        }
    }

    /// Whether a certificate of a target is known to end soon.
    pub(super) fn ends_soon(&self, engine: &Engine, target: TargetRef) -> bool {
        self.certificates_of(engine, target).any(|ends| ends == Some(true))
    }

    /// Whether all requests to a target were answered, none of them with a certificate that ends soon.
    fn are_all_renewed(&self, engine: &Engine, target: TargetRef) -> bool {
        self.certificates_of(engine, target).all(|ends| ends == Some(false))
    }

    /// Returns of each request to a target whether its certificate ends soon, if that is known.
    fn certificates_of(
        &self,
        engine: &Engine,
        target: TargetRef,
    ) -> impl Iterator<Item = Option<bool>> {
        let checks = engine.checks_of(target).into_iter();
        let its = checks.filter_map(|check| asked(engine, check.endpoint));
        its.map(|it| self.certificates.get(&it).copied())
    }

    fn is_all_reported(&self, now: Moment) -> bool {
        let since = self.confirmed_since.filter(|_| self.is_trusted(now));
        since.is_some_and(|since| now.since(since) >= REPORTED_WITHIN)
    }

    /// Whether this agent has not been isolated for so long that it would have refused again.
    fn is_trusted(&self, now: Moment) -> bool {
        self.isolated_at.is_none_or(|at| now.since(at) >= REPORTED_WITHIN)
    }
}

/// Returns the request of an endpoint, if it has one.
pub(super) fn asked(engine: &Engine, endpoint: EndpointId) -> Option<AskedRequest> {
    let endpoint = engine.endpoint(endpoint)?;
    match endpoint.method {
        Method::Request(request) => Some((request, endpoint.address)),
        _ => None,
    }
}

fn is_unprobed(view: &TargetView) -> bool {
    view.standby.is_some_and(|standby| standby.is_last_resort)
}

/// Judges the cause of an incident, or of one of its targets.
pub(super) fn judge(engine: &Engine, seen: &Seen, now: Moment, suspect: Suspect<'_>) -> Cause {
    let key = suspect.key;
    if key.zone == NO_PART {
        return of_agent(engine, suspect);
    }
    let settings = engine.settings();
    let Some(zone) = keys::zone_of(settings, key) else {
        return Cause::Gone("the configuration has its zone no more");
    };
    if key.service == NO_PART {
        return of_zone(engine, seen, zone, suspect);
    }
    let Some(service) = keys::service_of(settings, key) else {
        return Cause::Gone("the configuration has its service no more");
    };
    match suspect.target {
        Some(target) => {
            let target = TargetRef { service, address: target.address };
            match engine.target_view(target) {
                Some(view) => of_target(engine, seen, now, (&view, suspect)),
                None => Cause::Gone("the configuration has the address no more"),
            }
        }
        None => of_service(engine, seen, now, (service, suspect)),
    }
}

fn of_agent(engine: &Engine, suspect: Suspect<'_>) -> Cause {
    match suspect.key.problem {
        _ if !suspect.is_inherited => Cause::Lasts,
        Problem::Isolated => {
            let mut targets = engine.targets();
            let is_seen = targets.any(|view| view.health == Health::Up);
            over_if(is_seen && !engine.is_isolated(), ENDED_MEANWHILE)
        }
        Problem::Reload => Cause::Gone("the agent was started again, with a good file"),
        Problem::Stopped => Cause::Gone("the agent was started again"),
        _ => Cause::Gone(ENDED_MEANWHILE),
    }
}

fn of_zone(engine: &Engine, seen: &Seen, zone: ZoneId, suspect: Suspect<'_>) -> Cause {
    let (key, is_listed) = (suspect.key, seen.listed.contains(&zone));
    match key.problem {
        Problem::NameFailing
            if !engine.settings().names_in(zone).iter().any(|name| is(key, name)) =>
        {
            Cause::Gone("the configuration has the name no more")
        }
        _ if !suspect.is_inherited || !is_listed || seen.failing.contains(&zone) => Cause::Lasts,
        Problem::Provider => {
            over_if(engine.waiting_for_dns(zone).next().is_none(), "the provider answers")
        }
        _ => over_if(true, ENDED_MEANWHILE),
    }
}

/// Whether a key is that of an owner name.
fn is(key: &IncidentKey, name: &str) -> bool {
    key.without_agent().place == IncidentKey::new(None, None, Some(name), key.problem).place
}

fn of_service(
    engine: &Engine,
    seen: &Seen,
    now: Moment,
    (service, suspect): (ServiceId, Suspect<'_>),
) -> Cause {
    match suspect.key.problem {
        Problem::NoneLeft => {
            let is_seen = !seeing::still_seen(engine, suspect.key, &[]).is_empty();
            over_if(is_any_up(engine, service) && !is_seen, "a target is in service")
        }
        _ if suspect.is_inherited && seen.is_all_reported(now) => Cause::Over(ENDED_MEANWHILE),
        _ if suspect.is_inherited && is_any_up(engine, service) => Cause::Over(ENDED_MEANWHILE),
        _ => Cause::Lasts,
    }
}

/// Whether a target of a service is in service and known to be up.
pub(super) fn is_any_up(engine: &Engine, service: ServiceId) -> bool {
    let targets = engine.settings().service(service).into_iter();
    let views = targets.flat_map(|its| its.targets.iter());
    let mut views = views.filter_map(|&address| engine.target_view(TargetRef { service, address }));
    views.any(|view| view.in_service && view.health == Health::Up)
}

/// Whether a service has targets, and no verdict has one in service.
pub(super) fn is_none_left(engine: &Engine, service: ServiceId) -> bool {
    let Some(its) = engine.settings().service(service) else { return false };
    let mut views = its
        .targets
        .iter()
        .filter_map(|&address| engine.target_view(TargetRef { service, address }));
    !its.targets.is_empty() && views.all(|view| !view.in_service)
}

fn of_target(
    engine: &Engine,
    seen: &Seen,
    now: Moment,
    (view, suspect): (&TargetView, Suspect<'_>),
) -> Cause {
    let target = TargetRef { service: view.service, address: view.address };
    let is_up = view.health == Health::Up;
    let is_followed = engine.is_followed(target);
    let is_inherited = suspect.is_inherited;
    match suspect.key.problem {
        Problem::Withdrawn | Problem::Asked => {
            let is_over = is_up && view.in_service && is_followed;
            ended_by_others(engine, target, over_if(is_over, "it is in service again"))
        }
        Problem::StandbyIn => {
            let is_over = !view.in_service && is_followed;
            ended_by_others(engine, target, over_if(is_over, "it is out of DNS again"))
        }
        Problem::Drained => over_if(view.drain.is_none(), "it is not drained any more"),
        Problem::Unknown => {
            over_if(!view.unknown && view.health != Health::AssumedUp, "it is seen again")
        }
        Problem::NotVisible if is_inherited => {
            Cause::Gone("the agent was started again and no longer asks the name servers about it")
        }
        Problem::NotVisible if !seen.proven.contains(&suspect.key.zone) => {
            Cause::Gone("the name servers are not asked any more")
        }
        Problem::Certificate => {
            over_if(seen.are_all_renewed(engine, target), "no certificate of it ends soon any more")
        }
        problem @ (Problem::Floor
        | Problem::MaxOut
        | Problem::NoQuorum
        | Problem::Contested
        | Problem::Standby) => {
            let is_refused = view.reason.is_some_and(|it| it.as_label() == problem.word());
            let is_settled = is_up || !view.in_service && is_followed && view.losses > 0;
            let is_over = !is_refused && (is_settled || seen.is_all_reported(now));
            let members: Vec<_> = suspect.target.into_iter().cloned().collect();
            // An end here is none in the cluster while another agent sees it.
            let is_over = is_over && seeing::still_seen(engine, suspect.key, &members).is_empty();
            over_if(is_over, "it is not refused any more")
        }
        _ => Cause::Lasts,
    }
}

/// Returns the judgement about a change that this agent did not make itself. A peer that makes one reports
/// it, so with a peer that agrees there is nothing more to say.
fn ended_by_others(engine: &Engine, target: TargetRef, cause: Cause) -> Cause {
    let is_over = matches!(cause, Cause::Over(_));
    if is_over && engine.agents_alike(target).next().is_some() { Cause::Reported } else { cause }
}

fn over_if(is_over: bool, words: &'static str) -> Cause {
    if is_over { Cause::Over(words) } else { Cause::Lasts }
}
