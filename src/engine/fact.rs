//! What happened, for the log, the metrics, the status and the notices.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::canaries::Cause;
use super::event::{DnsProblem, Drain, Slot};
use super::prober::watch::{Endpoint, Outcome};
use super::service::health::Health;

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

/// Why nothing is done about a target though its health asks for it: the same word in the log, the
/// metrics, the status and the notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// No canary answers, or no target can be asked: the losses may be this agent's own.
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
