//! The rehearsal that an operator asks for: a target that is treated as dead for a while.

use std::net::IpAddr;

use super::event::{Act, Action, Fact, Slot};
use super::target::Health;
use super::{Engine, Phase};

impl Engine {
    /// Begins to treat the rehearsed target as dead.
    pub(super) fn begin_rehearsal(&mut self, out: &mut Vec<Action>) {
        if let Some(rehearsal) = &mut self.rehearsal
            && rehearsal.phase == Phase::Waiting
        {
            rehearsal.phase = Phase::Dead;
            let target = rehearsal.target;
            out.push(Action::Tell(Fact::Rehearsal { target, act: Act::Dead }));
        }
    }

    pub(super) fn is_played_dead(&self, slot: Slot) -> bool {
        self.rehearsal.as_ref().is_some_and(|rehearsal| {
            rehearsal.phase == Phase::Dead && self.targets.get(&rehearsal.target) == Some(&slot)
        })
    }

    /// The rehearsed target flipped or DNS followed: on to the next act.
    pub(super) fn play_on(&mut self, target: IpAddr, out: &mut Vec<Action>) {
        let slot = self.targets.get(&target).copied();
        let Some((health, settled)) =
            slot.and_then(|slot| self.target(slot)).map(|t| (t.streaks.health(), t.settled))
        else {
            return;
        };
        let Some(rehearsal) = self.rehearsal.as_mut().filter(|play| play.target == target) else {
            return;
        };
        let (phase, act) = match (&rehearsal.phase, health, settled) {
            (Phase::Dead, Health::Down, _) => (Phase::Reviving, Act::Alive),
            (Phase::Reviving, Health::Up, true) => (Phase::Over, Act::Over),
            _ => return,
        };
        rehearsal.phase = phase;
        out.push(Action::Tell(Fact::Rehearsal { target, act }));
    }
}
