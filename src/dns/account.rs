//! The pauses that a provider asks for, shared by all zones with the same credentials: their requests
//! count against one limit.
//!
//! A zone obeys its own pauses in its reconciler. Here it obeys those of the other zones: its provider
//! sends no request before they are over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::clock::now;

/// The maximum pause that a provider may ask for. A longer one is hardly meant, and a dead address
/// must not stay in for longer.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// The pauses of one account.
#[derive(Debug, Clone, Default)]
pub struct Account(Arc<Mutex<Pauses>>);

#[derive(Debug, Default)]
struct Pauses {
    /// The number of members so far.
    members: u64,
    /// The end of the pause that each member was asked for.
    until: BTreeMap<u64, Instant>,
}

/// A provider as a user of its account.
#[derive(Debug)]
pub(crate) struct AccountMember {
    account: Account,
    number: u64,
}

/// A request that was not sent, because the account has to pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no request is sent for another {:.1} s: the provider asked for a pause in another zone with the \
     same credentials",
    .0.as_secs_f64()
)]
pub(crate) struct Paused(pub(crate) Duration);

impl Account {
    /// Adds a provider that uses the account.
    pub(crate) fn join(&self) -> AccountMember {
        let mut pauses = self.pauses();
        pauses.members += 1;
        AccountMember { account: self.clone(), number: pauses.members }
    }

    /// Obeys the pauses of `before` too, which this one replaces.
    pub(crate) fn inherit_from(&self, before: &Self) {
        if Arc::ptr_eq(&self.0, &before.0) {
            return;
        }
        let Some(until) = before.pauses().until.values().max().copied() else { return };
        // No member has this number.
        let inherited = self.pauses().until.get(&0).copied();
        self.pauses().until.insert(0, inherited.map_or(until, |other| other.max(until)));
    }

    fn pauses(&self) -> MutexGuard<'_, Pauses> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AccountMember {
    /// Returns the account.
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// Checks that a request may be sent now.
    ///
    /// # Errors
    ///
    /// Fails with the remaining time while another member has to pause.
    pub(crate) fn check(&self) -> Result<(), Paused> {
        let now = now();
        let mut pauses = self.account.pauses();
        pauses.until.retain(|_, until| *until > now);
        let others = pauses.until.iter().filter(|(member, _)| **member != self.number);
        match others.map(|(_, until)| *until - now).max() {
            Some(left) => Err(Paused(left)),
            None => Ok(()),
        }
    }

    /// Records that the provider asked this member for a pause.
    pub(crate) fn pause_for(&self, pause: Duration) {
        let until = now() + pause.min(LONGEST_PAUSE);
        let mut pauses = self.account.pauses();
        let known = pauses.until.entry(self.number).or_insert(until);
        *known = until.max(*known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_pause_of_one_member_is_obeyed_by_the_others_until_it_is_over() {
        let account = Account::default();
        let [one, other] = [account.join(), account.join()];
        one.pause_for(30 * SECOND);
        one.pause_for(10 * SECOND);
        assert_eq!(one.check(), Ok(()), "its own reconciler waits");
        assert_eq!(other.check(), Err(Paused(30 * SECOND)));
        tokio::time::advance(29 * SECOND).await;
        assert_eq!(other.check(), Err(Paused(SECOND)));
        tokio::time::advance(SECOND).await;
        assert_eq!(other.check(), Ok(()));
        assert_eq!(Account::default().join().check(), Ok(()), "of another account");
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_pause_is_cut_short() {
        let account = Account::default();
        account.join().pause_for(Duration::MAX);
        assert_eq!(account.join().check(), Err(Paused(LONGEST_PAUSE)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_pauses_before_a_reload_are_obeyed_after_it() {
        let [before, after] = [Account::default(), Account::default()];
        before.join().pause_for(30 * SECOND);
        after.inherit_from(&before);
        after.inherit_from(&Account::default());
        assert_eq!(after.join().check(), Err(Paused(30 * SECOND)));
        before.join().pause_for(60 * SECOND);
        after.inherit_from(&before);
        after.inherit_from(&after.clone());
        assert_eq!(after.join().check(), Err(Paused(60 * SECOND)));
    }
}
