//! A drawing of targets over time: when each was down, when it was out of DNS, and its lost probes; as it
//! was, and as asked under it.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use super::summary::{Span, TargetSpans};

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
    /// The times of the target.
    pub spans: TargetSpans,
}

impl DrawnLine {
    /// Returns a line with these times. Those without a record, the `gaps`, are unknown ones.
    pub(crate) fn new(label: &'static str, mut spans: TargetSpans, gaps: &[Span]) -> Self {
        spans.unknown.extend(gaps);
        spans.unknown.sort_by_key(|span| span.from);
        Self { label, spans }
    }
}

/// The colours, for a light and a dark page.
const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#222}.bg{fill:#fff}.up{fill:#cfe8d5}\
.down{fill:#d1495b}.unknown{fill:#c4c4c4}.out{fill:#30638e}.loss{fill:#8a6d00}.dim,.tick{fill:#666}\
@media(prefers-color-scheme:dark){text{fill:#ddd}.bg{fill:#16181d}.up{fill:#24402c}.down{fill:#e0566a}.unknown{fill:#5a5d66}\
.out{fill:#6fa8dc}.loss{fill:#e3c04b}.dim,.tick{fill:#999}}";

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
        (self.from..=self.to).contains(&at).then(|| self.nearest_column(at))
    }

    /// Returns the column of a time, or the first or last one if it is not drawn.
    pub(crate) fn nearest_column(self, at: Duration) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 800"
        )]
        let column = self.place(at) as usize;
        column.min(COLUMNS - 1)
    }

    /// Returns the times that are named under the drawing: round ones, eight at most.
    fn ticks(self) -> Vec<Duration> {
        let whole = self.to.saturating_sub(self.from).as_secs();
        let step = STEPS.into_iter().find(|step| whole / step <= 8).unwrap_or(whole.max(1));
        let mut ticks = Vec::new();
        let mut at = self.from.as_secs().next_multiple_of(step);
        while at <= self.to.as_secs() {
            ticks.push(Duration::from_secs(at));
            at += step;
        }
        ticks
    }
}

/// Times between two ticks, in seconds: minutes, hours, days.
const STEPS: [u64; 15] = [
    10, 60, 300, 900, 3_600, 10_800, 21_600, 86_400, 172_800, 604_800, 1_209_600, 2_592_000,
    7_776_000, 15_552_000, 31_536_000,
];

/// Returns a time of the wall clock in UTC, without the zone: `2026-11-22 03:12:45`.
pub(crate) fn in_utc(at: Duration) -> String {
    // The end of the year 9999, after which there is no such form.
    let at = at.min(Duration::from_secs(253_402_300_799));
    let text = humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + at).to_string();
    text.trim_end_matches('Z').replace('T', " ")
}

/// Returns the drawing of targets.
pub(crate) fn svg(title: &str, axis: Axis, targets: &[Drawn]) -> String {
    let lines: usize = targets.iter().map(|target| target.lines.len() + 1).sum();
    let (width, height) = (LEFT + COLUMNS + 20, 80 + lines * LINE);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n\
         <rect class=\"bg\" width=\"{width}\" height=\"{height}\"/>\n\
         <text x=\"10\" y=\"20\">{title}</text>\n",
        title = escaped(title)
    );
    let _ = writeln!(
        out,
        "<text x=\"10\" y=\"40\" class=\"dim\">green: up, red: down, grey: not known, blue: out of \
         DNS, yellow: lost probes</text>"
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
    for at in axis.ticks() {
        tick(&mut out, y, axis, at);
    }
    out.push_str("</svg>\n");
    out
}

/// Adds the name of a time, under its place.
fn tick(out: &mut String, y: usize, axis: Axis, at: Duration) {
    #[expect(clippy::cast_precision_loss, reason = "a place on a drawing")]
    let x = LEFT as f64 + axis.place(at);
    let text = in_utc(at);
    let (day, clock) = text.split_once(' ').unwrap_or((&text, ""));
    let is_midnight = at.as_secs().is_multiple_of(86_400);
    let name = match clock.strip_suffix(":00") {
        _ if is_midnight => day,
        Some(minute) => minute,
        None => clock,
    };
    let _ = writeln!(
        out,
        "<rect class=\"tick\" x=\"{x:.1}\" y=\"{y}\" width=\"1\" height=\"5\"/>\n\
         <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\" class=\"dim\">{name}</text>",
        y + 18
    );
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
    for (class, words, spans, top, height) in [
        ("unknown", "not known", &line.spans.unknown, y, 10),
        ("down", "down", &line.spans.down, y, 10),
        ("out", "out of DNS", &line.spans.out, y + 11, 5),
    ] {
        for bar in bars(axis, spans) {
            let (x, width, title) = (bar.x(), bar.width(), bar.title(words));
            let _ = writeln!(
                out,
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{top}\" width=\"{width:.1}\" \
                 height=\"{height}\"><title>{title}</title></rect>"
            );
        }
    }
}

/// Spans that are drawn as one, since they are less than a column apart.
#[derive(Debug, Clone, Copy)]
struct Bar {
    from: f64,
    to: f64,
    /// The times of the first beginning and of the last end.
    times: Span,
    count: u32,
}

impl Bar {
    #[expect(clippy::cast_precision_loss, reason = "a place on a drawing")]
    fn x(&self) -> f64 {
        LEFT as f64 + self.from
    }

    /// Returns the width, which is one column at least.
    fn width(&self) -> f64 {
        (self.to - self.from).max(1.0)
    }

    /// Returns the text that a reader sees when pointing at it.
    fn title(&self, words: &str) -> String {
        let from = in_utc(self.times.from);
        let to = self.times.to.map_or_else(|| "now".to_owned(), in_utc);
        match self.count {
            1 => format!("{words} from {from} to {to}"),
            count => format!("{words} {count} times from {from} to {to}"),
        }
    }
}

/// Returns the bars for spans in the order of time: at most as many as there are columns.
fn bars(axis: Axis, spans: &[Span]) -> Vec<Bar> {
    let mut bars: Vec<Bar> = Vec::new();
    for span in spans {
        let end = span.to.unwrap_or(axis.to);
        if end < axis.from || span.from > axis.to {
            continue;
        }
        let (from, to) = (axis.place(span.from), axis.place(end));
        match bars.last_mut() {
            Some(bar) if from < bar.from + bar.width() + 1.0 => {
                bar.to = bar.to.max(to);
                bar.times.to = span.to;
                bar.count += 1;
            }
            _ => bars.push(Bar { from, to, times: *span, count: 1 }),
        }
    }
    bars
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
        let unknown = vec![Span { from: second(160), to: Some(second(170)) }];
        let spans = TargetSpans { down, out, unknown };
        let gaps = [Span { from: second(110), to: Some(second(120)) }];
        let lines = vec![DrawnLine::new("as it was", spans, &gaps)];
        let losses = vec![0, 3, 1];
        let drawn = svg("a <b> & \"c\"", axis, &[Drawn { name: "<x>".into(), lines, losses }]);
        assert!(drawn.contains("a &lt;b&gt; &amp; &quot;c&quot;") && drawn.contains("&lt;x&gt;"));
        assert_eq!(drawn.matches("class=\"down\"").count(), 1, "{drawn}");
        assert!(drawn.contains("class=\"down\" x=\"230.0\" y=\"72\" width=\"400.0\""), "{drawn}");
        assert!(drawn.contains("class=\"out\" x=\"630.0\" y=\"83\" width=\"400.0\""), "{drawn}");
        assert_eq!(drawn.matches("class=\"loss\"").count(), 2);
        let gap = drawn.find("class=\"unknown\" x=\"310.0\"").unwrap();
        let unknown = drawn.find("class=\"unknown\" x=\"710.0\"").unwrap();
        assert!(gap < unknown && unknown < drawn.find("class=\"down\"").unwrap(), "{drawn}");
        assert!(drawn.contains("<title>down from 1970-01-01 00:01:30 to 1970-01-01 00:02:30<"));
        assert!(drawn.contains(">00:02<") && drawn.contains(">00:03<"), "the minutes: {drawn}");
        assert_eq!(axis.column(second(99)), None);
        assert_eq!(axis.column(second(200)), Some(COLUMNS - 1));
    }

    #[test]
    fn a_flapping_target_has_no_more_bars_than_columns() {
        let second = Duration::from_secs;
        let axis = Axis { from: second(0), to: second(86_400) };
        let spans: Vec<Span> = (0..28_800)
            .map(|n| Span { from: second(3 * n), to: Some(second(3 * n + 1)) })
            .collect();
        assert_eq!(bars(axis, &spans).len(), 1);
        assert_eq!(bars(axis, &spans)[0].count, 28_800);
        let apart: Vec<Span> = spans.into_iter().step_by(200).collect();
        let bars = bars(axis, &apart);
        assert_eq!(bars.len(), 144, "ten minutes apart, which are five columns");
        assert!(bars.iter().all(|bar| bar.count == 1));
    }

    #[test]
    fn ticks_are_round_times_and_few() {
        let second = Duration::from_secs;
        for (from, to, first, count) in [
            (1_000, 87_400, 10_800, 8),
            (0, 60, 0, 7),
            (5, 5, 10, 0),
            (86_000, 30 * 86_400, 604_800, 4),
        ] {
            let ticks = Axis { from: second(from), to: second(to) }.ticks();
            assert_eq!(ticks.len(), count, "{from} {to}: {ticks:?}");
            assert!(count == 0 || ticks[0] == second(first), "{from} {to}: {ticks:?}");
        }
    }
}
