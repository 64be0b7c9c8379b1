//! The probes of all endpoints: when each is sent, and its outcome.
//!
//! The consequences of a reply or a loss are decided elsewhere: the prober returns the judged
//! probes. It knows of a target only whether a missing reply would be news (`Prober::flipped`).
//!
//! One file a concept. The probes: `sending` when one leaves, [`retries`] the budget shared by all
//! retries, `judging` the result of each, `faults` the local faults that prevent sending,
//! `suspicion` the targets that miss a reply. The state of one endpoint: `endpoint` its purpose,
//! [`watch`] its schedule, [`outstanding`] its probes without a result, [`rtt`] when a reply is
//! overdue, [`rate_check`] whether it answers at the retry pace.

mod endpoint;
mod faults;
mod judging;
pub(crate) mod outstanding;
mod rate_check;
pub(crate) mod retries;
mod rtt;
mod sending;
mod suspicion;
pub(crate) mod watch;

use std::collections::VecDeque;
use std::time::Duration;

use super::context::Context;
use super::fact::Fact;
use super::ids::{EndpointId, ProbeSeq};
use super::moment::Moment;
use super::schedule::Item;
use super::slab::Slab;
use super::types::{Endpoint, Outcome};
pub(super) use endpoint::Role;
use endpoint::Watched;
use faults::FaultLogLimiter;
use outstanding::Judged;
use retries::Retries;
use watch::Watch;

/// The probes of all endpoints.
#[derive(Debug, Default)]
pub(super) struct Prober {
    endpoints: Slab<Watched, EndpointId>,
    /// The number of the next probe. No number is used twice.
    next_seq: ProbeSeq,
    /// The number of probes that have not ended.
    in_flight: u32,
    /// Endpoints with a due probe that waits for room.
    waiting: VecDeque<EndpointId>,
    /// The budget shared by all retries.
    retries: Retries,
    /// The limiter for log lines about faults.
    fault_log: FaultLogLimiter,
    /// The number of endpoints that rehearse the retry pace.
    rehearsing: usize,
    /// The endpoint with ignored replies, if a rehearsal requires one.
    ignored: Option<EndpointId>,
    canaries: Vec<EndpointId>,
    /// The number of suspect targets. Canaries are probed faster while there is one.
    suspects: usize,
    /// The number of targets to which this machine could not send `failure_threshold` times in a
    /// row.
    unreachable: usize,
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

    /// Starts watching `endpoint`, with a first probe at `first`.
    pub(super) fn watch(
        &mut self,
        endpoint: Endpoint,
        first: Moment,
        role: Role,
        context: &mut Context,
    ) -> EndpointId {
        let id = self.endpoints.insert(Watched::new(endpoint, first, self.next_seq, role));
        context.schedule.add(first, Item::Watch(id));
        id
    }

    /// Continues to watch an endpoint with another schedule or port.
    pub(super) fn move_watch(
        &mut self,
        id: EndpointId,
        endpoint: Endpoint,
        first: Moment,
        context: &mut Context,
    ) {
        if let Some(watched) = self.endpoints.get_mut(id) {
            watched.watch.endpoint = endpoint;
            watched.watch.reschedule(first, context.now, context.settings.canary_check.pace);
            watched.armed = None;
        }
        self.arm(id, context);
    }

    /// Stops watching an endpoint.
    pub(super) fn unwatch(&mut self, id: EndpointId) {
        self.endpoints.remove(id);
    }

    /// Returns the address and port of an endpoint, if it is watched.
    pub(super) fn endpoint(&self, id: EndpointId) -> Option<Endpoint> {
        Some(self.endpoints.get(id)?.watch.endpoint)
    }

    /// Returns the purpose of an endpoint, if it is watched.
    pub(super) fn role(&self, id: EndpointId) -> Option<Role> {
        Some(self.endpoints.get(id)?.role)
    }

    /// Returns the probe state of an endpoint, if it is watched.
    pub(super) fn state(&self, id: EndpointId) -> Option<&Watch> {
        Some(&self.endpoints.get(id)?.watch)
    }

    /// Sets the canaries, and recomputes the counts that depend on the endpoints.
    pub(super) fn enrolled(&mut self, canaries: Vec<EndpointId>, context: &Context) {
        self.canaries = canaries;
        let targets = self.endpoints.iter().filter(|watched| watched.is_target());
        self.suspects = targets.filter(|watched| watched.watch.is_suspect()).count();
        self.count_unreachable(context);
        self.count_rehearsing();
    }

    /// Sets the endpoint with ignored replies; `None` ignores none.
    pub(super) fn ignore(&mut self, id: Option<EndpointId>) {
        self.ignored = id;
    }

    /// Whether an endpoint is watched as a target.
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
