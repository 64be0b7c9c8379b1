//! Detects while all is well whether an endpoint answers at the retry pace.
//!
//! A target that answers one echo request a second loses its retries to its own rate limit as soon
//! as one reply is lost: three losses are counted though it is alive. The retry pace is therefore
//! rehearsed, at the start and about once an hour: one ordinary probe, then quick ones. Losses of
//! the quick ones do not count. If some of them were lost and the next ordinary probe was answered,
//! the endpoint limits its answers.

use std::time::Duration;

use super::Prober;
use super::outstanding::Judged;
use crate::engine::context::Context;
use crate::engine::fact::Fact;
use crate::engine::ids::{EndpointId, ProbeSeq};
use crate::engine::moment::Moment;
use crate::engine::settings::CheckSettings;
use crate::engine::types::Outcome;

/// The time between two rehearsals.
const HOUR: Duration = Duration::from_hours(1);

/// The time after which a newly found rate limit is checked again: a probe may have been lost by
/// chance.
const RECHECK_AFTER: Duration = Duration::from_mins(1);

/// The number of intervals between an inconclusive rehearsal and the next one.
const RETRY_INTERVALS: u32 = 10;

/// The finding of a rehearsal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    /// All probes were answered.
    AllAnswered,
    /// Quick probes were lost, though the endpoint is reachable.
    RateLimited,
    /// No finding: the endpoint is not well, or could not be probed.
    Inconclusive,
}

/// A rehearsal in progress.
#[derive(Debug, Clone, Default)]
struct Session {
    /// The ordinary probe that it began with.
    first: Option<ProbeSeq>,
    first_judged: bool,
    /// The number of quick probes still to be sent.
    left: u32,
    /// The number of outstanding quick probes.
    outstanding: u32,
    lost: bool,
    void: bool,
    /// The ordinary probe after it. `answered` holds its outcome.
    after: Option<ProbeSeq>,
    answered: Option<bool>,
}

/// The rehearsals of one endpoint.
#[derive(Debug, Clone, Default)]
pub(crate) struct RateCheck {
    /// The time at which the next rehearsal is due.
    pub due: Moment,
    /// Whether the endpoint limits its answers, as far as that is known.
    pub limits: bool,
    /// Boxed: hardly any endpoint has one at any moment, and there may be a million endpoints.
    session: Option<Box<Session>>,
}

impl RateCheck {
    /// Begins a rehearsal of `probes` probes in all with the next probe.
    pub(crate) fn begin(&mut self, probes: u32) {
        let session = Session { left: probes.saturating_sub(1), ..Session::default() };
        self.session = Some(Box::new(session));
    }

    /// Whether a rehearsal is in progress.
    pub(crate) fn is_open(&self) -> bool {
        self.session.is_some()
    }

    /// Whether the next probe is a quick one.
    pub(crate) fn is_next_quick(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.first.is_some() && session.left > 0)
    }

    /// Records a probe that is sent; returns whether it is a quick one.
    pub(crate) fn sent(&mut self, seq: ProbeSeq) -> bool {
        let Some(session) = &mut self.session else { return false };
        if session.first.is_none() {
            session.first = Some(seq);
        } else if session.left > 0 {
            session.left -= 1;
            session.outstanding += 1;
            return true;
        } else if session.after.is_none() {
            session.after = Some(seq);
        }
        false
    }

    /// Aborts the rehearsal because the endpoint misses an ordinary probe, which takes precedence.
    pub(crate) fn abort(&mut self) {
        if let Some(session) = &mut self.session {
            session.void |= session.left > 0;
            session.left = 0;
        }
    }

    /// Records a judged probe; returns the finding if that ends the rehearsal.
    pub(crate) fn judged(
        &mut self,
        seq: ProbeSeq,
        quick: bool,
        outcome: Outcome,
    ) -> Option<Finding> {
        let session = self.session.as_mut()?;
        if quick {
            session.outstanding = session.outstanding.saturating_sub(1);
            session.lost |= outcome == Outcome::Loss;
            session.void |= outcome == Outcome::Fault;
        } else if session.first == Some(seq) {
            session.first_judged = true;
            if outcome != Outcome::Reply {
                session.void = true;
                session.left = 0;
            }
        } else if session.after == Some(seq) {
            session.answered = Some(outcome == Outcome::Reply);
        }
        let over = session.first_judged && session.left == 0 && session.outstanding == 0;
        let finding = match (session.void, session.lost, session.answered) {
            _ if !over => return None,
            (true, ..) | (_, true, Some(false)) => Finding::Inconclusive,
            (_, false, _) => Finding::AllAnswered,
            (_, true, Some(true)) => Finding::RateLimited,
            (_, true, None) => return None,
        };
        self.session = None;
        Some(finding)
    }
}

/// Returns the position of an endpoint's rehearsals in the hour, from 0 to 1. The positions of
/// neighbours are far apart.
fn position(id: EndpointId) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let turns = usize::from(id) as f64 * GOLDEN;
    turns.fract()
}

impl Prober {
    /// Begins a rehearsal with the probe that is about to be sent, if one is due and all is well.
    pub(super) fn rehearse_if_due(&mut self, id: EndpointId, context: &Context) {
        let Some(watched) = self.endpoints.get(id) else { return };
        let (pace, watch) = (watched.pace(), &watched.watch);
        let due = watch.rate.due <= context.now && !watch.rate.is_open();
        let well = watched.expected && watched.faults.present.is_none() && !watch.is_suspect();
        if !due
            || !well
            || watched.ignored
            || !watch.outstanding.all_judged()
            || pace.retry_interval >= pace.interval
            || !self.has_room_to_rehearse(pace.retry_interval)
        {
            return;
        }
        if let Some(watched) = self.endpoints.get_mut(id) {
            let probes = watched.check.thresholds.recovery.get().max(2);
            watched.rate().begin(probes);
            *self.rehearsing.entry(pace.retry_interval).or_default() += 1;
        }
    }

    /// Whether one more endpoint may rehearse this retry pace. The total probe rate never doubles,
    /// but one may always rehearse.
    fn has_room_to_rehearse(&self, retry_interval: Duration) -> bool {
        if self.rehearsing.values().all(|count| *count == 0) {
            return true;
        }
        let mut rehearsing = 0.0;
        for (pace, count) in &self.rehearsing {
            // One that is probed at twice the pace counts for two.
            let each = retry_interval.as_secs_f64() / pace.as_secs_f64().max(0.001);
            #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
            let count = *count as f64;
            rehearsing += count * each;
        }
        rehearsing + 1.0 <= self.load.most_rehearsing(retry_interval)
    }

    /// Counts a judged probe in the rehearsal that it belongs to, if any. Returns the fact that the
    /// endpoint limits its answers from now on, or no longer does.
    pub(super) fn count_rehearsal(
        &mut self,
        id: EndpointId,
        judged: &Judged,
        context: &Context,
    ) -> Option<Fact> {
        let rate = self.endpoints.get_mut(id)?.rate();
        let finding = rate.judged(judged.seq, judged.quick, judged.outcome)?;
        self.end_rehearsal(id, finding, context)
    }

    /// Ends a rehearsal and acts on its finding. Returns the fact, if that is news.
    fn end_rehearsal(
        &mut self,
        id: EndpointId,
        finding: Finding,
        context: &Context,
    ) -> Option<Fact> {
        let pace = self.endpoints.get(id)?.pace();
        if let Some(count) = self.rehearsing.get_mut(&pace.retry_interval) {
            *count = count.saturating_sub(1);
        }
        let interval = pace.interval;
        let watched = self.endpoints.get_mut(id)?;
        let rate = &mut watched.watch.rate;
        let limited = rate.limits;
        let first = rate.due.since_start() < HOUR;
        rate.due = context.now
            + match finding {
                Finding::Inconclusive => interval * RETRY_INTERVALS,
                Finding::RateLimited if !limited => RECHECK_AFTER,
                Finding::AllAnswered if first => HOUR.mul_f64(0.5 + position(id)),
                Finding::AllAnswered | Finding::RateLimited => HOUR,
            };
        rate.limits = match finding {
            Finding::Inconclusive => limited,
            Finding::AllAnswered => false,
            Finding::RateLimited => true,
        };
        if rate.limits == limited {
            return None;
        }
        let endpoint = watched.watch.endpoint;
        Some(Fact::Limits { endpoint, noticed_after: self.noticed_after(id) })
    }

    /// Returns the longest time until the failure of an endpoint that limits its answers is noticed;
    /// `None` if it answers at the retry pace.
    pub(in crate::engine) fn noticed_after(&self, id: EndpointId) -> Option<Duration> {
        let watched = self.endpoints.get(id).filter(|watched| watched.watch.rate.limits)?;
        let CheckSettings { pace, thresholds, .. } = *watched.check;
        // The next loss may come an interval later, and all of them are an interval apart.
        Some(pace.interval.saturating_mul(thresholds.failure.get()) + pace.timeout)
    }

    /// Recounts the endpoints that rehearse.
    pub(super) fn count_rehearsing(&mut self) {
        self.rehearsing.clear();
        for watched in self.endpoints.iter().filter(|it| it.watch.rate.is_open()) {
            *self.rehearsing.entry(watched.pace().retry_interval).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a rehearsal. `r` reply, `x` loss, `f` fault: of the first probe, the quick ones, and
    /// the next ordinary one.
    fn play(outcomes: &str) -> Option<Finding> {
        let mut rate = RateCheck::default();
        rate.begin(3);
        let mut finding = None;
        for (seq, outcome) in (0_u64..).zip(outcomes.chars()) {
            let quick = rate.sent(seq.into());
            assert_eq!(quick, (1..3).contains(&seq), "{outcomes}: {seq}");
            let outcome = match outcome {
                'r' => Outcome::Reply,
                'x' => Outcome::Loss,
                _ => Outcome::Fault,
            };
            finding = finding.or(rate.judged(seq.into(), quick, outcome));
        }
        finding
    }

    #[test]
    fn a_rehearsal_ends_with_a_finding() {
        let rows = [
            ("all answered", "rrr", Some(Finding::AllAnswered)),
            ("not yet over", "rr", None),
            ("a quick one lost: it depends on the next", "rrx", None),
            ("and it is there", "rrxr", Some(Finding::RateLimited)),
            ("and it is not", "rrxx", Some(Finding::Inconclusive)),
            ("both quick ones lost, and it is there", "rxxr", Some(Finding::RateLimited)),
            ("this machine could not ask", "rfrr", Some(Finding::Inconclusive)),
        ];
        for (name, outcomes, want) in rows {
            assert_eq!(play(outcomes), want, "{name}: {outcomes}");
        }
    }

    #[test]
    fn a_lost_first_probe_ends_the_rehearsal() {
        let mut rate = RateCheck::default();
        rate.begin(3);
        assert!(!rate.sent(0.into()));
        assert!(rate.sent(1.into()));
        assert_eq!(rate.judged(0.into(), false, Outcome::Loss), None, "one is still out");
        assert!(!rate.is_next_quick());
        assert_eq!(rate.judged(1.into(), true, Outcome::Loss), Some(Finding::Inconclusive));
    }

    #[test]
    fn the_positions_in_the_hour_are_far_apart() {
        let mut positions: Vec<_> = (0..100).map(EndpointId::from).map(position).collect();
        positions.sort_by(f64::total_cmp);
        assert!(positions.windows(2).all(|two| two[1] - two[0] > 0.003), "{positions:?}");
    }
}
