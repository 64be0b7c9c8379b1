//! What the engine asks for.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::Moment;
use super::event::{Drain, DrainRefusal, Slot};
use super::fact::Fact;
use super::plan::Wish;
use super::prober::watch::Endpoint;

/// What the engine asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send this probe and bring its answer back.
    Probe(ProbeRequest),
    /// A target may be about to be withdrawn: open the connection and read the zone.
    Prepare,
    /// Make the record sets serve this. It replaces any earlier order that is not yet done.
    Reconcile(Order),
    /// What was ordered about this target stands no more; another order follows shortly.
    Recall(IpAddr),
    /// All of this agent's votes, at each change and every few seconds. What is not among them any
    /// more is taken back.
    Announce(Announcement),
    /// An order of the operator's was carried out or not.
    DrainAnswered {
        /// The order's.
        ticket: u64,
        /// Whether it was.
        answer: Result<(), DrainRefusal>,
    },
    /// The drains changed: all of them, to be remembered.
    Remember(BTreeMap<IpAddr, Drain>),
    /// Something happened that somebody may want to know.
    Tell(Fact),
}

/// This agent's votes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Announcement {
    /// By target.
    pub votes: BTreeMap<IpAddr, OwnVote>,
    /// For how long a vote counts from its evidence.
    pub term: Duration,
}

/// How this agent sees one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnVote {
    /// `true` for up.
    pub up: bool,
    /// When it saw that.
    pub evidence: Moment,
}

/// What the record sets should serve.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Order {
    /// Grows with each order, so that a report tells which one it is about.
    pub number: u64,
    /// By address; an address without a wish is left as it is.
    pub wishes: BTreeMap<IpAddr, Wish>,
    /// The fewest addresses that stay in a set.
    pub floor: usize,
    /// Read the zone again even if it was read a moment ago.
    pub read_again: bool,
}

/// One probe that is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeRequest {
    /// Whose probe it is; to be handed back with the answer.
    pub slot: Slot,
    /// Its number, never used twice; to be handed back with the answer.
    pub seq: u64,
    /// Whom to ask.
    pub endpoint: Endpoint,
    /// How many probes went there before this one, modulo 2^16: for the sequence number.
    pub nth: u16,
    /// Changes when the endpoint becomes suspect: another echo identifier, so that a device on the
    /// way that black-holes one flow does not decide.
    pub flow: u16,
    /// After this long without a reply the probe counts as lost, unless the prober has said before
    /// that this machine could not ask.
    pub timeout: Duration,
    /// After this long the prober may give up listening: a while longer than the timeout, so that
    /// a late reply is seen for what it is.
    pub patience: Duration,
}
