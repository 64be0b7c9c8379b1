//! Log lines about the health of targets and the verdicts on them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tracing::field::DisplayValue;
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

/// A target as the fields of a line: `target`, and `service` if services are named.
pub(super) struct TargetFields<'a> {
    pub(super) target: IpAddr,
    pub(super) service: NameField<'a>,
}

/// The name of a service or a zone as a field of a line, if they are named.
pub(super) type NameField<'a> = Option<DisplayValue<&'a str>>;

/// The reason of a flip.
pub(super) struct FlipReason<'a> {
    /// Those of several checks that made the target go down.
    pub(super) check: Option<String>,
    /// The last error report about a probe.
    pub(super) said: Option<&'a str>,
    /// Time until the target is put back, and how often it came to that.
    pub(super) back_in: Option<String>,
}

/// Writes a change of health; `count` is the number of outcomes in a row that caused it.
pub(super) fn flipped(
    TargetFields { target, service }: TargetFields<'_>,
    [from, to]: [Health; 2],
    count: u32,
    silent_for: Option<Duration>,
    reason: &FlipReason<'_>,
) {
    let FlipReason { check, said, back_in } = reason;
    match (from, to) {
        (_, Health::Down) => {
            let silent_for = silence(silent_for);
            warn!(%target, service, check, losses = count, silent_for, said, "target down");
        }
        (Health::AssumedUp, _) => info!(%target, service, replies = count, "target confirmed up"),
        _ => info!(%target, service, replies = count, back_in, "target up"),
    }
}

/// Writes a change of health of one of several checks.
pub(super) fn check_flipped(
    TargetFields { target, service }: TargetFields<'_>,
    check: &str,
    to: Health,
    count: u32,
    last_error: Option<&str>,
) {
    if to == Health::Down {
        warn!(%target, service, check, losses = count, said = last_error, "check down");
    } else {
        info!(%target, service, check, replies = count, "check up");
    }
}

/// Writes that a target asked to be taken out.
pub(super) fn asked(TargetFields { target, service }: TargetFields<'_>, why: Option<&str>) {
    info!(%target, service, said = why, "target asks to be taken out");
}

/// Writes that all targets of a service fail with the same wrong answer.
pub(super) fn alike(targets: &[IpAddr], kind: &str, service: &NameField<'_>) {
    warn!(
        service,
        targets = few(targets),
        answer = kind,
        reason = Reason::Alike.as_label(),
        "targets fail alike and stay in service; look at the last deployment"
    );
}

/// Writes that the targets of a service no longer fail alike.
pub(super) fn alike_over(service: &NameField<'_>) {
    info!(service, "targets no longer fail alike");
}

pub(super) fn verdict(
    TargetFields { target, service }: TargetFields<'_>,
    verdict: Verdict,
    agreeing: &[SocketAddr],
    after: Duration,
) {
    info!(
        %target,
        service,
        verdict = if verdict.is_in_service() { "in service" } else { "out of service" },
        by_hand = verdict.is_by_hand(),
        agreeing = list(agreeing),
        acts_after = brief(after),
        "verdict"
    );
}

pub(super) fn refused(at: TargetFields<'_>, reason: Reason, detail: &str) {
    let TargetFields { target, service } = at;
    let word = reason.as_label();
    match reason {
        // The lines about the whole agent or service, the drain and the change report these already.
        Reason::Isolated
        | Reason::Alike
        | Reason::Drained
        | Reason::Asked
        | Reason::DryRun
        | Reason::Returning => {
            debug!(%target, service, reason = word, detail, "refused");
        }
        Reason::NoQuorum | Reason::Contested | Reason::Floor | Reason::Standby | Reason::MaxOut => {
            warn!(%target, service, reason = word, detail, "refused to act");
        }
    }
}

pub(super) fn refusal_over(at: TargetFields<'_>, reason: Reason) {
    let TargetFields { target, service } = at;
    match reason {
        Reason::Drained | Reason::DryRun => {
            debug!(%target, service, "drain or dry-run no longer prevents a change");
        }
        Reason::Alike | Reason::Asked | Reason::Returning => {
            debug!(%target, service, reason = reason.as_label(), "no longer refused");
        }
        _ => info!(%target, service, reason = reason.as_label(), "no longer refused"),
    }
}

pub(super) fn evidence_lost(targets: &[IpAddr], service: &NameField<'_>) {
    info!(
        service,
        targets = few(targets),
        "no evidence about these targets: health unknown, verdict unchanged"
    );
}

pub(super) fn still_unknown(targets: &[IpAddr], service: &NameField<'_>) {
    warn!(
        service,
        targets = few(targets),
        "health still unknown: no probe of these targets was judged for over a minute"
    );
}

pub(super) fn evidence_back(at: TargetFields<'_>, lasted: Duration, notified: bool) {
    let TargetFields { target, service } = at;
    let lasted = brief(lasted);
    if notified {
        info!(%target, service, lasted, "health known again: a probe was judged");
    } else {
        debug!(%target, service, lasted, "health known again: a probe was judged");
    }
}

pub(super) fn drained(TargetFields { target, service }: TargetFields<'_>, drain: &Drain) {
    let why = &*visible(drain.reason.as_deref().unwrap_or("no reason given"));
    info!(%target, service, why, "drained by operator");
}

/// Writes that the operator ended the wait of a target.
pub(super) fn wait_ended(TargetFields { target, service }: TargetFields<'_>) {
    info!(%target, service, "wait ended by operator");
}

pub(super) fn undrained(TargetFields { target, service }: TargetFields<'_>, expired: bool) {
    if expired {
        info!(%target, service, "drain expired");
    } else {
        info!(%target, service, "drain ended by operator");
    }
}
