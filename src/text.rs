//! Formatting and sanitising of text for people: logs, terminals, JSON.

pub(crate) mod disclosure;
pub(crate) mod paint;

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{Display, Write as _};
use std::io::IsTerminal;
use std::time::Duration;

use serde::Serialize;

/// Whether `c` affects the layout of text but is not visible itself: a reader would take the text
/// for a different one. Source: the Unicode categories Cf, Zl and Zp, and the fillers. Variation
/// selectors belong to emoji and stay.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}' | '\u{8e2}'
        | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{3164}' | '\u{ffa0}'
        | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Returns `text` with its invisible characters escaped: `\u{202e}`.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_invisible(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// Returns a duration in words, to the millisecond: `1m 3s 250ms`.
pub(crate) fn brief(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    humantime::format_duration(Duration::from_millis(millis)).to_string()
}

/// Iterates over an error and its causes, the outermost first.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

/// Returns an error and its causes in one line, with the limit to raise if too many files are open.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let line = causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ");
    with_remedy(&without_line_breaks(&line)).into_owned()
}

/// Returns `text` with a space for each line break.
pub(crate) fn without_line_breaks(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// Returns external text for one line of a log or a terminal: each control character becomes
/// `replacement`, and invisible characters are escaped.
pub(crate) fn one_line(text: &str, replacement: char) -> String {
    visible(text).chars().map(|c| if c.is_control() { replacement } else { c }).collect()
}

/// Maximum length of a text from elsewhere in a message, in characters.
const LONGEST_EXCERPT: usize = 300;

/// Converts `text` to one line for a log: without control characters and runs of white space, and
/// cut to a readable length.
pub(crate) fn excerpt(text: &str) -> String {
    // Only the beginning is converted: an answer may have many megabytes.
    let head: String = text.chars().take(LONGEST_EXCERPT * 4).collect();
    let line = one_line(&head, ' ').split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_EXCERPT) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line,
    }
}

/// Whether a terminal may be coloured: `stream` is one, and `NO_COLOR`, with this value, is not set. An
/// empty value counts as not set. Source: no-color.org.
pub(crate) fn may_colour(stream: &impl IsTerminal, no_color: Option<&str>) -> bool {
    colours(stream.is_terminal(), no_color)
}

fn colours(is_terminal: bool, no_color: Option<&str>) -> bool {
    is_terminal && no_color.is_none_or(str::is_empty)
}

/// Returns items joined by `separator`, or `none` without any.
pub(crate) fn join_or_none(
    items: impl IntoIterator<Item = impl ToString>,
    separator: &str,
) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "none".to_owned() } else { items.join(separator) }
}

/// Returns `value` as JSON on one line that is safe for a terminal. Invisible characters and
/// control characters in its strings are escaped as JSON escapes them, so a parser reads exactly
/// the same strings.
///
/// # Errors
///
/// Fails if `value` cannot be represented in JSON.
pub(crate) fn json(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(escaped(serde_json::to_string(value)?))
}

/// Like [`json`], written into an empty buffer.
///
/// # Errors
///
/// Fails as [`json`] does.
pub(crate) fn json_into(
    mut buffer: Vec<u8>,
    value: &impl Serialize,
) -> serde_json::Result<Vec<u8>> {
    serde_json::to_writer(&mut buffer, value)?;
    let text = String::from_utf8(buffer).map_err(serde::ser::Error::custom)?;
    Ok(escaped(text).into_bytes())
}

/// Like [`json`], over several lines.
///
/// # Errors
///
/// Fails as [`json`] does.
pub(crate) fn pretty_json(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(escaped(serde_json::to_string_pretty(value)?))
}

/// Escapes every invisible character in JSON, and every control character beyond the first ones of
/// ASCII, which the JSON writer escapes itself. All of them are inside strings, because JSON's own
/// syntax uses other characters.
fn escaped(json: String) -> String {
    // Two passes that compare many bytes at once: a status may have megabytes.
    if json.is_ascii() && !json.as_bytes().contains(&0x7f) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_invisible(c) || c.is_control() && c != '\n' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string always succeeds.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Advice for texts that say that no more files can be opened. The kernel's message names neither
/// the limit nor the place to set it.
///
/// Source: the manual pages errno(3), systemd.exec(5) and `proc_sys_fs(5)`.
const REMEDIES: [(&str, &str, &str); 2] = [
    (
        "(os error 24)",
        "code: 24,",
        "this process may open too few files at once: raise its limit (ulimit -n, or LimitNOFILE= in \
         a systemd unit)",
    ),
    (
        "(os error 23)",
        "code: 23,",
        "all processes of this machine together may open too few files: raise fs.file-max (sysctl)",
    ),
];

/// Returns `text`, with the limit to raise if it says that no more files can be opened.
pub(crate) fn with_remedy(text: &str) -> Cow<'_, str> {
    for (displayed, debugged, remedy) in REMEDIES {
        let applies = text.contains(displayed) || text.contains(debugged);
        if applies && !text.contains(remedy) {
            return Cow::Owned(format!("{text}; {remedy}"));
        }
    }
    Cow::Borrowed(text)
}

/// Formats a duration in seconds, with up to three decimals: `0.25 s`, `2 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    let text = format!("{:.3}", duration.as_secs_f64());
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Formats a short duration in milliseconds: `0.4 ms`, `8 ms`, `1200 ms`.
pub(crate) fn milliseconds(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1000.0;
    if millis < 0.95 { format!("{millis:.1} ms") } else { format!("{millis:.0} ms") }
}

/// Maximum number of items of a list that are printed.
const LISTED: usize = 20;

/// Lists the items, or a readable number of them and the count of the rest.
pub(crate) fn listed<T: Display>(items: &[T]) -> String {
    first_few(items, LISTED, ", ")
}

/// Lists the first items, up to `limit` of them, and the count of the rest.
pub(crate) fn first_few<T: Display>(items: &[T], limit: usize, separator: &str) -> String {
    let shown: Vec<String> = items.iter().take(limit).map(T::to_string).collect();
    let shown = shown.join(separator);
    match items.len().saturating_sub(limit) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Returns a count with its noun, in the singular or the plural.
pub(crate) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_hides_nothing_from_a_terminal_and_is_read_as_the_very_same_text() {
        let cases = [
            ("plain", "disk swap", "\"disk swap\""),
            ("other scripts", "größer, 交換", "\"größer, 交換\""),
            ("invisible", "a\u{200b}b\u{202e}c", "\"a\\u200bb\\u202ec\""),
            ("beyond the first plane", "a\u{e0041}", "\"a\\udb40\\udc41\""),
            ("what a terminal obeys", "\u{9b}31m\u{7f}", "\"\\u009b31m\\u007f\""),
            ("as every writer does", "a\n\u{1b}\"", "\"a\\n\\u001b\\\"\""),
        ];
        for (name, text, want) in cases {
            let written = json(&text).unwrap();
            assert_eq!(written, want, "{name}");
            assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text, "{name}");
            let pretty = pretty_json(&[text]).unwrap();
            assert_eq!(pretty, format!("[\n  {want}\n]"), "{name}");
        }
    }

    fn os_error(code: i32) -> String {
        std::io::Error::from_raw_os_error(code).to_string()
    }

    #[test]
    fn too_few_files_are_reported_once_with_the_limit_to_raise() {
        let rows = [
            ("this process", os_error(24), Some("LimitNOFILE")),
            ("the machine", os_error(23), Some("fs.file-max")),
            ("as the debugger has it", "Os { code: 24, kind: X }".to_owned(), Some("ulimit -n")),
            ("anything else", os_error(2), None),
        ];
        for (name, text, want) in rows {
            let told = with_remedy(&text);
            assert!(told.starts_with(&text), "{name}: {told}");
            match want {
                Some(want) => assert!(told.contains(want), "{name}: {told}"),
                None => assert_eq!(told, text, "{name}"),
            }
            assert_eq!(with_remedy(&told), told, "{name}");
        }
    }

    #[test]
    fn invisible_characters_are_spelt_out_and_all_others_are_kept() {
        let cases = [
            ("plain", "disk swap", "disk swap"),
            (
                "other scripts",
                "Plattentausch für größere, 交換, обмен",
                "Plattentausch für größere, 交換, обмен",
            ),
            ("a zero width space", "www\u{200b}.example.com", "www\\u{200b}.example.com"),
            ("text that runs the other way", "a\u{202e}b", "a\\u{202e}b"),
            ("a byte order mark", "\u{feff}x", "\\u{feff}x"),
            ("a line separator", "a\u{2028}b", "a\\u{2028}b"),
            ("a tag", "a\u{e0041}", "a\\u{e0041}"),
            ("control characters are the caller's", "a\nb", "a\nb"),
        ];
        for (name, text, want) in cases {
            assert_eq!(visible(text), want, "{name}");
        }
    }

    #[test]
    fn colour_needs_a_terminal_and_no_variable_against_it() {
        let cases = [
            (true, None, true),
            (true, Some(""), true),
            (true, Some("1"), false),
            (false, None, false),
        ];
        for (terminal, no_color, want) in cases {
            assert_eq!(colours(terminal, no_color), want, "{terminal} {no_color:?}");
        }
    }

    #[test]
    fn milliseconds_have_a_decimal_below_one_alone() {
        let shown =
            [40, 400, 960, 8_400, 1_200_000].map(|it| milliseconds(Duration::from_micros(it)));
        assert_eq!(shown, ["0.0 ms", "0.4 ms", "1 ms", "8 ms", "1200 ms"]);
    }

    #[test]
    fn seconds_read_without_needless_zeros() {
        let cases = [
            (250, "0.25 s"),
            (2000, "2 s"),
            (1900, "1.9 s"),
            (1, "0.001 s"),
            (3_600_000, "3600 s"),
        ];
        for (millis, want) in cases {
            assert_eq!(seconds(Duration::from_millis(millis)), want);
        }
    }
}
