//! The public face of the library: closed modules, and the two that tests and benches may name.
//!
//! A module that is private is watched by the compiler: an item without a caller is reported.

use crate::source::{self, Source};

/// The public modules of the library.
const PUBLIC: [&str; 2] = ["engine", "testing"];

/// The folders of code that uses the library from outside.
const OUTSIDE: [&str; 2] = ["tests/", "benches/"];

#[test]
fn only_the_engine_and_testing_are_public() {
    let lib = source::all().iter().find(|file| file.path == "src/lib.rs").expect("there is one");
    let public = public_modules(&lib.code);
    assert_eq!(
        public, PUBLIC,
        "src/lib.rs: modules are private. What tests/it and benches need is named in src/testing.rs."
    );
}

#[test]
fn tests_and_benches_use_the_engine_and_testing_alone() {
    let outside = |file: &&Source| OUTSIDE.iter().any(|folder| file.path.starts_with(folder));
    let found: Vec<String> = source::all().iter().filter(outside).flat_map(strays).collect();
    assert!(
        found.is_empty(),
        "these are to come from goavail::testing or goavail::engine, one `use` each:\n{}",
        found.join("\n")
    );
}

/// The names of the modules that are declared as `pub`.
fn public_modules(code: &str) -> Vec<&str> {
    let declared = code.lines().filter_map(|line| line.trim().strip_prefix("pub mod "));
    declared.map(|rest| rest.trim_end_matches([';', '{', ' '])).collect()
}

/// The places that name something of the library but its public modules.
fn strays(file: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (offset, path) in file.code.match_indices("goavail::") {
        let rest = &file.code[offset + path.len()..];
        let is_public = PUBLIC
            .iter()
            .any(|module| rest.strip_prefix(module).is_some_and(|after| after.starts_with("::")));
        if !is_public {
            let line = file.line(offset);
            found.push(format!("{}:{line}: goavail::{}", file.path, first_word(rest)));
        }
    }
    found
}

/// The text up to the end of the first path element.
fn first_word(rest: &str) -> &str {
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
    &rest[..end.unwrap_or(rest.len()).max(1).min(rest.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_modules_are_told_from_private_ones() {
        let code = "mod a;\npub mod b;\npub(crate) mod c;\npub mod d {\n}\npub use e::f;";
        assert_eq!(public_modules(code), ["b", "d"]);
    }

    #[test]
    fn other_paths_into_the_library_are_found() {
        let rows = [
            ("use goavail::testing::dns::Listing;", None),
            ("use goavail::engine::{Engine, Moment};", None),
            ("// goavail::dns\nlet a = \"goavail::agent\";", None),
            ("use goavail::dns::Listing;", Some("tests/it/a.rs:1: goavail::dns")),
            ("a();\ngoavail::panics::counts();", Some("tests/it/a.rs:2: goavail::panics")),
            ("use goavail::engines::A;", Some("tests/it/a.rs:1: goavail::engines")),
            ("use goavail::{engine::Engine};", Some("tests/it/a.rs:1: goavail::{")),
        ];
        for (text, want) in rows {
            let found = strays(&Source::new("tests/it/a.rs", text));
            assert_eq!(found.first().map(String::as_str), want, "{text}");
        }
    }
}
