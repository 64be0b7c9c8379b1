//! Settings that are allowed with a warning, and the guards that are named as off.

use goavail::testing::settings::Asked;

use super::{ASKED, CLOUDFLARE, good, read_with};

/// Three agents that agree, signed and encrypted.
const MEMBERS: &str = "[Members]\nlocal_addr = \"192.0.2.20:8081\"\n\
                       peers = [\"192.0.2.21:8081\", \"192.0.2.22:8081\"]\n\
                       crypto_key = \"1234567891012345\"\nrequire_signed = true\n\
                       min_peers_agree = 1\n";

#[test]
fn an_ordinary_file_gets_no_warning() {
    let text = format!("min_in_service = 1\ncanaries = [\"192.0.2.1\"]\n{CLOUDFLARE}{MEMBERS}");
    let config = good(&text);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert!(config.guards_off.is_empty(), "{:?}", config.guards_off);
}

/// Each row: the unusual setting, the file, the warnings.
#[track_caller]
fn check(rows: &[(&str, String, &[&str])]) {
    for (name, text, want) in rows {
        assert_eq!(good(text).warnings, *want, "{name}");
    }
}

/// A file with these addresses in line 4.
fn watching(addresses: &str) -> String {
    format!(
        "[Cloudflare]\ndns_domain = \"example.com\"\nhostnames = [\"www\"]\n\
         ip_addresses = [{addresses}]\n"
    )
}

#[test]
fn a_host_name_that_looks_like_a_whole_name_elsewhere_is_asked_about() {
    let file = |name: &str| watching("\"203.0.113.1\"").replace("\"www\"", &format!("{name:?}"));
    check(&[
        (
            "a slip in the domain",
            file("www.exmaple.com"),
            &["goavail.toml:3: Cloudflare.hostnames: \"www.exmaple.com\" stands for \
               www.exmaple.com.example.com; is it misspelt?"],
        ),
        ("the whole name", file("www.example.com"), &[]),
        ("two labels", file("www.eu"), &[]),
    ]);
}

#[test]
fn a_slow_pace_is_warned_about() {
    check(&[
        (
            "slow",
            format!("interval = 11\n{CLOUDFLARE}"),
            &["goavail.toml:1: interval: 11 s between probes and failure_threshold 3: a death is \
               noticed after 44 s at worst"],
        ),
        ("just fast enough", format!("interval = 10\n{CLOUDFLARE}"), &[]),
        (
            "slow by its threshold",
            format!("failure_threshold = 16\n{CLOUDFLARE}"),
            &["goavail.toml:1: failure_threshold: 2 s between probes and failure_threshold 16: a \
               death is noticed after 34 s at worst"],
        ),
        (
            "slower when it matters",
            format!("retry_interval = \"3s\"\n{CLOUDFLARE}"),
            &["goavail.toml:1: retry_interval: \"3s\" is longer than interval, 2 s: a missing \
               target is asked less often, not more"],
        ),
        (
            "many at once",
            format!("burst = 50\n{CLOUDFLARE}"),
            &[
                "goavail.toml:1: burst: up to 50 addresses are probed at once: a firewall that limits \
               echo requests or connects may swallow some, and addresses that are alive would be \
               taken out",
            ],
        ),
        ("one at a time", format!("burst = 1\n{CLOUDFLARE}"), &[]),
    ]);
}

#[test]
fn an_item_listed_twice_is_warned_about_and_counts_once() {
    let addresses = watching("\"2001:db8::a\", \"192.0.2.10\", \"2001:DB8:0::A\"");
    check(&[
        (
            "an address in another spelling",
            addresses.clone(),
            &["goavail.toml:4: Cloudflare.ip_addresses: \"2001:DB8:0::A\" is listed twice"],
        ),
        (
            "a host name in another spelling",
            CLOUDFLARE.replace("\"www\"", "\"www\", \"www.example.com\""),
            &["goavail.toml:3: Cloudflare.hostnames: \"www.example.com\" is listed twice"],
        ),
    ]);
    assert_eq!(good(&addresses).default_service().targets.len(), 2);
}

#[test]
fn a_warning_about_many_addresses_names_three_and_counts_them() {
    let list = |addresses: &[String]| {
        watching(&addresses.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(", "))
    };
    let private: Vec<String> =
        (1..=2000_u32).map(|n| format!("10.0.{}.{}", n / 256, n % 256)).collect();
    let (named, what) =
        ("\"10.0.0.1\", \"10.0.0.2\", \"10.0.0.3\" and 1997 more", "is a private address");
    let one = format!(
        "goavail.toml:4: Cloudflare.ip_addresses: {named}: each {what}; nobody outside reaches it"
    );
    check(&[("private ones", list(&private), &[one.as_str()])]);
    let twice: Vec<String> = (1..=4).chain(1..=4).map(|n| format!("203.0.113.{n}")).collect();
    let one = "goavail.toml:4: Cloudflare.ip_addresses: \"203.0.113.1\", \"203.0.113.2\", \
               \"203.0.113.3\" and 1 more: each is listed twice";
    check(&[("duplicates", list(&twice), &[one])]);
}

#[test]
fn addresses_out_of_reach_from_outside_are_warned_about() {
    let rows = [
        ("10.0.0.1", Some("a private address")),
        ("172.16.0.1", Some("a private address")),
        ("192.168.1.1", Some("a private address")),
        ("100.64.0.1", Some("an address for carriers' own use")),
        ("169.254.1.1", Some("a link-local address")),
        ("fd00::1", Some("a private address")),
        ("fe80::1", Some("a link-local address")),
        ("100.128.0.1", None),
        ("172.32.0.1", None),
        ("2001:db8::1", None),
    ];
    for (address, kind) in rows {
        let told = |kind| {
            format!(
                "goavail.toml:4: Cloudflare.ip_addresses: \"{address}\" is {kind}; nobody outside \
                 reaches it"
            )
        };
        let want: Vec<String> = kind.map(told).into_iter().collect();
        assert_eq!(good(&watching(&format!("\"{address}\""))).warnings, want);
    }
}

#[test]
fn a_guard_that_guards_nothing_or_too_much_is_warned_about() {
    let three = watching("\"192.0.2.10\", \"192.0.2.11\", \"2001:db8::a\"");
    check(&[
        (
            "a floor that keeps all",
            format!("min_in_service = 2\n{three}"),
            &[
                "goavail.toml:1: min_in_service: 2 keeps every A record where it is, for 2 are \
                 listed: none is ever withdrawn unless the record sets hold others too",
                "goavail.toml:1: min_in_service: 2 keeps every AAAA record where it is, for 1 is \
                 listed: none is ever withdrawn unless the record sets hold others too",
            ],
        ),
        (
            "a canary that is a target",
            format!("canaries = [\"192.0.2.1\", \"192.0.2.10:53\"]\n{CLOUDFLARE}"),
            &["goavail.toml:1: canaries: \"192.0.2.10:53\" is also a target: when it goes down, \
                this agent may consider itself isolated and withdraw nothing"],
        ),
        (
            "a canary that always sings",
            format!("canaries = [\"127.0.0.1\"]\n{CLOUDFLARE}"),
            &[
                "goavail.toml:1: canaries: \"127.0.0.1\" is this machine itself, which answers also \
               when its network is cut off",
            ],
        ),
    ]);
}

#[test]
fn notices_in_clear_are_warned_about() {
    check(&[
        (
            "to another machine",
            format!("webhook_url = \"http://192.0.2.9/hook\"\n{CLOUDFLARE}"),
            &["goavail.toml:1: webhook_url: plain http: notices can be read and forged on the way"],
        ),
        ("on this machine", format!("webhook_url = \"http://127.0.0.1/hook\"\n{CLOUDFLARE}"), &[]),
    ]);
}

#[test]
fn a_cluster_is_warned_of_the_effect_of_its_numbers() {
    let with =
        |old: &str, new: &str| good(&format!("{CLOUDFLARE}{}", MEMBERS.replace(old, new))).warnings;
    let none: [&str; 0] = [];
    assert_eq!(with("", ""), none);
    assert_eq!(
        with("min_peers_agree = 1", "min_peers_agree = 0"),
        [
            "goavail.toml:10: Members.min_peers_agree: 0 lets 1 of 3 agents decide, so that two groups \
          cut off from each other can both do so; at least 1 prevents it"
        ]
    );
    assert_eq!(
        with("min_peers_agree = 1\n", ""),
        [
            "goavail.toml:5: Members.min_peers_agree: 0 lets 1 of 3 agents decide, so that two groups \
          cut off from each other can both do so; at least 1 prevents it"
        ]
    );
    assert_eq!(
        with(".22:8081\"]", ".22:8081\", \"192.0.2.23:8081\"]"),
        [
            "goavail.toml:10: Members.min_peers_agree: 1 lets 2 of 4 agents decide, so that two groups \
          cut off from each other can both do so; at least 2 prevents it"
        ]
    );
    assert_eq!(
        with("192.0.2.22:8081", "192.0.2.20:8082"),
        [
            "goavail.toml:7: Members.peers: \"192.0.2.20:8082\" is on the host of 192.0.2.20:8081, where \
          one agent only can have the gossip port 7946"
        ]
    );
    assert_eq!(
        with("192.0.2.22:8081", "192.0.2.21:8081"),
        ["goavail.toml:7: Members.peers: \"192.0.2.21:8081\" is listed twice"]
    );
}

#[test]
fn half_a_cluster_is_warned_about_and_is_none() {
    let rows = [
        (
            "peers = [\"192.0.2.21:8081\"]",
            "goavail.toml:6: Members.peers: not used without local_addr: this agent decides alone",
        ),
        (
            "local_addr = \"192.0.2.21:8081\"\npeers = []",
            "goavail.toml:6: Members.local_addr: not used without peers: this agent decides alone",
        ),
    ];
    for (members, want) in rows {
        let config = good(&format!("{CLOUDFLARE}[Members]\n{members}\n"));
        assert!(config.sections.cluster.is_none());
        assert_eq!(config.warnings, [want]);
    }
}

#[test]
fn a_loopback_address_is_for_rehearsals_only() {
    let text = CLOUDFLARE.replace("192.0.2.10", "127.0.0.2");
    assert!(good(&text).warnings.is_empty());
    let for_real = Asked { dry_run: false, ..ASKED };
    let config = read_with(&text, for_real, &[("CF_API_TOKEN", "t")]).unwrap();
    let want = "goavail.toml:4: Cloudflare.ip_addresses: \"127.0.0.2\" is a loopback address; nobody \
                outside reaches it";
    assert_eq!(config.warnings, [want]);
}

#[test]
fn guards_that_are_off_are_named_by_their_keys() {
    let rows: [(&str, String, &[&str]); 5] = [
        ("alone", CLOUDFLARE.to_owned(), &["canaries", "min_in_service"]),
        (
            "set to off",
            format!("canaries = []\nmin_in_service = 0\n{CLOUDFLARE}"),
            &["canaries", "min_in_service"],
        ),
        ("with a floor", format!("min_in_service = 1\n{CLOUDFLARE}"), &["canaries"]),
        (
            "a bare cluster",
            format!(
                "canaries = [\"192.0.2.1\"]\nmin_in_service = 1\n{CLOUDFLARE}[Members]\n\
                 local_addr = \"192.0.2.20:8081\"\npeers = [\"192.0.2.21:8081\"]\n"
            ),
            &["crypto_key", "require_signed", "min_peers_agree"],
        ),
        (
            "a cluster of the Go program's kind",
            format!("{CLOUDFLARE}{}", MEMBERS.replace("require_signed = true\n", "")),
            &["canaries", "min_in_service", "require_signed"],
        ),
    ];
    for (name, text, want) in rows {
        assert_eq!(good(&text).guards_off, want, "{name}");
    }
}
