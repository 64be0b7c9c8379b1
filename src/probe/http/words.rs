//! Words for the reasons of a probe.

use crate::text::one_line;

/// Maximum length of a text that a target sent, in characters.
const MOST_CHARACTERS: usize = 200;

/// Returns text from a target for a reason: one line without control characters, and not too long.
pub(super) fn external(text: &str) -> String {
    let mut shown: String = text.chars().take(MOST_CHARACTERS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    one_line(&shown, '?')
}

/// Returns a long duration by its largest unit: `3 days`.
pub(super) fn span(seconds: i64) -> String {
    let (count, unit) = match seconds {
        ..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        let spans = [1, 119, 3600, 86_400, 259_300].map(span);
        assert_eq!(spans, ["1 second", "119 seconds", "60 minutes", "24 hours", "3 days"]);
    }

    #[test]
    fn text_of_a_target_is_one_short_line() {
        assert_eq!(external("a\r\nb\u{202e}"), "a??b\\u{202e}");
        assert_eq!(external(&"x".repeat(300)).chars().count(), 201);
    }
}
