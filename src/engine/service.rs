//! From health to what the record sets should serve: verdicts, guards, orders.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::event::{Action, DnsReport, DrainRefusal, Fact, Gone, Reason, Slot};
use super::plan::{Family, Observed, SetKey, Wish};
use super::target::Health;
use super::verdict::{self, Inputs, Ruling};
use super::zone::orders::Due;
use super::{Engine, Item, Moment, Target};

/// For so long it is no refusal yet that the peers have not seen it too: each agent but the last
/// sees a death before enough others do, and nobody should be woken by that.
const PEERS_MAY_TAKE: Duration = Duration::from_secs(5);

/// The next whole second. What is not urgent waits for it, so that thousands of targets that are
/// confirmed at the start do not make thousands of orders.
fn end_of_second(now: Moment) -> Moment {
    Duration::from_secs(now.as_secs() + 1)
}

impl Target {
    /// Whether others come before this agent in rank: what they did is to be read before it acts.
    fn leaves_it_to_others(&self) -> bool {
        self.act_at > self.settled_on
    }

    /// Whether the peers were enough without this agent, so that one of them may have acted already,
    /// with itself as the first in rank.
    fn comes_late(&self, needed: Option<usize>) -> bool {
        needed.is_some_and(|needed| self.agreeing.len() > needed)
    }

    /// Whether its health asks for another verdict than the one that stands.
    fn differs(&self) -> bool {
        match self.streaks.health() {
            Health::AssumedUp => false,
            Health::Up => !self.in_service,
            Health::Down => self.in_service,
        }
    }
}

impl Engine {
    /// Asks the gate about one target.
    fn rule(&self, target: &Target) -> Ruling {
        verdict::decide(&Inputs {
            drained: self.drains.is_drained(target.address),
            health: target.streaks.health(),
            isolation: self.canaries.isolation().map(|isolation| isolation.cause),
            proven: target.evidence.proof.is_some(),
            agreement: self.agreement(target),
        })
    }

    /// Has the decision pass look at a target.
    pub(super) fn mark(&mut self, slot: Slot) {
        self.dirty.insert(slot);
    }

    /// Has the decision pass look at every target.
    pub(super) fn mark_all(&mut self) {
        self.dirty.extend(self.targets.values());
    }

    /// The decision pass: decides about every target about which something changed.
    pub(super) fn decide(&mut self) {
        while let Some(slot) = self.dirty.pop_first() {
            self.decide_on(slot);
        }
    }

    /// Decides what is to be done about one target, and reports what changed.
    fn decide_on(&mut self, slot: Slot) {
        self.end_drain_in_time(slot);
        let Some(target) = self.target(slot) else { return };
        let (address, ruling) = (target.address, self.rule(target));
        // Others may have changed it, on this agent's word or against it, and then be gone.
        let doubtful = match target.streaks.health() {
            Health::AssumedUp => false,
            Health::Up => self.is_opposed(target),
            Health::Down => target.in_service || self.is_opposed(target),
        };
        self.zone.orders.mark(address);
        if let Some(target) = self.target_mut(slot) {
            target.unconfirmed |= doubtful;
        }
        if let Ruling::Settle { in_service, agreeing, after } = &ruling {
            self.settle_on(slot, *in_service, agreeing, *after);
        }
        self.give_reason(slot, &ruling);
        self.recall_if_untrue(address);
        self.note_next_review(slot);
        self.advance_rehearsal(address);
    }

    /// Takes back at once what the worker was ordered and must not do any more: the order without it
    /// keeps its distance to the last one.
    fn recall_if_untrue(&mut self, address: IpAddr) {
        let desired = self.wish_for(address);
        if self.zone.orders.recall(address, desired) {
            self.context.act(Action::Recall(address));
        }
    }

    /// Takes a ruling over.
    fn settle_on(
        &mut self,
        slot: Slot,
        in_service: bool,
        agreeing: &[SocketAddr],
        after: Duration,
    ) {
        let now = self.context.now;
        let Some(target) = self.target(slot) else { return };
        // While others hold against it, to restore it would be to take turns with them.
        let judged = target.streaks.health() != Health::AssumedUp && !self.is_opposed(target);
        let by_hand = self.drains.is_drained(target.address);
        let Some(target) = self.target_mut(slot) else { return };
        let confirms = target.unconfirmed && judged;
        let changed = target.in_service != in_service;
        if changed {
            target.in_service = in_service;
            target.since = now;
            target.settled = false;
            target.agreeing = agreeing.to_vec();
            target.settled_on = now;
            target.act_at = now + after;
            target.held.clear();
        } else if confirms {
            // An agent that was restarted after a withdrawal heals it here, and one that saw it down
            // all along withdraws what the others had restored.
            target.settled = false;
            target.settled_on = if in_service { end_of_second(now) } else { now };
            target.act_at = target.settled_on + after;
        } else if !target.settled {
            // Those before it in rank may have fallen away.
            target.act_at = target.act_at.min(target.settled_on + after);
        }
        target.unconfirmed &= !judged;
        let (target, settled) = (target.address, target.settled);
        if changed {
            let agreeing = agreeing.to_vec();
            let verdict = Fact::Verdict { target, in_service, by_hand, agreeing, after };
            self.context.report(verdict);
        }
        if !settled {
            self.zone.orders.open(target);
        }
    }

    /// Has it looked at again when it may act, and when what the peers said will have aged.
    fn note_next_review(&mut self, slot: Slot) {
        let Some(target) = self.target(slot) else { return };
        let mut moments = vec![];
        let said = target.refused_since.map(|since| since + PEERS_MAY_TAKE);
        moments.extend(said.into_iter().chain([target.act_at]).filter(|at| *at > self.context.now));
        let ordered = self.zone.orders.has_in_hand(target.address);
        let open = !target.settled || target.differs() || target.unconfirmed;
        if open || ordered || target.reason.is_some() {
            moments.extend(self.agreement_lapses(target));
        }
        for moment in moments {
            self.context.schedule.note(moment, Item::Verdict(slot));
        }
    }

    /// Says once when a refusal begins and once when it ends.
    fn give_reason(&mut self, slot: Slot, ruling: &Ruling) {
        let dry_run = self.settings.dry_run;
        let isolated = self.canaries.isolation();
        let thresholds = self.settings.thresholds;
        let now = self.context.now;
        let drained = self.target(slot).is_some_and(|t| self.drains.is_drained(t.address));
        let Some(target) = self.target_mut(slot) else { return };
        let by_peers = matches!(ruling, Ruling::Refuse(Reason::NoQuorum | Reason::Contested, _));
        target.refused_since = by_peers.then(|| target.refused_since.unwrap_or(now));
        let early = target.refused_since.is_some_and(|since| now < since + PEERS_MAY_TAKE);
        let (reason, detail) = match ruling {
            _ if drained => (Some(Reason::Drained), String::new()),
            // Contested is said by all, since what DNS holds is against one side or the other.
            Ruling::Refuse(reason, detail)
                if !early
                    && (target.differs() || !target.settled || *reason == Reason::Contested) =>
            {
                (Some(*reason), detail.clone())
            }
            _ if let Some(isolation) = isolated
                && target.streaks.is_missing(thresholds) =>
            {
                (Some(Reason::Isolated), isolation.cause.as_str().into())
            }
            _ if !target.held.is_empty() => {
                (Some(Reason::Floor), format!("still in service at {}", target.held.join(", ")))
            }
            _ if !target.in_service && dry_run && target.settled => {
                (Some(Reason::DryRun), "nothing is written in dry-run".into())
            }
            _ => (None, String::new()),
        };
        let before = std::mem::replace(&mut target.reason, reason);
        let target = target.address;
        if before == reason {
            return;
        }
        if let Some(reason) = before {
            self.context.report(Fact::RefusalOver { target, reason });
        }
        if let Some(reason) = reason {
            self.context.report(Fact::Refused { target, reason, detail });
        }
    }

    /// What is wished for one target now, whether or not it is already so.
    fn wish(&self, target: &Target) -> Option<Wish> {
        let now = self.context.now;
        let Ruling::Settle { in_service, .. } = self.rule(target) else { return None };
        if in_service != target.in_service || target.act_at > now {
            return None;
        }
        Some(match (in_service, self.drains.is_drained(target.address)) {
            (true, _) => Wish::Serve,
            (false, false) => Wish::Withdraw,
            (false, true) => Wish::WithdrawAnyway,
        })
    }

    fn wish_for(&self, address: IpAddr) -> Option<Wish> {
        self.wish(self.target(*self.targets.get(&address)?)?)
    }

    /// What is wished for and not known to be so.
    fn open_wishes(&self) -> BTreeMap<IpAddr, Wish> {
        let open = self.zone.orders.all_open();
        open.filter_map(|address| Some((address, self.wish_for(address)?))).collect()
    }

    /// Orders what is not yet settled, if the worker does not have it in hand already.
    pub(super) fn place_order(&mut self) {
        let now = self.context.now;
        match self.zone.orders.due(now, |address| self.wish_for(address)) {
            Due::Nothing => {}
            Due::NoNews => self.zone.orders.clear_changes(),
            Due::NotBefore(next) => self.context.schedule.note(next, Item::Order),
            Due::Now { news } => {
                let mut wishes = self.open_wishes();
                let resyncs = self.zone.orders.is_resyncing();
                if resyncs {
                    // It replaces the resync's order, and has its work to do as well.
                    wishes.extend(self.decided_wishes());
                }
                if news || !wishes.is_empty() {
                    self.zone.orders.set_placed_at(now);
                    self.order(wishes, self.zone.orders.must_read(), resyncs);
                }
                self.zone.orders.clear_changes();
            }
        }
    }

    fn order(&mut self, wishes: BTreeMap<IpAddr, Wish>, read_again: bool, resyncs: bool) {
        let needed = self.settings.cluster.as_ref().map(|cluster| cluster.min_peers_agree);
        let others_first = wishes.keys().any(|address| {
            let target = self.targets.get(address).and_then(|slot| self.target(*slot));
            target.is_some_and(|target| target.leaves_it_to_others() || target.comes_late(needed))
        });
        let stale = self.settings.cluster.is_some() && self.zone.is_stale(self.context.now);
        let (floor, read_again) = (self.settings.floor, read_again || others_first || stale);
        let order = self.zone.orders.next_order(wishes, floor, read_again, resyncs);
        self.context.act(Action::Reconcile(order));
    }

    /// Whether something was decided about a target since this agent started, or since others may have
    /// changed it.
    fn is_decided(&self, target: &Target) -> bool {
        self.drains.is_drained(target.address) || !target.unconfirmed
    }

    /// What is wished for every target that was decided on, whether or not it is known to be so.
    fn decided_wishes(&self) -> BTreeMap<IpAddr, Wish> {
        let decided = self.targets.values().filter_map(|slot| self.target(*slot));
        let decided = decided.filter(|target| self.is_decided(target));
        decided.filter_map(|target| Some((target.address, self.wish(target)?))).collect()
    }

    /// Sets the time of the next [`Self::resync`]; whatever was set before is off.
    pub(super) fn note_resync(&mut self) {
        let now = self.context.now;
        if let Some(next) = self.zone.schedule_resync(now, self.settings.resync_interval) {
            self.context.schedule.note(next, Item::Resync);
        }
    }

    /// Compares and repairs all that was settled.
    pub(super) fn resync(&mut self) {
        if !self.zone.take_resync() {
            return;
        }
        self.note_resync();
        let mut wishes = self.open_wishes();
        wishes.extend(self.decided_wishes());
        if !wishes.is_empty() {
            let slots: Vec<_> =
                wishes.keys().filter_map(|address| self.targets.get(address).copied()).collect();
            self.order(wishes, true, true);
            // What the order rests on may age before it is carried out.
            for slot in slots {
                self.note_next_review(slot);
            }
        }
    }

    /// Asks again whether the floor still keeps anything in.
    pub(super) fn retry_held(&mut self) {
        let mut targets = self.targets.values().filter_map(|slot| self.target(*slot));
        if targets.any(|target| !target.held.is_empty()) {
            self.zone.orders.read_again();
        }
    }

    /// Compares everything that was decided with DNS once more: it is published elsewhere now.
    pub(super) fn compare_all(&mut self) {
        for (address, slot) in self.targets.clone() {
            if self.target(slot).is_some_and(|target| self.is_decided(target))
                && let Some(target) = self.target_mut(slot)
            {
                target.settled = false;
                self.zone.orders.open(address);
            }
        }
    }

    /// Reports once when a name begins to fail, for each new reason, and once when that is over.
    fn note_failing_names(&mut self) {
        let facts = self.zone.failing_names(&self.settings.names);
        for fact in facts {
            self.context.report(fact);
        }
    }

    /// Compares what was decided with sets that can be read and edited again.
    fn compare_what_is_fit_again(&mut self, before: &Observed) {
        let fit = self.zone.fit_again(before);
        if fit.is_empty() {
            return;
        }
        for (address, slot) in self.targets.clone() {
            if fit.contains(&Family::of(address))
                && self.target(slot).is_some_and(|target| self.is_decided(target))
                && let Some(target) = self.target_mut(slot)
            {
                target.settled = false;
                self.zone.orders.open(address);
                self.mark(slot);
            }
        }
    }

    /// The DNS worker reports.
    pub(super) fn dns_reported(&mut self, report: DnsReport) {
        let now = self.context.now;
        match report {
            DnsReport::Listed(observed) => {
                let before = self.zone.listed(observed, now);
                self.note_failing_names();
                self.compare_what_is_fit_again(&before);
                let nothing_due = self.zone.orders.is_idle();
                self.failing_over(nothing_due);
                for order in self.drains.take_awaiting() {
                    self.drain_if_floor_allows(order);
                }
            }
            DnsReport::Applied { withdrawn, restored, created, took } => {
                self.failing_over(true);
                self.applied(withdrawn, [restored, created], took);
            }
            DnsReport::Apart(apart) => {
                self.zone.set_apart(apart);
                self.note_failing_names();
            }
            DnsReport::Doubted(doubted) => self.zone.set_doubted(doubted),
            DnsReport::Settled { number, wishes, held, open } => {
                self.failing_over(true);
                if self.zone.orders.carried_out(number) {
                    self.settled(&wishes, &held, &open);
                }
            }
            DnsReport::Failing(problem) => {
                self.zone.provider_failed();
                for order in self.drains.take_awaiting() {
                    let answer = Err(DrainRefusal::ZoneUnknown(problem.what.clone()));
                    self.context.act(Action::DrainAnswered { ticket: order.ticket, answer });
                }
                self.context.report(Fact::Failing(problem));
            }
        }
    }

    /// Says once that the provider does as it is asked again.
    fn failing_over(&mut self, over: bool) {
        if over && self.zone.provider_recovered() {
            self.context.report(Fact::FailingOver);
        }
    }

    fn settled(
        &mut self,
        wishes: &BTreeMap<IpAddr, Wish>,
        held: &BTreeMap<IpAddr, Vec<String>>,
        open: &BTreeSet<IpAddr>,
    ) {
        let now = self.context.now;
        for (address, wish) in wishes {
            let Some(slot) = self.targets.get(address).copied() else { continue };
            if self.target(slot).and_then(|target| self.wish(target)) != Some(*wish) {
                continue;
            }
            let names = held.get(address).cloned().unwrap_or_default();
            let Some(target) = self.target_mut(slot) else { continue };
            target.settled = names.is_empty() && !open.contains(address);
            target.held = names;
            if target.settled {
                self.zone.orders.confirm(*address);
            } else if open.contains(address) {
                self.zone.orders.open(*address);
            }
            self.mark(slot);
        }
        if !held.is_empty()
            && let Some(at) = self.zone.orders.retry_floor(now)
        {
            self.context.schedule.note(at, Item::Held);
        }
    }

    fn applied(
        &mut self,
        withdrawn: Vec<(SetKey, IpAddr)>,
        [restored, created]: [Vec<(SetKey, IpAddr)>; 2],
        took: Duration,
    ) {
        let now = self.context.now;
        let mut gone: BTreeMap<IpAddr, Gone> = BTreeMap::new();
        for (key, address) in withdrawn {
            let target = self.targets.get(&address).and_then(|slot| self.target(*slot));
            gone.entry(address)
                .or_insert_with(|| Gone {
                    names: vec![],
                    losses: target.map_or(0, |target| target.streaks.losses()),
                    silent_for: target
                        .and_then(|target| target.streaks.heard())
                        .map(|heard| now.saturating_sub(heard)),
                    by_hand: self.drains.is_drained(address),
                    agreeing: target.map(|target| target.agreeing.clone()).unwrap_or_default(),
                })
                .names
                .push(key.name);
        }
        let by_address = |entries: Vec<(SetKey, IpAddr)>| {
            let mut names: BTreeMap<IpAddr, Vec<String>> = BTreeMap::new();
            for (key, address) in entries {
                names.entry(address).or_default().push(key.name);
            }
            names
        };
        let (restored, created) = (by_address(restored), by_address(created));
        let dry_run = self.settings.dry_run;
        let fact = Fact::Applied { withdrawn: gone, restored, created, took, dry_run };
        self.context.report(fact);
    }
}
