//! Test notices: one of each kind to every channel, and the answers.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::delivery::{Channel, IncidentMemory, PostError};
use super::heartbeat::{self, HeartbeatConfig};
use super::receiver::Receiver;
use super::{
    IncidentKey, IncidentStatus, Notice, NoticeEvidence, NoticeKind, NoticeMark, NotifyConfig,
    Severity,
};
use crate::backoff::Backoff;
use crate::panics::caught;

/// Maximum pause that a test waits for, if a channel asks for one.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The number of attempts to close an incident of the test that the channel has, and the first pause between
/// two of them.
const END_TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The address in test notices, of a block for documentation.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// The kinds of test notices, in order: an incident that begins is also ended.
const KINDS: [(NoticeKind, Severity); 5] = [
    (NoticeKind::Refused, Severity::Critical),
    (NoticeKind::Withdrawn, Severity::Warning),
    (NoticeKind::Visible, Severity::Info),
    (NoticeKind::RefusalOver, Severity::Critical),
    (NoticeKind::Restored, Severity::Warning),
];

/// The result of one test notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrialResult {
    /// The name of the channel.
    pub(crate) channel: String,
    /// The severity of the incident, and the status of the notice.
    pub(crate) notice: String,
    /// The answer to it.
    pub(crate) answer: TrialAnswer,
    /// The time until the answer.
    pub(crate) took: Duration,
}

/// The answer of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TrialAnswer {
    /// The channel accepted the notice.
    Accepted,
    /// The notice was not sent, since the channel gets none of this kind.
    NotSent(String),
    /// The channel did not accept the notice, for this reason.
    Failed(String),
}

/// Sends one notice of each kind to every channel, and one heartbeat, all at the same time.
pub(crate) async fn run(
    config: &NotifyConfig,
    heartbeat: Option<&HeartbeatConfig>,
    agent: &str,
    at: SystemTime,
) -> Vec<TrialResult> {
    let channels = config.receivers().iter().map(|receiver| test(receiver, agent, at));
    let channels = futures_util::future::join_all(channels);
    let beats = heartbeat.map(|config| test_heartbeat(config, agent));
    let beats = futures_util::future::join_all(beats);
    let (channels, beats) = futures_util::future::join(channels, beats).await;
    [channels.concat(), beats].concat()
}

/// Tests the service that expects heartbeats.
async fn test_heartbeat(config: &HeartbeatConfig, agent: &str) -> TrialResult {
    let began = now();
    let answer = match caught("a heartbeat", heartbeat::send_one(config, agent)).await {
        Ok(Ok(())) => TrialAnswer::Accepted,
        Ok(Err(error)) => TrialAnswer::Failed(error.to_string()),
        Err(panicked) => TrialAnswer::Failed(panicked.to_string()),
    };
    TrialResult {
        channel: heartbeat::NAME.to_owned(),
        notice: "alive".to_owned(),
        answer,
        took: began.elapsed(),
    }
}

/// Tests one channel.
async fn test(receiver: &Receiver, agent: &str, at: SystemTime) -> Vec<TrialResult> {
    let mut results = Vec::new();
    let opened = receiver.settings.open();
    let mut standing = BTreeSet::new();
    for (kind, worst) in KINDS {
        let notice = notice(kind, worst, agent, at);
        let began = now();
        // An incident of the test must not stay open.
        let is_end = notice.status == IncidentStatus::Closed;
        let tries = if is_end && standing.contains(&worst) { END_TRIES } else { 1 };
        let answer = match &opened {
            Err(error) => TrialAnswer::Failed(error.to_string()),
            Ok(channel) => answer((&**channel, receiver), &notice, tries).await,
        };
        if answer == TrialAnswer::Accepted {
            standing.insert(worst);
        }
        results.push(TrialResult {
            channel: receiver.label.to_string(),
            notice: format!("{worst}, {}", notice.status.word()),
            answer,
            took: began.elapsed(),
        });
    }
    results
}

/// Sends one notice in so many attempts, and once more if the channel asks for a short pause.
async fn answer(
    (channel, receiver): (&dyn Channel, &Receiver),
    notice: &Notice,
    tries: u32,
) -> TrialAnswer {
    let least = receiver.route.min_severity;
    if notice.worst < least {
        return TrialAnswer::NotSent(format!("min_severity is {least}"));
    }
    if notice.status == IncidentStatus::Event && channel.memory() != IncidentMemory::Messages {
        return TrialAnswer::NotSent("it gets incidents alone".to_owned());
    }
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut tries_left = tries;
    let mut posted = caught("a notice", channel.post(notice)).await;
    while let Ok(Err(PostError::Later { retry_after, .. })) = &posted
        && (tries_left > 1 || retry_after.is_some_and(|pause| pause <= LONGEST_PAUSE))
        && tries_left > 0
    {
        tries_left -= 1;
        let pause = retry_after.unwrap_or_else(|| backoff.next_wait());
        tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
        posted = caught("a notice", channel.post(notice)).await;
    }
    match posted {
        Ok(Ok(())) => TrialAnswer::Accepted,
        Ok(Err(error)) => TrialAnswer::Failed(error.to_string()),
        Err(panicked) => TrialAnswer::Failed(panicked.to_string()),
    }
}

/// Returns a test notice.
fn notice(kind: NoticeKind, worst: Severity, agent: &str, at: SystemTime) -> Notice {
    let status = kind.status();
    let reason = (worst == Severity::Critical).then(|| "floor".to_owned());
    let problem = kind.problem(reason.as_deref());
    let is_over = status == IncidentStatus::Closed;
    Notice {
        at,
        agent: agent.to_owned(),
        dry_run: false,
        kind,
        targets: vec![ADDRESS.into()],
        zone: None,
        names: vec!["test.example".to_owned()],
        reason,
        detail: Some("this is a test of the channel, and nothing happened".to_owned()),
        evidence: NoticeEvidence::default(),
        incident: IncidentKey::new(Some("test"), Some("test"), Some(agent), problem),
        joined: vec![],
        status,
        quiet: false,
        severity: if is_over { Severity::Info } else { worst },
        worst,
        since: at,
        advice: Some("nothing; the incident of the test is closed at once".to_owned()),
        mark: NoticeMark::Test,
    }
}

#[expect(clippy::disallowed_methods, reason = "the time of an answer concerns its reader alone")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_incident_of_a_test_is_closed_under_its_own_key_and_all_are_marked() {
        let mut open = Vec::new();
        for (kind, severity) in KINDS {
            let notice = notice(kind, severity, "sfo-1", SystemTime::UNIX_EPOCH);
            assert!(notice.title().starts_with("TEST, "), "{}", notice.title());
            assert!(notice.text().starts_with("sfo-1 (test): "), "{}", notice.text());
            match notice.status {
                IncidentStatus::Opened => open.push(notice.incident),
                IncidentStatus::Closed => open.retain(|key| *key != notice.incident),
                IncidentStatus::Event => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(open, []);
        let severities: Vec<_> = KINDS.iter().map(|(_, severity)| *severity).collect();
        assert!(Severity::ALL.iter().all(|severity| severities.contains(severity)));
    }
}
