//! Log lines about the health of targets and the verdicts on them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tracing::{debug, info, warn};

use super::list;
use crate::engine::event::{Drain, Reason};
use crate::engine::types::{Health, Verdict};
use crate::text::{brief, first_few, visible};

/// The number of targets that a line names one by one.
const NAMED: usize = 3;

/// Returns the first few targets, and the number of the others.
fn few(targets: &[IpAddr]) -> String {
    first_few(targets, NAMED, ",")
}

/// Returns the time since the last reply.
pub(super) fn silence(silent_for: Option<Duration>) -> String {
    silent_for.map_or_else(|| "since the start".into(), brief)
}

/// Writes a change of health; `count` is the number of outcomes in a row that caused it.
pub(super) fn flipped(
    target: IpAddr,
    [from, to]: [Health; 2],
    count: u32,
    silent_for: Option<Duration>,
    last_error: Option<&str>,
) {
    match (from, to) {
        (_, Health::Down) => {
            warn!(%target, losses = count, silent_for = silence(silent_for), said = last_error, "target down");
        }
        (Health::AssumedUp, _) => info!(%target, replies = count, "target confirmed up"),
        _ => info!(%target, replies = count, "target up"),
    }
}

pub(super) fn verdict(target: IpAddr, verdict: Verdict, agreeing: &[SocketAddr], after: Duration) {
    info!(
        %target,
        verdict = if verdict.is_in_service() { "in service" } else { "out of service" },
        by_hand = verdict.is_by_hand(),
        agreeing = list(agreeing),
        acts_after = brief(after),
        "verdict"
    );
}

pub(super) fn refused(target: IpAddr, reason: Reason, detail: &str) {
    let word = reason.as_label();
    match reason {
        // The lines about the whole agent, the drain and the change report these already.
        Reason::Isolated | Reason::Drained | Reason::DryRun => {
            debug!(%target, reason = word, detail, "refused");
        }
        Reason::NoQuorum | Reason::Contested | Reason::Floor => {
            warn!(%target, reason = word, detail, "refused to act");
        }
    }
}

pub(super) fn refusal_over(target: IpAddr, reason: Reason) {
    match reason {
        Reason::Drained | Reason::DryRun => {
            debug!(%target, "drain or dry-run no longer prevents a change");
        }
        _ => info!(%target, reason = reason.as_label(), "no longer refused"),
    }
}

pub(super) fn evidence_lost(targets: &[IpAddr]) {
    info!(
        targets = few(targets),
        "no evidence about these targets: health unknown, verdict unchanged"
    );
}

pub(super) fn still_unknown(targets: &[IpAddr]) {
    warn!(
        targets = few(targets),
        "health still unknown: no probe of these targets was judged for over a minute"
    );
}

pub(super) fn evidence_back(target: IpAddr, lasted: Duration, notified: bool) {
    let lasted = brief(lasted);
    if notified {
        info!(%target, lasted, "health known again: a probe was judged");
    } else {
        debug!(%target, lasted, "health known again: a probe was judged");
    }
}

pub(super) fn drained(target: IpAddr, drain: &Drain) {
    let why = &*visible(drain.reason.as_deref().unwrap_or("no reason given"));
    info!(%target, why, "drained by operator");
}

pub(super) fn undrained(target: IpAddr, expired: bool) {
    if expired {
        info!(%target, "drain expired");
    } else {
        info!(%target, "drain ended by operator");
    }
}
