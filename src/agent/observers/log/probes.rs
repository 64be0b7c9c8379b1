//! Log lines about probes.

use std::time::Duration;

use tracing::field::{DisplayValue, display};
use tracing::{debug, info, trace, warn};

use super::list;
use crate::engine::Engine;
use crate::engine::event::Slot;
use crate::engine::prober::watch::{Endpoint, Outcome};
use crate::text::brief;

/// An endpoint as a field of a line: `target` or `canary`, by its role.
struct Named {
    target: Option<DisplayValue<Endpoint>>,
    canary: Option<DisplayValue<Endpoint>>,
}

impl Named {
    fn new(engine: &Engine, endpoint: Endpoint) -> Self {
        if engine.is_canary(endpoint) {
            Self { target: None, canary: Some(display(endpoint)) }
        } else {
            Self { target: Some(display(endpoint)), canary: None }
        }
    }
}

pub(super) fn judged(slot: Slot, outcome: Outcome, rtt: Option<Duration>) {
    match outcome {
        Outcome::Reply => trace!(slot, ?outcome, ?rtt, "probe answered"),
        Outcome::Loss => debug!(slot, ?outcome, "probe lost"),
        Outcome::Fault => debug!(slot, ?outcome, "probe in vain"),
    }
}

pub(super) fn late(engine: &Engine, endpoint: Endpoint, rtt: Duration) {
    let Named { target, canary } = Named::new(engine, endpoint);
    let rtt = brief(rtt);
    debug!(target, canary, rtt, "reply came after the timeout and stays a loss");
}

pub(super) fn faulty(engine: &Engine, endpoint: Endpoint, cause: &str, told: bool) {
    let Named { target, canary } = Named::new(engine, endpoint);
    if !told {
        debug!(target, canary, cause, "this machine cannot probe");
    } else if canary.is_some() {
        warn!(canary, cause, "this machine cannot probe its canary");
    } else {
        warn!(target, cause, "this machine cannot probe; no evidence about the target");
    }
}

pub(super) fn fault_over(engine: &Engine, endpoint: Endpoint, told: bool) {
    let Named { target, canary } = Named::new(engine, endpoint);
    if told {
        info!(target, canary, "this machine can probe again");
    } else {
        debug!(target, canary, "this machine can probe again");
    }
}

pub(super) fn faults(count: u32, endpoints: usize, first: &[Endpoint], newest: &str) {
    warn!(
        count,
        endpoints,
        first = list(first),
        cause = newest,
        "in the last minute this machine could not probe more often than was told"
    );
}

/// Writes whether an endpoint answers at the retry pace; `noticed_after` is set if it does not.
pub(super) fn limits(engine: &Engine, endpoint: Endpoint, noticed_after: Option<Duration>) {
    let Named { target, canary } = Named::new(engine, endpoint);
    let Some(noticed_after) = noticed_after.map(brief) else {
        info!(target, canary, "answers at retry_interval after all");
        return;
    };
    if canary.is_some() {
        warn!(
            canary,
            silence_noticed_after = noticed_after,
            "answers fewer probes than retry_interval asks for: it is probed at interval also while \
             a target is suspect, so it proves this agent's network later"
        );
    } else {
        warn!(
            target,
            death_noticed_after = noticed_after,
            "answers fewer probes than retry_interval asks for: it is probed at interval also while \
             a reply is missing, so its death is noticed later"
        );
    }
}
