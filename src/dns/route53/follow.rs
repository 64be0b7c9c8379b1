//! Following a change until it is in force on all of Route 53's servers.
//!
//! Only for the log: nobody waits for it, and nothing is decided by it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_route53::Client;
use aws_sdk_route53::types::{ChangeInfo, ChangeStatus};
use tokio::task::JoinSet;
use tokio::time::Instant;

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
}

impl Followers {
    pub(super) fn new() -> Self {
        Self { every: EVERY, tasks: Mutex::default() }
    }

    pub(super) fn set_pace(&mut self, every: Duration) {
        self.every = every;
    }

    /// Follows `change`, made just now, in the background.
    pub(super) fn follow(&self, client: &Client, change: &ChangeInfo) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        if tasks.len() < MOST_FOLLOWED {
            tasks.spawn(follow(client.clone(), change.clone(), self.every));
        } else {
            tracing::debug!(change = %change.id(), "change not followed: enough others are");
        }
    }
}

async fn follow(client: Client, change: ChangeInfo, every: Duration) {
    #[expect(clippy::disallowed_methods, reason = "measures for the log and decides nothing")]
    let made = Instant::now();
    let id = change.id().rsplit('/').next().unwrap_or_default();
    let mut in_force = *change.status() == ChangeStatus::Insync;
    for _ in 0..MOST_POLLS {
        if in_force {
            let seconds = made.elapsed().as_secs_f64();
            tracing::info!(change = %id, seconds, "change is in force on all servers of Route 53");
            return;
        }
        tokio::time::sleep(every).await;
        let answer = client.get_change().id(id).send().await;
        let status = answer.as_ref().ok().and_then(|a| a.change_info()).map(ChangeInfo::status);
        in_force = status == Some(&ChangeStatus::Insync);
    }
    tracing::warn!(change = %id, "change is still not in force on all servers of Route 53");
}
