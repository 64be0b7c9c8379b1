//! The lines of the table about the checks of a target.

use super::{WIDTH, painted};
use crate::status::check_lines::{CheckLine, summary};
use crate::status::concern::Concern;
use crate::status::model::{CountedMode, Health, Target, Time};
use crate::text::one_line;
use crate::text::paint::Paint;

/// Maximum number of lines of one text, and the indentation of those after the first.
const MOST_LINES: usize = 3;
const INDENT: &str = "      ";

/// Returns the lines about the checks of a target; none if the configuration does not choose them.
pub(super) fn lines(target: &Target, at: Time, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    for text in summary(target) {
        lines.extend(wrapped(&format!("    {text}")));
    }
    let each: Vec<CheckLine> = target.checks.iter().map(|check| CheckLine::of(check, at)).collect();
    let width = each.iter().map(|line| line.name.chars().count()).max().unwrap_or_default();
    for (check, line) in target.checks.iter().zip(each) {
        let CheckLine { name, health, streak, words } = line;
        let text = format!("    {name:width$}  {health:<7}  {streak}; {words}");
        let concern = match (check.health, check.mode) {
            (Health::Down, CountedMode::Count) => Concern::Down,
            _ if check.is_notable() => Concern::Noted,
            _ => Concern::Fine,
        };
        lines.extend(wrapped(&text).iter().map(|line| painted(concern, line, paint)));
    }
    lines
}

/// Breaks a text between its words into lines of at most [`WIDTH`] columns, and cuts it after
/// [`MOST_LINES`].
fn wrapped(text: &str) -> Vec<String> {
    let text = one_line(text, '?');
    let mut lines = Vec::new();
    let mut rest = text.as_str();
    loop {
        let indent = if lines.is_empty() { "" } else { INDENT };
        let room = WIDTH - indent.len();
        let Some((end, _)) = rest.char_indices().nth(room) else {
            lines.push(format!("{indent}{rest}"));
            return lines;
        };
        if lines.len() + 1 == MOST_LINES {
            let end = rest.char_indices().nth(room - 1).map_or(end, |(end, _)| end);
            lines.push(format!("{indent}{}…", &rest[..end]));
            return lines;
        }
        // A word that fills more than half a line is broken.
        let fits = rest[end..].starts_with(' ');
        let space = rest[..end].rfind(' ').filter(|space| !fits && *space > room / 2);
        let end = space.unwrap_or(end);
        lines.push(format!("{indent}{}", &rest[..end]));
        rest = rest[end..].trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_broken_between_words_and_cut_after_three_lines() {
        let words = "connect 0.4 ms, then a body without the text ".repeat(20);
        for text in [words.clone(), "ü".repeat(1_000), format!("{}{words}", "x".repeat(99))] {
            let lines = wrapped(&text);
            assert_eq!(lines.len(), MOST_LINES, "{lines:#?}");
            assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{lines:#?}");
            assert!(lines[1].starts_with(INDENT) && lines[2].ends_with('…'), "{lines:#?}");
        }
        assert_eq!(wrapped("short"), ["short"]);
        let exact = "y".repeat(WIDTH);
        assert_eq!(wrapped(&exact), [exact]);
    }
}
