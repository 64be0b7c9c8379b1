//! From probes to health: sending, judging, suspecting, and asking the canaries.

use std::time::Duration;

use super::canaries::{Cause, Evidence};
use super::event::{Action, Answer, Fact, ProbeRequest, Reason, Slot};
use super::target::Health;
use super::watch::{Judged, Outcome};
use super::{Engine, Item, Moment, Role, Subject, Target};

/// How much longer than the timeout the prober listens for a late reply, at most.
const LATE_WINDOW: Duration = Duration::from_secs(5);

impl Engine {
    /// Looks after one endpoint: overdue replies, probes whose time is up, the next probe.
    pub(super) fn watch_due(&mut self, slot: Slot, moment: Moment, deaf: bool) {
        let now = self.context.now;
        let pace = self.settings.pace;
        let Some(subject) = self.endpoints.get_mut(slot) else { return };
        if subject.armed != Some(moment) {
            return;
        }
        subject.armed = None;
        for judged in subject.watch.expire(now, pace, deaf) {
            self.judged(slot, judged, None);
        }
        if self.is_overdue(slot) {
            self.suspect(slot, true);
        }
        self.send_if_due(slot);
        self.arm(slot);
    }

    /// Puts an endpoint on the schedule for its next moment, unless it stands there already. An entry
    /// for an earlier moment is stale from then on.
    pub(super) fn arm(&mut self, slot: Slot) {
        let pace = self.settings.pace;
        let Some(subject) = self.endpoints.get_mut(slot) else { return };
        if subject.armed.is_some_and(|armed| armed <= self.context.now) {
            // The next tick looks at it, and by its moment sees whether this process ran.
            return;
        }
        let watchful = match &subject.role {
            Role::Target(target) => target.streaks.health() != Health::Down,
            Role::Canary => false,
        };
        // Nothing is noted for the past: being late for it would look like a stall.
        let wake = subject.watch.wake(pace, watchful).max(self.context.now);
        if subject.armed != Some(wake) {
            subject.armed = Some(wake);
            self.context.schedule.note(wake, Item::Watch(slot));
        }
    }

    /// Whether a target that is not down misses a reply by its own measure.
    fn is_overdue(&self, slot: Slot) -> bool {
        let now = self.context.now;
        let Some(Subject { watch, role: Role::Target(target), .. }) = self.endpoints.get(slot)
        else {
            return false;
        };
        target.streaks.health() != Health::Down && watch.is_overdue(now, self.settings.pace)
    }

    pub(super) fn send_if_due(&mut self, slot: Slot) {
        let now = self.context.now;
        let pace = self.settings.pace;
        let room = self.prober.has_room(self.settings.most_in_flight);
        let Some(subject) = self.endpoints.get_mut(slot) else { return };
        if !subject.watch.is_due(now) || !self.may_retry(slot) {
            return;
        }
        if room {
            self.rehearse_if_due(slot);
        }
        let Some(subject) = self.endpoints.get_mut(slot) else { return };
        if !room {
            // An answer calls it sooner than that.
            subject.watch.put_off(now + pace.interval);
            if !std::mem::replace(&mut subject.waits, true) {
                self.prober.wait(slot);
            }
            return;
        }
        let seq = self.prober.send();
        let nth = subject.watch.send(seq, now, pace);
        // A connect holds a descriptor, so nobody listens for a late one.
        let late = if self.settings.port.is_some() { Duration::ZERO } else { LATE_WINDOW };
        self.context.act(Action::Probe(ProbeRequest {
            slot,
            seq,
            endpoint: subject.watch.endpoint,
            nth,
            flow: subject.watch.flow(),
            timeout: pace.timeout,
            patience: pace.timeout + pace.timeout.min(late),
        }));
    }

    /// Gives the room of an answered probe to whoever waits for it.
    fn start_next_waiting(&mut self) {
        let now = self.context.now;
        while let Some(slot) = self.prober.next_waiting() {
            if let Some(subject) = self.endpoints.get_mut(slot)
                && std::mem::replace(&mut subject.waits, false)
            {
                subject.watch.put_off(now);
                self.send_if_due(slot);
                self.arm(slot);
                return;
            }
        }
    }

    /// A probe came to its end.
    pub(super) fn answered(&mut self, slot: Slot, seq: u64, answer: Answer) {
        self.prober.ended();
        self.start_next_waiting();
        if self.is_rehearsed_dead(slot) && !matches!(answer, Answer::Fault(_)) {
            return;
        }
        let timeout = self.settings.pace.timeout;
        let Some(subject) = self.endpoints.get_mut(slot) else { return };
        match answer {
            Answer::Reply(rtt) => match subject.watch.sent(seq) {
                Some(sent) if rtt <= timeout => self.heard(slot, seq, sent, rtt),
                _ => {
                    let endpoint = subject.watch.endpoint;
                    // Its time was up before; the tick that says so knows whether this process ran.
                    self.context.report(Fact::Late { endpoint, rtt });
                }
            },
            Answer::Unreachable(what) => self.lost(slot, seq, what),
            // Its time was up before; the tick that says so knows whether this process ran.
            Answer::Silence => self.left(slot, seq),
            Answer::Fault(what) => self.faulted(slot, seq, what),
        }
        self.arm(slot);
    }

    /// A reply in time.
    fn heard(&mut self, slot: Slot, seq: u64, sent: Moment, rtt: Duration) {
        let now = self.context.now;
        let Some(subject) = self.endpoints.get_mut(slot) else { return };
        let Some(judged) = subject.watch.judge(seq, Outcome::Reply) else { return };
        subject.watch.rtt.measure(rtt);
        subject.watch.last_rtt = Some(rtt);
        subject.watch.said = None;
        if let Role::Target(target) = &mut subject.role {
            // What the prober measured may be a little longer than the time that we know passed.
            target.streaks.hear((sent + rtt).min(now));
        }
        self.set_fault(slot, None);
        self.suspect(slot, false);
        self.judged(slot, judged, Some(rtt));
    }

    /// A probe may not have got there. Its reply may still come, so nothing is judged; but there is
    /// no need to wait any longer before the next one.
    pub(super) fn doubted(&mut self, slot: Slot, seq: u64, what: String) {
        let Some(subject) = self.endpoints.get_mut(slot) else { return };
        if !subject.watch.is_missed(seq) {
            return;
        }
        subject.watch.said = Some(what);
        if self.target(slot).is_some_and(|target| target.streaks.health() != Health::Down) {
            self.suspect(slot, true);
        }
    }

    fn lost(&mut self, slot: Slot, seq: u64, what: String) {
        let Some(subject) = self.endpoints.get_mut(slot) else { return };
        if let Some(judged) = subject.watch.judge(seq, Outcome::Loss) {
            subject.watch.said = Some(what);
            self.left(slot, seq);
            self.judged(slot, judged, None);
        }
    }

    /// Counts one probe that was judged.
    pub(super) fn judged(&mut self, slot: Slot, judged: Judged, rtt: Option<Duration>) {
        self.context.report(Fact::Judged { slot, outcome: judged.outcome, rtt });
        let Some(subject) = self.endpoints.get_mut(slot) else { return };
        let shown = subject.watch.rate.judged(judged.seq, judged.quick, judged.outcome);
        if let Some(shown) = shown {
            self.rehearsed(slot, shown);
        }
        let void = judged.quick && judged.outcome == Outcome::Loss;
        let Some(subject) = self.endpoints.get_mut(slot) else { return };
        match &mut subject.role {
            Role::Canary if void => while subject.watch.settle().is_some() {},
            Role::Canary => {
                let faulty = subject.fault.is_some();
                while subject.watch.settle().is_some() {}
                self.canaries.judged(slot, &judged, faulty);
                self.canary_judged(judged.outcome);
            }
            Role::Target(target) => {
                let counts =
                    judged.outcome == Outcome::Loss && !void && target.streaks.lose(judged.sent);
                let down = target.streaks.health() == Health::Down;
                if judged.outcome != Outcome::Fault && !void {
                    self.saw(slot, judged.outcome, counts);
                }
                if counts && !down {
                    self.suspect(slot, true);
                    self.prepare(slot);
                }
                self.count_settled(slot);
                self.weigh_losses(slot);
            }
        }
    }

    /// Counts towards recovery what is settled, in the order of sending.
    fn count_settled(&mut self, slot: Slot) {
        let thresholds = self.settings.thresholds;
        loop {
            let Some(Subject { watch, role: Role::Target(target), .. }) =
                self.endpoints.get_mut(slot)
            else {
                return;
            };
            let Some(outcome) = watch.settle() else { return };
            let from = target.streaks.health();
            if outcome != Outcome::Fault
                && target.streaks.count_in_order(outcome == Outcome::Reply, thresholds)
            {
                self.flipped(slot, from);
            }
        }
    }

    /// Flips a target down if its run of losses is complete and evidence.
    pub(super) fn weigh_losses(&mut self, slot: Slot) {
        let now = self.context.now;
        let thresholds = self.settings.thresholds;
        let Some(target) = self.target(slot) else { return };
        if !target.streaks.is_missing(thresholds) {
            self.unproven.remove(&slot);
            return;
        }
        let began = target.streaks.run_began().unwrap_or(now);
        let said = target.reason;
        self.unproven.insert(slot);
        match self.canaries.weigh(began) {
            Evidence::Proven => {
                let Some(target) = self.target_mut(slot) else { return };
                let from = target.streaks.health();
                target.streaks.flip_down();
                self.unproven.remove(&slot);
                self.suspect(slot, false);
                self.flipped(slot, from);
            }
            Evidence::Absent if !self.canaries.is_isolated() => {
                self.begin_isolation(Cause::NoCanary);
            }
            Evidence::Absent if said != Some(Reason::Isolated) => {
                self.mark(slot);
            }
            Evidence::Absent | Evidence::Pending => {}
        }
    }

    /// Makes a target suspect or clears it; the canaries keep step.
    fn suspect(&mut self, slot: Slot, suspect: bool) {
        let now = self.context.now;
        let pace = self.settings.pace;
        let Some(subject) = self.endpoints.get_mut(slot) else { return };
        if !matches!(subject.role, Role::Target(_))
            || !subject.watch.set_suspect(suspect, now, pace)
        {
            return;
        }
        self.canaries.count_suspect(suspect);
        self.arm(slot);
        self.pace_canaries();
    }

    /// Canaries are probed at the retry interval while any target is suspect.
    pub(super) fn pace_canaries(&mut self) {
        let now = self.context.now;
        let pace = self.settings.pace;
        let suspect = self.canaries.any_suspect();
        for slot in self.canaries.slots() {
            if let Some(subject) = self.endpoints.get_mut(slot)
                && subject.watch.set_suspect(suspect, now, pace)
            {
                self.arm(slot);
            }
        }
    }

    /// Has the zone read before it is needed.
    fn prepare(&mut self, slot: Slot) {
        let now = self.context.now;
        let in_service = self.target(slot).is_some_and(|target| target.in_service);
        if in_service && self.zone.prepare(now) {
            self.context.act(Action::Prepare);
        }
    }

    /// A target's health changed.
    fn flipped(&mut self, slot: Slot, from: Health) {
        let now = self.context.now;
        self.peers.announce();
        let said = self.endpoints.get(slot).and_then(|subject| subject.watch.said.clone());
        let Some(target) = self.target_mut(slot) else { return };
        target.since = now;
        target.evidence.proof = Some(now);
        let (target, to, streaks) = (target.address, target.streaks.health(), &target.streaks);
        let count = if to == Health::Down { streaks.losses() } else { streaks.replies() };
        let silent_for = streaks.heard().map(|heard| now.saturating_sub(heard));
        self.context.report(Fact::Flipped { target, from, to, count, silent_for, said });
        self.mark(slot);
    }

    pub(super) fn target(&self, slot: Slot) -> Option<&Target> {
        match &self.endpoints.get(slot)?.role {
            Role::Target(target) => Some(target),
            Role::Canary => None,
        }
    }

    pub(super) fn target_mut(&mut self, slot: Slot) -> Option<&mut Target> {
        match &mut self.endpoints.get_mut(slot)?.role {
            Role::Target(target) => Some(target),
            Role::Canary => None,
        }
    }
}
