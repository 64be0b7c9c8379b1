//! `[[service]]`, `[zone.NAME]` and `[check.NAME]`: cases that other tools are known to get wrong, each
//! with its issue there, and the warnings.

use std::fmt::Write as _;

use goavail::testing::dns::{CloudflareConfig, Route53Config};
use goavail::testing::settings::Config;

use super::{ASKED, read_with};

/// A zone without a token file, and the first lines of a service in it.
pub(super) const ONE: &str = "[zone.main]\nprovider = \"cloudflare\"\ndomain = \"example.com\"\n\
                   [[service]]\nname = \"www\"\nhostnames = [\"www\"]\n\
                   ip_addresses = [\"192.0.2.10\", \"192.0.2.11\"]\n";

/// Returns the settings of the provider of a zone.
pub(super) fn settings<T: 'static>(config: &Config, zone: usize) -> &T {
    let settings: &dyn std::any::Any = &*config.zones[zone].provider;
    settings.downcast_ref().expect("a zone of that provider")
}

/// ddclient 464 and octoDNS 899: one name at two providers, the second a backup, was updated at one of
/// them, or refused.
#[test]
fn one_name_may_be_at_two_providers_with_different_addresses() {
    let text = "[zone.a]\nprovider = \"cloudflare\"\ndomain = \"example.com\"\n\
                [zone.b]\nprovider = \"route53\"\ndomain = \"example.com\"\n\
                [[service]]\nname = \"a\"\nzone = \"a\"\nhostnames = [\"www\"]\n\
                ip_addresses = [\"192.0.2.10\"]\n\
                [[service]]\nname = \"b\"\nzone = \"b\"\nhostnames = [\"www\"]\n\
                ip_addresses = [\"192.0.2.11\"]\n";
    let config = read_with(text, ASKED, &[]).unwrap();
    assert_eq!(config.services[0].names, config.services[1].names);
    assert_ne!(config.services[0].zone, config.services[1].zone);
}

/// external-dns 1441: two instances that each add their addresses to one record set delete those of
/// the other.
#[test]
fn one_record_set_has_one_service_and_a_name_may_have_one_for_each_family() {
    let other = |addresses: &str| {
        format!(
            "{ONE}[[service]]\nname = \"api\"\nhostnames = [\"WWW.example.com.\"]\n\
             ip_addresses = [{addresses}]\n"
        )
    };
    let want = "goavail.toml:10: service.api.hostnames: A at www.example.com is published by \
                service.www, line 4, too; one service has a record set for itself";
    for addresses in ["\"192.0.2.12\"", "\"2001:db8::1\", \"192.0.2.10\""] {
        assert_eq!(read_with(&other(addresses), ASKED, &[]).unwrap_err(), [want]);
    }
    let config = read_with(&other("\"2001:db8::1\""), ASKED, &[]).unwrap();
    assert_eq!(config.zones[0].provider.names(), ["www.example.com"]);
}

/// telegraf 13781 and 14912: a key below a table belongs to that table, and was ignored there.
#[test]
fn a_key_below_the_table_of_a_check_is_not_taken_for_one_of_the_service() {
    let text = format!("{ONE}[service.check]\ntype = \"tcp\"\nport = 25\nmin_in_service = 1\n");
    let want = "goavail.toml:11: service.www.check.min_in_service: belongs to [[service]]";
    assert_eq!(read_with(&text, ASKED, &[]).unwrap_err(), [want]);
    let text = format!("{ONE}[service.check]\ntype = \"tcp\"\nport = 25\ninterval = 7\n");
    let config = read_with(&text, ASKED, &[]).unwrap();
    assert_eq!(config.services[0].first_check().probing.interval.as_secs(), 7);
    let text = format!("{ONE}canaries = [\"192.0.2.53\"]\nname = \"agent\"\n");
    let want = [
        "goavail.toml:8: service.www.canaries: belongs to the top of the file, above the first section",
        "goavail.toml:9: service.www.name: already given in line 5",
    ];
    assert_eq!(read_with(&text, ASKED, &[]).unwrap_err(), want);
}

/// telegraf 12000 and heka 124: misspelt and unused keys were accepted without a word.
#[test]
fn an_unknown_key_of_a_table_is_refused_with_its_home() {
    let rows = [
        ("zone", "dns_domain = \"example.org\"", "not a known key; did you mean domain?"),
        ("zone", "hostnames = [\"www\"]", "belongs to [[service]]"),
        ("zone", "profile = \"dns\"", "belongs to provider = \"route53\" only"),
        ("zone", "tokenfile = \"x\"", "not a known key; did you mean token_file?"),
        ("zone", "token = \"x\"", "not a known key; did you mean token_file?"),
        ("zone", "standby = []", "belongs to [[service]]"),
        ("service", "port = 443", "belongs to [check.NAME]"),
        ("service", "domain = \"example.org\"", "belongs to [zone.NAME]"),
        ("service", "intervall = 1", "not a known key; did you mean interval?"),
        (
            "service",
            "backup = []",
            "not a known key; there are name, zone, hostnames, ip_addresses, standby, standby_below, \
             last_resort, check, checks, require, failure_threshold, recovery_threshold, interval, \
             timeout, retry_interval, min_in_service, max_out, return_delay, return_delay_max, \
             resync_interval, dns_proxied and ttl",
        ),
        ("service", "burst = 5", "belongs to the top of the file, above the first section"),
        ("check", "path = \"/\"", "belongs to type = \"http\" or \"https\" only"),
        (
            "check",
            "pathname = \"/\"",
            "not a known key; there are type, mode, failure_threshold, recovery_threshold, interval, \
             timeout, retry_interval and port",
        ),
        ("check", "ttl = 5", "belongs to [zone.NAME] or [[service]]"),
    ];
    for (table, line, want) in rows {
        let text = match table {
            "zone" => ONE.replacen("[[service]]", &format!("{line}\n[[service]]"), 1),
            "service" => format!("{ONE}{line}\n"),
            _ => format!("{ONE}check = \"x\"\n[check.x]\ntype = \"icmp\"\n{line}\n"),
        };
        let got = read_with(&text, ASKED, &[]).unwrap_err();
        assert!(got.len() == 1 && got[0].ends_with(&format!(": {want}")), "{line}: {got:?}");
    }
}

#[test]
fn a_misspelt_header_of_a_list_is_refused_with_the_right_one() {
    let text = ONE.replacen("[[service]]", "[[services]]", 1);
    let want = "goavail.toml:4: services: not a known section; did you mean [[service]]?";
    let got = read_with(&text, ASKED, &[]).unwrap_err();
    assert!(got.iter().any(|problem| problem == want), "{got:?}");
}

/// caddy 1469 and inadyn 163: defaults could not be overridden for one site, or options not be local.
#[test]
fn a_default_of_the_top_level_holds_where_nothing_nearer_is_set() {
    let text = format!(
        "interval = 5\nfailure_threshold = 2\nmin_in_service = 1\n{ONE}interval = 3\n\
         [[service]]\nname = \"b\"\nhostnames = [\"b\"]\n\
         ip_addresses = [\"192.0.2.10\", \"192.0.2.11\"]\nmin_in_service = 0\n"
    );
    let config = read_with(&text, ASKED, &[]).unwrap();
    let [www, other] = config.services.as_slice() else { panic!("two services") };
    assert_eq!(
        (
            www.first_check().probing.interval.as_secs(),
            other.first_check().probing.interval.as_secs()
        ),
        (3, 5)
    );
    // Values that are derived from the interval follow the nearest one.
    assert_eq!(www.first_check().probing.timeout.as_secs(), 3);
    assert_eq!(www.first_check().probing.recovery_threshold.get(), 2);
    assert_eq!((www.min_in_service, other.min_in_service), (1, 0));
    assert_eq!(config.guards_off_in_words().as_deref(), Some("canaries, min_in_service (b)"));
}

/// gatus 1620: an address could belong to one group only.
#[test]
fn an_address_may_be_in_any_number_of_services() {
    let mut text = ONE.to_owned();
    for n in 0..50 {
        _ = write!(
            text,
            "[[service]]\nname = \"s{n}\"\nhostnames = [\"s{n}\"]\nip_addresses = [\"192.0.2.10\"]\n"
        );
    }
    let config = read_with(&text, ASKED, &[]).unwrap();
    assert_eq!(config.services.len(), 51);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

/// A warning about a value that services have in common is one line, which names them.
#[test]
fn warnings_name_the_services() {
    let mut text = format!("interval = 20\nmin_in_service = 2\n{ONE}interval = 1\n");
    for n in 0..5 {
        _ = write!(
            text,
            "[[service]]\nname = \"s{n}\"\nhostnames = [\"s{n}\"]\n\
             ip_addresses = [\"192.0.2.10\", \"192.0.2.11\", \"192.0.2.12\"]\n"
        );
    }
    let config = read_with(&text, ASKED, &[]).unwrap();
    let want = [
        "goavail.toml:1: interval: 20 s between probes and failure_threshold 3: a death is noticed \
         after 80 s at worst (services s0, s1, s2 and 2 more)",
        "goavail.toml:2: min_in_service: 2 keeps every A record where it is, for 2 are listed: none is \
         ever withdrawn unless the record sets hold others too (service www)",
    ];
    assert_eq!(config.warnings, want);
}

#[test]
fn two_zones_that_may_be_one_are_refused_and_ids_tell_them_apart() {
    let zones = |first: &str, second: &str| {
        format!("[zone.a]\n{first}\n[zone.b]\n{second}\n{}", ONE.replace("[zone.main]", "[zone.c]"))
            .replace("name = \"www\"\n", "name = \"www\"\nzone = \"c\"\n")
    };
    let cloudflare = "provider = \"cloudflare\"\ndomain = \"example.org\"";
    let route53 = "provider = \"route53\"\ndomain = \"example.org\"";
    let upper = cloudflare.replace("example.org", "Example.ORG.");
    let want = "goavail.toml:4: zone.b: the same zone as zone.a, line 1; any number of services may be \
                in one";
    assert_eq!(read_with(&zones(cloudflare, &upper), ASKED, &[]).unwrap_err(), [want]);
    let told = format!("{want}; aws_zoneid in both tells two hosted zones of one name apart");
    assert_eq!(read_with(&zones(route53, route53), ASKED, &[]).unwrap_err(), [&*told]);
    let [one, other] = ["Z1", "Z2"].map(|id| format!("{route53}\naws_zoneid = \"{id}\""));
    assert_eq!(read_with(&zones(&one, route53), ASKED, &[]).unwrap_err().len(), 1);
    assert_eq!(read_with(&zones(&one, &one), ASKED, &[]).unwrap_err().len(), 1);
    read_with(&zones(&one, &other), ASKED, &[]).unwrap();
    read_with(&zones(cloudflare, route53), ASKED, &[]).unwrap();
}

#[test]
fn a_ttl_and_the_proxy_of_a_service_are_those_of_its_provider() {
    let with = |line: &str| read_with(&format!("{ONE}{line}\n"), ASKED, &[]);
    let want = "goavail.toml:8: service.www.ttl: 5 is not allowed; 1, which is automatic, or an \
                integer of seconds from 30 to 86400";
    assert_eq!(with("ttl = 5").unwrap_err(), [want]);
    let config = with("ttl = 90\ndns_proxied = true").unwrap();
    let CloudflareConfig { own_settings, proxied, ttl, .. } = settings(&config, 0);
    let own: Vec<_> = own_settings.values().map(|own| (own.proxied, own.ttl)).collect();
    assert_eq!((own.as_slice(), *proxied, *ttl), (&[(true, 90)][..], false, 1));
    let on_route53 = |line: &str| {
        read_with(&format!("{ONE}{line}\n").replace("cloudflare", "route53"), ASKED, &[])
    };
    let want = "goavail.toml:8: service.www.dns_proxied: Route 53 has no proxy; leave it out";
    assert_eq!(on_route53("dns_proxied = false").unwrap_err(), [want]);
    let config = on_route53("ttl = 5").unwrap();
    let Route53Config { own_ttls, ttl, .. } = settings(&config, 0);
    assert_eq!((own_ttls.values().collect::<Vec<_>>(), *ttl), (vec![&5], 60));
    let mixed = format!(
        "{ONE}dns_proxied = true\n[[service]]\nname = \"six\"\nhostnames = [\"www\"]\n\
         ip_addresses = [\"2001:db8::1\"]\n"
    );
    let config = read_with(&mixed, ASKED, &[]).unwrap();
    let want = "goavail.toml:8: service.www.dns_proxied: www.example.com has other records that differ \
                in it: Cloudflare proxies all records of a name if it proxies one";
    assert_eq!(config.warnings, [want]);
}

#[test]
fn a_name_in_a_smaller_zone_of_the_file_is_named_in_a_warning() {
    let text = ONE
        .replace(
            "[[service]]",
            "[zone.sub]\nprovider = \"cloudflare\"\ndomain = \"www.example.com\"\n[[service]]",
        )
        .replace("name = \"www\"\n", "name = \"www\"\nzone = \"main\"\n");
    let config = read_with(&text, ASKED, &[]).unwrap();
    let want = [
        "goavail.toml:4: zone.sub: not used: no [[service]] is in this zone",
        "goavail.toml:10: service.www.hostnames: www.example.com is published in example.com, and lies \
         in zone.sub too",
    ];
    assert_eq!(config.warnings, want);
    assert_eq!(config.zones.len(), 1, "a zone that is not used is not asked");
}
