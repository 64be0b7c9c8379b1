//! The checks of a service, as the agent has them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::config::in_force::ValueInForce;
use crate::config::problem::Spot;
use crate::engine::types::Endpoint;
use crate::probe::checks::CheckKind;
use crate::probe::exec::account::UserAccount;
use crate::probe::requests::RequestSettings;
use crate::settings::pace_keys::PaceKeys;
use crate::settings::{Delay, Probing};
use crate::text::seconds;

/// How a check asks an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CheckMethod {
    /// By an echo request.
    Echo,
    /// By a TCP connect to this port.
    Connect(u16),
    /// By a request with these settings.
    Request(Arc<RequestSettings>),
}

impl CheckMethod {
    /// Returns the name of the kind of probes, as for `--type`.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Echo | Self::Connect(_) => CheckKind::of(self.example()).name(),
            Self::Request(settings) => match &**settings {
                RequestSettings::Http(http) if http.tls.is_some() => "https",
                RequestSettings::Http(_) => "http",
                RequestSettings::Exec(_) => "exec",
                RequestSettings::Dns(_) => "dns",
            },
        }
    }

    /// Returns the port that is connected to, if there is one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Echo => None,
            Self::Connect(port) => Some(*port),
            Self::Request(settings) => match &**settings {
                RequestSettings::Http(http) => Some(http.port),
                RequestSettings::Exec(_) => None,
                RequestSettings::Dns(dns) => Some(dns.port),
            },
        }
    }

    /// Whether it runs a command as another user than this process.
    pub(in crate::settings) fn runs_as_another_user(&self) -> bool {
        let Self::Request(settings) = self else { return false };
        let RequestSettings::Exec(exec) = &**settings else { return false };
        exec.user().is_some_and(UserAccount::is_another)
    }

    /// Describes probes without settings of their own, as in `by echo requests`.
    pub(super) fn in_words(&self) -> String {
        let endpoint = self.example();
        CheckKind::of(endpoint).in_words(endpoint)
    }

    /// Returns an endpoint that is asked this way, without the settings of a request.
    fn example(&self) -> Endpoint {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        match self {
            Self::Connect(port) => Endpoint::connect(address, *port),
            Self::Echo | Self::Request(_) => Endpoint::echo(address),
        }
    }
}

/// Whether a check is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CheckMode {
    /// It decides, together with the other counted checks.
    Count,
    /// It is asked and logged, and decides nothing.
    Watch,
}

impl CheckMode {
    /// Returns the value of `mode`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Watch => "watch",
        }
    }
}

/// A check of a service.
#[derive(Debug, Clone)]
pub struct CheckConfig {
    /// The name in the file, or the type of a check without one. Distinct in its service.
    pub name: String,
    /// The type, as in the file.
    pub kind: &'static str,
    /// How an address is asked.
    pub method: CheckMethod,
    /// Whether it is counted.
    pub mode: CheckMode,
    /// Pace of probing, and thresholds.
    pub probing: Probing,
    /// Description, as in `by echo requests`.
    pub(crate) words: String,
    /// The values in force of the keys of its type.
    pub(crate) values: Vec<ValueInForce>,
    /// The places from which its other values come, by key. A key without one has its default.
    pub(crate) places: BTreeMap<&'static str, Spot>,
}

impl CheckConfig {
    /// Returns a counted check without settings of its own, which the file does not name.
    pub(in crate::settings) fn plain(
        method: CheckMethod,
        pace: &PaceKeys,
        burst: NonZeroUsize,
    ) -> Self {
        let kind = if method == CheckMethod::Echo { "icmp" } else { "tcp" };
        Self {
            name: kind.to_owned(),
            kind,
            words: method.in_words(),
            method,
            mode: CheckMode::Count,
            probing: pace.probing(burst),
            values: Vec::new(),
            places: pace.known_places(),
        }
    }

    /// Returns the values of its pace and thresholds, with their places.
    pub(in crate::settings) fn pace_values(&self) -> Vec<ValueInForce> {
        let probing = &self.probing;
        let values = [
            ("failure_threshold", probing.failure_threshold.to_string()),
            ("recovery_threshold", probing.recovery_threshold.to_string()),
            ("interval", seconds(probing.interval)),
            ("timeout", seconds(probing.timeout)),
            ("retry_interval", seconds(probing.retry_interval)),
        ];
        let values = values.into_iter();
        values.map(|(key, value)| ValueInForce::new(key, value, self.places.get(key))).collect()
    }

    /// Returns every value in force, with its layer.
    pub(in crate::settings) fn all_values(&self) -> Vec<ValueInForce> {
        let mut values = Vec::new();
        for (key, value) in [("type", self.kind), ("mode", self.mode.word())] {
            values.push(ValueInForce::new(key, value.to_owned(), self.places.get(key)));
        }
        values.extend(self.values.iter().cloned());
        values.extend(self.pace_values());
        values.into_iter().map(ValueInForce::with_layer).collect()
    }

    /// Whether the file chooses it. Otherwise addresses are asked as in a file without checks.
    pub(crate) fn is_chosen(&self) -> bool {
        self.places.contains_key("type")
    }

    /// Whether it is counted.
    pub(crate) fn is_counted(&self) -> bool {
        self.mode == CheckMode::Count
    }
}

/// Returns the delay after which `before` others and one more have passed. At least one is given.
pub(in crate::settings) fn nth_of(delays: impl Iterator<Item = Delay>, before: usize) -> Delay {
    let (mut best, mut worst): (Vec<_>, Vec<_>) =
        delays.map(|delay| (delay.best, delay.worst)).unzip();
    best.sort_unstable();
    worst.sort_unstable();
    let place = before.min(best.len().saturating_sub(1));
    Delay {
        best: best.get(place).copied().unwrap_or_default(),
        worst: worst.get(place).copied().unwrap_or_default(),
    }
}

/// A canary: an address that is up when this agent's own network is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanaryConfig {
    /// The address of the canary.
    pub address: IpAddr,
    /// How it is asked.
    pub method: CheckMethod,
    /// The name of its check; `None` for echo requests and TCP connects.
    pub check: Option<String>,
}

/// Writes a canary as the file has it: `192.0.2.1`, `192.0.2.1:53`, or `192.0.2.1 (web)`.
impl std::fmt::Display for CanaryConfig {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.check, &self.method) {
            (Some(name), _) => write!(out, "{} ({name})", self.address),
            (None, CheckMethod::Connect(port)) => {
                std::net::SocketAddr::new(self.address, *port).fmt(out)
            }
            (None, _) => self.address.fmt(out),
        }
    }
}
