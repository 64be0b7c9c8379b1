//! Files of the Go program: its three forms, and the present meaning of their keys.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::{ON_ROUTE53, cloudflare, good, read_with, refused, route53};

/// The first form: one agent, no sections, no interval.
const ALONE: &str = r#"
ip_addresses = ['198.51.100.175', '198.51.100.96']
failure_threshold = 3
dns_domain = "example.com"
hostnames = ["test-api", "test-dserv", "test-document"]
dns_proxied = true
"#;

/// The second: a cluster, still without sections.
const FLAT_CLUSTER: &str = r#"
ip_addresses = ["198.51.100.52"]
failure_threshold = 3
dns_domain = "example.com"
hostnames = ["test1", "test2", "test3"]
dns_proxied = true
peers = ["203.0.113.185:8081"]
local_addr = "203.0.113.2:8081"
members_port = 7947
min_peers_agree = 1
crypto_key = "1234567891012345"
"#;

/// The third: sections, Route 53, TCP.
const SECTIONS: &str = r#"
failure_threshold = 5
interval = 2
port = 8000

[Members]
peers = ["127.0.0.1:8082"]
local_addr = "127.0.0.1:8081"
members_port = 7947
min_peers_agree = 1
crypto_key = "1234567891012345"

[Cloudflare]
dns_proxied = false
dns_domain = "example.com"
hostnames = ["test"]
ip_addresses = ["172.16.123.1"]

[Route53]
aws_domain = "example.com"
hostnames = ["test"]
ip_addresses = ["10.20.20.120", "127.0.0.1", "172.16.123.1"]
ttl = 30
aws_zoneid = "ZZZZZZZZZZZZZ"
aws_region = "us-west-2"
"#;

#[test]
fn the_first_form_loads() {
    let config = good(ALONE);
    assert_eq!(config.default_service().targets.len(), 2);
    assert_eq!(config.default_service().first_check().probing.failure_threshold.get(), 3);
    assert_eq!(config.default_service().first_check().probing.interval, Duration::from_secs(2));
    assert!(cloudflare(&config).proxied);
    let names = ["test-api.example.com", "test-dserv.example.com", "test-document.example.com"];
    assert_eq!(cloudflare(&config).names, names);
    assert!(config.sections.cluster.is_none());
    assert_eq!(config.guards_off, ["canaries", "min_in_service"]);
}

#[test]
fn the_second_form_loads() {
    let cluster = good(FLAT_CLUSTER).sections.cluster.unwrap();
    assert_eq!(cluster.local_addr.to_string(), "203.0.113.2:8081");
    assert_eq!(cluster.peers, ["203.0.113.185:8081".parse().unwrap()]);
    assert_eq!((cluster.members_port, cluster.min_peers_agree), (7947, 1));
    assert_eq!(cluster.crypto_key.unwrap().expose_secret(), "1234567891012345");
}

#[test]
fn the_third_form_loads_for_either_provider() {
    let config = good(SECTIONS);
    assert_eq!(config.default_service().first_check().probing.failure_threshold.get(), 5);
    assert!(config.sections.cluster.is_some());
    let config = read_with(SECTIONS, ON_ROUTE53, &[]).unwrap();
    let route53 = route53(&config);
    assert_eq!((route53.ttl, route53.region.as_str()), (30, "us-west-2"));
    assert_eq!(route53.zone_id.as_deref(), Some("ZZZZZZZZZZZZZ"));
    assert_eq!(config.default_service().targets.len(), 3);
}

#[test]
fn the_list_of_ports_is_refused_with_a_pointer_to_port() {
    let text = SECTIONS.replace("port = 8000", "ports = [8000, 80]");
    let want = "goavail.toml:4: ports: not known any more; port holds the one TCP port, from 1 to \
                65535";
    assert_eq!(refused(&text), [want]);
}

#[test]
fn a_key_at_the_top_and_in_its_section_must_say_the_same() {
    let own = "[Cloudflare]\ndns_domain = \"example.com\"\nip_addresses = [\"198.51.100.52\"]\n\
               [Members]\ncrypto_key = \"1234567891012345\"\n";
    good(&format!("{FLAT_CLUSTER}{own}"));
    let other =
        own.replace("example.com", "example.org").replace(".52", ".53").replace("45\"", "99\"");
    let want = [
        "goavail.toml:13: Cloudflare.dns_domain: \"example.org\" is not what dns_domain in line 4 \
         says; give it once",
        "goavail.toml:14: Cloudflare.ip_addresses: [\"198.51.100.53\"] is not what ip_addresses in \
         line 2 says; give it once",
        "goavail.toml:16: Members.crypto_key: a value of 16 bytes is not what crypto_key in line 11 \
         says; give it once",
    ];
    assert_eq!(refused(&format!("{FLAT_CLUSTER}{other}")), want);
}

#[test]
fn a_template_that_was_never_filled_in_is_refused() {
    let text = "ip_addresses = ['EIP_1']\ndns_domain = \"DOMAIN\"\nhostnames = [\"HOST1\"]\n\
                peers = [\"PEER_IP:PEER_PORT\"]\nlocal_addr = \"LOCAL_IP:LOCAL_PORT\"\n";
    let agent = "an IP address and a port, such as \"192.0.2.1:8081\" or \"[2001:db8::1]:8081\"; \
                 names are not looked up";
    let want = [
        "goavail.toml:1: ip_addresses: 'EIP_1' is not allowed; an IP address, such as \"192.0.2.10\""
            .to_owned(),
        format!("goavail.toml:4: peers: \"PEER_IP:PEER_PORT\" is not allowed; {agent}"),
        format!("goavail.toml:5: local_addr: \"LOCAL_IP:LOCAL_PORT\" is not allowed; {agent}"),
    ];
    assert_eq!(refused(text), want);
}
