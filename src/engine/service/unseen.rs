//! Targets with a health that is unknown: reported once when that begins, once after a minute, and once
//! when it is over, however many checks a target has.

use std::collections::BTreeSet;
use std::time::Duration;

use super::target::Unseen;
use super::{Service, Target};
use crate::engine::context::Context;
use crate::engine::fact::Fact;
use crate::engine::health::HealthTracker;
use crate::engine::ids::TargetId;
use crate::engine::moment::Moment;

impl Service {
    /// Reports that a target's health is known again, after that of one of its checks was unknown for a
    /// while: `lasted`, and whether people were notified. With several checks, all of them must be known.
    pub(in crate::engine) fn evidence_back(
        &mut self,
        id: TargetId,
        (lasted, notified): (Duration, bool),
        health: &HealthTracker,
        context: &mut Context,
    ) {
        let now = context.now;
        let (lasted, notified) = if self.settings.checks.len() > 1 {
            if self.unknown_checks(id, health) > 0 {
                return;
            }
            let Some(Unseen { since, notified }) = self.unseen(id).take() else { return };
            (now.since(since), notified)
        } else {
            (lasted, notified)
        };
        let Some(target) = self.targets.get_mut(id) else { return };
        target.since = now;
        let (service, target) = (self.id, target.address);
        context.report(Fact::EvidenceBack { service, target, lasted, notified });
    }

    /// Returns since when the health of a target with several checks has been unknown, for modification.
    fn unseen(&mut self, id: TargetId) -> UnseenSlot<'_> {
        UnseenSlot(self.targets.get_mut(id))
    }

    fn unknown_checks(&self, id: TargetId, health: &HealthTracker) -> usize {
        self.targets.get(id).map_or(0, |target| self.unknown_checks_of(target, health))
    }

    /// Returns the number of checks of a target that count and have an unknown health.
    pub(in crate::engine) fn unknown_checks_of(
        &self,
        target: &Target,
        health: &HealthTracker,
    ) -> usize {
        let subjects = self.counted(target).filter_map(|(_, id)| health.get(id));
        subjects.filter(|subject| subject.evidence.unknown_since.is_some()).count()
    }

    /// Reports that the health of targets is unknown from now on: the targets of `lost`, once for each
    /// check with evidence that was lost. With several checks, it is unknown if one of them is.
    pub(in crate::engine) fn evidence_lost(
        &mut self,
        lost: &[TargetId],
        health: &HealthTracker,
        context: &mut Context,
    ) {
        let several = self.settings.checks.len() > 1;
        let mut ids = Vec::new();
        for id in lost.iter().copied().collect::<BTreeSet<TargetId>>() {
            let is_news = !several
                || self.unknown_checks(id, health) > 0 && self.unseen(id).begin(context.now);
            if let Some(target) = self.targets.get_mut(id).filter(|_| is_news) {
                target.since = context.now;
                ids.push(id);
            }
            self.review_return(id);
        }
        let targets = self.addresses(&ids);
        if !targets.is_empty() {
            context.report(Fact::EvidenceLost { service: self.id, targets });
        }
    }

    /// Reports that the health of targets has been unknown for so long that people are notified: the
    /// targets of `ids`, once for each check.
    pub(in crate::engine) fn still_unknown(&mut self, ids: &[TargetId], context: &mut Context) {
        let mut ids = ids.to_vec();
        if self.settings.checks.len() > 1 {
            ids.retain(|id| self.unseen(*id).notify());
        }
        let targets = self.addresses(&ids);
        if !targets.is_empty() {
            context.report(Fact::StillUnknown { service: self.id, targets });
        }
    }

    /// Follows other checks, by which the health of a target may be known or unknown now.
    pub(super) fn review_unseen(&mut self, id: TargetId, health: &HealthTracker) {
        let Some(target) = self.targets.get(id) else { return };
        let subjects = self.counted(target).filter_map(|(_, id)| health.get(id));
        let mut present: Option<Unseen> = None;
        for subject in subjects {
            let notified = subject.evidence.notified;
            let Some(since) = subject.evidence.unknown_since else { continue };
            present = Some(match present {
                None => Unseen { since, notified },
                Some(other) => {
                    Unseen { since: since.min(other.since), notified: notified || other.notified }
                }
            });
        }
        let before = target.notes.as_ref().and_then(|notes| notes.unseen);
        let after = present.map(|present| before.unwrap_or(present));
        if let Some(target) = self.targets.get_mut(id).filter(|_| before != after) {
            target.notes_mut().unseen = after;
        }
    }
}

/// The place of a target where it is noted since when its health is unknown.
struct UnseenSlot<'a>(Option<&'a mut Target>);

impl UnseenSlot<'_> {
    /// Begins at `now`. Returns false if it has begun before.
    fn begin(self, now: Moment) -> bool {
        let Some(target) = self.0 else { return false };
        let unseen = &mut target.notes_mut().unseen;
        let begins = unseen.is_none();
        unseen.get_or_insert(Unseen { since: now, notified: false });
        begins
    }

    /// Notes that people are notified. Returns false if they were before, or the health is known.
    fn notify(self) -> bool {
        let notes = self.0.and_then(|target| target.notes.as_mut());
        let unseen = notes.and_then(|notes| notes.unseen.as_mut());
        unseen.is_some_and(|unseen| !std::mem::replace(&mut unseen.notified, true))
    }

    /// Ends it. Returns the time in which it was unknown.
    fn take(self) -> Option<Unseen> {
        self.0?.notes.as_mut()?.unseen.take()
    }
}
