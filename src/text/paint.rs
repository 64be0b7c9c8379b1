//! Colours and columns of text for a terminal.

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    /// Whether text is coloured.
    pub(crate) colour: bool,
}

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Returns `text` in red.
    pub(crate) fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    /// Returns `text` in green.
    pub(crate) fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    /// Returns `text` in yellow.
    pub(crate) fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    /// Returns `text` in bold letters.
    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }
}

/// Returns the number of characters of the widest cell in each column.
pub(crate) fn column_widths<'a, const N: usize>(
    titles: [&str; N],
    rows: impl IntoIterator<Item = &'a [String; N]>,
) -> [usize; N] {
    let mut widths = titles.map(|title| title.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    widths
}
