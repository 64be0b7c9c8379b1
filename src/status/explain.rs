//! Explanations: the question about a target to the event loop, and the answer of each guard.
//!
//! The names of the fields are a contract, as those of the status are.

mod routes;
mod table;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::model::{Health, StatedReason, Time};
pub use routes::explaining;
pub(crate) use table::explain_table;

/// Maximum time until a question is answered.
pub(super) const EXPLAINED_WITHIN: Duration = Duration::from_secs(5);

/// A question about an address on its way to the event loop.
#[derive(Debug)]
pub struct ExplainRequest {
    /// The address in question. It may not be a target.
    pub target: IpAddr,
    /// The name of the service; `None` for every service that has the address.
    pub service: Option<String>,
    /// The receiver of the answer, which is expected within five seconds.
    pub reply: oneshot::Sender<Result<ExplainAnswer, ExplainRefused>>,
}

/// The reason why an address cannot be explained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExplainRefused {
    /// The address is not a target.
    #[error("{address} is not a target of {of}; there is {known}")]
    NotATarget {
        /// The address of the question.
        address: IpAddr,
        /// The agent, or the service in the question.
        of: String,
        /// Some targets, the most similar ones first.
        known: String,
    },
    /// The agent has no service of that name.
    #[error("this agent has no service called {name}; there is {known}")]
    NoService {
        /// The name in the question.
        name: String,
        /// The names of some services, or of all.
        known: String,
    },
}

/// The explanation of an address in every service that has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainAnswer {
    /// The time of the explanation.
    pub at: Time,
    /// The past time in the question; the explanation is that after the last event recorded before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_for: Option<Time>,
    /// The agent's name in the configuration.
    pub agent: String,
    /// The program's version.
    pub version: String,
    /// Whether nothing is written at the provider.
    pub dry_run: bool,
    /// The address in question.
    pub address: IpAddr,
    /// Its explanation in each service, in the configuration's order.
    pub targets: Vec<TargetExplanation>,
}

/// The explanation of one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetExplanation {
    /// The name of its service; `default` if the configuration names no services.
    pub service: String,
    /// The kind of record that holds it: `A` or `AAAA`.
    pub r#type: String,
    /// The target's health, as seen by this agent.
    pub health: Health,
    /// The verdict: whether the target's records belong in the zone.
    pub in_service: bool,
    /// The cause of the verdict that they do not: `down`, `drained`, `asked`, `standing_by`.
    #[serde(default)]
    pub cause: Option<String>,
    /// The reason of the status, the log and the metrics; `None` if there is none.
    #[serde(default)]
    pub reason: Option<StatedReason>,
    /// The time at which health or verdict last changed.
    pub since: Time,
    /// The verdict, the records and the health in words.
    pub summary: String,
    /// The next change and the guard that stops it, in words.
    pub next: String,
    /// The event that is waited for, in words; `None` if nothing is to happen.
    #[serde(default)]
    pub waits_for: Option<String>,
    /// The change that the answers are about.
    pub change: ChangeInQuestion,
    /// The record sets of the target.
    pub records: Vec<RecordInQuestion>,
    /// The time of the listing that they are from; `None` before the first.
    #[serde(default)]
    pub listed_at: Option<Time>,
    /// The answers of all guards, in their order.
    pub guards: Vec<StatedAnswer>,
}

/// The change that an explanation is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeInQuestion {
    /// `withdraw` or `restore`.
    pub action: String,
    /// Whether it is called for now. Otherwise the guards say how they would answer.
    pub called_for: bool,
}

/// The presence of a target at one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordInQuestion {
    /// The owner name.
    pub name: String,
    /// The kind of record.
    pub r#type: String,
    /// Whether the set has the address; `None` if that is not known.
    pub present: Option<bool>,
}

/// The answer of one guard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatedAnswer {
    /// The guard, in one word.
    pub guard: String,
    /// Its answer, in one word: `calls`, `passes`, `holds`, `waits`, `settles`, `would_pass`, `would_hold`,
    /// `does_not_apply`.
    pub answer: String,
    /// The named reason, if the agent gives one for this answer.
    #[serde(default)]
    pub reason: Option<StatedReason>,
    /// The evidence in words and numbers.
    pub evidence: String,
    /// More of it, a line for each check, canary, peer or name.
    #[serde(default)]
    pub details: Vec<String>,
    /// The time at which the answer changes by itself; `None` if that is not known.
    #[serde(default)]
    pub until: Option<Time>,
}
