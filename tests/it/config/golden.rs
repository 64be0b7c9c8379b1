//! The words of `check` about some thousand files, as one number for each family of files. No word
//! changes when code is only moved.
//!
//! `GOAVAIL_CHECK=print` prints every file with its answer, to compare two builds line by line.
//! `GOAVAIL_CHECK=write` writes the numbers anew, after a change that is meant to change words.

mod checks;
mod services;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use goavail::testing::settings::Asked;

use super::{ASKED, ON_ROUTE53, read_with};
use crate::lab::is_ci;

/// The numbers, by family.
const GOLDEN: &str = include_str!("golden.txt");

/// A file with all sections: each section's header and its lines.
const BASE: [(&str, &[&str]); 5] = [
    ("", &["name = \"a\""]),
    (
        "Cloudflare",
        &[
            "dns_domain = \"example.com\"",
            "hostnames = [\"www\"]",
            "ip_addresses = [\"192.0.2.10\", \"192.0.2.11\"]",
        ],
    ),
    (
        "Route53",
        &[
            "aws_domain = \"example.net\"",
            "hostnames = [\"@\", \"api\"]",
            "ip_addresses = [\"198.51.100.1\", \"2001:db8::1\"]",
        ],
    ),
    (
        "Members",
        &["peers = [\"192.0.2.21:8081\", \"192.0.2.22:8081\"]", "local_addr = \"192.0.2.20:8081\""],
    ),
    ("Status", &["listen = \"127.0.0.1:9105\""]),
];

/// Values of every kind, each of them good for some key.
const VALUES: [&str; 36] = [
    "0",
    "1",
    "2",
    "-1",
    "30",
    "1001",
    "8081",
    "100000",
    "1.5",
    "0.01",
    "true",
    "false",
    "\"\"",
    "\"x\"",
    "\"250ms\"",
    "\"1h\"",
    "\"example.org.\"",
    "\"exa mple\"",
    "\"192.0.2.9\"",
    "\"192.0.2.9:53\"",
    "\"0.0.0.0:8081\"",
    "\"https://api.example.com/v1/\"",
    "\"http://hooks.example.com/T0\"",
    "\"T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX\"",
    "\"1234567891012345\"",
    "\"/hostedzone/Z0123456789ABCDEFGHIJ\"",
    "\"eu-west-3\"",
    "\"/var/lib/goavail/x\"",
    "[]",
    "[1, \"www\", \"www\"]",
    "[\"www\", \"a.example.org\", \"www\", \"deep.www.example.com.\"]",
    "[\"192.0.2.10\", \"10.0.0.1\", \"127.0.0.1\", \"192.0.2.10\", \"::ffff:192.0.2.1\"]",
    "[\"192.0.2.1:53\", \"192.0.2.10\", \"127.0.0.1\"]",
    "[\"192.0.2.21:8081\", \"192.0.2.20:8081\", \"192.0.2.21:8082\"]",
    "{ a = 1 }",
    "1979-05-27",
];

/// Environments, each with a good and a bad side.
const ENVIRONMENTS: [&[(&str, &str)]; 16] = [
    &[],
    &[("CF_API_TOKEN", "abc"), ("CLOUDFLARE_API_TOKEN", "abc")],
    &[("CF_API_TOKEN", "abc"), ("CLOUDFLARE_API_TOKEN", "abd")],
    &[("CF_API_TOKEN", "a b")],
    &[("CF_API_KEY", "abc"), ("CF_API_EMAIL", "ops@example.com")],
    &[("CF_API_KEY", "abc")],
    &[("CF_API_EMAIL", "ops@example.com")],
    &[("CF_API_TOKEN_FILE", "/nowhere/at/all"), ("CF_API_TOKEN", "")],
    &[("GOAVAIL_CRYPTO_KEY", "1234567891012345")],
    &[("GOAVAIL_CRYPTO_KEY", "short"), ("CLOUDFLARE_BASE_URL", "nothing")],
    &[("CLOUDFLARE_BASE_URL", "https://other.example.com/v4/")],
    &[
        ("HTTPS_PROXY", "http://proxy.example.com:3128"),
        ("AWS_ENDPOINT_URL", "https://aws.example.com"),
    ],
    &[("HTTPS_PROXY", "socks5://proxy.example.com"), ("AWS_ENDPOINT_URL", "ftp://aws.example.com")],
    &[("AWS_ACCESS_KEY_ID", "a b"), ("AWS_SECRET_ACCESS_KEY", "c d")],
    &[
        ("AWS_ACCESS_KEY_ID", "ab"),
        ("AWS_SECRET_ACCESS_KEY", "cd"),
        ("AWS_CA_BUNDLE", "/nowhere/x"),
    ],
    &[("HTTP_PROXY", "http://u:p@proxy.example.com:3128"), ("NO_PROXY", "api.cloudflare.com")],
];

/// Returns the base, with these lines in front of one section and without its lines that set `key`.
fn with_lines(section: &str, key: &str, lines: &str) -> String {
    let mut text = String::new();
    for (header, base) in BASE {
        if !header.is_empty() {
            _ = writeln!(text, "[{header}]");
        }
        if header == section {
            text.push_str(lines);
        }
        for line in base {
            let is_replaced = header == section && line.starts_with(&format!("{key} "));
            if !is_replaced {
                _ = writeln!(text, "{line}");
            }
        }
    }
    text
}

/// Returns the description of a file by `check`, or its problems.
fn said(text: &str, asked: Asked, env: &[(&str, &str)]) -> String {
    match read_with(text, asked, env) {
        Ok(config) => config.in_words(),
        Err(problems) => problems.join("\n"),
    }
}

/// Returns spellings of a name that are not quite it.
fn misspellings(name: &str) -> Vec<String> {
    let (first, last) = (&name[1..], &name[..name.len() - 1]);
    let swapped = format!("{}{}{}", &name[1..2], &name[..1], &name[2..]);
    let mut all = vec![first.to_owned(), last.to_owned(), swapped, format!("{name}s")];
    all.extend([
        name.to_uppercase(),
        name.replace('_', "-"),
        format!("x{name}"),
        format!("{name}_x"),
    ]);
    all.extend(name.split('_').map(str::to_owned));
    all
}

/// A file, with the command line and the environment.
struct Case {
    family: String,
    text: String,
    asked: Asked,
    env: &'static [(&'static str, &'static str)],
}

/// The files, collected by family.
#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    /// Adds a file that is read for Cloudflare in a dry run.
    fn add(&mut self, family: &str, text: String) {
        self.0.push(Case { family: family.to_owned(), text, asked: ASKED, env: &[] });
    }

    /// Adds a file that is read for each provider, in a dry run and for real.
    fn add_for_all(
        &mut self,
        family: &str,
        text: &str,
        env: &'static [(&'static str, &'static str)],
    ) {
        for provider in [ASKED, ON_ROUTE53] {
            for asked in [provider, Asked { tcp: Some(true), dry_run: false, ..provider }] {
                let (family, text) = (family.to_owned(), text.to_owned());
                self.0.push(Case { family, text, asked, env });
            }
        }
    }

    /// Adds files that set a key to good and bad values, in its section and in other places.
    fn add_key(&mut self, whole: &str) {
        let (section, key) = whole.split_once('.').unwrap_or(("", whole));
        for value in VALUES {
            let line = format!("{key} = {value}\n");
            self.add_for_all(whole, &with_lines(section, key, &line), &[]);
            if !section.is_empty() {
                let alone = format!("name = \"a\"\n{section} = {{ {key} = {value} }}\n");
                self.add(&format!("{whole} inline"), alone);
                let old = with_lines("", "name", &format!("name = \"a\"\n{line}"));
                self.add(&format!("{whole} at the top"), old);
            }
        }
        for (header, _) in BASE {
            let elsewhere = with_lines(header, "", &format!("{key} = 1\n"));
            self.add(&format!("{whole} elsewhere"), elsewhere);
            for spelling in misspellings(key) {
                let text = with_lines(header, "", &format!("{spelling} = 1\n"));
                self.add(&format!("{whole} misspelt"), text);
            }
        }
        let broken = [" = unquoted\n", " = [\n1,\n", "\n"].map(|rest| format!("{key}{rest}"));
        let twice =
            [format!("{key} = 1\n{key} = 2\n"), format!("{key} = 1\n{} = 2\n", key.to_uppercase())];
        for lines in broken.into_iter().chain(twice) {
            self.add(&format!("{whole} broken"), with_lines(section, key, &lines));
        }
    }

    /// Adds files without this section, with its header alone, and with a header misspelt.
    fn add_section(&mut self, header: &str) {
        let (base, line) = (with_lines("", "", ""), format!("[{header}]"));
        let mut texts = vec![format!("{line}\n"), base.replace(&line, "")];
        for spelling in misspellings(header) {
            texts.push(base.replace(&line, &format!("[{spelling}]")));
        }
        texts.push(format!("{base}[{}]\n", header.to_lowercase()));
        texts.push(format!("name = \"a\"\n{header} = 1\n"));
        for text in texts {
            self.add_for_all(&line, &text, &[]);
        }
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Cases::default();
    let mut keys: Vec<String> = goavail::testing::settings::known_keys().collect();
    keys.sort();
    for key in &keys {
        cases.add_key(key);
    }
    for (header, _) in BASE.iter().filter(|(header, _)| !header.is_empty()) {
        cases.add_section(header);
    }
    for env in ENVIRONMENTS {
        let rows = [
            ("", "webhook_url = \"https://hooks.example.com/x\"\n"),
            ("Cloudflare", "api_url = \"https://api.example.com\"\n"),
            ("Members", "crypto_key = \"1234567891012346\"\n"),
        ];
        for (section, line) in rows {
            cases.add_for_all("environment", &with_lines(section, "", line), env);
        }
    }
    let shipped = include_str!("../../../goavail.toml");
    services::add_to(&mut cases);
    checks::add_to(&mut cases);
    cases.add_for_all("shipped", &format!("name = \"a\"\n{shipped}"), &[]);
    cases.0
}

/// Returns the families that are played by default: all of them in CI, every fourth elsewhere.
fn sampled(families: BTreeSet<String>) -> BTreeSet<String> {
    families.into_iter().step_by(if is_ci() { 1 } else { 8 }).collect()
}

/// Returns the number of a text: FNV-1a, 64 bits.
fn number(text: &str, before: u64) -> u64 {
    text.bytes().fold(before, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[test]
fn the_words_of_check_about_some_thousand_files_stay_as_they_are() {
    let wanted = std::env::var("GOAVAIL_CHECK").unwrap_or_default();
    let mut numbers = BTreeMap::<String, u64>::new();
    let cases = cases();
    assert!(cases.len() > 5_000, "{}", cases.len());
    let families: BTreeSet<String> = cases.iter().map(|case| case.family.clone()).collect();
    let before: Vec<&str> = GOLDEN.lines().collect();
    assert!(before.len() == families.len() || !wanted.is_empty(), "a family is new or gone");
    // `GOAVAIL_CHECK` asks for every family.
    let played = if wanted.is_empty() { sampled(families) } else { families };
    for Case { family, text, asked, env } in
        cases.into_iter().filter(|it| played.contains(&it.family))
    {
        let answer = said(&text, asked, env);
        if wanted == "print" {
            println!("--- {family}\n{asked:?} {env:?}\n{text}=>\n{answer}");
        }
        let place = numbers.entry(family).or_insert(0xcbf2_9ce4_8422_2325);
        *place = number(&answer, *place);
    }
    let mut lines = String::new();
    for (family, number) in &numbers {
        _ = writeln!(lines, "{number:016x} {family}");
    }
    if wanted == "write" {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/config/golden.txt");
        return std::fs::write(path, lines).expect("the folder of this file can be written to");
    }
    let changed: Vec<&str> = lines.lines().filter(|line| !before.contains(line)).collect();
    assert!(changed.is_empty(), "other words: {changed:#?}");
}
