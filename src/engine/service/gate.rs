//! The gate: whether a target belongs in DNS, considering every possible objection.
//!
//! [`decide`] asks the questions in their order, which is that of the table in `docs/decisions.md`. Each
//! stands for itself, so that the decision (the first answer) and its explanation (all answers) cannot
//! differ. The floor is not among them, since it needs the listing: `plan` checks it once the zone has
//! been listed.

use std::net::SocketAddr;
use std::time::Duration;

use super::alike::Likeness;
use super::tiers::Need;
use super::verdict::{DOWN, Inputs, KeptByFloor, Ruling, TierStanding};
use crate::engine::fact::Reason;
use crate::engine::quorum::{self, Agreement};
use crate::engine::types::{Health, Verdict, WithdrawalCause};

/// Decides about one target. Each question is asked only if the earlier ones had no answer.
pub(super) fn decide(inputs: &Inputs) -> Ruling {
    let answer = GateQuestion::ALL.into_iter().find_map(|question| question.ask(inputs));
    answer.unwrap_or_else(|| inputs.unopposed())
}

/// One question of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GateQuestion {
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

impl GateQuestion {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::service::max_out::MaxOutReached;
    use crate::engine::types::IsolationCause;

    fn peer(last: u8) -> SocketAddr {
        ([10, 0, 0, last], 8081).into()
    }

    fn agreed(rank: usize) -> Agreement {
        Agreement::Agreed { rank, agreeing: vec![peer(2)] }
    }

    /// A target that is down, without any objection.
    fn down() -> Inputs {
        let agreement = agreed(0);
        Inputs {
            drained: false,
            health: Health::Down,
            isolation: None,
            likeness: Likeness::No,
            asked: false,
            kept: KeptByFloor::No,
            proven: true,
            agreement,
            max_out: None,
            standby: None,
            returning: None,
        }
    }

    fn up() -> Inputs {
        Inputs { health: Health::Up, ..down() }
    }

    fn assumed() -> Inputs {
        Inputs { health: Health::AssumedUp, ..down() }
    }

    fn contested() -> Agreement {
        Agreement::Contested { agreeing: vec![peer(2)], contrary: vec![peer(3), peer(4)] }
    }

    const ALONE: &str = "no_quorum: 0 of 1 peers agree: none";
    const ALIKE: &str = "alike: no target answers otherwise: status 503";

    /// A target that is down, as all others of its service.
    fn alike() -> Inputs {
        Inputs { likeness: Likeness::Yes("status 503".to_owned()), ..down() }
    }

    fn alone() -> Agreement {
        Agreement::NoQuorum { agreeing: vec![], needed: 1 }
    }

    fn in_words(ruling: &Ruling) -> String {
        match ruling {
            Ruling::Keep => "keep".to_owned(),
            Ruling::Refuse(reason, detail) => format!("{reason}: {detail}"),
            Ruling::Decide { verdict, after, .. } => {
                let place = if verdict.is_in_service() { "in" } else { "out" };
                format!("{place} after {} s", after.as_secs())
            }
        }
    }

    #[test]
    fn answers_other_than_the_one_asked_for_have_their_place_in_the_gate() {
        let isolation = Some(IsolationCause::NoCanary);
        let asks = Inputs { asked: true, ..down() };
        let rows = [
            ("it asks", asks.clone(), "out after 0 s"),
            ("it asks, isolated", Inputs { isolation, ..asks.clone() }, "out after 0 s"),
            ("it asks this agent only", Inputs { agreement: alone(), ..asks }, ALONE),
            ("all fail alike", alike(), ALIKE),
            ("not compared yet", Inputs { likeness: Likeness::Unknown, ..down() }, "keep"),
            ("isolated", Inputs { isolation, ..alike() }, "isolated: no canary answers"),
            ("no evidence", Inputs { proven: false, ..alike() }, ALIKE),
            ("no quorum", Inputs { agreement: alone(), ..alike() }, ALIKE),
        ];
        for (name, inputs, want) in rows {
            assert_eq!(in_words(&decide(&inputs)), want, "{name}");
        }
    }

    #[test]
    fn max_out_is_asked_last_and_only_about_targets_that_are_down() {
        const FULL: &str =
            "max_out: 2 of 4 addresses are out or about to leave, and no more may be";
        let max_out = Some(MaxOutReached { limit: 2, of: 4 });
        let isolation = Some(IsolationCause::NoCanary);
        let rows = [
            ("down", down(), FULL),
            ("third in rank", Inputs { agreement: agreed(2), ..down() }, FULL),
            ("up", up(), "in after 0 s"),
            ("not confirmed yet", assumed(), "keep"),
            ("it asks", Inputs { asked: true, ..down() }, "out after 0 s"),
            ("drained", Inputs { drained: true, ..down() }, "out after 0 s"),
            ("isolated", Inputs { isolation, ..down() }, "isolated: no canary answers"),
            ("no evidence", Inputs { proven: false, ..down() }, "keep"),
            ("no quorum", Inputs { agreement: alone(), ..down() }, ALONE),
            ("all fail alike", alike(), ALIKE),
        ];
        for (name, inputs, want) in rows {
            assert_eq!(in_words(&decide(&Inputs { max_out, ..inputs })), want, "{name}");
        }
    }

    fn standby(need: Need, in_service: bool, inputs: Inputs) -> Inputs {
        let standing = TierStanding { need, in_service, is_unprobed: false };
        Inputs { standby: Some(standing), ..inputs }
    }

    #[test]
    fn a_standby_has_its_place_in_the_gate() {
        use Need::{Needed, Undecided, Unneeded};
        let isolation = Some(IsolationCause::NoCanary);
        let (second, lonely) = (agreed(1), Inputs { agreement: alone(), ..up() });
        let rows = [
            ("needed", standby(Needed, false, up()), "in after 0 s"),
            ("needed, and not seen yet", standby(Needed, false, assumed()), "keep"),
            ("needed, and seen by no peer", standby(Needed, false, lonely.clone()), ALONE),
            ("needed and down", standby(Needed, false, down()), "out after 0 s"),
            ("needed, in, and down", standby(Needed, true, down()), "out after 0 s"),
            ("perhaps needed", standby(Undecided, false, up()), "keep"),
            ("perhaps needed, and in", standby(Undecided, true, up()), "in after 0 s"),
            ("perhaps needed, in and down", standby(Undecided, true, down()), "out after 0 s"),
            ("not needed", standby(Unneeded, true, up()), "out after 0 s"),
            ("not needed, no peer sees it", standby(Unneeded, true, lonely), "out after 0 s"),
            (
                "not needed, second in rank",
                standby(Unneeded, true, Inputs { agreement: second, ..up() }),
                "out after 5 s",
            ),
            (
                "not needed, isolated",
                standby(Unneeded, true, Inputs { isolation, ..down() }),
                "out after 0 s",
            ),
            ("drained", standby(Needed, true, Inputs { drained: true, ..up() }), "out after 0 s"),
        ];
        for (name, inputs, want) in rows {
            assert_eq!(in_words(&decide(&inputs)), want, "{name}");
        }
    }

    #[test]
    fn a_last_resort_goes_in_unprobed_by_the_verdicts_on_the_others() {
        use Need::{Needed, Undecided, Unneeded};
        let isolation = Some(IsolationCause::NoCanary);
        let unseen = Inputs { proven: false, agreement: Agreement::Unjudged, ..assumed() };
        let isolated = Inputs { isolation, ..unseen.clone() };
        let rows = [
            ("needed", Needed, false, unseen.clone(), "in after 0 s"),
            ("needed, isolated", Needed, false, isolated.clone(), "in after 0 s"),
            ("perhaps needed", Undecided, false, unseen.clone(), "keep"),
            ("perhaps needed, and in", Undecided, true, unseen.clone(), "in after 0 s"),
            ("not needed", Unneeded, true, unseen.clone(), "out after 0 s"),
            ("drained", Needed, true, Inputs { drained: true, ..isolated }, "out after 0 s"),
        ];
        for (name, need, in_service, inputs, want) in rows {
            let standby = Some(TierStanding { need, in_service, is_unprobed: true });
            assert_eq!(in_words(&decide(&Inputs { standby, ..inputs })), want, "{name}");
        }
    }

    #[test]
    fn the_gate_reads_like_this() {
        let isolation = Some(IsolationCause::NoCanary);
        let rows = [
            ("down", down(), "out after 0 s"),
            ("up", up(), "in after 0 s"),
            ("third in rank", Inputs { agreement: agreed(2), ..down() }, "out after 10 s"),
            ("not confirmed yet", assumed(), "keep"),
            ("drained", Inputs { drained: true, ..up() }, "out after 0 s"),
            ("drained, and assumed up", Inputs { drained: true, ..assumed() }, "out after 0 s"),
            (
                "drained, whatever else stands in the way",
                Inputs { drained: true, isolation, proven: false, agreement: alone(), ..down() },
                "out after 0 s",
            ),
            ("isolated and down", Inputs { isolation, ..down() }, "isolated: no canary answers"),
            ("isolated and up", Inputs { isolation, ..up() }, "in after 0 s"),
            (
                "isolated comes before evidence",
                Inputs { isolation, proven: false, ..down() },
                "isolated: no canary answers",
            ),
            ("no evidence", Inputs { proven: false, ..down() }, "keep"),
            (
                "no evidence comes before the peers",
                Inputs { proven: false, agreement: alone(), ..down() },
                "keep",
            ),
            (
                "no quorum",
                Inputs { agreement: alone(), ..down() },
                "no_quorum: 0 of 1 peers agree: none",
            ),
            (
                "contested",
                Inputs { agreement: contested(), ..down() },
                "contested: agree: 10.0.0.2:8081; see the contrary: 10.0.0.3:8081, 10.0.0.4:8081",
            ),
            (
                "contested and up",
                Inputs { agreement: contested(), ..up() },
                "contested: agree: 10.0.0.2:8081; see the contrary: 10.0.0.3:8081, 10.0.0.4:8081",
            ),
        ];
        for (name, inputs, want) in rows {
            let got = in_words(&decide(&inputs));
            assert_eq!(got, want, "{name}");
        }
    }
}
