//! The terms of the engine that its parts and its border share.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use super::ids::RequestId;

/// The way in which an address is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Method {
    /// An ICMP echo request.
    #[default]
    Echo,
    /// A TCP connection to this port.
    Connect(u16),
    /// A request of a check, which the prober knows by this key.
    Request(RequestId),
}

/// The destination of a probe, and the way in which it is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// The IP address to probe.
    pub address: IpAddr,
    /// How the address is probed.
    pub method: Method,
}

impl Endpoint {
    /// Returns the endpoint of echo requests to an address.
    pub const fn echo(address: IpAddr) -> Self {
        Self { address, method: Method::Echo }
    }

    /// Returns the endpoint of TCP connects to a port of an address.
    pub const fn connect(address: IpAddr, port: u16) -> Self {
        Self { address, method: Method::Connect(port) }
    }
}

impl Method {
    /// Returns TCP connects to `port`, or echo requests without one.
    pub fn of_port(port: Option<u16>) -> Self {
        port.map_or(Self::Echo, Self::Connect)
    }

    /// Returns the port of TCP connects.
    pub const fn port(self) -> Option<u16> {
        match self {
            Self::Connect(port) => Some(port),
            Self::Echo | Self::Request(_) => None,
        }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.address, self.method.port()) {
            (address, None) => write!(out, "{address}"),
            (IpAddr::V4(address), Some(port)) => write!(out, "{address}:{port}"),
            (IpAddr::V6(address), Some(port)) => write!(out, "[{address}]:{port}"),
        }
    }
}

/// The pace at which endpoints are probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pace {
    /// Time between probes of one endpoint.
    pub interval: Duration,
    /// Time without a reply after which a probe is a loss.
    pub timeout: Duration,
    /// Time between probes of a suspect endpoint.
    pub retry_interval: Duration,
}

impl Default for Pace {
    /// Returns the pace of the shipped configuration: 1 s, 0.5 s and 0.2 s.
    fn default() -> Self {
        let [interval, timeout, retry_interval] = [1000, 500, 200].map(Duration::from_millis);
        Self { interval, timeout, retry_interval }
    }
}

/// The outcome of one probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// A reply arrived within the timeout.
    Reply,
    /// No reply arrived within the timeout.
    Loss,
    /// This machine could not send the probe, or could not receive its reply. That is a fact about
    /// the vantage point, not the target, so it moves no counter.
    Fault,
}

/// The result of sending one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A reply arrived, this long after the probe was sent.
    Reply(Duration),
    /// The target reported that it is not reachable, which counts as a loss at once. Carries the
    /// report.
    Unreachable(String),
    /// The target answered, and not as asked for, which counts as a loss at once.
    Failed(WrongAnswer),
    /// The target asks to be taken out of service. Carries the reason in words.
    Asked(String),
    /// The request was not answered within the timeout, after it had come so far. Carries the reason,
    /// as in `no first byte within 0.5 s`. It is counted as [`Self::Silence`] is.
    TimedOut(String),
    /// The probe was not begun, since too many of its kind are running. It moves no counter.
    Unsent,
    /// This machine could not send the probe. Carries the reason.
    Fault(String),
    /// No reply was received while the prober listened.
    Silence,
}

/// An answer that is not the one asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongAnswer {
    /// The part that is the same for several targets that fail alike, as in `status 503`.
    pub kind: String,
    /// The reason in words, with the phase that it belongs to, as in `connect 0.4 ms, TLS 8 ms, then
    /// 503 (wanted 200-299)`.
    pub reason: String,
}

/// The answer of a target that is not the one asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OtherAnswer {
    /// A wrong answer of this kind.
    Wrong(String),
    /// The target asks to be taken out.
    Asked,
}

/// The health of a target as seen from this vantage point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Health {
    /// Not yet confirmed: nothing is withdrawn before a full run of losses, nothing restored before
    /// a full run of replies.
    AssumedUp,
    /// A full run of replies was received since the health was last anything else.
    Up,
    /// A full run of losses was counted.
    Down,
}

/// The numbers of outcomes in a row that flip a target's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Thresholds {
    /// The number of losses in a row that flips it down.
    pub failure: NonZeroU32,
    /// The number of replies in a row that flips it up.
    pub recovery: NonZeroU32,
}

impl Default for Thresholds {
    /// Returns the thresholds of the shipped configuration: three losses, three replies.
    fn default() -> Self {
        let three = NonZeroU32::MIN.saturating_add(2);
        Self { failure: three, recovery: three }
    }
}

/// The verdict on a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It belongs in DNS.
    InService,
    /// It does not belong in DNS.
    Withdrawn(WithdrawalCause),
}

/// The cause of the verdict that a target does not belong in DNS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithdrawalCause {
    /// It is down.
    Down,
    /// The operator took it out.
    Drained,
    /// It asked to be taken out.
    Asked,
    /// It is a standby, and enough addresses of the tiers before it are in service.
    StandingBy,
}

impl Verdict {
    /// Whether the target belongs in DNS.
    pub const fn is_in_service(self) -> bool {
        matches!(self, Self::InService)
    }

    /// Whether the operator took the target out.
    pub const fn is_by_hand(self) -> bool {
        matches!(self, Self::Withdrawn(WithdrawalCause::Drained))
    }

    /// Whether the target is a standby that is not needed.
    pub const fn is_standing_by(self) -> bool {
        matches!(self, Self::Withdrawn(WithdrawalCause::StandingBy))
    }
}

/// The reason to consider this agent's own network the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsolationCause {
    /// No canary answers.
    NoCanary,
    /// There are no canaries, and this machine cannot send probes to any of the targets.
    NothingCanBeAsked,
}

impl IsolationCause {
    /// Returns the cause in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoCanary => "no canary answers",
            Self::NothingCanBeAsked => "this machine can ask none of its targets",
        }
    }
}

/// The view of a target that an agent declares to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Vote {
    /// The agent sees the target up.
    Up,
    /// The agent sees the target down.
    Down,
}

/// The state of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerState {
    /// The peer is gone, or was never there.
    Gone,
    /// The peer is alive.
    Alive(PeerKind),
}

/// The kind of agent that a peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PeerKind {
    /// A goavail of this program. It repeats its votes, and they age.
    #[default]
    Native,
    /// A legacy (Go) agent. It votes once at each flip and never again, so its vote does not age.
    Legacy,
}

impl PeerState {
    /// Whether the peer is alive.
    pub const fn is_alive(self) -> bool {
        matches!(self, Self::Alive(_))
    }
}
