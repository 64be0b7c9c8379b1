//! A drawing of targets over time: when each was down, when it was out of DNS, and its lost probes; as it
//! was, and as asked under it.

use std::fmt::Write as _;
use std::time::Duration;

use super::summary::Span;

/// The number of columns into which lost probes are counted.
pub(crate) const COLUMNS: usize = 800;

/// The place of the time axis.
const LEFT: usize = 230;

/// The height of one line, and of a target without its lines.
const LINE: usize = 22;

/// A target over time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Drawn {
    /// The name of the target.
    pub name: String,
    /// Its lines, each with its own label.
    pub lines: Vec<DrawnLine>,
    /// The number of lost probes in each column.
    pub losses: Vec<u32>,
}

/// One replay of a target.
#[derive(Debug, Clone, Default)]
pub(crate) struct DrawnLine {
    /// The label of the line.
    pub label: &'static str,
    /// The times in which the target was down.
    pub down: Vec<Span>,
    /// The times in which it was out of DNS.
    pub out: Vec<Span>,
}

/// The colours, for a light and a dark page.
const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#222}.bg{fill:#fff}.up{fill:#cfe8d5}\
.down{fill:#d1495b}.out{fill:#30638e}.loss{fill:#8a6d00}.dim{fill:#666}\
@media(prefers-color-scheme:dark){text{fill:#ddd}.bg{fill:#16181d}.up{fill:#24402c}.down{fill:#e0566a}\
.out{fill:#6fa8dc}.loss{fill:#e3c04b}.dim{fill:#999}}";

/// Returns text that XML takes as text.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// The part of time that is drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    /// The beginning of it.
    pub from: Duration,
    /// The end of it.
    pub to: Duration,
}

impl Axis {
    /// Returns the place of a time, from 0 to [`COLUMNS`].
    #[expect(clippy::cast_precision_loss, reason = "a place on a drawing")]
    fn place(self, at: Duration) -> f64 {
        let whole = self.to.saturating_sub(self.from).as_secs_f64().max(1.0);
        let since = at.clamp(self.from, self.to.max(self.from)).saturating_sub(self.from);
        since.as_secs_f64() / whole * COLUMNS as f64
    }

    /// Returns the column of a time, if it is drawn.
    pub(crate) fn column(self, at: Duration) -> Option<usize> {
        if at < self.from || at > self.to {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 800"
        )]
        let column = self.place(at) as usize;
        Some(column.min(COLUMNS - 1))
    }
}

/// Returns the drawing of targets.
pub(crate) fn svg(title: &str, axis: Axis, targets: &[Drawn]) -> String {
    let lines: usize = targets.iter().map(|target| target.lines.len() + 1).sum();
    let (width, height) = (LEFT + COLUMNS + 20, 70 + lines * LINE);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n\
         <rect class=\"bg\" width=\"{width}\" height=\"{height}\"/>\n\
         <text x=\"10\" y=\"20\">{title}</text>\n",
        title = escaped(title)
    );
    let _ = writeln!(
        out,
        "<text x=\"10\" y=\"40\" class=\"dim\">green: up, red: down, blue: out of DNS, yellow: lost \
         probes</text>"
    );
    let mut y = 50;
    for target in targets {
        let _ = writeln!(out, "<text x=\"10\" y=\"{}\">{}</text>", y + 14, escaped(&target.name));
        losses(&mut out, y, &target.losses);
        y += LINE;
        for line in &target.lines {
            strip(&mut out, y, axis, line);
            y += LINE;
        }
    }
    out.push_str("</svg>\n");
    out
}

/// Adds the lost probes of a target.
fn losses(out: &mut String, y: usize, losses: &[u32]) {
    let most = losses.iter().copied().max().unwrap_or_default().max(1);
    for (column, count) in losses.iter().enumerate().filter(|(_, count)| **count > 0) {
        let height = (count * 16).div_ceil(most);
        let top = y + 18 - usize::try_from(height).unwrap_or(16);
        let _ = writeln!(
            out,
            "<rect class=\"loss\" x=\"{}\" y=\"{top}\" width=\"1\" height=\"{height}\"/>",
            LEFT + column
        );
    }
}

/// Adds one replay of a target.
fn strip(out: &mut String, y: usize, axis: Axis, line: &DrawnLine) {
    let _ = writeln!(
        out,
        "<text x=\"30\" y=\"{}\" class=\"dim\">{}</text>\n\
         <rect class=\"up\" x=\"{LEFT}\" y=\"{y}\" width=\"{COLUMNS}\" height=\"10\"/>",
        y + 12,
        escaped(line.label)
    );
    for (class, spans, top, height) in [("down", &line.down, y, 10), ("out", &line.out, y + 11, 5)]
    {
        for span in spans {
            let to = span.to.unwrap_or(axis.to);
            if to < axis.from || span.from > axis.to {
                continue;
            }
            let (from, to) = (axis.place(span.from), axis.place(to));
            #[expect(clippy::cast_precision_loss, reason = "a place on a drawing")]
            let x = LEFT as f64 + from;
            let width = (to - from).max(1.0);
            let _ = writeln!(
                out,
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{top}\" width=\"{width:.1}\" \
                 height=\"{height}\"/>"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_spans_stay_on_the_axis() {
        let second = Duration::from_secs;
        let axis = Axis { from: second(100), to: second(200) };
        let down = vec![
            Span { from: second(50), to: Some(second(60)) },
            Span { from: second(90), to: Some(second(150)) },
        ];
        let out = vec![Span { from: second(150), to: None }];
        let lines = vec![DrawnLine { label: "as it was", down, out }];
        let losses = vec![0, 3, 1];
        let drawn = svg("a <b> & \"c\"", axis, &[Drawn { name: "<x>".into(), lines, losses }]);
        assert!(drawn.contains("a &lt;b&gt; &amp; &quot;c&quot;") && drawn.contains("&lt;x&gt;"));
        assert_eq!(drawn.matches("class=\"down\"").count(), 1, "{drawn}");
        assert!(drawn.contains("class=\"down\" x=\"230.0\" y=\"72\" width=\"400.0\""), "{drawn}");
        assert!(drawn.contains("class=\"out\" x=\"630.0\" y=\"83\" width=\"400.0\""), "{drawn}");
        assert_eq!(drawn.matches("class=\"loss\"").count(), 2);
        assert_eq!(axis.column(second(99)), None);
        assert_eq!(axis.column(second(200)), Some(COLUMNS - 1));
    }
}
