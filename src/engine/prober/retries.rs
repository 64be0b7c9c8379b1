//! The budget shared by all retries, so that losses caused by congestion do not cause floods of
//! retries.

use std::collections::VecDeque;
use std::time::Duration;

use super::Prober;
use crate::engine::context::Context;
use crate::engine::ids::EndpointId;
use crate::engine::moment::Moment;
use crate::engine::schedule::Item;

/// The minimum budget, in retries a second.
const LEAST_BUDGET: f64 = 100.0;

/// The number of retries that may be sent at the same moment after a rest.
const AT_ONCE: u32 = 10;

/// The budget: one retry per fixed period, and the queue of endpoints that wait for it.
#[derive(Debug)]
pub(super) struct Retries {
    /// The period for which one retry is allowed.
    every: Duration,
    /// The time at which the budget is full again.
    full_at: Moment,
    waiting: VecDeque<EndpointId>,
    /// The time of the scheduled wake-up for those that wait; `None` without one.
    wakes_at: Option<Moment>,
}

impl Default for Retries {
    fn default() -> Self {
        let every = Duration::from_secs_f64(1.0 / LEAST_BUDGET);
        Self { every, full_at: Moment::default(), waiting: VecDeque::new(), wakes_at: None }
    }
}

/// Returns the probes a second of this many endpoints at the ordinary pace.
pub(super) fn ordinary(endpoints: usize, interval: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let endpoints = endpoints as f64;
    endpoints / interval.as_secs_f64().max(0.001)
}

/// Returns the number of retries a second that `endpoints` together are allowed.
pub(crate) fn budget(endpoints: usize, interval: Duration) -> f64 {
    at_least(ordinary(endpoints, interval))
}

/// Returns the number of retries a second that go with so many ordinary probes.
pub(super) fn at_least(ordinary: f64) -> f64 {
    ordinary.max(LEAST_BUDGET)
}

/// Returns the maximum number of probes a second that are sent to `endpoints` together: all at the
/// ordinary pace, and as many retries as the budget allows.
pub(crate) fn most_a_second(endpoints: usize, interval: Duration, retry_interval: Duration) -> f64 {
    let all_suspect = ordinary(endpoints, interval.min(retry_interval));
    all_suspect.min(ordinary(endpoints, interval) + budget(endpoints, interval))
}

impl Retries {
    /// Sets the number of retries that are allowed a second.
    pub(super) fn set_budget(&mut self, budget: f64) {
        self.every = Duration::from_secs_f64(1.0 / budget);
    }

    /// Takes one retry out of the budget, if there is room. Returns whether there was.
    fn take(&mut self, now: Moment) -> bool {
        let room = self.full_at.max(now) + self.every <= now + self.every * AT_ONCE;
        if room {
            self.spend(now);
        }
        room
    }

    /// Takes one retry out of the budget, whether there is room or not.
    fn spend(&mut self, now: Moment) {
        self.full_at = self.full_at.max(now) + self.every;
    }

    /// Returns the time at which there is room for one more retry.
    fn room_at(&self) -> Moment {
        self.full_at.before(self.every * (AT_ONCE - 1))
    }

    /// Returns the time at which those that wait have to be looked at; `None` if a wake-up by then is
    /// scheduled. One wake-up is enough for all of them: one for each would be scheduled anew by each
    /// retry that is sent, and cost the square of a mass death.
    fn next_wake_up(&mut self, now: Moment) -> Option<Moment> {
        let at = self.room_at().max(now);
        if self.wakes_at.is_some_and(|scheduled| now < scheduled && scheduled <= at) {
            return None;
        }
        self.wakes_at = Some(at);
        self.wakes_at
    }
}

impl Prober {
    /// Returns whether the due probe of an endpoint may be sent now. A retry may have to wait for
    /// its turn, but never longer than until its next ordinary probe. Canaries are few and never
    /// wait.
    pub(super) fn may_retry(&mut self, id: EndpointId, context: &mut Context) -> bool {
        let now = context.now;
        let Some(watched) = self.endpoints.get_mut(id) else { return false };
        let Some(ordinary) = watched.watch.retries_before(now, watched.check.pace) else {
            watched.waits_to_retry = false;
            return true;
        };
        if !watched.is_target() {
            self.retries.spend(now);
            return true;
        }
        // Endpoints that already wait go first.
        let first = self.retries.waiting.is_empty() || watched.waits_to_retry;
        if first && self.retries.take(now) {
            watched.waits_to_retry = false;
            return true;
        }
        watched.watch.put_off(ordinary);
        if !std::mem::replace(&mut watched.waits_to_retry, true) {
            self.retries.waiting.push_back(id);
        }
        self.schedule_wake_up(context);
        false
    }

    /// Schedules the wake-up for those that wait, unless there is one.
    fn schedule_wake_up(&mut self, context: &mut Context) {
        if let Some(at) = self.retries.next_wake_up(context.now) {
            context.schedule.add(at, Item::Retry);
        }
    }

    /// Sends the retries that wait for the budget, as far as it reaches.
    pub(in crate::engine) fn retry_waiting(&mut self, context: &mut Context) {
        let now = context.now;
        while let Some(id) = self.retries.waiting.front().copied() {
            let waits = self.endpoints.get_mut(id).filter(|watched| watched.waits_to_retry);
            let Some(watched) = waits.filter(|watched| watched.watch.is_suspect()) else {
                self.retries.waiting.pop_front();
                continue;
            };
            if self.retries.room_at() > now {
                self.schedule_wake_up(context);
                return;
            }
            self.retries.waiting.pop_front();
            watched.watch.put_off(now);
            self.send_if_due(id, context);
            self.arm(id, context);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_wait_share_one_wake_up() {
        let mut retries = Retries::default();
        let now = Moment::default() + Duration::from_secs(1);
        while retries.take(now) {}
        let at = retries.room_at();
        assert!(at > now);
        let scheduled: Vec<Moment> = (0..1_000).filter_map(|_| retries.next_wake_up(now)).collect();
        assert_eq!(scheduled, [at]);
        assert!(retries.take(at));
        assert_eq!(retries.next_wake_up(at), Some(retries.room_at()));
    }

    #[test]
    fn the_budget_is_the_ordinary_pace_but_a_hundred_at_least() {
        let second = Duration::from_secs(1);
        for (endpoints, want) in [(1, 100.0), (100, 100.0), (1_000, 1_000.0)] {
            assert!((budget(endpoints, second) - want).abs() < 1e-9, "{endpoints}");
        }
        let fifth = Duration::from_millis(200);
        for (endpoints, want) in [(1, 5.0), (20, 100.0), (100, 200.0), (1_000, 2_000.0)] {
            let most = most_a_second(endpoints, second, fifth);
            assert!((most - want).abs() < 1e-9, "{endpoints}: {most}");
        }
    }

    #[test]
    fn a_few_may_go_at_once_and_the_rest_at_the_pace_of_the_budget() {
        let (mut retries, every) = (Retries::default(), Duration::from_millis(10));
        let gone = |retries: &mut Retries, now| (0..1_000).filter(|_| retries.take(now)).count();
        let now = Moment::after_start(Duration::from_secs(5));
        assert_eq!(gone(&mut retries, now), 10);
        assert_eq!(gone(&mut retries, now + every), 1);
        assert_eq!(retries.room_at(), now + every * 2);
        assert_eq!(gone(&mut retries, now + Duration::from_secs(1)), 10, "no more is saved up");
    }
}
