//! A replay as a table, and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::Past;
use crate::replay::run::Was;
use crate::replay::summary::Summary;

/// A replay that is to be shown.
pub(super) struct ShownReplay<'a> {
    pub(super) past: &'a Past,
    pub(super) was: &'a Was,
    /// The numbers as asked, if anything was.
    pub(super) asked: Option<&'a Summary>,
}

/// Returns a time as people say it.
pub(super) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 120.0 {
        format!("{seconds:.1} s")
    } else if seconds < 7200.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}

fn maybe(duration: Option<Duration>) -> String {
    duration.map_or_else(|| "-".to_owned(), time)
}

/// Adds the line of a summary.
pub(super) fn line(out: &mut String, name: &str, its: &Summary) {
    let _ = writeln!(
        out,
        "{name:12} {:>11}  {:>21}  {:>17}  {:>16}  {:>11}",
        its.withdrawals,
        its.false_alarms,
        maybe(its.slowest),
        maybe(its.median),
        time(its.dead_in_dns),
    );
}

/// Adds the head of the table.
pub(super) fn head(out: &mut String) {
    let _ = writeln!(
        out,
        "{:12} withdrawals  of those back < 60 s  slowest to notice  median to notice  dead in DNS",
        ""
    );
}

/// Returns a summary as JSON.
pub(super) fn json(its: &Summary) -> Value {
    json!({
        "withdrawals": its.withdrawals,
        "false_alarms": its.false_alarms,
        "slowest_seconds": its.slowest.map(|it| it.as_secs_f64()),
        "median_seconds": its.median.map(|it| it.as_secs_f64()),
        "dead_in_dns_seconds": its.dead_in_dns.as_secs_f64(),
    })
}

impl ShownReplay<'_> {
    /// Returns the table, with the check against the recorded decisions.
    pub(super) fn table(&self) -> String {
        let mut out = String::new();
        let span = self.was.end.saturating_sub(self.past.since);
        let _ = writeln!(out, "{:.1} days of history\n", span.as_secs_f64() / 86_400.0);
        head(&mut out);
        line(&mut out, "as it was", &self.was.summary());
        if let Some(asked) = self.asked {
            line(&mut out, "as asked", asked);
        }
        out.push('\n');
        self.check(&mut out);
        out
    }

    /// Adds the check that the replay with the settings in force gives the recorded decisions.
    fn check(&self, out: &mut String) {
        let its = &self.was.comparison;
        if its.compared == 0 {
            out.push_str("not checked: no decision is recorded in this time\n");
        } else if its.differences == 0 {
            let _ = writeln!(
                out,
                "checked: with the settings in force, the replay gives all {} recorded decisions again, \
                 {} of them flips, one by one",
                its.compared, its.flips
            );
        } else {
            let _ = writeln!(
                out,
                "NOT RELIABLE: with the settings in force, the replay differs in {} of {} recorded \
                 decisions; the first:",
                its.differences, its.compared
            );
            for difference in its.first.iter().take(3) {
                let _ = writeln!(
                    out,
                    "  recorded {:?}, replayed {:?}",
                    difference.recorded, difference.replayed
                );
            }
        }
        if its.uncompared > 0 {
            let _ = writeln!(
                out,
                "{} decisions were not compared: the start of their process is not in the history any \
                 more",
                its.uncompared
            );
        }
        let damage = self.was.damage;
        if damage != crate::history::reader::Damage::default() {
            let _ = writeln!(
                out,
                "damaged: {} bytes are no blocks, {} blocks cannot be used, {} gaps; nothing is known \
                 about that time",
                damage.bytes, damage.unused, damage.gaps
            );
        }
    }

    /// Returns all of it as JSON.
    pub(super) fn json(&self) -> String {
        let its = &self.was.comparison;
        let value = json!({
            "from": self.past.since.as_secs(),
            "to": self.was.end.as_secs(),
            "as_it_was": json(&self.was.summary()),
            "as_asked": self.asked.map(json),
            "check": {
                "compared": its.compared,
                "flips": its.flips,
                "differences": its.differences,
                "not_compared": its.uncompared,
            },
            "damage": {
                "bytes": self.was.damage.bytes,
                "blocks": self.was.damage.unused,
                "gaps": self.was.damage.gaps,
            },
        });
        format!("{value:#}\n")
    }
}
