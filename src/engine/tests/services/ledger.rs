//! A record of everything that an engine with several services did.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::engine::event::{Drain, DrainRefusal, Fact, Order};
use crate::engine::ids::{ServiceId, Ticket};
use crate::engine::tests::world::{last, ms};
use crate::engine::types::{Endpoint, Health};

/// The actions of an engine, and the claims that did not hold.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) facts: Vec<(Duration, Fact)>,
    pub(super) orders: Vec<(Duration, Order)>,
    pub(super) probes: Vec<(Duration, Endpoint)>,
    pub(super) answers: Vec<(Ticket, Result<(), DrainRefusal>)>,
    /// The drains to be remembered, by service.
    pub(super) stored: BTreeMap<ServiceId, BTreeMap<IpAddr, Drain>>,
    pub(super) broken: Vec<String>,
    /// The time at which the state of each machine last changed.
    pub(super) changed: BTreeMap<IpAddr, Duration>,
    ticket: u64,
}

impl Ledger {
    /// Returns a ticket that was not used before.
    pub(super) fn next_ticket(&mut self) -> Ticket {
        self.ticket += 1;
        self.ticket.into()
    }

    /// Checks that a flip agrees with the state of the machine, unless that changed a moment ago.
    pub(super) fn check_flip(
        &mut self,
        now: Duration,
        (service, address): (ServiceId, IpAddr),
        down: bool,
        silent: bool,
    ) {
        let changed = self.changed.get(&address).copied().unwrap_or_default();
        if down != silent && now > changed + ms(5_000) {
            self.broken.push(format!("{now:?}: {service}/{address} flipped, down: {down}"));
        }
    }

    /// Returns the facts about the targets of a service in words, without the times.
    pub(super) fn story(&self, of: ServiceId) -> Vec<String> {
        let facts = self.facts.iter().filter_map(|(_, fact)| words(of, fact));
        facts.flatten().collect()
    }

    /// Returns the time of each flip of a service's targets.
    pub(super) fn flips(&self, of: ServiceId) -> Vec<(Duration, IpAddr)> {
        let mut flips = Vec::new();
        for (at, fact) in &self.facts {
            if let Fact::Flipped { service, target, .. } = fact
                && *service == of
            {
                flips.push((*at, *target));
            }
        }
        flips
    }

    /// Returns the orders of a service in words, without their times and numbers.
    pub(super) fn orders_of(&self, of: ServiceId) -> Vec<String> {
        let mut lines = Vec::new();
        for (_, Order { service, desired, floor, .. }) in &self.orders {
            if *service == of {
                lines.push(format!("floor {floor}: {desired:?}"));
            }
        }
        lines
    }

    /// Returns the reason of the first target that went down, if one has; `None` inside if it has none.
    #[expect(clippy::option_option, reason = "no target went down, or one without a reason")]
    pub(super) fn reason_of_flip(&self) -> Option<Option<&str>> {
        self.facts.iter().find_map(|(_, fact)| match fact {
            Fact::Flipped { to: Health::Down, last_error, .. } => Some(last_error.as_deref()),
            _ => None,
        })
    }

    /// Forgets everything so far.
    pub(super) fn clear(&mut self) {
        self.facts.clear();
        self.orders.clear();
        self.probes.clear();
        self.answers.clear();
    }
}

/// Returns a fact about the targets of a service in words, a line for each target.
fn words(of: ServiceId, fact: &Fact) -> Option<Vec<String>> {
    let (service, lines) = match fact {
        Fact::Flipped { service, target, from, to, .. } => {
            (service, vec![format!("{} {from:?} {to:?}", last(target))])
        }
        Fact::CheckFlipped { service, target, check, to, .. } => {
            (service, vec![format!("{} {check} {to:?}", last(target))])
        }
        Fact::Verdict { service, target, verdict, .. } => {
            (service, vec![format!("{} {verdict:?}", last(target))])
        }
        Fact::Refused { service, target, reason, .. } => {
            (service, vec![format!("{} refused {reason}", last(target))])
        }
        Fact::RefusalOver { service, target, reason } => {
            (service, vec![format!("{} no longer {reason}", last(target))])
        }
        Fact::Asked { service, target, .. } => (service, vec![format!("{} asks", last(target))]),
        Fact::Alike { service, targets, kind } => (service, each(targets, kind)),
        Fact::AlikeOver { service } => (service, vec!["alike no more".to_owned()]),
        Fact::EvidenceLost { service, targets } => (service, each(targets, "unknown")),
        Fact::StillUnknown { service, targets } => (service, each(targets, "still unknown")),
        Fact::EvidenceBack { service, target, notified, .. } => {
            (service, vec![format!("{} known, notified {notified}", last(target))])
        }
        Fact::Drained { service, target, .. } => {
            (service, vec![format!("{} drained", last(target))])
        }
        Fact::Undrained { service, target, expired } => {
            (service, vec![format!("{} undrained, expired {expired}", last(target))])
        }
        Fact::Applied { service, withdrawn, restored, .. } => {
            let withdrawn: Vec<_> =
                withdrawn.iter().map(|(it, how)| (last(it), &how.names)).collect();
            let restored: Vec<_> = restored.iter().map(|(it, names)| (last(it), names)).collect();
            (service, vec![format!("applied -{withdrawn:?} +{restored:?}")])
        }
        Fact::Rehearsal { service, target, stage } => {
            (service, vec![format!("{} rehearsal {stage:?}", last(target))])
        }
        _ => return None,
    };
    (*service == of).then_some(lines)
}

fn each(targets: &[IpAddr], what: &str) -> Vec<String> {
    targets.iter().map(|target| format!("{} {what}", last(target))).collect()
}
