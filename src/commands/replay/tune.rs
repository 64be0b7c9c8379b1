//! The search for the settings that notice fastest with at most so many false alarms.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::json;

use super::Past;
use super::progress::ProgressBar;
use super::text::{self, head, line};
use crate::cli::TuneOptions;
use crate::engine::settings::CheckSettings;
use crate::replay::change::{CheckChange, ServiceChange, SettingChanges};
use crate::replay::run::{Was, as_asked};
use crate::replay::summary::Summary;

/// The highest `failure_threshold` that is tried.
const HIGHEST: u32 = 32;

/// The multiples of the recorded `retry_interval` that are tried.
const RETRIES: [u32; 4] = [1, 2, 3, 5];

/// Settings that were tried, and their withdrawals.
struct Tried {
    check: CheckChange,
    summary: Summary,
}

/// Searches the settings of all checks of the services that are asked for.
pub(super) fn tune(past: &Past, asked: &TuneOptions) -> Result<String, String> {
    let was = past.as_it_was();
    let span = was.end.saturating_sub(past.since);
    let allowed = asked.at_most.within(span);
    let search = Search { past, was: &was, service: asked.service.as_deref() };
    let Some(now) = search.in_force() else {
        return Err("the history has no check of such a service".to_owned());
    };
    let mut best: Option<Tried> = None;
    for timeout in search.timeouts(&now) {
        for multiple in RETRIES {
            let retry_interval = now.pace.retry_interval * multiple;
            if retry_interval > now.pace.interval && multiple > 1 {
                continue;
            }
            let change = CheckChange {
                timeout: Some(timeout),
                retry_interval: Some(retry_interval),
                ..CheckChange::default()
            };
            let found = search.lowest_threshold(change, allowed);
            best = match (best, found) {
                (Some(best), Some(found)) if found.rank() >= best.rank() => Some(best),
                (best, found) => found.or(best),
            };
        }
    }
    let Some(best) = best else {
        return Err(format!(
            "no failure_threshold up to {HIGHEST} has at most {allowed} false alarms in this time"
        ));
    };
    Ok(if asked.json { in_json(&best, &was, allowed) } else { in_text(&best, &was, allowed) })
}

/// The search through the past.
struct Search<'a> {
    past: &'a Past,
    was: &'a Was,
    service: Option<&'a str>,
}

impl Search<'_> {
    /// Iterates over the names of the checks that are tuned.
    fn checks(&self) -> impl Iterator<Item = &(String, String)> {
        let all = self.past.observations.checks.keys();
        all.filter(|(service, _)| self.service.is_none_or(|only| only == service))
    }

    /// Returns the settings in force of the first check.
    fn in_force(&self) -> Option<CheckSettings> {
        let name = self.checks().next()?;
        self.past.observations.checks.get(name).map(|its| its.check)
    }

    /// Returns the timeouts that can be answered: the one in force, and shorter ones.
    fn timeouts(&self, now: &CheckSettings) -> Vec<Duration> {
        let known = self.checks().filter_map(|name| self.past.observations.checks.get(name));
        let from = known.map(|its| its.known_from).max().unwrap_or(now.pace.timeout);
        let mut timeouts = vec![now.pace.timeout];
        let mut shorter = now.pace.timeout / 2;
        while shorter >= from && shorter >= Duration::from_millis(10) && timeouts.len() < 4 {
            timeouts.push(shorter);
            shorter /= 2;
        }
        timeouts
    }

    fn try_out(&self, check: CheckChange) -> Tried {
        let mut services: BTreeMap<String, ServiceChange> = BTreeMap::new();
        for (service, name) in self.checks() {
            services.entry(service.clone()).or_default().checks.insert(name.clone(), check);
        }
        let changes = SettingChanges { services, ..SettingChanges::default() };
        let progress = ProgressBar::new("trying", self.past.items);
        let tally = as_asked(&self.past.files, &changes, self.past.since, |read| progress.at(read));
        Tried { check, summary: self.was.summary_of(&tally) }
    }

    /// Returns the lowest threshold with at most so many false alarms: a higher one has no more.
    fn lowest_threshold(&self, check: CheckChange, allowed: u64) -> Option<Tried> {
        let (mut low, mut high) = (1, HIGHEST);
        let mut found = None;
        while low <= high {
            let failure = u32::midpoint(low, high);
            let tried = self.try_out(CheckChange { failure: NonZeroU32::new(failure), ..check });
            if tried.summary.false_alarms <= allowed {
                found = Some(tried);
                high = failure - 1;
            } else {
                low = failure + 1;
            }
        }
        found
    }
}

impl Tried {
    /// Returns how good it is, the best first: few minutes dead in DNS, soon noticed.
    fn rank(&self) -> (Option<Duration>, Option<Duration>, Duration) {
        (self.summary.median, self.summary.slowest, self.summary.dead_in_dns)
    }

    /// Returns the settings as lines for the file.
    fn lines(&self) -> String {
        let mut lines = String::new();
        if let Some(failure) = self.check.failure {
            let _ = writeln!(lines, "failure_threshold = {failure}");
        }
        for (key, time) in
            [("timeout", self.check.timeout), ("retry_interval", self.check.retry_interval)]
        {
            if let Some(time) = time {
                let _ = writeln!(lines, "{key} = {}", time.as_secs_f64());
            }
        }
        lines
    }
}

fn in_text(best: &Tried, was: &Was, allowed: u64) -> String {
    let mut out = best.lines();
    out.push('\n');
    head(&mut out);
    line(&mut out, "as it was", &was.summary());
    line(&mut out, "with these", &best.summary);
    let cost = match (best.summary.median, was.summary().median) {
        (Some(is), Some(was)) if is > was => {
            format!("a failure is noticed {} later", text::time(is.saturating_sub(was)))
        }
        (Some(is), Some(was)) if is < was => {
            format!("a failure is noticed {} sooner", text::time(was.saturating_sub(is)))
        }
        _ => "a failure is noticed as soon".to_owned(),
    };
    let _ = writeln!(
        out,
        "\nat most {allowed} false alarms were allowed; in the median, {cost} than as it was"
    );
    out
}

fn in_json(best: &Tried, was: &Was, allowed: u64) -> String {
    let value = json!({
        "failure_threshold": best.check.failure.map(NonZeroU32::get),
        "timeout": best.check.timeout.map(|it| it.as_secs_f64()),
        "retry_interval": best.check.retry_interval.map(|it| it.as_secs_f64()),
        "allowed": allowed,
        "as_it_was": text::json(&was.summary()),
        "with_these": text::json(&best.summary),
    });
    format!("{value:#}\n")
}
