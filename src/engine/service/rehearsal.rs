//! The rehearsal that an operator requests: one target is treated as dead for a while.

use std::net::IpAddr;

use crate::engine::fact::RehearsalStage;
use crate::engine::types::Health;

/// One rehearsal, from before it begins until it is over.
#[derive(Debug)]
pub(in crate::engine) struct Rehearsal {
    target: IpAddr,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The rehearsal has not begun.
    Waiting,
    /// The replies of the target are ignored.
    Dead,
    /// The replies count again; the target is not back in DNS yet.
    Reviving,
    Over,
}

impl Rehearsal {
    /// Creates a rehearsal with `target` that has not begun.
    pub(in crate::engine) fn new(target: IpAddr) -> Self {
        Self { target, phase: Phase::Waiting }
    }

    /// Returns the target of the rehearsal.
    pub(in crate::engine) fn target(&self) -> IpAddr {
        self.target
    }

    /// Begins the rehearsal. Returns false if it has begun before.
    pub(in crate::engine) fn begin(&mut self) -> bool {
        let begins = self.phase == Phase::Waiting;
        if begins {
            self.phase = Phase::Dead;
        }
        begins
    }

    /// Whether the replies of the target are ignored.
    pub(in crate::engine) fn ignores_replies(&self) -> bool {
        self.phase == Phase::Dead
    }

    /// Advances if `health` and the confirmed state of DNS allow it. Returns the stage that begins.
    pub(in crate::engine) fn advance(
        &mut self,
        health: Health,
        confirmed: bool,
    ) -> Option<RehearsalStage> {
        let (phase, stage) = match (self.phase, health, confirmed) {
            (Phase::Dead, Health::Down, _) => (Phase::Reviving, RehearsalStage::Alive),
            (Phase::Reviving, Health::Up, true) => (Phase::Over, RehearsalStage::Over),
            _ => return None,
        };
        self.phase = phase;
        Some(stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_dies_revives_and_is_over_once_dns_has_followed() {
        let mut rehearsal = Rehearsal::new([192, 0, 2, 1].into());
        assert_eq!(rehearsal.advance(Health::Down, true), None, "it has not begun");
        assert!(!rehearsal.ignores_replies());
        assert!(rehearsal.begin());
        assert!(!rehearsal.begin(), "it begins once");
        assert!(rehearsal.ignores_replies());
        assert_eq!(rehearsal.advance(Health::Up, true), None);
        assert_eq!(rehearsal.advance(Health::Down, false), Some(RehearsalStage::Alive));
        assert!(!rehearsal.ignores_replies());
        assert_eq!(rehearsal.advance(Health::Up, false), None, "DNS has not followed");
        assert_eq!(rehearsal.advance(Health::Up, true), Some(RehearsalStage::Over));
        assert_eq!(rehearsal.advance(Health::Down, true), None, "it is over");
    }
}
