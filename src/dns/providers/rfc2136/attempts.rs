//! Which of the primaries is asked next.
//!
//! They are tried in the order of the file. One that could not be reached, or is no primary, is tried
//! last for a while, so that a failover does not wait for it each time.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::failure::{FailureKind, MessagePurpose, ServerFailure};
use crate::dns::clock::now;

/// Time for which a server that failed is tried last.
const REST: Duration = Duration::from_mins(1);

/// The servers that failed a short while ago, by their place in the file.
#[derive(Debug, Default)]
pub(super) struct RestingServers(Mutex<Vec<(usize, Instant)>>);

/// The attempts at one request.
#[derive(Debug)]
pub(super) struct Attempts<'a> {
    resting: &'a RestingServers,
    left: VecDeque<usize>,
    failures: Vec<ServerFailure>,
}

impl RestingServers {
    /// Returns the servers to try, of so many.
    pub(super) fn attempts(&self, count: usize) -> Attempts<'_> {
        let (resting, others): (Vec<_>, Vec<_>) =
            (0..count).partition(|server| self.is_resting(*server));
        let left = others.into_iter().chain(resting).collect();
        Attempts { resting: self, left, failures: Vec::new() }
    }

    fn is_resting(&self, server: usize) -> bool {
        let resting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        resting.iter().any(|(other, until)| *other == server && *until > now())
    }

    fn set(&self, server: usize, until: Option<Instant>) {
        let mut resting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        resting.retain(|(other, _)| *other != server);
        resting.extend(until.map(|until| (server, until)));
    }
}

impl Attempts<'_> {
    /// Returns the next server to try, by its place in the file. Once one has answered, those that are
    /// resting are not waited for.
    pub(super) fn next(&mut self) -> Option<usize> {
        let answered = self.failures.iter().any(|it| it.kind != FailureKind::Unreachable);
        loop {
            let server = self.left.pop_front()?;
            if !answered || !self.resting.is_resting(server) {
                return Some(server);
            }
        }
    }

    /// Records that a server did as it was asked.
    pub(super) fn succeeded(&self, server: usize) {
        self.resting.set(server, None);
    }

    /// Records the failure of a server.
    pub(super) fn failed(&mut self, server: usize, failure: ServerFailure) {
        self.resting.set(server, Some(now() + REST));
        self.failures.push(failure);
    }

    /// Returns the failure of all servers.
    pub(super) fn end(self, request: MessagePurpose) -> ServerFailure {
        ServerFailure::of_all(request, self.failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(resting: &RestingServers, kind: FailureKind) -> Vec<usize> {
        let (mut attempts, mut tried) = (resting.attempts(3), Vec::new());
        while let Some(server) = attempts.next() {
            tried.push(server);
            if server == 1 {
                attempts.succeeded(server);
                break;
            }
            attempts.failed(server, ServerFailure::new(kind, "no"));
        }
        tried
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_failed_is_tried_last_for_a_while() {
        let resting = RestingServers::default();
        assert_eq!(tried(&resting, FailureKind::Unreachable), [0, 1]);
        assert_eq!(tried(&resting, FailureKind::Unreachable), [1]);
        tokio::time::advance(REST).await;
        assert_eq!(tried(&resting, FailureKind::NoPrimary), [0, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn all_are_tried_if_none_answers_and_no_resting_one_after_an_answer() {
        let resting = RestingServers::default();
        for (kind, want) in [(FailureKind::Unreachable, 2), (FailureKind::Denied, 1)] {
            let (mut attempts, mut count) = (resting.attempts(2), 0);
            while let Some(server) = attempts.next() {
                attempts.failed(server, ServerFailure::new(kind, "no"));
                count += 1;
            }
            assert_eq!(count, want, "{kind:?}");
        }
    }
}
