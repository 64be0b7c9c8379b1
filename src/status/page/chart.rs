//! The chart of the last hour of one target: round-trip times as a line, losses as bars.

use std::fmt::Write as _;

use super::super::concern::{loss, rtt};
use super::super::history::Minute;

const WIDTH: usize = 240;
const HEIGHT: f64 = 36.0;

/// Writes the chart. A minute without replies breaks the line; one without probes is empty.
pub(super) fn draw(out: &mut String, hour: &[Minute]) {
    let step = WIDTH / hour.len().max(1);
    let slowest = hour.iter().map(|minute| minute.mean_rtt_us).max().unwrap_or_default();
    let _ = write!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\" \
         preserveAspectRatio=\"none\">",
        words(hour)
    );
    bars(out, hour, step);
    line(out, hour, step, slowest);
    out.push_str("</svg>");
}

/// Returns the chart in words, for screen readers.
pub(super) fn words(hour: &[Minute]) -> String {
    let replies: u32 = hour.iter().map(|minute| u32::from(minute.replies)).sum();
    let losses: u32 = hour.iter().map(|minute| u32::from(minute.losses)).sum();
    if replies + losses == 0 {
        return "no probes in the last hour".to_owned();
    }
    let answered = hour.iter().filter(|minute| minute.replies > 0);
    let round_trips: Vec<u32> = answered.map(|minute| minute.mean_rtt_us).collect();
    let range = match (round_trips.iter().min(), round_trips.iter().max()) {
        (Some(fastest), Some(slowest)) => format!("{} to {}, ", micros(*fastest), micros(*slowest)),
        _ => String::new(),
    };
    let part = f64::from(losses) / f64::from(replies + losses);
    format!("last hour: {range}{} lost ({losses} of {})", loss(Some(part)), replies + losses)
}

fn micros(round_trip: u32) -> String {
    rtt(Some(f64::from(round_trip) / 1e3))
}

/// Writes one bar for each minute with losses, as high as the share of lost probes, and never too small
/// to be visible.
fn bars(out: &mut String, hour: &[Minute], step: usize) {
    let mut path = String::new();
    for (place, minute) in hour.iter().enumerate().filter(|(_, minute)| minute.losses > 0) {
        let part = f64::from(minute.losses) / f64::from(minute.losses + minute.replies);
        let high = (part * HEIGHT).round().max(4.0);
        let _ = write!(path, "M{} {HEIGHT}v-{high}h{}v{high}z", place * step, step - 1);
    }
    if !path.is_empty() {
        let _ = write!(out, "<path class=\"lost\" d=\"{path}\"/>");
    }
}

fn line(out: &mut String, hour: &[Minute], step: usize, slowest: u32) {
    let mut path = String::new();
    let mut broken = true;
    for (place, minute) in hour.iter().enumerate() {
        if minute.replies == 0 {
            broken = true;
            continue;
        }
        let part = f64::from(minute.mean_rtt_us) / f64::from(slowest.max(1));
        let y = ((1.0 - part * 0.9) * HEIGHT * 10.0).round() / 10.0;
        let x = place * step;
        // A single minute is a short stroke, because a point would not be drawn.
        let _ = if broken {
            write!(path, "M{x} {y}h{}", step - 1)
        } else {
            write!(path, "L{} {y}", x + step / 2)
        };
        broken = false;
    }
    if !path.is_empty() {
        let _ = write!(out, "<path class=\"line\" d=\"{path}\"/>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(replies: u16, losses: u16, mean_rtt_us: u32) -> Minute {
        Minute { replies, losses, mean_rtt_us }
    }

    #[test]
    fn a_picture_is_told_in_words() {
        let cases = [
            ("nothing yet", vec![Minute::default()], "no probes in the last hour"),
            (
                "some of both",
                vec![minute(50, 10, 9_800), minute(60, 0, 14_200)],
                "last hour: 9.80 ms to 14.2 ms, 8.3% lost (10 of 120)",
            ),
            ("only losses", vec![minute(0, 60, 0)], "last hour: 100% lost (60 of 60)"),
        ];
        for (name, hour, want) in cases {
            assert_eq!(words(&hour), want, "{name}");
        }
    }

    #[test]
    fn the_line_breaks_where_nothing_answered() {
        let mut hour = vec![minute(60, 0, 10_000); 60];
        hour[30] = minute(0, 60, 0);
        hour[31] = Minute::default();
        let mut out = String::new();
        draw(&mut out, &hour);
        let (bars, line) = out.split_once("class=\"line\"").unwrap();
        assert_eq!(line.matches('M').count(), 2, "two strokes: {line}");
        assert_eq!(bars.matches("M120 36v-36h3v36z").count(), 1, "one full bar: {bars}");
    }

    #[test]
    fn one_lost_probe_in_a_thousand_can_be_seen() {
        let mut out = String::new();
        draw(&mut out, &[minute(999, 1, 10_000)]);
        assert!(out.contains("v-4h"), "{out}");
    }
}
