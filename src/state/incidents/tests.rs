//! The form of incidents in the file, and entries that are damaged.

use serde_json::{Value, json};

use super::*;
use crate::notify::IncidentProblem;

fn incident(last: u8, severity: Severity) -> SavedIncident {
    let address = IpAddr::from([192, 0, 2, last]);
    let place = address.to_string();
    let problem = IncidentProblem::Withdrawn;
    SavedIncident {
        key: IncidentKey::new(Some("main"), Some("www"), Some(&place), problem),
        severity,
        kind: NoticeKind::Withdrawn,
        since: 1_000_000_000_000,
        targets: vec![SavedMember {
            service: Some("www".to_owned()),
            address,
            names: ["www.example.com".to_owned()].into(),
        }],
        left_to: BTreeSet::new(),
        told: true,
        dry_run: false,
        detail: None,
        shown_zone: None,
        evidence: SavedEvidence::default(),
        handed_over: false,
    }
}

fn saved(last: u8) -> Value {
    serde_json::to_value(incident(last, Severity::Warning)).unwrap()
}

#[test]
fn an_incident_has_its_key_in_parts() {
    let want = json!({
        "zone": "main",
        "service": "www",
        "place": "192.0.2.1",
        "problem": "withdrawn",
        "severity": "warning",
        "kind": "withdrawn",
        "since": 1_000_000_000_000_u64,
        "targets": [{ "service": "www", "address": "192.0.2.1", "names": ["www.example.com"] }],
    });
    assert_eq!(saved(1), want);
    let back: SavedIncident = serde_json::from_value(want).unwrap();
    assert_eq!(back, incident(1, Severity::Warning));
}

#[test]
fn a_kind_is_in_the_file_by_its_word() {
    for kind in NoticeKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
    }
}

#[test]
fn a_damaged_entry_is_skipped_and_the_others_are_read() {
    let mut unknown = saved(3);
    unknown["problem"] = json!("from_the_future");
    let mut wrong = saved(4);
    wrong["targets"] = json!("all");
    let entries = json!([saved(1), 7, null, {}, unknown, wrong, saved(2)]);
    let read: SavedIncidents = serde_json::from_value(entries).unwrap();
    let want = [1, 2].map(|last| incident(last, Severity::Warning));
    assert_eq!(read.all(), want);
    let none: SavedIncidents = serde_json::from_value(json!("damaged")).unwrap();
    assert!(none.is_empty());
}

#[test]
fn of_too_many_incidents_the_most_severe_are_kept() {
    let mut many: Vec<_> = (0..MOST).map(|_| incident(1, Severity::Info)).collect();
    many.push(incident(2, Severity::Critical));
    let kept = SavedIncidents::new(many);
    assert_eq!(kept.all().len(), MOST);
    assert_eq!(kept.all()[0], incident(2, Severity::Critical));
}

/// The file may be one of a later version, or of one that knew less.
#[test]
fn an_entry_may_have_fields_that_are_not_known_and_lack_new_ones() {
    let mut later = saved(1);
    later["of_tomorrow"] = json!({ "a": [1] });
    later["evidence"] = json!({ "losses": 3, "of_tomorrow": 1 });
    later["targets"][0]["of_tomorrow"] = json!(true);
    let read: SavedIncidents = serde_json::from_value(json!([later, saved(2)])).unwrap();
    let [first, second] = read.all() else { panic!("{read:?}") };
    assert_eq!(first.evidence, SavedEvidence { losses: Some(3), ..SavedEvidence::default() });
    assert_eq!(*second, incident(2, Severity::Warning));
}
