//! `goavail notify --test`: one notice of each kind to every channel and one heartbeat, and the answers.

use std::fmt::Write as _;
use std::time::SystemTime;

use serde::Serialize;

use super::{CommandError, CommandReport, Ending, printable, wait_for};
use crate::cli::NotifyOptions;
use crate::notify::trial::{self, TrialAnswer, TrialResult};
use crate::settings::Config;
use crate::text::{pretty_json, seconds};

/// Sends the test notices, and returns the answers as a table or as JSON.
///
/// # Errors
///
/// Fails if there are no channels. A notice that a channel does not accept is a failure of the report.
pub(crate) fn notify(
    config: &Config,
    asked: &NotifyOptions,
    at: SystemTime,
) -> Result<CommandReport, CommandError> {
    let (channels, heartbeat) = (&config.sections.notify, config.sections.heartbeat.as_ref());
    if channels.receivers().is_empty() && heartbeat.is_none() {
        return Err(CommandError::NoChannels);
    }
    let sent = trial::run(channels, heartbeat, &config.name, at);
    let results = wait_for(async { Ok(sent.await) })?;
    let failed = results.iter().filter(|it| matches!(it.answer, TrialAnswer::Failed(_))).count();
    let text = if asked.json { json(&results) } else { table(&results) };
    let ending = match failed {
        0 => Ending::Fine,
        failed => Ending::Failed(CommandError::NoticesFailed { failed, all: results.len() }),
    };
    Ok(CommandReport { text, ending })
}

/// Returns the answers as a table.
fn table(results: &[TrialResult]) -> String {
    let mut rows = vec![["CHANNEL".to_owned(), "NOTICE".to_owned(), "ANSWER".to_owned()]];
    for result in results {
        let took = seconds(std::time::Duration::from_millis(
            u64::try_from(result.took.as_millis()).unwrap_or(u64::MAX),
        ));
        let answer = match &result.answer {
            TrialAnswer::Accepted => format!("accepted after {took}"),
            TrialAnswer::NotSent(why) => format!("not sent: {}", printable(why)),
            TrialAnswer::Failed(why) => format!("FAILED after {took}: {}", printable(why)),
        };
        rows.push([result.channel.clone(), result.notice.clone(), answer]);
    }
    let [first, second] = [0, 1]
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default());
    let mut text = String::new();
    for [channel, notice, answer] in rows {
        _ = writeln!(text, "{channel:first$}  {notice:second$}  {answer}");
    }
    text
}

/// Returns the answers as JSON.
fn json(results: &[TrialResult]) -> String {
    #[derive(Serialize)]
    struct ShownTrial<'a> {
        channel: &'a str,
        notice: &'a str,
        outcome: &'static str,
        reason: Option<&'a str>,
        took_s: f64,
    }
    let mut shown = Vec::new();
    for TrialResult { channel, notice, answer, took } in results {
        let (outcome, reason) = match answer {
            TrialAnswer::Accepted => ("accepted", None),
            TrialAnswer::NotSent(why) => ("not_sent", Some(why.as_str())),
            TrialAnswer::Failed(why) => ("failed", Some(why.as_str())),
        };
        shown.push(ShownTrial { channel, notice, outcome, reason, took_s: took.as_secs_f64() });
    }
    let mut text = pretty_json(&shown).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn results() -> Vec<TrialResult> {
        [
            ("slack", TrialAnswer::Accepted),
            ("pagerduty", TrialAnswer::NotSent("it gets incidents alone".into())),
            ("ops", TrialAnswer::Failed("it answered 403 Forbidden".into())),
        ]
        .map(|(channel, answer)| TrialResult {
            channel: channel.into(),
            notice: "info, event".into(),
            answer,
            took: Duration::from_millis(1_200),
        })
        .into()
    }

    #[test]
    fn the_answers_are_a_table() {
        let want = "CHANNEL    NOTICE       ANSWER\n\
                    slack      info, event  accepted after 1.2 s\n\
                    pagerduty  info, event  not sent: it gets incidents alone\n\
                    ops        info, event  FAILED after 1.2 s: it answered 403 Forbidden\n";
        assert_eq!(table(&results()), want);
    }

    #[test]
    fn the_answers_are_json_for_machines() {
        let json: serde_json::Value = serde_json::from_str(&json(&results())).unwrap();
        let want = serde_json::json!({
            "channel": "ops", "notice": "info, event", "outcome": "failed",
            "reason": "it answered 403 Forbidden", "took_s": 1.2
        });
        assert_eq!(json[2], want);
    }
}
