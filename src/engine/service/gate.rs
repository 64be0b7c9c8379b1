//! The questions of the gate, in their order.
//!
//! Each question stands for itself, so that the decision (the first answer) and its explanation (all
//! answers) cannot differ.

use std::net::SocketAddr;
use std::time::Duration;

use super::alike::Likeness;
use super::tiers::Need;
use super::verdict::{DOWN, Inputs, KeptByFloor, Ruling, TierStanding};
use crate::engine::fact::Reason;
use crate::engine::quorum::{self, Agreement};
use crate::engine::types::{Health, Verdict, WithdrawalCause};

/// One question of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// Did the operator take the target out?
    Drain,
    /// Is it a standby that is not needed?
    Need,
    /// Is it published unprobed?
    LastResort,
    /// Does its health call for a verdict?
    Health,
    /// Can this agent trust its own network?
    Isolation,
    /// Do other targets answer otherwise?
    Alike,
    /// Is there fresh evidence for the health?
    Evidence,
    /// Do enough agents agree?
    Agreement,
    /// Was it up for long enough to be put back?
    Return,
    /// May one more be out?
    MaxOut,
    /// Has it begun to answer again while the floor kept it?
    Recovery,
}

impl Question {
    /// All questions, in the order in which they are asked.
    pub(super) const ALL: [Self; 11] = [
        Self::Drain,
        Self::Need,
        Self::LastResort,
        Self::Health,
        Self::Isolation,
        Self::Alike,
        Self::Evidence,
        Self::Agreement,
        Self::Return,
        Self::MaxOut,
        Self::Recovery,
    ];

    /// Asks the question. `None` means that the next one is asked.
    pub(super) fn ask(self, inputs: &Inputs) -> Option<Ruling> {
        match self {
            Self::Drain => inputs.drained.then(|| {
                let verdict = Verdict::Withdrawn(WithdrawalCause::Drained);
                Ruling::Decide { verdict, agreeing: vec![], after: Duration::ZERO }
            }),
            Self::Need => {
                let standing = inputs.standby.filter(|it| it.need == Need::Unneeded);
                standing.map(|_| stand_by(&inputs.agreement))
            }
            Self::LastResort => inputs.standby.filter(|it| it.is_unprobed).map(resort_to),
            Self::Health => {
                let stays_out = inputs.standby.is_some_and(TierStanding::stays_out);
                let is_open =
                    inputs.health == Health::AssumedUp || inputs.health == Health::Up && stays_out;
                is_open.then_some(Ruling::Keep)
            }
            Self::Isolation => isolated(inputs),
            Self::Alike => match &inputs.likeness {
                Likeness::No => None,
                Likeness::Unknown => Some(Ruling::Keep),
                Likeness::Yes(kind) => {
                    let detail = format!("no target answers otherwise: {kind}");
                    Some(Ruling::Refuse(Reason::Alike, detail))
                }
            },
            Self::Evidence => (!inputs.proven).then_some(Ruling::Keep),
            Self::Agreement => disagree(&inputs.agreement),
            Self::Return => {
                let wait = inputs.returning.as_ref();
                let wait = wait.filter(|_| inputs.called_for().is_in_service());
                wait.map(|wait| Ruling::Refuse(Reason::Returning, wait.clone()))
            }
            Self::MaxOut => {
                let reached = inputs.max_out.filter(|_| inputs.called_for() == DOWN);
                reached.map(|it| Ruling::Refuse(Reason::MaxOut, it.in_words()))
            }
            Self::Recovery => {
                let recovers = inputs.kept == KeptByFloor::Recovering;
                (recovers && inputs.called_for() == DOWN).then_some(Ruling::Keep)
            }
        }
    }
}

/// Isolation keeps no target out of DNS that answers, and none in that asks to be taken out.
fn isolated(inputs: &Inputs) -> Option<Ruling> {
    let cause = inputs.isolation.filter(|_| inputs.called_for() == DOWN)?;
    Some(Ruling::Refuse(Reason::Isolated, cause.as_str().into()))
}

/// Returns the ruling if too few agents agree, or too many see the contrary.
fn disagree(agreement: &Agreement) -> Option<Ruling> {
    match agreement {
        Agreement::Unjudged => Some(Ruling::Keep),
        Agreement::Agreed { .. } => None,
        Agreement::NoQuorum { agreeing, needed } => Some(Ruling::Refuse(
            Reason::NoQuorum,
            format!("{} of {needed} peers agree: {}", agreeing.len(), list(agreeing)),
        )),
        Agreement::Contested { agreeing, contrary } => Some(Ruling::Refuse(
            Reason::Contested,
            format!("agree: {}; see the contrary: {}", list(agreeing), list(contrary)),
        )),
    }
}

/// Returns the verdict on a standby that is not needed. It rests on the health of others; the votes on
/// the standby itself only say which agent comes first.
fn stand_by(agreement: &Agreement) -> Ruling {
    let after = match agreement {
        Agreement::Agreed { rank, .. } => quorum::wait_of(*rank),
        _ => Duration::ZERO,
    };
    let verdict = Verdict::Withdrawn(WithdrawalCause::StandingBy);
    Ruling::Decide { verdict, agreeing: vec![], after }
}

/// Returns the ruling on a last resort that may be needed. It rests on the verdicts on all others.
fn resort_to(standing: TierStanding) -> Ruling {
    if standing.stays_out() {
        return Ruling::Keep;
    }
    Ruling::Decide { verdict: Verdict::InService, agreeing: vec![], after: Duration::ZERO }
}

fn list(peers: &[SocketAddr]) -> String {
    if peers.is_empty() {
        return "none".into();
    }
    peers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
