//! Any content of a file gets an answer.

use std::path::Path;

use proptest::prelude::*;

use super::services::ONE;
use super::{ASKED, CLOUDFLARE, ON_ROUTE53, read_with};
use crate::lab::share;

/// A check as a value, or a list of checks, more or less.
fn check_value() -> impl Strategy<Value = String> {
    let word = "\"(icmp|tcp|http|https|exec|dns|count|watch|all|any|GET|off|/[a-z{}]{0,8}|[0-9a-z.*-]{0,9})\"";
    let key = "type|port|mode|host|path|method|status|drain_status|body|body_not|body_regex|max_body|headers|\
               header_files|tls|command|max_running|query|query_type|rcode|answer|transport|address|check";
    let value = prop_oneof![
        word,
        "-?[0-9]{1,6}",
        "\\[(\"[0-9a-z/{}-]{0,8}\"(, )?){0,3}\\]",
        "\\{ [A-Za-z-]{1,8} = \"[ -!#-~]{0,8}\" \\}",
    ];
    let entry = (key, value).prop_map(|(key, value)| format!("{key} = {value}"));
    let kind = "icmp|tcp|http|https|exec|dns";
    let table = (kind, prop::collection::vec(entry, 0..4))
        .prop_map(|(kind, entries)| format!("{{ type = \"{kind}\", {} }}", entries.join(", ")));
    let table = table.prop_map(|table| table.replace(",  }", " }"));
    prop_oneof![
        table.clone(),
        prop::collection::vec(table, 0..3).prop_map(|tables| format!("[{}]", tables.join(", "))),
    ]
}

/// A piece of a configuration file, more or less.
fn piece() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        "failure_threshold|interval|timeout|canaries|slack_addr|port|ports|name|min_in_service",
        "dns_domain|hostnames|ip_addresses|ttl|api_url|peers|local_addr|crypto_key|listen|socket",
        "provider|domain|zone|check|type|token_file|profile|dns_proxied|check\\.(type|port)",
        "check|checks|require|mode|host|path|method|status|body|body_regex|headers|header_files|tls",
        "cert_days|ca_file|command|user|max_running|query|query_type|rcode|answer|transport",
        "[a-zA-Z_.\"' ]{0,12}",
    ];
    let value = prop_oneof![
        any::<i128>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:?}")),
        "0x[0-9a-f]{1,20}|0b[01]{1,70}|[+-]?inf|nan|true|false|1979-05-27",
        "\"[ -~]{0,40}\"",
        "\"(192\\.0\\.2\\.[0-9]{1,3}|[0-9a-f:]{2,20})(:[0-9]{1,6})?\"",
        "\"([0-9]{1,25}|[0-9.e-]{1,9})(ns|ms|s|m|h|y|µs| )?\"",
        "\"https?://[a-z0-9\\[\\]:@./?#%-]{0,30}\"",
        "\\[[\"a-z0-9., \n]{0,30}\\]?",
        "\\{[\"a-z0-9=., \n]{0,30}\\}?",
        "\"(main|web|www|cloudflare|route53|icmp|tcp)\"|\\{ type = \"(tcp|icmp)\"(, port = [0-9]{1,6})? \\}",
        check_value(),
        "\\PC{0,20}",
    ];
    prop_oneof![
        6 => (key, value).prop_map(|(key, value)| format!("{key} = {value}\n")),
        2 => "\\[{1,2}(Cloudflare|route53|MEMBERS|Status|[a-z.]{0,6})\\]{0,2}\n",
        2 => "\\[(zone|check|Zone|service)(\\.[a-zA-Z0-9-]{0,4}){0,2}\\]\n|\\[\\[(service|zone|check)\\]\\]\n",
        1 => "\\PC{0,30}\n?",
        1 => Just(ONE.to_owned()),
        1 => Just(CLOUDFLARE.to_owned()),
    ]
}

/// Every problem has its place within the text, and stays on one line.
fn check(text: &str) -> Result<(), TestCaseError> {
    let env = [("CF_API_TOKEN", text)];
    for (asked, env) in [(ASKED, &env[..]), (ON_ROUTE53, &env), (ASKED, &[])] {
        match read_with(text, asked, env) {
            Ok(config) => prop_assert!(config.in_words().contains("is valid")),
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for problem in &problems {
                    prop_assert_eq!(problem.lines().count(), 1, "{:?}", problem);
                    prop_assert!(!problem.contains(char::is_control), "{:?}", problem);
                }
            }
        }
    }
    let path = Path::new("goavail.toml");
    if let Err(errors) = goavail::testing::settings::parse(text, path, &ASKED, &|_| None) {
        for problem in errors.problems() {
            let lines = text.lines().count().max(1) + 1;
            prop_assert!(
                problem.line.is_none_or(|line| (1..=lines).contains(&line)),
                "{}",
                problem
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: share(2000), failure_persistence: None, ..Default::default() })]

    #[test]
    fn pieces_of_configuration_in_any_order_never_panic(pieces in prop::collection::vec(piece(), 0..12)) {
        check(&pieces.concat())?;
    }

    #[test]
    fn any_text_never_panics(text in "\\PC{0,200}|[\\x00-\\x7f]{0,200}") {
        check(&text)?;
    }
}

#[test]
fn deep_nesting_never_overflows_the_stack() {
    for text in ["[".repeat(100_000), format!("a={}", "[".repeat(100_000)), "a.".repeat(100_000)] {
        read_with(&text, ASKED, &[]).unwrap_err();
    }
}
