//! The entries of a history, and their bytes.
//!
//! An entry is its kind, the time since the entry before it in its block, and its content. Probes and
//! runs of probes have a form of their own, since nearly all entries are about them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::begin::Begin;
use super::bytes::{ByteSource, Coded};
use super::probes::{get_probe, get_run_end, put_probe, put_run_end};
use crate::engine::Moment;
use crate::engine::event::{DnsReport, Event, Fact};
use crate::engine::ids::{EndpointId, ZoneId};
use crate::engine::journal::{EndpointUse, Noted, RunEnd};
use crate::engine::plan::Observed;
use crate::engine::types::Outcome;

/// An entry of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HistoryEntry {
    /// The knowledge where a process or a file begins.
    Begin(Box<Begin>),
    /// The uses of all endpoints, after a reload.
    Uses(Vec<(EndpointId, EndpointUse)>),
    /// From now on the probes of an endpoint change nothing.
    RunBegin {
        /// The probed endpoint.
        endpoint: EndpointId,
        /// The outcome of all of them.
        outcome: Outcome,
        /// The class of the longest round trip, if they are answered: at most 2^class microseconds.
        class: u8,
    },
    /// The last of the probes that changed nothing.
    RunEnd(EndpointId, RunEnd),
    /// A note of the journal.
    Note(Noted),
    /// A vote that came so much earlier, and that nothing rested on until now.
    Vote(Duration, Box<Event>),
    /// All runs go on up to this moment.
    Mark {
        /// The nanoseconds of Unix time.
        wall: u64,
    },
}

/// An entry with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dated {
    /// The time on the clock of the process.
    pub at: Moment,
    /// Whether it belongs to the same event as the entry before it.
    pub joined: bool,
    /// The entry itself.
    pub entry: HistoryEntry,
}

/// The kinds of entries, the lower bits of the first byte.
mod kind {
    pub(super) const PROBE: u8 = 1;
    pub(super) const RUN_BEGIN: u8 = 2;
    pub(super) const RUN_END: u8 = 3;
    pub(super) const LATE: u8 = 4;
    pub(super) const FAULTS: u8 = 5;
    pub(super) const FAULTS_AT_RELOAD: u8 = 6;
    pub(super) const SUSPENDED: u8 = 7;
    pub(super) const DUE: u8 = 8;
    pub(super) const SWEPT: u8 = 9;
    pub(super) const LOOKED: u8 = 10;
    pub(super) const EVENT: u8 = 11;
    pub(super) const FACT: u8 = 12;
    pub(super) const BEGIN: u8 = 13;
    pub(super) const USES: u8 = 14;
    pub(super) const MARK: u8 = 15;
    pub(super) const VOTE: u8 = 16;
    pub(super) const LISTED_AGAIN: u8 = 17;
    pub(super) const JOINED: u8 = 0x80;
}

/// Writes entries, one after the other, as those of a block.
#[derive(Debug, Default)]
pub(crate) struct EntryWriter {
    out: Vec<u8>,
    at: Moment,
    /// The last listing of each zone, which an equal one only names.
    listings: BTreeMap<ZoneId, Observed>,
}

/// Reads the entries of blocks.
#[derive(Debug, Default)]
pub(crate) struct EntryReader {
    at: Moment,
    listings: BTreeMap<ZoneId, Observed>,
}

impl EntryWriter {
    /// Returns the number of bytes written since the last block.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    /// Takes the bytes of a block. The next entry is dated from the same time.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Begins anew, as a reader without the earlier blocks does.
    pub(crate) fn reset(&mut self) {
        self.at = Moment::START;
        self.listings.clear();
    }

    /// Writes an entry.
    pub(crate) fn write(&mut self, at: Moment, joined: bool, entry: &HistoryEntry) {
        let kind = self.kind(entry);
        self.out.push(if joined { kind | kind::JOINED } else { kind });
        match entry {
            // The next mark may take the place of this one.
            HistoryEntry::Mark { wall } => {
                at.since(self.at).put(&mut self.out);
                wall.put(&mut self.out);
                return;
            }
            _ => at.since(self.at).put(&mut self.out),
        }
        self.at = self.at.max(at);
        self.body(kind, entry);
    }

    /// Returns the kind of an entry; a listing may be equal to the last one.
    fn kind(&self, entry: &HistoryEntry) -> u8 {
        match entry {
            HistoryEntry::Begin(_) => kind::BEGIN,
            HistoryEntry::Uses(_) => kind::USES,
            HistoryEntry::RunBegin { .. } => kind::RUN_BEGIN,
            HistoryEntry::RunEnd(..) => kind::RUN_END,
            HistoryEntry::Vote(..) => kind::VOTE,
            HistoryEntry::Mark { .. } => kind::MARK,
            HistoryEntry::Note(noted) => match noted {
                Noted::Probe(_) => kind::PROBE,
                Noted::Late { .. } => kind::LATE,
                Noted::Faults { .. } => kind::FAULTS,
                Noted::FaultsAtReload { .. } => kind::FAULTS_AT_RELOAD,
                Noted::Suspended => kind::SUSPENDED,
                Noted::Due => kind::DUE,
                Noted::Swept => kind::SWEPT,
                Noted::Looked => kind::LOOKED,
                Noted::Fact(_) => kind::FACT,
                Noted::Event(event) => match event.as_ref() {
                    Event::Dns(zone, DnsReport::Listed(observed))
                        if self.listings.get(zone) == Some(observed) =>
                    {
                        kind::LISTED_AGAIN
                    }
                    _ => kind::EVENT,
                },
            },
        }
    }

    fn body(&mut self, kind: u8, entry: &HistoryEntry) {
        let (out, at) = (&mut self.out, self.at);
        match entry {
            HistoryEntry::Begin(begin) => begin.put(out),
            HistoryEntry::Uses(uses) => uses.put(out),
            HistoryEntry::RunBegin { endpoint, outcome, class } => {
                endpoint.put(out);
                outcome.put(out);
                class.put(out);
            }
            HistoryEntry::RunEnd(endpoint, run) => {
                endpoint.put(out);
                put_run_end(run, at, out);
            }
            HistoryEntry::Mark { .. } => {}
            HistoryEntry::Vote(earlier, event) => {
                earlier.put(out);
                event.put(out);
            }
            HistoryEntry::Note(noted) => match noted {
                Noted::Probe(probe) => put_probe(probe, at, out),
                Noted::Late { endpoint, rtt } => {
                    endpoint.put(out);
                    rtt.put(out);
                }
                Noted::Faults { none } | Noted::FaultsAtReload { none } => none.put(out),
                Noted::Suspended | Noted::Due | Noted::Swept | Noted::Looked => {}
                Noted::Fact(fact) => fact.put(out),
                Noted::Event(event) => match event.as_ref() {
                    Event::Dns(zone, DnsReport::Listed(_)) if kind == kind::LISTED_AGAIN => {
                        zone.put(out);
                    }
                    event => {
                        event.put(out);
                        remember_listing(&mut self.listings, event);
                    }
                },
            },
        }
    }
}

/// Remembers a listing, which the next one may be equal to.
fn remember_listing(listings: &mut BTreeMap<ZoneId, Observed>, event: &Event) {
    if let Event::Dns(zone, DnsReport::Listed(observed)) = event {
        listings.insert(*zone, observed.clone());
    }
}

impl EntryReader {
    /// Begins anew, as if there had been no earlier blocks.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Reads the next entry of a block; `None` if the bytes are none.
    pub(crate) fn read(&mut self, from: &mut ByteSource<'_>) -> Option<Dated> {
        let first = from.byte()?;
        let (kind, joined) = (first & !kind::JOINED, first & kind::JOINED > 0);
        let passed = Duration::get(from)?;
        if kind == kind::MARK {
            let (at, wall) = (self.at.saturating_add(passed), u64::get(from)?);
            return Some(Dated { at, joined, entry: HistoryEntry::Mark { wall } });
        }
        self.at = self.at.saturating_add(passed);
        // Sums of a few such times must not overflow.
        if self.at.since_start() > Duration::from_nanos(1 << 62) {
            return None;
        }
        let at = self.at;
        let entry = match kind {
            kind::BEGIN => HistoryEntry::Begin(Box::get(from)?),
            kind::USES => HistoryEntry::Uses(Vec::get(from)?),
            kind::VOTE => {
                let earlier = Duration::get(from)?;
                HistoryEntry::Vote(earlier, Box::get(from)?)
            }
            kind::RUN_BEGIN => {
                let endpoint = EndpointId::get(from)?;
                let outcome = Outcome::get(from)?;
                HistoryEntry::RunBegin { endpoint, outcome, class: from.byte()?.min(62) }
            }
            kind::RUN_END => {
                let endpoint = EndpointId::get(from)?;
                HistoryEntry::RunEnd(endpoint, get_run_end(at, from)?)
            }
            _ => HistoryEntry::Note(self.noted(kind, from)?),
        };
        Some(Dated { at, joined, entry })
    }

    /// Reads the content of a note of this kind.
    fn noted(&mut self, kind: u8, from: &mut ByteSource<'_>) -> Option<Noted> {
        Some(match kind {
            kind::PROBE => Noted::Probe(get_probe(self.at, from)?),
            kind::LATE => {
                let endpoint = EndpointId::get(from)?;
                Noted::Late { endpoint, rtt: Duration::get(from)? }
            }
            kind::FAULTS => Noted::Faults { none: bool::get(from)? },
            kind::FAULTS_AT_RELOAD => Noted::FaultsAtReload { none: bool::get(from)? },
            kind::SUSPENDED => Noted::Suspended,
            kind::DUE => Noted::Due,
            kind::SWEPT => Noted::Swept,
            kind::LOOKED => Noted::Looked,
            kind::FACT => Noted::Fact(Box::<Fact>::get(from)?),
            kind::EVENT => {
                let event = Box::<Event>::get(from)?;
                remember_listing(&mut self.listings, &event);
                Noted::Event(event)
            }
            kind::LISTED_AGAIN => {
                let zone = ZoneId::get(from)?;
                let observed = self.listings.get(&zone)?.clone();
                Noted::Event(Box::new(Event::Dns(zone, DnsReport::Listed(observed))))
            }
            _ => return None,
        })
    }
}
