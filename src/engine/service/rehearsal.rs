//! The rehearsals that an operator requests: targets are treated as dead for a while.

use std::net::IpAddr;

use super::{Outside, Service};
use crate::engine::context::Context;
use crate::engine::fact::{Fact, Reason, RehearsalStage};
use crate::engine::ids::TargetId;
use crate::engine::types::{Health, Verdict, WithdrawalCause};

/// One rehearsal, from before it begins until it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Rehearsal {
    /// The rehearsal has not begun.
    Waiting,
    /// The replies of the target are ignored.
    Dead,
    /// The replies count again; the target is not back in DNS yet.
    Reviving,
    /// The target is back in DNS.
    Over,
}

impl Rehearsal {
    /// Begins the rehearsal. Returns false if it has begun before.
    fn begin(&mut self) -> bool {
        let begins = *self == Self::Waiting;
        if begins {
            *self = Self::Dead;
        }
        begins
    }

    /// Returns the stage that begins if `health` and the confirmed state of DNS allow it.
    fn next_stage(self, health: Health, confirmed: bool) -> Option<RehearsalStage> {
        match (self, health, confirmed) {
            (Self::Dead, Health::Down, _) => Some(RehearsalStage::Alive),
            (Self::Reviving, Health::Up, true) => Some(RehearsalStage::Over),
            _ => None,
        }
    }
}

impl Service {
    /// Prepares the rehearsal of a target's death. Returns its id, if it is watched.
    pub(in crate::engine) fn rehearse(&mut self, address: IpAddr) -> Option<TargetId> {
        let id = self.id(address).filter(|_| !self.settings.standby.is_unprobed(address))?;
        self.rehearsals.insert(address, Rehearsal::Waiting);
        Some(id)
    }

    /// Starts treating the rehearsed targets as dead.
    pub(in crate::engine) fn begin_rehearsals(&mut self, context: &mut Context) {
        for (address, rehearsal) in &mut self.rehearsals {
            if rehearsal.begin() {
                let (service, target) = (self.id, *address);
                let stage = RehearsalStage::Dead;
                context.report(Fact::Rehearsal { service, target, stage });
            }
        }
    }

    /// Whether a target has a rehearsal that is not over.
    pub(in crate::engine) fn is_rehearsing(&self, address: IpAddr) -> bool {
        self.rehearsals.get(&address).is_some_and(|rehearsal| *rehearsal != Rehearsal::Over)
    }

    /// Iterates over the targets with a rehearsal.
    pub(in crate::engine) fn rehearsed(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.rehearsals.keys().copied()
    }

    /// Forgets the rehearsal of a target.
    pub(in crate::engine) fn forget_rehearsal(&mut self, address: IpAddr) {
        self.rehearsals.remove(&address);
    }

    /// Whether the replies of a target are ignored.
    pub(in crate::engine) fn ignores_replies(&self, address: IpAddr) -> bool {
        self.rehearsals.get(&address) == Some(&Rehearsal::Dead)
    }

    /// Advances the rehearsal after the target flipped or DNS followed.
    pub(super) fn advance_rehearsal(
        &mut self,
        id: TargetId,
        outside: Outside<'_>,
        context: &mut Context,
    ) {
        let Some(target) = self.targets.get(id) else { return };
        let (address, health) = (target.address, self.health_of(target, outside.health).health);
        let Some(rehearsal) = self.rehearsals.get_mut(&address) else { return };
        let verdict = &target.verdict;
        // It may still be out for its death, since the others do not see it up yet.
        let is_out = verdict.verdict == Verdict::Withdrawn(WithdrawalCause::Down);
        let is_back = verdict.confirmed && !is_out && verdict.reason != Some(Reason::Returning);
        let Some(stage) = rehearsal.next_stage(health, is_back) else { return };
        *rehearsal = match stage {
            RehearsalStage::Over => Rehearsal::Over,
            RehearsalStage::Dead | RehearsalStage::Alive => Rehearsal::Reviving,
        };
        context.report(Fact::Rehearsal { service: self.id, target: address, stage });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_dies_revives_and_is_over_once_dns_has_followed() {
        let mut rehearsal = Rehearsal::Waiting;
        assert_eq!(rehearsal.next_stage(Health::Down, true), None, "it has not begun");
        assert!(rehearsal.begin());
        assert!(!rehearsal.begin(), "it begins once");
        let dead = Rehearsal::Dead;
        assert_eq!(dead.next_stage(Health::Up, true), None);
        assert_eq!(dead.next_stage(Health::Down, false), Some(RehearsalStage::Alive));
        let reviving = Rehearsal::Reviving;
        assert_eq!(reviving.next_stage(Health::Up, false), None, "DNS has not followed");
        assert_eq!(reviving.next_stage(Health::Up, true), Some(RehearsalStage::Over));
        assert_eq!(Rehearsal::Over.next_stage(Health::Down, true), None, "it is over");
    }
}
