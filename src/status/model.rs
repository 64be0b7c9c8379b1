//! What an agent says of itself: the object behind `GET /status`.
//!
//! Its names are a contract with whoever reads it: fields are added, never renamed. What a newer
//! agent adds, an older `goavail status` skips; what an older agent lacks has a default.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use super::time::Time;
pub use crate::engine::event::Reason;

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// When this was written down. At most about a second old, as long as the loop turns.
    pub at: Time,
    /// Seconds since the agent's loop last turned, when it was asked. A loop that turns does so
    /// every second.
    #[serde(default)]
    pub silence_s: f64,
    /// The agent as a whole.
    pub agent: Agent,
    /// One for each address that is watched, in the configuration's order.
    pub targets: Vec<Target>,
    /// The other agents; empty in single mode.
    pub peers: Vec<Peer>,
    /// Who proves that this agent's own network works, in the configuration's order.
    #[serde(default)]
    pub canaries: Vec<Canary>,
    /// The newest of `changes`.
    pub last_change: Option<Change>,
    /// The newest failure, whether or not it is over.
    pub last_error: Option<Failure>,
    /// What fails now and is being tried again.
    #[serde(default)]
    pub failing: Vec<Failure>,
    /// What was changed lately, the newest first; at most [`super::CHANGES_KEPT`].
    #[serde(default)]
    pub changes: Vec<Change>,
}

/// The agent as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// What the operator calls it.
    #[serde(default)]
    pub name: String,
    /// The program's version.
    pub version: String,
    /// When this process began to watch.
    pub started_at: Time,
    /// Nothing is written at the provider.
    pub dry_run: bool,
    /// Alone, or with peers.
    pub mode: Mode,
    /// How targets are probed: `ip` or `tcp`.
    pub r#type: String,
    /// Who serves the zone, as the operator names it: `Cloudflare`.
    pub provider: String,
    /// The zone's name.
    pub zone: String,
    /// The agent takes its own network for the cause of its losses: they are no evidence, and nothing
    /// is withdrawn.
    pub isolated: bool,
    /// The sign of that, in words: `no canary answers`. `None` if it is not isolated.
    #[serde(default)]
    pub isolation_cause: Option<String>,
    /// When the configuration in force was read.
    pub config_loaded_at: Time,
    /// The guards that are off, by the key that would turn each on.
    #[serde(default)]
    pub guards_off: Vec<String>,
}

/// Whether an agent has peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It decides alone.
    Single,
    /// It exchanges votes.
    Cluster,
}

/// One address that is watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The address.
    pub address: IpAddr,
    /// As seen from this agent.
    pub health: Health,
    /// The verdict: whether its records belong in the zone.
    pub in_service: bool,
    /// Why what its health asks for is not done; `None` if nothing stands in the way.
    #[serde(default, with = "super::reason")]
    pub reason: Option<Reason>,
    /// The newest outcomes, as far as they are alike; a count of 0 before the first.
    pub streak: Streak,
    /// Of the newest reply, in milliseconds; `None` before the first.
    pub last_rtt_ms: Option<f64>,
    /// The part of the last minute's probes that was lost, 0 to 1; `None` if none was judged.
    pub loss_1m: Option<f64>,
    /// Seconds since a probe was last judged a reply or a loss; before the first, since the watching
    /// began.
    #[serde(default)]
    pub evidence_age_s: Option<f64>,
    /// When `health` became what it is.
    pub since: Time,
    /// When `in_service` became what it is.
    #[serde(default)]
    pub in_service_since: Option<Time>,
    /// When the newest reply came; `None` before the first.
    #[serde(default)]
    pub last_reply_at: Option<Time>,
    /// Replies that came after their probe's timeout, since the start. If it grows, `timeout` is
    /// too short.
    #[serde(default)]
    pub late: u64,
    /// Set if it does not answer at `retry_interval` though all is well.
    #[serde(default)]
    pub limits: Option<Limits>,
    /// Set while the operator has taken it out by hand.
    pub drained: Option<Drained>,
    /// Each record that may hold this address.
    pub records: Vec<RecordPresence>,
    /// What each vantage point says, this agent not among them.
    pub votes: Vec<Vote>,
}

/// An endpoint that limits what it answers is probed at `interval` also while a reply is missing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// After this many seconds, at worst, its death or its silence is noticed.
    pub noticed_after_s: f64,
}

impl Limits {
    pub(super) fn after(noticed: Duration) -> Self {
        Self { noticed_after_s: noticed.as_secs_f64() }
    }
}

/// An endpoint that proves that the agent's own network works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    /// Its address, with its port if it is asked by TCP.
    pub address: String,
    /// Set if it does not answer at `retry_interval` though all is well.
    #[serde(default)]
    pub limits: Option<Limits>,
}

impl Status {
    /// The sign that the agent is isolated, if it is: in words that begin a sentence without a capital.
    pub(super) fn isolation(&self) -> Option<&str> {
        // An agent of an earlier version names none.
        let cause =
            self.agent.isolation_cause.as_deref().unwrap_or("its own network may be at fault");
        self.agent.isolated.then_some(cause)
    }

    /// Whether the agent's loop does not turn, so that all of this is old.
    pub fn is_stale(&self) -> bool {
        self.silence_s >= super::MAX_SILENCE.as_secs_f64()
    }
}

impl Target {
    /// Whether clients may be sent to it: what `GET /verdict/<ip>` answers with 200.
    ///
    /// A record that the floor keeps, or that dry-run leaves alone, does not make a dead target
    /// alive: the verdict stands although it was not carried out.
    pub fn serves(&self) -> bool {
        let kept = match self.reason {
            Some(Reason::Floor | Reason::Drained) => true,
            Some(Reason::DryRun) => self.health == Health::Down,
            _ => false,
        };
        self.in_service && !kept && self.drained.is_none()
    }
}

/// What an agent's own probes say of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// A full run of replies.
    Up,
    /// A full run of losses.
    Down,
    /// Neither yet since the start.
    AssumedUp,
    /// No probe could be judged for a while, so that nobody knows; the verdict stands.
    Unknown,
}

impl Health {
    /// The word for it in JSON and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::AssumedUp => "assumed_up",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

/// What became of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was answered in time.
    Reply,
    /// It was not.
    Loss,
}

/// Outcomes in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streak {
    /// What they all are.
    pub outcome: Outcome,
    /// How many.
    pub count: u64,
}

/// The operator's word that a target is out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drained {
    /// When it ends by itself; `None` means by `undrain` only.
    pub until: Option<Time>,
    /// What the operator said.
    pub reason: Option<String>,
}

/// Whether a record that may hold the target's address is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordPresence {
    /// The owner name.
    pub name: String,
    /// `A` or `AAAA`.
    pub r#type: String,
    /// As last read from the provider; `None` while that is not known.
    pub present: Option<bool>,
}

/// One vantage point's health for one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vote {
    /// Whose.
    pub peer: String,
    /// What it says.
    pub health: Health,
    /// Seconds since it was last heard.
    pub age_s: f64,
}

/// Another agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its `host:port` for votes, as the configuration lists it.
    pub address: String,
    /// Whether its votes count.
    pub alive: bool,
    /// Whether it signs its votes.
    pub signed: bool,
    /// When anything was last heard from it; `None` if nothing ever was.
    pub last_heard: Option<Time>,
}

/// Something that was done to the zone, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When the provider confirmed it.
    pub at: Time,
    /// The whole of it in words: `withdrew 192.0.2.10 from www.example.com`.
    pub what: String,
    /// What it rests on: losses, votes, the operator's word.
    #[serde(default)]
    pub evidence: String,
    /// Whom it was about, if it was one target.
    #[serde(default)]
    pub target: Option<IpAddr>,
}

/// Something that did not work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When it was last seen.
    pub at: Time,
    /// What was tried: `list the records of example.com`.
    pub what: String,
    /// What came of it, in the words of whoever said it.
    #[serde(default)]
    pub error: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::sample;

    #[test]
    fn the_object_has_the_contracts_names() {
        let json = serde_json::to_value(sample::status()).unwrap();
        let keys = |value: &serde_json::Value| -> Vec<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        let promised = [
            (&json, "agent targets peers last_change last_error"),
            (
                &json["agent"],
                "version started_at dry_run mode type provider zone isolated config_loaded_at",
            ),
            (
                &json["targets"][0],
                "address health in_service reason streak last_rtt_ms loss_1m since drained records \
                 votes",
            ),
            (&json["targets"][0]["streak"], "outcome count"),
            (&json["targets"][0]["records"][0], "name type present"),
            (&json["targets"][0]["votes"][0], "peer health age_s"),
            (&json["peers"][0], "address alive signed last_heard"),
            (&json["last_change"], "at what"),
            (&json["last_error"], "at what"),
        ];
        for (value, names) in promised {
            for name in names.split_whitespace() {
                assert!(keys(value).contains(&name.to_owned()), "{name} is missing in {value}");
            }
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let status = sample::status();
        let text = serde_json::to_string(&status).unwrap();
        assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), status);
    }

    #[test]
    fn the_words_for_health_are_the_same_in_json_and_text() {
        for health in [Health::Up, Health::Down, Health::AssumedUp, Health::Unknown] {
            assert_eq!(serde_json::to_value(health).unwrap(), health.as_str());
        }
    }

    #[test]
    fn a_verdict_stands_though_the_floor_or_dry_run_keeps_the_record() {
        use Health::{AssumedUp, Down, Up};
        let cases = [
            ("up and in service", Up, true, None, true),
            ("assumed up", AssumedUp, true, None, true),
            ("down by verdict", Down, false, None, false),
            ("kept by the floor", Down, false, Some(Reason::Floor), false),
            ("kept by the floor, said the other way", Down, true, Some(Reason::Floor), false),
            ("kept by dry-run", Down, true, Some(Reason::DryRun), false),
            ("alive in dry-run", Up, true, Some(Reason::DryRun), true),
            ("down, but this agent is isolated", Down, true, Some(Reason::Isolated), true),
            ("down, but the peers do not agree", Down, true, Some(Reason::NoQuorum), true),
            ("unknown, and in by the verdict", Health::Unknown, true, None, true),
            ("unknown, and out by the verdict", Health::Unknown, false, None, false),
            ("drained though healthy", Up, true, Some(Reason::Drained), false),
        ];
        for (name, health, in_service, reason, serves) in cases {
            let mut target = sample::status().targets[0].clone();
            (target.health, target.in_service, target.reason) = (health, in_service, reason);
            target.drained = None;
            assert_eq!(target.serves(), serves, "{name}");
        }
    }
}
