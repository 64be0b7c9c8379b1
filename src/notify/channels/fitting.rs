//! Texts within the limits of a service, and without anything that it would take for markup.

/// The unit in which a service counts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unit {
    /// Bytes of UTF-8.
    Bytes,
    /// Units of UTF-16, at least as many as characters.
    Utf16,
}

impl Unit {
    /// Returns the length of a text.
    fn of(self, text: &str) -> usize {
        match self {
            Self::Bytes => text.len(),
            Self::Utf16 => text.encode_utf16().count(),
        }
    }
}

/// The end of a text that was cut.
const CUT: &str = "…";

/// Writes a character so that a service shows it as it is.
pub(super) type Escape = fn(char, &mut String);

/// Writes a character for a service that knows no markup.
pub(super) fn plain(letter: char, out: &mut String) {
    out.push(letter);
}

/// Returns the escaped text with at most `longest` of `unit`. It is cut between two characters, and
/// never within the escape of one.
pub(super) fn fitted(text: &str, longest: usize, unit: Unit, escape: Escape) -> String {
    let (mut out, mut length) = (String::with_capacity(text.len()), 0);
    // The end up to which there is room for the mark of a cut.
    let mut cut_at = 0;
    let mut written = String::new();
    for letter in text.chars() {
        written.clear();
        escape(letter, &mut written);
        length += unit.of(&written);
        if length > longest {
            out.truncate(cut_at);
            out.push_str(if unit.of(CUT) <= longest { CUT } else { "" });
            return out;
        }
        out.push_str(&written);
        if length + unit.of(CUT) <= longest {
            cut_at = out.len();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn doubled(letter: char, out: &mut String) {
        if letter == '*' {
            out.push('\\');
        }
        out.push(letter);
    }

    #[test]
    fn a_text_is_cut_between_characters_and_never_within_an_escape() {
        let rows = [
            ("abc", 3, Unit::Bytes, "abc"),
            ("abcdefg", 6, Unit::Bytes, "abc…"),
            ("äöü", 6, Unit::Bytes, "äöü"),
            ("äöüß", 7, Unit::Bytes, "äö…"),
            ("😀😀😀", 5, Unit::Utf16, "😀😀…"),
            ("a**", 4, Unit::Utf16, "a\\*…"),
            ("a**", 5, Unit::Utf16, "a\\*\\*"),
            ("abc", 2, Unit::Bytes, ""),
            ("", 0, Unit::Bytes, ""),
        ];
        for (text, longest, unit, want) in rows {
            assert_eq!(fitted(text, longest, unit, doubled), want, "{text} in {longest} {unit:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_fits(text in "\\PC{0,60}", longest in 0usize..80) {
            for unit in [Unit::Bytes, Unit::Utf16] {
                let cut = fitted(&text, longest, unit, plain);
                prop_assert!(unit.of(&cut) <= longest);
                prop_assert!(cut == text || unit.of(&text) > longest);
            }
        }
    }
}
