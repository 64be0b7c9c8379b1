//! `[[service]]`, `[zone.NAME]` and `[check.NAME]`.

use super::*;

/// A file with two zones and three services.
const FILE: &str = r#"interval = 1
timeout = "500ms"
min_in_service = 1

[zone.main]
provider = "cloudflare"
domain = "example.com"

[zone.other]
provider = "route53"
domain = "example.org"
ttl = 30

[check.web]
type = "tcp"
port = 443
timeout = 0.2

[[service]]
name = "www"
zone = "main"
hostnames = ["www", "@"]
ip_addresses = ["192.0.2.10", "192.0.2.11"]
check = "web"

[[service]]
name = "mx"
zone = "main"
hostnames = ["mail"]
ip_addresses = ["192.0.2.10"]
check = { type = "tcp", port = 25 }
failure_threshold = 5
min_in_service = 0

[[service]]
name = "api"
zone = "other"
hostnames = ["api"]
ip_addresses = ["192.0.2.12", "2001:db8::1"]
resync_interval = 60
"#;

const ASKED: Asked = Asked { tcp: None, provider: None, dry_run: true };

fn read_as(text: &str, asked: &Asked) -> Result<Config, ConfigErrors> {
    parse(text, Path::new("x"), asked, &|_| None)
}

/// Returns the problems of [`FILE`] with `from` replaced by `to`.
fn problems(from: &str, to: &str) -> Vec<String> {
    assert!(FILE.contains(from), "{from}");
    let text = FILE.replacen(from, to, 1);
    match read_as(&text, &ASKED) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.to_string().lines().map(str::to_owned).collect(),
    }
}

#[test]
fn services_take_the_nearest_value_of_check_service_and_file() {
    let config = read_as(FILE, &ASKED).unwrap();
    let names: Vec<&str> = config.services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["www", "mx", "api"]);
    let [www, mx, api] = config.services.as_slice() else { panic!("three services") };
    assert_eq!((www.zone, mx.zone, api.zone), (0, 0, 1));
    assert_eq!(www.names, ["www.example.com", "example.com"]);
    assert_eq!(
        (
            www.first_check().method.port(),
            mx.first_check().method.port(),
            api.first_check().method.port()
        ),
        (Some(443), Some(25), None)
    );
    assert_eq!(
        [www, mx, api].map(|it| it.first_check().probing.timeout.as_millis()),
        [200, 500, 500]
    );
    assert_eq!(
        [www, mx, api].map(|it| it.first_check().probing.failure_threshold.get()),
        [3, 5, 3]
    );
    assert_eq!((www.min_in_service, mx.min_in_service, api.min_in_service), (1, 0, 1));
    assert_eq!(api.resync_interval, Some(Duration::from_mins(1)));
    let zones: Vec<_> =
        config.zones.iter().map(|it| (it.name.as_str(), it.provider.zone())).collect();
    assert_eq!(zones, [("main", "example.com"), ("other", "example.org")]);
    let names = config.zones[0].provider.names();
    assert_eq!(names, ["www.example.com", "example.com", "mail.example.com"]);
    let set = api.a_set().unwrap();
    assert_eq!(config.zones[1].provider.new_records(&set), "TTL 30 s");
}

#[test]
fn a_file_without_services_has_one_called_default() {
    let text = "[Cloudflare]\ndns_domain = \"example.com\"\nhostnames = [\"www\"]\n\
                ip_addresses = [\"192.0.2.1\"]\n";
    let config = read_as(text, &ASKED).unwrap();
    assert_eq!((config.services.len(), config.zones.len()), (1, 1));
    assert_eq!(
        (config.services[0].name.as_str(), config.zones[0].name.as_str()),
        (DEFAULT, DEFAULT)
    );
}

/// Pieces of [`FILE`], other texts in their place, and the problem that this makes.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "name = \"www\"",
        "name = \"WWW\"",
        "x:20: service.WWW.name: \"WWW\" is not allowed; a name of 1 to 63 lower-case letters, digits and hyphens",
    ),
    (
        "name = \"mx\"",
        "name = \"www\"",
        "x:27: service.www.name: \"www\" is the name of the service in line 20",
    ),
    ("name = \"www\"\n", "", "x:19: service[1].name: missing; a name such as \"www\""),
    (
        "zone = \"main\"",
        "zone = \"mian\"",
        "x:21: service.www.zone: there is no zone \"mian\"; did you mean \"main\"?",
    ),
    (
        "zone = \"main\"",
        "zone = \"zzz\"",
        "x:21: service.www.zone: there is no zone \"zzz\"; there is main, other",
    ),
    ("zone = \"main\"\n", "", "x:19: service.www.zone: missing; one of main, other"),
    (
        "check = \"web\"",
        "check = \"wbe\"",
        "x:24: service.www.check: there is no check \"wbe\"; did you mean \"web\"?",
    ),
    (
        "hostnames = [\"mail\"]",
        "hostnames = [\"www\"]",
        "x:29: service.mx.hostnames: A at www.example.com is published by service.www, line 19, too; one service has a record set for itself",
    ),
    (
        "hostnames = [\"mail\"]\n",
        "",
        "x:26: service.mx.hostnames: missing; a list with at least a host name, such as \"www\"",
    ),
    (
        "ip_addresses = [\"192.0.2.10\"]",
        "ip_addresses = []",
        "x:30: service.mx.ip_addresses: [] is not allowed; a list with at least an address to watch",
    ),
    (
        "failure_threshold = 5",
        "failure_treshold = 5",
        "x:32: service.mx.failure_treshold: not a known key; did you mean failure_threshold?",
    ),
    ("port = 443\n", "", "x:14: check.web.port: missing; the TCP port, an integer from 1 to 65535"),
    (
        "type = \"tcp\"\nport",
        "type = \"udp\"\nport",
        "x:15: check.web.type: \"udp\" is not allowed; \"icmp\", \"tcp\", \"http\", \"https\", \"exec\" or \"dns\"",
    ),
    (
        "type = \"tcp\"\nport",
        "type = \"icmp\"\nport",
        "x:16: check.web.port: an echo request has no port; type = \"tcp\" has one",
    ),
    (
        "{ type = \"tcp\", port = 25 }",
        "{ type = \"tcp\", port = 0 }",
        "x:31: service.mx.check.port: 0 is not allowed; an integer from 1 to 65535",
    ),
    (
        "{ type = \"tcp\", port = 25 }",
        "25",
        "x:31: service.mx.check: 25 is not allowed; the name of a check, or a table such as { type = \"tcp\", port = 443 }",
    ),
    (
        "provider = \"cloudflare\"",
        "provider = \"clodflare\"",
        "x:6: zone.main.provider: \"clodflare\" is not allowed; a DNS provider: cloudflare, route53, rfc2136, webhook",
    ),
    (
        "provider = \"cloudflare\"\n",
        "",
        "x:5: zone.main.provider: missing; a DNS provider: cloudflare, route53, rfc2136, webhook",
    ),
    (
        "domain = \"example.com\"\n",
        "",
        "x:5: zone.main.domain: missing; the zone's name, such as \"example.com\"",
    ),
    (
        "ttl = 30",
        "dns_proxied = true",
        "x:12: zone.other.dns_proxied: belongs to provider = \"cloudflare\" only",
    ),
    (
        "[zone.main]",
        "[zone.Main]",
        "x:5: zone.Main: Main is not allowed; a name of 1 to 63 lower-case letters, digits and hyphens",
    ),
    (
        "[[service]]\nname = \"api\"",
        "[service]\nname = \"api\"",
        "x:35: service: not a key but a section, [[service]]",
    ),
    (
        "min_in_service = 1",
        "min_in_service = 1\nhostnames = [\"www\"]",
        "x:4: hostnames: not used together with [[service]], line 20; a service has it",
    ),
    (
        "[check.web]",
        "[Route53]\nip_addresses = [\"192.0.2.1\"]\n[check.web]",
        "x:15: Route53.ip_addresses: not used together with [[service]], line 21; a service has it",
    ),
    (
        "[check.web]",
        "[Route53]\nttl = 5\n[check.web]",
        "x:14: Route53: not used together with [[service]], line 21; give it as [zone.NAME] with provider = \"route53\"",
    ),
    (
        "min_in_service = 1",
        "min_in_service = 1\nport = 80",
        "x:4: port: not used together with [[service]], line 20; a check has it",
    ),
];

#[test]
fn each_refusal_names_the_line_the_key_the_value_and_the_allowed_ones() {
    let mut wrong = Vec::new();
    for (from, to, want) in REFUSED {
        let got = problems(from, to);
        if !got.iter().any(|line| line == want) {
            wrong.push(format!("{to}\n  want {want}\n  got  {}", got.join("\n       ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn options_that_name_a_check_or_a_provider_are_refused() {
    let asked = [
        (Asked { tcp: Some(false), ..ASKED }, "--type", "a check has its type"),
        (
            Asked { provider: Some("cloudflare"), ..ASKED },
            "--dns-provider",
            "a zone has its provider",
        ),
    ];
    for (asked, option, instead) in asked {
        let error = read_as(FILE, &asked).unwrap_err().to_string();
        let want = format!(
            "x:19: service.www: not used together with {option} on the command line; {instead}"
        );
        assert_eq!(error, want);
    }
}

#[test]
fn zones_without_services_are_refused() {
    let text = "[zone.main]\nprovider = \"cloudflare\"\ndomain = \"example.com\"\n[check.web]\n\
                type = \"icmp\"\n";
    let error = read_as(text, &ASKED).unwrap_err().to_string();
    let want = "x:1: zone.main: not used, because the file has no [[service]]";
    assert_eq!(error, want);
}

#[test]
fn expanded_shows_every_value_with_its_line() {
    let config = read_as(FILE, &ASKED).unwrap();
    let expanded = config.expanded();
    let www: Vec<&str> = expanded.lines().take(17).collect();
    let want = "\
service www
  zone                service, line 21, service.www.zone          main
  hostnames           service, line 22, service.www.hostnames     www.example.com, example.com
  ip_addresses        service, line 23, service.www.ip_addresses  192.0.2.10, 192.0.2.11
  check               service, line 24, service.www.check         by TCP connects to port 443
  failure_threshold   built in                                    3
  recovery_threshold  built in                                    3
  interval            top level, line 1, interval                 1 s
  timeout             check, line 17, check.web.timeout           0.2 s
  retry_interval      top level, line 1, interval                 1 s
  min_in_service      top level, line 3, min_in_service           1
  max_out             built in                                    100%
  return_delay        built in                                    0 s
  return_delay_max    built in                                    0 s
  resync_interval     built in                                    off
  dns_proxied         built in                                    false
  ttl                 built in                                    automatic";
    assert_eq!(www.join("\n"), want);
    let threshold = "  failure_threshold   service, line 32, service.mx.failure_threshold ";
    assert!(expanded.contains(threshold), "{expanded}");
    let json = serde_json::to_value(CheckedFile::accepted(&config)).unwrap();
    assert_eq!(json["services"][0]["timeout_s"], 0.2);
    assert_eq!(json["services"][2]["zone"], "other");
    assert_eq!(json["zones"][1]["provider"], "route53");
    assert_eq!(json["services"][1]["values"][4]["from"], "service.mx.failure_threshold");
    assert_eq!(json["services"][1]["values"][4]["layer"], "service");
    assert_eq!(json["services"][1]["guards_off"][0], "min_in_service");
    assert_eq!(json["services"][1]["values"][4]["line"], 32);
}
