//! Reports of votes that a peer does not accept, to the log and the status.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::VoteSender;
use crate::cluster::connection::VoteAnswer;
use crate::cluster::votes::Votes;
use crate::engine::ids::{ServiceId, TargetRef};
use crate::text::first_few;

/// The number of services that one line names.
const NAMED: usize = 3;

impl VoteSender {
    /// Follows the services that this agent votes on, and the standing of the peer.
    pub(super) fn follow_services(&mut self, votes: &Votes) {
        self.has_named = votes.has_named();
        self.unwatched.retain(|service| votes.services.contains_key(&service));
        if self.has_named && self.standing.legacy && !self.legacy_reported {
            self.legacy_reported = true;
            warn!(peer = %self.peer, "peer is a Go agent, which knows no services; it has a vote on \
                `default` only");
        }
        self.publish_missing();
    }

    /// Publishes the services on which the peer has no vote.
    fn publish_missing(&self) {
        let mut missing: BTreeSet<ServiceId> = self.unwatched.iter().collect();
        if !self.standing.native {
            missing.extend(self.shared.votes.borrow().services.keys());
            missing.remove(&ServiceId::DEFAULT);
        }
        self.shared.missing_votes.set(self.peer, self.names_of(missing));
    }

    /// Records that the peer accepted a vote on a service.
    pub(super) fn service_accepted(&mut self, service: ServiceId) {
        if let Some(address) = self.unwatched.unwatched_address(service)
            && self.partly_watched.insert(service)
        {
            let target = TargetRef { service, address };
            self.warn_declined(target, 404, "it watches the service, but not this address");
        }
        if self.unwatched.accepted(self.shared.clock.now(), service) {
            self.publish_missing();
        }
    }

    /// Reports the answer to a declined vote: each status once in a row, and a service that the
    /// peer does not watch together with all others. `stands` says whether this agent still makes
    /// the statement: if not, the peer need not know its target.
    pub(super) fn report_declined(
        &mut self,
        target: TargetRef,
        declined: Option<VoteAnswer>,
        stands: bool,
    ) {
        if let Some(VoteAnswer { status: 404, .. }) = declined
            && (self.has_named || target.service != ServiceId::DEFAULT)
        {
            let all = self.shared.votes.borrow().services.get(&target.service).cloned();
            if let Some(all) = all.filter(|_| stands)
                && self.unwatched.declined(self.shared.clock.now(), target, all.votes.keys())
            {
                self.publish_missing();
            }
            return;
        }
        let status = declined.map(|answer| answer.status);
        if let Some(answer) = declined
            && status != self.declined
        {
            self.warn_declined(target, answer.status, answer.meaning());
        }
        self.declined = status;
    }

    fn warn_declined(&self, target: TargetRef, status: u16, reason: &str) {
        let (peer, service) = (self.peer, self.service_for_people(target.service));
        warn!(%peer, target = %target.address, service, status, reason, "peer rejected our vote");
    }

    /// Reports the services that the peer does not watch, if that is due.
    pub(super) fn report_unwatched(&mut self, now: Duration) {
        let services = self.unwatched.report(now);
        if !services.is_empty() {
            let (peer, services) = (self.peer, first_few(&self.names_of(services), NAMED, ", "));
            warn!(%peer, services, "peer does not watch these services and has no vote on them; its \
                file differs, or its version is older");
        }
    }

    /// Returns the name of a service for the log; `None` while there is only `default`.
    pub(super) fn service_for_people(&self, service: ServiceId) -> Option<String> {
        let name = self.shared.services.name(service)?;
        self.has_named.then(|| name.to_string())
    }

    /// Returns the names of services in their order.
    fn names_of(&self, services: impl IntoIterator<Item = ServiceId>) -> Vec<Arc<str>> {
        let names = services.into_iter().filter_map(|id| self.shared.services.name(id));
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}
