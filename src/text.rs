//! Text from elsewhere, made fit to be shown.

use std::borrow::Cow;

/// Whether `c` takes part in how text is laid out without being seen itself: a reader would take the
/// text for another one. Source: the Unicode categories Cf, Zl and Zp, and the fillers. Variation selectors
/// belong to emoji and stay.
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}' | '\u{8e2}'
        | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{3164}' | '\u{ffa0}'
        | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// `text` with its invisible characters escaped: `\u{202e}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_invisible(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_spelt_out_and_nothing_else_is_touched() {
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
}
