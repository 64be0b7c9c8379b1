//! The meaning of keys together, and the needs of the chosen provider.

use std::path::PathBuf;
use std::time::Duration;

use goavail::testing::settings::Asked;

use super::{
    ASKED, CLOUDFLARE, ON_ROUTE53, ROUTE53, cloudflare, good, read_with, refused, route53,
};

const KEY: &str = "1234567891012345";

/// `[Cloudflare]` and a `[Members]` section with these lines, which begin at line 6.
fn with_members(lines: &str) -> String {
    format!("{CLOUDFLARE}[Members]\n{lines}\n")
}

#[test]
fn an_absent_key_has_its_documented_default() {
    let config = good(CLOUDFLARE);
    let pace = &config.default_service().first_check().probing;
    assert_eq!((pace.failure_threshold.get(), pace.recovery_threshold.get()), (3, 3));
    let two = Duration::from_secs(2);
    assert_eq!((pace.interval, pace.timeout, pace.retry_interval), (two, two, two));
    assert_eq!(pace.burst.get(), 1, "each address at a moment of its own");
    assert_eq!(
        (
            config.default_service().min_in_service,
            config.default_service().first_check().method.port(),
            config.default_service().resync_interval
        ),
        (0, None, None)
    );
    assert!(config.canaries.is_empty() && config.sections.cluster.is_none() && config.dry_run);
    assert!(config.sections.state_file.is_none() && config.sections.status.listen.is_none());
    assert!(
        config.sections.status.socket.is_none() && config.sections.notify.url("slack").is_none()
    );
    assert!(!config.name.is_empty(), "the host's name");
    assert_eq!(config.path, PathBuf::from("goavail.toml"));
    let cloudflare = cloudflare(&config);
    assert_eq!((cloudflare.proxied, cloudflare.ttl), (false, 1));
    assert_eq!(cloudflare.api_url, "https://api.cloudflare.com/client/v4");
    assert!(cloudflare.credentials.is_none());

    let config = read_with(ROUTE53, ON_ROUTE53, &[]).unwrap();
    let route53 = route53(&config);
    assert_eq!((route53.ttl, route53.region.as_str()), (60, "us-east-1"));
    assert_eq!((&route53.zone_id, &route53.api_url), (&None, &None));
    assert_eq!(route53.names, ["www.example.com"]);

    let members = "peers = [\"192.0.2.21:8081\"]\nlocal_addr = \"192.0.2.22:8081\"";
    let cluster = good(&with_members(members)).sections.cluster.unwrap();
    assert_eq!((cluster.members_port, cluster.min_peers_agree), (7946, 0));
    assert!(cluster.crypto_key.is_none() && !cluster.require_signed);
}

#[test]
fn an_absent_key_follows_the_keys_that_are_given() {
    let config = good(&format!("interval = 1\nfailure_threshold = 5\n{CLOUDFLARE}"));
    let one = Duration::from_secs(1);
    assert_eq!(
        (
            config.default_service().first_check().probing.timeout,
            config.default_service().first_check().probing.retry_interval
        ),
        (one, one)
    );
    assert_eq!(config.default_service().first_check().probing.recovery_threshold.get(), 5);
}

#[test]
fn only_the_chosen_providers_section_must_be_complete() {
    good(&format!("{CLOUDFLARE}[Route53]\nttl = 30\n"));
    read_with(&format!("{ROUTE53}[Cloudflare]\nhostnames = []\n"), ON_ROUTE53, &[]).unwrap();
    let want = "goavail.toml:6: Route53.ttl: -1 is not allowed; an integer from 0 to 2147483647";
    assert_eq!(
        refused(&format!("{CLOUDFLARE}[Route53]\nttl = -1\n")),
        [want],
        "judged nevertheless"
    );
}

#[test]
fn a_missing_section_or_key_is_named_with_what_it_holds() {
    let cloudflare =
        "goavail.toml: Cloudflare: missing; --dns-provider cloudflare needs this section";
    let route53 = "goavail.toml: Route53: missing; --dns-provider route53 needs this section";
    let at_line_2 = [
        "goavail.toml:2: Cloudflare.hostnames: missing; a list with at least a host name, such as \
         \"www\"",
        "goavail.toml:2: Cloudflare.ip_addresses: missing; a list with at least an address to watch",
    ];
    let rows = [
        ("no section", "interval = 1\n".to_owned(), ASKED, vec![cloudflare.to_owned()]),
        (
            "the other one's section",
            ROUTE53.to_owned(),
            ASKED,
            vec![format!("{cloudflare}, while the file has [Route53]")],
        ),
        (
            "and the other way round",
            CLOUDFLARE.to_owned(),
            ON_ROUTE53,
            vec![format!("{route53}, while the file has [Cloudflare]")],
        ),
        (
            "a section with one key",
            "interval = 1\n[Cloudflare]\ndns_domain = \"example.com\"\n".to_owned(),
            ASKED,
            at_line_2.map(str::to_owned).to_vec(),
        ),
        (
            "the oldest form without a domain",
            "ip_addresses = [\"192.0.2.10\"]\nhostnames = [\"www\"]\n".to_owned(),
            ASKED,
            vec![
                "goavail.toml: Cloudflare.dns_domain: missing; the zone's name, such as \
                 \"example.com\""
                    .to_owned(),
            ],
        ),
    ];
    for (name, text, asked, want) in rows {
        assert_eq!(read_with(&text, asked, &[]).unwrap_err(), want, "{name}");
    }
}

#[test]
fn an_empty_list_is_refused_where_it_is_needed() {
    let text = "[Cloudflare]\ndns_domain = \"example.com\"\nhostnames = []\nip_addresses = [ ]\n";
    let want = [
        "goavail.toml:3: Cloudflare.hostnames: [] is not allowed; a list with at least a host name, \
         such as \"www\"",
        "goavail.toml:4: Cloudflare.ip_addresses: [ ] is not allowed; a list with at least an \
         address to watch",
    ];
    assert_eq!(refused(text), want);
}

#[test]
fn tcp_needs_a_port_and_echo_requests_use_none() {
    let tcp = Asked { tcp: Some(true), ..ASKED };
    let want = "goavail.toml: port: missing; --type tcp needs the TCP port, an integer from 1 to \
                65535";
    assert_eq!(read_with(CLOUDFLARE, tcp, &[]).unwrap_err(), [want]);
    let text = format!("port = 443\n{CLOUDFLARE}");
    assert_eq!(
        read_with(&text, tcp, &[]).unwrap().default_service().first_check().method.port(),
        Some(443)
    );
    assert_eq!(good(&text).default_service().first_check().method.port(), None);
    let want = "goavail.toml:1: port: 0 is not allowed; an integer from 1 to 65535";
    let text = format!("port = 0\n{CLOUDFLARE}");
    assert_eq!(read_with(&text, tcp, &[]).unwrap_err(), [want], "refused once, not missing too");
}

#[test]
fn a_cluster_that_cannot_work_is_refused() {
    let rows = [
        (
            "more votes needed than there are peers",
            "local_addr = \"192.0.2.20:8081\"\npeers = [\"192.0.2.21:8081\", \"192.0.2.22:8081\"]\n\
             min_peers_agree = 3",
            "goavail.toml:8: Members.min_peers_agree: 3 is not allowed; at most 2, the number of peers",
        ),
        (
            "one peer listed twice is one",
            "local_addr = \"192.0.2.20:8081\"\npeers = [\"192.0.2.21:8081\", \"192.0.2.21:8081\"]\n\
             min_peers_agree = 2",
            "goavail.toml:8: Members.min_peers_agree: 2 is not allowed; at most 1, the number of peers",
        ),
        (
            "votes needed without peers",
            "min_peers_agree = 1",
            "goavail.toml:6: Members.min_peers_agree: 1 is not allowed; at most 0, the number of peers",
        ),
        (
            "signatures without a key",
            "require_signed = true",
            "goavail.toml:6: Members.require_signed: true is not allowed; it needs crypto_key",
        ),
        (
            "the agent itself among its peers",
            "local_addr = \"192.0.2.20:8081\"\npeers = [\n\"192.0.2.21:8081\",\n\"192.0.2.20:8081\"]",
            "goavail.toml:9: Members.peers: \"192.0.2.20:8081\" is not allowed; it is local_addr, \
             this agent itself",
        ),
    ];
    for (name, members, want) in rows {
        assert_eq!(refused(&with_members(members)), [want], "{name}");
    }
    let bad_peer = "peers = [\"x\"]\nmin_peers_agree = 1\nlocal_addr = \"192.0.2.20:8081\"";
    assert_eq!(
        refused(&with_members(bad_peer)).len(),
        1,
        "peers that were refused are not counted"
    );
}

#[test]
fn a_key_that_is_no_aes_key_is_refused_without_being_shown() {
    for length in [0, 1, 15, 17, 23, 25, 31, 33, 64] {
        let key = "k3y!".repeat(16);
        let text = with_members(&format!("crypto_key = \"{}\"", &key[..length]));
        let want = format!(
            "goavail.toml:6: Members.crypto_key: a value of {length} bytes is not allowed; a text of \
             16, 24 or 32 bytes"
        );
        assert_eq!(refused(&text), [want]);
    }
    for length in [16, 24, 32] {
        good(&with_members(&format!("crypto_key = \"{}\"", "k".repeat(length))));
    }
    let umlauts = with_members("crypto_key = \"äöüäöüäö\"");
    good(&umlauts);
}

#[test]
fn a_slack_address_is_a_path_or_a_whole_url() {
    use secrecy::ExposeSecret;
    let rows = [
        ("T00/B00/xX0", "https://hooks.slack.com/services/T00/B00/xX0"),
        ("/T00/B00/xX0", "https://hooks.slack.com/services/T00/B00/xX0"),
        ("https://hooks.slack.com/services/T0/B0/x", "https://hooks.slack.com/services/T0/B0/x"),
        ("http://127.0.0.1:8080/hook", "http://127.0.0.1:8080/hook"),
    ];
    for (address, want) in rows {
        let config = good(&format!("slack_addr = \"{address}\"\n{CLOUDFLARE}"));
        assert_eq!(config.sections.notify.url("slack").unwrap().expose_secret(), want);
    }
    for bad in
        ["", "T00/B00", "B00/T00/x", "T0/B0/x/y", "T0//x", "http://example.com/x", "T0/B0/x?y"]
    {
        let want = format!(
            "goavail.toml:1: slack_addr: a value of {} bytes is not allowed; the path of a Slack \
             webhook, T…/B…/X…, or its whole URL, which begins with https://",
            bad.len()
        );
        assert_eq!(refused(&format!("slack_addr = \"{bad}\"\n{CLOUDFLARE}")), [want]);
    }
}

#[test]
fn secrets_appear_neither_in_errors_nor_in_debug_output() {
    let secrets = format!(
        "slack_addr = \"T0/B0/hunter2x\"\nwebhook_url = \"https://example.com/hunter2y\"\n{}",
        with_members(&format!("crypto_key = \"{}\"", "hunter2z".repeat(2)))
    );
    let env = [("CF_API_KEY", "hunter2a"), ("CF_API_EMAIL", "ops@example.com")];
    let config = read_with(&secrets, ASKED, &env).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    assert!(!config.in_words().contains("hunter2"), "{}", config.in_words());

    let env = [
        ("CF_API_TOKEN", "hunter2 "),
        ("GOAVAIL_CRYPTO_KEY", "hunter2"),
        ("CF_API_KEY", "hunter2"),
    ];
    let bad = "slack_addr = \"hunter2\"\nwebhook_url = \"hunter2\"\ncrypto_kee = \"hunter2\"\n\
               [Cloudflare]\napi_url = \"https://user:hunter2@example.com\"\n\
               [Route53]\napi_url = [\"https://user:hunter2@example.com\"]\n\
               [Members]\ncrypto_key = \"hunter2\"\n";
    let problems = read_with(bad, ASKED, &env).unwrap_err();
    assert_eq!(problems.len(), 11, "{problems:#?}");
    assert!(!problems.concat().contains("hunter2"), "{problems:#?}");
    let broken =
        read_with("crypto_key = hunter2\nslack_addr = \"hunter2\n", ASKED, &[]).unwrap_err();
    assert!(!broken.concat().contains("hunter2"), "{broken:#?}");
}

#[test]
fn relative_paths_are_relative_to_the_files_folder() {
    let text = format!("state_file = \"s.json\"\n{CLOUDFLARE}[Status]\nsocket = \"run/g.sock\"\n");
    let absolute = text.replace("s.json", "/var/s.json").replace("run/g.sock", "/run/g.sock");
    let rows = [
        ("/etc/goavail/goavail.toml", &text, "/etc/goavail/s.json", "/etc/goavail/run/g.sock"),
        ("goavail.toml", &text, "s.json", "run/g.sock"),
        ("/etc/goavail/goavail.toml", &absolute, "/var/s.json", "/run/g.sock"),
    ];
    for (path, text, state, socket) in rows {
        let config =
            goavail::testing::settings::parse(text, path.as_ref(), &ASKED, &|_| None).unwrap();
        assert_eq!(config.sections.state_file, Some(PathBuf::from(state)));
        assert_eq!(config.sections.status.socket, Some(PathBuf::from(socket)));
    }
    let long = format!("{CLOUDFLARE}[Status]\nsocket = \"/{}\"\n", "s".repeat(107));
    let problems = refused(&long);
    let want = "… is not allowed; the path of a socket has at most 107 bytes";
    assert!(problems[0].ends_with(want), "{problems:?}");
    good(&long.replacen('s', "", 0).replace(&"s".repeat(107), &"s".repeat(106)));
}

#[test]
fn everything_that_is_wrong_is_told_at_once_in_the_order_of_the_file() {
    let text = "failure_threshold = 0\nintervall = 2\n[Cloudflare]\ndns_domain = \"exa mple.com\"\n\
                hostnames = []\nip_addresses = [\"192.0.2.10\", \"0.0.0.0\"]\n[Members]\n\
                min_peers_agree = 1\n";
    let tcp = Asked { tcp: Some(true), dry_run: false, ..ASKED };
    let want = [
        "goavail.toml:1: failure_threshold: 0 is not allowed; an integer from 1 to 1000",
        "goavail.toml:2: intervall: not a known key; did you mean interval?",
        "goavail.toml:4: Cloudflare.dns_domain: \"exa mple.com\" is not allowed; a name has letters, \
         digits, hyphens and underscores, not ' '",
        "goavail.toml:5: Cloudflare.hostnames: [] is not allowed; a list with at least a host name, \
         such as \"www\"",
        "goavail.toml:6: Cloudflare.ip_addresses: \"0.0.0.0\" is not allowed; the unspecified address \
         is not one host's",
        "goavail.toml:8: Members.min_peers_agree: 1 is not allowed; at most 0, the number of peers",
        "goavail.toml: port: missing; --type tcp needs the TCP port, an integer from 1 to 65535",
        "environment: CF_API_TOKEN: missing; --no-dry-run needs it, or CF_API_KEY and CF_API_EMAIL",
    ];
    assert_eq!(read_with(text, tcp, &[]).unwrap_err(), want);
}

#[test]
fn a_crypto_key_is_kept_as_it_is_written() {
    use secrecy::ExposeSecret;
    let members = format!(
        "peers = [\"192.0.2.21:8081\"]\nlocal_addr = \"192.0.2.22:8081\"\ncrypto_key = \"{KEY}\"\n\
         require_signed = true\nmin_peers_agree = 1\nmembers_port = 7947"
    );
    let cluster = good(&with_members(&members)).sections.cluster.unwrap();
    assert_eq!(cluster.crypto_key.unwrap().expose_secret(), KEY);
    assert_eq!((cluster.require_signed, cluster.min_peers_agree), (true, 1));
    assert_eq!(cluster.members_port, 7947);
}
