//! Figures for people.

use std::time::Duration;

use super::process;

/// Prints a heading with the state that the machine is in.
pub(crate) fn heading(text: &str) {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    println!("\n== {text}\n   ({cores} cores, load average {})\n", process::load());
}

/// Prints rows under their columns' names; the first column is left-aligned.
pub(crate) fn print(columns: &[&str], rows: &[Vec<String>]) {
    let width = |index: usize| {
        let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count());
        cells.chain([columns[index].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..columns.len()).map(width).collect();
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).enumerate();
        let cells = cells.map(|(index, (cell, width))| match index {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        println!("   {}", cells.collect::<Vec<_>>().join("  ").trim_end());
    };
    line(&columns.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    for row in rows {
        line(row);
    }
}

/// The value below which `part` (0 to 1) of `values` lie; nearest rank.
///
/// # Panics
///
/// If there are none.
pub(crate) fn quantile<T: Copy + PartialOrd>(values: &[T], part: f64) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).expect("comparable"));
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let rank = (part * sorted.len() as f64).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank")]
    let rank = (rank as usize).clamp(1, sorted.len());
    sorted[rank - 1]
}

/// Milliseconds, to a tenth.
pub(crate) fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

/// Seconds, to a millisecond.
pub(crate) fn s(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}
