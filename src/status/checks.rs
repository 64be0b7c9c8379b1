//! The checks of the targets on the board, and in snapshots.
//!
//! Targets of services without a chosen check have none. They change with every probe, so they stand apart
//! from the targets, which are copied for each change.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::model::{CheckFailure, CheckStatus, CountedMode, Health, PhaseTimes, Streak, Time};
use crate::text::one_line;

/// Maximum length in characters of a reason or a warning, which others may have written.
const SAID_CHARS: usize = 400;

/// The checks of one target.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TargetChecks {
    /// The checks, in the configuration's order.
    pub checks: Vec<CheckState>,
    /// The checks that made the target go down, each with its reason, if it is down.
    pub failed: Vec<(String, Option<String>)>,
}

/// One check of a target.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckState {
    /// Its name; distinct in its service.
    pub name: Arc<str>,
    /// Its type, as in the configuration.
    pub kind: &'static str,
    /// Whether it is counted, or only measured and shown.
    pub is_counted: bool,
    /// The health that its results alone give.
    pub health: Health,
    /// The newest outcomes in a row that are alike.
    pub streak: Streak,
    /// The round-trip time of the newest reply.
    pub last_rtt: Option<Duration>,
    /// The reason of the newest loss in words; `None` after a reply.
    pub said: Option<String>,
    /// The warning of the newest probe, or about the certificate that the target presented last.
    pub warning: Option<String>,
    /// The end of the certificate that the target presented last, in seconds since 1970.
    pub certificate_ends: Option<i64>,
    /// The phases of the newest probe that ended, by their names in the metrics.
    pub phases: Vec<(&'static str, Duration)>,
}

impl CheckState {
    /// Returns the check as readers see it.
    pub(super) fn status(&self) -> CheckStatus {
        let mode = if self.is_counted { CountedMode::Count } else { CountedMode::Watch };
        CheckStatus {
            name: self.name.to_string(),
            r#type: self.kind.to_owned(),
            mode,
            health: self.health,
            streak: self.streak,
            last_rtt_ms: self.last_rtt.map(milliseconds),
            said: self.said.as_deref().map(bounded),
            warning: self.warning.as_deref().map(bounded),
            certificate_ends: self.certificate_ends.map(date),
            phases_ms: self.phase_times(),
        }
    }

    fn phase_times(&self) -> PhaseTimes {
        let mut times = PhaseTimes::default();
        for (phase, duration) in &self.phases {
            let time = Some(milliseconds(*duration));
            match *phase {
                "connect" => times.connect = time,
                "tls" => times.tls = time,
                "first_byte" => times.first_byte = time,
                "body" => times.body = time,
                _ => {}
            }
        }
        times
    }

    /// Whether readers should learn of a change from `before` soon.
    fn is_urgent(&self, before: &Self) -> bool {
        self.health != before.health || self.warning.is_some() != before.warning.is_some()
    }
}

impl TargetChecks {
    /// Returns the checks as readers see them.
    pub(super) fn statuses(&self) -> Vec<CheckStatus> {
        self.checks.iter().map(CheckState::status).collect()
    }

    /// Returns the checks that made the target go down, as readers see them.
    pub(super) fn failures(&self) -> Vec<CheckFailure> {
        let mut failures = Vec::with_capacity(self.failed.len());
        for (check, said) in &self.failed {
            let said = said.as_deref().map(bounded);
            failures.push(CheckFailure { check: check.clone(), said });
        }
        failures
    }

    /// Whether readers should learn of a change from `before` soon.
    pub(super) fn is_urgent(&self, before: &Self) -> bool {
        self.checks.len() != before.checks.len()
            || self.failed != before.failed
            || self.checks.iter().zip(&before.checks).any(|(new, old)| new.is_urgent(old))
    }
}

/// Returns a text without control characters, and of a bounded length.
fn bounded(text: &str) -> String {
    let line = one_line(text, '?');
    match line.char_indices().nth(SAID_CHARS) {
        None => line,
        Some((end, _)) => format!("{}…", &line[..end]),
    }
}

/// Returns a time in seconds since 1970. A time before that is 1970, and one after the year 9999 its end.
fn date(seconds: i64) -> Time {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    let latest = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    Time::new(SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(latest))
}

/// Returns a duration in milliseconds, rounded to the microsecond.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// The checks of all targets that have some, by places that the targets know.
#[derive(Debug, Default)]
pub(super) struct AllChecks(Vec<Arc<TargetChecks>>);

impl AllChecks {
    /// Sets the checks of a target with those at the place `before`. Returns their place, and whether
    /// readers should learn of the change soon.
    pub(super) fn set(&mut self, before: Option<usize>, checks: TargetChecks) -> (usize, bool) {
        if let Some((place, known)) = before.and_then(|at| Some((at, self.0.get_mut(at)?))) {
            let is_urgent = checks.is_urgent(known);
            if **known != checks {
                *known = Arc::new(checks);
            }
            return (place, is_urgent);
        }
        self.0.push(Arc::new(checks));
        (self.0.len() - 1, true)
    }

    /// Drops all checks but those at these places, which are replaced by the new ones.
    pub(super) fn keep<'a>(&mut self, used: impl Iterator<Item = &'a mut Option<usize>>) {
        let old = std::mem::take(&mut self.0);
        for place in used {
            *place = place.and_then(|at| old.get(at)).map(|checks| {
                self.0.push(Arc::clone(checks));
                self.0.len() - 1
            });
        }
    }

    /// Returns the checks for a snapshot.
    pub(super) fn published(&self) -> Vec<Arc<TargetChecks>> {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::model::Outcome;

    fn state(name: &str) -> CheckState {
        CheckState {
            name: name.into(),
            kind: "http",
            is_counted: true,
            health: Health::Up,
            streak: Streak { outcome: Outcome::Reply, count: 0 },
            last_rtt: None,
            said: None,
            warning: None,
            certificate_ends: None,
            phases: vec![("connect", Duration::from_micros(1_234))],
        }
    }

    fn checks(names: &[&str]) -> TargetChecks {
        TargetChecks { checks: names.iter().map(|name| state(name)).collect(), failed: vec![] }
    }

    #[test]
    fn text_of_a_target_is_cleaned_and_bounded() {
        let nasty = format!("\u{1b}[31m\u{202e}{}", "x".repeat(9_000));
        let state = CheckState { said: Some(nasty.clone()), warning: Some(nasty), ..state("web") };
        let shown = state.status();
        for text in [shown.said.unwrap(), shown.warning.unwrap()] {
            assert!(text.starts_with("?[31m\\u{202e}xxx") && text.ends_with("x…"), "{text}");
            assert_eq!(text.chars().count(), SAID_CHARS + 1);
        }
        assert_eq!(shown.phases_ms.connect, Some(1.234));
    }

    #[test]
    fn the_end_of_a_certificate_is_a_date_that_can_be_written() {
        for (seconds, want) in [
            (1_795_316_400, "2026-11-22T03:00:00.000Z"),
            (-1, "1970-01-01T00:00:00.000Z"),
            (253_402_300_799, "9999-12-31T23:59:59.000Z"),
            (i64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            let ends = CheckState { certificate_ends: Some(seconds), ..state("web") };
            assert_eq!(ends.status().certificate_ends.unwrap().to_string(), want, "{seconds}");
        }
    }

    #[test]
    fn checks_keep_to_their_targets_when_others_are_dropped() {
        let mut all = AllChecks::default();
        let mut places: Vec<Option<usize>> = Vec::new();
        for name in ["a", "b", "c"] {
            places.push(Some(all.set(None, checks(&[name])).0));
        }
        places.remove(1);
        places.push(None);
        all.keep(places.iter_mut());
        let published = all.published();
        let names: Vec<_> = places
            .iter()
            .map(|place| place.map(|at| published[at].checks[0].name.to_string()))
            .collect();
        assert_eq!(names, [Some("a".to_owned()), Some("c".to_owned()), None]);
    }

    #[test]
    fn only_changes_of_health_and_reasons_are_urgent() {
        let mut all = AllChecks::default();
        let (place, is_urgent) = all.set(None, checks(&["web", "icmp"]));
        assert!(is_urgent, "it is new");
        let mut next = checks(&["web", "icmp"]);
        next.checks[0].streak.count = 9;
        assert_eq!(all.set(Some(place), next.clone()), (place, false));
        next.checks[0].health = Health::Down;
        assert_eq!(all.set(Some(place), next.clone()), (place, true));
        next.failed = vec![("web".into(), None)];
        assert_eq!(all.set(Some(place), next), (place, true));
        assert_eq!(all.set(Some(place), checks(&["web"])), (place, true));
    }
}
