//! Returns: how long each target that was withdrawn has to be up before it is put back.
//!
//! The time is the target's penalty, or the configured delay without one. Only withdrawals that this agent
//! decided since its start or its last reload count: a target that was out before comes back at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use crate::engine::moment::Moment;
use crate::engine::plan::Family;
use crate::engine::settings::ReturnSettings;

/// Time in which the withdrawals of a target are counted for people.
const HOUR: Duration = Duration::from_hours(1);

/// Maximum number of withdrawals in an hour that are counted.
const MOST_COUNTED: usize = 100;

/// The wait of a target that is up and not put back yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReturnView {
    /// The time at which it is put back, if it stays up.
    pub until: Moment,
    /// The time for which it has to be up.
    pub delay: Duration,
    /// The number of its withdrawals for its health in the last hour.
    pub withdrawals: usize,
}

impl ReturnView {
    /// Describes the number of withdrawals in the last hour: `third time in an hour`; `None` for the
    /// first one.
    pub fn how_often(self) -> Option<String> {
        often(self.withdrawals)
    }
}

/// Returns how often something happened in the last hour, if it was more than once.
pub(crate) fn often(count: usize) -> Option<String> {
    const ORDINALS: [&str; 9] =
        ["second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];
    let place = count.checked_sub(2)?;
    let ordinal = ORDINALS.get(place).map_or_else(|| numeral(count), |word| (*word).to_owned());
    Some(format!("{ordinal} time in an hour"))
}

/// Returns an ordinal number in digits: `11th`, `21st`.
fn numeral(count: usize) -> String {
    let ending = match (count % 100, count % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{count}{ending}")
}

/// The time for which a target has to be up after its last withdrawal; `None` without withdrawals that
/// still count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Penalty(Option<Duration>);

impl Penalty {
    /// Returns the penalty after another withdrawal: twice as long, within the bounds of the settings.
    fn after_withdrawal(self, settings: ReturnSettings) -> Self {
        let doubled = self.0.map_or(settings.delay, |delay| delay.saturating_mul(2));
        Self(Some(doubled.min(settings.max).max(settings.delay)))
    }

    /// Returns the penalty after a time in good health: half as long for each time as long as itself. It
    /// ends once it would be shorter than the configured delay.
    fn after_health(self, mut time: Duration, settings: ReturnSettings) -> Self {
        let Some(mut delay) = self.0 else { return self };
        while time >= delay {
            time -= delay;
            delay /= 2;
            if delay < settings.delay || delay.is_zero() {
                return Self(None);
            }
        }
        Self(Some(delay))
    }

    /// Returns the time for which the target has to be up.
    fn delay(self, settings: ReturnSettings) -> Duration {
        self.0.map_or(settings.delay, |delay| delay.min(settings.max).max(settings.delay))
    }
}

/// The way back of one target.
#[derive(Debug)]
struct WayBack {
    /// Whether it was withdrawn since the start or the last reload, and not put back since.
    withdrawn: bool,
    /// Whether it was up when it was last looked at.
    is_up: bool,
    /// The time at which it came up last. `None` if it was never seen down, or the operator ended the
    /// wait.
    up_since: Option<Moment>,
    /// Whether its last wait was not over when it was put back.
    is_hastened: bool,
    /// The time since which it has been up and in service.
    well_since: Option<Moment>,
    penalty: Penalty,
    /// The times of its withdrawals in the hour before the last one, in order.
    withdrawals: VecDeque<Moment>,
}

impl Default for WayBack {
    fn default() -> Self {
        Self {
            withdrawn: false,
            is_up: true,
            up_since: None,
            is_hastened: false,
            well_since: None,
            penalty: Penalty::default(),
            withdrawals: VecDeque::new(),
        }
    }
}

impl WayBack {
    /// Whether the target is up and not put back, and may have to wait.
    fn is_open(&self) -> bool {
        self.withdrawn && self.is_up && self.up_since.is_some()
    }

    /// Returns the number of withdrawals in the hour before `now`.
    fn withdrawals(&self, now: Moment) -> usize {
        self.withdrawals.iter().filter(|at| now.since(**at) < HOUR).count()
    }
}

/// The ways back of the targets of a service that were withdrawn.
#[derive(Debug, Default)]
pub(super) struct Returns {
    by_target: BTreeMap<IpAddr, WayBack>,
    /// The targets that are up and not put back, whether or not they have to wait.
    open: BTreeSet<IpAddr>,
}

impl Returns {
    /// Whether any target of a family may have to wait.
    pub(super) fn is_any_waiting(&self, family: Family) -> bool {
        // IPv4 addresses come before IPv6 addresses.
        let nearest = if family == Family::A { self.open.first() } else { self.open.last() };
        nearest.is_some_and(|address| Family::of(*address) == family)
    }

    /// Whether a target was withdrawn before.
    pub(super) fn knows(&self, target: IpAddr) -> bool {
        self.by_target.contains_key(&target)
    }

    /// Follows the health and the verdict of a target that was withdrawn before. While it is not up,
    /// `seen_up` is the time at which it was last seen to be.
    pub(super) fn follow(
        &mut self,
        target: IpAddr,
        [is_up, in_service]: [bool; 2],
        (seen_up, now): (Moment, Moment),
        settings: ReturnSettings,
    ) {
        let Some(way) = self.by_target.get_mut(&target) else { return };
        if is_up && !way.is_up {
            way.up_since = Some(now);
        }
        way.is_up = is_up;
        if is_up && in_service {
            way.well_since.get_or_insert(now);
        } else if let Some(since) = way.well_since.take() {
            let until = if is_up { now } else { seen_up };
            way.penalty = way.penalty.after_health(until.since(since), settings);
        }
        self.review(target);
    }

    /// Notes whether a target may have to wait, after a change.
    fn review(&mut self, target: IpAddr) {
        if self.by_target.get(&target).is_some_and(WayBack::is_open) {
            self.open.insert(target);
        } else {
            self.open.remove(&target);
        }
    }

    /// Records that a target was withdrawn for its health.
    pub(super) fn withdrawn(&mut self, target: IpAddr, settings: ReturnSettings, now: Moment) {
        let way = self.by_target.entry(target).or_default();
        way.withdrawn = true;
        way.is_up = false;
        way.penalty = way.penalty.after_withdrawal(settings);
        way.withdrawals.retain(|at| now.since(*at) < HOUR);
        if way.withdrawals.len() < MOST_COUNTED {
            way.withdrawals.push_back(now);
        }
        self.review(target);
    }

    /// Records that the operator took a target out, which is no fault of its own.
    pub(super) fn drained(&mut self, target: IpAddr) {
        self.by_target.entry(target).or_default().withdrawn = true;
        self.review(target);
    }

    /// Records that a target is put back.
    pub(super) fn returned(&mut self, target: IpAddr, settings: ReturnSettings, now: Moment) {
        let is_hastened = self.wait(target, settings, now).is_some();
        if let Some(way) = self.by_target.get_mut(&target) {
            way.withdrawn = false;
            way.is_hastened = is_hastened;
        }
        self.review(target);
    }

    /// Returns the wait of a target that is up, if it is not over.
    pub(super) fn wait(
        &self,
        target: IpAddr,
        settings: ReturnSettings,
        now: Moment,
    ) -> Option<ReturnView> {
        let way = self.by_target.get(&target).filter(|way| way.withdrawn && way.is_up)?;
        let delay = way.penalty.delay(settings);
        let until = way.up_since?.saturating_add(delay);
        let withdrawals = way.withdrawals(now);
        (until > now).then_some(ReturnView { until, delay, withdrawals })
    }

    /// Returns the time for which a target that was withdrawn has to be up; `None` if it was not withdrawn.
    pub(super) fn delay_of(&self, target: IpAddr, settings: ReturnSettings) -> Option<Duration> {
        let way = self.by_target.get(&target).filter(|way| way.withdrawn)?;
        Some(way.penalty.delay(settings))
    }

    /// Whether the last wait of a target was not over when it was put back.
    pub(super) fn was_hastened(&self, target: IpAddr) -> bool {
        self.by_target.get(&target).is_some_and(|way| way.is_hastened)
    }

    /// Returns how often a target was withdrawn for its health in the last hour, if more than once.
    pub(super) fn how_often(&self, target: IpAddr, now: Moment) -> Option<String> {
        often(self.by_target.get(&target)?.withdrawals(now))
    }

    /// Returns the targets that wait, the first to be put back first.
    pub(super) fn waiting(&self, settings: ReturnSettings, now: Moment) -> Vec<IpAddr> {
        let mut waiting = Vec::new();
        for target in &self.open {
            waiting.extend(self.wait(*target, settings, now).map(|wait| (wait.until, *target)));
        }
        waiting.sort_unstable();
        waiting.into_iter().map(|(_, target)| target).collect()
    }

    /// Ends the wait of a target. Its penalty stays.
    pub(super) fn end_wait(&mut self, target: IpAddr) {
        if let Some(way) = self.by_target.get_mut(&target) {
            way.up_since = None;
        }
        self.review(target);
    }

    /// Ends all waits after a reload: no target was withdrawn since. The penalties stay, unless nothing
    /// is delayed any more.
    pub(super) fn reloaded(&mut self, settings: ReturnSettings) {
        if settings.delay.is_zero() {
            self.by_target.clear();
        }
        for way in self.by_target.values_mut() {
            way.withdrawn = false;
        }
        self.open.clear();
    }

    /// Forgets a target that is no longer watched.
    pub(super) fn forget(&mut self, target: IpAddr) {
        self.by_target.remove(&target);
        self.open.remove(&target);
    }
}

#[cfg(test)]
mod tests;
