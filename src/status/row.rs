//! One target on the board.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::board::Facts;
use super::history::{History, Window};
use super::model::{Drained, Health, Outcome, Reason, Streak};
use super::snapshot::VoteHeard;
use crate::engine::plan::{Family, Observed, SetKey};

/// What the driver keeps of one target.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) view: View,
    window: Window,
}

/// What readers see of one target. Cheap to copy: what is long is shared.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) address: IpAddr,
    pub(super) health: Health,
    /// The health when it was last known.
    known: Health,
    pub(super) judged: Option<Instant>,
    pub(super) in_service: bool,
    pub(super) reason: Option<Reason>,
    pub(super) streak: Streak,
    pub(super) since: Instant,
    pub(super) in_service_since: Instant,
    pub(super) drained: Option<Arc<Drained>>,
    pub(super) last_rtt: Option<Duration>,
    /// If it limits what it answers: after what time its death is noticed.
    pub(super) limits: Option<Duration>,
    pub(super) last_reply: Option<Instant>,
    pub(super) loss_1m: Option<f64>,
    /// By the place of the owner name.
    pub(super) present: Arc<[Option<bool>]>,
    pub(super) votes: Arc<[VoteHeard]>,
    pub(super) history: Arc<History>,
    pub(super) counts: Counts,
}

/// What is only ever added to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) replies: u64,
    pub(super) losses: u64,
    pub(super) faults: u64,
    pub(super) late: u64,
    pub(super) flips_up: u64,
    pub(super) flips_down: u64,
    pub(super) verdicts_up: u64,
    pub(super) verdicts_down: u64,
}

/// What one decision changed.
pub(super) struct Turn {
    /// A refusal that was not there before.
    pub(super) refused: Option<Reason>,
    /// More than the streak is different.
    pub(super) of_consequence: bool,
}

impl Row {
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
            counts: Counts::default(),
        };
        Self { view, window: Window::default() }
    }

    pub(super) fn reply(&mut self, second: u64, at: Instant, rtt: Duration) {
        self.view.counts.replies += 1;
        self.view.last_rtt = Some(rtt);
        self.view.last_reply = Some(at);
        self.window.add(second, false);
        self.view.history.reply(second / 60, rtt);
    }

    pub(super) fn loss(&mut self, second: u64) {
        self.view.counts.losses += 1;
        self.window.add(second, true);
        self.view.history.loss(second / 60);
    }

    pub(super) fn decided(&mut self, since: Instant, facts: &Facts) -> Turn {
        let view = &mut self.view;
        let flipped = view.health != facts.health;
        let judged = view.in_service != facts.in_service;
        let refused = facts.reason.filter(|_| view.reason != facts.reason);
        let redrained = view.drained.as_deref() != facts.drained.as_ref();
        let of_consequence = flipped || judged || redrained || view.reason != facts.reason;
        if flipped {
            // To be unknown for a while is no flip.
            if facts.health != Health::Unknown {
                view.counts.flipped(view.known, facts.health);
                view.known = facts.health;
            }
            (view.health, view.since) = (facts.health, since);
        }
        if judged {
            view.counts.judged(facts.in_service);
            (view.in_service, view.in_service_since) = (facts.in_service, since);
        }
        if redrained {
            view.drained = facts.drained.clone().map(Arc::new);
        }
        view.judged = facts.judged.or(view.judged);
        (view.reason, view.streak) = (facts.reason, facts.streak);
        Turn { refused, of_consequence }
    }

    /// Notes at which of the names the provider lists the address.
    pub(super) fn observed(&mut self, names: &[String], observed: Option<&Observed>) {
        let (address, family) = (self.view.address, Family::of(self.view.address));
        let at = |name: &String| {
            let set = SetKey { name: name.clone(), family };
            observed.and_then(|observed| observed.holds(&set, address))
        };
        self.view.present = names.iter().map(at).collect();
    }

    /// Keeps what is known of the names that stay.
    pub(super) fn rename(&mut self, old: &[String], new: &[String]) {
        let known = |name: &String| {
            let place = old.iter().position(|known| known == name)?;
            self.view.present.get(place).copied().flatten()
        };
        self.view.present = new.iter().map(known).collect();
    }

    pub(super) fn view_at(&mut self, second: u64) -> View {
        self.view.loss_1m = self.window.loss(second);
        self.view.clone()
    }
}

impl Counts {
    /// Confirming what was assumed is no flip.
    fn flipped(&mut self, from: Health, to: Health) {
        match (from, to) {
            (from, to) if from == to => {}
            (_, Health::Down) => self.flips_down += 1,
            (Health::Down, _) => self.flips_up += 1,
            _ => {}
        }
    }

    fn judged(&mut self, in_service: bool) {
        if in_service {
            self.verdicts_up += 1;
        } else {
            self.verdicts_down += 1;
        }
    }
}
