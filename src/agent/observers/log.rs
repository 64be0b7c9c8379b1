//! Writes facts to the log: one event a line, with the same field names everywhere.

mod probes;
mod provider;
mod targets;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use tracing::{info, warn};

use super::Observer;
use crate::engine::Engine;
use crate::engine::event::{Fact, Reason, RehearsalStage};
use crate::text::{brief, join_or_none};

/// Writes facts to the log.
#[derive(Debug)]
pub(in crate::agent) struct LogObserver;

impl Observer for LogObserver {
    fn fact(&mut self, engine: &Engine, fact: &Fact) {
        write(engine, fact);
    }
}

/// Writes one fact. `engine` tells canaries from targets.
fn write(engine: &Engine, fact: &Fact) {
    match fact {
        Fact::Judged { endpoint, outcome, rtt } => probes::judged(*endpoint, *outcome, *rtt),
        Fact::Late { endpoint, rtt } => probes::late(engine, *endpoint, *rtt),
        Fact::Faulty { endpoint, what, logged } => probes::faulty(engine, *endpoint, what, *logged),
        Fact::FaultOver { endpoint, logged } => probes::fault_over(engine, *endpoint, *logged),
        Fact::Faults { count, endpoints, first, newest } => {
            probes::faults(*count, *endpoints, first, newest);
        }
        Fact::Limits { endpoint, noticed_after } => {
            probes::limits(engine, *endpoint, *noticed_after);
        }
        Fact::Flipped { target, from, to, count, silent_for, last_error, .. } => {
            targets::flipped(*target, [*from, *to], *count, *silent_for, last_error.as_deref());
        }
        Fact::Verdict { target, verdict, agreeing, after, .. } => {
            targets::verdict(*target, *verdict, agreeing, *after);
        }
        Fact::Refused { target, reason, detail, .. } => targets::refused(*target, *reason, detail),
        Fact::RefusalOver { target, reason, .. } => targets::refusal_over(*target, *reason),
        Fact::EvidenceLost { targets, .. } => targets::evidence_lost(targets),
        Fact::StillUnknown { targets, .. } => targets::still_unknown(targets),
        Fact::EvidenceBack { target, lasted, notified, .. } => {
            targets::evidence_back(*target, *lasted, *notified);
        }
        Fact::Drained { target, drain, .. } => targets::drained(*target, drain),
        Fact::Undrained { target, expired, .. } => targets::undrained(*target, *expired),
        Fact::Applied { .. } => provider::applied(fact),
        Fact::NameFailing { name, what, .. } => provider::name_failing(name, what),
        Fact::NameFailingOver { name, .. } => info!(name, "name is maintained again"),
        Fact::Failing { problem, .. } => provider::failing(problem),
        Fact::FailingOver { .. } => info!("DNS provider recovered"),
        Fact::Stalled { lasted } => {
            let lasted = brief(*lasted);
            warn!(
                lasted,
                "process was suspended for {lasted}; probes outstanding during that time are discarded"
            );
        }
        Fact::Isolated { missing, cause } => warn!(
            reason = Reason::Isolated.as_label(),
            targets = list(missing),
            "isolated: {}, so nothing is withdrawn",
            cause.as_str()
        ),
        Fact::IsolationOver { lasted } => info!(
            lasted = brief(*lasted),
            "no longer isolated; every run of losses starts from zero"
        ),
        Fact::Peer { peer, alive: true } => info!(%peer, "peer is alive"),
        Fact::Peer { peer, .. } => warn!(%peer, "peer is gone; it has no vote"),
        Fact::Rehearsal { target, stage, .. } => rehearsal(*target, *stage),
    }
}

fn rehearsal(target: IpAddr, stage: RehearsalStage) {
    match stage {
        RehearsalStage::Dead => {
            info!(%target, "rehearsal: ignoring its replies, as if it were dead");
        }
        RehearsalStage::Alive => info!(%target, "rehearsal: its replies count again"),
        RehearsalStage::Over => {
            info!(%target, "rehearsal: complete; the agent keeps monitoring");
        }
    }
}

/// Returns items as the value of a field, separated by commas.
fn list(items: impl IntoIterator<Item = impl ToString>) -> String {
    join_or_none(items, ",")
}
