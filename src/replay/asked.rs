//! A history through the engine with other settings.
//!
//! The outcome of each probe is judged anew by the timeout that is asked for, in the order in which the
//! agent would have learned of it. Runs of probes that change nothing are passed over for as long as they
//! change nothing here either. Where the agent probed at the ordinary pace since a target was down already,
//! and would have probed at the retry pace, the probes between two lost ones are taken as lost.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use super::change::SettingChanges;
use super::coming::{Coming, PassedRun};
use super::probes::{PendingProbe, ReplayedProbes};
use super::provider::{SwiftProvider, TAKES};
use super::recorded::{ReplayIds, resume};
use crate::engine::event::{Action, DnsReport, Event};
use crate::engine::ids::EndpointId;
use crate::engine::journal::RunEnd;
use crate::engine::journal::{Noted, NotedProbe};
use crate::engine::replaying::ReplayStep;
use crate::engine::settings::{ServiceSettings, Settings};
use crate::engine::types::Health;
use crate::engine::{Engine, Moment};
use crate::history::begin::{Begin, OpenRun};
use crate::history::entry::{Dated, HistoryEntry};
use crate::history::reader::HistoryItem;

/// A replay of a history with other settings.
#[derive(Debug)]
pub(crate) struct AsAsked<'a> {
    changes: &'a SettingChanges,
    engine: Option<Engine>,
    /// The settings that were in force.
    recorded: Settings,
    ids: ReplayIds,
    probes: ReplayedProbes,
    runs: BTreeMap<EndpointId, PassedRun>,
    queue: BinaryHeap<Reverse<(Moment, u64)>>,
    coming: BTreeMap<u64, Coming>,
    count: u64,
    provider: SwiftProvider,
    /// The time up to which the history was read.
    read: Moment,
    was_missing: bool,
    was_isolated: bool,
    was_comparing: bool,
    out: Vec<(Moment, Action)>,
}

impl<'a> AsAsked<'a> {
    /// Begins with these changes of the settings.
    pub(crate) fn new(changes: &'a SettingChanges) -> Self {
        Self {
            changes,
            engine: None,
            recorded: Settings::new(ServiceSettings::new(Vec::new(), "")),
            ids: ReplayIds::default(),
            probes: ReplayedProbes::default(),
            runs: BTreeMap::new(),
            queue: BinaryHeap::new(),
            coming: BTreeMap::new(),
            count: 0,
            provider: SwiftProvider::default(),
            read: Moment::START,
            was_missing: false,
            was_isolated: false,
            was_comparing: false,
            out: Vec::new(),
        }
    }

    /// Takes the next item of a history. Returns the actions that are certain now.
    pub(crate) fn take(&mut self, item: HistoryItem) -> Vec<(Moment, Action)> {
        match item {
            HistoryItem::Gap => self.end_process(),
            HistoryItem::Entry(dated) => self.take_entry(*dated),
        }
        std::mem::take(&mut self.out)
    }

    /// Returns the actions that are left when the history has ended.
    pub(crate) fn end(mut self) -> Vec<(Moment, Action)> {
        self.end_process();
        self.out
    }

    fn take_entry(&mut self, Dated { at, entry, .. }: Dated) {
        match entry {
            HistoryEntry::Begin(begin) => {
                if begin.is_start || self.engine.is_none() {
                    self.end_process();
                    self.begin(&begin, at);
                }
            }
            HistoryEntry::Uses(uses) => {
                // The reload has to take place first.
                self.advance(at);
                if let Some(engine) = &self.engine {
                    self.ids = ReplayIds::of(&uses, engine);
                    self.probes.follow(engine, &self.recorded);
                }
            }
            HistoryEntry::Vote(earlier, event) => {
                let then = at.before(earlier);
                self.step(then, ReplayStep::Earlier(then, event));
            }
            HistoryEntry::Mark { .. } => {}
            HistoryEntry::RunBegin { endpoint, outcome, class } => {
                for id in self.ids.get(endpoint).to_vec() {
                    let run = OpenRun { endpoint: id, outcome, class };
                    self.probes.run_begins(id, outcome, at);
                    self.assume(id);
                    self.add(at, Coming::RunBegin(run));
                }
            }
            HistoryEntry::RunEnd(endpoint, run) => {
                for id in self.ids.get(endpoint).to_vec() {
                    self.probes.run_ends(id);
                    self.add(at, Coming::RunEnd(id, run));
                }
            }
            HistoryEntry::Note(noted) => self.take_note(at, noted),
        }
        if at > self.read {
            self.read = at;
            let ahead = self.probes.ahead();
            if let Some(until) = at.since_start().checked_sub(ahead) {
                self.advance(Moment::after_start(until));
            }
        }
    }

    fn take_note(&mut self, at: Moment, noted: Noted) {
        match noted {
            Noted::Probe(probe) => {
                for id in self.ids.get(probe.endpoint).to_vec() {
                    let probe = NotedProbe { endpoint: id, ..probe.clone() };
                    if let Some((when, pending)) = self.probes.judge(at, probe) {
                        self.assume(id);
                        self.add(when, Coming::Probe(pending));
                    }
                }
            }
            Noted::Late { endpoint, rtt } => {
                for id in self.ids.get(endpoint).to_vec() {
                    if let Some((when, pending)) = self.probes.late(at, id, rtt) {
                        self.add(when, Coming::Probe(pending));
                    }
                }
            }
            Noted::Faults { none } => self.step(at, ReplayStep::Faults(none)),
            Noted::FaultsAtReload { none } => self.step(at, ReplayStep::FaultsAtReload(none)),
            Noted::Suspended => self.step(at, ReplayStep::Suspended),
            Noted::Due | Noted::Swept | Noted::Looked | Noted::Fact(_) => {}
            Noted::Event(event) => match *event {
                Event::Dns(zone, DnsReport::Listed(observed)) => {
                    self.add(at, Coming::Listed(zone, Box::new(observed)));
                }
                Event::Dns(..) => {}
                Event::Reloaded(settings) => {
                    self.recorded.clone_from(&settings);
                    let settings = Box::new(self.changes.applied(&settings));
                    self.step(at, ReplayStep::Event(Box::new(Event::Reloaded(settings))));
                }
                event => self.step(at, ReplayStep::Event(Box::new(event))),
            },
        }
    }

    /// Adds the lost probes that are assumed before the last one.
    fn assume(&mut self, id: EndpointId) {
        for (when, pending) in self.probes.take_assumed(id) {
            self.add(when, Coming::Probe(pending));
        }
    }

    fn step(&mut self, at: Moment, step: ReplayStep) {
        self.add(at, Coming::Step(Box::new(step)));
    }

    fn add(&mut self, at: Moment, what: Coming) {
        self.count += 1;
        self.coming.insert(self.count, what);
        self.queue.push(Reverse((at, self.count)));
    }

    /// Begins with the start of a process, or in the middle of one.
    fn begin(&mut self, begin: &Begin, at: Moment) {
        let settings = self.changes.applied(&begin.settings);
        let mut engine = Engine::replaying(settings, begin.drains.clone(), at);
        self.ids = ReplayIds::of(&begin.uses, &engine);
        if !begin.is_start {
            resume(&mut engine, begin, &self.ids, at);
            for (zone, observed) in &begin.listings {
                self.provider.listed(*zone, observed, engine.settings());
            }
        }
        self.probes = ReplayedProbes::default();
        self.recorded = begin.settings.clone();
        self.probes.follow(&engine, &self.recorded);
        self.engine = Some(engine);
        self.read = at;
        for run in &begin.runs {
            for id in self.ids.get(run.endpoint).to_vec() {
                self.add(at, Coming::RunBegin(OpenRun { endpoint: id, ..*run }));
            }
        }
    }

    /// Takes everything that is left of a process.
    fn end_process(&mut self) {
        self.advance(self.read);
        self.engine = None;
        self.queue.clear();
        self.coming.clear();
        self.runs.clear();
    }

    /// Takes everything that comes up to a time.
    fn advance(&mut self, until: Moment) {
        loop {
            let next = self.queue.peek().map(|Reverse((at, _))| *at);
            let wake = self.engine.as_ref().and_then(Engine::next_wake);
            match (wake, next) {
                (Some(wake), next) if wake <= until && next.is_none_or(|next| wake < next) => {
                    self.replay(wake, ReplayStep::Tick);
                }
                (_, Some(next)) if next <= until => {
                    if let Some(Reverse((at, number))) = self.queue.pop()
                        && let Some(what) = self.coming.remove(&number)
                    {
                        self.happen(at, what);
                    }
                }
                _ => return,
            }
        }
    }

    fn happen(&mut self, at: Moment, what: Coming) {
        match what {
            Coming::Probe(pending) => self.judged(at, pending),
            Coming::Step(step) => self.replay(at, *step),
            Coming::Run(id, number) => {
                if self.runs.get(&id).is_some_and(|run| run.number == number && !run.is_asleep) {
                    self.probe_of_run(at, id);
                }
            }
            Coming::RunBegin(run) => {
                self.count += 1;
                let run = PassedRun { run, last: at, number: self.count, is_asleep: false };
                self.runs.insert(run.run.endpoint, run);
                self.probe_of_run(at, run.run.endpoint);
            }
            Coming::RunEnd(id, end) => self.end_run(id, &end),
            Coming::Order(zone, order) => {
                let Some(engine) = &self.engine else { return };
                let reports = self.provider.carry_out(zone, &order, engine.settings());
                for report in reports {
                    self.replay(at, ReplayStep::Event(Box::new(report)));
                }
            }
            Coming::List(zone) => {
                if let Some(listed) = self.provider.listing(zone) {
                    self.replay(at, ReplayStep::Event(Box::new(listed)));
                }
            }
            Coming::Listed(zone, observed) => {
                let Some(engine) = &self.engine else { return };
                self.provider.listed(zone, &observed, engine.settings());
                self.happen(at, Coming::List(zone));
            }
        }
    }

    /// Takes the outcome of a probe.
    fn judged(&mut self, at: Moment, pending: PendingProbe) {
        let Some(engine) = &self.engine else { return };
        let id = pending.probe.endpoint;
        if pending.is_assumed && engine.health_at(id) == Some(Health::Down) {
            return;
        }
        let Some((probe, in_order)) = self.probes.judged(pending) else { return };
        self.replay(at, ReplayStep::ProbeInOrder(probe, in_order));
    }

    /// Takes the next probe of a run, or passes over the run from now on.
    fn probe_of_run(&mut self, at: Moment, id: EndpointId) {
        let (Some(run), Some(engine)) = (self.runs.get_mut(&id), &mut self.engine) else { return };
        run.last = at;
        let rtt = Duration::from_millis(1);
        if engine.is_quiet(id, run.run.outcome, at.before(rtt)) {
            run.is_asleep = true;
            engine.begin_run(id);
            return;
        }
        let (outcome, number) = (run.run.outcome, run.number);
        let next = at + self.probes.pace_of_run(id, outcome);
        self.add(next, Coming::Run(id, number));
        let probe = self.probes.of_run(id, outcome, at);
        self.replay(at, ReplayStep::ProbeInOrder(probe, vec![outcome]));
    }

    fn end_run(&mut self, id: EndpointId, end: &RunEnd) {
        let (Some(run), Some(engine)) = (self.runs.remove(&id), &mut self.engine) else { return };
        if run.is_asleep {
            engine.end_run(id, end);
        } else if end.judged > run.last {
            let probe =
                NotedProbe { sent: end.sent, ..self.probes.of_run(id, end.outcome, end.judged) };
            let step = ReplayStep::ProbeInOrder(probe, vec![end.outcome]);
            self.replay(end.judged, step);
        }
    }

    /// Has the engine take a step, and carries out its actions.
    fn replay(&mut self, at: Moment, step: ReplayStep) {
        let Some(engine) = &mut self.engine else { return };
        let actions = engine.replay(at, [step]);
        let missing = engine.has_missing();
        let isolated = engine.is_isolated();
        let comparing = engine.compares_any_answers();
        let wakes_all = isolated != self.was_isolated || comparing != self.was_comparing;
        let wakes_canaries = missing && !self.was_missing;
        self.was_missing = missing;
        self.was_isolated = isolated;
        self.was_comparing = comparing;
        if wakes_all || wakes_canaries {
            self.wake(at, wakes_all);
        }
        for action in actions {
            match action {
                Action::Reconcile { zone, order } => {
                    self.add(at + TAKES, Coming::Order(zone, Box::new(order)));
                }
                Action::Prepare(zone) => self.add(at + TAKES / 4, Coming::List(zone)),
                action @ Action::Report(_) => self.out.push((at, action)),
                _ => {}
            }
        }
    }

    /// Takes the probes of runs one by one again: those of the canaries, or of all.
    fn wake(&mut self, at: Moment, all: bool) {
        let Some(engine) = &mut self.engine else { return };
        let mut woken = Vec::new();
        // Lost probes are frequent, and there may be thousands of targets.
        let ids: Vec<EndpointId> =
            if all { self.runs.keys().copied().collect() } else { self.probes.canaries().to_vec() };
        for id in &ids {
            let Some(run) = self.runs.get_mut(id).filter(|run| run.is_asleep) else { continue };
            run.is_asleep = false;
            let interval = self.probes.interval(*id);
            let passed = at.since(run.last).as_nanos() / interval.as_nanos().max(1);
            let passed = u32::try_from(passed).unwrap_or(u32::MAX);
            let last = run.last.saturating_add(interval.saturating_mul(passed));
            if passed > 0 {
                let (rtt, outcome) = (Duration::from_millis(1), run.run.outcome);
                let (sent, judged) = (last.before(rtt), last);
                engine.end_run(*id, &RunEnd { outcome, count: passed, sent, judged, rtt });
            } else {
                engine.end_renewal(*id);
            }
            run.last = last;
            woken.push((last.saturating_add(interval), *id, run.number));
        }
        for (next, id, number) in woken {
            self.add(next, Coming::Run(id, number));
        }
    }
}
