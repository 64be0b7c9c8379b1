//! One write for all that is due, and several where the provider does not take it whole.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::apart::{self, at};
use super::round::{Round, by_address};
use super::shift::{Halt, Shift};
use super::write::without;
use super::{Remember, now};
use crate::dns::{DnsProvider, Listing, ProviderError};
use crate::engine::event::DnsReport;
use crate::engine::plan::{Plan, SetKey, Wish};

impl<P, R> Shift<P, R>
where
    P: DnsProvider,
    R: Remember,
{
    /// Makes the changes of `plan`: all together, but for sets that had trouble of their own. What
    /// is rejected is tried in smaller groups, down to one set.
    pub(super) async fn write_in_groups(
        &mut self,
        plan: &Plan,
        listing: &Listing,
    ) -> Result<Round, Halt> {
        let mut groups = self.groups(plan);
        while let Some(group) = groups.pop() {
            let changes = self.remembered(&group, listing).await;
            if !self.is_backed(&group).await? {
                self.given.known.reading = None;
                return Ok(Round::Again);
            }
            match self.write(&group, listing, &changes).await {
                Ok(()) => self.surprised = false,
                // The next round finds out whether the order was replaced.
                Err(Halt::Failed(error @ ProviderError::Revoked { .. })) => {
                    tracing::info!("{error}");
                    return Ok(Round::Again);
                }
                Err(Halt::Failed(error)) => {
                    let left = without(&group, &std::mem::take(&mut self.done));
                    self.take_apart(&left, error, &mut groups).await?;
                }
                Err(halt) => return Err(halt),
            }
        }
        self.report_problems().await?;
        Ok(Round::Applied)
    }

    /// What to write together, the first last.
    fn groups(&self, plan: &Plan) -> Vec<Plan> {
        let apart = &self.given.known.apart;
        let sets = apart::sets(plan);
        let single = sets.iter().filter(|set| apart.holds(set)).rev();
        let mut groups: Vec<_> = single.map(|set| at(plan, |key| key == set)).collect();
        groups.push(at(plan, |set| !apart.holds(set)));
        groups.retain(|group| !group.is_empty());
        groups
    }

    /// Makes smaller groups of one that was not written for what is in it, or has it rest.
    async fn take_apart(
        &mut self,
        group: &Plan,
        error: ProviderError,
        groups: &mut Vec<Plan>,
    ) -> Result<(), Halt> {
        match error {
            ProviderError::Rejected { ref culprits, .. } => {
                let sets = apart::sets(group);
                if sets.len() > 1 {
                    groups.extend(divide(group, &sets, culprits));
                    return Ok(());
                }
            }
            // The zone may only have changed since it was read.
            ProviderError::Changed { .. } | ProviderError::Already { .. } if !self.surprised => {
                self.surprised = true;
                return Err(error.into());
            }
            ProviderError::Changed { .. } | ProviderError::Already { .. } => {
                let sets = apart::sets(group);
                if sets.len() > 1 {
                    groups.extend(divide(group, &sets, &[]));
                    return Ok(());
                }
            }
            other => return Err(other.into()),
        }
        self.set_apart(group, &error).await
    }

    /// Has one set rest whose change was not made: one record at a time where there are several.
    async fn set_apart(&mut self, group: &Plan, error: &ProviderError) -> Result<(), Halt> {
        let is_single = group.create.len() + group.delete.len() == 1;
        let apart = &mut self.given.known.apart;
        if !is_single && !matches!(error, ProviderError::Changed { .. }) {
            for set in apart::sets(group) {
                apart.be_cautious(set);
            }
            return Ok(());
        }
        let (now, why) = (now(), crate::chain(error));
        let gone = group.delete.iter().map(|entry| (entry, false));
        let is_so = matches!(error, ProviderError::Already { .. });
        for (entry, there) in gone.chain(group.create.iter().map(|entry| (entry, true))) {
            if is_so {
                apart.believe(entry.clone(), there, now);
            } else {
                apart.reject(entry.clone(), there, why.clone(), now);
            }
        }
        if is_so {
            tracing::info!("{why}; its listing says otherwise and counts as out of date");
            self.doubt(group.delete.iter().chain(&group.create).cloned()).await?;
            self.wrote(group, true, now, &BTreeSet::new()).await?;
        }
        Ok(())
    }

    /// Has what was confirmed and is not shown rest, and be read again.
    pub(super) async fn doubt_unshown(
        &mut self,
        unshown: Vec<((SetKey, IpAddr), bool)>,
    ) -> Result<(), Halt> {
        let (why, now) = (crate::chain(&self.unshown()), now());
        for (entry, there) in &unshown {
            self.given.known.apart.reject(entry.clone(), *there, why.clone(), now);
        }
        self.doubt(unshown.into_iter().map(|(entry, _)| entry)).await
    }

    /// Doubts what `listing` shows as it is wished for, although it was otherwise before and this agent did
    /// not change it. A person may have; or the listing is untrue, and if it were
    /// believed, nothing would be done and nothing would ask again.
    ///
    /// What is not as it is wished for needs no doubt: it is written, and the provider then says what
    /// is true. Where other agents change the zone too, a change by one of them is what all others see
    /// at each verdict, and they would be in doubt for two minutes each time.
    pub(super) async fn doubt_surprises(&mut self, listing: &Listing) -> Result<(), Halt> {
        if self.given.shared {
            return Ok(());
        }
        let wishes = &self.order.wishes;
        let is_wished = |address| wishes.get(&address).map(|wish| *wish == Wish::Serve);
        let surprises = self.given.known.doubts.surprises(&listing.observed(), is_wished);
        for is_there in [false, true] {
            let such = surprises.iter().filter(|(_, there)| *there == is_there);
            let such: Vec<_> = such.map(|(entry, _)| entry.clone()).collect();
            for (target, names) in by_address(&such) {
                let names = names.join(",");
                if is_there {
                    tracing::info!(
                        %target,
                        names,
                        "DNS shows it again, though this agent has not restored it; the zone is \
                         read for two minutes more before that counts"
                    );
                } else {
                    tracing::info!(
                        %target,
                        names,
                        "DNS does not show it, though this agent has not withdrawn it; the zone is \
                         read for two minutes more before that counts"
                    );
                }
            }
        }
        self.doubt(surprises.into_iter().map(|(entry, _)| entry)).await
    }

    /// Notes what a write may still change, and says that nobody knows what is there.
    pub(super) async fn doubt(
        &mut self,
        entries: impl IntoIterator<Item = (SetKey, IpAddr)>,
    ) -> Result<(), Halt> {
        let doubts = &mut self.given.known.doubts;
        let before = doubts.entries();
        doubts.raise(entries, now());
        let doubted = doubts.entries();
        if doubted == before {
            return Ok(());
        }
        let memory = &mut self.given.memory;
        let mut is_news = false;
        for entry in &doubted {
            is_news |= memory.pend(entry.clone());
        }
        if is_news {
            self.tell_memory().await;
        }
        self.report(DnsReport::Doubted(doubted)).await
    }

    /// Says which sets have trouble of their own, when that has changed.
    pub(super) async fn report_problems(&mut self) -> Result<(), Halt> {
        let problems = self.given.known.apart.problems();
        if problems == self.problems {
            return Ok(());
        }
        self.problems.clone_from(&problems);
        self.report(DnsReport::Apart(problems)).await
    }
}

/// Two or more groups of one, the first last: those that are not to blame together, each culprit by
/// itself; or halves, where nobody is named.
fn divide(group: &Plan, sets: &[SetKey], culprits: &[SetKey]) -> Vec<Plan> {
    let (named, others): (Vec<_>, Vec<_>) = sets.iter().partition(|set| culprits.contains(set));
    if !named.is_empty() && !others.is_empty() {
        let mut groups: Vec<_> =
            named.into_iter().rev().map(|set| at(group, |key| key == set)).collect();
        groups.push(at(group, |set| others.contains(&set)));
        return groups;
    }
    let (first, second) = sets.split_at(sets.len().div_ceil(2));
    [second, first].map(|half| at(group, |set| half.contains(set))).into()
}
