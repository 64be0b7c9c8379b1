//! The table of incidents in the documents, row by row.

mod certificates;
mod crews;
mod found;
mod outs;
mod peers;
mod rehearsals;
mod scenes;
mod standing;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::dns::confirm::effect::EffectState;
use crate::engine::ids::ServiceId;
use crate::notify::{IncidentProblem, IncidentStatus, Notice, Severity};
use scenes::Scene;

/// A row of the table.
#[derive(Debug)]
struct Row {
    severity: String,
    /// The kinds of the notices that open, change and close the incident.
    kinds: [BTreeSet<String>; 3],
}

/// Returns the words in code style of a cell, up to its links.
fn words(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn table() -> BTreeMap<String, Row> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/notices.md");
    let page = std::fs::read_to_string(page).unwrap();
    let start = page.split("| problem | severity |").nth(1).unwrap();
    let mut rows = BTreeMap::new();
    for line in start.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [problem, severity, opened, changed, closed] = cells[..] else { panic!("{line}") };
        let kinds = [opened, changed, closed].map(words);
        let row = Row { severity: severity.to_owned(), kinds };
        assert!(rows.insert(problem.trim_matches('`').to_owned(), row).is_none(), "{line}");
    }
    rows
}

/// Returns the kinds of the notices with a status.
fn kinds(notices: &[&Notice], status: IncidentStatus) -> BTreeSet<String> {
    let its = notices.iter().filter(|notice| notice.status == status);
    its.map(|notice| notice.kind.word().to_owned()).collect()
}

/// Holds the notices of a scene against its row.
fn hold(problem: IncidentProblem, row: &Row, notices: &[Notice]) {
    let its: Vec<&Notice> =
        notices.iter().filter(|notice| notice.incident.problem == problem).collect();
    let [first, .., last] = &its[..] else { panic!("{problem}: {notices:#?}") };
    let severity = problem.severity();
    assert_eq!((row.severity.as_str(), first.worst), (severity.word(), severity), "{problem}");
    assert_eq!((first.status, first.severity), (IncidentStatus::Opened, severity), "{problem}");
    assert_eq!((last.status, last.severity), (IncidentStatus::Closed, Severity::Info), "{problem}");
    let apart = first.at.duration_since(last.since).unwrap_or_else(|error| error.duration());
    assert_eq!((last.worst, apart.as_millis()), (severity, 0), "{problem}");
    assert!(its.iter().all(|notice| notice.incident == first.incident), "{problem}: {its:#?}");
    let [opened, changed, closed] = &row.kinds;
    for (status, want) in [
        (IncidentStatus::Opened, opened),
        (IncidentStatus::Updated, changed),
        (IncidentStatus::Closed, closed),
    ] {
        let found = kinds(&its, status);
        assert!(found.is_subset(want), "{problem}: {found:?} is not in {want:?}");
        let count = its.iter().filter(|notice| notice.status == status).count();
        let is_change = status == IncidentStatus::Updated;
        assert!(
            if is_change { count > 0 || want.is_empty() } else { count == 1 },
            "{problem}: {count}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_hidden_and_then_undone_leaves_no_incident_open() {
    let mut scene = Scene::new();
    scene.give_up();
    let notices = scene.sent();
    let [opened, closed] = &notices[..] else { panic!("{notices:#?}") };
    assert_eq!((opened.status, closed.status), (IncidentStatus::Opened, IncidentStatus::Closed));
    assert_eq!(opened.incident, closed.incident);
    assert!(closed.detail.as_ref().is_some_and(|detail| detail.contains("undone")), "{closed:?}");
}

/// The service of a change is gone before the name servers show it, or was gone before.
#[tokio::test(start_paused = true)]
async fn a_change_of_a_service_that_is_gone_is_visible_under_the_key_of_its_incident() {
    for before in [None, Some(scenes::SERVICE)] {
        let mut scene = Scene::new();
        scene.effect_of(before, EffectState::NotVisible);
        scene.effect_of(None, EffectState::Visible);
        let notices = scene.sent();
        let [opened, closed] = &notices[..] else { panic!("{notices:#?}") };
        let status = (opened.status, closed.status);
        assert_eq!(status, (IncidentStatus::Opened, IncidentStatus::Closed));
        assert_eq!(opened.incident, closed.incident);
        assert_eq!(opened.incident.problem, IncidentProblem::NotVisible);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_a_service_that_is_gone_opens_nothing() {
    let mut settings = scenes::settings();
    let its = settings.services.remove(&scenes::SERVICE).unwrap();
    settings.services.insert(ServiceId::from(7), its);
    let mut scene = Scene::with(settings);
    scene.is_withdrawn().await;
    let notices = scene.sent();
    let [event] = &notices[..] else { panic!("{notices:#?}") };
    assert_eq!(event.status, IncidentStatus::Event);
}

#[tokio::test(start_paused = true)]
async fn each_row_of_the_table_is_what_the_agent_sends() {
    let mut rows = table();
    for problem in IncidentProblem::ALL {
        let row = rows.remove(problem.word()).unwrap_or_else(|| panic!("no row: {problem}"));
        let mut scene = Scene::new();
        scene.play(problem).await;
        let notices = scene.sent();
        if row.kinds[2].is_empty() {
            let its = notices.iter().filter(|notice| notice.incident.problem == problem);
            let its: Vec<_> = its.collect();
            assert_eq!(its.len(), 1, "{problem}");
            assert_eq!(its[0].status, IncidentStatus::Event, "{problem}");
            assert_eq!(its[0].severity.word(), row.severity, "{problem}");
            continue;
        }
        hold(problem, &row, &notices);
    }
    assert!(rows.is_empty(), "no such problem: {:?}", rows.keys());
}
