//! One write: what is remembered before it, what is known after it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use tokio::time::Instant;

use super::round::{Late, in_time};
use super::shift::{Halt, Shift};
use super::{Remember, now};
use crate::dns::{Changes, DnsProvider, Listing, NewRecord, Permit, ProviderError};
use crate::engine::plan::{Family, Plan, SetKey, Wish};

impl<P, R> Shift<P, R>
where
    P: DnsProvider,
    R: Remember,
{
    /// The changes of `plan`, once what is about to go is remembered.
    pub(super) async fn remembered(&mut self, plan: &Plan, listing: &Listing) -> Changes {
        let changes = self.changes(plan, listing);
        if self.given.memory.remember(&changes) {
            self.tell_memory().await;
        }
        changes
    }

    /// Makes the changes of `plan`.
    pub(super) async fn write(
        &mut self,
        plan: &Plan,
        listing: &Listing,
        changes: &Changes,
    ) -> Result<(), Halt> {
        self.given.known.aftermath.note_places(&listing.observed());
        let began = now();
        let (desk, order) = (&self.given.desk, &self.order);
        let stands = |address: IpAddr| desk.borrow().stands_by(order, address);
        let applied = self.given.provider.apply_while(listing, changes, Permit::new(&stands));
        let applied = in_time(applied).await;
        self.given.known.reading = None;
        self.unserved = None;
        let applied = applied.unwrap_or_else(|late| Err(self.unfinished(late)));
        let (done, rest) = match applied {
            Err(ProviderError::Partly { done, rest }) => (Some(part(plan, &done)), Err(*rest)),
            other => (None, other),
        };
        let so = self.said_to_be_so(plan);
        let may_be_done = matches!(rest, Ok(()) | Err(ProviderError::Unconfirmed { .. }));
        if let Some(made) = if may_be_done { Some(plan) } else { done.as_ref() } {
            self.given.known.doubts.wrote(made);
            let created = made.create.iter().filter(|entry| !so.contains(*entry));
            self.given.memory.created(created.cloned());
        }
        let anew = self.anew(changes, listing);
        if let Some(done) = &done {
            self.wrote(done, true, began, &anew).await?;
        }
        if may_be_done {
            let left = done.as_ref().map_or_else(|| plan.clone(), |done| without(plan, done));
            if rest.is_err() {
                self.doubt(left.delete.iter().chain(&left.create).cloned()).await?;
            }
            self.wrote(&left, rest.is_ok(), began, &anew).await?;
        }
        self.done = done.unwrap_or_default();
        self.believe(plan, so).await?;
        Ok(rest?)
    }

    /// Takes the provider's word for what it did not do, as it says that it is so already: were it asked
    /// for again while the listing lags behind, the name would be told as failing though nothing is
    /// wrong with it. The zone is read again until it shows.
    async fn believe(&mut self, plan: &Plan, so: BTreeSet<(SetKey, IpAddr)>) -> Result<(), Halt> {
        let now = now();
        for entry in &so {
            self.given.known.apart.believe(entry.clone(), plan.create.contains(entry), now);
        }
        self.doubt(so).await
    }

    /// What of `plan` the provider did not do in the last write, because it says that it is so already.
    fn said_to_be_so(&self, plan: &Plan) -> BTreeSet<(SetKey, IpAddr)> {
        let so = self.given.provider.said_to_be_so().into_iter();
        so.filter(|entry| plan.create.contains(entry) || plan.delete.contains(entry)).collect()
    }

    /// Notes and reports what a write did, or may have done.
    pub(super) async fn wrote(
        &mut self,
        plan: &Plan,
        confirmed: bool,
        began: Instant,
        anew: &BTreeSet<(SetKey, IpAddr)>,
    ) -> Result<(), Halt> {
        self.owe(plan);
        let wished = &self.wished;
        let since = |address| wished.since(address).unwrap_or(began);
        let is_anew = |entry: &(SetKey, IpAddr)| anew.contains(entry);
        let done = self.given.known.aftermath.wrote(plan, confirmed, since, is_anew);
        self.report_done(done).await
    }

    /// Answers for what was taken out without the operator's word.
    fn owe(&mut self, plan: &Plan) {
        if self.order.floor > 0 {
            let wishes = &self.order.wishes;
            let asked =
                |(_, address): &&(SetKey, IpAddr)| wishes.get(address) == Some(&Wish::Withdraw);
            self.given.known.aftermath.owe(plan.delete.iter().filter(asked).cloned());
        }
    }

    /// The plan in terms of records.
    fn changes(&self, plan: &Plan, listing: &Listing) -> Changes {
        let create = plan.create.iter().map(|(set, address)| NewRecord {
            set: set.clone(),
            address: *address,
            attributes: self.given.memory.recall(set, *address).cloned(),
        });
        let delete = plan.delete.iter().flat_map(|(set, address)| {
            let records = listing.sets.get(set).into_iter().flatten();
            let same = records.filter(move |record| record.address == *address);
            same.map(move |record| (set.clone(), record.clone()))
        });
        Changes { create: create.collect(), delete: delete.collect() }
    }

    /// What of `changes` puts records at names that held none, and of which nothing is remembered.
    fn anew(&mut self, changes: &Changes, listing: &Listing) -> BTreeSet<(SetKey, IpAddr)> {
        let (fresh, memory) = (&mut self.given.known.fresh, &self.given.memory);
        let is_empty = |name: &str| {
            let sets =
                [Family::A, Family::Aaaa].map(|family| SetKey { name: name.to_owned(), family });
            sets.iter().all(|set| listing.sets.get(set).is_none_or(Vec::is_empty))
                && !sets.iter().any(|set| listing.unfit.contains_key(set))
                && !memory.knows(name)
        };
        let unknown = changes.create.iter().filter(|new| new.attributes.is_none());
        let anew: BTreeSet<_> = unknown
            .filter(|new| fresh.contains(&new.set.name) || is_empty(&new.set.name))
            .map(|new| (new.set.clone(), new.address))
            .collect();
        fresh.extend(anew.iter().map(|(set, _)| set.name.clone()));
        anew
    }

    pub(super) async fn tell_memory(&mut self) {
        let given = &mut self.given;
        given.remember.remember(&given.memory).await;
    }

    /// A write that was dropped may be in force or not.
    fn unfinished(&self, late: Late) -> ProviderError {
        ProviderError::Unconfirmed {
            provider: self.given.provider.name(),
            what: "change the records".into(),
            source: late.into(),
        }
    }
}

/// What of `plan` is among the changes that are in force.
fn part(plan: &Plan, done: &Changes) -> Plan {
    let created = |entry: &&(SetKey, IpAddr)| {
        done.create.iter().any(|new| new.set == entry.0 && new.address == entry.1)
    };
    let deleted = |entry: &&(SetKey, IpAddr)| {
        done.delete.iter().any(|(set, record)| *set == entry.0 && record.address == entry.1)
    };
    Plan {
        create: plan.create.iter().filter(created).cloned().collect(),
        delete: plan.delete.iter().filter(deleted).cloned().collect(),
        held: vec![],
    }
}

/// What of `plan` is not in `part`.
pub(super) fn without(plan: &Plan, part: &Plan) -> Plan {
    let mut rest = plan.clone();
    rest.create.retain(|entry| !part.create.contains(entry));
    rest.delete.retain(|entry| !part.delete.contains(entry));
    rest
}
