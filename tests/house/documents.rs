//! README, CONTRIBUTING, CHANGELOG and the pages of `docs/`: their links lead somewhere, and each key,
//! metric, reason, notice and warning of the code stands on a page.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use goavail::testing::status::model::Reason;

use crate::source::{self, read, root};

/// The most lines of the front page.
const FRONT_PAGE: usize = 150;

/// The pages of `docs/`, in the order of their names.
fn pages() -> Vec<PathBuf> {
    let folder = root().join("docs");
    let entries = fs::read_dir(&folder).expect("docs/ is there");
    let paths = entries.map(|entry| entry.expect("docs/ can be read").path());
    let pages: BTreeSet<_> =
        paths.filter(|path| path.extension().is_some_and(|it| it == "md")).collect();
    assert!(pages.len() > 10, "{pages:?}");
    pages.into_iter().collect()
}

/// Every document that has links.
fn documents() -> Vec<PathBuf> {
    let at_the_top = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "THIRD-PARTY.md"];
    at_the_top.iter().map(|name| root().join(name)).chain(pages()).collect()
}

/// The text of all pages together.
fn all_pages() -> String {
    pages().iter().map(|page| read(page)).collect()
}

/// The lines of a document that are not within a fenced block.
fn prose(text: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            lines.push(line);
        }
    }
    lines
}

/// The anchors that GitHub gives to the headings of a document.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    for line in prose(text) {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let kept = title.trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let count = counts.entry(anchor.clone()).or_default();
        anchors.insert(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
        *count += 1;
    }
    anchors
}

/// The targets of the links in a document, without those in inline code.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(text) {
        let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
        let parts = plain.split("](").skip(1);
        links.extend(parts.filter_map(|part| part.split(')').next()).map(str::to_owned));
    }
    links
}

/// Why a relative link leads nowhere.
fn trouble(document: &Path, link: &str) -> Option<String> {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => document.to_owned(),
        path => document.parent()?.join(path),
    };
    if !target.exists() {
        return Some(format!("{}: there is no {path}", document.display()));
    }
    let is_there = anchor.is_empty() || anchors(&read(&target)).contains(anchor);
    (!is_there).then(|| format!("{}: {link} has no such heading", document.display()))
}

#[test]
fn every_relative_link_and_anchor_leads_somewhere() {
    let mut found = 0;
    let mut broken = Vec::new();
    for document in documents() {
        for link in links(&read(&document)) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            found += 1;
            broken.extend(trouble(&document, &link));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(found > 50, "{found}");
}

#[test]
fn every_page_begins_with_when_to_read_it_and_the_front_page_leads_to_it() {
    let front = links(&read(&root().join("README.md")));
    for page in pages() {
        let text = read(&page);
        let mut lines = text.lines().filter(|line| !line.is_empty());
        assert!(lines.next().is_some_and(|title| title.starts_with("# ")), "{}", page.display());
        let first = lines.next().unwrap_or_default();
        assert!(first.starts_with("Read this when "), "{}: {first}", page.display());
        let name = page.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        assert!(front.contains(&format!("docs/{name}")), "README.md does not lead to {name}");
    }
}

#[test]
fn the_front_page_is_short_and_its_commands_are_the_ones_that_ci_runs() {
    let text = read(&root().join("README.md"));
    let lines = text.lines().count();
    assert!(lines <= FRONT_PAGE, "{lines} lines");
    let commands: Vec<&str> =
        text.split("```sh\n").skip(1).filter_map(|block| block.lines().next()).collect();
    let first = "cargo run --locked -- monitor --rehearse 127.0.0.2";
    assert_eq!(commands.first(), Some(&first));
    assert!(commands.contains(&"cargo test --locked"), "{commands:?}");
}

/// Whether a table on a page has a row for `name`.
fn has_row(page: &str, name: &str) -> bool {
    page.contains(&format!("| `{name}` |"))
}

#[test]
fn every_key_stands_on_the_page_about_the_configuration() {
    let page = read(&root().join("docs/configuration.md"));
    let missing: Vec<_> =
        goavail::testing::settings::known_keys().filter(|key| !has_row(&page, key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_key_of_a_table_stands_on_its_page_and_in_an_example() {
    let pages = ["docs/services.md", "docs/checks.md", "docs/channels.md"]
        .map(|page| read(&root().join(page)))
        .concat();
    let examples = ["services", "https", "exec", "nameservers", "rfc2136", "webhook", "notify"]
        .map(|name| read(&root().join(format!("examples/{name}.toml"))))
        .concat();
    let keys = goavail::testing::settings::known_table_keys();
    let missing: Vec<_> = keys.iter().filter(|key| !has_row(&pages, key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let tables: Vec<&str> = examples.split("\n[").collect();
    let lacks = |whole: &String| {
        let (group, key) = whole.split_once('.').unwrap();
        !tables.iter().any(|table| {
            let lines = table.lines().map(|line| line.trim_start_matches(['#', ' ']));
            table.trim_start_matches('[').starts_with(group)
                && lines.filter_map(|line| line.split_once(" = ")).any(|(shown, _)| shown == key)
        })
    };
    let missing: Vec<_> = keys.iter().filter(|key| lacks(key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_metric_stands_on_the_page_about_monitoring() {
    let page = read(&root().join("docs/monitoring.md"));
    let sources = ["src/status/metrics.rs", "src/status/metrics/target_samples.rs"];
    let source: String = sources.iter().map(|file| read(&root().join(file))).collect();
    let names = source.split('"').skip(1).step_by(2).filter(|text| text.starts_with("goavail_"));
    let names: BTreeSet<&str> = names.collect();
    assert!(names.len() > 15, "{names:?}");
    // The encoder appends `_total` to the name of a counter.
    let stands = |name: &str| has_row(&page, name) || has_row(&page, &format!("{name}_total"));
    let missing: Vec<_> = names.iter().filter(|name| !stands(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let parts = goavail::testing::panics::PARTS;
    assert!(parts.iter().all(|part| page.contains(&format!("`{part}`"))), "{parts:?}");
}

#[test]
fn every_reason_stands_in_the_gate_in_readme_and_in_the_page_about_decisions() {
    for document in ["README.md", "docs/decisions.md"] {
        let text = read(&root().join(document));
        for reason in Reason::ALL {
            assert!(has_row(&text, reason.as_label()), "{document}: {reason}");
        }
    }
}

#[test]
fn every_kind_of_notice_stands_on_the_page_about_notifications() {
    let page = read(&root().join("docs/notifications.md"));
    let source = read(&root().join("src/notify/kind.rs"));
    let words =
        source.split("pub fn word(self)").nth(1).and_then(|rest| rest.split("}\n    }").next());
    let words = words.expect("the words of the kinds").split('"').skip(1).step_by(2);
    let words: Vec<&str> = words.collect();
    assert!(words.len() > 10, "{words:?}");
    let missing: Vec<_> =
        words.iter().filter(|word| !page.contains(&format!("`{word}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_source_file_that_a_document_names_is_there() {
    let mut gone = Vec::new();
    let all = format!("{}{}", all_pages(), read(&root().join("CONTRIBUTING.md")));
    for name in all.split('`').skip(1).step_by(2) {
        let is_path = ["src/", "tests/", "benches/", "packaging/"];
        if is_path.iter().any(|folder| name.starts_with(folder))
            && !name.contains(['*', ' ', '\n'])
            && !root().join(name).exists()
        {
            gone.push(name);
        }
    }
    assert!(gone.is_empty(), "{gone:?}");
}

/// The messages of `warn!` and `error!` in a source file, without its tests.
fn messages(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let calls = code.split("warn!(").skip(1).chain(code.split("error!(").skip(1));
    calls.filter_map(first_message).collect()
}

/// The message of a log call: its one text that is neither a field's name nor its value.
fn first_message(call: &str) -> Option<String> {
    let call = call.split(");").next()?.replace("\\\n", "");
    let texts = call.split('"').skip(1).step_by(2);
    let longest = texts.max_by_key(|text| text.len())?;
    Some(longest.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The beginning of the first part of a message that has three words and no value put into it.
fn landmark(message: &str) -> Option<String> {
    let fixed = message.split('{').map(|part| part.split_once('}').map_or(part, |(_, rest)| rest));
    let mut parts = fixed.flat_map(|part| part.split([';', ':'])).map(str::trim);
    let first = parts.find(|part| part.split(' ').count() > 2)?;
    Some(first.split(' ').take(5).collect::<Vec<_>>().join(" "))
}

#[test]
fn every_warning_in_the_log_stands_on_the_page_about_operations() {
    let page = read(&root().join("docs/operations.md"));
    let mut found = 0;
    let mut missing = BTreeSet::new();
    for file in source::all().iter().filter(|file| !file.is_test()) {
        for message in messages(&file.text) {
            let Some(landmark) = landmark(&message) else { continue };
            found += 1;
            if !page.contains(&landmark) {
                missing.insert(format!("{}: {landmark}", file.path));
            }
        }
    }
    assert!(found > 30, "{found}");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_links_are_found() {
        let page = root().join("docs/decisions.md");
        let rows = [
            ("[a](../README.md)", None),
            ("[a](#the-gate)", None),
            ("[a](cluster.md#no-such)", Some("cluster.md#no-such has no such heading")),
            ("see [a](gone.md), please", Some("there is no gone.md")),
            ("`[a](gone.md)`\n```\n[a](gone.md)\n```", None),
        ];
        for (text, want) in rows {
            let found: Vec<_> =
                links(text).iter().filter_map(|link| trouble(&page, link)).collect();
            assert_eq!(found.len(), usize::from(want.is_some()), "{text}: {found:?}");
            assert!(want.is_none_or(|want| found[0].ends_with(want)), "{text}: {found:?}");
        }
    }

    #[test]
    fn names_without_a_row_are_found() {
        let page = "| `interval` | 2 |\nThe `timeout` is long.";
        assert!(has_row(page, "interval") && !has_row(page, "timeout") && !has_row(page, "inter"));
    }

    #[test]
    fn warnings_are_found_by_their_first_words() {
        let source =
            "warn!(%error, \"cannot read {}: it is gone\", file);\ninfo!(\"all is well\");";
        assert_eq!(messages(source), ["cannot read {}: it is gone"]);
        assert_eq!(landmark("cannot read {}: it is gone").as_deref(), Some("it is gone"));
    }
}
