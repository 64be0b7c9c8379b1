//! Numbers that are over a limit, frozen: they may fall and never rise.
//!
//! `frozen.txt` has a row for each file or name that is over a limit: the rule, the name and the number
//! that it has today. A number that rises fails, and so does a row that is missing. A number that falls
//! fails too, until the row is tightened, so that no gain is lost again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::source::{read, root};

/// Numbers by name.
pub(crate) type Numbers = BTreeMap<String, usize>;

/// Set to `write`, it has the numbers that fell written to `frozen.txt`.
const SWITCH: &str = "GOAVAIL_HOUSE";

/// The first lines of the file.
const HEAD: &str = "\
# Numbers over a limit of tests/house: the rule, the file or name, the number today.
# They only fall. `GOAVAIL_HOUSE=write cargo test --test house` writes those that fell.
";

/// One thing over a limit.
pub(crate) struct Excess {
    /// The file, or the name.
    pub(crate) name: String,
    pub(crate) number: usize,
    /// The places, to be shown if the number rises.
    pub(crate) places: Vec<String>,
}

/// Fails unless `found` is as frozen. `advice` is the remedy for an excess.
#[expect(clippy::print_stdout, reason = "the figures of today, seen with --nocapture")]
pub(crate) fn hold(rule: &str, advice: &str, found: &[Excess]) {
    static WRITING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut frozen = parse(&read(&file()));
    let before = frozen.remove(rule).unwrap_or_default();
    if std::env::var(SWITCH).is_ok_and(|value| value == "write") {
        let after = tightened(&before, found);
        frozen.insert(rule.to_owned(), after.clone());
        fs::write(file(), print(&frozen)).expect("frozen.txt can be written");
        assert_none(rule, &complaints(rule, advice, &after, found));
    } else {
        assert_none(rule, &complaints(rule, advice, &before, found));
    }
    let total: usize = found.iter().map(|excess| excess.number).sum();
    println!("{rule}: {} rows, {total} in all", found.len());
}

fn assert_none(rule: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "{rule}:\n{}", complaints.join("\n"));
}

/// The complaints about `found`, if `frozen` is allowed.
fn complaints(rule: &str, advice: &str, frozen: &Numbers, found: &[Excess]) -> Vec<String> {
    let mut complaints = Vec::new();
    for Excess { name, number, places } in found {
        let allowed = frozen.get(name).copied().unwrap_or_default();
        if *number > allowed {
            let mut text = format!("{name}: {number}, and {allowed} is allowed. {advice}");
            for place in places {
                let _ = write!(text, "\n    {place}");
            }
            complaints.push(text);
        }
    }
    for (name, allowed) in frozen {
        let number = found.iter().find(|excess| excess.name == *name).map_or(0, |it| it.number);
        if number < *allowed {
            complaints.push(format!(
                "{name}: better than frozen ({number} < {allowed}). Tighten the row `{rule} {name} \
                 {allowed}`: run {SWITCH}=write cargo test --test house. If it was moved only, change \
                 the name in its row by hand first"
            ));
        }
    }
    complaints
}

/// `frozen` with the numbers that fell, and without the rows that are done.
fn tightened(frozen: &Numbers, found: &[Excess]) -> Numbers {
    let today = |name: &str| found.iter().find(|excess| excess.name == name);
    let fell = frozen.iter().filter_map(|(name, allowed)| {
        let number = today(name).map_or(0, |excess| excess.number).min(*allowed);
        (number > 0).then(|| (name.clone(), number))
    });
    fell.collect()
}

fn file() -> PathBuf {
    root().join("tests/house/frozen.txt")
}

/// Rows by rule. A name may hold spaces.
fn parse(text: &str) -> BTreeMap<String, Numbers> {
    let mut frozen: BTreeMap<String, Numbers> = BTreeMap::new();
    for row in text.lines().filter(|row| !row.starts_with('#') && !row.is_empty()) {
        let parts = row.split_once(' ').and_then(|(rule, rest)| {
            let (name, number) = rest.rsplit_once(' ')?;
            Some((rule, name, number.parse().ok()?))
        });
        let (rule, name, number) =
            parts.unwrap_or_else(|| panic!("frozen.txt: {row} is no `rule name number`"));
        let twice = frozen.entry(rule.to_owned()).or_default().insert(name.to_owned(), number);
        assert_eq!(twice, None, "frozen.txt: {rule} {name} stands there twice");
    }
    frozen
}

fn print(frozen: &BTreeMap<String, Numbers>) -> String {
    let mut text = HEAD.to_owned();
    for (rule, numbers) in frozen {
        for (name, number) in numbers {
            let _ = writeln!(text, "{rule} {name} {number}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(rows: &[(&str, usize)]) -> Numbers {
        rows.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect()
    }

    fn found(rows: &[(&str, usize)]) -> Vec<Excess> {
        let excess = |(name, number): &(&str, usize)| Excess {
            name: (*name).into(),
            number: *number,
            places: vec!["a.rs:7".into()],
        };
        rows.iter().map(excess).collect()
    }

    #[test]
    fn what_is_frozen_may_stay_and_neither_rise_nor_fall_unnoticed() {
        type Row<'a> = (&'a str, &'a [(&'a str, usize)], &'a [(&'a str, usize)], Option<&'a str>);
        let rows: [Row<'_>; 5] = [
            ("it stays", &[("a.rs", 3)], &[("a.rs", 3)], None),
            (
                "it rises",
                &[("a.rs", 3)],
                &[("a.rs", 4)],
                Some("a.rs: 4, and 3 is allowed. Cut it.\n    a.rs:7"),
            ),
            ("it is new", &[], &[("b.rs", 1)], Some("b.rs: 1, and 0 is allowed. Cut it.")),
            (
                "it falls",
                &[("a.rs", 3)],
                &[("a.rs", 2)],
                Some("a.rs: better than frozen (2 < 3). Tighten"),
            ),
            ("it is done", &[("a.rs", 3)], &[], Some("a.rs: better than frozen (0 < 3). Tighten")),
        ];
        for (name, frozen, today, want) in rows {
            let complaints = complaints("size", "Cut it.", &numbers(frozen), &found(today));
            match want {
                None => assert!(complaints.is_empty(), "{name}: {complaints:?}"),
                Some(want) => {
                    assert_eq!(complaints.len(), 1, "{name}: {complaints:?}");
                    assert!(complaints[0].starts_with(want), "{name}: {complaints:?}");
                }
            }
        }
    }

    #[test]
    fn tightening_lowers_and_removes_and_never_raises_or_adds() {
        let frozen = numbers(&[("done", 1), ("fell", 3), ("rose", 2)]);
        let today = found(&[("fell", 2), ("rose", 9), ("new", 1)]);
        assert_eq!(tightened(&frozen, &today), numbers(&[("fell", 2), ("rose", 2)]));
    }

    #[test]
    fn the_file_is_read_as_it_is_written() {
        let frozen = BTreeMap::from([("size".to_owned(), numbers(&[("a b", 1), ("c", 2)]))]);
        assert_eq!(parse(&print(&frozen)), frozen);
    }
}
