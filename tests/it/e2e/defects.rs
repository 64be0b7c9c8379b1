//! The table in the documentation of [`super`] is true: every test that it names exists.

use std::collections::BTreeSet;
use std::process::Command;

/// The defects that this issue is about.
const CONCERNED: [u32; 23] =
    [1, 2, 3, 7, 8, 9, 10, 14, 15, 16, 17, 18, 19, 22, 23, 24, 25, 30, 35, 36, 37, 38, 39];

/// One row: the defect, if it is named, and the test.
fn row(line: &str) -> Option<(Option<u32>, &str)> {
    let cells: Vec<_> = line.strip_prefix("//! | ")?.split('|').map(str::trim).collect();
    let test = cells.get(2)?.strip_prefix('`')?.strip_suffix('`')?;
    Some((cells[0].parse().ok(), test))
}

/// The tests of this program, as it lists them itself.
fn own_tests() -> BTreeSet<String> {
    let program = std::env::current_exe().unwrap();
    let listed = Command::new(program).args(["--list", "--format", "terse"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// Whether a unit test is written where its name says that it is.
fn is_unit_test(name: &str) -> bool {
    let (modules, test) = name.rsplit_once("::").unwrap();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let holds = |modules: &str| {
        let file = root.join(format!("{}.rs", modules.replace("::", "/")));
        let source = std::fs::read_to_string(file).unwrap_or_default();
        source.contains(&format!("fn {test}("))
    };
    holds(modules) || modules.strip_suffix("::tests").is_some_and(holds)
}

#[test]
fn every_defect_has_a_test_that_exists() {
    let rows: Vec<_> = include_str!("../e2e.rs").lines().filter_map(row).collect();
    let defects: Vec<u32> = rows.iter().filter_map(|(defect, _)| *defect).collect();
    assert_eq!(defects, CONCERNED);
    let own = own_tests();
    for (_, test) in rows {
        let there = match test.split_once(' ') {
            Some(("lib", name)) => is_unit_test(name),
            Some(("it", name)) => own.contains(name),
            _ => own.contains(&format!("e2e::{test}")),
        };
        assert!(there, "there is no test {test}");
    }
}
