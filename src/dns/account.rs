//! The pace of requests and the pauses that a provider asks for, shared by all zones with the same
//! credentials: their requests count against one limit.
//!
//! A zone obeys its own pauses in its reconciler. Here it obeys those of the other zones: its provider
//! sends no request before they are over. Beside that, zones take turns where the limit is known in
//! advance: a write is sent at once, a read waits for the reads before it, and requests that nothing
//! waits for hold up the others by one turn at most.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::clock::now;

/// The maximum pause that a provider may ask for. A longer one is hardly meant, and a dead address
/// must not stay in for longer.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// The pace and the pauses of one account.
#[derive(Debug, Clone, Default)]
pub struct Account(Arc<AccountState>);

#[derive(Debug, Default)]
struct AccountState {
    pauses: Mutex<Pauses>,
    /// Held by the member that waits for its turn. It is fair: the others wait in their order.
    queue: tokio::sync::Mutex<()>,
    /// Held by the only request of the background that is in the queue.
    background: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Pauses {
    /// The number of members so far.
    members: u64,
    /// The number of members that exist.
    living: u64,
    /// The end of the pause that each member was asked for.
    until: BTreeMap<u64, Instant>,
    /// The time at which all requests so far are forgotten, at the pace of the account.
    spent_until: Option<Instant>,
}

/// The limit of an account, known in advance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestPace {
    /// Time in which the account earns one request.
    pub(crate) every: Duration,
    /// The number of requests that it may save up.
    pub(crate) burst: u32,
}

/// The place of a request among those of all members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestOrder {
    /// At once, before all others.
    Now,
    /// After those that wait already.
    InOrder,
    /// One at a time after those that wait already: nothing waits for it.
    Background,
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
        pauses.living += 1;
        AccountMember { account: self.clone(), number: pauses.members }
    }

    /// Obeys the pauses of `before` too, which this one replaces.
    pub(crate) fn inherit_from(&self, before: &Self) {
        if Arc::ptr_eq(&self.0, &before.0) {
            return;
        }
        let spent_until = before.pauses().spent_until;
        {
            let mut pauses = self.pauses();
            pauses.spent_until = pauses.spent_until.max(spent_until);
        }
        let Some(until) = before.pauses().until.values().max().copied() else { return };
        // No member has this number.
        let inherited = self.pauses().until.get(&0).copied();
        self.pauses().until.insert(0, inherited.map_or(until, |other| other.max(until)));
    }

    fn pauses(&self) -> MutexGuard<'_, Pauses> {
        self.0.pauses.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Waits until it is the turn of a request, at this pace, and counts it. The only member of an
    /// account does not wait.
    pub(crate) async fn take_turn(&self, turn: RequestOrder, pace: RequestPace) {
        let AccountState { queue, background, .. } = &*self.account.0;
        if turn == RequestOrder::Now {
            self.account.pauses().spend(now(), pace);
            return;
        }
        let _only = match turn {
            RequestOrder::Background => Some(background.lock().await),
            RequestOrder::Now | RequestOrder::InOrder => None,
        };
        let _turn = queue.lock().await;
        loop {
            let wait = self.account.pauses().spend_or_wait(pace);
            let Some(wait) = wait else { return };
            tokio::time::sleep(wait).await;
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

impl Drop for AccountMember {
    fn drop(&mut self) {
        self.account.pauses().living -= 1;
    }
}

impl Pauses {
    /// Counts a request, or returns the time until there may be one.
    fn spend_or_wait(&mut self, pace: RequestPace) -> Option<Duration> {
        let now = now();
        let saved = pace.every * pace.burst.saturating_sub(1);
        let spent = self.spent_until.map_or(Duration::ZERO, |until| until - now);
        let wait = spent.saturating_sub(saved);
        if self.living > 1 && !wait.is_zero() {
            return Some(wait);
        }
        self.spend(now, pace);
        None
    }

    /// Counts a request. Those of the last minutes are the most that others wait for.
    fn spend(&mut self, now: Instant, pace: RequestPace) {
        let from = self.spent_until.map_or(now, |until| until.max(now));
        let most = now + pace.every * pace.burst.saturating_mul(2);
        self.spent_until = Some((from + pace.every).min(most));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    /// Five requests a second.
    const PACE: RequestPace = RequestPace { every: Duration::from_millis(200), burst: 5 };

    /// Returns the time in which these members have sent so many requests each, all at the same time.
    async fn time_of(requests: usize, members: &[AccountMember]) -> Duration {
        let began = now();
        let turns = members.iter().flat_map(|member| {
            (0..requests).map(move |_| member.take_turn(RequestOrder::InOrder, PACE))
        });
        join_all(turns).await;
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn zones_of_one_account_keep_its_pace_together_and_a_single_one_never_waits() {
        let account = Account::default();
        let one = account.join();
        assert_eq!(time_of(100, &[one]).await, Duration::ZERO);
        tokio::time::advance(10 * SECOND).await;
        let both = [account.join(), account.join()];
        assert_eq!(time_of(10, &both).await, 3 * SECOND, "5 at once, and the other 15 after them");
        let [one, other] = both;
        let began = now();
        one.take_turn(RequestOrder::Now, PACE).await;
        assert_eq!(began.elapsed(), Duration::ZERO, "a write does not wait");
        other.take_turn(RequestOrder::InOrder, PACE).await;
        assert_eq!(began.elapsed(), 2 * PACE.every, "but it counts");
        drop(other);
        assert_eq!(time_of(100, &[one]).await, Duration::ZERO, "it is alone again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_given_up_while_it_waits_costs_the_others_nothing() {
        let account = Account::default();
        let both = [account.join(), account.join()];
        assert_eq!(time_of(5, &both[..1]).await, Duration::ZERO);
        for _ in 0..50 {
            let turn = both[0].take_turn(RequestOrder::InOrder, PACE);
            assert!(tokio::time::timeout(Duration::from_millis(1), turn).await.is_err());
        }
        let began = now();
        both[1].take_turn(RequestOrder::InOrder, PACE).await;
        assert_eq!(began.elapsed(), Duration::from_millis(150));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_of_the_background_hold_up_a_read_by_one_turn_at_most() {
        let account = Account::default();
        let both = [account.join(), account.join()];
        assert_eq!(time_of(5, &both[..1]).await, Duration::ZERO);
        let background =
            join_all((0..50).map(|_| both[0].take_turn(RequestOrder::Background, PACE)));
        let began = now();
        tokio::select! {
            biased;
            _ = background => panic!("they take turns"),
            () = both[1].take_turn(RequestOrder::InOrder, PACE) => {}
        }
        assert_eq!(began.elapsed(), 2 * PACE.every);
    }

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
