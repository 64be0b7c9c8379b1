use super::*;
use crate::status::model::{CheckFailure, CheckStatus, CountedMode, Health, Peer, Reason, Vote};
use crate::status::sample;

#[test]
fn the_table_reads_like_this() {
    let mut status = sample::status();
    status.agent.isolated = true;
    status.agent.isolation_cause = Some("no canary answers".into());
    status.agent.dry_run = true;
    let want = "\
eu-1  goavail 0.1.0  cluster  ip  Cloudflare example.com
at 2026-11-22 04:00:00 UTC  running since 2026-11-22 03:00:00  configuration of 2026-11-22 03:00:00
ISOLATED: no canary answers, so nothing is withdrawn
DRY RUN: nothing is written at the provider; records are shown as they would be
guards off: canaries
peers: 1 of 1 alive
drained: 2001:db8:1234:5678:9abc:def0:1234:5678 until 2026-11-22 05:00:00: <script>alert(1)</script>
last change: 2026-11-22 03:58:22  withdrew 192.0.2.12 from www.example.com
last error:  2026-11-22 03:56:40  list the records of example.com: connection reset by peer
failing now: 2026-11-22 03:56:40  list the records of example.com: connection reset by peer

ADDRESS                                 HEALTH  SINCE     IN SERVICE       RTT  LOSS  VOTES
192.0.2.11                              down    03:58:20  kept: floor  12.3 ms  100%  up 1
2001:db8:1234:5678:9abc:def0:1234:5678  up      03:00:05  no: drained  12.3 ms    0%  up 1
192.0.2.10                              up      03:00:05  yes          12.3 ms    0%  up 1
";
    let got = table(&status, false);
    assert_eq!(got, want, "\n{got}");
}

#[test]
fn an_isolated_agent_names_the_cause() {
    let asked = "this machine can ask none of its targets";
    let named = "ISOLATED: this machine can ask none of its targets, so nothing is withdrawn";
    let unnamed = "ISOLATED: its own network may be at fault, so nothing is withdrawn";
    let cases = [
        ("of this version", true, Some(asked), Some(named)),
        ("of an earlier version", true, None, Some(unnamed)),
        ("not isolated", false, None, None),
    ];
    for (name, isolated, cause, want) in cases {
        let mut status = sample::status();
        status.agent.isolated = isolated;
        status.agent.isolation_cause = cause.map(Into::into);
        let text = table(&status, false);
        assert_eq!(text.lines().find(|line| line.starts_with("ISOLATED")), want, "{name}");
    }
}

#[test]
fn a_thousand_targets_with_the_longest_of_everything_fit_a_hundred_columns() {
    let mut status = sample::status();
    let up = Vote { peer: "p".into(), health: Health::Up, age_s: 0.0 };
    let down = Vote { health: Health::Down, ..up.clone() };
    status.targets = (0..1_000_u32)
        .map(|n| {
            let mut target =
                sample::target(&format!("2001:db8:1234:5678:9abc:def0:1234:{:x}", 0x1000 + n));
            target.health = [Health::Up, Health::Down, Health::AssumedUp][n as usize % 3];
            target.reason = Some(Reason::ALL[n as usize % 6].into());
            target.in_service = n % 2 == 0;
            target.since = sample::time(0);
            target.loss_1m = Some(0.0004);
            target.votes = vec![up.clone(); 10];
            target.votes.extend(vec![down.clone(); 10]);
            target
        })
        .collect();
    status.at = sample::time(1_000_000);
    let peer = Peer { alive: false, ..status.peers[0].clone() };
    status.peers = vec![peer; 20];
    status.failing[0].error = "x".repeat(500);
    let text = table(&status, false);
    let longest = text.lines().map(|line| line.chars().count()).max();
    assert_eq!(longest, Some(WIDTH), "{text}");
    assert!(text.lines().count() > 1_000);
    for target in &status.targets {
        assert!(text.contains(&target.address.to_string()), "{} is missing", target.address);
    }
}

#[test]
fn a_peer_without_a_vote_on_some_services_is_named_while_it_is_alive() {
    let mut status = sample::status();
    let address = status.peers[0].address.clone();
    assert!(!table(&status, false).contains("no vote"));
    status.peers[0].no_vote_on = ["a", "b", "c", "d", "e"].map(String::from).into();
    let line = format!("\n{address} has no vote on a, b, c and 2 more\n");
    assert!(table(&status, false).contains(&line), "{}", table(&status, false));
    status.peers[0].alive = false;
    assert!(!table(&status, false).contains("no vote"), "it has none at all");
}

#[test]
fn a_drain_that_waits_for_its_service_is_named_with_its_end_and_reason() {
    let mut status = sample::status();
    assert!(!table(&status, false).contains("drain waits"));
    for (service, until) in [("www", Some(sample::time(7_200))), ("default", None)] {
        status.waiting_drains.push(WaitingDrain {
            service: service.to_owned(),
            address: [192, 0, 2, 9].into(),
            until,
            reason: Some("rack move".to_owned()),
        });
    }
    let text = table(&status, false);
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("drain waits")).collect();
    assert_eq!(
        lines,
        [
            "drain waits: www/192.0.2.9 is not in the configuration, until 2026-11-22 05:00:00: rack move",
            "drain waits: 192.0.2.9 is not in the configuration: rack move",
        ]
    );
}

#[test]
fn who_limits_its_replies_is_named_with_the_time_that_a_death_takes() {
    let mut status = sample::status();
    assert!(!table(&status, false).contains("limits:"));
    status.targets[0].limits = Some(Limits { noticed_after_s: 3.5 });
    let named = "limits: 192.0.2.10 answers fewer probes than retry_interval asks for: a death is \
                 noticed after 3.5 s";
    let text = table(&status, false);
    let line = text.lines().find(|line| line.starts_with("limits:"));
    assert_eq!(line, Some(named), "{text}");
    status.targets = (0..7)
        .map(|n| {
            let mut target = sample::target(&format!("192.0.2.{n}"));
            target.limits = Some(Limits { noticed_after_s: 4.0 });
            target
        })
        .collect();
    let text = table(&status, false);
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("limits:")).collect();
    assert_eq!((lines.len(), lines[5]), (6, "limits: 2 more"));
    status.canaries[0].limits = Some(Limits { noticed_after_s: 3.5 });
    let named = "limits: canary 192.0.2.1 answers fewer probes than retry_interval asks for: seen \
                 late, after 3.5 s";
    let text = table(&status, false);
    let line = text.lines().find(|line| line.starts_with("limits:"));
    assert_eq!(line, Some(named), "{text}");
}

#[test]
fn what_comes_from_elsewhere_cannot_steer_the_terminal() {
    let mut status = sample::status();
    status.targets[2].drained.as_mut().unwrap().reason = Some("\u{1b}[2J\r\nall is well".into());
    status.last_error.as_mut().unwrap().error = "\u{9b}31m\u{7}".into();
    let text = table(&status, false);
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    assert!(text.contains("?[2J??all is well"), "{text}");
}

#[test]
fn colour_is_only_added_where_it_was_asked_for() {
    let status = sample::status();
    let painted = table(&status, true);
    assert!(painted.contains("\u{1b}[31m192.0.2.11 "), "{painted:?}");
    let mut plain = painted;
    for code in ["31", "33", "1", "0"] {
        plain = plain.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(plain, table(&status, false));
}

#[test]
fn an_old_status_is_called_stale() {
    let mut status = sample::status();
    status.silence_s = 9.9;
    assert!(!table(&status, false).contains("STALE"));
    status.silence_s = 75.2;
    let stale = "STALE: the agent's event loop has not run for 75 s";
    assert!(table(&status, false).contains(stale));
}

/// Returns a status with a service that is well, one with a target that is down, and one of each in
/// addition.
fn several_services() -> Status {
    let mut status = sample::status();
    let (dead, fine) = (status.targets[1].clone(), sample::target("192.0.2.10"));
    let mut services = Vec::new();
    status.targets.clear();
    for (name, targets) in [("www", vec![fine.clone(); 20]), ("mx", vec![fine.clone(), dead])] {
        for mut target in targets {
            target.service = name.into();
            status.targets.push(target);
        }
        let in_service = status.targets.iter().filter(|it| it.service == name && it.in_service);
        let service = &sample::status().services[0];
        services.push(crate::status::model::ServiceStatus {
            name: name.into(),
            zone: "main".into(),
            in_service: in_service.count(),
            of: status.targets.iter().filter(|it| it.service == name).count(),
            ..service.clone()
        });
    }
    (status.services, status.failing) = (services, vec![]);
    status
}

#[test]
fn services_are_groups_with_the_worst_first_and_one_that_is_well_is_a_line() {
    let want = "\
ADDRESS     HEALTH  SINCE     IN SERVICE       RTT  LOSS  VOTES
mx: 1 of 2 in service, zone main, by echo requests
192.0.2.11  down    03:58:20  kept: floor  12.3 ms  100%  up 1
and 1 more in service
www: 20 of 20 in service, zone main, by echo requests
";
    let text = table(&several_services(), false);
    assert!(text.starts_with("eu-1  goavail 0.1.0  cluster  2 services in 1 zone\n"), "{text}");
    let (_, body) = text.split_once("\n\n").unwrap();
    assert_eq!(body, want, "\n{body}");
}

#[test]
fn two_hundred_services_with_one_that_is_not_well_are_little_more_than_two_hundred_lines() {
    let mut status = several_services();
    let (service, targets) = (status.services[0].clone(), status.targets.clone());
    for n in 0..200 {
        let name = format!("service-{n}");
        let its = targets.iter().filter(|target| target.service == "www").cloned();
        status.targets.extend(its.map(|target| Target { service: name.clone(), ..target }));
        status.services.push(crate::status::model::ServiceStatus { name, ..service.clone() });
    }
    let text = table(&status, false);
    let lines: Vec<_> = text.lines().collect();
    assert!(lines.len() < 202 + 20, "{} lines", lines.len());
    assert!(lines.iter().all(|line| line.chars().count() <= WIDTH));
}

#[test]
fn the_only_service_that_is_asked_for_has_all_of_its_targets() {
    let mut status = several_services();
    status.targets.retain(|target| target.service == "www");
    status.services.truncate(1);
    let text = table(&status, false);
    assert_eq!(text.lines().filter(|line| line.starts_with("192.0.2.10")).count(), 20, "{text}");
}

/// Returns a target that is down by one of its checks, and one that is well but for a check that is only
/// watched.
fn with_checks() -> Status {
    let mut status = sample::status();
    let reason = "connect 0.4 ms, TLS 8 ms, then 503 (wanted 200-299)";
    let down = CheckStatus { warning: None, ..sample::check(reason) };
    let up = CheckStatus {
        name: "icmp".into(),
        health: Health::Up,
        streak: sample::target("192.0.2.10").streak,
        said: None,
        ..down.clone()
    };
    let web = CheckStatus { name: "web".into(), ..down.clone() };
    let ends = Some(sample::time(3_600 + 100 * 86_400));
    let login = CheckStatus {
        name: "login-page".into(),
        mode: CountedMode::Watch,
        certificate_ends: ends,
        ..down
    };
    status.targets.truncate(2);
    status.targets[0].checks = vec![up.clone(), login];
    status.targets[1].checks = vec![web, up];
    status.targets[1].failed =
        vec![CheckFailure { check: "web".into(), said: Some(reason.to_owned()) }];
    status
}

#[test]
fn checks_stand_below_their_target_with_their_reasons() {
    let want = "
ADDRESS     HEALTH  SINCE     IN SERVICE       RTT  LOSS  VOTES
192.0.2.11  down    03:58:20  kept: floor  12.3 ms  100%  up 1
    went down by web: connect 0.4 ms, TLS 8 ms, then 503 (wanted 200-299)
    web   down     12 losses; connect 0.4 ms, TLS 8 ms, then 503 (wanted 200-299)
    icmp  up       512 replies; 2.31 ms
192.0.2.10  up      03:00:05  yes          12.3 ms    0%  up 1
    icmp        up       512 replies; 2.31 ms
    login-page  down     12 losses; watched, not counted; connect 0.4 ms, TLS 8 ms, then 503 (wanted
      200-299); certificate until 2027-03-02, 100 days
";
    let got = table(&with_checks(), false);
    assert!(got.ends_with(want), "\n{got}");
}

#[test]
fn of_many_targets_only_those_that_are_not_well_have_lines_about_their_checks() {
    let mut status = with_checks();
    let mut well = status.targets[0].clone();
    well.checks.truncate(1);
    status.targets.extend(vec![well; 200]);
    let text = table(&status, false);
    assert_eq!(text.matches("    icmp  ").count(), 2, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
}
