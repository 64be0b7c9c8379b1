//! Closures with a name of their own are rare: a rule is a function, and a step stands in its place.

use crate::ratchet::{Excess, hold};
use crate::source::{self, Source};

/// There is one named closure in so many lines of code at most, over all of `src`.
const LINES_A_CLOSURE: usize = 4_000;

#[test]
fn named_closures_are_rare() {
    let advice = format!(
        "There is at most one named closure (`let name = |…|`) in {LINES_A_CLOSURE} lines of code: name a \
         function if it is a rule, or write it in its place if it is used once. A `for` with an `if` \
         often reads best."
    );
    let files: Vec<&Source> =
        source::all().iter().filter(|file| file.path.starts_with("src/")).collect();
    let lines: usize = files.iter().map(|file| lines_of_code(file)).sum();
    let places: Vec<String> = files.iter().flat_map(|file| named_closures(file)).collect();
    println!("{} named closures in {lines} lines of code", places.len());
    let mut found = Vec::new();
    if too_many(places.len(), lines) {
        found.push(Excess { name: "src".into(), number: places.len(), places });
    }
    hold("named-closures", &advice, &found);
}

fn too_many(closures: usize, lines: usize) -> bool {
    closures * LINES_A_CLOSURE > lines
}

/// The number of lines that are neither empty nor a comment alone.
fn lines_of_code(file: &Source) -> usize {
    file.code.lines().filter(|line| !line.trim().is_empty()).count()
}

/// The places of closures that are given a name.
fn named_closures(file: &Source) -> Vec<String> {
    let mut places = Vec::new();
    for (offset, keyword) in file.code.match_indices("let ") {
        let starts_a_word = file.code[..offset].ends_with(|c: char| c.is_whitespace() || c == '{');
        if (offset == 0 || starts_a_word) && binds_a_closure(&file.code[offset + keyword.len()..]) {
            places.push(format!("{}:{}", file.path, file.line(offset)));
        }
    }
    places
}

/// Whether the text after a `let` is a name and a closure, on one line or two.
fn binds_a_closure(rest: &str) -> bool {
    let rest = rest.strip_prefix("mut ").unwrap_or(rest);
    let Some((name, value)) = rest.split_once('=') else { return false };
    let name = name.trim();
    let value = value.trim_start();
    let value = value.strip_prefix("async ").unwrap_or(value);
    let value = value.strip_prefix("move ").unwrap_or(value);
    value.starts_with('|') && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closures_with_a_name_are_found() {
        let rows = [
            ("fn a() {\n    let is_b = |c| c > 1;", Some("src/a.rs:2")),
            ("let mut b = move || c();", Some("src/a.rs:1")),
            ("let b =\n    |c: &D| c.e();", Some("src/a.rs:1")),
            ("let b = c.iter().map(|d| d.e());", None),
            ("let b = c || d;", None),
            ("if let Some(b) = c {", None),
            ("// let b = |c| c;", None),
            ("outlet = |a| a;", None),
        ];
        for (text, want) in rows {
            let found = named_closures(&Source::new("src/a.rs", text));
            assert_eq!(found.first().map(String::as_str), want, "{text}");
        }
    }

    #[test]
    fn closures_are_counted_against_the_lines_of_code() {
        let rows = [(0, 0, false), (1, 3_999, true), (1, 4_000, false), (10, 40_000, false)];
        for (closures, lines, want) in rows {
            assert_eq!(too_many(closures, lines), want, "{closures} in {lines}");
        }
        assert_eq!(lines_of_code(&Source::new("src/a.rs", "a\n\n// b\n  c // d\n")), 2);
    }
}
