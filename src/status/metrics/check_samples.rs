//! The metrics of the checks of targets. A file that chooses no check has none of these families.

use std::fmt::Write as _;

use super::MetricsFormat;
use super::target_samples::{TargetSamples, escaped};
use crate::status::checks::CheckState;
use crate::status::model::Health;
use crate::status::snapshot::Snapshot;

/// One sample of a check: its label beside the name of the check, and its value.
type CheckSample = (Option<(&'static str, &'static str)>, f64);

/// A family of gauges of checks.
struct CheckFamily {
    name: &'static str,
    help: &'static str,
    /// Whether a check of this type may have samples.
    is_of: fn(&str) -> bool,
    samples: fn(&CheckState) -> Vec<CheckSample>,
}

const FAMILIES: [CheckFamily; 3] = [
    CheckFamily {
        name: "goavail_check_up",
        help: "1 if the check is up or assumed up, 0 if it is down; absent if its health is unknown.",
        is_of: |_| true,
        samples: up,
    },
    CheckFamily {
        name: "goavail_certificate_expiry_seconds",
        help: "End of the certificate that the target presented last, in seconds since 1970.",
        is_of: |kind| kind == "https",
        samples: certificate,
    },
    CheckFamily {
        name: "goavail_probe_phase_seconds",
        help: "Duration of each phase of the newest probe, as far as it came.",
        is_of: |kind| matches!(kind, "http" | "https"),
        samples: phases,
    },
];

/// Writes the families with samples for each check of each target.
pub(super) fn write(out: &mut String, snapshot: &Snapshot, format: MetricsFormat) {
    if snapshot.checks.is_empty() {
        return;
    }
    let mut samples = TargetSamples::new(out, snapshot, format);
    for family in &FAMILIES {
        let mut checks = samples.lines.iter().flat_map(|line| line.checks);
        if checks.any(|check| (family.is_of)(check.kind)) {
            family.write(&mut samples);
        }
    }
}

impl CheckFamily {
    fn write(&self, to: &mut TargetSamples<'_>) {
        to.describe(self.name, self.help, "gauge");
        for line in &to.lines {
            for check in line.checks {
                let name = escaped(&check.name);
                for (label, value) in (self.samples)(check) {
                    to.out.extend([self.name, &line.head, ",check=\"", &name, "\""]);
                    if let Some((label, of)) = label {
                        to.out.extend([",", label, "=\"", of, "\""]);
                    }
                    // Writing to a string always succeeds. A whole number is written as `1.0`.
                    let _ = writeln!(to.out, "{} {value:?}", line.tail);
                }
            }
        }
    }
}

fn up(check: &CheckState) -> Vec<CheckSample> {
    let mode = if check.is_counted { "count" } else { "watch" };
    let is_up = f64::from(check.health != Health::Down);
    let is_known = check.health != Health::Unknown;
    is_known.then_some((Some(("mode", mode)), is_up)).into_iter().collect()
}

#[expect(clippy::cast_precision_loss, reason = "dates of certificates are far below 2^53")]
fn certificate(check: &CheckState) -> Vec<CheckSample> {
    check.certificate_ends.map(|ends| (None, ends as f64)).into_iter().collect()
}

fn phases(check: &CheckState) -> Vec<CheckSample> {
    let phases = check.phases.iter();
    phases.map(|(phase, duration)| (Some(("phase", *phase)), duration.as_secs_f64())).collect()
}
