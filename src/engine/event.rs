//! What the engine is told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Moment;
pub use super::action::{Action, Announcement, Order, OwnVote, ProbeRequest};
pub use super::fact::{Act, Fact, Gone, Reason};
use super::plan::{Observed, SetKey, Wish};
pub use super::settings::{ClusterSettings, Settings};

/// Which of the watched endpoints: a place in the engine's list that stays the same for as long as
/// it is watched.
pub type Slot = usize;

/// What became of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It answered, this long after the probe left.
    Reply(Duration),
    /// It said that it is not there: a loss at once.
    Unreachable(String),
    /// This machine could not ask, and why.
    Fault(String),
    /// Nothing was heard for as long as the prober had patience.
    Silence,
}

/// What the engine is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Time has passed.
    Tick,
    /// A probe came to its end. Every request gets exactly one answer.
    Answered {
        /// [`ProbeRequest::slot`]
        slot: Slot,
        /// [`ProbeRequest::seq`]
        seq: u64,
        /// What became of it.
        answer: Answer,
    },
    /// A router, or anybody who can guess its numbers, says that a probe did not get there. Its reply
    /// may still come: it is lost when its time is up, and until then this is a hint.
    Doubted {
        /// [`ProbeRequest::slot`]
        slot: Slot,
        /// [`ProbeRequest::seq`]
        seq: u64,
        /// What was said, and by what address.
        what: String,
    },
    /// The DNS worker reports.
    Dns(DnsReport),
    /// A peer says how it sees a target.
    Vote {
        /// Who, by its vote address.
        peer: SocketAddr,
        /// About whom.
        target: IpAddr,
        /// Whether it sees the target up.
        up: bool,
        /// How old what it saw was when it was said.
        age: Duration,
    },
    /// A peer has no vote on a target any more.
    Abstained {
        /// Who, by its vote address.
        peer: SocketAddr,
        /// About whom.
        target: IpAddr,
    },
    /// A peer came to life or is gone.
    Peer {
        /// Who, by its vote address.
        peer: SocketAddr,
        /// Whether it is alive.
        alive: bool,
        /// Whether it is a Go agent, whose last vote stands until it changes.
        go: bool,
    },
    /// The operator takes a target out by hand. Answered by [`Action::DrainAnswered`].
    Drain(DrainOrder),
    /// The operator gives a target back. Answered by [`Action::DrainAnswered`].
    Undrain {
        /// Handed back with the answer.
        ticket: u64,
        /// Which.
        target: IpAddr,
    },
    /// The wall clock was set: these drains, of an earlier process, end at another moment.
    Redated(BTreeMap<IpAddr, Moment>),
    /// The settings changed.
    Reloaded(Box<Settings>),
}

/// The operator's order to take a target out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrainOrder {
    /// Handed back with the answer.
    pub ticket: u64,
    /// Which.
    pub target: IpAddr,
    /// For how long; `None` means until it is given back.
    pub lasts: Option<Duration>,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// Whatever the floor says.
    pub force: bool,
}

/// A target that the operator took out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drain {
    /// When it ends by itself.
    pub until: Option<Moment>,
    /// Why, in the operator's words.
    pub reason: Option<String>,
}

/// Why an order of the operator's was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrainRefusal {
    /// It is not one of the targets.
    NotATarget,
    /// It is not drained.
    NotDrained,
    /// Too few addresses would be left at these names.
    Floor(Vec<String>),
    /// The zone could not be read, so nobody knows what would be left.
    ZoneUnknown(String),
}

/// What the DNS worker did or could not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsReport {
    /// The zone was read.
    Listed(Observed),
    /// The provider confirmed a change. In dry-run: it would have been asked for.
    Applied {
        /// What is out now.
        withdrawn: Vec<(SetKey, IpAddr)>,
        /// What is in now.
        restored: Vec<(SetKey, IpAddr)>,
        /// What is in now, at names that held no address, and was never seen there.
        created: Vec<(SetKey, IpAddr)>,
        /// From the wish to the provider's word.
        took: Duration,
    },
    /// The sets are as these wishes want them, but for what the floor holds back.
    Settled {
        /// The number of the order that they were in.
        number: u64,
        /// The wishes that were carried out.
        wishes: BTreeMap<IpAddr, Wish>,
        /// What stays in for the floor's sake, and at which names.
        held: BTreeMap<IpAddr, Vec<String>>,
        /// What is not yet as it should be at some set, or may not stay so. The worker goes on with
        /// it; it is said again when that is over.
        open: BTreeSet<IpAddr>,
    },
    /// The sets that have trouble of their own, all of them, and why. The worker goes on trying.
    Apart(BTreeMap<SetKey, String>),
    /// The places at which a write without an answer may still change something, all of them.
    Doubted(BTreeSet<(SetKey, IpAddr)>),
    /// The provider could not be asked or did not do it; the worker goes on trying.
    Failing(DnsProblem),
}

/// Why DNS is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsProblem {
    /// What may be done about it.
    pub kind: DnsProblemKind,
    /// The whole chain of causes, in one line.
    pub what: String,
    /// When the worker tries again.
    pub retry_in: Option<Duration>,
}

/// What may be done about a [`DnsProblem`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DnsProblemKind {
    /// The provider said no: credentials, permissions, no such zone.
    Refused,
    /// Nothing changed; later may work.
    Unavailable,
    /// The change may be in force or not.
    Unconfirmed,
    /// The zone changed meanwhile.
    Changed,
    /// The worker or its provider panicked, or could not be built anew.
    Defect,
}
