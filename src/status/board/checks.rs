//! The checks of the targets on the board, and the probes of targets with several.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Board;
use crate::engine::ids::TargetRef;
use crate::status::checks::TargetChecks;
use crate::status::row::ServiceRows;

impl Board {
    /// Sets the checks of a target; `None` if its service has chosen none.
    pub fn set_checks(&mut self, target: TargetRef, checks: Option<TargetChecks>) {
        let Some(before) = self.row_of(target).map(|row| row.checks) else { return };
        let after = checks.map(|checks| {
            let (place, is_urgent) = self.checks.set(before, checks);
            self.is_urgent |= is_urgent;
            place
        });
        // The row is shared with a snapshot, and is copied for a change alone.
        if after != before
            && let Some(row) = self.row(target)
        {
            row.checks = after;
        }
    }

    /// Counts a reply to a probe that was counted for another target before. Returns whether the target
    /// is known.
    pub fn reply_again(&mut self, target: TargetRef, at: Instant, rtt: Duration) -> bool {
        let second = self.seconds(at);
        let probe = self.probe(target);
        probe.map(|probe| probe.reply(second, at, rtt)).is_some()
    }

    /// Gives each target with several checks a probe of its own, after a reload: it stands for all of
    /// its checks, and other targets share no more than one of them.
    pub(super) fn separate_probes(&mut self, services: &mut [ServiceRows]) {
        let mut uses: HashMap<usize, usize> = HashMap::new();
        for row in services.iter().flat_map(|service| &service.rows) {
            if let Some(place) = row.probe {
                *uses.entry(place).or_default() += 1;
            }
        }
        let several = services.iter_mut().filter(|service| service.has_several_checks());
        for row in several.flat_map(|service| &mut service.rows) {
            let shared = row.probe.and_then(|place| uses.get_mut(&place).filter(|uses| **uses > 1));
            if let (Some(place), Some(uses)) = (row.probe, shared) {
                *uses -= 1;
                row.probe = Some(self.probes.duplicate(place));
            }
        }
    }
}
