//! The zone as it is against the zone as it should be: one value, printed as text or as JSON.
//!
//! Its names are a contract with whoever reads `goavail plan --json`: fields are added, never
//! renamed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Serialize;

use super::verdicts::{Agent, Asked, Verdicts, Why};
use crate::dns::providers::route53::preview::{Preview, Sent, member, preview};
use crate::dns::{self, Attributes, Extra, Listing, NewRecord};
use crate::engine::plan::{self, Family, Plan, SetKey, Wish};

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// The zone's name.
    pub zone: String,
    /// Who serves it, as the operator names it: `Cloudflare`.
    pub provider: &'static str,
    /// What is wrong with the zone as a whole, as a sentence; null if nothing is.
    pub caution: Option<String>,
    /// `min_in_service`: the fewest addresses that stay in a record set; 0 is off.
    pub floor: usize,
    /// Who was asked for verdicts.
    pub agent: Agent,
    /// Which of the two differences decides the exit code.
    pub decided_by: Basis,
    /// What the exit code says: whether that difference is one.
    pub difference: bool,
    /// Every record set at the managed names that holds something or should, by the
    /// configuration's order of names, A before AAAA.
    pub sets: Vec<Set>,
    /// Record sets at the managed names that could not be read or cannot be edited. They are in none
    /// of the other lists, and are no difference, for there is none that anybody could make.
    pub left_out: Vec<LeftOut>,
    /// Managed names that hold no address and of which the state file remembers nothing, though
    /// something is to be created there: perhaps they are misspelt.
    pub new_names: Vec<String>,
    /// What to change if all targets were healthy and none were drained.
    pub all_healthy: Changes,
    /// What to change by the agent's verdicts; null if there are none.
    pub by_agent: Option<Changes>,
}

/// By what it is judged what should be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// All targets count as healthy.
    AllHealthy,
    /// The agent's verdicts.
    Agent,
}

/// One record set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Set {
    /// The owner name.
    pub name: String,
    /// `A` or `AAAA`.
    pub r#type: String,
    /// What is there or may be, ascending.
    pub addresses: Vec<Row>,
}

/// A record set that is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The owner name.
    pub name: String,
    /// `A` or `AAAA`.
    pub r#type: String,
    /// Why, as a sentence.
    pub why: String,
}

/// One address at one record set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The address.
    pub address: IpAddr,
    /// Whether the configuration lists it; what it does not list is foreign and never touched.
    pub managed: bool,
    /// The records that hold it now: none if it is not there, several if there are duplicates.
    pub records: Vec<Record>,
    /// Whether it should be there if all targets were healthy.
    pub all_healthy: bool,
    /// What should be by the agent's verdicts; null if there are none.
    pub by_agent: Option<Future>,
}

/// What should be, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Future {
    /// Whether the address should be there.
    pub present: bool,
    /// Why.
    pub why: Why,
}

/// One record that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Time to live in seconds; at Cloudflare 1 means automatic.
    pub ttl: u32,
    /// Whether Cloudflare answers with its own addresses; null elsewhere.
    pub proxied: Option<bool>,
    /// Which of several Route 53 sets of one name and type it is in; null elsewhere.
    pub set_identifier: Option<String>,
    /// How Route 53 chooses between those sets, as the Route 53 API calls it; null elsewhere and on
    /// a simple set.
    pub routing: Option<&'static str>,
}

/// The difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// What would be created, ascending.
    pub create: Vec<Change>,
    /// What would be deleted, every duplicate of each, ascending.
    pub delete: Vec<Change>,
    /// What should go and stays, since the floor would be broken. It is no difference.
    pub held: Vec<Change>,
    /// At Route 53: the whole sets that this would delete and create; null elsewhere.
    pub sends: Option<Vec<Sent>>,
    /// At Route 53: what is to be created beside routed sets (`name type address`). It goes into the set
    /// that the agent remembers; without a memory of it, nothing is written at that name.
    pub needs_memory: Vec<String>,
}

/// One line of the difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The owner name.
    pub name: String,
    /// `A` or `AAAA`.
    pub r#type: String,
    /// The address.
    pub address: IpAddr,
    /// How many records hold it now.
    pub records: usize,
    /// The agent's reason; null where all targets count as healthy.
    pub why: Option<Why>,
}

/// What is compared.
#[derive(Debug)]
pub(super) struct Compared<'a> {
    pub(super) zone: String,
    pub(super) provider: &'static str,
    pub(super) names: &'a [String],
    pub(super) targets: &'a [IpAddr],
    pub(super) floor: usize,
    pub(super) listing: &'a Listing,
    /// At Route 53, the TTL of a set of which nothing is known, in seconds.
    pub(super) ttl: Option<u32>,
    /// Names of which the state file remembers a record.
    pub(super) remembered: &'a BTreeSet<String>,
}

impl Comparison {
    /// Works out what should be there, and what is to be changed for it.
    pub(super) fn new(zone: &Compared<'_>, asked: Asked) -> Self {
        let Asked { mut agent, verdicts } = asked;
        let verdicts = verdicts.map(|verdicts| zone.verdicts(&verdicts));
        if let Some(verdicts) = &verdicts {
            agent.note = strangers(verdicts);
        }
        let all_healthy =
            zone.plan(&zone.targets.iter().map(|target| (*target, Wish::Serve)).collect());
        let by_agent = verdicts.as_ref().map(|verdicts| {
            let wish = |(address, why): (&IpAddr, &Why)| Some((*address, why.wish()?));
            zone.plan(&verdicts.iter().filter_map(wish).collect())
        });
        let verdicts = verdicts.unwrap_or_default();
        let there = there(zone.listing);
        let why = |address| verdicts.get(&address).copied();
        Self {
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
            all_healthy: Changes::of(&all_healthy, &there, |_| None, zone.preview(&all_healthy)),
            by_agent: by_agent.map(|plan| Changes::of(&plan, &there, why, zone.preview(&plan))),
        }
    }

    /// As one JSON object.
    pub(super) fn json(&self) -> String {
        let text = crate::text::pretty_json(self);
        text.expect("a comparison has string keys only") + "\n"
    }

    /// The difference that decides the exit code.
    pub(super) fn deciding(&self) -> &Changes {
        self.by_agent.as_ref().unwrap_or(&self.all_healthy)
    }
}

/// What is to be known of an agent that does not watch all of the targets.
fn strangers(verdicts: &Verdicts) -> Option<String> {
    let count = verdicts.values().filter(|why| **why == Why::NotWatched).count();
    (count > 0).then(|| {
        format!("it runs with another configuration and does not watch {count} of these addresses")
    })
}

/// The records of each set, by address.
type There = BTreeMap<SetKey, BTreeMap<IpAddr, Vec<Record>>>;

fn there(listing: &Listing) -> There {
    let mut there = There::new();
    for (key, records) in &listing.sets {
        let set = there.entry(key.clone()).or_default();
        for record in records {
            let records = set.entry(record.address).or_default();
            records.extend(Record::all_of(&record.attributes));
        }
    }
    there
}

/// What a plan does, ready to be asked about each address.
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
        let why = if self.held.contains(place) { Why::Floor } else { verdict };
        Future { present: self.leaves(place, there), why }
    }
}

impl Compared<'_> {
    fn plan(&self, wishes: &BTreeMap<IpAddr, Wish>) -> Plan {
        plan::plan(self.names, &self.listing.observed(), wishes, self.floor)
    }

    /// The sets that are left alone, by the configuration's order of names.
    fn left_out(&self) -> Vec<LeftOut> {
        let left_out = self.keys().filter_map(|key| {
            let why = self.listing.unfit.get(&key)?.clone();
            Some(LeftOut { name: key.name, r#type: key.family.to_string(), why })
        });
        left_out.collect()
    }

    /// The names at which `plan` would create the first address of all.
    fn new_names(&self, plan: &Plan) -> Vec<String> {
        let is_empty = |key: &SetKey| {
            let there = self.listing.sets.get(key);
            there.is_none_or(Vec::is_empty) && !self.listing.unfit.contains_key(key)
        };
        let is_new = |name: &&String| {
            let sets =
                [Family::A, Family::Aaaa].map(|family| SetKey { name: (*name).clone(), family });
            plan.create.iter().any(|(key, _)| key.name == **name)
                && sets.iter().all(is_empty)
                && !self.remembered.contains(*name)
        };
        self.names.iter().filter(is_new).cloned().collect()
    }

    /// Both sets of every name.
    fn keys(&self) -> impl Iterator<Item = SetKey> {
        self.names.iter().flat_map(|name| {
            [Family::A, Family::Aaaa].map(|family| SetKey { name: name.clone(), family })
        })
    }

    /// What would be sent, where whole sets are.
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
        self.ttl.map(|ttl| preview(self.listing, &changes, ttl))
    }

    /// The verdicts on the configuration's targets; what else the agent watches is foreign here.
    fn verdicts(&self, all: &Verdicts) -> Verdicts {
        let verdict = |target: &IpAddr| all.get(target).copied().unwrap_or(Why::NotWatched);
        self.targets.iter().map(|target| (*target, verdict(target))).collect()
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
        let row = |key: &SetKey, (address, records): (IpAddr, Vec<Record>)| {
            let (place, there) = ((key.clone(), address), !records.is_empty());
            let future = |effect: &Effect<'_>| effect.future(&place, there, verdicts);
            Row {
                address,
                managed: targets.contains(&address),
                all_healthy: healthy.leaves(&place, there),
                by_agent: by_agent.as_ref().map(future),
                records,
            }
        };
        let set = |key: SetKey| {
            let mut addresses = there.get(&key).cloned().unwrap_or_default();
            for target in targets.iter().filter(|target| Family::of(**target) == key.family) {
                addresses.entry(*target).or_default();
            }
            let addresses = addresses.into_iter().map(|entry| row(&key, entry)).collect();
            Set { name: key.name, r#type: key.family.to_string(), addresses }
        };
        let keys = self.keys().filter(|key| !self.listing.unfit.contains_key(key));
        keys.map(set).filter(|set| !set.addresses.is_empty()).collect()
    }
}

impl Changes {
    fn of(
        plan: &Plan,
        there: &There,
        why: impl Fn(IpAddr) -> Option<Why>,
        preview: Option<Preview>,
    ) -> Self {
        let change = |(key, address): &(SetKey, IpAddr)| {
            let records = there.get(key).and_then(|set| set.get(address));
            Change {
                name: key.name.clone(),
                r#type: key.family.to_string(),
                address: *address,
                records: records.map_or(0, Vec::len),
                why: why(*address),
            }
        };
        let changes = |entries: &[(SetKey, IpAddr)]| entries.iter().map(change).collect();
        Self {
            create: changes(&plan.create),
            delete: changes(&plan.delete),
            held: changes(&plan.held),
            needs_memory: preview.as_ref().map(|p| p.needs_memory.clone()).unwrap_or_default(),
            sends: preview.map(|preview| preview.sends),
        }
    }
}

impl Record {
    /// A listed record; where it stands for the same address in several Route 53 sets, each.
    fn all_of(attributes: &Attributes) -> Vec<Self> {
        let mut record =
            Self { ttl: attributes.ttl, proxied: None, set_identifier: None, routing: None };
        let mut others = Vec::new();
        match &attributes.extra {
            Extra::None => {}
            Extra::Cloudflare { proxied, .. } => record.proxied = Some(*proxied),
            Extra::Route53(set) => {
                record.set_identifier.clone_from(&set.set_identifier);
                record.routing = member(&set.routing);
                others.extend(set.also_in.iter().flat_map(Self::all_of));
            }
        }
        others.insert(0, record);
        others
    }
}
