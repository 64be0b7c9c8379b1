//! Log lines about changes to DNS and problems with the provider.

use std::net::IpAddr;
use std::time::Duration;

use tracing::{error, info, warn};

use super::list;
use super::targets::{NameField, silence};
use crate::engine::Engine;
use crate::engine::event::{DnsProblem, DnsProblemKind, Fact, Withdrawal, failed_in_words};
use crate::engine::ids::{ServiceId, TargetRef};
use crate::text::brief;

/// Logs a line for each address of a change that the provider confirmed, or that dry-run left out.
pub(super) fn applied(engine: &Engine, fact: &Fact, service: NameField<'_>) {
    let Fact::Applied { service: id, withdrawn, restored, created, took, dry_run, .. } = fact
    else {
        return;
    };
    let change = AppliedChange { engine, id: *id, service, took: *took, dry_run: *dry_run };
    for (target, withdrawal) in withdrawn {
        change.withdrew(*target, withdrawal);
    }
    for (target, names) in restored {
        change.restored(*target, names);
    }
    for (target, names) in created {
        change.created(*target, names);
    }
}

/// The common part of the lines about one change.
struct AppliedChange<'a> {
    /// The source of the reasons why standbys are published.
    engine: &'a Engine,
    /// The service of the addresses.
    id: ServiceId,
    /// The name of the service, if services are named.
    service: NameField<'a>,
    /// Time from when the change was first desired to the confirmation.
    took: Duration,
    /// Whether nothing is written.
    dry_run: bool,
}

impl AppliedChange<'_> {
    /// Returns the reason for which a target is published or not, if it is a standby.
    fn tier(&self, address: IpAddr) -> Option<String> {
        self.engine.why_standby(TargetRef { service: self.id, address })
    }

    fn withdrew(&self, target: IpAddr, withdrawal: &Withdrawal) {
        let (names, took, service) =
            (list(&withdrawal.names), brief(self.took), self.service.clone());
        // A standby that is not needed leaves for the sake of others.
        let is_own = !withdrawal.standing_by;
        let (losses, by_hand) = (is_own.then_some(withdrawal.losses), withdrawal.by_hand);
        let silent_for = is_own.then(|| silence(withdrawal.silent_for));
        let asked = withdrawal.asked.then_some(true);
        let said = failed_in_words(&withdrawal.failed);
        let standby = self.tier(target);
        if self.dry_run {
            info!(%target, service, names, standby, losses, silent_for, by_hand, asked, said, reason = "dry_run", "would withdraw");
        } else {
            info!(%target, service, names, standby, losses, silent_for, by_hand, asked, said, took, "withdrew");
        }
    }

    fn restored(&self, target: IpAddr, names: &[String]) {
        let (names, took, service) = (list(names), brief(self.took), self.service.clone());
        let standby = self.tier(target);
        if self.dry_run {
            info!(%target, service, names, standby, reason = "dry_run", "would restore");
        } else {
            info!(%target, service, names, standby, took, "restored");
        }
    }

    fn created(&self, target: IpAddr, names: &[String]) {
        let (names, took, service) = (list(names), brief(self.took), self.service.clone());
        let asks = "held no address and nothing is remembered of it; is it misspelt?";
        if self.dry_run {
            warn!(%target, service, names, reason = "dry_run", "would create: the name {asks}");
        } else {
            warn!(%target, service, names, took, "created: the name {asks}");
        }
    }
}

pub(super) fn name_failing(name: &str, zone: &NameField<'_>, problem: &str) {
    warn!(name, zone, "name is left alone and retried; all other names are maintained: {problem}");
}

pub(super) fn failing(problem: &DnsProblem, zone: &NameField<'_>) {
    let retry_in = problem.retry_in.map_or_else(|| "when needed".into(), brief);
    let what = &problem.what;
    if matches!(problem.kind, DnsProblemKind::Refused | DnsProblemKind::Defect) {
        error!(retry_in, zone, "{what}");
    } else {
        warn!(retry_in, zone, "{what}");
    }
}
