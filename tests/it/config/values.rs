//! Values of the right type that are refused, and the meaning of good values.

use std::time::Duration;

use super::{CLOUDFLARE, cloudflare, good, refused, whole_key, with_key};

const COUNT: &str = "an integer from 1 to 1000";
const PAUSE: &str = "from 0.05 s to 3600 s, as a number of seconds or a text such as \"250ms\"";
const TIMEOUT: &str = "from 0.001 s to 3600 s, as a number of seconds or a text such as \"250ms\"";
const RESYNC: &str = "from 1 s to 86400 s, as a number of seconds or a text such as \"250ms\"";
const PORT: &str = "an integer from 1 to 65535";
const TTL: &str = "1, which is automatic, or an integer of seconds from 30 to 86400";
const NAME: &str = "a name of 1 to 255 characters without control or invisible characters";

/// Each row: section, key, value, the allowed values.
const OUT_OF_RANGE: [(&str, &str, &str, &str); 43] = [
    ("", "failure_threshold", "0", COUNT),
    ("", "failure_threshold", "1001", COUNT),
    ("", "failure_threshold", "3.0", COUNT),
    ("", "recovery_threshold", "0", COUNT),
    ("", "recovery_threshold", "1_001", COUNT),
    ("", "interval", "0", PAUSE),
    ("", "interval", "0.049", PAUSE),
    ("", "interval", "-0.5", PAUSE),
    ("", "interval", "3601", PAUSE),
    ("", "interval", "inf", PAUSE),
    ("", "interval", "\"2\"", PAUSE),
    ("", "interval", "\"2x\"", PAUSE),
    ("", "interval", "\"-2s\"", PAUSE),
    ("", "interval", "\"\"", PAUSE),
    ("", "interval", "\"99999999999999999999h\"", PAUSE),
    ("", "timeout", "0", TIMEOUT),
    ("", "timeout", "3600.1", TIMEOUT),
    ("", "timeout", "\"61m\"", TIMEOUT),
    ("", "retry_interval", "0.0", PAUSE),
    ("", "retry_interval", "\"49ms\"", PAUSE),
    ("", "burst", "0", COUNT),
    ("", "burst", "1001", COUNT),
    ("", "resync_interval", "0", RESYNC),
    ("", "resync_interval", "\"25h\"", RESYNC),
    ("", "port", "0", PORT),
    ("", "port", "65536", PORT),
    ("", "min_in_service", "1001", "an integer from 0 to 1000"),
    ("", "name", "\"\"", NAME),
    ("", "name", "\" \"", NAME),
    ("", "name", "\"a\\tb\"", NAME),
    ("", "state_file", "\"\"", "the path of a file, in quotes"),
    ("", "state_file", "\"a\\u0000b\"", "the path of a file, in quotes"),
    ("Cloudflare", "ttl", "0", TTL),
    ("Cloudflare", "ttl", "29", TTL),
    ("Cloudflare", "ttl", "86401", TTL),
    ("Route53", "ttl", "2147483648", "an integer from 0 to 2147483647"),
    ("Route53", "aws_zoneid", "\"\"", "a hosted zone's id, such as \"Z0123456789ABCDEFGHIJ\""),
    ("Route53", "aws_zoneid", "\"Z1/..\"", "a hosted zone's id, such as \"Z0123456789ABCDEFGHIJ\""),
    ("Route53", "aws_region", "\"US East\"", "a region, such as \"us-east-1\""),
    ("Members", "members_port", "0", PORT),
    ("Members", "members_port", "65536", PORT),
    ("Members", "min_peers_agree", "1001", "an integer from 0 to 1000"),
    ("Status", "socket", "\"\"", "the path of a file, in quotes"),
];

/// Each row: section, key, value, and the message after the value.
#[test]
fn a_value_out_of_range_is_refused_with_the_allowed_range() {
    for (section, key, value, allowed) in OUT_OF_RANGE {
        let (text, line) = with_key(section, key, value);
        let name = whole_key(section, key);
        let want = format!("goavail.toml:{line}: {name}: {value} is not allowed; {allowed}");
        assert_eq!(refused(&text), [want], "{text}");
    }
}

#[test]
fn an_address_that_is_not_one_hosts_is_refused() {
    let none = "an IP address, such as \"192.0.2.10\"";
    let rows = [
        ("", none),
        ("192.0.2.10 ", none),
        ("192.0.2.256", none),
        ("192.0.2.010", none),
        ("192.0.2.0/24", none),
        ("192.0.2.10:443", none),
        ("www.example.com", none),
        ("fe80::1%eth0", none),
        ("EIP_1", none),
        ("0.0.0.0", "the unspecified address is not one host's"),
        ("::", "the unspecified address is not one host's"),
        ("224.0.0.1", "a multicast address is not one host's"),
        ("ff02::1", "a multicast address is not one host's"),
        ("255.255.255.255", "the broadcast address is not one host's"),
        ("::ffff:192.0.2.10", "an IPv4 address is written as \"192.0.2.10\""),
    ];
    for (address, allowed) in rows {
        for section in ["Cloudflare", "Route53"] {
            let (text, _) = with_key(section, "ip_addresses", &format!("[\"{address}\"]"));
            let want = format!(
                "goavail.toml:2: {section}.ip_addresses: \"{address}\" is not allowed; {allowed}"
            );
            assert_eq!(refused(&text), [want]);
        }
    }
}

#[test]
fn every_bad_item_of_a_list_is_told_of_at_its_own_line() {
    let (text, _) =
        with_key("Cloudflare", "ip_addresses", "[\n\"192.0.2.10\",\n\"x\",\n7, \"::\"\n]");
    let want = [
        "goavail.toml:4: Cloudflare.ip_addresses: \"x\" is not allowed; an IP address, such as \
         \"192.0.2.10\"",
        "goavail.toml:5: Cloudflare.ip_addresses: 7 is not allowed; an IP address, such as \
         \"192.0.2.10\"",
        "goavail.toml:5: Cloudflare.ip_addresses: \"::\" is not allowed; the unspecified address is \
         not one host's",
    ];
    assert_eq!(refused(&text), want);
}

#[test]
fn a_canary_may_have_a_port() {
    let config = good(&with_key("", "canaries", "[\"192.0.2.1\", \"[2001:db8::1]:53\"]").0);
    let canaries: Vec<String> = config.canaries.iter().map(ToString::to_string).collect();
    assert_eq!(canaries, ["192.0.2.1", "[2001:db8::1]:53"]);
    assert_eq!(config.canaries[1].method.port(), Some(53));

    let allowed = "an IP address, such as \"192.0.2.1\", or one with a TCP port, such as \
                   \"192.0.2.1:53\" or \"[2001:db8::1]:53\"";
    let rows = [
        ("router", allowed),
        ("192.0.2.1:", allowed),
        ("192.0.2.1:65536", allowed),
        ("192.0.2.1:0", "the port is from 1 to 65535"),
        ("0.0.0.0:53", "the unspecified address is not one host's"),
        ("[::ffff:192.0.2.1]:53", "an IPv4 address is written as \"192.0.2.1\""),
    ];
    for (canary, allowed) in rows {
        let (text, _) = with_key("", "canaries", &format!("[\"{canary}\"]"));
        let want = format!("goavail.toml:1: canaries: \"{canary}\" is not allowed; {allowed}");
        assert_eq!(refused(&text), [want]);
    }
}

#[test]
fn an_agents_address_is_an_ip_address_with_a_port() {
    let allowed = "an IP address and a port, such as \"192.0.2.1:8081\" or \
                   \"[2001:db8::1]:8081\"; names are not looked up";
    let rows = [
        ("peer-b.example.com:8081", allowed),
        ("PEER_IP:PEER_PORT", allowed),
        ("192.0.2.1", allowed),
        (":8081", allowed),
        ("2001:db8::1:8081", allowed),
        ("192.0.2.1:0", "the port is from 1 to 65535"),
        ("0.0.0.0:8081", "the unspecified address is not one host's"),
        ("239.0.0.1:8081", "a multicast address is not one host's"),
    ];
    for (address, allowed) in rows {
        let quoted = format!("\"{address}\"");
        let tail = format!("{quoted} is not allowed; {allowed}");
        let (text, _) = with_key("Members", "local_addr", &quoted);
        assert_eq!(refused(&text), [format!("goavail.toml:2: Members.local_addr: {tail}")]);
        let (text, _) = with_key("Members", "peers", &format!("[{quoted}]"));
        assert_eq!(refused(&text), [format!("goavail.toml:2: Members.peers: {tail}")]);
        let (text, _) = with_key("Status", "listen", &quoted);
        if address.starts_with("0.0.0.0") {
            let listen = good(&text).sections.status.listen.map(|listen| listen.to_string());
            assert_eq!(listen.as_deref(), Some("0.0.0.0:8081"), "on all addresses");
        } else {
            assert_eq!(refused(&text), [format!("goavail.toml:2: Status.listen: {tail}")]);
        }
    }
}

#[test]
fn names_follow_the_rules_of_dns() {
    let label = "x".repeat(64);
    let long = format!("{0}.{0}.{0}.{0}.{0}", "y".repeat(50));
    let letters =
        |letter: &str| format!("a name has letters, digits, hyphens and underscores, not {letter}");
    let empty = "each label of a name has 1 to 63 characters".to_owned();
    let hyphen = "no label of a name begins or ends with a hyphen".to_owned();
    let rows = [
        ("exa mple.com", letters("' '")),
        ("example.com/x", letters("'/'")),
        ("www.*.com", letters("'*'")),
        ("", empty.clone()),
        (".", empty.clone()),
        ("example..com", empty.clone()),
        (label.as_str(), empty),
        ("-a.com", hyphen.clone()),
        ("a-.com", hyphen),
        ("bücher.example", "an international name is written in its ASCII form, xn--…".to_owned()),
    ];
    for (name, allowed) in &rows {
        let shown =
            if name.len() > 60 { format!("\"{}…", &name[..59]) } else { format!("\"{name}\"") };
        let tail = format!("{shown} is not allowed; {allowed}");
        for (section, key) in [("Cloudflare", "dns_domain"), ("Route53", "aws_domain")] {
            let (text, _) = with_key(section, key, &format!("\"{name}\""));
            assert_eq!(refused(&text), [format!("goavail.toml:2: {section}.{key}: {tail}")]);
        }
        let (text, _) = with_key("Cloudflare", "hostnames", &format!("[\"{name}\"]"));
        assert_eq!(refused(&text), [format!("goavail.toml:2: Cloudflare.hostnames: {tail}")]);
    }
    let (text, _) = with_key("Cloudflare", "dns_domain", &format!("\"{long}\""));
    assert!(refused(&text)[0].ends_with("… is not allowed; a name has at most 253 characters"));
    let (text, _) = with_key("Cloudflare", "dns_domain", "\"*.example.com\"");
    assert!(refused(&text)[0].ends_with(&letters("'*'")), "no wildcard is a zone");
}

#[test]
fn a_hostname_becomes_a_whole_name() {
    let rows = [
        ("www", "www.example.com"),
        ("a.b", "a.b.example.com"),
        ("@", "example.com"),
        ("example.com", "example.com"),
        ("www.example.com", "www.example.com"),
        ("www.example.com.", "www.example.com"),
        ("WWW.Example.COM", "www.example.com"),
        ("wwwexample.com", "wwwexample.com.example.com"),
        ("*", "*.example.com"),
        ("*.dev", "*.dev.example.com"),
        ("_acme", "_acme.example.com"),
    ];
    for (hostname, want) in rows {
        for domain in ["example.com", "Example.Com."] {
            let text = CLOUDFLARE
                .replace("\"www\"", &format!("\"{hostname}\""))
                .replace("example.com\"\nhost", &format!("{domain}\"\nhost"));
            let config = good(&text);
            assert_eq!(cloudflare(&config).names, [want], "{hostname}");
            assert_eq!(cloudflare(&config).zone, "example.com");
        }
    }
    let (text, _) = with_key("Cloudflare", "hostnames", "[\"www.example.org.\"]");
    let want = "goavail.toml:2: Cloudflare.hostnames: \"www.example.org.\" is not allowed; a final \
                dot ends a whole name, and this one is not in example.com";
    assert_eq!(refused(&text), [want]);
    let long = format!("{0}.{0}.{0}.{0}", "y".repeat(60));
    let (text, _) = with_key("Cloudflare", "hostnames", &format!("[\"{long}\"]"));
    let want = "… is not allowed; with the domain a name has at most 253 characters";
    assert!(refused(&text)[0].ends_with(want), "{:?}", refused(&text));
}

#[test]
fn an_api_is_reached_over_tls_or_on_this_machine() {
    let allowed =
        "a URL such as \"https://api.example.com\"; plain http only to this machine itself";
    for bad in [
        "",
        "api.example.com",
        "ftp://example.com",
        "http://api.example.com",
        "http://192.0.2.1:8080",
        "http://127.0.0.1.example.com",
        "https://",
        "https://api.example.com/?x=1",
        "https://api.example.com/#x",
        "unix:/run/x.sock",
    ] {
        for section in ["Cloudflare", "Route53"] {
            let (text, _) = with_key(section, "api_url", &format!("\"{bad}\""));
            let want =
                format!("goavail.toml:2: {section}.api_url: \"{bad}\" is not allowed; {allowed}");
            assert_eq!(refused(&text), [want]);
        }
    }
    let rows = [
        ("https://api.example.com/client/v4/", "https://api.example.com/client/v4"),
        ("HTTPS://API.example.com", "https://api.example.com"),
        ("http://127.0.0.1:8080/v4", "http://127.0.0.1:8080/v4"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:80/", "http://[::1]"),
        ("http://localhost:1", "http://localhost:1"),
    ];
    for (url, want) in rows {
        let (text, _) = with_key("Cloudflare", "api_url", &format!("\"{url}\""));
        assert_eq!(cloudflare(&good(&text)).api_url, want);
    }
}

#[test]
fn durations_are_numbers_of_seconds_or_texts() {
    let rows = [
        ("2", 2000),
        ("2.5", 2500),
        ("0.05", 50),
        ("5e-1", 500),
        ("0x0A", 10_000),
        ("\"250ms\"", 250),
        ("\"1m 30s\"", 90_000),
        ("\"1h\"", 3_600_000),
    ];
    for (value, millis) in rows {
        let config = good(&with_key("", "interval", value).0);
        assert_eq!(
            config.default_service().first_check().probing.interval,
            Duration::from_millis(millis),
            "{value}"
        );
    }
}
