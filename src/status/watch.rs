//! `goavail status --watch`: the table, redrawn in place.

use std::fmt::Write as _;
use std::future::Future;
use std::io::{self, Write};
use std::time::Duration;

use super::client::ClientError;
use super::model::Status;
use super::table::table;
use crate::text::error_chain;

/// Time between queries, the same as between snapshots of the agent.
const EVERY: Duration = Duration::from_secs(1);

const HIDE_CURSOR_AND_CLEAR: &str = "\u{1b}[?25l\u{1b}[2J";
const SHOW_CURSOR: &str = "\u{1b}[?25h";

/// Draws the status that `query` returns until `shutdown` completes. While no agent answers, the error
/// stands above the last known status.
///
/// `rows` returns the number of lines of the screen, before each frame.
///
/// # Errors
///
/// Fails if `out` cannot be written.
pub async fn watch(
    query: impl AsyncFn() -> Result<Status, ClientError>,
    out: &mut impl Write,
    colour: bool,
    rows: impl Fn() -> Option<usize>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut shutdown = std::pin::pin!(shutdown);
    let mut known: Option<Status> = None;
    out.write_all(HIDE_CURSOR_AND_CLEAR.as_bytes())?;
    loop {
        let queried = tokio::select! {
            () = &mut shutdown => break,
            queried = query() => queried,
        };
        let text = text(&mut known, queried, colour);
        out.write_all(frame(&text, rows()).as_bytes())?;
        out.flush()?;
        tokio::select! {
            () = &mut shutdown => break,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
    out.write_all(SHOW_CURSOR.as_bytes())?;
    out.flush()
}

fn text(known: &mut Option<Status>, queried: Result<Status, ClientError>, colour: bool) -> String {
    let mut text = String::new();
    match queried {
        Ok(status) => *known = Some(status),
        Err(error) => {
            text.push_str(&error_chain(&error));
            text.push_str("\n\n");
        }
    }
    if let Some(status) = known {
        text.push_str(&table(status, colour));
    }
    text
}

/// Returns a frame that replaces the last one: it neither flickers nor leaves a part of the old frame,
/// and a text longer than the screen is cut, so that it does not scroll.
pub(crate) fn frame(text: &str, rows: Option<usize>) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let room = rows.unwrap_or(usize::MAX).max(2) - 1;
    let mut out = String::from("\u{1b}[H");
    let shown = if lines.len() <= room { lines.len() } else { room - 1 };
    for line in &lines[..shown] {
        out.extend([line, "\u{1b}[K\n"]);
    }
    if shown < lines.len() {
        let _ = writeln!(out, "… {} more lines\u{1b}[K", lines.len() - shown);
    }
    out.push_str("\u{1b}[J");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_starts_at_the_top_and_erases_what_was_there() {
        assert_eq!(frame("a\nb\n", Some(24)), "\u{1b}[Ha\u{1b}[K\nb\u{1b}[K\n\u{1b}[J");
    }

    #[test]
    fn a_frame_never_scrolls_the_screen() {
        let text = (0..100).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
        for rows in [1, 2, 3, 24, 100, 101, 500] {
            let drawn = frame(&text, Some(rows));
            let lines = drawn.matches('\n').count();
            assert!(lines < rows.max(2), "{lines} lines on a screen of {rows}");
            assert_eq!(drawn.contains("more lines"), rows < 101, "{rows} rows");
        }
        assert!(frame(&text, Some(24)).contains("line 21\u{1b}[K\n… 78 more lines"));
    }
}
