//! Following a change until it is in force on all of Route 53's servers.
//!
//! This is for the log alone: nothing waits for it, and nothing is decided by it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_route53::types::{ChangeInfo, ChangeStatus};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::access::Access;
use super::failure::{describe, not_allowed};
use crate::dns::account::RequestOrder;
use crate::panics::caught;

/// The interval of queries about a change. Route 53 accepts five requests a second for the account.
const EVERY: Duration = Duration::from_secs(5);

/// Maximum number of queries; with [`EVERY`], five minutes. Most changes take less than one.
const MOST_POLLS: u32 = 60;

/// Maximum number of changes that are followed at the same time.
const MOST_FOLLOWED: usize = 4;

/// The changes that are being followed. Dropping it stops that.
#[derive(Debug)]
pub(super) struct Followers {
    every: Duration,
    tasks: Mutex<JoinSet<()>>,
    /// Whether these credentials lack the permission. It is logged once, and no further query is
    /// sent.
    denied: Arc<AtomicBool>,
}

impl Followers {
    pub(super) fn new() -> Self {
        Self { every: EVERY, tasks: Mutex::default(), denied: Arc::default() }
    }

    pub(super) fn set_interval(&mut self, every: Duration) {
        self.every = every;
    }

    /// Allows queries again, because the credentials may differ now.
    pub(super) fn allow_queries(&mut self) {
        self.denied = Arc::default();
    }

    /// Follows `change`, made just now, in the background.
    pub(super) fn follow(&self, access: &Arc<Access>, change: &ChangeInfo) {
        if self.denied.load(Ordering::Relaxed) {
            return;
        }
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        if tasks.len() < MOST_FOLLOWED {
            let denied = Arc::clone(&self.denied);
            let following = follow(Arc::clone(access), change.clone(), self.every, denied);
            tasks.spawn(async move {
                if let Err(panicked) = caught("the DNS provider", following).await {
                    tracing::error!("{panicked}; it is not known when the change is in force");
                }
            });
        } else {
            tracing::debug!(change = %change.id(), "change not followed: too many others are");
        }
    }
}

async fn follow(access: Arc<Access>, change: ChangeInfo, every: Duration, denied: Arc<AtomicBool>) {
    #[expect(clippy::disallowed_methods, reason = "measures for the log and decides nothing")]
    let made = Instant::now();
    let id = change.id().rsplit('/').next().unwrap_or_default();
    let mut in_force = *change.status() == ChangeStatus::Insync;
    // The reason why the status is not known, if the last query failed.
    let mut unknown = None;
    for _ in 0..MOST_POLLS {
        if in_force {
            let seconds = (made.elapsed().as_secs_f64() * 1e3).round() / 1e3;
            tracing::info!(change = %id, seconds, "change is in force on all servers of Route 53");
            return;
        }
        tokio::time::sleep(every).await;
        if denied.load(Ordering::Relaxed) {
            return;
        }
        let answer =
            access.send(RequestOrder::Background, |client| client.get_change().id(id).send());
        match answer.await {
            Ok(answer) => {
                let status = answer.change_info().map(ChangeInfo::status);
                (in_force, unknown) = (status == Some(&ChangeStatus::Insync), None);
            }
            Err(error) => {
                if let Some(why) = not_allowed(&error) {
                    if !denied.swap(true, Ordering::Relaxed) {
                        log_denied(&why);
                    }
                    return;
                }
                unknown = Some(describe(&error));
            }
        }
    }
    match unknown {
        Some(why) => tracing::warn!(
            change = %id,
            "could not determine whether the change is in force on all servers of Route 53: {why}"
        ),
        None => {
            tracing::warn!(change = %id, "change is still not in force on all servers of Route 53");
        }
    }
}

/// Logs the missing permission. The change itself was made; only the time at which it is in force
/// stays unknown.
fn log_denied(why: &str) {
    tracing::warn!(
        "these credentials may not query when a change is in force on all servers of Route 53; they \
         need route53:GetChange on arn:aws:route53:::change/*; not querying it any more: {why}"
    );
}
