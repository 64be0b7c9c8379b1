//! The results of replayed probes: those of a journal, and the order in which they count.

use super::{ProbeResult, Prober, Role};
use crate::engine::ids::EndpointId;
use crate::engine::journal::NotedProbe;
use crate::engine::moment::Moment;
use crate::engine::prober::outstanding::Judged;
use crate::engine::types::Outcome;

impl Prober {
    /// Returns the purpose of an endpoint, if it is watched.
    pub(in crate::engine) fn role(&self, id: EndpointId) -> Option<Role> {
        Some(self.endpoints.get(id)?.role)
    }

    /// Returns the result that a note tells of. With `in_order`, these outcomes are counted now;
    /// otherwise as many as the note says.
    pub(in crate::engine) fn replayed(
        &mut self,
        probe: NotedProbe,
        in_order: Option<Vec<Outcome>>,
    ) -> Option<ProbeResult> {
        let NotedProbe { endpoint, sent, quick, outcome, .. } = probe;
        let role = self.role(endpoint)?;
        let void = quick && outcome == Outcome::Loss;
        let counted = if void { Outcome::Fault } else { outcome };
        let in_order = match in_order {
            Some(in_order) => in_order,
            None if probe.released == 1 && !self.held.contains_key(&endpoint) => vec![counted],
            None => self.release(endpoint, (sent, counted), probe.released),
        };
        Some(ProbeResult {
            endpoint,
            role,
            judged: Judged { seq: 0.into(), sent, quick, outcome, reported: None },
            rtt: (outcome == Outcome::Reply).then_some(probe.rtt),
            error: None,
            other: probe.other,
            in_order,
            faulty: probe.faulty,
            limits: None,
        })
    }

    /// Adds an outcome to those that wait for earlier ones, and removes and returns the first `count`.
    fn release(
        &mut self,
        endpoint: EndpointId,
        (sent, outcome): (Moment, Outcome),
        count: usize,
    ) -> Vec<Outcome> {
        let held = self.held.entry(endpoint).or_default();
        let place = held.partition_point(|(other, _)| *other <= sent);
        held.insert(place, (sent, outcome));
        let released = held.drain(..count.min(held.len())).map(|(_, outcome)| outcome).collect();
        if held.is_empty() {
            self.held.remove(&endpoint);
        }
        released
    }
}

impl ProbeResult {
    /// Returns the note about the self.
    pub(in crate::engine) fn noted(&self) -> NotedProbe {
        NotedProbe {
            endpoint: self.endpoint,
            canary: self.role == Role::Canary,
            sent: self.judged.sent,
            quick: self.judged.quick,
            outcome: self.judged.outcome,
            rtt: self.rtt.unwrap_or_default(),
            other: self.other.clone(),
            faulty: self.faulty,
            released: self.in_order.len(),
            quiet: false,
        }
    }
}
