//! The journal: everything that the decisions rest on, and the decisions, for a recorder.
//!
//! The border lies between the prober and the rest of the engine. The notes hold the result of each
//! probe and not the request; the events of peers, operators and reconcilers as they came; the moments
//! at which this process looked at anything by time; and the facts that followed. An engine that is
//! given the same notes decides the same ([`super::replaying`]).

use std::net::IpAddr;
use std::time::Duration;

use super::event::Event;
use super::fact::Fact;
use super::ids::{EndpointId, ServiceId};
use super::moment::Moment;
use super::types::{Endpoint, Health, OtherAnswer, Outcome};

/// One note of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    /// The time of the event that it belongs to.
    pub at: Moment,
    /// Whether it belongs to the same event as the note before it.
    pub joined: bool,
    /// The subject of the note.
    pub what: Noted,
}

/// The subject of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Noted {
    /// A probe was judged.
    Probe(NotedProbe),
    /// A reply came after the timeout of its probe.
    Late {
        /// The probed endpoint.
        endpoint: EndpointId,
        /// The round-trip time of the reply.
        rtt: Duration,
    },
    /// From now on this machine can send to none of its targets, or to one again.
    Faults {
        /// Whether it can send to none.
        none: bool,
    },
    /// The same, as the reload that follows found it.
    FaultsAtReload {
        /// Whether it can send to none.
        none: bool,
    },
    /// This process was suspended: the votes of the peers were discarded.
    Suspended,
    /// An entry of the schedule was due, other than those about probes and the age of evidence.
    Due,
    /// Evidence about a target was found to have aged.
    Swept,
    /// The decision pass had work to do.
    Looked,
    /// An event from a peer, an operator or a reconciler, or other settings.
    Event(Box<Event>),
    /// A fact that followed.
    Fact(Box<Fact>),
}

/// The result of a probe.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotedProbe {
    /// The probed endpoint.
    pub endpoint: EndpointId,
    /// Whether the endpoint is a canary.
    pub canary: bool,
    /// The send time of the probe.
    pub sent: Moment,
    /// Whether it rehearsed the retry pace.
    pub quick: bool,
    /// The outcome of the probe.
    pub outcome: Outcome,
    /// The round-trip time of a reply.
    pub rtt: Duration,
    /// The answer that was not the one asked for.
    pub other: Option<OtherAnswer>,
    /// Whether this machine cannot send to the endpoint.
    pub faulty: bool,
    /// The number of outcomes that could be counted now, in the order of sending.
    pub released: usize,
    /// Whether it changed nothing but the age of the evidence: the next one like it replaces it.
    pub quiet: bool,
}

/// The notes since they were taken last.
#[derive(Debug, Default)]
pub(super) struct Journal {
    notes: Vec<Note>,
    at: Moment,
    /// The number of notes before the current event.
    begin: usize,
    /// The place of the note about the current event.
    event: usize,
}

impl Journal {
    /// Begins the notes of an event.
    pub(super) fn begin(&mut self, at: Moment) {
        self.at = at;
        self.begin = self.notes.len();
        self.event = self.begin;
    }

    /// Adds a note. Returns its place.
    pub(super) fn add(&mut self, what: Noted) -> usize {
        let joined = self.notes.len() > self.begin;
        self.notes.push(Note { at: self.at, joined, what });
        self.notes.len() - 1
    }

    /// Adds the note about the event itself.
    pub(super) fn add_event(&mut self, event: Event) {
        self.event = self.add(Noted::Event(Box::new(event)));
    }

    /// Adds a note before that about the event itself.
    pub(super) fn add_before_event(&mut self, what: Noted) {
        let joined = self.event > self.begin;
        if let Some(event) = self.notes.get_mut(self.event) {
            event.joined = true;
        }
        self.notes.insert(self.event, Note { at: self.at, joined, what });
    }

    /// Records that the noted probe at a place changed nothing.
    pub(super) fn set_quiet(&mut self, place: usize) {
        if let Some(Note { what: Noted::Probe(probe), .. }) = self.notes.get_mut(place) {
            probe.quiet = true;
        }
    }

    /// Records that the decision pass had work.
    pub(super) fn looked(&mut self) {
        self.add(Noted::Looked);
    }

    /// Swaps the notes with an empty list.
    pub(super) fn swap(&mut self, notes: &mut Vec<Note>) {
        std::mem::swap(&mut self.notes, notes);
        self.begin = self.notes.len();
    }
}

/// How recorded outcomes take the place of probes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Replay {
    /// Whether the agent could send to none of its targets.
    none: bool,
}

impl Replay {
    /// Whether the agent could send to none of its targets.
    pub(super) fn reaches_none(self) -> bool {
        self.none
    }

    /// Sets whether the agent could send to none of its targets.
    pub(super) fn set_reaches_none(&mut self, none: bool) {
        self.none = none;
    }
}

/// The last of a run of probes that changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunEnd {
    /// The outcome of all of them.
    pub outcome: Outcome,
    /// The number of probes.
    pub count: u32,
    /// The send time of the last one.
    pub sent: Moment,
    /// The time at which the last one was judged.
    pub judged: Moment,
    /// The round-trip time of the last one, if it was answered.
    pub rtt: Duration,
}

/// The state of an endpoint of targets where a history begins without the start of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SubjectState {
    /// The health of the endpoint.
    pub health: Health,
    /// The number of losses in a row.
    pub losses: u32,
    /// The number of replies in a row.
    pub replies: u32,
    /// The send time of the first lost probe of the run.
    pub run_began: Option<Moment>,
    /// Losses of probes sent up to this time do not count.
    pub evidence_after: Option<Moment>,
    /// The time of the last reply in time.
    pub last_reply: Option<Moment>,
    /// The time at which a probe was last judged a reply or a loss.
    pub judged: Moment,
    /// The time of the newest evidence for the health.
    pub proof: Option<Moment>,
}

/// The name of an endpoint by its use, which other settings may give another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EndpointUse {
    /// A target is probed by one of the checks of its service.
    Target {
        /// The service of the target.
        service: ServiceId,
        /// The target's address.
        address: IpAddr,
        /// The place of the check among those of the service.
        check: usize,
    },
    /// It is a canary.
    Canary(Endpoint),
}

/// Whether a fact is a decision, or tells of one: it belongs in the journal.
pub(crate) fn is_kept(fact: &Fact) -> bool {
    match fact {
        Fact::Flipped { .. }
        | Fact::CheckFlipped { .. }
        | Fact::Verdict { .. }
        | Fact::Refused { .. }
        | Fact::RefusalOver { .. }
        | Fact::Alike { .. }
        | Fact::AlikeOver { .. }
        | Fact::Asked { .. }
        | Fact::Isolated { .. }
        | Fact::IsolationOver { .. }
        | Fact::EvidenceLost { .. }
        | Fact::EvidenceBack { .. }
        | Fact::Applied { .. }
        | Fact::Drained { .. }
        | Fact::Undrained { .. }
        | Fact::WaitEnded { .. } => true,
        Fact::Judged { .. }
        | Fact::Late { .. }
        | Fact::Faulty { .. }
        | Fact::FaultOver { .. }
        | Fact::Faults { .. }
        | Fact::Limits { .. }
        | Fact::Stalled { .. }
        | Fact::StillUnknown { .. }
        | Fact::NameFailing { .. }
        | Fact::NameFailingOver { .. }
        | Fact::Failing { .. }
        | Fact::FailingOver { .. }
        | Fact::Peer { .. }
        | Fact::Rehearsal { .. } => false,
    }
}
