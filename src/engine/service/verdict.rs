//! The gate: whether a target belongs in DNS, considering every possible objection.
//!
//! [`decide`] asks the questions of `gate` in their order, which is that of the table in
//! `docs/decisions.md`. The floor is not among them, since it needs the listing: `plan` checks it once
//! the zone has been listed.

use std::net::SocketAddr;
use std::time::Duration;

use super::alike::Likeness;
use super::gate::Question;
use super::max_out::MaxOutReached;
use super::tiers::Need;
use crate::engine::fact::Reason;
use crate::engine::quorum::{self, Agreement};
use crate::engine::types::{Health, IsolationCause, Verdict, WithdrawalCause};

/// The verdict that a target is out for its health.
pub(super) const DOWN: Verdict = Verdict::Withdrawn(WithdrawalCause::Down);

/// Whether the floor keeps a target in DNS that is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeptByFloor {
    /// It does not, or the target is silent.
    No,
    /// It does, and the target has begun to answer again.
    Recovering,
}

/// All inputs of the gate for one target.
#[derive(Debug, Clone)]
pub(super) struct Inputs {
    /// Whether the operator took the target out.
    pub(super) drained: bool,
    /// The target's health, as seen from here.
    pub(super) health: Health,
    /// The reason why this agent does not trust its observations, if it does not.
    pub(super) isolation: Option<IsolationCause>,
    /// Whether it is down only by a wrong answer that all targets of the service give.
    pub(super) likeness: Likeness,
    /// Whether the target itself asks to be taken out.
    pub(super) asked: bool,
    /// Whether the floor has kept it in DNS, and it may yet come back.
    pub(super) kept: KeptByFloor,
    /// Whether this agent has fresh evidence for the health.
    pub(super) proven: bool,
    /// The result of the votes. An agent without peers agrees with itself.
    pub(super) agreement: Agreement,
    /// Present if as many other targets of the service are out for their health as may be.
    pub(super) max_out: Option<MaxOutReached>,
    /// Its place among the tiers, if it is a standby.
    pub(super) standby: Option<TierStanding>,
    /// The evidence that it has not been up for long enough to be put back, if it has not.
    pub(super) returning: Option<String>,
}

/// The place of a standby among the tiers of its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TierStanding {
    /// Whether its tier is needed.
    pub(super) need: Need,
    /// Whether it is in service by its verdict.
    pub(super) in_service: bool,
    /// Whether it is a last resort, which is put in unprobed.
    pub(super) is_unprobed: bool,
}

impl TierStanding {
    /// Whether a standby that is up stays out.
    pub(super) fn stays_out(self) -> bool {
        self.need == Need::Undecided && !self.in_service
    }
}

/// The ruling of the gate on one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ruling {
    /// No change; the earlier verdict stands.
    Keep,
    /// No change, though the target's health calls for one. Carries the evidence.
    Refuse(Reason, String),
    /// A verdict. `after` is the time that this agent leaves to the agents before it in rank.
    Decide { verdict: Verdict, agreeing: Vec<SocketAddr>, after: Duration },
}

/// Decides about one target. Each question is asked only if the earlier ones had no answer.
pub(super) fn decide(inputs: &Inputs) -> Ruling {
    let answer = Question::ALL.into_iter().find_map(|question| question.ask(inputs));
    answer.unwrap_or_else(|| inputs.unopposed())
}

impl Inputs {
    /// Returns the verdict that the health calls for.
    pub(super) fn called_for(&self) -> Verdict {
        match self.health {
            Health::AssumedUp | Health::Up => Verdict::InService,
            Health::Down if self.asked => Verdict::Withdrawn(WithdrawalCause::Asked),
            Health::Down => DOWN,
        }
    }

    /// Returns the ruling if no question has an answer.
    fn unopposed(&self) -> Ruling {
        let Agreement::Agreed { rank, agreeing } = &self.agreement else { return Ruling::Keep };
        let after = quorum::wait_of(*rank);
        Ruling::Decide { verdict: self.called_for(), agreeing: agreeing.clone(), after }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
