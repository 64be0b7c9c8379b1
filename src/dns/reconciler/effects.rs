//! Reports of changes that came into force: to the engine, and to the proof of effect.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Reconciler;
use super::interruption::Interruption;
use super::pending_writes::Applied;
use crate::dns::Placement;
use crate::dns::clock::now;
use crate::dns::confirm::change::{ChangeKind, MadeChanges, UndoneChanges};
use crate::engine::event::DnsReport;
use crate::engine::plan::Observed;

/// The changes that the confirmer was told of, to tell it when they are undone.
#[derive(Debug, Default)]
pub(super) struct ToldChanges(BTreeMap<Placement, bool>);

impl ToldChanges {
    /// Records the changes of a report.
    fn record(&mut self, made: &MadeChanges) {
        for change in &made.changes {
            let places = change.sets.iter().map(|(set, _)| (set.clone(), change.address));
            self.0.extend(places.map(|place| (place, change.kind.is_present())));
        }
    }

    /// Returns the changes that a listing shows the opposite of, without those for which `is_pending`
    /// returns true: an earlier write may not be listed yet.
    fn undone(
        &self,
        observed: &Observed,
        is_pending: impl Fn(&Placement) -> bool,
    ) -> Vec<(Placement, bool)> {
        let mut undone = Vec::new();
        for (place, is_present) in &self.0 {
            let is_there = observed.get(&place.0).is_some_and(|there| there.contains(&place.1));
            if is_there != *is_present && !is_pending(place) {
                undone.push((place.clone(), *is_present));
            }
        }
        undone
    }
}

impl Reconciler {
    /// Reports changes that came into force, if there are any.
    /// `is_part` tells that the rest of the write is not done yet, or failed.
    pub(super) async fn report_applied(
        &mut self,
        applied: Applied,
        is_part: bool,
    ) -> Result<(), Interruption> {
        let Some(since) = applied.since else { return Ok(()) };
        let took = since.elapsed();
        // First of all: a report to a busy loop may have to wait.
        let made = self.made_changes(&applied, took);
        self.told.record(&made);
        self.effects.send(made);
        let Applied { withdrawn, restored, created, .. } = applied;
        self.report(DnsReport::Applied { withdrawn, restored, created, took, is_part }).await
    }

    /// Tells the confirmer of changes that a listing shows to be undone. If there is no room, the next
    /// listing shows them again.
    pub(super) fn report_undone(&mut self, listed: Instant, observed: &Observed) {
        let pending = &self.pending;
        let places = self.told.undone(observed, |place| pending.is_unverified(place));
        if !places.is_empty()
            && self.effects.send_undone(UndoneChanges { listed, places: places.clone() })
        {
            for (place, _) in &places {
                self.told.0.remove(place);
            }
        }
    }

    /// Returns changes that came into force, with all that is needed to prove them.
    fn made_changes(&self, applied: &Applied, took: Duration) -> MadeChanges {
        let kinds = [
            (&applied.withdrawn, ChangeKind::Withdrawn),
            (&applied.restored, ChangeKind::Restored),
            (&applied.created, ChangeKind::Added),
        ];
        let mut records = Vec::new();
        for (places, kind) in kinds {
            for place in places {
                let is_new = kind.is_present() && self.orders.is_standby(place);
                let kind = if is_new { ChangeKind::Added } else { kind };
                let Some(proof) = applied.proofs.get(place).copied() else { continue };
                records.push((self.orders.owner(place), kind, place.clone(), proof));
            }
        }
        MadeChanges::new(now(), took, records)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::dns::confirm::change::Proof;
    use crate::engine::plan::{Family, SetKey};

    fn place(last: u8) -> Placement {
        let set = SetKey { name: "www.example.com".into(), family: Family::A };
        (set, IpAddr::from([192, 0, 2, last]))
    }

    /// The first address is out, the second one is back; another agent or a person writes as well.
    #[test]
    fn a_change_is_undone_once_a_listing_shows_the_opposite() {
        let records = [(place(1), ChangeKind::Withdrawn), (place(2), ChangeKind::Restored)];
        let records = records.map(|(place, kind)| (None, kind, place, Proof::default()));
        let mut told = ToldChanges::default();
        told.record(&MadeChanges::new(now(), Duration::ZERO, records));
        let rows: [(&[u8], Option<u8>, &[u8]); 4] =
            [(&[2], None, &[]), (&[1, 2], None, &[1]), (&[1], Some(1), &[2]), (&[], None, &[2])];
        for (listed, pending, want) in rows {
            let want: Vec<_> = want.iter().map(|last| (place(*last), *last == 2)).collect();
            let mut observed = Observed::default();
            for last in listed {
                let (set, address) = place(*last);
                observed.sets.entry(set).or_default().insert(address);
            }
            let undone = told.undone(&observed, |at| pending.map(place).as_ref() == Some(at));
            assert_eq!(undone, want, "{listed:?}");
        }
    }
}
