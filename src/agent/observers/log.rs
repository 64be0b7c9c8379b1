//! Writes facts to the log: one event a line, with the same field names everywhere.

mod effects;
mod probes;
mod provider;
mod targets;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use tracing::field::display;
use tracing::{info, warn};

use super::Observer;
use crate::dns::confirm::effect::ZoneNews;
use crate::engine::Engine;
use crate::engine::event::{Fact, Reason, RehearsalStage};
use crate::engine::ids::{ServiceId, TargetRef, ZoneId};
use crate::text::{brief, join_or_none};
use targets::{NameField, TargetFields};

/// Writes facts to the log.
#[derive(Debug)]
pub(in crate::agent) struct LogObserver;

impl Observer for LogObserver {
    fn fact(&mut self, engine: &Engine, fact: &Fact) {
        write(engine, fact);
    }

    fn effect(&mut self, engine: &Engine, news: &ZoneNews) {
        effects::write(engine, news);
    }
}

/// Writes one fact. `engine` tells canaries from targets, and has the names of services and zones.
fn write(engine: &Engine, fact: &Fact) {
    match fact {
        Fact::Judged { endpoint, outcome, rtt } => probes::judged(*endpoint, *outcome, *rtt),
        Fact::Late { endpoint, rtt } => probes::late(engine, *endpoint, *rtt),
        Fact::Faulty { endpoint, what, logged } => probes::faulty(engine, *endpoint, what, *logged),
        Fact::FaultOver { endpoint, logged } => probes::fault_over(engine, *endpoint, *logged),
        Fact::Faults { count, endpoints, first, newest } => {
            let first = first.iter().map(|endpoint| engine.settings().endpoint_name(*endpoint));
            probes::faults(*count, *endpoints, &first.collect::<Vec<_>>(), newest);
        }
        Fact::Limits { endpoint, noticed_after } => {
            probes::limits(engine, *endpoint, *noticed_after);
        }
        Fact::Applied { service, .. } => {
            provider::applied(engine, fact, engine.settings().shown_name(*service).map(display));
        }
        Fact::NameFailing { zone, name, what } => {
            provider::name_failing(name, &zone_field(engine, *zone), what);
        }
        Fact::NameFailingOver { zone, name } => {
            let zone = zone_field(engine, *zone);
            info!(name, zone, "name is maintained again");
        }
        Fact::Failing { zone, problem } => {
            provider::failing(problem, &zone_field(engine, *zone));
        }
        Fact::FailingOver { zone } => {
            let zone = zone_field(engine, *zone);
            info!(zone, "DNS provider recovered");
        }
        Fact::Stalled { lasted } => {
            let lasted = brief(*lasted);
            warn!(
                lasted,
                "process was suspended for {lasted}; probes outstanding during that time are discarded"
            );
        }
        Fact::Isolated { missing, cause } => warn!(
            reason = Reason::Isolated.as_label(),
            targets = list(missing.iter().map(|target| engine.settings().target_name(*target))),
            "isolated: {}, so nothing is withdrawn",
            cause.as_str()
        ),
        Fact::IsolationOver { lasted } => info!(
            lasted = brief(*lasted),
            "no longer isolated; every run of losses starts from zero"
        ),
        Fact::Peer { peer, alive: true } => info!(%peer, "peer is alive"),
        Fact::Peer { peer, .. } => warn!(%peer, "peer is gone; it has no vote"),
        of_a_target => write_about_target(engine, of_a_target),
    }
}

/// Returns the name of a zone as a field.
fn zone_field(engine: &Engine, zone: ZoneId) -> NameField<'_> {
    engine.settings().shown_zone(zone).map(display)
}

/// Writes one fact about the targets of a service.
fn write_about_target(engine: &Engine, fact: &Fact) {
    let names = ServiceFields(engine);
    match fact {
        Fact::Flipped { service, target, from, to, count, silent_for, last_error } => {
            let at = names.at(*service, *target);
            let reason = targets::FlipReason {
                check: failed_checks(engine, *service, *target),
                said: last_error.as_deref(),
                back_in: back_in(engine, TargetRef { service: *service, address: *target }),
            };
            targets::flipped(at, [*from, *to], *count, *silent_for, &reason);
        }
        Fact::CheckFlipped { service, target, check, to, count, last_error, .. } => {
            let at = names.at(*service, *target);
            targets::check_flipped(at, check, *to, *count, last_error.as_deref());
        }
        Fact::Asked { service, target, why } => {
            targets::asked(names.at(*service, *target), why.as_deref());
        }
        Fact::Alike { service, targets, kind } => {
            targets::alike(targets, kind, &names.of(*service));
        }
        Fact::AlikeOver { service } => targets::alike_over(&names.of(*service)),
        Fact::Verdict { service, target, verdict, agreeing, after } => {
            targets::verdict(names.at(*service, *target), *verdict, agreeing, *after);
        }
        Fact::Refused { service, target, reason, detail } => {
            targets::refused(names.at(*service, *target), *reason, detail);
        }
        Fact::RefusalOver { service, target, reason } => {
            targets::refusal_over(names.at(*service, *target), *reason);
        }
        Fact::EvidenceLost { service, targets } => {
            targets::evidence_lost(targets, &names.of(*service));
        }
        Fact::StillUnknown { service, targets } => {
            targets::still_unknown(targets, &names.of(*service));
        }
        Fact::EvidenceBack { service, target, lasted, notified } => {
            targets::evidence_back(names.at(*service, *target), *lasted, *notified);
        }
        Fact::Drained { service, target, drain } => {
            targets::drained(names.at(*service, *target), drain);
        }
        Fact::WaitEnded { service, target } => targets::wait_ended(names.at(*service, *target)),
        Fact::Undrained { service, target, expired } => {
            targets::undrained(names.at(*service, *target), *expired);
        }
        Fact::Rehearsal { service, target, stage } => {
            rehearsal(names.at(*service, *target), *stage);
        }
        _ => {}
    }
}

/// Returns the time until a target that has just come up is put back, if it waits, and how often it came
/// to that.
fn back_in(engine: &Engine, target: TargetRef) -> Option<String> {
    let wait = engine.target_view(target)?.returning?;
    let often = wait.how_often().map(|often| format!(", {often}")).unwrap_or_default();
    Some(format!("{}{often}", brief(wait.delay)))
}

/// Returns the names of those of several checks that made a target go down.
fn failed_checks(engine: &Engine, service: ServiceId, address: IpAddr) -> Option<String> {
    engine.settings().service(service).filter(|its| its.checks.len() > 1)?;
    let view = engine.target_view(TargetRef { service, address })?;
    let names: Vec<&str> = view.failed.iter().map(|failed| failed.check.as_str()).collect();
    (!names.is_empty()).then(|| names.join(","))
}

/// The names of the services as fields of lines.
struct ServiceFields<'a>(&'a Engine);

impl<'a> ServiceFields<'a> {
    fn of(&self, service: ServiceId) -> NameField<'a> {
        self.0.settings().shown_name(service).map(display)
    }

    fn at(&self, service: ServiceId, target: IpAddr) -> TargetFields<'a> {
        TargetFields { target, service: self.of(service) }
    }
}

fn rehearsal(TargetFields { target, service }: TargetFields<'_>, stage: RehearsalStage) {
    match stage {
        RehearsalStage::Dead => {
            info!(%target, service, "rehearsal: ignoring its replies, as if it were dead");
        }
        RehearsalStage::Alive => info!(%target, service, "rehearsal: its replies count again"),
        RehearsalStage::Over => {
            info!(%target, service, "rehearsal: complete; the agent keeps monitoring");
        }
    }
}

/// Returns items as the value of a field, separated by commas.
fn list(items: impl IntoIterator<Item = impl ToString>) -> String {
    join_or_none(items, ",")
}
