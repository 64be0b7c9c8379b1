//! The lines of the table about changes, as name servers show them.

use super::clip;
use crate::status::model::{EffectProgress, Status};
use crate::text::paint::Paint;

/// Maximum number of name servers that have a line each.
const NAMED: usize = 10;

/// Returns the lines about the last change of each zone, and about those that are not visible.
pub(super) fn lines(status: &Status, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    for effect in status.zones.iter().flat_map(|zone| &zone.effects) {
        let (word, painted): (_, fn(Paint, &str) -> String) = match effect.state {
            EffectProgress::Visible => ("visible", |_, line| line.to_owned()),
            EffectProgress::Waiting => ("not visible yet", |paint, line| paint.yellow(line)),
            EffectProgress::NotVisible => ("not visible", |paint, line| paint.red(line)),
        };
        // The change and its effect are too long for one line.
        lines.push(painted(paint, &clip(&format!("{word}: {}", effect.change))));
        lines.push(painted(paint, &clip(&format!("  {}", effect.words))));
        if effect.state != EffectProgress::Visible {
            let servers = effect.servers.iter().take(NAMED);
            lines.extend(servers.map(|server| clip(&format!("  {}", server.in_words()))));
            let more = effect.servers.len().saturating_sub(NAMED);
            if more > 0 {
                lines.push(format!("  and {more} more"));
            }
        }
    }
    lines
}
