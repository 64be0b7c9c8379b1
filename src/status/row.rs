//! One target on the board, and its updates.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::input::{ReceivedVote, ServiceSetup, TargetState};
use super::model::{Drained, Health, Reason, Returning, Standby};
use crate::engine::ids::{ServiceId, ZoneId};
use crate::engine::plan::{Family, Observed, SetKey};

/// The targets of one service. Snapshots share it until it changes.
#[derive(Debug, Clone)]
pub(super) struct ServiceRows {
    pub(super) id: ServiceId,
    pub(super) name: Arc<str>,
    pub(super) zone: ZoneId,
    pub(super) checks: Arc<[String]>,
    pub(super) names: Arc<[String]>,
    pub(super) rows: Vec<TargetRow>,
}

/// One target, as the event loop updates it and readers see it. Long parts are shared.
#[derive(Debug, Clone)]
pub(super) struct TargetRow {
    pub(super) address: IpAddr,
    /// The place of its probe; `None` before the first one was judged.
    pub(super) probe: Option<usize>,
    /// The place of its checks; `None` if its service has chosen none.
    pub(super) checks: Option<usize>,
    pub(super) health: Health,
    /// The last health other than unknown.
    known: Health,
    pub(super) in_service: bool,
    pub(super) reason: Option<Reason>,
    pub(super) since: Instant,
    pub(super) in_service_since: Instant,
    pub(super) drained: Option<Arc<Drained>>,
    pub(super) standby: Option<Arc<Standby>>,
    pub(super) returning: Option<Arc<Returning>>,
    /// Whether the record is present at each owner name, in the order of the names.
    pub(super) present: Arc<[Option<bool>]>,
    pub(super) votes: Arc<[ReceivedVote]>,
    pub(super) counters: TargetCounters,
}

/// The counters of one target since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TargetCounters {
    pub(super) flips_up: u64,
    pub(super) flips_down: u64,
    pub(super) verdicts_up: u64,
    pub(super) verdicts_down: u64,
}

impl TargetCounters {
    /// Counts a change of health. A confirmation of the assumed health is none.
    fn flipped(&mut self, from: Health, to: Health) {
        match (from, to) {
            (from, to) if from == to => {}
            (_, Health::Down) => self.flips_down += 1,
            (Health::Down, _) => self.flips_up += 1,
            _ => {}
        }
    }

    /// Counts a verdict.
    fn decided(&mut self, in_service: bool) {
        if in_service {
            self.verdicts_up += 1;
        } else {
            self.verdicts_down += 1;
        }
    }
}

/// The difference that an update made.
#[derive(Debug, Default)]
pub(super) struct Update {
    /// The reason of a refusal that is new.
    pub(super) refused: Option<Reason>,
    /// Whether anything but the streak differs.
    pub(super) is_significant: bool,
}

impl TargetRow {
    pub(super) fn new(address: IpAddr, names: usize, since: Instant) -> Self {
        Self {
            address,
            probe: None,
            checks: None,
            health: Health::AssumedUp,
            known: Health::AssumedUp,
            in_service: true,
            reason: None,
            since,
            in_service_since: since,
            drained: None,
            standby: None,
            returning: None,
            present: vec![None; names].into(),
            votes: Arc::new([]),
            counters: TargetCounters::default(),
        }
    }

    /// Whether an update to `state` changes nothing here.
    pub(super) fn is_as(&self, state: &TargetState) -> bool {
        self.health == state.health
            && self.in_service == state.in_service
            && self.reason == state.reason
            && self.drained.as_deref() == state.drained.as_ref()
            && self.standby.as_deref() == state.standby.as_ref()
            && self.returning.as_deref() == state.returning.as_ref()
    }

    /// Takes over the state of the target, which holds since `since`.
    pub(super) fn update(&mut self, since: Instant, state: &TargetState) -> Update {
        let is_health_new = self.health != state.health;
        let is_verdict_new = self.in_service != state.in_service;
        let is_reason_new = self.reason != state.reason;
        let is_drain_new = self.drained.as_deref() != state.drained.as_ref();
        if is_health_new {
            // A phase of unknown health is no flip.
            if state.health != Health::Unknown {
                self.counters.flipped(self.known, state.health);
                self.known = state.health;
            }
            (self.health, self.since) = (state.health, since);
        }
        let is_standby_new = self.standby.as_deref() != state.standby.as_ref();
        if is_verdict_new {
            // A standby is out at the start without a verdict.
            if self.standby.is_some() || state.standby.is_none() {
                self.counters.decided(state.in_service);
            }
            (self.in_service, self.in_service_since) = (state.in_service, since);
        }
        if is_drain_new {
            self.drained = state.drained.clone().map(Arc::new);
        }
        if is_standby_new {
            self.standby = state.standby.clone().map(Arc::new);
        }
        let is_return_new = self.returning.as_deref() != state.returning.as_ref();
        if is_return_new {
            self.returning = state.returning.clone().map(Arc::new);
        }
        self.reason = state.reason;
        Update {
            refused: state.reason.filter(|_| is_reason_new),
            is_significant: is_health_new
                || is_verdict_new
                || is_drain_new
                || is_reason_new
                || is_standby_new
                || is_return_new,
        }
    }

    /// Follows other names. The records at names that stay are kept.
    fn rename(&mut self, old: &[String], new: &[String]) {
        let mut present = Vec::with_capacity(new.len());
        for name in new {
            let place = old.iter().position(|known| known == name);
            present.push(place.and_then(|place| self.present.get(place).copied().flatten()));
        }
        self.present = present.into();
    }
}

impl ServiceRows {
    /// Whether its targets have several checks, so that no probe is that of a target alone.
    pub(super) fn has_several_checks(&self) -> bool {
        self.checks.len() > 1
    }

    /// Returns a service with new rows. Those of `before` that stay are taken out of it.
    pub(super) fn new(setup: &ServiceSetup, before: Option<&mut Self>, since: Instant) -> Self {
        let mut service = Self {
            id: setup.id,
            name: setup.name.as_str().into(),
            zone: setup.zone,
            checks: setup.checks.as_slice().into(),
            names: setup.names.as_slice().into(),
            rows: Vec::with_capacity(setup.targets.len()),
        };
        let mut old = std::collections::HashMap::new();
        let mut old_names: Arc<[String]> = Arc::new([]);
        if let Some(before) = before {
            if before.zone == setup.zone {
                old_names = Arc::clone(&before.names);
            }
            old.extend(before.rows.drain(..).map(|row| (row.address, row)));
            for address in &setup.targets {
                let Some(mut row) = old.remove(address) else {
                    service.rows.push(TargetRow::new(*address, setup.names.len(), since));
                    continue;
                };
                if *old_names != *service.names {
                    row.rename(&old_names, &service.names);
                }
                service.rows.push(row);
            }
            before.rows = old.into_values().collect();
        } else {
            let rows = setup.targets.iter();
            service.rows.extend(rows.map(|at| TargetRow::new(*at, setup.names.len(), since)));
        }
        service
    }

    /// Whether any of the targets is a standby.
    pub(super) fn has_standbys(&self) -> bool {
        self.rows.iter().any(|row| row.standby.is_some())
    }

    /// Returns at which of the names the provider lists each address, row by row; `None` if the rows
    /// say the same already.
    pub(super) fn presence(&self, observed: Option<&Observed>) -> Option<Vec<Arc<[Option<bool>]>>> {
        let mut sets = Vec::with_capacity(2 * self.names.len());
        for name in self.names.iter() {
            for family in [Family::A, Family::Aaaa] {
                sets.push(ListedSet::new(SetKey { name: name.clone(), family }, observed));
            }
        }
        let mut is_new = false;
        let mut present = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            let family = usize::from(row.address.is_ipv6());
            let here = sets.iter().skip(family).step_by(2).map(|set| set.holds(row.address));
            if here.clone().eq(row.present.iter().copied()) {
                present.push(Arc::clone(&row.present));
            } else {
                is_new = true;
                present.push(here.collect());
            }
        }
        is_new.then_some(present)
    }
}

/// One record set in the last listing of its zone.
struct ListedSet<'a> {
    key: SetKey,
    observed: Option<&'a Observed>,
    is_unfit: bool,
    addresses: Option<&'a BTreeSet<IpAddr>>,
}

impl<'a> ListedSet<'a> {
    fn new(key: SetKey, observed: Option<&'a Observed>) -> Self {
        let is_unfit = observed.is_some_and(|observed| observed.unfit.contains_key(&key));
        let addresses = observed.and_then(|observed| observed.get(&key));
        Self { key, observed, is_unfit, addresses }
    }

    /// Returns the same as [`Observed::holds`] for this set.
    fn holds(&self, address: IpAddr) -> Option<bool> {
        let uncertain = &self.observed?.uncertain;
        if self.is_unfit
            || !uncertain.is_empty() && uncertain.contains(&(self.key.clone(), address))
        {
            return None;
        }
        Some(self.addresses.is_some_and(|there| there.contains(&address)))
    }
}
