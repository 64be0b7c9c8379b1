//! The due votes of an outbox, in the order in which they are sent.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::engine::ids::TargetRef;
use crate::engine::types::Vote;

/// The place of a due vote among all that are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Priority {
    /// The vote precedes all others.
    Urgent,
    /// The vote is sent for the first time or repeated.
    Routine,
}

impl Priority {
    /// Returns the priority of a vote that the peer may not have.
    pub(super) fn of(vote: Vote) -> Self {
        match vote {
            Vote::Down => Self::Urgent,
            Vote::Up => Self::Routine,
        }
    }
}

/// The turn of a vote that waits to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// The vote is not sent before this time.
    pub(super) at: Duration,
    /// The place of the vote among all that are due.
    pub(super) priority: Priority,
}

/// The due votes by priority, due time and target.
#[derive(Debug, Default)]
pub(super) struct DueQueue(BTreeSet<(Priority, Duration, TargetRef)>);

impl DueQueue {
    pub(super) fn insert(&mut self, Turn { at, priority }: Turn, target: TargetRef) {
        self.0.insert((priority, at, target));
    }

    pub(super) fn remove(&mut self, Turn { at, priority }: Turn, target: TargetRef) {
        self.0.remove(&(priority, at, target));
    }

    /// Returns the target of the first vote to send at `now`. While other votes are `held` back, it
    /// is an urgent one.
    pub(super) fn first_due(&self, now: Duration, held: bool) -> Option<TargetRef> {
        for priority in [Priority::Urgent, Priority::Routine] {
            if held && priority == Priority::Routine {
                continue;
            }
            match self.first(priority) {
                Some((at, target)) if at <= now => return Some(target),
                _ => {}
            }
        }
        None
    }

    /// Returns the due time of the earliest vote of this priority.
    pub(super) fn earliest(&self, priority: Priority) -> Option<Duration> {
        self.first(priority).map(|(at, _)| at)
    }

    /// Returns the due time and the target of the earliest vote of this priority.
    fn first(&self, priority: Priority) -> Option<(Duration, TargetRef)> {
        let &(its, at, target) = self.0.range((priority, Duration::ZERO, LEAST)..).next()?;
        (its == priority).then_some((at, target))
    }
}

/// The target that sorts before all others.
const LEAST: TargetRef = TargetRef::of_default(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
