//! The verdicts of a running agent, as a basis for the plan.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::engine::plan::Desired;
use crate::settings::DEFAULT;
use crate::status::ClientError;
use crate::status::model::{Health, Reason, Status, Target};

/// The agent that was queried for verdicts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct AgentState {
    /// Its socket or its listener. Null if `[Status]` names neither.
    pub place: Option<String>,
    /// Its name. Null if no agent answered.
    pub name: Option<String>,
    /// The reason why its verdicts are not used, or a remark about them. Null if there is none.
    pub note: Option<String>,
}

/// The agent's reason why an address should be at a name or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Why {
    /// The verdict: in service.
    Up,
    /// The verdict: out of service.
    Down,
    /// A standby in service: too few of the tiers before are.
    Needed,
    /// A standby that is not needed.
    Standby,
    /// The operator has drained it, and the floor was checked then.
    Drained,
    /// The operator has drained it whatever the floor says.
    #[serde(rename = "drained")]
    DrainedByForce,
    /// It should be withdrawn, but too few addresses would be left.
    Floor,
    /// Left as it is: as many addresses of the service are out as may be.
    MaxOut,
    /// Left as it is: the agent considers its own network the cause.
    Isolated,
    /// Left as it is: not enough peers agree.
    NoQuorum,
    /// Left as it is: enough peers say the opposite.
    Contested,
    /// Left as it is: all targets of the service fail alike.
    Alike,
    /// The verdict: out of service, as it asked to be.
    Asked,
    /// Left as it is: it is up again, and is put back later.
    Returning,
    /// Left as it is: not confirmed since the agent's start.
    AssumedUp,
    /// Left as it is: its health is unknown, or its reason is one of a newer agent.
    Unknown,
    /// Left as it is: its health has changed, and the verdict follows.
    Pending,
    /// Left as it is: the agent runs with another file in which it is no target.
    NotWatched,
    /// Left as it is: the configuration does not list it.
    Foreign,
}

impl Why {
    /// Returns the word for text and JSON.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Needed => "needed",
            Self::Standby => "standby",
            Self::Drained | Self::DrainedByForce => "drained",
            Self::Floor => "floor",
            Self::MaxOut => "max_out",
            Self::Isolated => "isolated",
            Self::NoQuorum => "no_quorum",
            Self::Contested => "contested",
            Self::Alike => "alike",
            Self::Asked => "asked",
            Self::Returning => "returning",
            Self::AssumedUp => "assumed_up",
            Self::Unknown => "unknown",
            Self::Pending => "pending",
            Self::NotWatched => "not_watched",
            Self::Foreign => "foreign",
        }
    }

    /// Returns the desired state of the address; `None` leaves it as it is. `below` is the number of
    /// addresses in service that make a standby unneeded; `holds` says whether the floor holds for a
    /// drain until the address is out.
    pub(super) fn desired(self, below: usize, holds: bool) -> Option<Desired> {
        match self {
            Self::Up | Self::Needed => Some(Desired::Serve),
            Self::Down | Self::Asked => Some(Desired::Withdraw),
            Self::Standby => Some(Desired::StandBy(below)),
            Self::Drained if holds => Some(Desired::WithdrawFirst),
            Self::Drained | Self::DrainedByForce => Some(Desired::WithdrawAnyway),
            _ => None,
        }
    }

    /// Returns the reason behind the agent's verdict on `target`. As in the engine, a verdict counts
    /// unless a guard prevents it.
    fn of(target: &Target) -> Self {
        match (target.known_reason(), target.health, target.in_service) {
            _ if target.drained.as_ref().is_some_and(|it| it.forced) => Self::DrainedByForce,
            _ if target.drained.is_some() => Self::Drained,
            // It may say that the verdict is not carried out.
            (None, ..) if target.reason.is_some() => Self::Unknown,
            (Some(Reason::Isolated), ..) => Self::Isolated,
            (Some(Reason::NoQuorum), ..) => Self::NoQuorum,
            (Some(Reason::Contested), ..) => Self::Contested,
            (Some(Reason::Alike), ..) => Self::Alike,
            (Some(Reason::MaxOut), ..) => Self::MaxOut,
            (Some(Reason::Asked), _, false) => Self::Asked,
            (Some(Reason::Returning), ..) => Self::Returning,
            (_, Health::Up, true) if target.standby.is_some() => Self::Needed,
            (_, Health::Up, true) => Self::Up,
            (_, Health::Up, false) if target.standby.is_some() => Self::Standby,
            (_, Health::Down, false) => Self::Down,
            (_, Health::AssumedUp, in_service) if target.is_last_resort() => {
                if in_service {
                    Self::Needed
                } else {
                    Self::Standby
                }
            }
            (_, Health::AssumedUp, _) => Self::AssumedUp,
            (_, Health::Unknown, _) => Self::Unknown,
            _ => Self::Pending,
        }
    }
}

/// The verdict of an agent on each of its targets.
pub(super) type Verdicts = BTreeMap<IpAddr, Why>;

/// The result of querying the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DesiredByAgent {
    pub(super) agent: AgentState,
    /// The verdicts; `None` without usable ones.
    pub(super) verdicts: Option<Verdicts>,
    /// The reasons of the targets that are down by checks that give some.
    pub(super) failed: Vec<FailureReason>,
}

/// The reason why a target is down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct FailureReason {
    /// The address of the target.
    pub address: IpAddr,
    /// The reason of the agent.
    pub why: Why,
    /// The checks that failed, each with its reason: `web: connect 0.4 ms, then 503`.
    pub said: String,
}

impl FailureReason {
    fn of(target: &Target) -> Option<Self> {
        let failed: Vec<String> = target.failed.iter().map(ToString::to_string).collect();
        let (address, why, said) = (target.address, Why::of(target), failed.join("; "));
        (!failed.is_empty()).then_some(Self { address, why, said })
    }
}

impl DesiredByAgent {
    /// No agent answered at `place`.
    pub(super) fn nobody(place: Option<String>, why: &ClientError) -> Self {
        let note = Some(crate::text::error_chain(why));
        Self { agent: AgentState { place, name: None, note }, verdicts: None, failed: vec![] }
    }

    /// The agent at `place` answered. Its verdicts on `service` count if it maintains that in `zone` and
    /// its event loop runs.
    pub(super) fn answered(place: String, service: &str, zone: &str, status: &Status) -> Self {
        let domain = domain_of(service, status);
        let note = if status.is_stale() {
            let silence = status.silence_s;
            Some(format!(
                "its event loop has not run for {silence:.0} s, so its verdicts are outdated"
            ))
        } else if let Some(domain) = domain {
            let is_other = !domain.eq_ignore_ascii_case(zone);
            is_other.then(|| format!("it maintains another zone, {domain}"))
        } else {
            Some(format!("it has no service called {service}"))
        };
        let targets = status.targets.iter().filter(|target| target.service == service);
        let (mut verdicts, mut failed) = (Verdicts::new(), Vec::new());
        for target in targets.filter(|_| note.is_none()) {
            verdicts.insert(target.address, Why::of(target));
            failed.extend(FailureReason::of(target));
        }
        let verdicts = note.is_none().then_some(verdicts);
        let name = Some(status.agent.name.clone());
        Self { agent: AgentState { place: Some(place), name, note }, verdicts, failed }
    }
}

/// Returns the name of the zone in which the agent maintains a service; `None` without the service. An
/// older agent knows `default` alone.
fn domain_of<'a>(service: &str, status: &'a Status) -> Option<&'a str> {
    if status.services.is_empty() {
        return Some(status.agent.zone.as_str()).filter(|_| service == DEFAULT);
    }
    let its = status.services.iter().find(|its| its.name == service)?;
    let zone = status.zones.iter().find(|zone| zone.name == its.zone)?;
    Some(&zone.domain)
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// A status with one target for each row: address, health, in service, reason, drained.
    pub(crate) fn status(rows: &[(&str, &str, bool, Option<&str>, bool)]) -> Status {
        let at = "2026-11-22T03:00:00Z";
        let mut targets = Vec::new();
        for (address, health, in_service, reason, drained) in rows {
            targets.push(json!({
                "address": address, "health": health, "in_service": in_service, "reason": reason,
                "streak": { "outcome": "reply", "count": 3 }, "last_rtt_ms": null, "loss_1m": 0.0,
                "since": at, "drained": drained.then(|| json!({ "until": null, "reason": null })),
                "records": [], "votes": [],
            }));
        }
        serde_json::from_value(json!({
            "at": at,
            "agent": {
                "name": "eu-1", "version": "0.1.0", "started_at": at, "dry_run": false,
                "mode": "single", "type": "ip", "provider": "Cloudflare", "zone": "example.com",
                "isolated": false, "config_loaded_at": at,
            },
            "targets": targets, "peers": [], "last_change": null, "last_error": null,
        }))
        .unwrap()
    }

    fn answered(zone: &str, status: &Status) -> DesiredByAgent {
        DesiredByAgent::answered("/run/goavail.sock".into(), DEFAULT, zone, status)
    }

    #[test]
    fn a_verdict_is_a_wish_unless_the_agent_itself_would_leave_the_address_alone() {
        use Desired::{Serve, Withdraw, WithdrawAnyway};
        let cases = [
            ("up and in", ("up", true, None, false), "up", Some(Serve)),
            ("down and out", ("down", false, None, false), "down", Some(Withdraw)),
            (
                "down, kept by the floor",
                ("down", false, Some("floor"), false),
                "down",
                Some(Withdraw),
            ),
            ("down in dry-run", ("down", false, Some("dry_run"), false), "down", Some(Withdraw)),
            (
                "drained and up",
                ("up", false, Some("drained"), true),
                "drained",
                Some(WithdrawAnyway),
            ),
            ("not confirmed", ("assumed_up", true, None, false), "assumed_up", None),
            ("down, no quorum", ("down", true, Some("no_quorum"), false), "no_quorum", None),
            ("back, but contested", ("up", false, Some("contested"), false), "contested", None),
            ("out, then isolated", ("down", false, Some("isolated"), false), "isolated", None),
            ("down as all others", ("down", true, Some("alike"), false), "alike", None),
            ("down as too many others", ("down", true, Some("max_out"), false), "max_out", None),
            ("back, not for long", ("up", false, Some("returning"), false), "returning", None),
            ("it asked", ("down", false, Some("asked"), false), "asked", Some(Withdraw)),
            ("a newer agent says why", ("up", false, Some("overload"), false), "unknown", None),
            ("the same, down", ("down", false, Some("overload"), false), "unknown", None),
            ("down, verdict to come", ("down", true, None, false), "pending", None),
        ];
        for (name, (health, in_service, reason, drained), word, state) in cases {
            let status = status(&[("192.0.2.10", health, in_service, reason, drained)]);
            let why = Why::of(&status.targets[0]);
            assert_eq!((why.as_str(), why.desired(0, false)), (word, state), "{name}");
            assert_eq!(serde_json::to_value(why).unwrap(), word, "{name}");
        }
        let held = [Why::Drained, Why::DrainedByForce].map(|why| why.desired(0, true));
        let want = [Desired::WithdrawFirst, WithdrawAnyway].map(Some);
        assert_eq!(held, want, "with a standby or a delay");
    }

    #[test]
    fn an_agent_that_hangs_or_looks_after_another_zone_has_no_say() {
        let up = status(&[("192.0.2.10", "up", true, None, false)]);
        let verdicts = Some(Verdicts::from([("192.0.2.10".parse().unwrap(), Why::Up)]));
        let fine = answered("example.com", &up);
        assert_eq!((fine.verdicts, fine.agent.note), (verdicts, None));
        let stale = answered("example.com", &Status { silence_s: 75.2, ..up.clone() });
        let note = "its event loop has not run for 75 s, so its verdicts are outdated";
        assert_eq!((stale.verdicts, stale.agent.note.as_deref()), (None, Some(note)));
        let other = answered("example.net", &up);
        let note = "it maintains another zone, example.com";
        assert_eq!((other.verdicts, other.agent.note.as_deref()), (None, Some(note)));
        assert_eq!(other.agent.name.as_deref(), Some("eu-1"));
    }
}
