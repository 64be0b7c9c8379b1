//! The entries about changes to DNS, among the latest changes and in the counters.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::StatusObserver;
use crate::engine::Engine;
use crate::engine::event::{Fact, Withdrawal, failed_in_words};
use crate::engine::ids::{ServiceId, TargetRef, ZoneId};
use crate::engine::settings::Settings;
use crate::text::brief;

/// The circumstances of a change that the provider confirmed, or that dry-run left out.
struct ChangeContext<'a> {
    settings: &'a Settings,
    service: ServiceId,
    zone: ZoneId,
    at: Instant,
    /// Time from when the change was first desired to the confirmation.
    took: Duration,
    dry_run: bool,
}

/// One kind of change, with the evidence for it.
struct ChangeEntry<'a> {
    /// The verb as a label, and in the past tense.
    action: [&'static str; 2],
    preposition: &'static str,
    names: &'a [String],
    evidence: Vec<String>,
    /// Time from the last reply to the withdrawal of a failed target.
    failover: Option<Duration>,
}

/// Returns the entry for a withdrawal. `standby` says why a standby is published or not.
fn withdrawal(withdrawal: &Withdrawal, standby: Option<String>) -> ChangeEntry<'_> {
    let wanted = withdrawal.by_hand || withdrawal.asked || withdrawal.standing_by;
    let failover = withdrawal.silent_for.filter(|_| !wanted);
    let mut evidence = if withdrawal.by_hand {
        vec!["drained by operator".to_owned()]
    } else if withdrawal.asked {
        vec!["it asked to be taken out".to_owned()]
    } else if withdrawal.standing_by {
        vec![]
    } else {
        vec![format!("{} losses in a row", withdrawal.losses)]
    };
    evidence.extend(standby);
    evidence.extend(failed_in_words(&withdrawal.failed).filter(|_| !withdrawal.by_hand));
    if let Some(silent) = failover {
        evidence.push(format!("last reply {} before", brief(silent)));
    }
    if !withdrawal.agreeing.is_empty() {
        let peers: Vec<_> = withdrawal.agreeing.iter().map(ToString::to_string).collect();
        evidence.push(format!("agreed by {}", peers.join(", ")));
    }
    let (action, preposition) = (["withdraw", "withdrew"], "from");
    ChangeEntry { action, preposition, names: &withdrawal.names, evidence, failover }
}

/// Returns the entry for a restoration. `why` says why a standby is published, or how often a target came
/// back.
fn restoration(names: &[String], why: Option<String>) -> ChangeEntry<'_> {
    let (action, evidence) = (["restore", "restored"], why.into_iter().collect());
    ChangeEntry { action, preposition: "to", names, evidence, failover: None }
}

/// Returns the entry for records at names that held no address.
fn creation(names: &[String]) -> ChangeEntry<'_> {
    let action = ["create", "created"];
    ChangeEntry { action, preposition: "at", names, evidence: vec![], failover: None }
}

impl StatusObserver {
    /// Publishes a change that the provider confirmed, or that dry-run left out.
    pub(super) fn applied(&mut self, engine: &Engine, fact: &Fact) {
        let Fact::Applied { zone, service, withdrawn, restored, created, took, dry_run } = fact
        else {
            return;
        };
        let (settings, at) = (engine.settings(), self.at());
        let (zone, service, took, dry_run) = (*zone, *service, *took, *dry_run);
        let change = ChangeContext { settings, service, zone, at, took, dry_run };
        for (address, gone) in withdrawn {
            let standby = engine.why_standby(TargetRef { service, address: *address });
            self.record(&change, *address, &withdrawal(gone, standby));
        }
        for (address, names) in restored {
            let target = TargetRef { service, address: *address };
            let why = engine.why_standby(target).or_else(|| engine.how_often(target));
            self.record(&change, *address, &restoration(names, why));
        }
        for (target, names) in created {
            self.record(&change, *target, &creation(names));
        }
    }

    /// Publishes and counts one entry.
    fn record(&mut self, change: &ChangeContext<'_>, address: IpAddr, entry: &ChangeEntry<'_>) {
        let [action, past] = entry.action;
        let target = TargetRef { service: change.service, address };
        let verb = if change.dry_run { format!("would {action}") } else { past.to_owned() };
        let whose = change.settings.target_name(target);
        let what = format!("{verb} {whose} {} {}", entry.preposition, entry.names.join(", "));
        let mut evidence = entry.evidence.clone();
        evidence.push(format!("took {}", brief(change.took)));
        if let Some(silent) = entry.failover.filter(|_| !change.dry_run) {
            self.board.counters().failover(silent);
        }
        self.board.changed(change.at, &what, &evidence.join("; "), Some(target));
        let outcome = if change.dry_run { "dry_run" } else { "ok" };
        for _ in entry.names {
            self.board.counters().dns_change(change.zone, action, outcome);
        }
    }
}
