//! The metrics of the targets, written without a copy of any label: there may be tens of thousands of
//! targets, with a dozen series each.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use super::MetricsFormat;
use crate::status::checks::CheckState;
use crate::status::model::Health;
use crate::status::probes::ProbeView;
use crate::status::row::{ServiceRows, TargetRow};
use crate::status::snapshot::Snapshot;

/// Usual length of the series of one target, without the names of its records.
const TARGET_BYTES: usize = 1_024;

/// Usual length of the series of one record, without its name.
const RECORD_BYTES: usize = 96;

/// Estimates the length of all metrics.
pub(super) fn bytes(snapshot: &Snapshot) -> usize {
    let targets = snapshot.services.iter().map(|service| {
        let records = service.names.iter().map(|name| name.len() + RECORD_BYTES);
        service.rows.len() * (TARGET_BYTES + 12 * service.name.len() + records.sum::<usize>())
    });
    64 * 1024 + 1_024 * snapshot.services.len() + targets.sum::<usize>()
}

/// The value of a label, and the counter for it.
type Series = (&'static str, fn(&TargetLine<'_>) -> u64);

/// A family of counters: its name without `_total`, its help, its label, and its series.
type CounterFamily = (&'static str, &'static str, &'static str, &'static [Series]);

const COUNTERS: [CounterFamily; 3] = [
    (
        "goavail_probes",
        "Probes by outcome; a late reply was counted as a loss before.",
        "outcome",
        &[
            ("reply", |it| it.probe.counters.replies),
            ("loss", |it| it.probe.counters.losses),
            ("fault", |it| it.probe.counters.faults),
            ("late", |it| it.probe.counters.late),
        ],
    ),
    (
        "goavail_flips",
        "Changes of health, as seen by this agent.",
        "to",
        &[("up", |it| it.row.counters.flips_up), ("down", |it| it.row.counters.flips_down)],
    ),
    (
        "goavail_verdicts",
        "Verdicts: up is in service, down is not.",
        "to",
        &[("up", |it| it.row.counters.verdicts_up), ("down", |it| it.row.counters.verdicts_down)],
    ),
];

/// Writes the families with a sample for each target.
pub(super) fn write(out: &mut String, snapshot: &Snapshot, format: MetricsFormat) {
    let mut samples = TargetSamples::new(out, snapshot, format);
    samples.gauge(
        "goavail_target_up",
        "1 if the target is up or assumed up, 0 if it is down; absent if its health is unknown.",
        |it| {
            let health = it.row.health;
            let is_unprobed = it.row.standby.as_ref().is_some_and(|standby| standby.last_resort);
            let is_known = health != Health::Unknown && !is_unprobed;
            is_known.then_some(f64::from(health != Health::Down))
        },
    );
    samples.gauge(
        "goavail_target_evidence_age_seconds",
        "Time since a probe of the target was judged a reply or a loss.",
        |it| snapshot.evidence_age(it.probe),
    );
    samples.gauge(
        "goavail_target_limits_replies",
        "1 if the target answers fewer probes than retry_interval asks for; absent otherwise.",
        |it| it.probe.limits.map(|_| 1.0),
    );
    samples.gauge(
        "goavail_target_return_timestamp_seconds",
        "Time at which a target that is up again is put back if it stays up; absent otherwise.",
        |it| {
            let wall = it.row.returning.as_ref()?.at.wall();
            Some(wall.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs_f64())
        },
    );
    samples.presence();
    samples.gauge("goavail_target_rtt_seconds", "Round-trip time of the newest reply.", |it| {
        it.probe.last_rtt.map(|rtt| rtt.as_secs_f64())
    });
    for family in &COUNTERS {
        samples.counters(family);
    }
}

/// One target, with its labels as they are written.
pub(super) struct TargetLine<'a> {
    service: &'a ServiceRows,
    row: &'a TargetRow,
    probe: &'a ProbeView,
    /// The checks; none if the service has chosen none.
    pub(super) checks: &'a [CheckState],
    /// The first label with its brace: `{target="192.0.2.1"`.
    pub(super) head: String,
    /// The rest of the labels: `,service="www"}`.
    pub(super) tail: Arc<str>,
}

/// Returns a line for each target, in the order of the services.
fn lines(snapshot: &Snapshot) -> Vec<TargetLine<'_>> {
    let is_named = snapshot.names_services();
    let mut lines = Vec::with_capacity(snapshot.places.len());
    for service in &snapshot.services {
        let name = is_named.then(|| format!(",service=\"{}\"", escaped(&service.name)));
        let tail: Arc<str> = format!("{}}}", name.unwrap_or_default()).into();
        for row in &service.rows {
            lines.push(TargetLine {
                service,
                row,
                probe: snapshot.probe(row),
                checks: snapshot.checks_of(row).map_or(&[], |its| &its.checks),
                head: format!("{{target=\"{}\"", row.address),
                tail: Arc::clone(&tail),
            });
        }
    }
    lines
}

/// Writes families of samples of targets.
pub(super) struct TargetSamples<'a> {
    pub(super) out: &'a mut String,
    format: MetricsFormat,
    pub(super) lines: Vec<TargetLine<'a>>,
}

impl<'a> TargetSamples<'a> {
    /// Returns a writer of families with samples for the targets of a snapshot.
    pub(super) fn new(out: &'a mut String, snapshot: &'a Snapshot, format: MetricsFormat) -> Self {
        Self { out, format, lines: lines(snapshot) }
    }

    pub(super) fn describe(&mut self, name: &str, help: &str, kind: &str) {
        for line in [["# HELP ", name, " ", help, "\n"], ["# TYPE ", name, " ", kind, "\n"]] {
            self.out.extend(line);
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Fn(&TargetLine<'_>) -> Option<f64>) {
        self.describe(name, help, "gauge");
        for line in &self.lines {
            if let Some(value) = value(line) {
                self.out.extend([name, &line.head, &line.tail]);
                // Writing to a string always succeeds. A whole number is written as `1.0`.
                let _ = writeln!(self.out, " {value:?}");
            }
        }
    }

    /// Writes whether the record of each target is present at each name, as far as it is known.
    fn presence(&mut self) {
        const NAME: &str = "goavail_target_in_service";
        self.describe(
            NAME,
            "1 if the target's record is present at the name, 0 if not; absent while this is not known.",
            "gauge",
        );
        for line in &self.lines {
            for (name, present) in line.service.names.iter().zip(line.row.present.iter()) {
                let Some(present) = present else { continue };
                let value = if *present { " 1.0\n" } else { " 0.0\n" };
                let name = escaped(name);
                self.out.extend([NAME, &line.head, ",name=\"", &name, "\"", &line.tail, value]);
            }
        }
    }

    fn counters(&mut self, (name, help, label, series): &CounterFamily) {
        // The older format names the family like its samples.
        let total = format!("{name}_total");
        let family = if self.format == MetricsFormat::Text { &total } else { *name };
        self.describe(family, help, "counter");
        for line in &self.lines {
            for (value, count) in *series {
                self.out.extend([&total, &line.head, ",", label, "=\"", value, "\"", &line.tail]);
                let _ = writeln!(self.out, " {}", count(line));
            }
        }
    }
}

/// Escapes the value of a label.
pub(super) fn escaped(value: &str) -> Cow<'_, str> {
    if !value.contains(['\\', '"', '\n']) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_label_is_escaped_as_the_format_demands() {
        assert_eq!(escaped("www.example.com"), "www.example.com");
        assert_eq!(escaped("a\\b\"c\nd"), "a\\\\b\\\"c\\nd");
    }
}
