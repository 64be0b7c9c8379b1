//! A progress bar, on a terminal only.

use std::io::{self, IsTerminal, Write};

/// The width of the bar.
const WIDTH: u64 = 30;

/// A progress bar on stderr.
pub(super) struct ProgressBar {
    name: &'static str,
    items: u64,
    is_shown: bool,
}

impl ProgressBar {
    /// Returns the bar of a replay of this number of items.
    pub(super) fn new(name: &'static str, items: u64) -> Self {
        Self { name, items, is_shown: items > 100_000 && io::stderr().is_terminal() }
    }

    /// Shows that this number of items was read.
    pub(super) fn at(&self, read: u64) {
        let step = (self.items / 100).max(1);
        if !self.is_shown || !read.is_multiple_of(step) {
            return;
        }
        let done = read * WIDTH / self.items.max(1);
        let bar: String = (0..WIDTH).map(|at| if at < done { '#' } else { '.' }).collect();
        // Nobody may look any more.
        let _ = write!(io::stderr(), "\r{:10} [{bar}] {:3} %", self.name, read * 100 / self.items);
    }
}

impl Drop for ProgressBar {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}
