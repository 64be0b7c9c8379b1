//! The recorder: turns the notes of an engine into entries, run-length coded.
//!
//! A probe that changes nothing but the age of the evidence is part of a run. A run is written where it
//! begins and where it ends, with its last probe; in between, a mark once a minute says that it goes on.
//! An event on which a decision may rest ends first the runs on which it may rest as well: a sweep, isolation and a
//! reload all of them, a lost probe those of the canaries.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::begin::{Begin, OpenRun};
use super::block::Block;
use super::entry::{EntryWriter, HistoryEntry};
use crate::engine::event::{DnsReport, Event, Fact};
use crate::engine::ids::{EndpointId, TargetRef, ZoneId};
use crate::engine::journal::RunEnd;
use crate::engine::journal::{Note, Noted, NotedProbe};
use crate::engine::plan::Observed;
use crate::engine::types::Outcome;
use crate::engine::{Engine, Moment};

/// The size from which the entries are handed on as a block.
const FULL: usize = 64 * 1024;

/// Time between two blocks that need none before them, if much was written since.
const BEGIN_SOON: Duration = Duration::from_hours(1);

/// The same if little was.
const BEGIN_LATE: Duration = Duration::from_hours(12);

/// The number of losses after a late reply that are written one by one: with a longer timeout, the late
/// replies to them would have been in time.
const ONE_BY_ONE: u8 = 8;

/// The number of bytes that are much.
const MUCH: usize = 16 * 1024;

/// The number of slow replies close to each other from which a run has a longer round trip.
const MOST_OUTLIERS: u8 = 3;

/// The number of replies after which a slow one is forgotten.
const OUTLIER_MEMORY: u8 = 64;

/// Turns the notes of an engine into the blocks of a history.
#[derive(Debug)]
pub(crate) struct Recorder {
    writer: EntryWriter,
    /// The nanoseconds of Unix time at which the process started.
    process: u64,
    /// The runs, by endpoint.
    runs: Vec<RecordedRun>,
    /// The canaries with a run that goes on.
    canaries: BTreeSet<EndpointId>,
    /// The newest votes, which nothing rests on yet.
    votes: BTreeMap<(SocketAddr, TargetRef), (Moment, Box<Event>)>,
    /// The last listing of each zone.
    listings: BTreeMap<ZoneId, Observed>,
    notes: Vec<Note>,
    /// The vote that is the current event.
    voting: Option<(SocketAddr, TargetRef)>,
    /// The vote that it replaces.
    replaced: Option<(Moment, Box<Event>)>,
    /// Whether an entry of the current event was written.
    has_begun: bool,
    sequence: u32,
    /// Whether the last block had a mark alone, which the next one may replace.
    was_mark: bool,
    /// Whether the current block needs none before it.
    begins: bool,
    /// The time of the last block that needs none before it, and the bytes written since.
    begun: Moment,
    written: usize,
}

/// A run of probes of one endpoint that changed nothing.
#[derive(Debug, Clone, Copy, Default)]
struct RecordedRun {
    /// The last probe and the number of all, while it goes on.
    open: Option<RunEnd>,
    /// The class of the longest round trip.
    class: u8,
    outliers: u8,
    since_outlier: u8,
    /// The number of losses that are still written one by one, since a reply came late.
    one_by_one: u8,
}

/// Returns the class of a round trip: the least power of two that it does not exceed, in microseconds.
pub(super) fn class(rtt: Duration) -> u8 {
    let micros = rtt.as_nanos().div_ceil(1_000).max(1);
    u8::try_from(u128::BITS - (micros - 1).leading_zeros()).unwrap_or(u8::MAX).min(62)
}

impl RecordedRun {
    /// Whether a slow reply is an exception, to be written as a probe of its own. After several of them,
    /// the class becomes that of the newest.
    fn is_outlier(&mut self, class: u8) -> bool {
        if class <= self.class {
            self.since_outlier = self.since_outlier.saturating_add(1);
            return false;
        }
        let again = self.since_outlier < OUTLIER_MEMORY;
        self.outliers = if again { self.outliers + 1 } else { 1 };
        self.since_outlier = 0;
        if self.outliers >= MOST_OUTLIERS {
            (self.outliers, self.class) = (0, class);
            return false;
        }
        true
    }
}

impl Recorder {
    /// Begins the history of a process that starts now, at these nanoseconds of Unix time. The journal
    /// of the engine is kept from now on.
    pub(crate) fn start(engine: &mut Engine, now: Moment, wall: u64) -> Self {
        engine.keep_journal();
        let mut recorder = Self {
            writer: EntryWriter::default(),
            process: wall,
            runs: Vec::new(),
            canaries: BTreeSet::new(),
            votes: BTreeMap::new(),
            listings: BTreeMap::new(),
            notes: Vec::new(),
            voting: None,
            replaced: None,
            has_begun: false,
            sequence: 0,
            was_mark: false,
            begins: false,
            begun: now,
            written: 0,
        };
        recorder.begin(engine, now, wall, true);
        recorder
    }

    /// Begins a block that needs none before it.
    fn begin(&mut self, engine: &Engine, now: Moment, wall: u64, is_start: bool) {
        self.writer.reset();
        self.begins = true;
        (self.begun, self.written) = (now, 0);
        let (mut subjects, mut runs) = (Vec::new(), Vec::new());
        let uses = engine.endpoint_uses();
        for endpoint in uses.iter().map(|(id, _)| *id).collect::<BTreeSet<_>>() {
            let run = self.runs.get(usize::from(endpoint)).copied().unwrap_or_default();
            if let Some(RunEnd { outcome, .. }) = run.open {
                runs.push(OpenRun { endpoint, outcome, class: run.class });
            }
            let replies = run.open.is_some_and(|run| run.outcome == Outcome::Reply);
            if !is_start && !replies {
                subjects.extend(engine.subject_state(endpoint).map(|state| (endpoint, state)));
            }
        }
        let begin = Begin {
            process: self.process,
            wall,
            is_start,
            settings: engine.settings().clone(),
            drains: all_drains(engine),
            uses,
            subjects,
            runs,
            listings: self.listings.clone(),
            out: engine.out_of_service(),
        };
        self.writer.write(now, false, &HistoryEntry::Begin(Box::new(begin)));
    }

    /// Writes the notes of an engine since the last call. Returns a block if there are enough.
    pub(crate) fn record(&mut self, engine: &mut Engine) -> Option<Block> {
        let mut notes = std::mem::take(&mut self.notes);
        engine.swap_notes(&mut notes);
        let mut reloaded = None;
        for note in notes.drain(..) {
            if !note.joined {
                self.has_begun = false;
                self.voting = None;
            }
            if matches!(&note.what, Noted::Event(event) if matches!(**event, Event::Reloaded(_))) {
                reloaded = Some(note.at);
            }
            self.take_note(note);
        }
        self.notes = notes;
        if let Some(at) = reloaded {
            self.emit(at, &HistoryEntry::Uses(engine.endpoint_uses()));
        }
        (self.writer.len() >= FULL).then(|| self.block(false))
    }

    fn take_note(&mut self, note: Note) {
        let at = note.at;
        match &note.what {
            Noted::Probe(probe) if probe.quiet => return self.go_on(at, probe),
            Noted::Probe(probe) => {
                if !probe.canary && probe.outcome == Outcome::Loss {
                    for canary in std::mem::take(&mut self.canaries) {
                        self.end_run(at, canary);
                    }
                }
                self.end_run(at, probe.endpoint);
            }
            Noted::Event(event) => match event.as_ref() {
                Event::Vote { peer, service, target, .. } => {
                    let target = TargetRef { service: *service, address: *target };
                    let voter = (*peer, target);
                    if let Noted::Event(event) = note.what {
                        self.replaced = self.votes.insert(voter, (at, event));
                        self.voting = Some(voter);
                    }
                    return;
                }
                Event::Reloaded(_) => self.end_all(at),
                Event::Dns(zone, DnsReport::Listed(observed)) => {
                    self.listings.insert(*zone, observed.clone());
                }
                _ => {}
            },
            Noted::Late { endpoint, .. } => {
                self.end_run(at, *endpoint);
                if let Some(run) = self.runs.get_mut(usize::from(*endpoint)) {
                    run.one_by_one = ONE_BY_ONE;
                }
            }
            Noted::Swept | Noted::Faults { .. } | Noted::Suspended => self.end_all(at),
            Noted::Fact(fact)
                if matches!(**fact, Fact::Isolated { .. } | Fact::IsolationOver { .. }) =>
            {
                self.end_all(at);
            }
            _ => {}
        }
        if !matches!(note.what, Noted::Probe(_) | Noted::Late { .. }) {
            self.write_votes(at);
        }
        self.emit(at, &HistoryEntry::Note(note.what));
    }

    /// Writes an entry of the current event.
    fn emit(&mut self, at: Moment, entry: &HistoryEntry) {
        self.writer.write(at, self.has_begun, entry);
        self.has_begun = true;
        self.was_mark = false;
    }

    /// Writes the votes since they were written last. Nothing rested on them until now.
    fn write_votes(&mut self, now: Moment) {
        // Whether the current vote is news depends on the one before it.
        if let Some((at, event)) = self.replaced.take().filter(|_| self.voting.is_some()) {
            self.emit(now, &HistoryEntry::Vote(now.since(at), event));
        }
        for (voter, (at, event)) in std::mem::take(&mut self.votes) {
            let is_current = self.voting == Some(voter);
            self.emit(
                now,
                &if is_current {
                    HistoryEntry::Note(Noted::Event(event))
                } else {
                    HistoryEntry::Vote(now.since(at), event)
                },
            );
        }
    }

    /// Adds a probe that changed nothing to the run of its endpoint.
    fn go_on(&mut self, at: Moment, probe: &NotedProbe) {
        let (index, of) = (usize::from(probe.endpoint), class(probe.rtt));
        if self.runs.len() <= index {
            self.runs.resize_with(index + 1, RecordedRun::default);
        }
        let run = &mut self.runs[index];
        if probe.outcome == Outcome::Loss && run.one_by_one > 0 {
            run.one_by_one -= 1;
            self.end_run(at, probe.endpoint);
            return self.write_probe(at, probe);
        }
        let first = RunEnd {
            outcome: probe.outcome,
            count: 1,
            sent: probe.sent,
            judged: at,
            rtt: probe.rtt,
        };
        if let Some(open) = run.open.filter(|open| open.outcome == probe.outcome) {
            let before = run.class;
            if probe.outcome != Outcome::Reply || !run.is_outlier(of) && run.class == before {
                run.open = Some(RunEnd { count: open.count.saturating_add(1), ..first });
                return;
            }
            let is_exception = run.class == before;
            self.end_run(at, probe.endpoint);
            if is_exception {
                return self.write_probe(at, probe);
            }
        } else {
            self.end_run(at, probe.endpoint);
            // Round trips vary, and most of them within a factor of two.
            let run = &mut self.runs[index];
            run.class = run.class.max(of + 1).min(of + 2);
        }
        let run = &mut self.runs[index];
        run.open = Some(first);
        let (endpoint, outcome, class) = (probe.endpoint, probe.outcome, run.class);
        if probe.canary {
            self.canaries.insert(endpoint);
        }
        self.emit(at, &HistoryEntry::RunBegin { endpoint, outcome, class });
    }

    /// Writes a probe that changed nothing by itself.
    fn write_probe(&mut self, at: Moment, probe: &NotedProbe) {
        let probe = NotedProbe { quiet: false, ..probe.clone() };
        self.emit(at, &HistoryEntry::Note(Noted::Probe(probe)));
    }

    /// Ends the run of an endpoint, if there is one.
    fn end_run(&mut self, at: Moment, endpoint: EndpointId) {
        let run = self.runs.get_mut(usize::from(endpoint));
        if let Some(run) = run.and_then(|run| run.open.take()) {
            self.canaries.remove(&endpoint);
            self.emit(at, &HistoryEntry::RunEnd(endpoint, run));
        }
    }

    /// Ends all runs.
    fn end_all(&mut self, at: Moment) {
        for index in 0..self.runs.len() {
            self.end_run(at, index.into());
        }
    }

    /// Whether a block that needs none before it is due: damage costs the entries up to the next one.
    pub(crate) fn is_begin_due(&self, now: Moment) -> bool {
        let passed = now.since(self.begun);
        passed >= BEGIN_LATE || passed >= BEGIN_SOON && self.written >= MUCH
    }

    /// Returns the entries since the last block with a mark up to which all runs go on.
    pub(crate) fn mark(&mut self, now: Moment, wall: u64) -> Block {
        let is_alone = self.writer.len() == 0;
        self.writer.write(now, false, &HistoryEntry::Mark { wall });
        self.block(is_alone)
    }

    /// Returns a block that needs none before it, after those entries that are not handed on yet.
    pub(crate) fn begin_anew(&mut self, engine: &Engine, now: Moment, wall: u64) -> [Block; 2] {
        let before = self.mark(now, wall);
        self.begin(engine, now, wall, false);
        [before, self.block(false)]
    }

    fn block(&mut self, is_mark: bool) -> Block {
        let replaces = is_mark && self.was_mark;
        if !replaces {
            self.sequence = self.sequence.wrapping_add(1);
        }
        self.was_mark = is_mark;
        let begins = std::mem::take(&mut self.begins);
        let entries = self.writer.take();
        self.written += if is_mark { 0 } else { entries.len() };
        Block { sequence: self.sequence, begins, replaces, entries }
    }
}

/// Returns the drains in force and those that wait for their target.
fn all_drains(engine: &Engine) -> BTreeMap<TargetRef, crate::engine::event::Drain> {
    let mut all = BTreeMap::new();
    for (service, drains) in engine.drains() {
        for (address, drain) in drains {
            all.insert(TargetRef { service, address }, drain);
        }
    }
    all
}
