//! The answers of the guards of a service about one target, for an explanation.
//!
//! The decision and the explanation ask the same questions of the same inputs. If no change is called
//! for, the inputs are those of a target that fails, or comes back, at this moment.

mod publishing;
mod words;

use super::alike::Likeness;
use super::decision::Outside;
use super::gate::GateQuestion;
use super::verdict::{DOWN, Inputs, KeptByFloor, Ruling, TierStanding};
use super::{Service, Target};
use crate::engine::context::Context;
use crate::engine::explanation::{ExplainedChange, Guard, GuardAnswer, GuardVerdict};
use crate::engine::fact::Reason;
use crate::engine::health::TargetHealth;
use crate::engine::moment::Moment;
use crate::engine::quorum::Agreement;
use crate::engine::types::{Health, Vote};

/// The explanation of one target, as far as its service knows.
#[derive(Debug, Clone)]
pub(in crate::engine) struct ServiceExplanation {
    /// The change that the answers are about.
    pub(in crate::engine) change: ExplainedChange,
    /// The target's health.
    pub(in crate::engine) its: TargetHealth,
    /// The answers of the guards, without those about probes and the provider.
    pub(in crate::engine) answers: Vec<GuardAnswer>,
}

/// One target with everything that its explanation rests on.
struct Explained<'a> {
    service: &'a Service,
    target: &'a Target,
    outside: Outside<'a>,
    context: &'a Context,
    its: TargetHealth,
    /// The ruling of the gate, and the reason that follows from it, with its evidence.
    ruling: Ruling,
    reason: Option<Reason>,
    detail: String,
    change: ExplainedChange,
    /// The inputs that the questions are asked of.
    inputs: Inputs,
}

impl Service {
    /// Explains one target: the answers of the guards of the service.
    pub(in crate::engine) fn explain(
        &self,
        target: &Target,
        outside: Outside<'_>,
        context: &Context,
    ) -> ServiceExplanation {
        let explained = Explained::of(self, target, outside, context);
        let answers = explained.answers();
        ServiceExplanation { change: explained.change, its: explained.its, answers }
    }
}

impl<'a> Explained<'a> {
    fn of(
        service: &'a Service,
        target: &'a Target,
        outside: Outside<'a>,
        context: &'a Context,
    ) -> Self {
        let its = service.health_of(target, outside.health);
        let actual = service.inputs_with_max_out(target, outside, context);
        let ruling = super::gate::decide(&actual);
        let (mut reason, detail) = service.refusal(target, &ruling, outside, context);
        // A target that answers again keeps this reason until isolation ends, or something else changes.
        let was_isolated = target.verdict.reason == Some(Reason::Isolated);
        if reason.is_none() && was_isolated && outside.isolation.is_some() {
            reason = Some(Reason::Isolated);
        }
        let mut explained = Self {
            service,
            target,
            outside,
            context,
            its,
            ruling,
            reason,
            detail,
            change: ExplainedChange { puts_in: false, is_called_for: true },
            inputs: actual,
        };
        explained.choose_change();
        explained
    }

    /// Finds the change that the answers are about, and the inputs for it.
    fn choose_change(&mut self) {
        let (state, health) = (&self.target.verdict, self.its.health);
        let is_open = !state.confirmed;
        let called_for = self.inputs.called_for().is_in_service();
        let is_refused = match &self.ruling {
            Ruling::Refuse(reason, _) => {
                self.target.differs(health) || is_open || *reason == Reason::Contested
            }
            Ruling::Keep => self.target.differs(health),
            Ruling::Decide { .. } => false,
        };
        let is_isolated = self.reason == Some(Reason::Isolated);
        let is_missing = is_isolated || self.its.missing && state.is_in_service();
        if self.inputs.drained {
            let is_called_for = is_open || !state.held.is_empty();
            self.change = ExplainedChange { puts_in: false, is_called_for };
        } else if is_refused && (!is_isolated || self.is_refused_as_isolated()) {
            self.change = ExplainedChange { puts_in: called_for, is_called_for: true };
        } else if is_missing {
            self.suppose(Vote::Down);
            self.change.is_called_for = true;
        } else if is_open {
            let puts_in = match &self.ruling {
                Ruling::Decide { verdict, .. } => verdict.is_in_service(),
                _ => state.is_in_service(),
            };
            self.change = ExplainedChange { puts_in, is_called_for: true };
        } else {
            let vote = if state.is_in_service() { Vote::Down } else { Vote::Up };
            self.suppose(vote);
        }
    }

    /// Whether the gate itself refuses for isolation.
    fn is_refused_as_isolated(&self) -> bool {
        matches!(self.ruling, Ruling::Refuse(Reason::Isolated, _))
    }

    /// Makes the inputs those of a target that this agent begins to see down, or up.
    fn suppose(&mut self, vote: Vote) {
        let (service, outside, context) = (self.service, self.outside, self.context);
        let agreement = outside.agreement_if(service, self.target, Some(vote), context);
        let is_down = vote == Vote::Down;
        self.change = ExplainedChange { puts_in: !is_down, is_called_for: false };
        self.inputs = Inputs {
            health: if is_down { Health::Down } else { Health::Up },
            likeness: Likeness::No,
            asked: false,
            kept: KeptByFloor::No,
            agreement,
            max_out: service.max_out_if_down(self.target, outside, context).filter(|_| is_down),
            ..self.inputs.clone()
        };
    }

    /// Returns the answers of all guards of the service, in their order.
    fn answers(&self) -> Vec<GuardAnswer> {
        let mut answers = vec![
            self.drain(),
            self.standby(),
            self.isolation(),
            self.alike(),
            self.evidence(),
            self.quorum(),
            self.returning(),
            self.max_out(),
            self.recovery(),
            self.rank(),
            self.order(),
            self.floor(),
            self.dry_run(),
        ];
        // A guard that settles the matter is the last one of the gate that is asked.
        if let Some(place) = answers.iter().position(|it| it.answer == GuardVerdict::Settles) {
            for answer in &mut answers[place + 1..] {
                if answer.guard < Guard::Rank {
                    answer.answer = GuardVerdict::DoesNotApply;
                    answer.reason = None;
                }
            }
        }
        answers
    }

    /// Returns the answer to a question of the gate, and the named reason.
    fn ask(&self, question: GateQuestion) -> (GuardVerdict, Option<Reason>) {
        let is_called_for = self.change.is_called_for;
        match question.ask(&self.inputs) {
            None if is_called_for => (GuardVerdict::Passes, None),
            None => (GuardVerdict::WouldPass, None),
            Some(Ruling::Decide { .. }) => (GuardVerdict::Settles, None),
            Some(_) if !is_called_for => (GuardVerdict::WouldHold, None),
            Some(Ruling::Keep) => (GuardVerdict::Holds, None),
            Some(Ruling::Refuse(reason, _)) => {
                (GuardVerdict::Holds, Some(reason).filter(|it| self.reason == Some(*it)))
            }
        }
    }

    /// Returns the answer of a guard to a question of the gate, with its evidence.
    fn answer(&self, guard: Guard, question: GateQuestion, evidence: String) -> GuardAnswer {
        let (answer, reason) = self.ask(question);
        GuardAnswer { reason, ..GuardAnswer::new(guard, answer, evidence) }
    }

    /// Returns the answer of a guard that is asked about other changes only, or is off.
    fn not_asked(guard: Guard, evidence: impl Into<String>) -> GuardAnswer {
        GuardAnswer::new(guard, GuardVerdict::DoesNotApply, evidence)
    }

    fn now(&self) -> Moment {
        self.context.now
    }

    fn drain(&self) -> GuardAnswer {
        let Some(drain) = self.service.drains.get(self.target.address) else {
            return Self::not_asked(Guard::Drain, "not drained");
        };
        let answer = self.answer(Guard::Drain, GateQuestion::Drain, self.drain_in_words(drain));
        let reason = Some(Reason::Drained).filter(|it| self.reason == Some(*it));
        GuardAnswer { reason, ..answer }.until(drain.until)
    }

    fn standby(&self) -> GuardAnswer {
        let Some(standing) = self.inputs.standby else {
            return Self::not_asked(Guard::Standby, "not a standby");
        };
        let view = self.service.standby_view(self.target);
        let words = view.map(super::StandbyView::in_words).unwrap_or_default();
        if self.reason == Some(Reason::Standby) {
            let answer = GuardAnswer::new(Guard::Standby, GuardVerdict::Holds, &*self.detail);
            return answer.because(Reason::Standby);
        }
        let stays_out = standing.stays_out() && self.its.health == Health::Up;
        let question =
            if standing.is_unprobed { GateQuestion::LastResort } else { GateQuestion::Need };
        let (need, _) = self.ask(GateQuestion::Need);
        let answer = match (need, self.ask(question).0) {
            (GuardVerdict::Settles, _) => GuardVerdict::Settles,
            (_, GuardVerdict::Holds) => GuardVerdict::Waits,
            (answer, _) if !standing.is_unprobed && stays_out && self.change.is_called_for => {
                if answer == GuardVerdict::Passes {
                    GuardVerdict::Waits
                } else {
                    answer
                }
            }
            (_, answer) => answer,
        };
        GuardAnswer::new(
            Guard::Standby,
            answer,
            format!("{words}{}", Self::need_in_words(standing)),
        )
    }

    fn need_in_words(standing: TierStanding) -> &'static str {
        use super::tiers::Need::{Needed, Undecided, Unneeded};
        match standing.need {
            Needed => ": needed",
            Undecided => ": enough others are in service, and too few of them confirmed to be up",
            Unneeded => ": not needed",
        }
    }

    fn isolation(&self) -> GuardAnswer {
        let words = self.outside.isolation.map_or_else(
            || "this agent trusts its own network".to_owned(),
            |isolation| {
                let lasted = words::span(self.now().since(isolation.since));
                format!("isolated for {lasted}: {}", isolation.cause.as_str())
            },
        );
        if self.inputs.called_for() != DOWN {
            return Self::not_asked(Guard::Isolation, words);
        }
        self.answer(Guard::Isolation, GateQuestion::Isolation, words)
    }

    fn alike(&self) -> GuardAnswer {
        let answer = self.answer(Guard::Alike, GateQuestion::Alike, self.alike_in_words());
        match &self.inputs.likeness {
            Likeness::Unknown if answer.answer.stops() => {
                GuardAnswer { answer: GuardVerdict::Waits, ..answer }
            }
            _ if self.inputs.called_for() != DOWN || !self.compares() => {
                Self::not_asked(Guard::Alike, answer.evidence)
            }
            _ => answer,
        }
    }

    fn evidence(&self) -> GuardAnswer {
        self.answer(Guard::Evidence, GateQuestion::Evidence, self.evidence_in_words())
    }

    fn quorum(&self) -> GuardAnswer {
        let Some(cluster) = &self.context.settings.cluster else {
            return Self::not_asked(Guard::Quorum, "off: no peers, this agent decides alone");
        };
        let needed = cluster.min_peers_agree;
        let vote = if self.change.puts_in { Vote::Up } else { Vote::Down };
        let answer =
            self.answer(Guard::Quorum, GateQuestion::Agreement, self.votes_in_words(vote, needed));
        let grace_ends = self.grace_ends().filter(|_| answer.answer == GuardVerdict::Holds);
        let is_unjudged = answer.answer.stops() && self.inputs.agreement == Agreement::Unjudged;
        let answer = if is_unjudged {
            GuardAnswer { answer: GuardVerdict::Waits, ..answer }
        } else {
            answer
        };
        answer.until(grace_ends).with(self.peers_in_words())
    }

    fn returning(&self) -> GuardAnswer {
        if !self.service.delays_returns() {
            return Self::not_asked(Guard::Returning, "off: return_delay is 0");
        }
        if !self.change.puts_in {
            return Self::not_asked(Guard::Returning, "asked before it is put back only");
        }
        let wait = self.service.wait(self.target, self.now());
        let words = self.return_in_words(wait);
        let answer = self.answer(Guard::Returning, GateQuestion::Return, words);
        answer.until(wait.map(|wait| wait.until))
    }

    fn max_out(&self) -> GuardAnswer {
        let Some(limit) = self.service.settings.max_out else {
            return Self::not_asked(Guard::MaxOut, "off: max_out is not set");
        };
        let words = self.max_out_in_words(limit);
        if self.inputs.called_for() != DOWN || self.service.tier(self.target) > 0 {
            return Self::not_asked(Guard::MaxOut, words);
        }
        self.answer(Guard::MaxOut, GateQuestion::MaxOut, words)
    }

    fn recovery(&self) -> GuardAnswer {
        let is_kept = self.inputs.kept == KeptByFloor::Recovering;
        if !is_kept || self.change.puts_in {
            return Self::not_asked(
                Guard::Recovery,
                "not kept in DNS while it begins to answer again",
            );
        }
        let words = "the floor kept it, and it has begun to answer again: it stays until it is up or \
                     misses a reply";
        self.answer(Guard::Recovery, GateQuestion::Recovery, words.to_owned())
    }
}
