//! The table of `goavail explain`: at most as wide as that of `goavail status`, the sum first.

use super::{ExplainAnswer, StatedAnswer, TargetExplanation};
use crate::status::model::DEFAULT;
use crate::status::table::WIDTH;
use crate::text::one_line;
use crate::text::paint::Paint;

/// Width of the columns of guards and answers, with the gap behind them.
const GUARD: usize = 11;
const ANSWER: usize = 16;

/// The marks of lines that continue the one above.
const MORE: &str = "  ";

/// Returns the table, ready to be printed.
pub(crate) fn explain_table(answer: &ExplainAnswer, colour: bool) -> String {
    let paint = Paint { colour };
    let dry_run = if answer.dry_run { "  DRY RUN" } else { "" };
    let at = answer.at.to_the_second();
    let head = format!("{}  goavail {}  at {at} UTC{dry_run}", answer.agent, answer.version);
    let mut lines = wrapped(&head, WIDTH);
    if let Some(asked) = answer.asked_for {
        let words = format!("the last recorded event up to {} UTC", asked.to_the_second());
        lines.extend(wrapped(&words, WIDTH));
    }
    for target in &answer.targets {
        lines.push(String::new());
        lines.extend(sum(answer, target, paint));
        lines.push(String::new());
        lines.push(paint.bold(&format!("{:GUARD$}{:ANSWER$}EVIDENCE", "GUARD", "ANSWER")));
        let first = target.guards.iter().position(stops);
        for (place, guard) in target.guards.iter().enumerate() {
            lines.extend(row(guard, first == Some(place), paint));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Returns the lines that stand before the guards: the verdict, the next change, the event waited for.
fn sum(answer: &ExplainAnswer, target: &TargetExplanation, paint: Paint) -> Vec<String> {
    let name = if target.service == DEFAULT {
        answer.address.to_string()
    } else {
        format!("{}/{}", target.service, answer.address)
    };
    let mut lines = Vec::new();
    for line in wrapped(&format!("{name}: {}", target.summary), WIDTH) {
        lines.push(paint.bold(&line));
    }
    let is_stopped = target.guards.iter().any(stops);
    for line in wrapped(&format!("next: {}", target.next), WIDTH) {
        lines.push(if is_stopped { paint.red(&line) } else { line });
    }
    if let Some(awaited) = &target.waits_for {
        lines.extend(wrapped(&format!("waits for: {awaited}"), WIDTH));
    }
    lines
}

/// Whether a guard stops the change.
fn stops(guard: &StatedAnswer) -> bool {
    matches!(guard.answer.as_str(), "holds" | "waits")
}

/// Returns the lines of one guard. `is_first` means that the change is not made because of it.
fn row(guard: &StatedAnswer, is_first: bool, paint: Paint) -> Vec<String> {
    let evidence_width = WIDTH - GUARD - ANSWER;
    let word = guard.answer.replace('_', " ");
    let mut evidence = guard.evidence.clone();
    if let Some(reason) = guard.reason.as_ref().filter(|it| it.as_label() != guard.guard) {
        evidence = format!("{}: {evidence}", reason.as_label());
    }
    let mut texts = wrapped(&evidence, evidence_width);
    for detail in &guard.details {
        for (nth, line) in wrapped(detail, evidence_width - MORE.len() * 2).into_iter().enumerate()
        {
            let indent = if nth == 0 { MORE.to_owned() } else { MORE.repeat(2) };
            texts.push(format!("{indent}{line}"));
        }
    }
    let mut lines = Vec::new();
    for (nth, text) in texts.into_iter().enumerate() {
        let [name, answer] = if nth == 0 {
            [clean(&guard.guard), clean(&word)]
        } else {
            [String::new(), String::new()]
        };
        let line = format!("{name:GUARD$}{answer:ANSWER$}{text}");
        let line = line.trim_end();
        lines.push(match guard.answer.as_str() {
            _ if is_first => paint.red(line),
            "holds" | "waits" | "would_hold" | "settles" => paint.yellow(line),
            _ => line.to_owned(),
        });
    }
    lines
}

/// Returns external text for one line of a terminal.
fn clean(text: &str) -> String {
    one_line(text, '?')
}

/// Breaks a text into lines of at most `width` characters, at spaces where there are any.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in clean(text).split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        loop {
            let line = lines.last_mut().map_or(0, |line| line.chars().count());
            let room = if line == 0 { width } else { width.saturating_sub(line + 1) };
            if word.len() <= room {
                push(&mut lines, line > 0, &word);
                break;
            }
            if line > 0 {
                lines.push(String::new());
            } else {
                let rest = word.split_off(width);
                push(&mut lines, false, &word);
                lines.push(String::new());
                word = rest;
            }
        }
    }
    lines
}

/// Adds a word to the last line.
fn push(lines: &mut [String], has_gap: bool, word: &[char]) {
    if let Some(line) = lines.last_mut() {
        if has_gap {
            line.push(' ');
        }
        line.extend(word);
    }
}
