//! One name, one type.

use std::collections::BTreeMap;

use crate::ratchet::{Excess, hold};
use crate::source::{self, Source};
use crate::words::definition;

/// Names that may be defined more than once, and the reason.
/// The document of the status has parts with the names of the engine's types, since they are the same
/// things for the reader of the JSON.
const EXCEPTIONS: [(&str, &str); 5] = [
    ("Canary", "status::model has its JSON form"),
    ("Health", "status::model has its JSON form"),
    ("Outcome", "status::model has its JSON form"),
    ("Target", "status::model has its JSON form"),
    ("Vote", "status::model has its JSON form"),
];

#[test]
fn no_type_name_is_defined_twice() {
    let files: Vec<&Source> = source::all().iter().filter(|file| !file.is_test()).collect();
    let (found, unused) = twice(&files, &EXCEPTIONS);
    assert!(unused.is_empty(), "no reason, or not defined twice; delete the row: {unused:?}");
    hold("type-names", "A name means one type: choose another that says the difference.", &found);
}

/// The names that are defined more than once, and the exceptions that are of no use.
fn twice<'a>(files: &[&Source], exceptions: &[(&'a str, &str)]) -> (Vec<Excess>, Vec<&'a str>) {
    let mut places = BTreeMap::<String, Vec<String>>::new();
    for file in files {
        for (name, line) in types(file) {
            places.entry(name).or_default().push(format!("{}:{line}", file.path));
        }
    }
    places.retain(|_, places| places.len() > 1);
    let mut unused = Vec::new();
    for (name, reason) in exceptions {
        if places.remove(*name).is_none() || reason.is_empty() {
            unused.push(*name);
        }
    }
    let excess = |(name, places): (String, Vec<String>)| {
        let number = places.len();
        Excess { name, number, places }
    };
    (places.into_iter().map(excess).collect(), unused)
}

/// The types that a file defines for others than tests, with their lines.
fn types(file: &Source) -> Vec<(String, usize)> {
    let code = file.shipped_code();
    let mut found = Vec::new();
    for (nth, line) in code.lines().enumerate() {
        let Some((kind, name)) = definition(line) else { continue };
        let is_type = match kind {
            "struct" | "enum" | "trait" => true,
            // An associated type is indented and has the name that its trait gives it.
            "type" => !line.starts_with(' '),
            _ => false,
        };
        if is_type {
            found.push((name.to_owned(), nth + 1));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_defined_twice_are_found_but_for_exceptions() {
        type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], &'a [&'a str]);
        let files = [("src/a.rs", "struct A;\nstruct B;"), ("src/b.rs", "\nenum A {}\nenum B {}")];
        let files = files.map(|(path, text)| Source::new(path, text));
        let files: Vec<&Source> = files.iter().collect();
        let rows: [Row<'_>; 4] = [
            (&[], &["A", "B"], &[]),
            (&[("A", "a trait of std asks for it")], &["B"], &[]),
            (&[("A", "")], &["B"], &["A"]),
            (&[("C", "it was defined twice once")], &["A", "B"], &["C"]),
        ];
        for (exceptions, names, unused) in rows {
            let (found, useless) = twice(&files, exceptions);
            let found: Vec<_> = found.iter().map(|excess| excess.name.as_str()).collect();
            assert_eq!((found.as_slice(), useless.as_slice()), (names, unused), "{exceptions:?}");
        }
        assert_eq!(twice(&files, &[]).0[0].places, ["src/a.rs:1", "src/b.rs:2"]);
    }

    #[test]
    fn types_are_found() {
        let rows = [
            ("pub(super) struct A(u8);\nenum B {}\n", vec!["A", "B"]),
            ("pub type A = u8;\npub trait B<T> {\n    type C;\n}", vec!["A", "B"]),
            ("#[cfg(test)]\nmod tests {\n    struct A;\n}\nstruct B;", vec!["B"]),
            ("// struct A\nfn a() {\n    struct B;\n}", vec!["B"]),
        ];
        for (text, want) in rows {
            let found = types(&Source::new("src/a.rs", text));
            let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, want, "{text}");
        }
    }
}
