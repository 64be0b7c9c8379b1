//! Following a change until it is in force on all of Route 53's servers.
//!
//! Only for the log: nobody waits for it, and nothing is decided by it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_route53::types::{ChangeInfo, ChangeStatus};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::access::Access;
use super::failure::{in_words, not_allowed};
use crate::panics::caught;

/// How often Route 53 is asked about a change. It takes five requests a second for the account.
const EVERY: Duration = Duration::from_secs(5);

/// How often at most; with [`EVERY`], five minutes. Most changes take less than one.
const MOST_POLLS: u32 = 60;

/// How many changes are followed at a time.
const MOST_FOLLOWED: usize = 4;

/// The changes that are being followed. Dropping it ends that.
#[derive(Debug)]
pub(super) struct Followers {
    every: Duration,
    tasks: Mutex<JoinSet<()>>,
    /// These credentials may not ask; said once, and nobody asks again.
    denied: Arc<AtomicBool>,
}

impl Followers {
    pub(super) fn new() -> Self {
        Self { every: EVERY, tasks: Mutex::default(), denied: Arc::default() }
    }

    pub(super) fn set_pace(&mut self, every: Duration) {
        self.every = every;
    }

    /// Lets others ask than those who were not allowed to.
    pub(super) fn may_ask_again(&mut self) {
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
            tracing::debug!(change = %change.id(), "change not followed: enough others are");
        }
    }
}

async fn follow(access: Arc<Access>, change: ChangeInfo, every: Duration, denied: Arc<AtomicBool>) {
    #[expect(clippy::disallowed_methods, reason = "measures for the log and decides nothing")]
    let made = Instant::now();
    let id = change.id().rsplit('/').next().unwrap_or_default();
    let mut in_force = *change.status() == ChangeStatus::Insync;
    // Why it is not known, if the last request brought nothing.
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
        match access.ask(|client| client.get_change().id(id).send()).await {
            Ok(answer) => {
                let status = answer.change_info().map(ChangeInfo::status);
                (in_force, unknown) = (status == Some(&ChangeStatus::Insync), None);
            }
            Err(error) => {
                if let Some(why) = not_allowed(&error) {
                    if !denied.swap(true, Ordering::Relaxed) {
                        say_denied(&why);
                    }
                    return;
                }
                unknown = Some(in_words(&error));
            }
        }
    }
    match unknown {
        Some(why) => tracing::warn!(
            change = %id,
            "whether the change is in force on all servers of Route 53 could not be found out: {why}"
        ),
        None => {
            tracing::warn!(change = %id, "change is still not in force on all servers of Route 53");
        }
    }
}

/// The change itself was made: what is missing is only the word of when it is in force.
fn say_denied(why: &str) {
    tracing::warn!(
        "these credentials may not ask when a change is in force on all servers of Route 53; they \
         need route53:GetChange on arn:aws:route53:::change/*; not asked any more: {why}"
    );
}
