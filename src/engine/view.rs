//! What the engine shows of itself.

use std::net::IpAddr;
use std::time::Duration;

use super::event::{Drain, Reason, Slot};
use super::plan::{Family, Observed, SetKey};
use super::prober::Role;
use super::prober::watch::Endpoint;
use super::service::Target;
use super::service::health::Health;
use super::{Engine, Moment};

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
        self.service().targets().filter_map(|target| self.view(target))
    }

    /// Whether `endpoint` is watched as a canary, and not as a target.
    pub fn is_canary(&self, endpoint: Endpoint) -> bool {
        let settings = &self.context.settings;
        let is_watched = self.service().id(endpoint.address).is_some();
        let is_target = is_watched && endpoint.port == settings.port;
        !is_target && settings.canaries.contains(&endpoint)
    }

    /// One target.
    pub fn target_view(&self, address: IpAddr) -> Option<TargetView> {
        self.view(self.service().target(address)?)
    }

    /// The target that is watched in this place, if it is one.
    pub fn target_in(&self, slot: Slot) -> Option<IpAddr> {
        let Some(Role::Target(id)) = self.prober.role(slot) else { return None };
        self.service().get(id).map(|target| target.address)
    }

    /// The targets that DNS keeps waiting: what was decided about them is to be carried out, and when
    /// the zone was last read it was not so.
    pub fn waiting_for_dns(&self) -> impl Iterator<Item = IpAddr> {
        self.zones[0].orders.all_open().filter(|address| {
            let target = self.service().target(*address);
            target.is_some_and(|target| target.verdict.held.is_empty() && !self.follows(target))
        })
    }

    /// Whether a target was in every one of its sets when the zone was last read, or in none,
    /// whichever was decided. Sets that are unfit do not count.
    fn follows(&self, target: &Target) -> bool {
        let (family, observed) = (Family::of(target.address), self.observed());
        self.context.settings.names.iter().all(|name| {
            let set = SetKey { name: name.clone(), family };
            let listed = observed.get(&set);
            let there = listed.is_some_and(|addresses| addresses.contains(&target.address));
            there == target.verdict.in_service || observed.unfit.contains_key(&set)
        })
    }

    /// Since when this agent takes its own network for the cause, if it does.
    pub fn isolated_since(&self) -> Option<Moment> {
        self.canaries.isolation().map(|isolation| isolation.since)
    }

    /// The zone when it was last read; empty before that.
    pub fn observed(&self) -> &Observed {
        self.zones[0].observed()
    }

    fn view(&self, target: &Target) -> Option<TargetView> {
        let watch = self.prober.seen(target.endpoint)?;
        Some(TargetView {
            address: target.address,
            health: target.streaks.health(),
            unknown: target.evidence.unknown_since.is_some(),
            proven: target.evidence.proof.is_some(),
            judged: target.evidence.judged,
            in_service: target.verdict.in_service,
            reason: target.verdict.reason,
            losses: target.streaks.losses(),
            replies: target.streaks.replies(),
            last_rtt: watch.last_rtt,
            since: target.since,
            limits: watch.rate.limits,
            drain: self.service().drains.get(target.address).cloned(),
        })
    }
}
