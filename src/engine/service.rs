//! A service: its targets, their health, and what is to be done about them.
//!
//! What happens to a target marks it; [`Service::decide`] then decides about all that are marked, at
//! the end of each event. One file a concept: [`health`] replies and losses in a row, [`evidence`] how
//! old what was seen may be, `decision` the pass, `verdict` the gate with its questions in their order, `target`
//! the verdict that stands, `drains` the targets that the operator took out, `rehearsal` a target that is treated
//! as dead on demand, `publication` what DNS should hold.

mod decision;
mod drains;
pub mod evidence;
pub mod health;
mod publication;
mod rehearsal;
mod target;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::Moment;
use super::context::Context;
use super::event::{Act, Action, Drain, DrainOrder, Fact, Slot};
use super::places::Places;
use super::prober::watch::{Judged, Outcome};
use super::schedule::Item;
use super::zone::orders::Orders;
pub(super) use decision::Outside;
use drains::Drains;
use health::Health;
use rehearsal::Rehearsal;
pub(super) use target::Target;

/// The targets of a service.
#[derive(Debug, Default)]
pub(super) struct Service {
    targets: Places<Target>,
    by_address: BTreeMap<IpAddr, usize>,
    pub(super) drains: Drains,
    rehearsal: Option<Rehearsal>,
    /// The targets about which something changed that the gate looks at.
    dirty: BTreeSet<usize>,
    /// The targets whose run of losses is complete, and that no canary has confirmed yet.
    unproven: BTreeSet<usize>,
    /// When evidence is looked at next.
    next_sweep: Option<Moment>,
}

/// A change of health.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flip {
    pub(super) from: Health,
    pub(super) to: Health,
}

impl Service {
    /// Makes room for `count` targets in all.
    pub(super) fn reserve(&mut self, count: usize) {
        self.targets.reserve(count);
    }

    /// Adds a target that is watched at `endpoint`, under the number that [`Self::next_id`] gave.
    pub(super) fn add(
        &mut self,
        address: IpAddr,
        endpoint: impl FnOnce(usize) -> Slot,
        now: Moment,
    ) {
        let id = self.targets.insert(Target::new(address, Slot::MAX, now));
        if let Some(target) = self.targets.get_mut(id) {
            target.endpoint = endpoint(id);
        }
        self.by_address.insert(address, id);
    }

    /// Removes the targets that are not among `keep`, and returns them. Their drains are parked.
    pub(super) fn retain(&mut self, keep: &BTreeSet<IpAddr>) -> Vec<Target> {
        let gone = self.by_address.extract_if(.., |address, _| !keep.contains(address));
        let gone: Vec<usize> = gone.map(|(_, id)| id).collect();
        let mut targets = vec![];
        for id in gone {
            self.dirty.remove(&id);
            self.unproven.remove(&id);
            targets.extend(self.targets.remove(id));
        }
        for target in &targets {
            self.drains.unwatch(target.address);
        }
        targets
    }

    /// The number of a target.
    pub(super) fn id(&self, address: IpAddr) -> Option<usize> {
        self.by_address.get(&address).copied()
    }

    /// A target by its number.
    pub(super) fn get(&self, id: usize) -> Option<&Target> {
        self.targets.get(id)
    }

    /// A target by its address.
    pub(super) fn target(&self, address: IpAddr) -> Option<&Target> {
        self.targets.get(self.id(address)?)
    }

    /// All targets, in the order of their addresses.
    pub(super) fn targets(&self) -> impl Iterator<Item = &Target> {
        self.by_address.values().filter_map(|id| self.targets.get(*id))
    }

    /// The numbers of all targets, in the order of their addresses.
    pub(super) fn ids(&self) -> Vec<usize> {
        self.by_address.values().copied().collect()
    }

    /// Has the decision pass look at a target.
    pub(super) fn mark(&mut self, id: usize) {
        self.dirty.insert(id);
    }

    /// Has the decision pass look at every target.
    pub(super) fn mark_all(&mut self) {
        self.dirty.extend(self.by_address.values());
    }

    /// Takes note of a probe that was judged. Returns whether it is a loss that counts.
    pub(super) fn judged(
        &mut self,
        id: usize,
        judged: &Judged,
        rtt: Option<Duration>,
        isolated: bool,
        context: &mut Context,
    ) -> Judgement {
        let now = context.now;
        let Some(target) = self.targets.get_mut(id) else { return Judgement::default() };
        if let Some(rtt) = rtt {
            // What the prober measured may be a little longer than the time that we know passed.
            target.streaks.hear((judged.sent + rtt).min(now));
        }
        let void = judged.quick && judged.outcome == Outcome::Loss;
        let counts = judged.outcome == Outcome::Loss && !void && target.streaks.lose(judged.sent);
        let up = target.streaks.health() != Health::Down;
        let mut regained = false;
        if judged.outcome != Outcome::Fault && !void {
            let replied = judged.outcome == Outcome::Reply;
            let seen = target.evidence.saw(replied || counts && !isolated, replied == up, now);
            regained = seen.regained;
            if let Some((lasted, told)) = seen.back {
                target.since = now;
                context.report(Fact::EvidenceBack { target: target.address, lasted, told });
            }
            if regained {
                self.dirty.insert(id);
            }
            self.note_sweep(now + evidence::term(context.settings.pace.interval), context);
        }
        Judgement { missed: counts && up, regained }
    }

    /// Counts one outcome towards recovery, in the order of sending. Returns the flip that it makes.
    pub(super) fn count(&mut self, id: usize, outcome: Outcome, context: &Context) -> Option<Flip> {
        let target = self.targets.get_mut(id).filter(|_| outcome != Outcome::Fault)?;
        let from = target.streaks.health();
        let thresholds = context.settings.thresholds;
        let flips = target.streaks.count_in_order(outcome == Outcome::Reply, thresholds);
        flips.then(|| Flip { from, to: target.streaks.health() })
    }

    /// The beginning of a target's run of losses, if that is complete. It then stands among those
    /// that are [`Self::unproven`].
    pub(super) fn complete_run(&mut self, id: usize, context: &Context) -> Option<Moment> {
        let target = self.targets.get(id)?;
        if !target.streaks.is_missing(context.settings.thresholds) {
            self.unproven.remove(&id);
            return None;
        }
        self.unproven.insert(id);
        Some(target.streaks.run_began().unwrap_or(context.now))
    }

    /// The targets whose run of losses is complete, and that no canary has confirmed yet.
    pub(super) fn unproven(&self) -> Vec<usize> {
        self.unproven.iter().copied().collect()
    }

    /// Flips a target down.
    pub(super) fn flip_down(&mut self, id: usize) -> Option<Flip> {
        self.unproven.remove(&id);
        let target = self.targets.get_mut(id)?;
        let from = target.streaks.health();
        target.streaks.flip_down();
        Some(Flip { from, to: Health::Down })
    }

    /// Reports that a target's health changed. `said`: what was last reported of a lost probe.
    pub(super) fn flipped(
        &mut self,
        id: usize,
        Flip { from, to }: Flip,
        said: Option<String>,
        context: &mut Context,
    ) {
        let now = context.now;
        let Some(target) = self.targets.get_mut(id) else { return };
        target.since = now;
        target.evidence.proof = Some(now);
        let (target, streaks) = (target.address, &target.streaks);
        let count = if to == Health::Down { streaks.losses() } else { streaks.replies() };
        let silent_for = streaks.heard().map(|heard| now.saturating_sub(heard));
        context.report(Fact::Flipped { target, from, to, count, silent_for, said });
        self.mark(id);
    }

    /// Starts every run of losses over, and drops all evidence: this agent did not see straight.
    pub(super) fn start_over(&mut self, now: Moment) {
        self.unproven.clear();
        for target in self.targets.iter_mut() {
            target.streaks.start_losses_over(now);
            target.evidence.proof = None;
        }
    }

    /// Prepares the rehearsal of a target's death.
    pub(super) fn rehearse(&mut self, target: IpAddr) {
        self.rehearsal = Some(Rehearsal::new(target));
    }

    /// Begins to treat the rehearsed target as dead.
    pub(super) fn begin_rehearsal(&mut self, context: &mut Context) {
        if let Some(rehearsal) = &mut self.rehearsal
            && rehearsal.begin()
        {
            let target = rehearsal.target();
            context.report(Fact::Rehearsal { target, act: Act::Dead });
        }
    }

    /// The endpoint whose replies are ignored by a rehearsal, if there is one.
    pub(super) fn rehearsed_dead(&self) -> Option<Slot> {
        let rehearsal = self.rehearsal.as_ref().filter(|rehearsal| rehearsal.ignores_replies())?;
        Some(self.target(rehearsal.target())?.endpoint)
    }

    /// Moves the rehearsal on after the target flipped or DNS followed.
    fn advance_rehearsal(&mut self, id: usize, context: &mut Context) {
        let Some(target) = self.targets.get(id) else { return };
        let (address, health) = (target.address, target.streaks.health());
        let confirmed = target.verdict.settled;
        let rehearsal = self.rehearsal.as_mut().filter(|rehearsal| rehearsal.target() == address);
        if let Some(act) = rehearsal.and_then(|rehearsal| rehearsal.advance(health, confirmed)) {
            context.report(Fact::Rehearsal { target: address, act });
        }
    }

    /// Holds a target out by the operator's command, given now or before a restart.
    pub(super) fn begin_drain(
        &mut self,
        address: IpAddr,
        drain: Drain,
        orders: &mut Orders,
        context: &mut Context,
    ) {
        let Some(id) = self.id(address) else {
            self.drains.park(address, drain);
            return;
        };
        context.schedule.note(drain.until.unwrap_or(context.now), Item::Verdict(id));
        context.schedule.note(context.now, Item::Verdict(id));
        self.drains.begin(address, drain);
        if let Some(target) = self.targets.get_mut(id) {
            // One that was out by verdict before is out by hand now: that is another wish.
            target.verdict.start_over(context.now);
        }
        orders.open(address);
    }

    /// Takes out the parked drains of addresses that are watched now.
    pub(super) fn unpark_drains(&mut self, now: Moment) -> Vec<(IpAddr, Drain)> {
        let watched = &self.by_address;
        self.drains.unpark(now, |address| watched.contains_key(&address))
    }

    /// Takes out the drains that wait for the zone to be read and are about no watched target.
    pub(super) fn take_unwatched_drains(&mut self) -> Vec<DrainOrder> {
        let watched = &self.by_address;
        self.drains.take_unwatched(|address| watched.contains_key(&address))
    }

    /// Ends the drain of a target if its time is up.
    fn end_drain_in_time(&mut self, target: IpAddr, context: &mut Context) {
        if self.drains.expire(target, context.now) {
            context.report(Fact::Undrained { target, expired: true });
            context.act(Action::Remember(self.drains.all()));
        }
    }
}

/// What a judged probe amounts to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Judgement {
    /// A loss that counts, of a target that is not down.
    pub(super) missed: bool,
    /// There is evidence again, so that this agent has a vote.
    pub(super) regained: bool,
}
