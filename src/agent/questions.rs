//! The questions about targets: the explanation of the engine, dated by the wall clock and in words.

mod summary;

use std::net::IpAddr;
use std::time::SystemTime;

use super::clock::{Clock, wall};
use crate::engine::explanation::{ExplainedRecord, Explanation, GuardAnswer};
use crate::engine::ids::{ServiceId, TargetRef};
use crate::engine::types::{Health, Verdict, WithdrawalCause};
use crate::engine::{Engine, Moment};
use crate::settings::Config;
use crate::status::{
    ChangeInQuestion, ExplainAnswer, ExplainRefused, ExplainRequest, RecordInQuestion,
    StatedAnswer, TargetExplanation, Time, model,
};
use crate::text::first_few;

/// The number of services or targets that a refusal names.
const NAMED: usize = 5;

/// Answers a question from the state of the engine after its last event.
pub(super) fn answer(question: ExplainRequest, engine: &Engine, config: &Config, clock: &Clock) {
    let ExplainRequest { target, service, reply } = question;
    let dates = Dates { now: clock.now(), wall: wall() };
    // The reader may have disconnected.
    let _ = reply.send(explain(engine, (target, service.as_deref()), &config.name, dates));
}

/// A reading of the clock of the engine and of the wall clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dates {
    /// The time on the clock of the engine.
    pub(crate) now: Moment,
    /// The time on the wall clock.
    pub(crate) wall: SystemTime,
}

impl Dates {
    /// Returns the time that the wall clock shows at a moment.
    fn of(self, moment: Moment) -> Time {
        let later = self.wall.checked_add(moment.since(self.now));
        let date = later.and_then(|at| at.checked_sub(self.now.since(moment)));
        Time::new(date.unwrap_or(self.wall))
    }
}

/// Explains an address in one service, or in all that have it.
///
/// # Errors
///
/// Fails if there is no such service, or no service has the address.
pub(crate) fn explain(
    engine: &Engine,
    (address, service): (IpAddr, Option<&str>),
    agent: &str,
    dates: Dates,
) -> Result<ExplainAnswer, ExplainRefused> {
    let services = services(engine, address, service)?;
    let mut targets = Vec::new();
    for service in &services {
        let explanation = engine.explain(TargetRef { service: *service, address });
        targets.extend(explanation.map(|it| stated(engine, &it, dates)));
    }
    if targets.is_empty() {
        let of =
            service.map_or_else(|| "this agent".to_owned(), |name| format!("the service {name}"));
        let known = known(engine, address, service.and_then(|_| services.first().copied()));
        return Err(ExplainRefused::NotATarget { address, of, known });
    }
    Ok(ExplainAnswer {
        at: dates.of(dates.now),
        asked_for: None,
        agent: agent.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        dry_run: engine.settings().dry_run,
        address,
        targets,
    })
}

/// Returns the service of this name, or all that have the address.
fn services(
    engine: &Engine,
    address: IpAddr,
    name: Option<&str>,
) -> Result<Vec<ServiceId>, ExplainRefused> {
    let Some(name) = name else { return Ok(engine.services_of(address)) };
    let settings = engine.settings();
    if let Some((id, _)) = settings.services().find(|(_, its)| its.name == name) {
        return Ok(vec![id]);
    }
    let names: Vec<&str> = settings.services().map(|(_, its)| its.name.as_str()).collect();
    Err(ExplainRefused::NoService { name: name.to_owned(), known: first_few(&names, NAMED, ", ") })
}

/// Lists targets of a service, or of all of them: those first that begin most like an address.
fn known(engine: &Engine, address: IpAddr, service: Option<ServiceId>) -> String {
    let wanted = address.to_string();
    let mut known: Vec<IpAddr> = Vec::new();
    for (id, its) in engine.settings().services() {
        if service.is_none_or(|service| service == id) {
            known.extend(its.targets.iter());
        }
    }
    known.sort_unstable();
    known.dedup();
    known.sort_by_cached_key(|it| {
        let same = it.to_string().bytes().zip(wanted.bytes()).take_while(|(a, b)| a == b).count();
        std::cmp::Reverse(same)
    });
    first_few(&known, NAMED, ", ")
}

/// Returns an explanation as JSON has it.
fn stated(engine: &Engine, explanation: &Explanation, dates: Dates) -> TargetExplanation {
    let Explanation { health, unknown, verdict, change, records, .. } = explanation;
    let service = engine.settings().service(explanation.service);
    let family = crate::engine::plan::Family::of(explanation.address);
    TargetExplanation {
        service: service.map(|its| its.name.clone()).unwrap_or_default(),
        r#type: family.to_string(),
        health: match health {
            _ if *unknown => model::Health::Unknown,
            Health::AssumedUp => model::Health::AssumedUp,
            Health::Up => model::Health::Up,
            Health::Down => model::Health::Down,
        },
        in_service: verdict.is_in_service(),
        cause: cause(*verdict).map(str::to_owned),
        reason: explanation.reason.map(Into::into),
        since: dates.of(explanation.since),
        summary: summary::summary(explanation),
        next: summary::next(explanation),
        waits_for: summary::waits_for(explanation).map(str::to_owned),
        change: ChangeInQuestion {
            action: if change.puts_in { "restore" } else { "withdraw" }.to_owned(),
            called_for: change.is_called_for,
        },
        records: records.iter().map(record).collect(),
        listed_at: explanation.listed_at.map(|at| dates.of(at)),
        guards: explanation.guards.iter().map(|it| guard(it, dates)).collect(),
    }
}

/// Returns the cause of the verdict that a target does not belong in DNS.
fn cause(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::InService => None,
        Verdict::Withdrawn(WithdrawalCause::Down) => Some("down"),
        Verdict::Withdrawn(WithdrawalCause::Drained) => Some("drained"),
        Verdict::Withdrawn(WithdrawalCause::Asked) => Some("asked"),
        Verdict::Withdrawn(WithdrawalCause::StandingBy) => Some("standing_by"),
    }
}

fn record(record: &ExplainedRecord) -> RecordInQuestion {
    let ExplainedRecord { name, family, present } = record;
    RecordInQuestion { name: name.clone(), r#type: family.to_string(), present: *present }
}

fn guard(answer: &GuardAnswer, dates: Dates) -> StatedAnswer {
    StatedAnswer {
        guard: answer.guard.as_label().to_owned(),
        answer: answer.answer.as_label().to_owned(),
        reason: answer.reason.map(Into::into),
        evidence: answer.evidence.clone(),
        details: answer.details.clone(),
        until: answer.until.map(|at| dates.of(at)),
    }
}
