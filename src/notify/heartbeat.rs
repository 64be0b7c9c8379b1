//! A dead man's switch: a service elsewhere that raises the alarm when this agent falls silent.
//!
//! A heartbeat goes out only while the agent really watches: its loop turned, probes left and came back
//! or were judged, and it is not isolated. Otherwise the service is told the reason, if it accepts one,
//! and hears nothing if it does not. The sender is a task of its own, which nothing waits for.
//!
//! - `section`: the keys of the configuration; `service`: the services and their requests
//! - `pulse`: the signs of life, and the decision

mod pulse;
mod section;
mod service;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use self::service::{Beat, HeartbeatService};
use super::NoticeCounters;
use super::delivery::PostError;
use crate::panics::caught;

pub(crate) use pulse::{LIVENESS_FLOOR, Pulse};
pub(crate) use section::{HeartbeatConfig, HeartbeatSection};

/// The name in the metrics and in the status.
pub(super) const NAME: &str = "heartbeat";

/// The attempts to send a heartbeat, and the pause between them.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(2);

/// Sends heartbeats for ever. `probes_within` is the time within which a probe must have been judged.
pub(crate) async fn run(
    config: HeartbeatConfig,
    agent: String,
    pulse: Arc<Pulse>,
    probes_within: Duration,
    counters: NoticeCounters,
) {
    let counters = counters.channel(&NAME.into());
    let service = match HeartbeatService::open(&config.url) {
        Ok(service) => service,
        Err(error) => {
            tracing::error!(%error, "heartbeats cannot be sent");
            return counters.unusable(&error.to_string());
        }
    };
    let mut ticks = tokio::time::interval(config.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_well = true;
    loop {
        ticks.tick().await;
        let mut tries_left = TRIES;
        loop {
            tries_left -= 1;
            // Before each attempt: the agent may have stopped to watch since the last one.
            let life = pulse.judge(now(), probes_within);
            if let Err(reason) = &life
                && was_well
            {
                tracing::warn!(reason, "no heartbeat: this agent does not watch");
            }
            was_well = life.is_ok();
            let beat = match life {
                Ok(()) => Beat::Up { agent: &agent },
                Err(ref reason) => Beat::Down { agent: &agent, reason },
            };
            match caught("a heartbeat", service.send(&beat)).await {
                Ok(Ok(true)) => counters.beat_sent(),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => {
                    let may_pass = !matches!(error, PostError::Refused(_));
                    if may_pass && tries_left > 0 {
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                    counters.beat_failed(&error.to_string());
                }
                Err(panicked) => counters.beat_failed(&panicked.to_string()),
            }
            break;
        }
    }
}

/// Sends one heartbeat, as an agent that watches would.
///
/// # Errors
///
/// Fails if the service does not accept it.
pub(super) async fn send_one(config: &HeartbeatConfig, agent: &str) -> Result<(), PostError> {
    let service = HeartbeatService::open(&config.url)
        .map_err(|error| PostError::Refused(error.to_string()))?;
    service.send(&Beat::Up { agent }).await.map(drop)
}

#[expect(clippy::disallowed_methods, reason = "signs of life have their own time")]
fn now() -> Instant {
    Instant::now()
}
