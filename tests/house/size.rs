//! Files, functions and lists of parameters stay short enough to be read at once.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::ratchet::{Excess, hold};
use crate::source::{self, Source, item_end};

/// A source file has fewer lines.
const FILE_LINES: usize = 400;

/// A function has fewer lines, from `fn` to its last brace.
const FUNCTION_LINES: usize = 60;

/// A function has no more parameters, `self` among them.
const PARAMETERS: usize = 5;

#[test]
fn source_files_are_short() {
    let advice = format!("A source file has fewer than {FILE_LINES} lines: split it by concept.");
    let found: Vec<_> = source::all().iter().filter_map(long_file).collect();
    hold("file-lines", &advice, &found);
}

#[test]
fn functions_are_short() {
    let advice = format!("A function has fewer than {FUNCTION_LINES} lines: name its parts.");
    let long = |function: &Function| function.lines >= FUNCTION_LINES;
    hold("function-lines", &advice, &over(source::all(), long, |function| function.lines));
}

#[test]
fn functions_have_few_parameters() {
    let advice = format!(
        "A function has {PARAMETERS} parameters at most, `self` among them: group those that travel together."
    );
    let many = |function: &Function| !function.is_of_trait && function.parameters > PARAMETERS;
    hold("parameters", &advice, &over(source::all(), many, |function| function.parameters));
}

fn long_file(file: &Source) -> Option<Excess> {
    let number = file.text.lines().count();
    let excess = Excess { name: file.path.clone(), number, places: vec![] };
    (number >= FILE_LINES).then_some(excess)
}

/// The functions of all files that are over a limit. Two of one name in one file count as the worse.
fn over(
    files: &[Source],
    is_over: impl Fn(&Function) -> bool,
    number: impl Fn(&Function) -> usize,
) -> Vec<Excess> {
    let mut found = BTreeMap::<String, Excess>::new();
    for file in files {
        for function in functions(file).iter().filter(|function| is_over(function)) {
            let name = format!("{}::{}", file.path, function.name);
            let excess =
                found.entry(name.clone()).or_insert(Excess { name, number: 0, places: vec![] });
            excess.number = excess.number.max(number(function));
            excess.places.push(format!("{}:{}", file.path, function.line));
        }
    }
    found.into_values().collect()
}

/// A function as it is written.
#[derive(Debug, PartialEq, Eq)]
struct Function {
    name: String,
    line: usize,
    lines: usize,
    parameters: usize,
    /// Whether a trait prescribes its parameters. They count where the trait is, if it is of this crate.
    is_of_trait: bool,
}

fn functions(file: &Source) -> Vec<Function> {
    let code = &file.code;
    let implementations = implementations(code);
    let begins = code.match_indices("fn ").map(|(offset, _)| offset);
    let whole_word = begins
        .filter(|at| !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '#'));
    let found = whole_word.filter_map(|at| {
        let is_of_trait = implementations.iter().any(|range| range.contains(&at));
        Some(Function { is_of_trait, ..function(file, at)? })
    });
    found.collect()
}

/// The places of the implementations of traits.
fn implementations(code: &str) -> Vec<Range<usize>> {
    let begins = code.match_indices("impl").map(|(at, _)| at);
    let at_margin = begins.filter(|at| *at == 0 || code[..*at].ends_with('\n'));
    let of_trait = at_margin.filter(|at| {
        let head = code[*at..].split('{').next().unwrap_or_default();
        head.split_whitespace().any(|word| word == "for")
    });
    of_trait.map(|at| at..item_end(code, at)).collect()
}

/// The function with its `fn` at `at`; `None` if that is a type.
fn function(file: &Source, at: usize) -> Option<Function> {
    let rest = &file.code[at + "fn ".len()..];
    let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if name.is_empty() {
        return None;
    }
    let line = file.line(at);
    let lines = file.line(item_end(&file.code, at).saturating_sub(1)) - line + 1;
    Some(Function { name, line, lines, parameters: parameters(rest), is_of_trait: false })
}

/// The number of parameters in the first parentheses after a function's name and generics.
fn parameters(rest: &str) -> usize {
    let (mut depth, mut angles, mut count, mut pending) = (0_usize, 0_usize, 0, false);
    let mut before = ' ';
    for c in rest.chars() {
        let inside = depth == 1 && angles == 0;
        match c {
            '(' if depth == 0 && angles > 0 => angles += 1, // `F: Fn(…)` in the generics
            ')' if depth == 0 && angles > 1 => angles -= 1,
            '(' | '[' | '{' => {
                pending |= inside;
                depth += 1;
            }
            ')' | ']' | '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return count + usize::from(pending);
                }
            }
            '<' => angles += 1,
            '>' if before != '-' => angles = angles.saturating_sub(1),
            ',' if inside => {
                count += usize::from(pending);
                pending = false;
            }
            c => pending |= inside && !c.is_whitespace(),
        }
        before = c;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(text: &str) -> Vec<(String, usize, usize)> {
        let found = functions(&Source::new("src/a.rs", text));
        found.into_iter().map(|it| (it.name, it.lines, it.parameters)).collect()
    }

    #[test]
    fn files_and_functions_over_the_limit_are_found() {
        let file = |lines: usize| Source::new("src/a.rs", &"\n".repeat(lines));
        assert!(long_file(&file(FILE_LINES - 1)).is_none());
        assert_eq!(long_file(&file(FILE_LINES)).map(|excess| excess.number), Some(FILE_LINES));

        let text = format!("fn a() {{}}\nfn b() {{{}}}\nfn b() {{\n}}", "\n".repeat(70));
        let files = [Source::new("src/a.rs", &text)];
        let long = over(&files, |function| function.lines >= 2, |function| function.lines);
        let found: Vec<_> = long.iter().map(|it| (it.name.as_str(), it.number)).collect();
        assert_eq!(found, [("src/a.rs::b", 71)], "the worse of two");
        assert_eq!(long[0].places, ["src/a.rs:2", "src/a.rs:73"]);
    }

    #[test]
    fn a_function_of_a_trait_counts_where_the_trait_is() {
        let text = "trait T {\n    fn a();\n}\nimpl T for A {\n    fn a() {}\n}\nimpl A {\n    fn b() {}\n}\n";
        let found = functions(&Source::new("src/a.rs", text));
        assert_eq!(found.iter().map(|it| it.is_of_trait).collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn functions_are_measured() {
        let rows = [
            ("fn a() {}", ("a", 1, 0)),
            ("fn a(&self, b: u8) -> u8 {\n    1\n}\n", ("a", 3, 2)),
            ("pub fn a<T: Into<(u8, u8)>>(\n    b: T,\n    c: [u8; 2],\n) {\n}", ("a", 5, 2)),
            ("fn a<F: Fn(u8, u8) -> u8>(b: F) {}", ("a", 1, 1)),
            ("fn a(b: BTreeMap<u8, Vec<u8>>, (c, d): (u8, u8)) -> (u8, u8) { c }", ("a", 1, 2)),
            ("fn a(b: impl Fn(u8, u8) -> u8, c: u8, d: u8, e: u8, f: u8, g: u8);", ("a", 1, 6)),
            ("fn a() {\n    // }\n    \"}\";\n}", ("a", 4, 0)),
        ];
        for (text, (name, lines, parameters)) in rows {
            assert_eq!(shapes(text), [(name.to_owned(), lines, parameters)], "{text}");
        }
        assert_eq!(shapes("type A = fn (u8);"), [], "a type is no function");
        assert_eq!(shapes("fn a() {\n    fn b() {\n    }\n}").len(), 2, "one within another");
    }
}
