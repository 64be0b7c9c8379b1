//! `goavail dashboard`: a dashboard for Grafana, about the metrics of this version.
//!
//! It has no fixed data source: Grafana asks for one when it is imported by hand, and takes its default
//! one when it is provisioned from a file.

use serde_json::{Value, json};

use super::panels::{PANELS, Panel, PanelKind};

/// The version of the form of a dashboard, that of Grafana 10. Newer versions of Grafana convert it.
const SCHEMA_VERSION: u32 = 38;

/// Columns of the grid of a dashboard.
const COLUMNS: usize = 24;

/// The selector of the chosen agents.
const AGENT: &str = "job=~\"$job\",instance=~\"$instance\"";

/// Returns the dashboard as JSON.
pub(crate) fn dashboard() -> String {
    let variables = [
        json!({
            "type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus",
        }),
        variable("job", "label_values(goavail_build_info, job)"),
        variable("instance", "label_values(goavail_build_info{job=~\"$job\"}, instance)"),
        variable(
            "service",
            "label_values(goavail_target_evidence_age_seconds{job=~\"$job\",instance=~\"$instance\"}, service)",
        ),
    ];
    let dashboard = json!({
        "title": "goavail",
        "uid": "goavail",
        "tags": ["goavail", "dns"],
        "description": format!("What the agents see and do; printed by goavail {}.", env!("CARGO_PKG_VERSION")),
        "schemaVersion": SCHEMA_VERSION,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": { "from": "now-6h", "to": "now" },
        "timezone": "utc",
        "templating": { "list": variables },
        "annotations": { "list": [annotation()] },
        "panels": panels(),
    });
    format!("{dashboard:#}\n")
}

/// Returns a variable with the values of a label. Everything is chosen at first; that also matches
/// series without the label.
fn variable(name: &str, query: &str) -> Value {
    json!({
        "type": "query",
        "name": name,
        "datasource": source(),
        "query": { "query": query, "refId": name },
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": true,
        "includeAll": true,
        "allValue": ".*",
        "current": { "text": ["All"], "value": ["$__all"] },
    })
}

/// Returns the marks over all panels at each withdrawal.
fn annotation() -> Value {
    let query = "sum by (zone, action) (increase(goavail_dns_changes_total{$agent,action=\"withdraw\"}[1m])) > 0";
    json!({
        "name": "Withdrawals",
        "datasource": source(),
        "enable": true,
        "expr": selected(query),
        "step": "60s",
        "titleFormat": "{{action}} {{zone}}",
        "iconColor": "red",
    })
}

fn source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// Replaces the selectors of a query.
fn selected(query: &str) -> String {
    query.replace("$agent", AGENT).replace("$target", &format!("{AGENT},service=~\"$service\""))
}

/// Returns all panels with their places: numbers beside each other, and two lines of time side by side.
fn panels() -> Vec<Value> {
    let (mut shown, mut x, mut y) = (Vec::new(), 0, 0);
    let mut tallest = 0;
    for (id, panel) in (1..).zip(PANELS) {
        let (width, height) = match panel.kind {
            PanelKind::Row => (COLUMNS, 1),
            PanelKind::Number | PanelKind::Trouble => (4, 4),
            PanelKind::Lines | PanelKind::Bands => (12, 8),
        };
        if x + width > COLUMNS || panel.kind == PanelKind::Row {
            (x, y, tallest) = (0, y + tallest, 0);
        }
        let place = json!({ "x": x, "y": y, "w": width, "h": height });
        shown.push(shape(id, panel, &place));
        x += width;
        tallest = tallest.max(height);
    }
    shown
}

fn shape(id: u32, panel: &Panel, place: &Value) -> Value {
    if panel.kind == PanelKind::Row {
        return json!({
            "id": id, "type": "row", "title": panel.title, "collapsed": false, "panels": [],
            "gridPos": place,
        });
    }
    let targets: Vec<Value> =
        ('A'..).zip(panel.queries).map(|(id, query)| target(id, query)).collect();
    let (kind, options) = match panel.kind {
        PanelKind::Number | PanelKind::Trouble => {
            ("stat", json!({ "reduceOptions": { "calcs": ["lastNotNull"] }, "colorMode": "value" }))
        }
        PanelKind::Bands => {
            ("state-timeline", json!({ "showValue": "never", "mergeValues": true }))
        }
        _ => (
            "timeseries",
            json!({ "tooltip": { "mode": "multi" }, "legend": { "displayMode": "list" } }),
        ),
    };
    json!({
        "id": id,
        "type": kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": source(),
        "gridPos": place,
        "targets": targets,
        "options": options,
        "fieldConfig": { "defaults": defaults(panel), "overrides": [] },
    })
}

fn target(id: char, (query, legend): &(&str, &str)) -> Value {
    json!({
        "refId": id.to_string(),
        "datasource": source(),
        "expr": selected(query),
        "legendFormat": if legend.is_empty() { "__auto" } else { legend },
    })
}

/// Returns unit, colours and words of the values of a panel.
fn defaults(panel: &Panel) -> Value {
    let mut defaults = json!({ "unit": if panel.unit.is_empty() { "none" } else { panel.unit } });
    if panel.kind == PanelKind::Trouble {
        defaults["thresholds"] = json!({ "mode": "absolute", "steps": [
            { "color": "green", "value": null }, { "color": "red", "value": 1 },
        ] });
    }
    if panel.kind == PanelKind::Bands {
        defaults["mappings"] = json!([{ "type": "value", "options": {
            "0": { "text": "down", "color": "red", "index": 0 },
            "1": { "text": "up", "color": "green", "index": 1 },
        } }]);
    }
    defaults
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn shown() -> Value {
        serde_json::from_str(&dashboard()).unwrap()
    }

    #[test]
    fn panels_have_ids_of_their_own_and_do_not_overlap() {
        let dashboard = shown();
        let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for panel in dashboard["panels"].as_array().unwrap() {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
            let [x, y, w, h] =
                ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
            assert!(x + w <= 24, "{panel}");
            for cell in (y..y + h).flat_map(|y| (x..x + w).map(move |x| (x, y))) {
                assert!(taken.insert(cell), "{panel}");
            }
        }
        assert!(ids.len() > 30, "{ids:?}");
    }

    /// natrontech/pbs-exporter#75: a data source that only its author had.
    #[test]
    fn each_data_source_is_the_one_that_the_reader_chooses() {
        let text = dashboard();
        let fixed =
            text.matches("\"uid\": ").count() - text.matches("\"uid\": \"${datasource}\"").count();
        assert_eq!(fixed, 1, "the dashboard's own");
        assert!(
            !text.contains("__inputs") && !text.contains("$agent") && !text.contains("$target")
        );
    }

    #[test]
    fn each_panel_has_words_and_each_line_a_legend() {
        for panel in PANELS.iter().filter(|panel| panel.kind != PanelKind::Row) {
            assert!(panel.about.ends_with('.'), "{panel:?}");
            let is_number = matches!(panel.kind, PanelKind::Number | PanelKind::Trouble);
            let legends = panel.queries.iter().map(|query| query.1);
            assert!(!panel.queries.is_empty(), "{panel:?}");
            assert!(legends.into_iter().all(|legend| legend.is_empty() == is_number), "{panel:?}");
        }
    }
}
