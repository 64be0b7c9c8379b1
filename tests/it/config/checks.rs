//! Checks: `check`, `checks`, `require`, `[check.NAME]`.
//!
//! - `values`, `choices`: each refusal, word for word
//! - `advice`: warnings, and the files that a check names
//! - `elsewhere`: reports from users of other tools

mod advice;
mod choices;
mod elsewhere;
mod values;

use goavail::testing::settings::{Asked, Config};

use super::services::ONE;
use super::{ASKED, CLOUDFLARE, read, read_with};

/// Returns a file of one service with these lines at its top.
fn with_top(lines: &str) -> String {
    format!("{lines}\n{CLOUDFLARE}")
}

fn words_of(lines: &str) -> Vec<String> {
    let config = read(&with_top(lines)).unwrap_or_else(|problems| panic!("{lines}: {problems:?}"));
    let words = config.in_words();
    let of_checks = ["watches", "check ", "require", "death", "return"];
    let lines = words.lines().map(str::trim);
    lines
        .filter(|line| of_checks.iter().any(|label| line.starts_with(label)))
        .map(str::to_owned)
        .collect()
}

#[test]
fn checks_in_words() {
    let rows: &[(&str, &[&str])] = &[
        (
            "check = { type = \"https\", path = \"/healthz\" }",
            &[
                "watches     2 addresses by https requests for https://www.example.com/healthz at each address, wanted 200-299: 192.0.2.10, 192.0.2.11",
            ],
        ),
        (
            "check = { type = \"http\", port = 8080, method = \"HEAD\", host = \"Other.Example.\", status = [204, \"300-302\"], drain_status = [503] }",
            &[
                "watches     2 addresses by http HEAD requests for http://other.example:8080/ at each address, wanted 204, 300-302; 503 asks to be taken out: 192.0.2.10, 192.0.2.11",
            ],
        ),
        (
            "check = { type = \"https\", tls = \"chain\", body = \"ok\", body_not = \"error\", body_regex = \"v[0-9]+\" }",
            &[
                "watches     2 addresses by https requests for https://www.example.com/ at each address, wanted 200-299 with \"ok\" in the body, without \"error\" in the body, the body matching \"v[0-9]+\"; any name in the certificate will do: 192.0.2.10, 192.0.2.11",
            ],
        ),
        (
            "check = { type = \"dns\", query_type = \"mx\", answer = \"10 mail.example.com\", transport = \"tcp\" }",
            &[
                "watches     2 addresses by DNS queries for MX of www.example.com by TCP to port 53, wanted NOERROR with 10 mail.example.com: 192.0.2.10, 192.0.2.11",
            ],
        ),
        (
            "check = { type = \"exec\", command = [\"/bin/true\", \"-H\", \"{address}\"], user = \"nobody\" }",
            &[
                "watches     2 addresses by the command /bin/true -H {address} as nobody, at most 10 at once: 192.0.2.10, 192.0.2.11",
            ],
        ),
    ];
    for (lines, want) in rows {
        assert_eq!(words_of(lines)[..1], **want, "{lines}");
    }
}

#[test]
fn several_checks_are_described_one_by_one_and_together() {
    let lines = "interval = 1\ntimeout = 0.5\nretry_interval = 0.2\nrequire = \"any\"\n\
                 checks = [{ type = \"icmp\" }, { type = \"tcp\", port = 25, failure_threshold = 5 }, \
                 { type = \"http\", mode = \"watch\" }]";
    let want = [
        "watches     2 addresses by 3 checks: 192.0.2.10, 192.0.2.11",
        "check icmp  by echo requests",
        "death     3 losses in a row, noticed after 0.9 s at best, 1.9 s at worst",
        "return    3 replies in a row, noticed a round trip after 2 s at best, 3 s at worst",
        "check tcp-25 by TCP connects to port 25",
        "death     5 losses in a row, noticed after 1.3 s at best, 2.3 s at worst",
        "return    5 replies in a row, noticed a round trip after 4 s at best, 5 s at worst",
        "check http  by http requests for http://www.example.com/ at each address, wanted 200-299; watched, and never counted",
        "death     3 losses in a row, noticed after 0.9 s at best, 1.9 s at worst",
        "return    3 replies in a row, noticed a round trip after 2 s at best, 3 s at worst",
        "require     any of 2 counted checks must be up; an address is down once all are",
        "death       of an address that no check reaches any more, noticed after 1.3 s at best, 2.3 s at worst",
        "return      of an address that answers every check again, noticed a round trip after 2 s at best, 3 s at worst",
    ];
    assert_eq!(words_of(lines), want);
    let all = words_of(&lines.replace("\"any\"", "\"all\""));
    assert_eq!(
        all[10],
        "require     all 2 counted checks must be up; an address is down as soon as one is"
    );
    assert!(all[11].ends_with("noticed after 0.9 s at best, 1.9 s at worst"), "{all:?}");
    assert!(all[12].ends_with("a round trip after 4 s at best, 5 s at worst"), "{all:?}");
}

fn names(config: &Config, service: usize) -> Vec<&str> {
    config.services[service].checks.iter().map(|check| check.name.as_str()).collect()
}

#[test]
fn a_service_takes_its_own_checks_or_those_of_the_top_level() {
    let text = format!(
        "checks = [\"web\", {{ type = \"icmp\" }}]\nrequire = \"any\"\n{ONE}\
         [check.web]\ntype = \"https\"\n[[service]]\nname = \"mx\"\nhostnames = [\"mail\"]\n\
         ip_addresses = [\"192.0.2.10\", \"192.0.2.11\"]\ncheck = {{ type = \"tcp\", port = 25 }}\n\
         [[service]]\nname = \"ns\"\nhostnames = [\"ns\"]\nip_addresses = [\"192.0.2.10\", \"192.0.2.11\"]\n\
         [[service.checks]]\ntype = \"dns\"\n[[service.checks]]\ntype = \"dns\"\ntransport = \"tcp\"\n\
         [[service.checks]]\ntype = \"icmp\"\n"
    );
    let config = read(&text).unwrap();
    assert_eq!(names(&config, 0), ["web", "icmp"]);
    assert_eq!(names(&config, 1), ["tcp-25"]);
    assert_eq!(names(&config, 2), ["dns", "dns-2", "icmp"]);
    assert_eq!(config.services.iter().map(|it| it.require).collect::<Vec<_>>(), [1, 1, 1]);
    let expanded = config.in_words();
    assert!(expanded.contains("https://www.example.com/"), "the name of the service: {expanded}");
    assert!(expanded.contains("A of ns.example.com by UDP"), "{expanded}");
}

#[test]
fn require_at_the_top_is_a_default_that_services_with_one_check_do_not_need() {
    let several = "checks = [{ type = \"icmp\" }, { type = \"tcp\", port = 25 }]\n";
    let text = format!(
        "check = {{ type = \"icmp\" }}\nrequire = \"any\"\n{ONE}[[service]]\nname = \"mx\"\n\
         hostnames = [\"mail\"]\nip_addresses = [\"192.0.2.10\", \"192.0.2.11\"]\n{several}"
    );
    let config = read(&text).unwrap();
    assert_eq!(config.services.iter().map(|it| it.require).collect::<Vec<_>>(), [1, 1]);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let want = "goavail.toml:2: require: not used: every [[service]] has one counted check, or its own \
                require";
    for other in [String::new(), format!("{several}require = \"all\"\n")] {
        assert_eq!(read(&text.replace(several, &other)).unwrap().warnings, [want], "{other}");
    }
    let own = text.replace(several, "require = 1\n");
    let want = "goavail.toml:14: service.mx.require: not used with one counted check; checks = [...] has \
                several";
    assert_eq!(read(&own).unwrap_err(), [want]);
}

#[test]
fn the_type_on_the_command_line_wins_over_the_file() {
    let text = with_top("port = 443\ncheck = { type = \"http\" }");
    let asked = Asked { tcp: Some(true), ..ASKED };
    let config = read_with(&text, asked, &[]).unwrap();
    assert_eq!(config.services[0].first_check().method.port(), Some(443));
    let want = "goavail.toml:2: check: not used: --type on the command line wins over it";
    assert_eq!(config.warnings, [want]);
    let asked = Asked { tcp: Some(false), ..ASKED };
    let config = read_with(&text, asked, &[]).unwrap();
    assert!(config.in_words().contains("by echo requests"));
    assert_eq!(read(&text).unwrap().services[0].first_check().method.port(), Some(80));
}

#[test]
fn a_table_below_a_check_of_the_top_level_may_be_its_headers_or_a_check_with_that_name() {
    let text = with_top(
        "[check]\ntype = \"http\"\n[check.headers]\nAccept = \"text/html\"\n[check.web]\ntype = \"icmp\"",
    );
    let config = read(&text).unwrap();
    assert_eq!(names(&config, 0), ["http"]);
    assert_eq!(config.warnings, ["goavail.toml:5: check.web: not used: nothing names this check"]);
    let text = with_top("check = \"headers\"\n")
        .replace(CLOUDFLARE, &format!("{CLOUDFLARE}[check.headers]\ntype = \"icmp\"\n"));
    // A key of the top level that is a name, and tables below it, are one key twice in TOML.
    assert!(read(&text).is_err());
    let text = with_top("checks = [\"headers\"]\n[check.headers]\ntype = \"icmp\"");
    assert_eq!(names(&read(&text).unwrap(), 0), ["headers"]);
}

#[test]
fn a_service_of_wildcards_has_no_name_to_ask_for() {
    let text =
        format!("{ONE}check = {{ type = \"https\" }}\n").replace("[\"www\"]", "[\"*\", \"*.a\"]");
    let want = "goavail.toml:8: service.www.check.host: missing; a name such as \"www.example.com\": all \
                host names of service www are wildcards";
    assert_eq!(read(&text).unwrap_err(), [want]);
    let text = text.replace("\"*.a\"", "\"www\"");
    assert!(read(&text).unwrap().in_words().contains("https://www.example.com/"));
}

#[test]
fn a_canary_may_be_asked_by_a_check() {
    let text = with_top(
        "canaries = [\"192.0.2.1\", \"192.0.2.1:53\", { address = \"192.0.2.80\", check = \"web\" }]\n\
         [check.web]\ntype = \"http\"\nhost = \"up.example.com\"\ntimeout = 5",
    );
    let config = read(&text).unwrap();
    let canaries: Vec<String> = config.canaries.iter().map(ToString::to_string).collect();
    assert_eq!(canaries, ["192.0.2.1", "192.0.2.1:53", "192.0.2.80 (web)"]);
    let want = "goavail.toml:5: check.web.timeout: a canary is asked at the pace of the top level, with its \
                timeout and thresholds";
    assert_eq!(config.warnings, [want]);
}

#[test]
fn the_values_of_headers_are_shown_nowhere() {
    let secret = "s3cret-hunter2";
    let text = with_top(&format!(
        "checks = [{{ type = \"https\", headers = {{ Authorization = \"{secret}\" }} }}, {{ type = \"exec\", \
         command = [\"/bin/true\", \"{{address}}\", \"AKIAIOSFODNN7EXAMPLE\"], user = \"nobody\" }}]"
    ));
    let config = read(&text).unwrap();
    let shown = format!("{config:?}{}", config.in_words());
    assert!(!shown.contains(secret), "{shown}");
    assert!(!config.in_words().contains("AKIAIOSFODNN7EXAMPLE"), "{}", config.in_words());
    // A mistake beside it does not show it either.
    for (from, to) in
        [("checks = [", "check = ["), ("https\"", "htps\""), ("Authorization", "Host")]
    {
        let problems = read(&text.replace(from, to)).unwrap_err().join("\n");
        assert!(!problems.contains(secret), "{problems}");
    }
}
