//! Files with services, zones and checks.

use std::fmt::Write as _;

use goavail::testing::settings::{Asked, known_table_keys};

use super::super::ASKED;
use super::{Case, Cases, VALUES, misspellings};

/// A file with tables of every kind: the header and the lines of each.
const TABLES: [(&str, &[&str]); 6] = [
    ("", &["name = \"a\"", "interval = 5"]),
    ("[zone.main]", &["provider = \"cloudflare\"", "domain = \"example.com\""]),
    ("[zone.aws]", &["provider = \"route53\"", "domain = \"example.org\""]),
    ("[check.web]", &["type = \"tcp\"", "port = 443"]),
    (
        "[[service]]",
        &[
            "name = \"www\"",
            "zone = \"main\"",
            "hostnames = [\"www\", \"@\"]",
            "ip_addresses = [\"192.0.2.10\", \"192.0.2.11\", \"2001:db8::1\"]",
            "check = \"web\"",
        ],
    ),
    (
        "[[service]]",
        &[
            "name = \"api\"",
            "zone = \"aws\"",
            "hostnames = [\"api\"]",
            "ip_addresses = [\"192.0.2.10\"]",
            "check = { type = \"tcp\", port = 25 }",
        ],
    ),
];

/// More values, each of them good for some key of a table.
const MORE_VALUES: [&str; 6] = [
    "\"main\"",
    "\"web\"",
    "\"icmp\"",
    "\"route53\"",
    "{ type = \"icmp\" }",
    "{ type = \"tcp\", port = 1, interval = 2 }",
];

/// Returns the file, with these lines in the table at `place` and without its lines that set `key`.
fn with_lines(place: usize, key: &str, lines: &str) -> String {
    let mut text = String::new();
    for (at, (header, base)) in TABLES.iter().enumerate() {
        _ = writeln!(text, "{header}");
        for line in *base {
            if at != place || !line.starts_with(&format!("{key} ")) {
                _ = writeln!(text, "{line}");
            }
        }
        if at == place {
            text.push_str(lines);
        }
    }
    text
}

/// Adds a file that is read in a dry run and for real.
fn add(cases: &mut Cases, family: &str, text: &str) {
    let env = &[("CF_API_TOKEN", "abc")];
    for asked in [ASKED, Asked { dry_run: false, ..ASKED }] {
        let (family, text) = (family.to_owned(), text.to_owned());
        cases.0.push(Case { family, text, asked, env });
    }
}

/// Adds files with a key in its tables and in others.
fn add_key(cases: &mut Cases, whole: &str) {
    let (group, key) = whole.split_once('.').unwrap_or(("", whole));
    for (place, (header, _)) in TABLES.iter().enumerate() {
        if header.trim_start_matches('[').starts_with(group) {
            for value in VALUES.iter().chain(&MORE_VALUES) {
                add(cases, whole, &with_lines(place, key, &format!("{key} = {value}\n")));
            }
            for lines in [format!("{key} = unquoted\n"), format!("{key} = 1\n{key} = 2\n")] {
                add(cases, &format!("{whole} broken"), &with_lines(place, "", &lines));
            }
            add(cases, &format!("{whole} missing"), &with_lines(place, key, ""));
        }
        let elsewhere = with_lines(place, "", &format!("{key} = 1\n"));
        add(cases, &format!("{whole} elsewhere"), &elsewhere);
        for spelling in misspellings(key) {
            let text = with_lines(place, "", &format!("{spelling} = 1\n"));
            add(cases, &format!("{whole} misspelt"), &text);
        }
    }
}

/// Adds files with services.
pub(super) fn add_to(cases: &mut Cases) {
    // Those of checks with settings of their own are in `checks`.
    for key in known_table_keys().iter().filter(|key| !super::checks::has(key)) {
        add_key(cases, key);
    }
    let base = with_lines(0, "", "");
    let headers = ["[zone.main]", "[zone.aws]", "[check.web]", "[[service]]"];
    for header in headers {
        for spelling in
            ["[zone]", "[zone.Main]", "[zones.main]", "[[zone]]", "[service]", "[check]"]
        {
            add(cases, "tables misspelt", &base.replacen(header, spelling, 1));
        }
    }
    let others = [
        ("Cloudflare", "dns_domain = \"example.com\""),
        ("Cloudflare", "hostnames = [\"www\"]"),
        ("Route53", "ip_addresses = [\"192.0.2.1\"]"),
        ("Route53", "ttl = 5"),
        ("gandi", "a = 1"),
    ];
    for (section, line) in others {
        add(cases, "tables and sections", &format!("{base}[{section}]\n{line}\n"));
        add(cases, "tables and sections", &format!("{line}\n{base}"));
    }
    for asked in [
        Asked { tcp: Some(true), ..ASKED },
        Asked { tcp: Some(false), ..ASKED },
        Asked { provider: Some("route53"), ..ASKED },
    ] {
        let (family, text) = ("tables and options".to_owned(), base.clone());
        cases.0.push(Case { family, text, asked, env: &[] });
    }
    let example = include_str!("../../../../examples/services.toml");
    add(cases, "example of services", &format!("name = \"a\"\n{example}"));
}
