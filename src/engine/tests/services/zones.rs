//! A zone at its provider, and the reconciler that carries out the orders for it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::engine::event::{DnsProblem, DnsProblemKind, DnsReport, Order};
use crate::engine::ids::ServiceId;
use crate::engine::plan::{self, Desired, Observed, SetKey};
use crate::engine::tests::world::ms;

/// The state of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Provider {
    #[default]
    Works,
    /// Every request fails.
    Fails,
    /// No request is answered until it works again.
    Hangs,
}

/// A zone with its records, foreign ones included, and the newest order of each service.
#[derive(Debug, Default)]
pub(super) struct FakeZone {
    pub(super) records: Observed,
    pub(super) provider: Provider,
    /// The newest order of each service, with the owner names that it was placed for.
    pub(super) orders: BTreeMap<ServiceId, (Order, Vec<String>)>,
    /// Records that no service manages.
    pub(super) foreign: BTreeSet<(SetKey, IpAddr)>,
    /// Claims that did not hold.
    pub(super) broken: Vec<String>,
}

impl FakeZone {
    /// Returns the report of a listing.
    pub(super) fn listing(&self) -> DnsReport {
        if self.provider == Provider::Works {
            return DnsReport::Listed(self.records.clone());
        }
        let (kind, what) = (DnsProblemKind::Unavailable, "no connection".into());
        DnsReport::Failing(DnsProblem { kind, what, retry_in: Some(ms(1000)) })
    }

    /// Carries out the order of a service at its `names`. Returns the reports.
    pub(super) fn carry_out(&mut self, order: &Order, names: &[String]) -> Vec<DnsReport> {
        let plan = plan::plan(names, &self.records, &order.desired, order.floor);
        for (key, address) in &plan.delete {
            if self.foreign.contains(&(key.clone(), *address)) {
                self.broken.push(format!("{address} at {key:?} was foreign"));
            }
            self.records.sets.entry(key.clone()).or_default().remove(address);
        }
        for (key, address) in &plan.create {
            self.records.sets.entry(key.clone()).or_default().insert(*address);
        }
        self.check_floor(order, &plan.delete);
        let mut reports = vec![DnsReport::Listed(self.records.clone())];
        if !plan.is_empty() {
            let (withdrawn, restored, took) = (plan.delete, plan.create, ms(30));
            reports.push(DnsReport::Applied {
                withdrawn,
                restored,
                created: vec![],
                took,
                is_part: false,
            });
        }
        let mut held: BTreeMap<IpAddr, Vec<String>> = BTreeMap::new();
        for (key, address) in plan.held {
            held.entry(address).or_default().push(key.name);
        }
        let Order { service, number, desired, .. } = order.clone();
        reports.push(DnsReport::Confirmed {
            service,
            number,
            desired,
            held,
            open: BTreeSet::new(),
        });
        reports
    }

    fn check_floor(&mut self, order: &Order, deleted: &[(SetKey, IpAddr)]) {
        for (key, address) in deleted {
            let left = self.records.sets[key].len();
            let forced = order.desired.get(address) == Some(&Desired::WithdrawAnyway);
            if !forced && left < order.floor {
                self.broken.push(format!("{left} left at {key:?}, the floor is {}", order.floor));
            }
        }
    }
}
