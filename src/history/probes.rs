//! Probes and runs of probes as bytes: nearly all of a history.

use std::time::Duration;

use super::bytes::{ByteSource, Coded, coded_enum};
use crate::engine::Moment;
use crate::engine::ids::EndpointId;
use crate::engine::journal::{NotedProbe, RunEnd};
use crate::engine::types::{OtherAnswer, Outcome};

coded_enum!(OtherAnswer { 0 Wrong(kind), 1 Asked });

/// The bits of the byte that tells of a probe. The lowest two are the outcome.
mod bit {
    pub(super) const QUICK: u8 = 4;
    pub(super) const FAULTY: u8 = 8;
    pub(super) const CANARY: u8 = 16;
    pub(super) const OTHER: u8 = 32;
    pub(super) const RELEASED: u8 = 64;
}

/// Writes a probe.
pub(super) fn put_probe(probe: &NotedProbe, at: Moment, out: &mut Vec<u8>) {
    probe.endpoint.put(out);
    let mut bits = match probe.outcome {
        Outcome::Reply => 0,
        Outcome::Loss => 1,
        Outcome::Fault => 2,
    };
    let flags = [
        (probe.quick, bit::QUICK),
        (probe.faulty, bit::FAULTY),
        (probe.canary, bit::CANARY),
        (probe.other.is_some(), bit::OTHER),
        (probe.released != 1, bit::RELEASED),
    ];
    bits |= flags.iter().filter(|(is, _)| *is).map(|(_, bit)| bit).sum::<u8>();
    out.push(bits);
    at.since(probe.sent).put(out);
    if probe.outcome == Outcome::Reply {
        probe.rtt.put(out);
    }
    if let Some(other) = &probe.other {
        other.put(out);
    }
    if probe.released != 1 {
        probe.released.put(out);
    }
}

/// Reads a probe.
pub(super) fn get_probe(at: Moment, from: &mut ByteSource<'_>) -> Option<NotedProbe> {
    let endpoint = EndpointId::get(from)?;
    let bits = from.byte()?;
    let outcome = match bits & 3 {
        0 => Outcome::Reply,
        1 => Outcome::Loss,
        2 => Outcome::Fault,
        _ => return None,
    };
    let sent = at.before(Duration::get(from)?);
    let rtt = if outcome == Outcome::Reply { Duration::get(from)? } else { Duration::ZERO };
    let other = if bits & bit::OTHER > 0 { Some(OtherAnswer::get(from)?) } else { None };
    let released = if bits & bit::RELEASED > 0 { usize::get(from)? } else { 1 };
    Some(NotedProbe {
        endpoint,
        canary: bits & bit::CANARY > 0,
        sent,
        quick: bits & bit::QUICK > 0,
        outcome,
        rtt,
        other,
        faulty: bits & bit::FAULTY > 0,
        released,
        quiet: false,
    })
}

/// Writes the end of a run.
pub(super) fn put_run_end(run: &RunEnd, at: Moment, out: &mut Vec<u8>) {
    run.outcome.put(out);
    run.count.put(out);
    at.since(run.judged).put(out);
    run.judged.since(run.sent).put(out);
    if run.outcome == Outcome::Reply {
        run.rtt.put(out);
    }
}

/// Reads the end of a run.
pub(super) fn get_run_end(at: Moment, from: &mut ByteSource<'_>) -> Option<RunEnd> {
    let outcome = Outcome::get(from)?;
    let count = u32::get(from)?;
    let judged = at.before(Duration::get(from)?);
    let sent = judged.before(Duration::get(from)?);
    let rtt = if outcome == Outcome::Reply { Duration::get(from)? } else { Duration::ZERO };
    Some(RunEnd { outcome, count, sent, judged, rtt })
}
