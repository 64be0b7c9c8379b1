//! Facts for the log, the metrics, the status and the notices.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::dns_report::DnsProblem;
use super::drain::Drain;
use super::failed::FailedCheck;
use super::ids::{EndpointId, ServiceId, TargetRef, ZoneId};
use super::types::{Endpoint, Health, IsolationCause, Outcome, Verdict};

/// A fact for the log, the metrics, the status and the notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A probe was judged.
    Judged {
        /// The probed endpoint.
        endpoint: EndpointId,
        /// The outcome of the probe.
        outcome: Outcome,
        /// The round-trip time of a reply.
        rtt: Option<Duration>,
    },
    /// A reply came after its probe's timeout. The probe stays lost.
    Late {
        /// The endpoint that replied.
        endpoint: Endpoint,
        /// The round-trip time of the reply.
        rtt: Duration,
    },
    /// This machine cannot send probes to this endpoint.
    Faulty {
        /// The endpoint that cannot be probed.
        endpoint: Endpoint,
        /// The error that keeps the probe from being sent.
        what: String,
        /// Whether this deserves a line in the log; otherwise it is part of the next
        /// [`Fact::Faults`].
        logged: bool,
    },
    /// This machine can send probes to this endpoint again.
    FaultOver {
        /// The endpoint that can be probed again.
        endpoint: Endpoint,
        /// Whether this deserves a line in the log.
        logged: bool,
    },
    /// Faults occurred in the last minute that were not reported one by one.
    Faults {
        /// The number of those faults.
        count: u32,
        /// The number of affected endpoints.
        endpoints: usize,
        /// The first few affected endpoints.
        first: Vec<Endpoint>,
        /// The error of the newest of those faults.
        newest: String,
    },
    /// An endpoint that is otherwise healthy does not answer at the retry pace, or does so again.
    Limits {
        /// The endpoint in question.
        endpoint: Endpoint,
        /// Present if the endpoint limits its answers: the longest time until its failure is
        /// noticed. Such an endpoint is always probed at the ordinary pace.
        noticed_after: Option<Duration>,
    },
    /// The process did not run for a while; probes outstanding during that time are no evidence.
    Stalled {
        /// Duration of the stall.
        lasted: Duration,
    },
    /// A target's health changed, or its assumed health was confirmed.
    Flipped {
        /// The service of the target.
        service: ServiceId,
        /// The target in question.
        target: IpAddr,
        /// The health before the change.
        from: Health,
        /// The health after the change.
        to: Health,
        /// The number of outcomes in a row that caused the change.
        count: u32,
        /// Time since the last reply in time, if there ever was one.
        silent_for: Option<Duration>,
        /// The last error report about a probe in this run of losses, from the target or the
        /// network.
        last_error: Option<String>,
    },
    /// The health of one of several checks of a target changed, or was confirmed.
    CheckFlipped {
        /// The service of the target.
        service: ServiceId,
        /// The target in question.
        target: IpAddr,
        /// The name of the check.
        check: String,
        /// The health of the check before the change.
        from: Health,
        /// The health of the check after the change.
        to: Health,
        /// The number of outcomes in a row that caused the change.
        count: u32,
        /// Time since the last reply in time, if there ever was one.
        silent_for: Option<Duration>,
        /// The last error report about a probe in this run of losses.
        last_error: Option<String>,
    },
    /// The verdict on a target was decided.
    Verdict {
        /// The service of the target.
        service: ServiceId,
        /// The target of the verdict.
        target: IpAddr,
        /// The verdict, which says whether the target belongs in DNS.
        verdict: Verdict,
        /// The peers that hold the same vote.
        agreeing: Vec<SocketAddr>,
        /// Time that this agent leaves to the agents before it in rank.
        after: Duration,
    },
    /// A change that a target's health calls for is refused.
    Refused {
        /// The service of the target.
        service: ServiceId,
        /// The target in question.
        target: IpAddr,
        /// The reason for the refusal.
        reason: Reason,
        /// The evidence for the reason.
        detail: String,
    },
    /// A refusal ended.
    RefusalOver {
        /// The service of the target.
        service: ServiceId,
        /// The target in question.
        target: IpAddr,
        /// The reason of the refusal.
        reason: Reason,
    },
    /// All targets of a service fail with the same wrong answer: nothing is withdrawn for it.
    Alike {
        /// The service in question.
        service: ServiceId,
        /// The targets that are down by that answer, as far as they are known now.
        targets: Vec<IpAddr>,
        /// The kind of the wrong answer, as in `status 503`.
        kind: String,
    },
    /// The targets of a service no longer fail alike.
    AlikeOver {
        /// The service in question.
        service: ServiceId,
    },
    /// A target asked to be taken out.
    Asked {
        /// The service of the target.
        service: ServiceId,
        /// The target in question.
        target: IpAddr,
        /// The words with which it asked, and the phase.
        why: Option<String>,
    },
    /// This agent considers its own network the cause of its losses: nothing is withdrawn.
    Isolated {
        /// The targets with the losses that led here.
        missing: Vec<TargetRef>,
        /// The reason to suspect this agent's own network.
        cause: IsolationCause,
    },
    /// No probe of these targets was judged for so long that their health is now unknown.
    EvidenceLost {
        /// The service of the targets.
        service: ServiceId,
        /// The targets without evidence.
        targets: Vec<IpAddr>,
    },
    /// The health of these targets has been unknown for so long that people are notified.
    StillUnknown {
        /// The service of the targets.
        service: ServiceId,
        /// The targets without evidence.
        targets: Vec<IpAddr>,
    },
    /// A probe of a target with unknown health was judged again.
    EvidenceBack {
        /// The service of the target.
        service: ServiceId,
        /// The target in question.
        target: IpAddr,
        /// Time for which its health was unknown.
        lasted: Duration,
        /// Whether people were notified that it was unknown.
        notified: bool,
    },
    /// A canary answered, or a probe could be sent to a target: every run of losses starts from
    /// zero.
    IsolationOver {
        /// Duration of the isolation.
        lasted: Duration,
    },
    /// The provider confirmed a change.
    Applied {
        /// The zone that was changed.
        zone: ZoneId,
        /// The service of the addresses. It may be gone.
        service: ServiceId,
        /// The addresses that were withdrawn, and the evidence at that time.
        withdrawn: BTreeMap<IpAddr, Withdrawal>,
        /// The addresses that were restored, and the names at which they were.
        restored: BTreeMap<IpAddr, Vec<String>>,
        /// The addresses that were added at names without any address, and had never been seen
        /// there.
        created: BTreeMap<IpAddr, Vec<String>>,
        /// Time from when the change was first desired to the provider's confirmation.
        took: Duration,
        /// Whether this is a dry-run, in which the change would have been requested.
        dry_run: bool,
    },
    /// One name is left out or not changed because of a problem of its own; all others are
    /// maintained.
    NameFailing {
        /// The zone in question.
        zone: ZoneId,
        /// The owner name.
        name: String,
        /// The problem with the name.
        what: String,
    },
    /// A name no longer fails.
    NameFailingOver {
        /// The zone in question.
        zone: ZoneId,
        /// The owner name.
        name: String,
    },
    /// DNS is not in the desired state, and the reconciler keeps retrying.
    Failing {
        /// The zone in question.
        zone: ZoneId,
        /// The problem with the provider.
        problem: DnsProblem,
    },
    /// The provider has recovered.
    FailingOver {
        /// The zone in question.
        zone: ZoneId,
    },
    /// The operator ended the wait of a target.
    WaitEnded {
        /// The service of the target.
        service: ServiceId,
        /// The target that is put back.
        target: IpAddr,
    },
    /// The operator took a target out.
    Drained {
        /// The service of the target.
        service: ServiceId,
        /// The target that was taken out.
        target: IpAddr,
        /// The drain that is in force now.
        drain: Drain,
    },
    /// The operator gave a target back, or its drain expired.
    Undrained {
        /// The service of the target.
        service: ServiceId,
        /// The target that was given back.
        target: IpAddr,
        /// Whether the drain expired.
        expired: bool,
    },
    /// A peer came to life or is gone.
    Peer {
        /// The peer, by its vote address.
        peer: SocketAddr,
        /// Whether the peer is alive.
        alive: bool,
    },
    /// A rehearsal advanced.
    Rehearsal {
        /// The service of the target.
        service: ServiceId,
        /// The target of the rehearsal.
        target: IpAddr,
        /// The stage that the rehearsal has reached.
        stage: RehearsalStage,
    },
}

/// The evidence about an address at the time of its withdrawal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Withdrawal {
    /// The names at which the address was withdrawn.
    pub names: Vec<String>,
    /// The number of losses in a row when the provider confirmed the withdrawal: the ones that
    /// decided it, and later ones.
    pub losses: u32,
    /// Time since the last reply in time, if there ever was one.
    pub silent_for: Option<Duration>,
    /// Whether the operator took it out.
    pub by_hand: bool,
    /// Whether the target itself asked for it.
    pub asked: bool,
    /// Whether it is a standby that is not needed any more, whatever its health.
    pub standing_by: bool,
    /// The peers that agreed to the verdict.
    pub agreeing: Vec<SocketAddr>,
    /// The checks that made it go down, if there are several or they give reasons.
    pub failed: Vec<FailedCheck>,
}

/// A stage of a rehearsal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RehearsalStage {
    /// From now on the target is treated as dead.
    Dead,
    /// From now on the target is treated normally again.
    Alive,
    /// The target is back in service; the agent keeps watching.
    Over,
}

/// The reason why a change that a target's health calls for is not made. The same word is used in
/// the log, the metrics, the status and the notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// No canary answers, or no target can be probed: this agent's own network may be the cause.
    Isolated,
    /// Too few peers agree.
    NoQuorum,
    /// Enough peers to act on it see the contrary, too.
    Contested,
    /// Too few addresses would be left.
    Floor,
    /// All targets of the service give the same wrong answer, so the machines may well be alive.
    Alike,
    /// The operator took the target out.
    Drained,
    /// The target asked to be taken out.
    Asked,
    /// Nothing is written in dry-run.
    DryRun,
    /// A standby is needed and does not answer, or has to stay until others are in DNS.
    Standby,
    /// As many addresses of the service are out for their health as may be.
    MaxOut,
    /// The target is up again, and has not been for long enough to be put back.
    Returning,
}

impl Reason {
    /// All reasons, in the order of their variants.
    pub const ALL: [Self; 11] = [
        Self::Isolated,
        Self::NoQuorum,
        Self::Contested,
        Self::Floor,
        Self::Alike,
        Self::Drained,
        Self::Asked,
        Self::DryRun,
        Self::Standby,
        Self::MaxOut,
        Self::Returning,
    ];

    /// Returns the word for the reason.
    pub const fn as_label(self) -> &'static str {
        match self {
            Self::Isolated => "isolated",
            Self::NoQuorum => "no_quorum",
            Self::Contested => "contested",
            Self::Floor => "floor",
            Self::Alike => "alike",
            Self::Drained => "drained",
            Self::Asked => "asked",
            Self::DryRun => "dry_run",
            Self::Standby => "standby",
            Self::MaxOut => "max_out",
            Self::Returning => "returning",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_label())
    }
}
