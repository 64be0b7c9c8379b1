use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::engine::Moment;
use crate::engine::event::{DnsProblem, DnsProblemKind, Withdrawal};
use crate::engine::ids::TargetRef;
use crate::engine::settings::{ServiceSettings, Settings, ZoneSettings};
use crate::engine::types::{Endpoint, Health, IsolationCause, Method, Verdict};

const TARGET: Endpoint = endpoint(1, None);
const CANARY: Endpoint = endpoint(9, None);
/// A canary at the address of a target.
const BESIDE: Endpoint = endpoint(1, Some(53));

const fn endpoint(last: u8, port: Option<u16>) -> Endpoint {
    let method = match port {
        Some(port) => Method::Connect(port),
        None => Method::Echo,
    };
    Endpoint { address: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, last)), method }
}

fn engine() -> Engine {
    let service = ServiceSettings::new(vec![TARGET.address], "www.example.com");
    let settings = Settings { canaries: vec![CANARY, BESIDE], ..Settings::new(service) };
    Engine::new(settings, BTreeMap::new(), Moment::START)
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The line about `fact`.
fn line(fact: &Fact) -> String {
    line_of(&engine(), fact)
}

/// The line about a fact of an engine.
fn line_of(engine: &Engine, fact: &Fact) -> String {
    let written = Written::default();
    let writer = {
        let written = written.clone();
        move || written.clone()
    };
    let log = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(writer)
        .finish();
    tracing::subscriber::with_default(log, || write(engine, fact));
    let bytes = written.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn what_is_said_of_a_canary_is_not_said_of_a_target() {
    let facts: [fn(Endpoint) -> Fact; 7] = [
        |endpoint| Fact::Limits { endpoint, noticed_after: Some(Duration::from_secs(4)) },
        |endpoint| Fact::Limits { endpoint, noticed_after: None },
        |endpoint| Fact::Late { endpoint, rtt: Duration::from_secs(1) },
        |endpoint| Fact::Faulty { endpoint, what: "no route".into(), logged: true },
        |endpoint| Fact::Faulty { endpoint, what: "no route".into(), logged: false },
        |endpoint| Fact::FaultOver { endpoint, logged: true },
        |endpoint| Fact::FaultOver { endpoint, logged: false },
    ];
    for fact in facts {
        let rows = [
            (TARGET, "target=192.0.2.1", "canary="),
            (CANARY, "canary=192.0.2.9", "target="),
            (BESIDE, "canary=192.0.2.1:53", "target="),
        ];
        for (endpoint, want, other) in rows {
            let line = line(&fact(endpoint));
            assert!(line.contains(want) && !line.contains(other), "{endpoint}: {line}");
            assert_eq!(line.matches("192.0.2.").count(), 1, "{endpoint}: {line}");
        }
    }
}

#[test]
fn a_canary_that_is_a_named_check_is_called_as_in_the_status() {
    let web = Endpoint { method: Method::Request(7.into()), ..CANARY };
    let service = ServiceSettings::new(vec![TARGET.address], "www.example.com");
    let canary_checks = [(web, "web".to_owned())].into();
    let settings =
        Settings { canaries: vec![web, CANARY], canary_checks, ..Settings::new(service) };
    let engine = Engine::new(settings, BTreeMap::new(), Moment::START);
    for (endpoint, want) in [(web, "canary=192.0.2.9 (web)"), (CANARY, "canary=192.0.2.9 ")] {
        let fact = Fact::Limits { endpoint, noticed_after: Some(Duration::from_secs(4)) };
        let line = line_of(&engine, &fact);
        assert!(line.contains(want), "{line}");
    }
    let first = vec![web, TARGET];
    let fact = Fact::Faults { count: 9, endpoints: 2, first, newest: "no route".into() };
    let line = line_of(&engine, &fact);
    assert!(line.contains("192.0.2.9 (web),192.0.2.1"), "{line}");
}

#[test]
fn a_line_about_a_probe_names_its_check_where_there_are_several() {
    let mut service = ServiceSettings::new(vec![TARGET.address], "www.example.com");
    service.checks[0].name = "icmp".to_owned();
    let fact = Fact::Faulty { endpoint: TARGET, what: "no route".into(), logged: true };
    let one = Engine::new(Settings::new(service.clone()), BTreeMap::new(), Moment::START);
    assert!(!line_of(&one, &fact).contains("check="));
    let mut web = service.checks[0].clone();
    (web.name, web.check.method) = ("web".to_owned(), Method::Connect(80));
    service.checks.push(web);
    let two = Engine::new(Settings::new(service), BTreeMap::new(), Moment::START);
    let line = line_of(&two, &fact);
    assert!(line.contains("target=192.0.2.1 check=icmp cause"), "{line}");
}

/// Returns an engine with the services `www` and `mx` in the zone `main`.
fn engine_of_several() -> Engine {
    let mut settings = Settings::new(ServiceSettings::new(vec![TARGET.address], "www.example.com"));
    let its = settings.default_service().clone();
    settings.zones = [(1.into(), ZoneSettings::new("main", "a zone"))].into();
    settings.services.clear();
    for (id, name) in [(1, "www"), (2, "mx")] {
        let name = name.to_owned();
        let its = ServiceSettings { name, zone: 1.into(), ..its.clone() };
        settings.services.insert(id.into(), its);
    }
    Engine::new(settings, BTreeMap::new(), Moment::START)
}

/// A change of health of the target of a service.
fn flip(service: ServiceId, to: Health) -> Fact {
    Fact::Flipped {
        service,
        target: TARGET.address,
        from: Health::AssumedUp,
        to,
        count: 3,
        silent_for: None,
        last_error: None,
    }
}

/// A change to DNS that concerns the target of a service.
fn applied(service: ServiceId, dry_run: bool) -> Fact {
    let target = TARGET.address;
    Fact::Applied {
        zone: ZoneId::DEFAULT,
        service,
        withdrawn: [(target, Withdrawal::default())].into(),
        restored: [(target, vec![])].into(),
        created: [(target, vec![])].into(),
        took: Duration::from_secs(1),
        dry_run,
    }
}

#[test]
fn the_line_about_a_standby_that_is_not_needed_says_nothing_of_its_health() {
    for (standing_by, is_said) in [(false, true), (true, false)] {
        let mut fact = applied(ServiceId::DEFAULT, false);
        if let Fact::Applied { withdrawn, .. } = &mut fact {
            for its in withdrawn.values_mut() {
                its.standing_by = standing_by;
            }
        }
        let text = line(&fact);
        let withdrew = text.lines().find(|line| line.contains("withdrew")).unwrap();
        assert_eq!(withdrew.contains("losses=0 silent_for="), is_said, "{withdrew}");
    }
}

/// The facts about a target of a service, each with a line at this level or a lower one.
fn facts_of(service: ServiceId) -> Vec<Fact> {
    let (target, lasted) = (TARGET.address, Duration::from_secs(1));
    let drain = crate::engine::event::Drain::default();
    let (verdict, agreeing, after) = (Verdict::InService, vec![], lasted);
    let mut facts = vec![
        flip(service, Health::Down),
        flip(service, Health::Up),
        Fact::Verdict { service, target, verdict, agreeing, after },
        Fact::EvidenceLost { service, targets: vec![target] },
        Fact::StillUnknown { service, targets: vec![target] },
        Fact::EvidenceBack { service, target, lasted, notified: true },
        Fact::EvidenceBack { service, target, lasted, notified: false },
        Fact::Drained { service, target, drain },
        Fact::Undrained { service, target, expired: true },
        Fact::Undrained { service, target, expired: false },
        Fact::Rehearsal { service, target, stage: RehearsalStage::Dead },
        applied(service, true),
        applied(service, false),
    ];
    for reason in Reason::ALL {
        facts.push(Fact::Refused { service, target, reason, detail: String::new() });
        facts.push(Fact::RefusalOver { service, target, reason });
    }
    facts
}

#[test]
fn every_line_about_a_target_names_its_service_if_services_are_named() {
    let several = engine_of_several();
    for fact in facts_of(ServiceId::from(2)) {
        let text = line_of(&several, &fact);
        assert!(!text.is_empty(), "{fact:?}");
        for line in text.lines() {
            assert_eq!(line.matches(" service=mx").count(), 1, "{line}");
        }
    }
    for fact in facts_of(ServiceId::DEFAULT) {
        let text = line(&fact);
        assert!(!text.is_empty() && !text.contains("service="), "{text}");
    }
}

#[test]
fn the_line_about_isolation_names_missing_targets_by_service_only_if_services_are_named() {
    let isolated = |missing: &[ServiceId]| {
        let address = TARGET.address;
        let missing = missing.iter().map(|service| TargetRef { service: *service, address });
        Fact::Isolated { missing: missing.collect(), cause: IsolationCause::NoCanary }
    };
    let text = line_of(&engine_of_several(), &isolated(&[1.into(), 2.into()]));
    assert!(text.contains("targets=\"www/192.0.2.1,mx/192.0.2.1\""), "{text}");
    let text = line(&isolated(&[ServiceId::DEFAULT]));
    assert!(text.contains("targets=\"192.0.2.1\""), "{text}");
}

#[test]
fn every_line_about_a_zone_or_one_of_its_names_has_the_zone_if_zones_are_named() {
    let problem = DnsProblem { kind: DnsProblemKind::Refused, what: "no".into(), retry_in: None };
    let name = "www.example.com".to_owned();
    for (zone, engine, fields) in
        [(ZoneId::from(1), engine_of_several(), 1), (ZoneId::DEFAULT, engine(), 0)]
    {
        for fact in [
            Fact::Failing { zone, problem: problem.clone() },
            Fact::FailingOver { zone },
            Fact::NameFailing { zone, name: name.clone(), what: "no".into() },
            Fact::NameFailingOver { zone, name: name.clone() },
        ] {
            let line = line_of(&engine, &fact);
            assert_eq!(line.matches(" zone=main").count(), fields, "{line}");
            assert_eq!(line.contains("zone="), fields > 0, "{line}");
        }
    }
}

#[test]
fn a_line_about_an_endpoint_names_the_services_that_ask_it() {
    let after = Some(Duration::from_secs(4));
    for fact in [
        Fact::Limits { endpoint: TARGET, noticed_after: after },
        Fact::Late { endpoint: TARGET, rtt: Duration::from_secs(1) },
        Fact::Faulty { endpoint: TARGET, what: "no route".into(), logged: true },
        Fact::FaultOver { endpoint: TARGET, logged: false },
    ] {
        let text = line_of(&engine_of_several(), &fact);
        assert_eq!(text.matches(" service=www,mx").count(), 1, "{text}");
        assert!(!line(&fact).contains("service="));
    }
}
