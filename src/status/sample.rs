//! A status with a bit of everything, for tests.

use std::time::{Duration, SystemTime};

use super::model::{
    Agent, Canary, Change, CheckStatus, CountedMode, Drained, Failure, Health, Mode, Outcome, Peer,
    PhaseTimes, Reason, RecordPresence, ServiceStatus, Status, Streak, Target, Time, Vote,
    ZoneStatus,
};

/// `seconds` after 2026-11-22 03:00:00.
pub(crate) fn time(seconds: u64) -> Time {
    Time::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_316_400 + seconds))
}

pub(crate) fn agent() -> Agent {
    Agent {
        name: "eu-1".into(),
        version: "0.1.0".into(),
        started_at: time(0),
        dry_run: false,
        mode: Mode::Cluster,
        r#type: "ip".into(),
        provider: "Cloudflare".into(),
        zone: "example.com".into(),
        isolated: false,
        isolation_cause: None,
        config_loaded_at: time(0),
        guards_off: vec!["canaries".into()],
    }
}

pub(crate) fn target(address: &str) -> Target {
    Target {
        service: "default".into(),
        address: address.parse().unwrap(),
        health: Health::Up,
        in_service: true,
        reason: None,
        streak: Streak { outcome: Outcome::Reply, count: 512 },
        last_rtt_ms: Some(12.345),
        loss_1m: Some(0.0),
        evidence_age_s: Some(0.4),
        since: time(5),
        in_service_since: Some(time(0)),
        last_reply_at: Some(time(3_599)),
        late: 0,
        limits: None,
        drained: None,
        standby: None,
        returning: None,
        records: vec![RecordPresence {
            name: "www.example.com".into(),
            r#type: "A".into(),
            present: Some(true),
        }],
        checks: vec![],
        failed: vec![],
        votes: vec![Vote { peer: "192.0.2.81:8080".into(), health: Health::Up, age_s: 3.2 }],
    }
}

/// Returns a check that is down, with this text in everything that comes from elsewhere.
pub(crate) fn check(text: &str) -> CheckStatus {
    CheckStatus {
        name: text.to_owned(),
        r#type: "https".into(),
        mode: CountedMode::Count,
        health: Health::Down,
        streak: Streak { outcome: Outcome::Loss, count: 12 },
        last_rtt_ms: Some(2.31),
        said: Some(text.to_owned()),
        warning: Some(text.to_owned()),
        certificate_ends: None,
        phases_ms: PhaseTimes::default(),
    }
}

fn service() -> ServiceStatus {
    ServiceStatus {
        name: "default".into(),
        zone: "default".into(),
        provider: "Cloudflare".into(),
        checks: vec!["by echo requests".into()],
        names: vec!["www.example.com".into()],
        in_service: 1,
        of: 3,
        standby_in: None,
    }
}

fn zone(failure: &Failure) -> ZoneStatus {
    ZoneStatus {
        name: "default".into(),
        provider: "Cloudflare".into(),
        domain: "example.com".into(),
        last_error: Some(failure.clone()),
        failing: true,
        effects: vec![],
    }
}

pub(crate) fn status() -> Status {
    let down = Target {
        health: Health::Down,
        in_service: false,
        reason: Some(Reason::Floor.into()),
        streak: Streak { outcome: Outcome::Loss, count: 44 },
        loss_1m: Some(1.0),
        since: time(3_500),
        in_service_since: Some(time(3_501)),
        ..target("192.0.2.11")
    };
    let drained = Target {
        in_service: false,
        reason: Some(Reason::Drained.into()),
        drained: Some(Drained {
            until: Some(time(7_200)),
            reason: Some("<script>alert(1)</script>".into()),
            forced: false,
        }),
        ..target("2001:db8:1234:5678:9abc:def0:1234:5678")
    };
    let change = Change {
        at: time(3_502),
        what: "withdrew 192.0.2.12 from www.example.com".into(),
        evidence: "3 losses in a row; agree eu-1, us-1".into(),
        target: Some("192.0.2.12".parse().unwrap()),
        service: None,
    };
    let failure = Failure {
        at: time(3_400),
        what: "list the records of example.com".into(),
        error: "connection reset by peer".into(),
    };
    Status {
        at: time(3_600),
        silence_s: 0.5,
        agent: agent(),
        targets: vec![target("192.0.2.10"), down, drained],
        services: vec![service()],
        zones: vec![zone(&failure)],
        waiting_drains: vec![],
        incidents: vec![],
        canaries: vec![Canary { address: "192.0.2.1".into(), limits: None }],
        peers: vec![Peer {
            address: "192.0.2.81:8080".into(),
            alive: true,
            signed: false,
            last_heard: Some(time(3_597)),
            no_vote_on: vec![],
        }],
        last_change: Some(change.clone()),
        last_error: Some(failure.clone()),
        failing: vec![failure],
        changes: vec![change],
    }
}
