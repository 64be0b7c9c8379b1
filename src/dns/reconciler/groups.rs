//! One write for all due changes, and several smaller ones if the provider rejects it.

use super::Reconciler;
use super::interruption::Interruption;
use super::plan_parts::{self, at_sets, without};
use super::write::WriteContext;
use crate::dns::clock::now;
use crate::dns::{Listing, ProviderError};
use crate::engine::plan::{Plan, SetKey};

/// The end of writing a plan.
#[derive(Debug)]
pub(super) enum GroupsResult {
    /// All changes were confirmed or postponed.
    All,
    /// The rest has to be planned again from a new listing.
    Outdated,
}

impl Reconciler {
    /// Writes the changes of `plan` together, except for sets with problems of their own. A rejected
    /// group is split, down to one set.
    pub(super) async fn write_in_groups(
        &mut self,
        plan: &Plan,
        listing: &Listing,
    ) -> Result<GroupsResult, Interruption> {
        let mut groups = self.groups(plan);
        while let Some(group) = groups.pop() {
            let changes = self.remember_changes(&group, listing).await;
            if !self.is_still_required(&group).await? {
                self.listing.discard();
                return Ok(GroupsResult::Outdated);
            }
            let has_more = !groups.is_empty();
            let (done, rest) = self.write(&group, listing, &changes, has_more).await?;
            match rest {
                Ok(()) => self.has_conflicted = false,
                // The next pass checks whether the order was replaced.
                Err(error @ ProviderError::Revoked { .. }) => {
                    tracing::info!("{error}");
                    return Ok(GroupsResult::Outdated);
                }
                Err(error) => {
                    let left = without(&group, &done);
                    self.split(&left, error, &mut groups).await?;
                }
            }
        }
        self.report_problems().await?;
        Ok(GroupsResult::All)
    }

    /// Returns the groups of changes to write together, the first one last.
    fn groups(&self, plan: &Plan) -> Vec<Plan> {
        let rejections = &self.rejections;
        let mut groups = Vec::new();
        for set in plan_parts::sets(plan).iter().rev() {
            if rejections.is_separate(set) {
                groups.push(at_sets(plan, |key| key == set));
            }
        }
        groups.push(at_sets(plan, |set| !rejections.is_separate(set)));
        groups.retain(|group| !group.is_empty());
        groups
    }

    /// Splits a group that was not written because of its content, or postpones it.
    async fn split(
        &mut self,
        group: &Plan,
        error: ProviderError,
        groups: &mut Vec<Plan>,
    ) -> Result<(), Interruption> {
        let culprits = match &error {
            ProviderError::Rejected { culprits, .. } => culprits.as_slice(),
            // Perhaps the zone merely changed after it was listed.
            ProviderError::Changed { .. } | ProviderError::Already { .. }
                if !self.has_conflicted =>
            {
                self.has_conflicted = true;
                return Err(error.into());
            }
            ProviderError::Changed { .. } | ProviderError::Already { .. } => &[],
            _ => return Err(error.into()),
        };
        let sets = plan_parts::sets(group);
        if sets.len() > 1 {
            groups.extend(divide(group, &sets, culprits));
            return Ok(());
        }
        self.postpone(group, &error).await
    }

    /// Postpones the change of one set. A set with several changes is changed one record at a time
    /// from now on.
    async fn postpone(&mut self, group: &Plan, error: &ProviderError) -> Result<(), Interruption> {
        let is_single = group.create.len() + group.delete.len() == 1;
        if !is_single && !matches!(error, ProviderError::Changed { .. }) {
            for set in plan_parts::sets(group) {
                self.rejections.single_step(set);
            }
            return Ok(());
        }
        let (now, why) = (now(), crate::text::error_chain(error));
        let is_in_force = matches!(error, ProviderError::Already { .. });
        for (entry, present) in plan_parts::entries(group) {
            if is_in_force {
                self.rejections.trust(entry.clone(), present, now);
            } else {
                self.rejections.reject(entry.clone(), present, why.clone(), now);
            }
        }
        if is_in_force {
            tracing::info!("{why}; its listing contradicts this and is considered outdated");
            self.mark_uncertain(group.delete.iter().chain(&group.create).cloned()).await?;
            self.record_write(group, true, &WriteContext::at(now)).await?;
        }
        Ok(())
    }
}

/// Divides a group into two or more, the first one last: the sets that are not to blame together and
/// each culprit by itself, or halves if no culprit is named.
fn divide(group: &Plan, sets: &[SetKey], culprits: &[SetKey]) -> Vec<Plan> {
    let (named, others): (Vec<_>, Vec<_>) = sets.iter().partition(|set| culprits.contains(set));
    if !named.is_empty() && !others.is_empty() {
        let mut groups: Vec<_> =
            named.into_iter().rev().map(|set| at_sets(group, |key| key == set)).collect();
        groups.push(at_sets(group, |set| others.contains(&set)));
        return groups;
    }
    let (first, second) = sets.split_at(sets.len().div_ceil(2));
    [second, first].map(|half| at_sets(group, |set| half.contains(set))).into()
}
