//! The lines of the table about open incidents.

use super::clip;
use crate::notify::Severity;
use crate::status::model::Status;
use crate::text::paint::Paint;

/// Maximum number of incidents that have a line each.
const LISTED: usize = 10;

/// Returns the lines about open incidents, the most severe first.
pub(super) fn lines(status: &Status, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    for incident in status.incidents.iter().take(LISTED) {
        let severity = incident.severity;
        let painted: fn(Paint, &str) -> String = match severity {
            Severity::Critical => |paint, line| paint.red(line),
            Severity::Warning => |paint, line| paint.yellow(line),
            Severity::Info => |_, line| line.to_owned(),
        };
        let targets = match incident.targets {
            0 | 1 => String::new(),
            more => format!(", {more} targets"),
        };
        let line = format!("open, {severity}: {} since {}{targets}", incident.key, incident.since);
        lines.push(painted(paint, &clip(&line)));
    }
    let more = status.incidents.len().saturating_sub(LISTED);
    if more > 0 {
        lines.push(format!("and {more} more open incidents"));
    }
    lines
}
