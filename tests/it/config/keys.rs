//! Every key against every kind of mistake that does not depend on the key.

use super::{CLOUDFLARE, good, refused, whole_key, with_key};

/// A key: section, name, a good value, the allowed values.
struct Key(&'static str, &'static str, &'static str, &'static str);

const PAUSE: &str = "from 0.05 s to 3600 s, as a number of seconds or a text such as \"250ms\"";
const COUNT: &str = "an integer from 1 to 1000";
const PORT: &str = "an integer from 1 to 65535";
const NAMES: &str = "a list, such as [\"www\"]";
const ADDRESSES: &str = "a list, such as [\"192.0.2.10\", \"192.0.2.11\"]";
const API: &str =
    "a URL such as \"https://api.example.com\"; plain http only to this machine itself";
const HOST_PORT: &str = "an IP address and a port, such as \"192.0.2.1:8081\" or \
                         \"[2001:db8::1]:8081\"; names are not looked up";
const SLACK: &str = "the path of a Slack webhook, T…/B…/X…, or its whole URL, which begins with \
                     https://";
const PATH: &str = "the path of a file, in quotes";

/// Every key of the contract.
const KEYS: [Key; 35] = [
    Key("", "failure_threshold", "5", COUNT),
    Key("", "recovery_threshold", "5", COUNT),
    Key("", "interval", "2", PAUSE),
    Key(
        "",
        "timeout",
        "\"250ms\"",
        "from 0.001 s to 3600 s, as a number of seconds or a text such as \"250ms\"",
    ),
    Key("", "retry_interval", "0.2", PAUSE),
    Key("", "burst", "50", COUNT),
    Key("", "port", "443", PORT),
    Key("", "slack_addr", "\"T0/B0/secret\"", SLACK),
    Key(
        "",
        "webhook_url",
        "\"https://example.com/hook\"",
        "a URL that begins with https:// or http://",
    ),
    Key("", "min_in_service", "1", "an integer from 0 to 1000"),
    Key("", "canaries", "[\"192.0.2.1\", \"[2001:db8::1]:53\"]", ADDRESSES),
    Key(
        "",
        "name",
        "\"probe-1\"",
        "a name of 1 to 255 characters without control or invisible characters",
    ),
    Key(
        "",
        "resync_interval",
        "\"5m\"",
        "from 1 s to 86400 s, as a number of seconds or a text such as \"250ms\"",
    ),
    Key("", "state_file", "\"state.json\"", PATH),
    Key("Cloudflare", "dns_domain", "\"example.com\"", "a domain name, such as \"example.com\""),
    Key("Cloudflare", "hostnames", "[\"www\", \"@\"]", NAMES),
    Key("Cloudflare", "ip_addresses", "[\"192.0.2.10\", \"2001:db8::a\"]", ADDRESSES),
    Key("Cloudflare", "dns_proxied", "true", "true or false"),
    Key(
        "Cloudflare",
        "ttl",
        "120",
        "1, which is automatic, or an integer of seconds from 30 to 86400",
    ),
    Key("Cloudflare", "api_url", "\"https://api.example.com/v4\"", API),
    Key("Route53", "aws_domain", "\"example.com\"", "a domain name, such as \"example.com\""),
    Key("Route53", "hostnames", "[\"www\"]", NAMES),
    Key("Route53", "ip_addresses", "[\"192.0.2.10\"]", ADDRESSES),
    Key("Route53", "ttl", "30", "an integer from 0 to 2147483647"),
    Key(
        "Route53",
        "aws_zoneid",
        "\"Z0123456789ABCDEFGHIJ\"",
        "a hosted zone's id, such as \"Z0123456789ABCDEFGHIJ\"",
    ),
    Key("Route53", "aws_region", "\"us-west-2\"", "a region, such as \"us-east-1\""),
    Key("Route53", "api_url", "\"http://127.0.0.1:5000\"", API),
    Key("Members", "peers", "[\"192.0.2.21:8081\"]", "a list, such as [\"192.0.2.1:8081\"]"),
    Key("Members", "local_addr", "\"192.0.2.22:8081\"", HOST_PORT),
    Key("Members", "members_port", "7947", PORT),
    Key("Members", "min_peers_agree", "0", "an integer from 0 to 1000"),
    Key("Members", "crypto_key", "\"1234567891012345\"", "a text of 16, 24 or 32 bytes"),
    Key("Members", "require_signed", "false", "true or false"),
    Key("Status", "listen", "\"127.0.0.1:9105\"", HOST_PORT),
    Key("Status", "socket", "\"goavail.sock\"", PATH),
];

/// The displayed form of a value, if it differs from the written one.
fn shown(key: &str, value: &str, kind: &str) -> String {
    let secret = ["crypto_key", "slack_addr", "webhook_url"].contains(&key);
    match (kind, secret) {
        ("table", _) => "a table".to_owned(),
        (kind, true) => format!("a value of type {kind}"),
        _ => value.to_owned(),
    }
}

#[test]
fn every_key_loads_with_a_good_value() {
    for Key(section, key, value, _) in KEYS {
        good(&with_key(section, key, value).0);
    }
}

#[test]
fn names_match_without_regard_to_case() {
    for Key(section, key, value, _) in KEYS {
        let (text, _) = with_key(section, key, value);
        let line = format!("{key} = {value}");
        let text = text.replace(&line, &line.replacen(key, &key.to_ascii_uppercase(), 1));
        good(
            &text.replace(&format!("[{section}]"), &format!("[{}]", section.to_ascii_lowercase())),
        );
        good(
            &text.replace(&format!("[{section}]"), &format!("[{}]", section.to_ascii_uppercase())),
        );
    }
}

#[test]
fn every_key_refuses_every_wrong_type() {
    let types = [
        ("1979-05-27", "datetime"),
        ("{ a = 1 }", "table"),
        ("true", "boolean"),
        ("0x7fffffffffffffff", "integer"),
        ("99999999999999999999", "integer"),
        ("-1", "integer"),
        ("nan", "float"),
        ("-inf", "float"),
        ("1e400", "float"),
        ("[]", "array"),
    ];
    for Key(section, key, good, allowed) in KEYS {
        let is_list = allowed.starts_with("a list");
        let is_truth = ["true", "false"].contains(&good);
        for (value, kind) in types {
            if (kind == "boolean" && is_truth) || (kind == "array" && is_list) {
                continue;
            }
            let (text, line) = with_key(section, key, value);
            let (name, shown) = (whole_key(section, key), shown(key, value, kind));
            let want = format!("goavail.toml:{line}: {name}: {shown} is not allowed; {allowed}");
            assert_eq!(refused(&text), [want], "{text}");
        }
    }
}

#[test]
fn a_text_is_refused_where_it_means_nothing() {
    for Key(section, key, _, allowed) in KEYS.iter().filter(|key| !key.2.starts_with('"')) {
        let (text, line) = with_key(section, key, "\"three\"");
        let name = whole_key(section, key);
        let want = format!("goavail.toml:{line}: {name}: \"three\" is not allowed; {allowed}");
        assert_eq!(refused(&text), [want], "{text}");
    }
}

#[test]
fn a_key_given_twice_is_refused_however_it_is_spelt() {
    for Key(section, key, value, _) in KEYS {
        let (text, line) = with_key(section, key, value);
        let once = format!("{key} = {value}\n");
        let name = whole_key(section, key);

        let want = format!("goavail.toml:{}: {name}: already given in line {line}", line + 1);
        let other = format!("{once}{} = {value}\n", key.to_ascii_uppercase());
        assert_eq!(refused(&text.replacen(&once, &other, 1)), [want.as_str()]);
        assert_eq!(refused(&text.replacen(&once, &format!("{once}{once}"), 1)), [want]);
    }
}

#[test]
fn a_misspelt_key_is_refused_with_the_nearest_known_one_and_without_its_value() {
    for Key(section, key, value, _) in KEYS {
        let misspelt = format!("{key}{}", &key[key.len() - 1..]);
        let (text, line) = with_key(section, key, value);
        let text = text.replacen(key, &misspelt, 1);
        let name = whole_key(section, &misspelt);
        let want = format!("goavail.toml:{line}: {name}: not a known key; did you mean {key}?");
        assert!(refused(&text).contains(&want), "{want}: {:?}", refused(&text));
    }
}

#[test]
fn a_key_in_the_wrong_place_is_refused_with_its_place() {
    let top = "belongs to the top of the file, above the first section";
    let cases = [
        ("Cloudflare", "interval", top),
        ("Members", "failure_threshold", top),
        ("Status", "Canaries", top),
        ("", "listen", "belongs to [Status]"),
        ("", "require_signed", "belongs to [Members]"),
        ("", "ttl", "belongs to [Cloudflare] or [Route53] or [RFC2136] or [Webhook]"),
        ("Cloudflare", "aws_domain", "belongs to [Route53]"),
        ("Route53", "dns_proxied", "belongs to [Cloudflare]"),
    ];
    for (section, key, what) in cases {
        let (text, line) = with_key(section, key, "1");
        let name = whole_key(section, key);
        assert_eq!(refused(&text), [format!("goavail.toml:{line}: {name}: {what}")]);
    }
}

#[test]
fn unknown_names_get_what_is_known_about_them() {
    let cases = [
        (
            "the list that the Go program once had",
            "ports = [8000, 80]",
            "goavail.toml:1: ports: not known any more; port holds the one TCP port, from 1 to 65535",
        ),
        (
            "nothing like it in its section",
            "[Route53]\ncolour = 1",
            "goavail.toml:2: Route53.colour: not a known key; there are aws_domain, hostnames, \
             ip_addresses, ttl, aws_zoneid, aws_region, api_url, confirm, \
             confirm_servers and confirm_timeout",
        ),
        (
            "like one of another section",
            "crypto_kye = \"1234567891012345\"",
            "goavail.toml:1: crypto_kye: not a known key; did you mean crypto_key, which belongs to \
             [Members]?",
        ),
        (
            "a section that is misspelt",
            "[Member]\npeers = 1",
            "goavail.toml:1: Member: not a known section; did you mean [Members]?",
        ),
        (
            "a section of something else",
            "[gandi]\nx = 1",
            "goavail.toml:1: gandi: not a known section; there are [Cloudflare], [Route53], [RFC2136], \
             [Webhook], [Members] and [Status]",
        ),
        (
            "a section as a key",
            "members = 1",
            "goavail.toml:1: members: not a key but a section, [Members]",
        ),
        (
            "a section as a list",
            "[[Status]]\nlisten = \"127.0.0.1:1\"",
            "goavail.toml:1: Status: not a key but a section, [Status]",
        ),
    ];
    for (name, text, want) in cases {
        assert_eq!(refused(&format!("{text}\n{CLOUDFLARE}")), [want], "{name}");
    }
    for (name, shown) in [("colour", "colour"), ("\"\"", ""), ("\"\\u001b[31m\"", "\\u{1b}[31m")] {
        let want = format!(
            "goavail.toml:1: {shown}: not a known key; there are failure_threshold, recovery_threshold, \
             interval, timeout, retry_interval, burst, port, min_in_service, max_out, standby_below, \
             return_delay, return_delay_max, canaries, name, resync_interval, check, checks, require, \
             state_file, history_file, history_size, slack_addr, webhook_url, heartbeat_url_file \
             and heartbeat_interval"
        );
        assert_eq!(refused(&format!("{name} = 1\n{CLOUDFLARE}")), [want], "{name}");
    }
}
