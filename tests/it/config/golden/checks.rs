//! Files with targets that are asked by checks with settings of their own. Commands are left out: the words
//! about one depend on the machine.

use goavail::testing::settings::{Asked, known_table_keys};

use super::super::ASKED;
use super::{Case, Cases, VALUES, misspellings, with_lines};

/// Values that are good for some key of a check.
const MORE_VALUES: [&str; 14] = [
    "\"GET\"",
    "\"HEAD\"",
    "\"/healthz?a=b\"",
    "[\"200-299\", 404]",
    "[503]",
    "[\"5xx\", \"9-1\", 99]",
    "{ Accept = \"text/html\" }",
    "{ Host = \"a\", \"b c\" = \"d\", E = 5 }",
    "\"chain\"",
    "\"watch\"",
    "\"NXDOMAIN\"",
    "\"MX\"",
    "\"tcp\"",
    "\"a(b\"",
];

/// The keys of checks with settings of their own, and the types that have them.
const KEYS: [(&[&str], &[&str]); 4] = [
    (
        &["http", "https"],
        &[
            "host",
            "path",
            "method",
            "status",
            "drain_status",
            "body",
            "body_not",
            "body_regex",
            "max_body",
            "headers",
            "header_files",
        ],
    ),
    (&["https"], &["tls", "ca_file", "client_cert", "client_key", "cert_days"]),
    (&["exec"], &["command", "user", "max_running"]),
    (&["dns"], &["query", "query_type", "rcode", "answer", "transport"]),
];

/// Whether a key, with the name of its table in front, is one of these.
pub(super) fn has(whole: &str) -> bool {
    let key = whole.strip_prefix("check.");
    key.is_some_and(|key| KEYS.iter().any(|(_, keys)| keys.contains(&key)))
}

/// Lines at the top of a file, each with checks in another form.
const FORMS: [&str; 12] = [
    "check = { type = \"icmp\" }",
    "check = { type = \"tcp\", port = 25 }",
    "check = { type = \"http\" }",
    "check = { type = \"https\", path = \"/x\" }",
    "check = { type = \"dns\" }",
    "checks = [{ type = \"icmp\" }, { type = \"https\" }]",
    "checks = [{ type = \"icmp\" }, { type = \"https\", mode = \"watch\" }]",
    "require = \"any\"\nchecks = [{ type = \"icmp\" }, { type = \"tcp\", port = 5 }, { type = \"http\" }]",
    "require = 2\nchecks = [{ type = \"icmp\" }, { type = \"tcp\", port = 5 }, { type = \"http\" }]",
    "[check]\ntype = \"https\"\n[check.headers]\nA = \"b\"",
    "checks = [\"a\"]\n[check.a]\ntype = \"http\"\n[check.b]\ntype = \"icmp\"",
    "canaries = [{ address = \"192.0.2.80\", check = \"a\" }]\n[check.a]\ntype = \"http\"\nhost = \"a.example\"",
];

/// Adds files with such checks.
pub(super) fn add_to(cases: &mut Cases) {
    for form in FORMS {
        for asked in [ASKED, Asked { tcp: Some(false), ..ASKED }] {
            let text = with_lines("", "", &format!("{form}\n"));
            let family = "checks".to_owned();
            cases.0.push(Case { family, text, asked, env: &[] });
        }
    }
    for key in known_table_keys().iter().filter(|key| has(key)) {
        let key = key.trim_start_matches("check.");
        for kind in ["http", "https", "dns"] {
            let is_its_own =
                KEYS.iter().any(|(kinds, keys)| kinds.contains(&kind) && keys.contains(&key));
            let values = VALUES.iter().chain(&MORE_VALUES);
            // A key of another type is refused with any value.
            for value in values.take(if is_its_own { usize::MAX } else { 1 }) {
                let line = format!("check = {{ type = \"{kind}\", {key} = {value} }}\n");
                cases.add(&format!("check.{key} of {kind}"), with_lines("", "", &line));
            }
        }
        for spelling in misspellings(key) {
            let line = format!("check = {{ type = \"https\", {spelling} = 1 }}\n");
            cases.add(&format!("check.{key} misspelt"), with_lines("", "", &line));
        }
    }
}
