//! Reports of changes that came into force: to the engine, and to the proof of effect.

use std::time::Duration;

use super::Reconciler;
use super::interruption::Interruption;
use super::pending_writes::Applied;
use crate::dns::clock::now;
use crate::dns::confirm::change::{ChangeKind, MadeChanges};
use crate::engine::event::DnsReport;

impl Reconciler {
    /// Reports changes that came into force, if there are any.
    pub(super) async fn report_applied(&self, applied: Applied) -> Result<(), Interruption> {
        let Some(since) = applied.since else { return Ok(()) };
        let took = since.elapsed();
        // First of all: a report to a busy loop may have to wait.
        self.effects.send(self.made_changes(&applied, took));
        let Applied { withdrawn, restored, created, .. } = applied;
        self.report(DnsReport::Applied { withdrawn, restored, created, took }).await
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
