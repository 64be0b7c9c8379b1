//! The decision pass: from the events about a target to the verdict on it.

use std::time::Duration;

use super::alike::Likeness;
use super::gate;
use super::target::Decision;
use super::verdict::{Inputs, KeptByFloor, Ruling};
use super::{Service, Target};
use crate::engine::action::Action;
use crate::engine::canaries::Isolation;
use crate::engine::context::Context;
use crate::engine::fact::{Fact, Reason};
use crate::engine::health::{HealthTracker, TargetHealth};
use crate::engine::ids::{TargetId, TargetRef};
use crate::engine::moment::Moment;
use crate::engine::peers::Peers;
use crate::engine::plan::Observed;
use crate::engine::quorum::{Agreement, Poll};
use crate::engine::schedule::Item;
use crate::engine::types::{Health, Vote};

/// Grace period before a missing quorum is reported. All agents but the last detect a failure
/// before a quorum exists; that is normal and not worth a page.
pub(super) const QUORUM_GRACE: Duration = Duration::from_secs(5);

/// The inputs of the gate that come from outside the service.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Outside<'a> {
    pub(in crate::engine) isolation: Option<Isolation>,
    pub(in crate::engine) health: &'a HealthTracker,
    pub(in crate::engine) peers: &'a Peers,
    pub(in crate::engine) listing: LastListing<'a>,
}

/// The last listing of a zone, as far as decisions rest on it.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct LastListing<'a> {
    /// The listing; `None` before the first that shows all names.
    pub(in crate::engine) observed: Option<&'a Observed>,
    /// The time of the last listing.
    pub(in crate::engine) listed_at: Option<Moment>,
}

impl Service {
    /// Evaluates the gate for one target.
    pub(super) fn rule(&self, target: &Target, outside: Outside<'_>, context: &Context) -> Ruling {
        gate::decide(&self.inputs_with_max_out(target, outside, context))
    }

    /// Returns all inputs of the gate.
    pub(super) fn inputs_with_max_out(
        &self,
        target: &Target,
        outside: Outside<'_>,
        context: &Context,
    ) -> Inputs {
        let inputs = self.inputs(target, outside, context);
        Inputs { max_out: self.held_by_max_out(target, outside), ..inputs }
    }

    /// Evaluates the gate for one target as if any number of targets might be out.
    pub(super) fn rule_without_max_out(
        &self,
        target: &Target,
        outside: Outside<'_>,
        context: &Context,
    ) -> Ruling {
        gate::decide(&self.inputs(target, outside, context))
    }

    /// Returns the inputs of the gate but for the number of targets that may be out.
    fn inputs(&self, target: &Target, outside: Outside<'_>, context: &Context) -> Inputs {
        let its = self.health_of(target, outside.health);
        Inputs {
            drained: self.drains.is_drained(target.address),
            health: its.health,
            isolation: outside.isolation.map(|isolation| isolation.cause),
            likeness: match its.health {
                Health::Down if !its.asked => self.likeness(target, outside.health),
                _ => Likeness::No,
            },
            asked: its.asked,
            kept: self.kept_by_floor(target, outside.health),
            proven: its.proof.is_some(),
            agreement: outside.agreement(self, target, context),
            max_out: None,
            standby: self.standing(target),
            returning: self
                .wait(target, context.now)
                .map(|wait| Self::wait_in_words(wait, context.now)),
        }
    }

    /// Whether a target that is down has begun to answer again. One that was kept in DNS for want of
    /// others stays then, also when there is room: when a wrong mass death ends, it would otherwise go as
    /// soon as the first of the others is back.
    pub(super) fn answers_again(&self, target: &Target, health: &HealthTracker) -> bool {
        let its = self.health_of(target, health);
        let subject = health.get(its.decisive);
        its.health == Health::Down && subject.is_some_and(|it| it.streaks.replies() > 0)
    }

    /// Returns whether the floor has kept a target in DNS that may yet come back.
    fn kept_by_floor(&self, target: &Target, health: &HealthTracker) -> KeptByFloor {
        let recovers = !target.verdict.held.is_empty() && self.answers_again(target, health);
        if recovers { KeptByFloor::Recovering } else { KeptByFloor::No }
    }

    /// Follows a target that had begun to answer again and has missed a reply since.
    pub(in crate::engine) fn relapsed(&mut self, id: TargetId) {
        let state = self.targets.get(id).map(|target| &target.verdict);
        if state.is_some_and(|it| it.reason == Some(Reason::MaxOut) || !it.held.is_empty()) {
            self.mark(id);
        }
    }

    /// Runs the decision pass: decides about every target with a relevant change.
    pub(in crate::engine) fn decide(&mut self, outside: Outside<'_>, context: &mut Context) {
        self.compare_answers(outside.health, context);
        self.review_out(outside, context);
        if self.has_standbys() {
            self.decide_by_tier(outside, context);
        }
        while let Some(id) = self.dirty.pop_first() {
            self.decide_on(id, outside, context);
        }
        // A standby that has left may end a wait, which may concern the standbys.
        while let Some(id) = self.next_return(outside.health, context.now) {
            self.decide_on(id, outside, context);
            if self.has_standbys() {
                self.decide_by_tier(outside, context);
            }
        }
        self.report_alike(outside.health, context);
    }

    /// Decides about one target, and reports the changes.
    pub(super) fn decide_on(&mut self, id: TargetId, outside: Outside<'_>, context: &mut Context) {
        let Some(address) = self.targets.get(id).map(|target| target.address) else { return };
        self.end_drain_in_time(address, context);
        self.follow_return(id, outside.health, context.now);
        let Some(target) = self.targets.get(id) else { return };
        let ruling = self.rule(target, outside, context);
        let its = self.health_of(target, outside.health);
        let opposed = outside.is_opposed(self.target_ref(address), its, context);
        // Other agents may have changed DNS, with or against this agent's vote, and then be gone. They
        // put a target back once one of them has waited for long enough.
        let waits = matches!(ruling, Ruling::Refuse(Reason::Returning, _));
        let doubtful = match its.health {
            Health::AssumedUp => false,
            Health::Up => opposed || waits && context.settings.cluster.is_some(),
            Health::Down => target.verdict.is_in_service() || opposed,
        };
        self.orders.mark(address);
        if let Some(target) = self.targets.get_mut(id) {
            target.verdict.unverified |= doubtful;
        }
        if let Ruling::Decide { verdict, agreeing, after } = &ruling {
            let (verdict, mut after) = (*verdict, *after);
            // The verdict on a standby that is not needed, and on a last resort, rests on others.
            let by_others = verdict.is_standing_by() || self.settings.standby.is_unprobed(address);
            let judged = by_others || !opposed && its.health != Health::AssumedUp;
            if let Some(target) = self.targets.get(id)
                && (by_others || verdict.is_in_service() && self.tier(target) > 0)
            {
                after = self.turn_of_standby(target, verdict, after, context.now);
            }
            if let Some(target) = self.targets.get(id).filter(|_| verdict.is_in_service()) {
                after = self.turn_of_return(target, after, context.now);
            }
            let decision = Decision { verdict, agreeing, after, judged };
            self.adopt(id, decision, context);
            if self.targets.get(id).is_some_and(|target| !target.verdict.confirmed) {
                self.orders.open(address);
            }
        }
        self.review_place(id, outside, context);
        self.report_refusal(id, &ruling, outside, context);
        let desired = self.desired(address, outside, context);
        if self.orders.recall(address, desired) {
            let (zone, service) = (self.zone(), self.id);
            context.act(Action::Recall { zone, service, target: address });
        }
        self.schedule_next_decision(id, outside, context);
        self.advance_rehearsal(id, outside, context);
    }

    /// Makes a decision the verdict. While enough other agents hold the contrary, restoring the
    /// target would only take turns with them.
    fn adopt(&mut self, id: TargetId, decision: Decision<'_>, context: &mut Context) {
        let Some(target) = self.targets.get_mut(id) else { return };
        if !target.verdict.adopt(decision, context.now) {
            return;
        }
        target.since = context.now;
        let Decision { verdict, agreeing, after, .. } = decision;
        let (target, agreeing) = (target.address, agreeing.to_vec());
        self.note_return(target, verdict, context.now);
        context.report(Fact::Verdict { service: self.id, target, verdict, agreeing, after });
    }

    /// Schedules another decision about a target for when this agent may act, and for when the
    /// peers' votes will have expired.
    pub(super) fn schedule_next_decision(
        &self,
        id: TargetId,
        outside: Outside<'_>,
        context: &mut Context,
    ) {
        let Some(target) = self.targets.get(id) else { return };
        let verdict = &target.verdict;
        let grace_ends = verdict.refused_since.map(|since| since + QUORUM_GRACE);
        let wait = self.wait(target, context.now).map(|wait| wait.until);
        let moments = grace_ends.into_iter().chain([verdict.act_at]).chain(wait);
        let mut moments: Vec<Moment> = moments.filter(|at| *at > context.now).collect();
        let ordered = self.orders.has_in_hand(target.address);
        let open = !verdict.confirmed
            || target.differs(self.health_of(target, outside.health).health)
            || verdict.unverified;
        if open || ordered || verdict.reason.is_some() {
            moments.extend(outside.agreement_lapses(self.target_ref(target.address), context));
        }
        if ordered && verdict.is_standing_by() {
            let names = self.earlier(target).map(|it| self.target_ref(it.address));
            moments.extend(names.filter_map(|name| outside.agreement_lapses(name, context)));
        }
        for moment in moments {
            context.schedule.add(moment, Item::Verdict(self.key(id)));
        }
    }

    /// Reports once when a refusal begins and once when it ends.
    fn report_refusal(
        &mut self,
        id: TargetId,
        ruling: &Ruling,
        outside: Outside<'_>,
        context: &mut Context,
    ) {
        let Some(target) = self.targets.get_mut(id) else { return };
        let by_peers = matches!(ruling, Ruling::Refuse(Reason::NoQuorum | Reason::Contested, _));
        let since = target.verdict.refused_since.unwrap_or(context.now);
        target.verdict.refused_since = by_peers.then_some(since);
        let Some(target) = self.targets.get(id) else { return };
        let (reason, detail) = self.refusal(target, ruling, outside, context);
        let Some(target) = self.targets.get_mut(id) else { return };
        let before = std::mem::replace(&mut target.verdict.reason, reason);
        let (service, target) = (self.id, target.address);
        if before == reason {
            return;
        }
        if let Some(reason) = before {
            context.report(Fact::RefusalOver { service, target, reason });
        }
        if let Some(reason) = reason {
            context.report(Fact::Refused { service, target, reason, detail });
        }
    }

    /// Returns the reason why a change that the target's health calls for is not made, and the
    /// evidence for it.
    pub(super) fn refusal(
        &self,
        target: &Target,
        ruling: &Ruling,
        outside: Outside<'_>,
        context: &Context,
    ) -> (Option<Reason>, String) {
        let (verdict, its) = (&target.verdict, self.health_of(target, outside.health));
        let grace_ends = verdict.refused_since.map(|since| since + QUORUM_GRACE);
        let early = grace_ends.is_some_and(|ends| context.now < ends);
        match ruling {
            _ if self.drains.is_drained(target.address) && verdict.held.is_empty() => {
                (Some(Reason::Drained), String::new())
            }
            _ if self.drains.is_drained(target.address) => {
                let names = verdict.held.join(", ");
                (Some(Reason::Floor), format!("drained, and still in service at {names}"))
            }
            // Every agent reports a contested target, since DNS contradicts one side or the other.
            Ruling::Refuse(reason, detail)
                if !early
                    && (target.differs(its.health)
                        || !verdict.confirmed
                        || *reason == Reason::Contested) =>
            {
                (Some(*reason), detail.clone())
            }
            _ if let Some(isolation) = outside.isolation
                && its.missing
                && !verdict.is_standing_by() =>
            {
                (Some(Reason::Isolated), isolation.cause.as_str().into())
            }
            _ if let Some((reason, detail)) = self.refusal_of_standby(target, its.health) => {
                (Some(reason), detail)
            }
            _ if !verdict.held.is_empty() => {
                (Some(Reason::Floor), format!("still in service at {}", verdict.held.join(", ")))
            }
            _ if its.asked && !verdict.is_in_service() => (Some(Reason::Asked), String::new()),
            _ if !verdict.is_in_service()
                && !verdict.is_standing_by()
                && context.settings.dry_run
                && verdict.confirmed =>
            {
                (Some(Reason::DryRun), "nothing is written in dry-run".into())
            }
            _ => (None, String::new()),
        }
    }
}

impl Outside<'_> {
    /// Evaluates the votes on a target. An agent without a cluster agrees with itself.
    pub(super) fn agreement(
        self,
        service: &Service,
        target: &Target,
        context: &Context,
    ) -> Agreement {
        let own = service.health_of(target, self.health).own_view();
        self.agreement_if(service, target, own, context)
    }

    /// Evaluates the votes on a target as if this agent had this view of it.
    pub(super) fn agreement_if(
        self,
        service: &Service,
        target: &Target,
        own: Option<Vote>,
        context: &Context,
    ) -> Agreement {
        let Some(cluster) = &context.settings.cluster else {
            return Agreement::Agreed { rank: 0, agreeing: vec![] };
        };
        let poll = Poll {
            target: service.target_ref(target.address),
            name: service.target_name(target.address),
            local: cluster.own,
            own,
            needed: cluster.min_peers_agree,
        };
        self.peers.agreement(&poll, context.now)
    }

    /// Whether enough other agents see the contrary to act on it.
    pub(super) fn is_opposed(self, name: TargetRef, its: TargetHealth, context: &Context) -> bool {
        let (Some(cluster), Some(own)) = (&context.settings.cluster, its.own_view()) else {
            return false;
        };
        let votes = self.peers.votes_on(name, context.now);
        votes.filter(|ballot| ballot.vote != own).count() > cluster.min_peers_agree
    }

    /// Returns the time at which the agreement about a target may change without any message.
    fn agreement_lapses(self, name: TargetRef, context: &Context) -> Option<Moment> {
        context.settings.cluster.as_ref()?;
        self.peers.next_expiry(name, context.now)
    }
}
