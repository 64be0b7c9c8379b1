//! The comparison of the zone with its desired state: one value, printed as text or as JSON.
//!
//! The names in the output of `goavail plan --json` are a contract: fields are added, never renamed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Serialize;

use super::records::{ComparedRecord, There, there};
use super::verdicts::{AgentState, DesiredByAgent, FailureReason, Verdicts, Why};
use crate::dns::providers::route53::preview::{Preview, Sent, preview};
use crate::dns::{self, BySet, Listing, NewRecord};
use crate::engine::plan::{self, Desired, Family, Plan, SetKey};
use crate::settings::StandbyConfig;

/// The comparison of a zone with its desired state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Comparison {
    /// The name of the service; absent if the configuration names no services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The name of the zone.
    pub zone: String,
    /// The provider's name for people: `Cloudflare`.
    pub provider: &'static str,
    /// The problem with the whole zone, as a sentence; null without one.
    pub caution: Option<String>,
    /// `min_in_service`: the fewest addresses that stay in a record set; 0 is off.
    pub floor: usize,
    /// The agent that was queried for verdicts.
    pub agent: AgentState,
    /// The basis of the difference that decides the exit code.
    pub decided_by: Basis,
    /// Whether that difference is not empty, as in the exit code.
    pub difference: bool,
    /// The record sets at the managed names that hold or should hold a record, in the configuration's
    /// order of names, A before AAAA.
    pub sets: Vec<Set>,
    /// Record sets at the managed names that could not be read or cannot be edited. They are in none of
    /// the other lists, and no difference, since they cannot be changed.
    pub left_out: Vec<LeftOut>,
    /// Managed names that hold no address and are not remembered, although a record is to be
    /// created there: perhaps they are misspelt.
    pub new_names: Vec<String>,
    /// The changes if all targets were healthy and none were drained.
    pub all_healthy: Changes,
    /// The changes by the agent's verdicts; null without verdicts.
    pub by_agent: Option<Changes>,
    /// The reasons of the targets that the agent sees down, as far as its checks give some; absent without
    /// any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<FailureReason>,
}

/// The basis of the desired state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Basis {
    /// All targets count as healthy.
    AllHealthy,
    /// The verdicts of the agent count.
    Agent,
}

/// One record set of the zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Set {
    /// The owner name.
    pub name: String,
    /// `A` or `AAAA`.
    pub r#type: String,
    /// The addresses that are or may be present, ascending.
    pub addresses: Vec<ComparedRow>,
}

/// A record set that is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct LeftOut {
    /// The owner name.
    pub name: String,
    /// `A` or `AAAA`.
    pub r#type: String,
    /// The reason, as a sentence.
    pub why: String,
}

/// One address at one record set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ComparedRow {
    /// The address in question.
    pub address: IpAddr,
    /// Whether the configuration lists it; other addresses are foreign and never touched.
    pub managed: bool,
    /// The records that hold it now: none if it is absent, several if there are duplicates.
    pub records: Vec<ComparedRecord>,
    /// Whether it should be present if all targets were healthy.
    pub all_healthy: bool,
    /// The desired state by the agent's verdicts; null without verdicts.
    pub by_agent: Option<Future>,
}

/// The desired state of an address, with its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Future {
    /// Whether the address should be present.
    pub present: bool,
    /// The reason of the agent.
    pub why: Why,
}

/// The difference between the zone and its desired state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Changes {
    /// The records that would be created, ascending.
    pub create: Vec<PlannedChange>,
    /// The records that would be deleted, with all duplicates, ascending.
    pub delete: Vec<PlannedChange>,
    /// The records that should be deleted and stay because of the floor. They are no difference.
    pub held: Vec<PlannedChange>,
    /// At Route 53, the whole sets that would be deleted and created; null elsewhere.
    pub sends: Option<Vec<Sent>>,
    /// At Route 53, the records to create beside routed sets (`name type address`). Each goes into the set
    /// that the agent remembers; if it remembers none, nothing is written at that name.
    pub needs_memory: Vec<String>,
}

/// One line of the difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct PlannedChange {
    /// The owner name.
    pub name: String,
    /// `A` or `AAAA`.
    pub r#type: String,
    /// The address in question.
    pub address: IpAddr,
    /// The number of records that hold it now.
    pub records: usize,
    /// The agent's reason; null if all targets count as healthy.
    pub why: Option<Why>,
}

/// The input of a comparison.
#[derive(Debug)]
pub(super) struct Compared<'a> {
    /// The name of the service, if services are named.
    pub(super) service: Option<&'a str>,
    pub(super) zone: String,
    pub(super) provider: &'static str,
    pub(super) names: &'a [String],
    pub(super) targets: &'a [IpAddr],
    pub(super) standby: &'a StandbyConfig,
    pub(super) floor: usize,
    /// Whether the floor holds for a drain until the address is out.
    pub(super) holds_for_drains: bool,
    pub(super) listing: &'a Listing,
    /// At Route 53, the TTL of new sets, in seconds.
    pub(super) ttls: Option<BySet<u32>>,
    /// The names with a record in the state file.
    pub(super) remembered: &'a BTreeSet<String>,
}

impl Comparison {
    /// Compares the zone with its desired state.
    pub(super) fn new(zone: &Compared<'_>, asked: DesiredByAgent) -> Self {
        let DesiredByAgent { mut agent, verdicts, failed } = asked;
        let verdicts = verdicts.map(|verdicts| zone.verdicts(&verdicts));
        if let Some(verdicts) = &verdicts {
            agent.note = strangers(verdicts);
        }
        let all_healthy = zone.plan(&zone.all_healthy());
        let by_agent = verdicts.as_ref().map(|verdicts| {
            let mut desired = BTreeMap::new();
            for (address, why) in verdicts {
                let is_last_resort = zone.standby.last_resort.contains(address);
                let below = if is_last_resort { 1 } else { zone.standby.below };
                let state = why.desired(below, zone.holds_for_drains);
                desired.extend(state.map(|state| (*address, state)));
            }
            zone.plan(&desired)
        });
        let verdicts = verdicts.unwrap_or_default();
        let there = there(zone.listing);
        Self {
            service: zone.service.map(str::to_owned),
            zone: zone.zone.clone(),
            provider: zone.provider,
            caution: zone.listing.caution.clone(),
            floor: zone.floor,
            agent,
            decided_by: if by_agent.is_some() { Basis::Agent } else { Basis::AllHealthy },
            difference: !by_agent.as_ref().unwrap_or(&all_healthy).is_empty(),
            sets: zone.sets(&there, &all_healthy, by_agent.as_ref(), &verdicts),
            left_out: zone.left_out(),
            new_names: zone.new_names(by_agent.as_ref().unwrap_or(&all_healthy)),
            by_agent: by_agent.map(|plan| zone.changes(&plan, &there, &verdicts)),
            all_healthy: zone.changes(&all_healthy, &there, &Verdicts::new()),
            reasons: failed.into_iter().filter(|it| zone.targets.contains(&it.address)).collect(),
        }
    }

    /// Returns the comparison as one JSON object.
    pub(super) fn json(&self) -> String {
        let text = crate::text::pretty_json(self);
        text.expect("a comparison has string keys only") + "\n"
    }

    /// Returns the difference that decides the exit code.
    pub(super) fn deciding(&self) -> &Changes {
        self.by_agent.as_ref().unwrap_or(&self.all_healthy)
    }
}

/// Returns the remark about an agent that does not monitor all targets.
fn strangers(verdicts: &Verdicts) -> Option<String> {
    let count = verdicts.values().filter(|why| **why == Why::NotWatched).count();
    (count > 0).then(|| {
        format!("it runs with another configuration and does not watch {count} of these addresses")
    })
}

/// The effect of a plan on each address.
struct Effect<'a> {
    created: BTreeSet<&'a (SetKey, IpAddr)>,
    deleted: BTreeSet<&'a (SetKey, IpAddr)>,
    held: BTreeSet<&'a (SetKey, IpAddr)>,
}

impl<'a> Effect<'a> {
    fn of(plan: &'a Plan) -> Self {
        Self {
            created: plan.create.iter().collect(),
            deleted: plan.delete.iter().collect(),
            held: plan.held.iter().collect(),
        }
    }

    fn leaves(&self, place: &(SetKey, IpAddr), there: bool) -> bool {
        self.created.contains(place) || there && !self.deleted.contains(place)
    }

    fn future(&self, place: &(SetKey, IpAddr), there: bool, verdicts: &Verdicts) -> Future {
        let verdict = verdicts.get(&place.1).copied().unwrap_or(Why::Foreign);
        let is_held = self.held.contains(place) && verdict != Why::Standby;
        let why = if is_held { Why::Floor } else { verdict };
        Future { present: self.leaves(place, there), why }
    }
}

impl Compared<'_> {
    /// Returns the desired states if all targets were healthy: no standby is needed then.
    fn all_healthy(&self) -> BTreeMap<IpAddr, Desired> {
        let targets = self.targets.iter().map(|target| (*target, Desired::Serve));
        let standbys = self.standby.iter();
        let below = self.standby.below.max(1);
        let standbys = standbys.map(|(address, _)| (address, Desired::StandBy(below)));
        targets.chain(standbys).collect()
    }

    fn plan(&self, desired: &BTreeMap<IpAddr, Desired>) -> Plan {
        plan::plan(self.names, &self.listing.observed(), desired, self.floor)
    }

    /// Returns the sets that are left alone, in the configuration's order of names.
    fn left_out(&self) -> Vec<LeftOut> {
        let left_out = self.keys().filter_map(|key| {
            let why = self.listing.unfit.get(&key)?.clone();
            Some(LeftOut { name: key.name, r#type: key.family.to_string(), why })
        });
        left_out.collect()
    }

    /// Returns the names at which `plan` would create the first address.
    fn new_names(&self, plan: &Plan) -> Vec<String> {
        let mut new = Vec::new();
        for name in self.names {
            let sets =
                [Family::A, Family::Aaaa].map(|family| SetKey { name: name.clone(), family });
            if plan.create.iter().any(|(key, _)| key.name == *name)
                && sets.iter().all(|set| self.is_known_empty(set))
                && !self.remembered.contains(name)
            {
                new.push(name.clone());
            }
        }
        new
    }

    /// Whether the set is listed without any record.
    fn is_known_empty(&self, set: &SetKey) -> bool {
        let records = self.listing.sets.get(set);
        records.is_none_or(Vec::is_empty) && !self.listing.unfit.contains_key(set)
    }

    /// Returns both sets of each name.
    fn keys(&self) -> impl Iterator<Item = SetKey> {
        self.names.iter().flat_map(|name| {
            [Family::A, Family::Aaaa].map(|family| SetKey { name: name.clone(), family })
        })
    }

    /// Returns the whole sets that would be sent, at a provider of whole sets.
    fn preview(&self, plan: &Plan) -> Option<Preview> {
        let create = plan.create.iter().map(|(set, address)| NewRecord {
            set: set.clone(),
            address: *address,
            attributes: None,
        });
        let delete = plan.delete.iter().flat_map(|(set, address)| {
            let records = self.listing.sets.get(set).into_iter().flatten();
            let same = records.filter(move |record| record.address == *address);
            same.map(move |record| (set.clone(), record.clone()))
        });
        let changes = dns::RecordChanges { create: create.collect(), delete: delete.collect() };
        self.ttls.as_ref().map(|ttls| preview(self.listing, &changes, ttls))
    }

    /// Returns the verdicts on the configuration's targets. Other targets of the agent are foreign here.
    fn verdicts(&self, all: &Verdicts) -> Verdicts {
        let targets = self.targets.iter();
        targets.map(|at| (*at, all.get(at).copied().unwrap_or(Why::NotWatched))).collect()
    }

    fn sets(
        &self,
        there: &There,
        all_healthy: &Plan,
        by_agent: Option<&Plan>,
        verdicts: &Verdicts,
    ) -> Vec<Set> {
        let (healthy, by_agent) = (Effect::of(all_healthy), by_agent.map(Effect::of));
        let targets: BTreeSet<IpAddr> = self.targets.iter().copied().collect();
        let mut sets = Vec::new();
        for key in self.keys().filter(|key| !self.listing.unfit.contains_key(key)) {
            let mut records_by_address = there.get(&key).cloned().unwrap_or_default();
            for target in targets.iter().filter(|target| Family::of(**target) == key.family) {
                records_by_address.entry(*target).or_default();
            }
            let mut addresses = Vec::new();
            for (address, records) in records_by_address {
                let (place, there) = ((key.clone(), address), !records.is_empty());
                addresses.push(ComparedRow {
                    address,
                    managed: targets.contains(&address),
                    all_healthy: healthy.leaves(&place, there),
                    by_agent: by_agent.as_ref().map(|it| it.future(&place, there, verdicts)),
                    records,
                });
            }
            if !addresses.is_empty() {
                sets.push(Set { name: key.name, r#type: key.family.to_string(), addresses });
            }
        }
        sets
    }

    /// Returns the changes of `plan`, with the agent's reasons as far as `verdicts` has them.
    fn changes(&self, plan: &Plan, there: &There, verdicts: &Verdicts) -> Changes {
        let preview = self.preview(plan);
        Changes {
            create: planned(&plan.create, there, verdicts),
            delete: planned(&plan.delete, there, verdicts),
            held: planned(&plan.held, there, verdicts),
            needs_memory: preview.as_ref().map(|p| p.needs_memory.clone()).unwrap_or_default(),
            sends: preview.map(|preview| preview.sends),
        }
    }
}

fn planned(entries: &[(SetKey, IpAddr)], there: &There, verdicts: &Verdicts) -> Vec<PlannedChange> {
    let change = entries.iter().map(|(key, address)| PlannedChange {
        name: key.name.clone(),
        r#type: key.family.to_string(),
        address: *address,
        records: there.get(key).and_then(|set| set.get(address)).map_or(0, Vec::len),
        why: verdicts.get(address).copied(),
    });
    change.collect()
}
