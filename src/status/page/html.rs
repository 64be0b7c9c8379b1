//! Fragments of HTML.

use std::time::Duration;

use super::super::model::Time;
use crate::text::visible;

/// Escapes `raw` for an element or a quoted attribute.
pub(super) fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for c in visible(raw).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Formats a point in time: the time of day, with the date if it is a day or more ago.
pub(super) fn time(at: Time, now: Time) -> String {
    let full = at.to_the_second();
    let today = at.until(now) < Duration::from_hours(24);
    let shown = full.split_once(' ').filter(|_| today).map_or(full.as_str(), |(_, clock)| clock);
    format!("<time datetime=\"{at}\" title=\"{full} UTC\">{shown}</time>")
}

/// Formats a duration in its two largest units: `1h 5m`.
pub(super) fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let first = units.iter().position(|(unit, _)| seconds >= *unit).unwrap_or(units.len() - 1);
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, letter) in units.iter().skip(first).take(2) {
        if rest / unit > 0 || parts.is_empty() {
            parts.push(format!("{}{letter}", rest / unit));
        }
        rest %= unit;
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_its_two_largest_units() {
        let cases = [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (75, "1m 15s"),
            (3_601, "1h"),
            (90_061, "1d 1h"),
            (40_000_000, "462d 23h"),
        ];
        for (seconds, want) in cases {
            assert_eq!(age(Duration::from_secs(seconds)), want, "{seconds} s");
        }
    }
}
