//! `standby` and `standby_below`.

use super::*;

const FILE: &str = "[zone.main]\nprovider = \"cloudflare\"\ndomain = \"example.com\"\n[[service]]\nname = \"www\"\n\
                    hostnames = [\"www\"]\nip_addresses = [\"192.0.2.10\", \"192.0.2.11\"]\n";

fn read(top: &str, lines: &str) -> Result<Config, Vec<String>> {
    let asked = Asked { tcp: None, provider: None, dry_run: true };
    let text = format!("{top}\n{FILE}{lines}\n");
    parse(&text, Path::new("x"), &asked, &|_| None)
        .map_err(|errors| errors.to_string().lines().map(str::to_owned).collect())
}

fn ip(text: &str) -> std::net::IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_list_of_addresses_is_one_tier_and_a_list_of_lists_has_several() {
    let one = read("", "standby = [\"198.51.100.7\", \"198.51.100.8\"]").unwrap();
    let its = &one.services[0];
    assert_eq!(its.standby.tiers, [vec![ip("198.51.100.7"), ip("198.51.100.8")]]);
    assert_eq!((its.standby.below, its.min_in_service), (1, 1), "the last address stays");
    assert_eq!(its.primaries(), [ip("192.0.2.10"), ip("192.0.2.11")]);
    assert_eq!(its.targets.len(), 4, "all of them are watched");
    let two = "standby = [[\"198.51.100.7\"], [\"198.51.100.8\"]]\nstandby_below = 2";
    let two = read("min_in_service = 2", two).unwrap();
    let its = &two.services[0];
    let tiers: Vec<_> = its.standby.iter().collect();
    assert_eq!(tiers, [(ip("198.51.100.7"), 1), (ip("198.51.100.8"), 2)]);
    assert_eq!((its.standby.below, its.min_in_service), (2, 2));
    let top = read("standby_below = 2", "standby = [\"198.51.100.7\"]").unwrap();
    assert_eq!(top.services[0].standby.below, 2, "the default of every service");
}

#[test]
fn standbys_that_could_never_do_their_work_are_refused() {
    let rows = [
        ("standby = []", "x:9: service.www.standby: [] is not allowed; a list of addresses"),
        ("standby = [[]]", "x:9: service.www.standby: [] is not allowed; each tier is a list"),
        ("standby = \"198.51.100.7\"", "is not allowed; a list of addresses"),
        ("standby = [\"x\"]", "is not allowed; an IP address"),
        ("standby = [[\"198.51.100.7\"], \"198.51.100.8\"]", "each tier is a list of addresses"),
        (
            "standby = [\"192.0.2.10\"]",
            "\"192.0.2.10\" is in service.www.ip_addresses, line 8, too; an address has one tier",
        ),
        (
            "standby = [[\"198.51.100.7\"], [\"198.51.100.7\"]]",
            "\"198.51.100.7\" is in service.www.standby, line 9, too; an address has one tier",
        ),
        ("standby = [\"2001:db8::1\"]", "would never be published: ip_addresses has none for AAAA"),
        (
            "standby = [\"198.51.100.7\"]\nstandby_below = 3",
            "3 is more than ip_addresses has for A records, 2: the standbys would never leave",
        ),
        ("standby_below = 0", "0 is not allowed; an integer from 1 to 1000"),
    ];
    for (lines, want) in rows {
        let problems = read("", lines).unwrap_err();
        assert!(problems.iter().any(|it| it.contains(want)), "{lines}: {problems:#?}");
    }
    let canary = read("canaries = [\"198.51.100.7\"]", "standby = [\"198.51.100.7\"]");
    assert!(canary.unwrap_err()[0].contains("\"198.51.100.7\" is a standby of www"));
}

#[test]
fn values_that_are_not_used_are_named() {
    let rows = [
        ("", "standby_below = 1", "not used: the service has no standby"),
        ("standby_below = 1", "", "not used: no [[service]] has standby"),
        (
            "min_in_service = 0",
            "standby = [\"198.51.100.7\"]",
            "counts as 1 in a service with standbys",
        ),
    ];
    for (top, lines, want) in rows {
        let config = read(top, lines).unwrap();
        assert!(config.warnings.iter().any(|it| it.contains(want)), "{:?}", config.warnings);
    }
}

#[test]
fn check_tells_what_standbys_do() {
    let lines = "standby = [[\"198.51.100.7\"], [\"198.51.100.8\"]]";
    let config = read("", lines).unwrap();
    let words = config.in_words();
    let want = "tier 1: 198.51.100.7; tier 2: 198.51.100.8; a tier is published while fewer than 1 of \
                those of the tiers before is in service, if seen to answer";
    assert!(words.contains(want), "{words}");
    assert!(words.contains("2 addresses by echo requests: 192.0.2.10, 192.0.2.11"), "{words}");
    let expanded = config.expanded();
    assert!(expanded.contains("198.51.100.7; 198.51.100.8"), "{expanded}");
    let json = serde_json::to_value(CheckedFile::accepted(&config)).unwrap();
    let its = &json["services"][0];
    assert_eq!(its["standby"], serde_json::json!([["198.51.100.7"], ["198.51.100.8"]]));
    assert_eq!((&its["standby_below"], &its["min_in_service"]), (&1.into(), &1.into()));
    let without = read("", "").unwrap();
    let json = serde_json::to_value(CheckedFile::accepted(&without)).unwrap();
    assert!(json["services"][0].get("standby").is_none(), "{json}");
}

#[test]
fn a_last_resort_is_one_tier_behind_all_others() {
    let lines =
        "standby = [[\"198.51.100.7\"], [\"198.51.100.8\"]]\nlast_resort = [\"203.0.113.9\"]";
    let config = read("", lines).unwrap();
    let its = &config.services[0];
    assert_eq!((its.standby.last_tier(), its.min_in_service), (Some(3), 1));
    assert_eq!((its.primaries().len(), its.probed().len(), its.targets.len()), (2, 4, 5));
    assert_eq!(its.standby.iter().last(), Some((ip("203.0.113.9"), 3)));
    let alone = read("", "last_resort = [\"203.0.113.9\"]").unwrap();
    let its = &alone.services[0];
    assert_eq!(
        (its.standby.last_tier(), its.min_in_service),
        (Some(1), 1),
        "the last address stays"
    );
    assert_eq!(its.standby.iter().collect::<Vec<_>>(), [(ip("203.0.113.9"), 1)]);
    assert!(alone.warnings.is_empty(), "{:?}", alone.warnings);
}

#[test]
fn a_last_resort_that_could_never_do_its_work_is_refused() {
    let rows = [
        (
            "last_resort = []",
            "x:9: service.www.last_resort: [] is not allowed; a list of addresses",
        ),
        ("last_resort = \"203.0.113.9\"", "is not allowed; a list of addresses"),
        ("last_resort = [[\"203.0.113.9\"]]", "is not allowed; an IP address"),
        ("last_resort = [\"x\"]", "is not allowed; an IP address"),
        (
            "last_resort = [\"192.0.2.10\"]",
            "\"192.0.2.10\" is in service.www.ip_addresses, line 8, too; an address has one tier",
        ),
        (
            "standby = [\"203.0.113.9\"]\nlast_resort = [\"203.0.113.9\"]",
            "\"203.0.113.9\" is in service.www.standby, line 9, too; an address has one tier",
        ),
        (
            "last_resort = [\"203.0.113.9\", \"203.0.113.9\"]",
            "\"203.0.113.9\" is in service.www.last_resort, line 9, too; an address has one tier",
        ),
        (
            "last_resort = [\"2001:db8::1\"]",
            "would never be published: ip_addresses has none for AAAA",
        ),
    ];
    for (lines, want) in rows {
        let problems = read("", lines).unwrap_err();
        assert!(problems.iter().any(|it| it.contains(want)), "{lines}: {problems:#?}");
    }
    let canary = read("canaries = [\"203.0.113.9\"]", "last_resort = [\"203.0.113.9\"]");
    assert!(canary.unwrap_err()[0].contains("\"203.0.113.9\" is a standby of www"));
    let top = read("last_resort = [\"203.0.113.9\"]", "").unwrap_err();
    assert!(top[0].contains("last_resort"), "{top:?}");
    let not_used = read("", "standby_below = 1\nlast_resort = [\"203.0.113.9\"]").unwrap();
    assert!(not_used.warnings[0].contains("not used: the service has no standby"));
}

#[test]
fn check_tells_what_a_last_resort_does() {
    let config = read("", "last_resort = [\"203.0.113.9\"]").unwrap();
    let words = config.in_words();
    let want =
        "last resort 203.0.113.9; never asked, and published once all others of its family are out";
    assert!(words.contains(want), "{words}");
    let expanded = config.expanded();
    assert!(expanded.contains("service.www.last_resort") && expanded.contains("203.0.113.9"));
    assert!(!expanded.contains("standby"), "{expanded}");
    let json = serde_json::to_value(CheckedFile::accepted(&config)).unwrap();
    let its = &json["services"][0];
    assert_eq!(its["last_resort"], serde_json::json!(["203.0.113.9"]));
    assert_eq!((its.get("standby"), its.get("standby_below")), (None, None));
}
