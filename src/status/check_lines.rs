//! The checks of a target in words, shared by the table and the page.

use super::concern::rtt;
use super::model::{CheckStatus, CountedMode, Health, Outcome, Reason, Target, Time};
use crate::text::counted;

/// One check in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CheckLine {
    pub(super) name: String,
    pub(super) health: &'static str,
    /// The newest outcomes in a row: `3 losses in a row`.
    pub(super) streak: String,
    /// The reason of the newest loss or the newest round trip, a warning, the end of a certificate.
    pub(super) words: String,
}

impl CheckLine {
    /// Describes a check at this time.
    pub(super) fn of(check: &CheckStatus, at: Time) -> Self {
        let count = usize::try_from(check.streak.count).unwrap_or(usize::MAX);
        let streak = match check.streak.outcome {
            _ if count == 0 => "not asked yet".to_owned(),
            Outcome::Reply => counted(count, "reply", "replies"),
            Outcome::Loss => counted(count, "loss", "losses"),
        };
        let mut words = Vec::new();
        if check.mode == CountedMode::Watch {
            words.push("watched, not counted".to_owned());
        }
        if check.health == Health::Unknown {
            words.push("no probe can be judged".to_owned());
        }
        if check.is_losing() {
            words.push(check.said.clone().unwrap_or_else(|| "no reply".to_owned()));
        } else if check.last_rtt_ms.is_some() {
            words.push(rtt(check.last_rtt_ms));
        }
        match &check.warning {
            // About a certificate, it has the date.
            Some(warning) => words.push(format!("warning: {warning}")),
            None => words.extend(check.certificate_ends.map(|ends| certificate(ends, at))),
        }
        if words.is_empty() {
            words.push(check.r#type.clone());
        }
        let health = super::concern::health(check.health);
        Self { name: check.name.clone(), health, streak, words: words.join("; ") }
    }
}

/// Returns the end of a certificate with the time that is left.
fn certificate(ends: Time, at: Time) -> String {
    const DAY: u64 = 24 * 60 * 60;
    let date = ends.to_the_second();
    let date = date.split(' ').next().unwrap_or(&date);
    if ends < at {
        return format!("certificate ended on {date}");
    }
    let days = usize::try_from(at.until(ends).as_secs() / DAY).unwrap_or(usize::MAX);
    format!("certificate until {date}, {}", counted(days, "day", "days"))
}

/// Returns the reasons why a target is down, or stays in service though it is: none of one that is up, or
/// has no chosen check.
pub(super) fn summary(target: &Target) -> Vec<String> {
    let mut lines = Vec::new();
    if target.checks.is_empty() {
        return lines;
    }
    if target.known_reason() == Some(Reason::Alike) {
        lines.push(ALIKE.to_owned());
    }
    let failed: Vec<String> = target.failed.iter().map(ToString::to_string).collect();
    let failed = failed.join("; ");
    match target.known_reason() {
        Some(Reason::Asked) if failed.is_empty() => {
            lines.push("it asks to be taken out".to_owned());
        }
        Some(Reason::Asked) => lines.push(format!("it asks to be taken out: {failed}")),
        _ if failed.is_empty() => {}
        _ => lines.push(format!("went down by {failed}")),
    }
    lines
}

/// The reason `alike` in words.
const ALIKE: &str = "all targets of the service fail alike, so they stay in service; look at the last \
                     deployment";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::model::{CheckFailure, Streak};
    use crate::status::sample;

    fn check(health: Health, streak: (Outcome, u64)) -> CheckStatus {
        let streak = Streak { outcome: streak.0, count: streak.1 };
        CheckStatus { health, streak, said: None, warning: None, ..sample::check("web") }
    }

    #[test]
    fn a_check_reads_like_this() {
        use Outcome::{Loss, Reply};
        let said = Some("connect 0.4 ms, then 503 (wanted 200-299)".to_owned());
        let up = check(Health::Up, (Reply, 512));
        let down = check(Health::Down, (Loss, 12));
        let new = CheckStatus { last_rtt_ms: None, ..check(Health::AssumedUp, (Reply, 0)) };
        let ends = Some(sample::time(3_600 + 9 * 86_400 + 5));
        let warning = Some("the certificate ends in 9 days (2026-12-01)".to_owned());
        let rows = [
            (up.clone(), "up", "512 replies", "2.31 ms"),
            (
                CheckStatus { said, ..down.clone() },
                "down",
                "12 losses",
                "connect 0.4 ms, then 503 (wanted 200-299)",
            ),
            (down.clone(), "down", "12 losses", "no reply"),
            (check(Health::Up, (Loss, 1)), "up", "1 loss", "no reply"),
            (check(Health::Down, (Reply, 1)), "down", "1 reply", "2.31 ms"),
            (new, "assumed", "not asked yet", "https"),
            (
                CheckStatus { mode: CountedMode::Watch, ..down },
                "down",
                "12 losses",
                "watched, not counted; no reply",
            ),
            (
                check(Health::Unknown, (Reply, 3)),
                "unknown",
                "3 replies",
                "no probe can be judged; 2.31 ms",
            ),
            (
                CheckStatus { warning, certificate_ends: ends, ..up.clone() },
                "up",
                "512 replies",
                "2.31 ms; warning: the certificate ends in 9 days (2026-12-01)",
            ),
            (
                CheckStatus { certificate_ends: ends, ..up.clone() },
                "up",
                "512 replies",
                "2.31 ms; certificate until 2026-12-01, 9 days",
            ),
            (
                CheckStatus { certificate_ends: Some(sample::time(0)), ..up },
                "up",
                "512 replies",
                "2.31 ms; certificate ended on 2026-11-22",
            ),
        ];
        for (check, health, streak, words) in rows {
            let line = CheckLine::of(&check, sample::time(3_600));
            let got = (line.health, line.streak.as_str(), line.words.as_str());
            assert_eq!(got, (health, streak, words), "{check:?}");
        }
    }

    #[test]
    fn a_target_says_why_it_is_down_and_why_it_stays_in_service() {
        let said = Some("connect 0.4 ms, then 503 (wanted 200-299)".to_owned());
        let mut target = sample::target("192.0.2.10");
        target.failed = vec![CheckFailure { check: "web".into(), said }];
        assert_eq!(summary(&target), [""; 0], "an older agent, or a file without checks");
        target.checks = vec![check(Health::Down, (Outcome::Loss, 3))];
        let web = "web: connect 0.4 ms, then 503 (wanted 200-299)";
        assert_eq!(summary(&target), [format!("went down by {web}")]);
        target.reason = Some(Reason::Asked.into());
        assert_eq!(summary(&target), [format!("it asks to be taken out: {web}")]);
        target.reason = Some(Reason::Alike.into());
        assert_eq!(summary(&target), [ALIKE.to_owned(), format!("went down by {web}")]);
        (target.reason, target.failed) = (None, vec![]);
        assert_eq!(summary(&target), [""; 0]);
    }
}
