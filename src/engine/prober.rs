//! The probes of all endpoints: when each is sent, and its outcome.
//!
//! The consequences of a reply or a loss are decided elsewhere: the prober returns the judged
//! probes. It knows of an endpoint only whether a missing reply would be news (`Prober::flipped`).
//! Each endpoint is probed at the pace of its own check.
//!
//! One file a concept. The probes: `sending` when one leaves, `room` how many are under way, [`retries`] the budget shared by all
//! retries, [`load`] the ordinary probes of all endpoints together, `judging` the result of each
//! probe, `faults` the local faults that prevent sending, `suspicion` the targets that miss a reply. The state of one endpoint: `endpoint` its purpose,
//! [`watch`] its schedule, [`outstanding`] its probes without a result, [`rtt`] when a reply is
//! overdue, [`rate_check`] whether it answers at the retry pace.

mod endpoint;
mod faults;
mod judging;
mod load;
pub(crate) mod outstanding;
mod rate_check;
mod replayed;
pub(crate) mod retries;
mod room;
mod rtt;
mod sending;
mod suspicion;
pub(crate) mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::context::Context;
use super::fact::Fact;
use super::ids::{EndpointId, ProbeSeq};
use super::moment::Moment;
use super::schedule::Item;
use super::settings::CheckSettings;
use super::slab::Slab;
use super::types::{Endpoint, OtherAnswer, Outcome};
pub(super) use endpoint::Role;
use endpoint::Watched;
use faults::FaultLogLimiter;
use load::ProbeLoad;
use outstanding::Judged;
use retries::Retries;
use room::ProbeRoom;
use watch::Watch;

/// The probes of all endpoints.
#[derive(Debug, Default)]
pub(super) struct Prober {
    endpoints: Slab<Watched, EndpointId>,
    /// The number of the next probe. No number is used twice.
    next_seq: ProbeSeq,
    /// The probes that hold a descriptor, and those that wait for one.
    room: ProbeRoom,
    /// The budget shared by all retries.
    retries: Retries,
    /// The limiter for log lines about faults.
    fault_log: FaultLogLimiter,
    /// The load of ordinary probes.
    load: ProbeLoad,
    /// The number of endpoints that rehearse the retry pace, by that pace.
    rehearsing: BTreeMap<Duration, usize>,
    canaries: Vec<EndpointId>,
    /// The number of suspect targets. Canaries are probed faster while there is one.
    suspects: usize,
    /// The number of targets to which this machine could not send `failure_threshold` times in a
    /// row.
    unreachable: usize,
    /// The outcomes of replayed probes that are not counted yet, in the order of sending.
    held: BTreeMap<EndpointId, Vec<(Moment, Outcome)>>,
}

/// The result of a judged probe.
#[derive(Debug)]
pub(super) struct ProbeResult {
    pub(super) endpoint: EndpointId,
    /// The purpose of the endpoint.
    pub(super) role: Role,
    pub(super) judged: Judged,
    /// The round-trip time of a reply.
    pub(super) rtt: Option<Duration>,
    /// The error that the target or the network reported.
    pub(super) error: Option<String>,
    /// The answer, if it is not the one asked for.
    pub(super) other: Option<OtherAnswer>,
    /// The outcomes of this and other probes that can be counted now, in the order of sending.
    pub(super) in_order: Vec<Outcome>,
    /// Whether this machine cannot send probes to the endpoint.
    pub(super) faulty: bool,
    /// The fact that the endpoint limits its answers, or no longer does, if that is news.
    pub(super) limits: Option<Fact>,
}

impl Prober {
    /// Reserves room for `count` endpoints in all.
    pub(super) fn reserve(&mut self, count: usize) {
        self.endpoints.reserve(count);
    }

    /// Adds an endpoint, which is watched from [`Self::begin`] on.
    pub(super) fn add(
        &mut self,
        endpoint: Endpoint,
        role: Role,
        check: &Arc<CheckSettings>,
    ) -> EndpointId {
        self.endpoints.insert(Watched::new(endpoint, self.next_seq, role, check))
    }

    /// Adds an endpoint with another method, or with another pace, that has the round trips of a watched
    /// one and its state of expectation.
    pub(super) fn fork(
        &mut self,
        id: EndpointId,
        check: &Arc<CheckSettings>,
    ) -> Option<EndpointId> {
        let original = self.endpoints.get(id)?;
        let endpoint = Endpoint { method: check.method, ..original.watch.endpoint };
        let mut fork = Watched::new(endpoint, self.next_seq, original.role, check);
        fork.expected = original.expected;
        fork.watch.rtt = original.watch.rtt;
        fork.watch.last_rtt = original.watch.last_rtt;
        Some(self.endpoints.insert(fork))
    }

    /// Starts watching an added endpoint, with a first probe at `first`.
    pub(super) fn begin(&mut self, id: EndpointId, first: Moment, context: &mut Context) {
        if let Some(watched) = self.endpoints.get_mut(id) {
            watched.watch.begin(first);
            watched.armed = Some(first);
            context.schedule.add(first, Item::Watch(id));
        }
    }

    /// Continues to watch an endpoint with another schedule.
    pub(super) fn move_watch(&mut self, id: EndpointId, first: Moment, context: &mut Context) {
        if let Some(watched) = self.endpoints.get_mut(id) {
            watched.watch.reschedule(first, context.now, watched.check.pace);
            watched.armed = None;
        }
        self.arm(id, context);
    }

    /// Sets the check of an endpoint. It rehearses the retry pace again if that changes.
    pub(super) fn set_check(&mut self, id: EndpointId, check: &Arc<CheckSettings>, now: Moment) {
        let Some(watched) = self.endpoints.get_mut(id) else { return };
        if watched.is_target() {
            watched.watch.endpoint.method = check.method;
        }
        let paces = [&watched.check, check].map(|it| (it.pace.interval, it.pace.retry_interval));
        if paces[0] != paces[1] {
            watched.rate().due = now;
        }
        watched.check = Arc::clone(check);
    }

    /// Stops watching an endpoint.
    pub(super) fn unwatch(&mut self, id: EndpointId) {
        self.endpoints.remove(id);
        self.held.remove(&id);
    }

    /// Returns the address and method of an endpoint, if it is watched.
    pub(super) fn endpoint(&self, id: EndpointId) -> Option<Endpoint> {
        Some(self.endpoints.get(id)?.watch.endpoint)
    }

    /// Returns the time of the only valid schedule entry of an endpoint.
    pub(super) fn armed_at(&self, id: EndpointId) -> Option<Moment> {
        self.endpoints.get(id)?.armed
    }

    /// Returns the fault that keeps this machine from sending probes to an endpoint, and the number of
    /// probes in a row that could not be sent.
    pub(super) fn fault(&self, id: EndpointId) -> Option<(&str, u32)> {
        self.endpoints.get(id)?.faults.present()
    }

    /// Returns the probe state of an endpoint, if it is watched.
    pub(super) fn state(&self, id: EndpointId) -> Option<&Watch> {
        Some(&self.endpoints.get(id)?.watch)
    }

    /// Sets the canaries, and recomputes the counts that depend on the endpoints.
    pub(super) fn enrolled(&mut self, canaries: Vec<EndpointId>) {
        self.canaries = canaries;
        let targets = self.endpoints.iter().filter(|watched| watched.is_target());
        self.suspects = targets.filter(|watched| watched.watch.is_suspect()).count();
        self.load = ProbeLoad::of(self.endpoints.iter());
        self.retries.set_budget(self.load.retry_budget());
        self.count_unreachable();
        self.count_rehearsing();
    }

    /// Sets whether the replies of an endpoint are ignored.
    pub(super) fn ignore(&mut self, id: EndpointId, ignored: bool) {
        if let Some(watched) = self.endpoints.get_mut(id) {
            watched.ignored = ignored;
        }
    }

    /// Returns the load of ordinary probes.
    pub(super) fn load(&self) -> &ProbeLoad {
        &self.load
    }

    /// Whether targets depend on an endpoint.
    pub(super) fn is_target(&self, id: EndpointId) -> bool {
        self.endpoints.get(id).is_some_and(Watched::is_target)
    }

    /// Whether a schedule entry for `moment` is still valid.
    pub(super) fn is_armed_for(&self, id: EndpointId, moment: Moment) -> bool {
        self.endpoints.get(id).is_some_and(|watched| watched.armed == Some(moment))
    }
}

#[cfg(test)]
mod tests;
