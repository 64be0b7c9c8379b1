//! What the engine shows of itself.

use std::net::IpAddr;
use std::time::Duration;

use super::event::{Drain, Reason, Slot};
use super::plan::{Family, Observed, SetKey};
use super::target::Health;
use super::watch::Watch;
use super::{Engine, Moment, Target};

/// One target as the agent sees it now.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetView {
    /// Its address.
    pub address: IpAddr,
    /// Its health, as seen from here.
    pub health: Health,
    /// Nothing was judged for so long that the health is not known any more.
    pub unknown: bool,
    /// Whether there is evidence on which a verdict or a vote may rest.
    pub proven: bool,
    /// When a probe was last judged a reply or a loss; before the first, when the watching began.
    pub judged: Moment,
    /// The verdict: whether it belongs into DNS.
    pub in_service: bool,
    /// Why nothing is done about it though its health asks for it.
    pub reason: Option<Reason>,
    /// Losses in a row; 0 after a reply.
    pub losses: u32,
    /// Replies in a row; 0 after a loss.
    pub replies: u32,
    /// The last round trip in time.
    pub last_rtt: Option<Duration>,
    /// When health or verdict last changed.
    pub since: Moment,
    /// It does not answer at the retry pace, and is probed at the ordinary one whatever happens.
    pub limits: bool,
    /// The operator's word.
    pub drain: Option<Drain>,
}

impl Engine {
    /// Every target, in the order of addresses.
    pub fn targets(&self) -> impl Iterator<Item = TargetView> {
        self.targets.values().filter_map(|slot| {
            let subject = self.endpoints.get(*slot)?;
            let target = self.target(*slot)?;
            Some(self.view(target, &subject.watch))
        })
    }

    /// One target.
    pub fn target_view(&self, address: IpAddr) -> Option<TargetView> {
        let slot = *self.targets.get(&address)?;
        let subject = self.endpoints.get(slot)?;
        Some(self.view(self.target(slot)?, &subject.watch))
    }

    /// The target that is watched in this place, if it is one.
    pub fn target_in(&self, slot: Slot) -> Option<IpAddr> {
        self.target(slot).map(|target| target.address)
    }

    /// The place of a target.
    pub fn slot_of(&self, target: IpAddr) -> Option<Slot> {
        self.targets.get(&target).copied()
    }

    /// The targets that DNS keeps waiting: what was settled about them is to be carried out, and when
    /// the zone was last read it was not so.
    pub fn waiting_for_dns(&self) -> impl Iterator<Item = IpAddr> {
        self.zone.orders.all_open().filter(|address| {
            let target = self.targets.get(address).and_then(|slot| self.target(*slot));
            target.is_some_and(|target| target.held.is_empty() && !self.follows(target))
        })
    }

    /// Whether a target was in every one of its sets when the zone was last read, or in none,
    /// whichever was settled. Sets that are unfit do not count.
    fn follows(&self, target: &Target) -> bool {
        let family = Family::of(target.address);
        self.settings.names.iter().all(|name| {
            let set = SetKey { name: name.clone(), family };
            let listed = self.zone.observed().get(&set);
            let there = listed.is_some_and(|addresses| addresses.contains(&target.address));
            there == target.in_service || self.zone.observed().unfit.contains_key(&set)
        })
    }

    /// Since when this agent takes its own network for the cause, if it does.
    pub fn isolated_since(&self) -> Option<Moment> {
        self.canaries.isolation().map(|isolation| isolation.since)
    }

    /// The zone when it was last read; empty before that.
    pub fn observed(&self) -> &Observed {
        self.zone.observed()
    }

    fn view(&self, target: &Target, watch: &Watch) -> TargetView {
        TargetView {
            address: target.address,
            health: target.streaks.health(),
            unknown: target.evidence.unknown_since.is_some(),
            proven: target.evidence.proof.is_some(),
            judged: target.evidence.judged,
            in_service: target.in_service,
            reason: target.reason,
            losses: target.streaks.losses(),
            replies: target.streaks.replies(),
            last_rtt: watch.last_rtt,
            since: target.since,
            limits: watch.rate.limits,
            drain: self.drains.get(target.address).cloned(),
        }
    }
}
