//! One target on the board, and its updates.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::history::Window;
use super::input::TargetState;
use super::model::{Health, Outcome, Reason, Streak};
use super::view::{TargetCounters, View};
use crate::engine::plan::{Family, Observed, SetKey};

/// One target on the board, as the event loop updates it.
#[derive(Debug)]
pub(super) struct TargetRow {
    pub(super) view: View,
    window: Window,
}

/// The difference that an update made.
pub(super) struct Update {
    /// The reason of a refusal that is new.
    pub(super) refused: Option<Reason>,
    /// Whether anything but the streak differs.
    pub(super) is_significant: bool,
}

impl TargetRow {
    pub(super) fn new(address: IpAddr, names: usize, since: Instant) -> Self {
        let view = View {
            address,
            health: Health::AssumedUp,
            known: Health::AssumedUp,
            judged: None,
            in_service: true,
            reason: None,
            streak: Streak { outcome: Outcome::Reply, count: 0 },
            since,
            in_service_since: since,
            drained: None,
            last_rtt: None,
            limits: None,
            last_reply: None,
            loss_1m: None,
            present: vec![None; names].into(),
            votes: Arc::new([]),
            history: Arc::default(),
            counters: TargetCounters::default(),
        };
        Self { view, window: Window::default() }
    }

    pub(super) fn reply(&mut self, second: u64, at: Instant, rtt: Duration) {
        self.view.counters.replies += 1;
        self.view.last_rtt = Some(rtt);
        self.view.last_reply = Some(at);
        self.window.add(second, false);
        self.view.history.reply(second / 60, rtt);
    }

    pub(super) fn loss(&mut self, second: u64) {
        self.view.counters.losses += 1;
        self.window.add(second, true);
        self.view.history.loss(second / 60);
    }

    /// Takes over the state of the target, which holds since `since`.
    pub(super) fn update(&mut self, since: Instant, state: &TargetState) -> Update {
        let view = &mut self.view;
        let is_health_new = view.health != state.health;
        let is_verdict_new = view.in_service != state.in_service;
        let is_reason_new = view.reason != state.reason;
        let is_drain_new = view.drained.as_deref() != state.drained.as_ref();
        if is_health_new {
            // A phase of unknown health is no flip.
            if state.health != Health::Unknown {
                view.counters.flipped(view.known, state.health);
                view.known = state.health;
            }
            (view.health, view.since) = (state.health, since);
        }
        if is_verdict_new {
            view.counters.decided(state.in_service);
            (view.in_service, view.in_service_since) = (state.in_service, since);
        }
        if is_drain_new {
            view.drained = state.drained.clone().map(Arc::new);
        }
        view.judged = state.judged.or(view.judged);
        (view.reason, view.streak) = (state.reason, state.streak);
        Update {
            refused: state.reason.filter(|_| is_reason_new),
            is_significant: is_health_new || is_verdict_new || is_drain_new || is_reason_new,
        }
    }

    /// Takes over at which of the names the provider lists the address.
    pub(super) fn observed(&mut self, names: &[String], observed: Option<&Observed>) {
        let (address, family) = (self.view.address, Family::of(self.view.address));
        let mut present = Vec::with_capacity(names.len());
        for name in names {
            let set = SetKey { name: name.clone(), family };
            present.push(observed.and_then(|observed| observed.holds(&set, address)));
        }
        self.view.present = present.into();
    }

    /// Follows other names. The records at names that stay are kept.
    pub(super) fn rename(&mut self, old: &[String], new: &[String]) {
        let mut present = Vec::with_capacity(new.len());
        for name in new {
            let place = old.iter().position(|known| known == name);
            present.push(place.and_then(|place| self.view.present.get(place).copied().flatten()));
        }
        self.view.present = present.into();
    }

    /// Returns the view of readers, `second` seconds after the board was made.
    pub(super) fn view_at(&mut self, second: u64) -> View {
        self.view.loss_1m = self.window.loss(second);
        self.view.clone()
    }
}
