//! Modules use each other in one direction.
//!
//! Looked at for each module: among its children, each with all that is below it, no import leads in a
//! circle. A child may name its parent, and a parent its children.

use std::collections::{BTreeMap, BTreeSet};

use crate::ratchet::{Excess, hold};
use crate::source::{self, Source};

/// A module by its names from the root of the crate.
type ModulePath = Vec<String>;

/// The module that a name comes from, by the module that has it by an import.
type Origins = BTreeMap<(ModulePath, String), ModulePath>;

/// The imports among the children of one module: from, to, and one place of each.
type Imports = BTreeMap<(String, String), String>;

#[test]
fn no_import_leads_in_a_circle() {
    let files: Vec<&Source> = source::all().iter().filter(|file| !file.is_test()).collect();
    let found = by_parent(&files).into_iter().filter_map(|(parent, imports)| {
        let places = circular(&imports);
        let name = [&["crate".to_owned()], parent.as_slice()].concat().join("::");
        let excess = Excess { name, number: places.len(), places };
        (excess.number > 0).then_some(excess)
    });
    let advice = "So many imports among its children are part of a circle: move the type that both need \
                  to the lower one, or return what happened and let the parent act.";
    hold("import-circles", advice, &found.collect::<Vec<_>>());
}

/// The imports between siblings, by their parent.
fn by_parent(files: &[&Source]) -> BTreeMap<ModulePath, Imports> {
    let modules: BTreeSet<ModulePath> =
        files.iter().filter_map(|file| module(&file.path)).collect();
    let origins = origins(files, &modules);
    let mut all = BTreeMap::<ModulePath, Imports>::new();
    for file in files {
        let Some(from) = module(&file.path) else { continue };
        let code = file.shipped_code();
        for (offset, path) in paths(&code) {
            let to = resolve(&from, &path, &modules, &origins);
            let shared = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
            let (Some(one), Some(other)) = (from.get(shared), to.get(shared)) else { continue };
            let imports = all.entry(from[..shared].to_vec()).or_default();
            let place = || format!("{one} -> {other} ({}:{})", file.path, file.line(offset));
            imports.entry((one.clone(), other.clone())).or_insert_with(place);
        }
    }
    all
}

/// The origin of each name that a module imports: others may take it from there.
fn origins(files: &[&Source], modules: &BTreeSet<ModulePath>) -> Origins {
    let mut origins = Origins::new();
    for file in files {
        let Some(of) = module(&file.path) else { continue };
        for (offset, _) in file.code.match_indices("use ") {
            branches(&file.code[offset + "use ".len()..], &mut Vec::new(), &mut |path| {
                let to = resolve(&of, &path, modules, &Origins::new());
                if let Some(name) = path.last().filter(|_| to != of) {
                    origins.insert((of.clone(), name.clone()), to);
                }
            });
        }
    }
    origins
}

/// The module that a file of the library is.
fn module(path: &str) -> Option<ModulePath> {
    let inside = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    match inside {
        "main" => None,
        "lib" => Some(vec![]),
        inside => Some(inside.split('/').map(str::to_owned).collect()),
    }
}

/// Every path in `code` that begins with `crate`, `self` or `super`, with its offset.
fn paths(code: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for head in ["crate::", "self::", "super::"] {
        for (offset, _) in code.match_indices(head) {
            let in_a_path = |c: char| c.is_alphanumeric() || "_:$".contains(c);
            if !code[..offset].ends_with(in_a_path) {
                branches(&code[offset..], &mut Vec::new(), &mut |path| found.push((offset, path)));
            }
        }
    }
    found
}

/// Hands every path of an import tree to `take`, and returns the rest of the code.
fn branches<'a>(
    code: &'a str,
    before: &mut Vec<String>,
    take: &mut impl FnMut(Vec<String>),
) -> &'a str {
    let code = code.trim_start();
    if let Some(mut rest) = code.strip_prefix('{') {
        loop {
            rest = branches(rest, before, take).trim_start();
            let Some(next) = rest.strip_prefix(',') else {
                return rest.strip_prefix('}').unwrap_or(rest);
            };
            rest = next;
        }
    }
    let end = code.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(code.len());
    let (name, rest) = code.split_at(end);
    if name.is_empty() {
        take(before.clone()); // `*`, or the end of a list
        return rest.strip_prefix('*').unwrap_or(rest);
    }
    before.push(name.to_owned());
    let rest = if let Some(next) = rest.strip_prefix("::") {
        branches(next, before, take)
    } else {
        take(before.clone());
        renamed(rest)
    };
    before.pop();
    rest
}

/// The code after ` as name`, if it begins with that.
fn renamed(rest: &str) -> &str {
    let Some(name) = rest.trim_start().strip_prefix("as ") else { return rest };
    name.trim_start().trim_start_matches(|c: char| c.is_alphanumeric() || c == '_')
}

/// The deepest module that a path in `from` leads to.
fn resolve(
    from: &ModulePath,
    path: &[String],
    modules: &BTreeSet<ModulePath>,
    origins: &Origins,
) -> ModulePath {
    let from_the_root = path.first().is_some_and(|name| name == "crate");
    let mut to = if from_the_root { vec![] } else { from.clone() };
    for name in path {
        match name.as_str() {
            "crate" | "self" => {}
            "super" => _ = to.pop(),
            name => {
                to.push(name.to_owned());
                if !modules.contains(&to) {
                    to.pop();
                    let origin = origins.get(&(to.clone(), name.to_owned()));
                    return origin.cloned().unwrap_or(to);
                }
            }
        }
    }
    to
}

/// The places of imports from which one can come back.
fn circular(imports: &Imports) -> Vec<String> {
    let leads_back = |((from, to), _): &(&(String, String), &String)| {
        let (mut reached, mut next) = (BTreeSet::new(), vec![to]);
        while let Some(module) = next.pop() {
            if reached.insert(module) {
                next.extend(imports.keys().filter(|(one, _)| one == module).map(|(_, to)| to));
            }
        }
        reached.contains(from)
    };
    imports.iter().filter(leads_back).map(|(_, place)| place.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        let all = by_parent(&files.iter().collect::<Vec<_>>());
        all.values().flat_map(circular).collect()
    }

    #[test]
    fn circles_are_found() {
        type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);
        let none: &[&str] = &[];
        let rows: [Row<'_>; 7] = [
            ("one way", &[("src/a.rs", "use crate::b::C;"), ("src/b.rs", "")], none),
            (
                "there and back",
                &[("src/a.rs", "\nuse crate::b::C;"), ("src/b.rs", "fn d() -> super::a::E {}")],
                &["a -> b (src/a.rs:2)", "b -> a (src/b.rs:1)"],
            ),
            (
                "below them, in a list, around three",
                &[
                    ("src/a/x.rs", "use crate::{b::{self, C}, z as q};"),
                    ("src/a.rs", ""),
                    ("src/b.rs", "use super::c::*;"),
                    ("src/c.rs", "use crate::a::x::F as G;"),
                ],
                &["a -> b (src/a/x.rs:1)", "b -> c (src/b.rs:1)", "c -> a (src/c.rs:1)"],
            ),
            (
                "a child and its parent",
                &[("src/a.rs", "use self::x::C;"), ("src/a/x.rs", "use super::D;")],
                none,
            ),
            (
                "in a test, or a comment",
                &[
                    ("src/a.rs", "use crate::b::C;"),
                    ("src/b.rs", "// crate::a\n#[cfg(test)]\nmod tests { use crate::a::D; }"),
                ],
                none,
            ),
            (
                "by way of the parent",
                &[
                    ("src/a.rs", "mod x;\npub use x::C;"),
                    ("src/a/x.rs", "use super::y::D;"),
                    ("src/a/y.rs", "use super::C;"),
                ],
                &["x -> y (src/a/x.rs:1)", "y -> x (src/a/y.rs:1)"],
            ),
            (
                "between children",
                &[
                    ("src/a.rs", ""),
                    ("src/a/x.rs", "use super::y::C;"),
                    ("src/a/y.rs", "pub(in crate::a) use super::x::D;"),
                ],
                &["x -> y (src/a/x.rs:1)", "y -> x (src/a/y.rs:1)"],
            ),
        ];
        for (name, files, want) in rows {
            assert_eq!(circles(files), want, "{name}");
        }
    }
}
