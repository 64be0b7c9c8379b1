//! A history through the engine that made it: it must make the same decisions, one by one.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{bare, decisions, is_flip};
use crate::engine::event::{Action, DnsReport, Event, Fact};
use crate::engine::ids::{EndpointId, TargetRef};
use crate::engine::journal::EndpointUse;
use crate::engine::journal::{Noted, NotedProbe};
use crate::engine::replaying::ReplayStep;
use crate::engine::types::{Health, Outcome};
use crate::engine::{Engine, Moment};
use crate::history::begin::{Begin, in_run_of_replies};
use crate::history::entry::{Dated, HistoryEntry};
use crate::history::reader::HistoryItem;

/// The most differences that are kept.
const MOST_DIFFERENCES: usize = 20;

/// A difference between a history and its replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The time on the clock of the process.
    pub at: Moment,
    /// The decision that was recorded, if there was one.
    pub recorded: Option<Fact>,
    /// The decision of the replay, if there was one.
    pub replayed: Option<Fact>,
}

/// The result of the comparison so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DecisionCheck {
    /// The number of recorded decisions that were compared.
    pub compared: u64,
    /// The number of those that were flips.
    pub flips: u64,
    /// The number of recorded decisions that could not be compared: the start of their process is not in
    /// the history.
    pub uncompared: u64,
    /// The number of differences.
    pub differences: u64,
    /// The first differences.
    pub first: Vec<Difference>,
}

/// A replay of a history as it was.
#[derive(Debug, Default)]
pub(crate) struct AsRecorded {
    engine: Option<Engine>,
    ids: ReplayIds,
    /// Whether the start of the process is in the history.
    is_whole: bool,
    at: Moment,
    steps: Vec<ReplayStep>,
    facts: Vec<Fact>,
    comparison: DecisionCheck,
    /// The targets where the record went on in the middle of a process, until they are taken.
    stood: Vec<StoodTarget>,
}

/// A target where a record goes on in the middle of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoodTarget {
    /// The target in question.
    pub target: TargetRef,
    /// Whether it is down.
    pub is_down: bool,
    /// Whether it is out of service.
    pub is_out: bool,
}

/// The keys of endpoints in the replay, by those of the history.
#[derive(Debug, Default)]
pub(crate) struct ReplayIds(Vec<Vec<EndpointId>>);

impl ReplayIds {
    /// Returns the keys in an engine, by the uses of the endpoints that a history names.
    pub(crate) fn of(uses: &[(EndpointId, EndpointUse)], engine: &Engine) -> Self {
        let mut theirs: BTreeMap<EndpointUse, EndpointId> = BTreeMap::new();
        for (id, its) in uses {
            theirs.insert(*its, *id);
        }
        let mut ids = Self::default();
        let mut taken = BTreeSet::new();
        for (own, its) in engine.endpoint_uses() {
            // Several recorded endpoints may be one with other settings: the first one stands for all.
            let Some(recorded) = theirs.get(&its) else { continue };
            if taken.insert(own) {
                ids.add(*recorded, own);
            }
        }
        ids
    }

    fn add(&mut self, recorded: EndpointId, own: EndpointId) {
        let index = usize::from(recorded);
        // A damaged number must not reserve memory for billions of them.
        if index < 50_000_000 {
            if self.0.len() <= index {
                self.0.resize_with(index + 1, Vec::new);
            }
            self.0[index].push(own);
        }
    }

    /// Returns the endpoints that stand for a recorded one.
    pub(crate) fn get(&self, recorded: EndpointId) -> &[EndpointId] {
        self.0.get(usize::from(recorded)).map_or(&[], Vec::as_slice)
    }
}

impl AsRecorded {
    /// Takes the next item of a history. Returns the actions of the engine for the event before it.
    pub(crate) fn take(&mut self, item: HistoryItem) -> (Moment, Vec<Action>) {
        let dated = match item {
            HistoryItem::Gap => {
                let done = self.finish_event();
                self.engine = None;
                return done;
            }
            HistoryItem::Entry(dated) => *dated,
        };
        let Dated { at, joined, entry } = dated;
        let done = if joined { (self.at, Vec::new()) } else { self.finish_event() };
        if !matches!(entry, HistoryEntry::Mark { .. }) {
            self.at = at;
            self.take_entry(entry);
        }
        done
    }

    fn take_entry(&mut self, entry: HistoryEntry) {
        match entry {
            HistoryEntry::Begin(begin) if begin.is_start || self.engine.is_none() => {
                self.begin(&begin);
            }
            HistoryEntry::Uses(uses) => {
                // They follow a reload, which has to take place first.
                let at = self.at;
                self.finish_steps(at);
                if let Some(engine) = &self.engine {
                    self.ids = ReplayIds::of(&uses, engine);
                }
            }
            HistoryEntry::RunEnd(id, run) => {
                let ids = self.ids.get(id);
                self.steps.extend(ids.iter().map(|id| ReplayStep::RunEnd(*id, run)));
            }
            HistoryEntry::Vote(earlier, event) => {
                self.steps.push(ReplayStep::Earlier(self.at.before(earlier), event));
            }
            HistoryEntry::Note(Noted::Fact(fact)) => self.facts.push(*fact),
            HistoryEntry::Note(noted) => self.steps.extend(step(noted, &self.ids)),
            _ => {}
        }
    }

    /// Begins with the start of a process, or in the middle of one.
    fn begin(&mut self, begin: &Begin) {
        let at = self.at;
        let mut engine = Engine::replaying(begin.settings.clone(), begin.drains.clone(), at);
        self.ids = ReplayIds::of(&begin.uses, &engine);
        self.is_whole = begin.is_start;
        if !begin.is_start {
            resume(&mut engine, begin, &self.ids, at);
            self.stood = stood(&engine, begin);
        }
        self.engine = Some(engine);
    }

    /// Returns the targets as they stood where the record goes on in the middle of a process, if it has
    /// just done so.
    pub(super) fn take_stood(&mut self) -> Vec<StoodTarget> {
        std::mem::take(&mut self.stood)
    }

    /// Has the engine take the steps of the event that has ended, and compares its decisions.
    fn finish_event(&mut self) -> (Moment, Vec<Action>) {
        let at = self.at;
        (at, self.finish_steps(at))
    }

    fn finish_steps(&mut self, at: Moment) -> Vec<Action> {
        let (steps, recorded) = (std::mem::take(&mut self.steps), std::mem::take(&mut self.facts));
        let Some(engine) = &mut self.engine else { return Vec::new() };
        if steps.is_empty() && recorded.is_empty() {
            return Vec::new();
        }
        let actions = engine.replay(at, steps);
        let replayed: Vec<Fact> = decisions(&actions).map(bare).collect();
        self.compare(at, &recorded.iter().map(bare).collect::<Vec<_>>(), &replayed);
        actions
    }

    fn compare(&mut self, at: Moment, recorded: &[Fact], replayed: &[Fact]) {
        let counted = u64::try_from(recorded.len()).unwrap_or_default();
        let [recorded, replayed] = [recorded, replayed].map(|facts| -> Vec<&Fact> {
            facts.iter().filter(|fact| self.is_whole || is_flip(fact)).collect()
        });
        let compared = u64::try_from(recorded.len()).unwrap_or_default();
        let flips = recorded.iter().filter(|fact| is_flip(fact)).count();
        let its = &mut self.comparison;
        its.compared += compared;
        its.uncompared += counted - compared;
        its.flips += u64::try_from(flips).unwrap_or_default();
        for place in 0..recorded.len().max(replayed.len()) {
            let [was, is] = [&recorded, &replayed].map(|facts| facts.get(place).copied().cloned());
            if was == is {
                continue;
            }
            its.differences += 1;
            if its.first.len() < MOST_DIFFERENCES {
                its.first.push(Difference { at, recorded: was, replayed: is });
            }
        }
    }

    /// Returns the endpoints that stand for a recorded one.
    pub(super) fn own(&self, recorded: EndpointId) -> &[EndpointId] {
        self.ids.get(recorded)
    }

    /// Returns the engine after the last event, and the time of that.
    pub(super) fn into_engine(mut self) -> (Option<Engine>, Moment) {
        let (at, _) = self.finish_event();
        (self.engine, at)
    }

    /// Returns the comparison, once the history has ended, and the actions for its last event.
    pub(crate) fn end(mut self) -> (DecisionCheck, Moment, Vec<Action>) {
        let (at, actions) = self.finish_event();
        (self.comparison, at, actions)
    }
}

/// Returns the targets of an engine that was brought to the state of a beginning.
fn stood(engine: &Engine, begin: &Begin) -> Vec<StoodTarget> {
    let out: BTreeSet<TargetRef> = begin.out.iter().copied().collect();
    let mut stood = Vec::new();
    for view in engine.targets() {
        let target = TargetRef { service: view.service, address: view.address };
        let is_down = view.health == Health::Down;
        stood.push(StoodTarget { target, is_down, is_out: out.contains(&target) });
    }
    stood
}

/// Brings an engine to the state in the middle of a process.
pub(crate) fn resume(engine: &mut Engine, begin: &Begin, ids: &ReplayIds, at: Moment) {
    for (recorded, state) in &begin.subjects {
        for id in ids.get(*recorded) {
            engine.set_subject_state(*id, state);
        }
    }
    for run in begin.runs.iter().filter(|run| run.outcome == Outcome::Reply) {
        for id in ids.get(run.endpoint) {
            engine.set_subject_state(*id, &in_run_of_replies(at));
        }
    }
    for (zone, observed) in &begin.listings {
        let listed = Event::Dns(*zone, DnsReport::Listed(observed.clone()));
        engine.replay(at, [ReplayStep::Event(Box::new(listed))]);
    }
}

/// Returns the steps that a note stands for, other than a fact.
pub(crate) fn step(noted: Noted, ids: &ReplayIds) -> Vec<ReplayStep> {
    let step = match noted {
        Noted::Probe(probe) => {
            let own = ids.get(probe.endpoint).iter();
            return own
                .map(|id| ReplayStep::Probe(NotedProbe { endpoint: *id, ..probe.clone() }))
                .collect();
        }
        Noted::Late { .. } | Noted::Fact(_) => return Vec::new(),
        Noted::Faults { none } => ReplayStep::Faults(none),
        Noted::FaultsAtReload { none } => ReplayStep::FaultsAtReload(none),
        Noted::Suspended => ReplayStep::Suspended,
        Noted::Due => ReplayStep::Due,
        Noted::Swept => ReplayStep::Swept,
        Noted::Looked => ReplayStep::Looked,
        Noted::Event(event) => ReplayStep::Event(event),
    };
    vec![step]
}
