//! What the engine is told, and what it asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Moment;
use super::canaries::Cause;
use super::plan::{Observed, SetKey, Wish};
use super::prober::watch::{Endpoint, Outcome, Pace};
use super::service::health::{Health, Thresholds};

/// What the engine works by. All of it can change while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The addresses that are watched, distinct.
    pub targets: Vec<IpAddr>,
    /// The TCP port that is connected to on each target; `None` means echo requests.
    pub port: Option<u16>,
    /// What proves that this agent's own network works.
    pub canaries: Vec<Endpoint>,
    /// How many outcomes in a row flip a target.
    pub thresholds: Thresholds,
    /// How fast it is probed.
    pub pace: Pace,
    /// How many targets may be probed at the same moment.
    pub burst: NonZeroUsize,
    /// Where targets are published: provider and zone, in words that differ if those do.
    pub zone: String,
    /// The owner names there.
    pub names: Vec<String>,
    /// The fewest addresses that stay in a record set.
    pub floor: usize,
    /// How often DNS is compared and repaired without a verdict.
    pub resync_interval: Option<Duration>,
    /// How many probes may be out at once; more wait their turn.
    pub most_in_flight: Option<NonZeroU32>,
    /// The other agents; `None` means that this one acts alone.
    pub cluster: Option<ClusterSettings>,
    /// Nothing is written at the provider.
    pub dry_run: bool,
}

/// The cluster as the engine knows it. Agents are named by their vote address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSettings {
    /// This agent.
    pub own: SocketAddr,
    /// The other agents.
    pub peers: BTreeSet<SocketAddr>,
    /// How many peers must agree.
    pub min_peers_agree: usize,
}

/// Which of the watched endpoints: a place in the engine's list that stays the same for as long as
/// it is watched.
pub type Slot = usize;

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

/// Why nothing is done about a target though its health asks for it: the same word in the log, the
/// metrics, the status and the notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No canary answers: the losses may be this agent's own.
    Isolated,
    /// Too few peers say the same.
    NoQuorum,
    /// Enough peers say the opposite too.
    Contested,
    /// Too few addresses would be left.
    Floor,
    /// The operator took it out.
    Drained,
    /// Nothing is written in dry-run.
    DryRun,
}

impl Reason {
    /// Every one of them.
    pub const ALL: [Self; 6] =
        [Self::Isolated, Self::NoQuorum, Self::Contested, Self::Floor, Self::Drained, Self::DryRun];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Isolated => "isolated",
            Self::NoQuorum => "no_quorum",
            Self::Contested => "contested",
            Self::Floor => "floor",
            Self::Drained => "drained",
            Self::DryRun => "dry_run",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

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

/// What happened, for the log, the metrics, the status and the notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A probe was judged.
    Judged {
        /// Whose.
        slot: Slot,
        /// What it said.
        outcome: Outcome,
        /// The round trip of a reply.
        rtt: Option<Duration>,
    },
    /// A reply came after its probe's timeout. The probe stays lost.
    Late {
        /// Whose.
        endpoint: Endpoint,
        /// The round trip.
        rtt: Duration,
    },
    /// This machine cannot ask this endpoint.
    Faulty {
        /// Whom.
        endpoint: Endpoint,
        /// Why.
        what: String,
        /// Whether that is worth a line; else it is in the next [`Fact::Faults`].
        told: bool,
    },
    /// It can again.
    FaultOver {
        /// Whom.
        endpoint: Endpoint,
        /// Whether that is worth a line.
        told: bool,
    },
    /// This machine could not ask, more often in the last minute than was told.
    Faults {
        /// How often besides.
        count: u32,
        /// How many endpoints.
        endpoints: usize,
        /// The first of them.
        first: Vec<Endpoint>,
        /// Why, the last time.
        newest: String,
    },
    /// An endpoint does not answer at the retry pace though all is well, or does so again.
    Limits {
        /// Which.
        endpoint: Endpoint,
        /// If it limits what it answers, it is probed at the ordinary pace whatever happens, and its
        /// death is noticed after this long at worst.
        noticed_after: Option<Duration>,
    },
    /// The process did not run for a while; what it did not hear meanwhile is no evidence.
    Stalled {
        /// For how long.
        lasted: Duration,
    },
    /// A target's health changed, or its assumed health was confirmed.
    Flipped {
        /// Whose.
        target: IpAddr,
        /// From.
        from: Health,
        /// To.
        to: Health,
        /// Outcomes in a row that made it.
        count: u32,
        /// Since the last reply in time, if any was ever heard.
        silent_for: Option<Duration>,
        /// What was last said of a probe in this run of losses: by the target or by the network.
        said: Option<String>,
    },
    /// It was settled what is to be done about a target.
    Verdict {
        /// Which.
        target: IpAddr,
        /// Whether it belongs into DNS.
        in_service: bool,
        /// The operator's word, not its health.
        by_hand: bool,
        /// The peers that hold the same vote.
        agreeing: Vec<SocketAddr>,
        /// How long this agent leaves it to those before it in rank.
        after: Duration,
    },
    /// Nothing is done about a target, and why.
    Refused {
        /// Which.
        target: IpAddr,
        /// Why.
        reason: Reason,
        /// The evidence.
        detail: String,
    },
    /// That is over.
    RefusalOver {
        /// Which.
        target: IpAddr,
        /// What it was.
        reason: Reason,
    },
    /// This agent takes its own network for the cause: nothing is withdrawn.
    Isolated {
        /// The targets whose losses led here.
        missing: Vec<IpAddr>,
        /// What shows it.
        cause: Cause,
    },
    /// Nothing was judged of these targets for so long that their health is not known any more.
    EvidenceLost {
        /// Which.
        targets: Vec<IpAddr>,
    },
    /// That has lasted so long that people are told.
    StillUnknown {
        /// Which.
        targets: Vec<IpAddr>,
    },
    /// A probe of such a target was judged again.
    EvidenceBack {
        /// Which.
        target: IpAddr,
        /// For how long its health was not known.
        lasted: Duration,
        /// People had been told.
        told: bool,
    },
    /// A canary answered, or a target could be asked: every run of losses starts from zero.
    IsolationOver {
        /// How long it lasted.
        lasted: Duration,
    },
    /// The provider confirmed a change.
    Applied {
        /// What went, and since when nothing was heard of it.
        withdrawn: BTreeMap<IpAddr, Gone>,
        /// What came back, and at which names.
        restored: BTreeMap<IpAddr, Vec<String>>,
        /// What is at names now that held no address, and was never seen there.
        created: BTreeMap<IpAddr, Vec<String>>,
        /// From the wish to the provider's word.
        took: Duration,
        /// It would have been.
        dry_run: bool,
    },
    /// One name is left out or not changed for trouble of its own; all others are looked after.
    NameFailing {
        /// Which.
        name: String,
        /// Why.
        what: String,
    },
    /// That is over.
    NameFailingOver {
        /// Which.
        name: String,
    },
    /// DNS is not as it should be, and the worker goes on trying.
    Failing(DnsProblem),
    /// That is over.
    FailingOver,
    /// The operator took a target out.
    Drained {
        /// Which.
        target: IpAddr,
        /// The order.
        drain: Drain,
    },
    /// The operator gave it back, or the time was up.
    Undrained {
        /// Which.
        target: IpAddr,
        /// The time was up.
        expired: bool,
    },
    /// A peer came to life or is gone.
    Peer {
        /// Who.
        peer: SocketAddr,
        /// Whether it is alive.
        alive: bool,
    },
    /// A rehearsal goes on.
    Rehearsal {
        /// With whom.
        target: IpAddr,
        /// How far.
        act: Act,
    },
}

/// An address that was withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gone {
    /// At which names.
    pub names: Vec<String>,
    /// Losses in a row when the provider confirmed it: the ones that decided it, and those since.
    pub losses: u32,
    /// Since the last reply in time, if any was ever heard.
    pub silent_for: Option<Duration>,
    /// By the operator's word.
    pub by_hand: bool,
    /// The peers that had seen the same.
    pub agreeing: Vec<SocketAddr>,
}

/// How far a rehearsal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// From now on the target is treated as dead.
    Dead,
    /// From now on it is treated as it is.
    Alive,
    /// It is back in service; the agent goes on watching.
    Over,
}
