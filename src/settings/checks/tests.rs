//! A type of check is one file and one line in the registry.

use std::path::Path;

use super::*;
use crate::config::document;
use crate::config::field::Field;
use crate::config::keys::Schema;
use crate::config::problem::Report;
use crate::config::rule::integer;
use crate::dns::providers::PROVIDERS;
use crate::settings::pace_keys::PaceKeys;
use crate::settings::tables::Kinds;
use crate::settings::{Asked, parse_with};

/// Everything that a new type needs beside its line in the registry.
struct DummyKeys {
    depth: Field<u16>,
}

impl ParsedKeys for DummyKeys {
    const KEYS: &'static [Key] = &[Key::new("depth")];

    fn parse(values: &mut FieldReader<'_>) -> Self {
        Self { depth: values.one(HOME, "depth", integer(1, 9)) }
    }
}

impl CheckKeys for DummyKeys {
    fn validate(&self, check: &mut CheckContext<'_, '_>) {
        if self.depth.is_absent() {
            check.refuse_missing("depth", "a number");
        }
    }

    fn question(&self, _: &Asker<'_>, _: &mut CheckContext<'_, '_>) -> Option<CheckQuestion> {
        let depth = *self.depth.value()?;
        let values = vec![ValueInForce::new("depth", depth.to_string(), self.depth.spot())];
        let words = format!("by sounding {depth} deep");
        Some(CheckQuestion { method: CheckMethod::Connect(depth), words, values })
    }
}

/// Returns the words of `goavail check` about a file with this check, or its problems.
fn described(check: &str) -> String {
    let [icmp, tcp, ..] = CHECK_TYPES;
    let types = [icmp, tcp, CheckType::new::<DummyKeys>("dummy")];
    let kinds = Kinds { providers: &PROVIDERS, checks: &types, channels: &[] };
    let text = format!(
        "check = {{ {check} }}\n[Cloudflare]\ndns_domain = \"example.com\"\nhostnames = [\"www\"]\n\
         ip_addresses = [\"192.0.2.1\"]\n"
    );
    let asked = Asked { tcp: None, provider: None, dry_run: true };
    match parse_with(kinds, &text, Path::new("x"), &asked, &|_| None) {
        Ok(config) => config.in_words(),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn a_type_of_check_is_a_file_and_a_line_in_the_registry() {
    let words = described("type = \"dummy\", depth = 3");
    assert!(words.contains("1 address by sounding 3 deep: 192.0.2.1"), "{words}");
    let rows = [
        ("type = \"dummy\"", "x:1: check.depth: missing; a number"),
        (
            "type = \"dummy\", depth = 10",
            "x:1: check.depth: 10 is not allowed; an integer from 1 to 9",
        ),
        ("type = \"icmp\", depth = 3", "x:1: check.depth: belongs to type = \"dummy\" only"),
        ("depth = 3", "x:1: check.type: missing; \"icmp\", \"tcp\" or \"dummy\""),
    ];
    for (check, want) in rows {
        assert_eq!(described(check), want, "{check}");
    }
}

/// The value of a key that is declared and not taken would be ignored without a word.
#[test]
fn every_key_of_a_type_is_taken() {
    for known in CHECK_TYPES {
        let mut schema = Schema::default();
        schema.add_group(group(&CHECK_TYPES));
        let text = format!("[check.a]\ntype = \"{}\"\n", known.word);
        let mut report = Report::new("x");
        let mut document = document::read(&text, schema, &mut report);
        let table = document.take_tables().pop().expect("one table");
        let mut values = FieldReader { document: table.document, report: &mut report };
        for key in ["type", "mode"] {
            assert!(values.document.take(HOME, key).is_some() == (key == "type"), "{key}");
        }
        PaceKeys::parse(HOME, &mut values);
        (known.parse)(&mut values);
        values.document.assert_all_taken();
    }
}
