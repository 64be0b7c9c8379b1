//! The text of `goavail plan`, word for word.

mod reasons;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use serde_json::json;

use super::comparison::{Basis, Compared, Comparison};
use super::text::render;
use super::verdicts::{DesiredByAgent, tests::status};
use crate::dns::{Attributes, Extra, Listing, Record, Route53Set, Routing};
use crate::engine::plan::{Family, SetKey};
use crate::settings::StandbyConfig;
use crate::status::{AgentAddress, ClientError};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn key(name: &str, family: Family) -> SetKey {
    SetKey { name: name.into(), family }
}

fn cloudflare(address: &str, ttl: u32, proxied: bool) -> Record {
    let extra = Extra::Cloudflare {
        proxied,
        comment: None,
        tags: Vec::new(),
        other_fields: serde_json::Map::new(),
    };
    Record { address: ip(address), id: "1".into(), attributes: Attributes { ttl, extra } }
}

/// Two names: everything there at the first but `.12`, with a duplicate and a foreign address; at
/// the second one target alone.
fn listing() -> Listing {
    let www = vec![
        cloudflare("192.0.2.11", 120, false),
        cloudflare("192.0.2.10", 1, true),
        cloudflare("198.51.100.9", 300, false),
        cloudflare("192.0.2.11", 60, false),
    ];
    Listing {
        sets: BTreeMap::from([
            (key("www.example.com", Family::A), www),
            (key("www.example.com", Family::Aaaa), vec![cloudflare("2001:db8::9", 300, false)]),
            (key("api.example.com", Family::A), vec![cloudflare("192.0.2.11", 120, false)]),
        ]),
        ..Listing::default()
    }
}

fn compare(listing: &Listing, floor: usize, asked: DesiredByAgent) -> Comparison {
    let names = ["www.example.com", "api.example.com", "old.example.com", "wwv.example.com"];
    // The last two are asked about only where that is the point.
    let many = if listing.caution.is_some() { 4 } else { 2 };
    let names: Vec<_> = names[..many].iter().map(|&name| name.to_owned()).collect();
    let targets = ["192.0.2.11", "192.0.2.10", "192.0.2.12"].map(ip);
    let remembered = BTreeSet::from(["old.example.com".to_owned()]);
    let zone = Compared {
        service: None,
        zone: "example.com".to_owned(),
        provider: "Cloudflare",
        names: &names,
        targets: &targets,
        standby: &StandbyConfig::default(),
        floor,
        holds_for_drains: false,
        listing,
        ttls: None,
        remembered: &remembered,
    };
    Comparison::new(&zone, asked)
}

fn nobody() -> DesiredByAgent {
    let place = PathBuf::from("/run/goavail.sock");
    let source = io::Error::from_raw_os_error(2);
    let error = ClientError::NoAgent { address: AgentAddress::Socket(place), source };
    DesiredByAgent::nobody(Some("/run/goavail.sock".into()), &error)
}

fn agent(rows: &[(&str, &str, bool, Option<&str>, bool)]) -> DesiredByAgent {
    DesiredByAgent::answered("/run/goavail.sock".into(), "default", "example.com", &status(rows))
}

#[test]
fn without_an_agent_all_targets_count_as_healthy() {
    let comparison = compare(&listing(), 0, nobody());
    let want = "\
zone   example.com at Cloudflare
floor  none
agent  none: no agent answers on /run/goavail.sock: No such file or directory (os error 2); the \
exit code takes all targets for healthy

www.example.com A
  ADDRESS       WHOSE    THERE                           IF HEALTHY
  192.0.2.10    managed  automatic TTL, proxied          in
  192.0.2.11    managed  2 records: TTL 120 s; TTL 60 s  in
  192.0.2.12    managed  no                              in
  198.51.100.9  foreign  TTL 300 s                       in

www.example.com AAAA
  ADDRESS       WHOSE    THERE                           IF HEALTHY
  2001:db8::9   foreign  TTL 300 s                       in

api.example.com A
  ADDRESS       WHOSE    THERE                           IF HEALTHY
  192.0.2.10    managed  no                              in
  192.0.2.11    managed  TTL 120 s                       in
  192.0.2.12    managed  no                              in

if all targets were healthy:
+ www.example.com A 192.0.2.12
+ api.example.com A 192.0.2.10
+ api.example.com A 192.0.2.12

difference if all targets were healthy: 3 to create, 0 to delete
";
    assert_eq!(render(&comparison, false), want);
    assert_eq!((comparison.decided_by, comparison.difference), (Basis::AllHealthy, true));
}

/// Two are down, and the floor keeps the last one of them at the second name; for the third there is
/// no verdict that counts; the fourth is not in this file.
fn two_down() -> DesiredByAgent {
    agent(&[
        ("192.0.2.10", "down", false, None, false),
        ("192.0.2.11", "down", false, Some("floor"), false),
        ("192.0.2.12", "up", false, Some("no_quorum"), false),
        ("192.0.2.77", "down", false, None, false),
    ])
}

#[test]
fn an_agents_verdicts_decide_and_the_floor_holds() {
    let comparison = compare(&listing(), 1, two_down());
    let want = "\
zone   example.com at Cloudflare
floor  1 address stays in every record set
agent  eu-1 on /run/goavail.sock; its verdicts decide the exit code

www.example.com A
  ADDRESS       WHOSE    THERE                           IF HEALTHY  BY THE AGENT
  192.0.2.10    managed  automatic TTL, proxied          in          out: down
  192.0.2.11    managed  2 records: TTL 120 s; TTL 60 s  in          out: down
  192.0.2.12    managed  no                              in          out: no_quorum
  198.51.100.9  foreign  TTL 300 s                       in          in: foreign

www.example.com AAAA
  ADDRESS       WHOSE    THERE                           IF HEALTHY  BY THE AGENT
  2001:db8::9   foreign  TTL 300 s                       in          in: foreign

api.example.com A
  ADDRESS       WHOSE    THERE                           IF HEALTHY  BY THE AGENT
  192.0.2.10    managed  no                              in          out: down
  192.0.2.11    managed  TTL 120 s                       in          in: floor
  192.0.2.12    managed  no                              in          out: no_quorum

if all targets were healthy:
+ www.example.com A 192.0.2.12
+ api.example.com A 192.0.2.10
+ api.example.com A 192.0.2.12

by the agent's verdicts:
- www.example.com A 192.0.2.10  (down)
- www.example.com A 192.0.2.11  (down, 2 records)
! api.example.com A 192.0.2.11  (down, stays: min_in_service is 1)

difference by the agent's verdicts: 0 to create, 2 to delete, 1 held by the floor
";
    assert_eq!(render(&comparison, false), want);
    assert_eq!((comparison.decided_by, comparison.difference), (Basis::Agent, true));
}

#[test]
fn what_the_floor_holds_is_no_difference() {
    let down = agent(&[
        ("192.0.2.10", "down", false, Some("floor"), false),
        ("192.0.2.11", "down", false, Some("floor"), false),
        ("192.0.2.12", "down", false, None, false),
    ]);
    let comparison = compare(&listing(), 3, down);
    assert!(!comparison.difference);
    let text = render(&comparison, false);
    let end = "\nno difference by the agent's verdicts, 3 held by the floor\n";
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn a_drained_target_goes_whatever_the_floor_says() {
    let drained = agent(&[
        ("192.0.2.10", "assumed_up", true, None, false),
        ("192.0.2.11", "up", false, Some("drained"), true),
    ]);
    let text = render(&compare(&listing(), 9, drained), false);
    let end = "\
by the agent's verdicts:
- www.example.com A 192.0.2.11  (drained, 2 records)
- api.example.com A 192.0.2.11  (drained)

difference by the agent's verdicts: 0 to create, 2 to delete
";
    assert!(text.ends_with(end), "{text}");
    let note = "it runs with another configuration and does not watch 1 of these addresses";
    assert!(text.contains(&format!("eu-1 on /run/goavail.sock: {note}; its verdicts")), "{text}");
    assert!(text.contains("  192.0.2.12    managed  no  "), "{text}");
    assert!(text.contains("out: not_watched\n") && text.contains("out: assumed_up\n"), "{text}");
}

#[test]
fn the_json_holds_all_of_it_by_the_promised_names() {
    let text = compare(&listing(), 1, two_down()).json();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut listed = json.clone();
    listed["sets"] = json["sets"][0]["addresses"][1].clone();
    listed["all_healthy"] = json["all_healthy"]["create"][0].clone();
    let want = json!({
        "zone": "example.com",
        "provider": "Cloudflare",
        "caution": null,
        "floor": 1,
        "agent": { "place": "/run/goavail.sock", "name": "eu-1", "note": null },
        "decided_by": "agent",
        "difference": true,
        "sets": {
            "address": "192.0.2.11",
            "managed": true,
            "records": [
                { "ttl": 120, "proxied": false, "set_identifier": null, "routing": null },
                { "ttl": 60, "proxied": false, "set_identifier": null, "routing": null },
            ],
            "all_healthy": true,
            "by_agent": { "present": false, "why": "down" },
        },
        "left_out": [],
        "new_names": [],
        "all_healthy": {
            "name": "www.example.com", "type": "A", "address": "192.0.2.12", "records": 0,
            "why": null,
        },
        "by_agent": {
            "create": [],
            "delete": [
                {
                    "name": "www.example.com", "type": "A", "address": "192.0.2.10", "records": 1,
                    "why": "down",
                },
                {
                    "name": "www.example.com", "type": "A", "address": "192.0.2.11", "records": 2,
                    "why": "down",
                },
            ],
            "held": [
                {
                    "name": "api.example.com", "type": "A", "address": "192.0.2.11", "records": 1,
                    "why": "down",
                },
            ],
            "sends": null,
            "needs_memory": [],
        },
    });
    assert_eq!(listed, want);
    let alone: serde_json::Value =
        serde_json::from_str(&compare(&listing(), 1, nobody()).json()).unwrap();
    assert_eq!((&alone["decided_by"], &alone["by_agent"]), (&json!("all_healthy"), &json!(null)));
    assert_eq!(alone["sets"][0]["addresses"][0]["by_agent"], json!(null));
}

/// Names that are not managed and names with a difference are two cases.
#[test]
fn names_that_are_left_alone_or_may_be_misspelt_are_told_with_the_reason() {
    let mut listing = listing();
    listing.caution = Some("it is pending".into());
    let why = "a CNAME record stands at \u{1b}[2Japi.example.com";
    listing.leave_out_name("api.example.com", why);
    let comparison = compare(&listing, 0, nobody());
    let end = "
! api.example.com A and AAAA is left alone: a CNAME record stands at ?[2Japi.example.com
? wwv.example.com holds no address and nothing is remembered of it; is it misspelt?

difference if all targets were healthy: 7 to create, 0 to delete, 2 sets left alone
";
    let text = render(&comparison, false);
    assert!(text.ends_with(end), "{text}");
    assert!(!text.contains("\napi.example.com A\n"), "nobody knows what is there: {text}");
    let json: serde_json::Value = serde_json::from_str(&comparison.json()).unwrap();
    let left = ["A", "AAAA"];
    let left = left.map(|family| json!({ "name": "api.example.com", "type": family, "why": why }));
    assert_eq!(json["left_out"], json!(left));
    assert_eq!(json["new_names"], json!(["wwv.example.com"]));
}

#[test]
fn a_name_that_is_left_alone_is_no_difference() {
    let targets = ["192.0.2.10", "192.0.2.11", "192.0.2.12"];
    let full = targets.map(|target| cloudflare(target, 1, false)).to_vec();
    let mut listing = Listing::default();
    listing.sets.insert(key("www.example.com", Family::A), full);
    listing.leave_out(key("api.example.com", Family::A), "it is an alias");
    let comparison = compare(&listing, 1, nobody());
    assert!(!comparison.difference);
    let end = "\nno difference if all targets were healthy, 1 set left alone\n";
    assert!(render(&comparison, false).ends_with(end));
}

#[test]
fn a_zone_that_is_as_it_should_be_is_no_difference() {
    let targets = ["192.0.2.10", "192.0.2.11", "192.0.2.12"];
    let full = targets.map(|target| cloudflare(target, 1, false)).to_vec();
    let names = ["www.example.com", "api.example.com"];
    let sets = names.map(|name| (key(name, Family::A), full.clone()));
    let comparison = compare(&Listing { sets: sets.into(), ..Listing::default() }, 1, nobody());
    assert!(!comparison.difference);
    let end = "\
if all targets were healthy: no difference

no difference if all targets were healthy
";
    let text = render(&comparison, false);
    assert!(text.ends_with(end), "{text}");
}

fn weighted(identifier: &str, also_in: Vec<Attributes>) -> Attributes {
    let set = Route53Set {
        set_identifier: Some(identifier.into()),
        routing: Routing::Weighted(10),
        health_check_id: None,
        also_in,
    };
    Attributes { ttl: 60, extra: Extra::Route53(set) }
}

/// Route 53's sets of one name: each is listed, and their identifiers steer no terminal.
#[test]
fn a_route53_address_is_shown_with_every_set_that_holds_it() {
    let attributes = weighted("blue", vec![weighted("\u{1b}[2Jgreen", Vec::new())]);
    let record = Record { address: ip("192.0.2.10"), id: String::new(), attributes };
    let sets = BTreeMap::from([(key("www.example.com", Family::A), vec![record])]);
    let down = agent(&[("192.0.2.10", "down", false, None, false)]);
    let text = render(&compare(&Listing { sets, ..Listing::default() }, 0, down), false);
    let there =
        "2 records: TTL 60 s, by Weight, in set blue; TTL 60 s, by Weight, in set ?[2Jgreen";
    assert!(text.contains(there), "{text}");
    assert!(text.contains("- www.example.com A 192.0.2.10  (down, 2 records)\n"), "{text}");
}

#[test]
fn colour_is_only_added_where_it_was_asked_for() {
    let comparison = compare(&listing(), 1, two_down());
    let painted = render(&comparison, true);
    for part in [
        "\u{1b}[1mwww.example.com A\u{1b}[0m\n",
        "\u{1b}[32m+ www.example.com A 192.0.2.12\u{1b}[0m\n",
        "\u{1b}[31m- www.example.com A 192.0.2.10  (down)\u{1b}[0m\n",
        "\u{1b}[33m! api.example.com A 192.0.2.11  (down, stays: min_in_service is 1)\u{1b}[0m\n",
    ] {
        assert!(painted.contains(part), "{part:?} is missing in {painted:?}");
    }
    let mut plain = painted;
    for code in ["1", "31", "32", "33", "0"] {
        plain = plain.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(plain, render(&comparison, false));
}
