//! The drawing of `replay --svg`.

use super::Past;
use crate::engine::ids::TargetRef;
use crate::replay::drawing::{Axis, Drawn, DrawnLine, svg};
use crate::replay::lost::LostProbes;
use crate::replay::run::Was;
use crate::replay::summary::Tally;

/// The most targets that are drawn: those with the most times down, and then the most lost probes.
const MOST_TARGETS: usize = 50;

/// Returns the drawing of a replay.
pub(super) fn draw(past: &Past, was: &Was, asked: Option<&Tally>) -> String {
    let axis = Axis { from: past.since, to: was.end };
    let lost = LostProbes::of(&past.files, axis);
    let mut targets: Vec<(TargetRef, Drawn)> = Vec::new();
    for (target, name) in &lost.names {
        let mut lines = vec![line("as it was", &was.tally, *target, &lost)];
        lines.extend(asked.map(|tally| line("as asked", tally, *target, &lost)));
        let losses = lost.of.get(target).cloned().unwrap_or_default();
        targets.push((*target, Drawn { name: name.clone(), lines, losses }));
    }
    targets.sort_by_key(|(target, drawn)| {
        let downs: usize = drawn.lines.iter().map(|line| line.spans.down.len()).sum();
        let lost: u64 = drawn.losses.iter().copied().map(u64::from).sum();
        (std::cmp::Reverse((downs, lost)), *target)
    });
    let shown: Vec<Drawn> =
        targets.into_iter().map(|(_, drawn)| drawn).take(MOST_TARGETS).collect();
    let days = axis.to.saturating_sub(axis.from).as_secs_f64() / 86_400.0;
    svg(&format!("goavail replay, {days:.1} days"), axis, &shown)
}

fn line(label: &'static str, tally: &Tally, target: TargetRef, lost: &LostProbes) -> DrawnLine {
    DrawnLine::new(label, tally.spans(target), &lost.gaps)
}
