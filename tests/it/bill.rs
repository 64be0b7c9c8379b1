//! The bill of materials against `Cargo.lock`, and both against `deny.toml`: licences, versions and
//! sources of the crates in the binary. The tools that write and read these files take minutes to
//! compile; the two files are read here as they read them.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The target of the bill.
const TARGET: &str = "x86_64-unknown-linux-musl";

/// The words that write the bill anew.
const ANEW: &str = "run packaging/sbom.sh";

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn toml(name: &str) -> toml::Table {
    read(name).parse().unwrap()
}

fn bill() -> Value {
    serde_json::from_str(&read("packaging/goavail.cdx.json")).unwrap()
}

/// The texts of a list in a table.
fn texts(list: &toml::Value) -> BTreeSet<&str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// The crates of the bill, by name and version.
fn crates(bill: &Value) -> BTreeMap<(String, String), &Value> {
    let components = bill["components"].as_array().unwrap().iter();
    let key = |it: &Value| {
        (it["name"].as_str().unwrap().to_owned(), it["version"].as_str().unwrap().to_owned())
    };
    components.map(|component| (key(component), component)).collect()
}

#[test]
fn the_bill_has_the_crates_that_cargo_builds_and_no_other() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal,build", "--prefix", "none"])
        .args(["--target", TARGET, "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let tree = String::from_utf8(output.stdout).unwrap();
    let mut built = BTreeSet::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split(' ');
        let (name, version) = (words.next().unwrap(), words.next().unwrap());
        built.insert((name.to_owned(), version.trim_start_matches('v').to_owned()));
    }
    let own = ("goavail".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    assert!(built.remove(&own), "{built:?}");
    let bill = bill();
    assert_eq!(bill["metadata"]["component"]["version"], env!("CARGO_PKG_VERSION"), "{ANEW}");
    let listed: BTreeSet<_> = crates(&bill).into_keys().collect();
    let missing: Vec<_> = built.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&built).collect();
    assert!(missing.is_empty() && gone.is_empty(), "{ANEW}: {missing:?} {gone:?}");
    assert!(listed.len() > 200, "{}", listed.len());
}

#[test]
fn each_crate_of_the_bill_is_the_one_in_the_lock_from_an_allowed_source() {
    let lock = toml("Cargo.lock");
    let mut locked = BTreeMap::new();
    for package in lock["package"].as_array().unwrap() {
        let text = |key: &str| package.get(key).and_then(toml::Value::as_str).unwrap_or_default();
        let version = (text("name").to_owned(), text("version").to_owned());
        locked.insert(version, (text("source").to_owned(), text("checksum").to_owned()));
    }
    let sources = toml("deny.toml")["sources"].clone();
    for key in ["unknown-registry", "unknown-git"] {
        assert_eq!(sources[key].as_str(), Some("deny"), "{key}");
    }
    for (name, component) in crates(&bill()) {
        let (source, checksum) = &locked[&name];
        assert_eq!(source, "registry+https://github.com/rust-lang/crates.io-index", "{name:?}");
        assert_eq!(component["hashes"][0]["content"], **checksum, "{name:?}: {ANEW}");
        assert_eq!(component["hashes"][0]["alg"], "SHA-256", "{name:?}");
    }
}

/// The licences of a component, as one expression.
fn licence(component: &Value) -> String {
    let parts = component["licenses"].as_array().into_iter().flatten().map(|licence| {
        let named = &licence["license"];
        let texts = [&licence["expression"], &named["id"], &named["name"]];
        let text = texts.into_iter().find_map(Value::as_str).unwrap_or_default();
        // The older way to write a choice.
        format!("({})", text.replace(" / ", "/").replace('/', " OR "))
    });
    parts.collect::<Vec<_>>().join(" AND ")
}

/// Whether an expression can be fulfilled with these licences.
fn is_allowed(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let mut depth = 0;
    for joint in [" OR ", " AND "] {
        let mut parts = vec![String::new()];
        for (at, letter) in expression.char_indices() {
            depth += i32::from(letter == '(') - i32::from(letter == ')');
            if depth == 0 && expression[at..].starts_with(joint) {
                parts.push(String::new());
            }
            parts.last_mut().unwrap().push(letter);
        }
        if parts.len() > 1 {
            let mut parts = parts.iter().map(|part| part.strip_prefix(joint).unwrap_or(part));
            let allows = |part: &str| is_allowed(part, allowed);
            return if joint == " AND " { parts.all(allows) } else { parts.any(allows) };
        }
    }
    match expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => is_allowed(inner, allowed),
        None => allowed.contains(expression),
    }
}

#[test]
fn each_licence_in_the_binary_is_allowed_and_those_with_duties_are_named() {
    let deny = toml("deny.toml");
    let allowed = texts(&deny["licenses"]["allow"]);
    let mut exceptions = BTreeMap::new();
    for exception in deny["licenses"]["exceptions"].as_array().unwrap() {
        exceptions.insert(exception["crate"].as_str().unwrap(), texts(&exception["allow"]));
    }
    let page = read("THIRD-PARTY.md");
    let mut met = BTreeSet::new();
    for ((name, version), component) in crates(&bill()) {
        let licence = licence(component);
        if is_allowed(&licence, &allowed) {
            continue;
        }
        let exception = exceptions.get_key_value(name.as_str());
        let (key, its) = exception.unwrap_or_else(|| panic!("{name} {version}: {licence:?}"));
        assert!(is_allowed(&licence, its), "{name} {version}: {licence:?}");
        assert!(page.contains(&format!("| {name} ")), "THIRD-PARTY.md: {name}");
        met.insert(*key);
    }
    assert_eq!(met, exceptions.into_keys().collect(), "exceptions without a crate");
}

#[test]
fn no_banned_crate_is_in_the_binary_and_duplicates_are_known() {
    let deny = toml("deny.toml");
    let bans = &deny["bans"];
    let listed = |key: &str| -> BTreeSet<String> {
        let entries = bans[key].as_array().unwrap().iter();
        entries.map(|entry| entry["crate"].as_str().unwrap().to_owned()).collect()
    };
    let bill = bill();
    let crates = crates(&bill);
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, version) in crates.keys() {
        assert!(!listed("deny").contains(name), "{name} is banned");
        versions.entry(name).or_default().push(version);
    }
    let mut known = listed("skip");
    for (name, versions) in versions {
        for version in &versions[..versions.len() - 1] {
            let is_it = |known: &String| {
                let (its, beginning) = known.split_once('@').unwrap();
                its == name && version.starts_with(&format!("{beginning}."))
            };
            let count = known.len();
            known.retain(|entry| !is_it(entry));
            assert!(known.len() < count, "{name} is there as {versions:?}");
        }
    }
    assert!(known.is_empty(), "not there twice any more: {known:?}");
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    let allowed = BTreeSet::from(["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"]);
    let rows = [
        ("MIT", true),
        ("GPL-3.0", false),
        ("", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("(MIT) AND (GPL-3.0)", false),
        ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
        ("MIT AND GPL-3.0 OR ISC AND MIT", true),
    ];
    for (expression, want) in rows {
        assert_eq!(is_allowed(expression, &allowed), want, "{expression}");
    }
}
