//! Whether an endpoint answers at the retry pace, found out while all is well.
//!
//! A target that answers one echo request a second loses its retries to its own limit as soon as one
//! reply is lost: three losses, and it is alive. So the retry pace is rehearsed, at the start and about
//! once an hour: one ordinary probe, then quick ones. Losses of the quick ones count for nothing. If some
//! of them were lost and the next ordinary probe was answered, the endpoint limits what it answers.

use std::time::Duration;

use super::Prober;
use super::watch::Outcome;
use crate::engine::Moment;
use crate::engine::context::Context;
use crate::engine::event::{Fact, Settings, Slot};

/// Between two rehearsals.
const HOUR: Duration = Duration::from_hours(1);

/// After this long an endpoint is asked again whether it really limits: a probe may have been lost by
/// chance.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// So many intervals later comes the next try after one that told nothing.
const TRY_AGAIN: u32 = 10;

/// What a rehearsal has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// All probes were answered.
    Whole,
    /// Quick ones were lost, though it is there.
    Limits,
    /// Nothing: it is not well, or could not be asked.
    Nothing,
}

/// A rehearsal that is under way.
#[derive(Debug, Clone, Default)]
struct Session {
    /// The ordinary probe that it began with.
    first: Option<u64>,
    first_judged: bool,
    /// Quick probes still to be sent.
    left: u32,
    /// Quick probes that are out.
    out: u32,
    lost: bool,
    void: bool,
    /// The ordinary probe after it, and whether it was answered.
    after: Option<u64>,
    answered: Option<bool>,
}

/// The rehearsals of one endpoint.
#[derive(Debug, Clone, Default)]
pub struct RateCheck {
    /// When the next one is due.
    pub due: Moment,
    /// Whether it limits what it answers, as far as that is known.
    pub limits: bool,
    /// Boxed: nearly no endpoint has one at any moment, and there may be a million endpoints.
    session: Option<Box<Session>>,
}

impl RateCheck {
    /// Begins with the probe that is sent next; `probes` in all.
    pub fn begin(&mut self, probes: u32) {
        let session = Session { left: probes.saturating_sub(1), ..Session::default() };
        self.session = Some(Box::new(session));
    }

    /// Whether one is under way.
    pub fn is_open(&self) -> bool {
        self.session.is_some()
    }

    /// Whether the next probe is a quick one.
    pub fn goes_on(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.first.is_some() && session.left > 0)
    }

    /// A probe is sent; returns whether it is a quick one.
    pub fn sent(&mut self, seq: u64) -> bool {
        let Some(session) = &mut self.session else { return false };
        if session.first.is_none() {
            session.first = Some(seq);
        } else if session.left > 0 {
            session.left -= 1;
            session.out += 1;
            return true;
        } else if session.after.is_none() {
            session.after = Some(seq);
        }
        false
    }

    /// The endpoint misses an ordinary probe: there is something better to do.
    pub fn break_off(&mut self) {
        if let Some(session) = &mut self.session {
            session.void |= session.left > 0;
            session.left = 0;
        }
    }

    /// A probe was judged; returns what the rehearsal has shown if that ends it.
    pub fn judged(&mut self, seq: u64, quick: bool, outcome: Outcome) -> Option<Shown> {
        let session = self.session.as_mut()?;
        if quick {
            session.out = session.out.saturating_sub(1);
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
        let over = session.first_judged && session.left == 0 && session.out == 0;
        let shown = match (session.void, session.lost, session.answered) {
            _ if !over => return None,
            (true, ..) | (_, true, Some(false)) => Shown::Nothing,
            (_, false, _) => Shown::Whole,
            (_, true, Some(true)) => Shown::Limits,
            (_, true, None) => return None,
        };
        self.session = None;
        Some(shown)
    }
}

/// Where in the hour an endpoint has its rehearsals, from 0 to 1: neighbours lie far apart.
fn place(slot: Slot) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let turns = slot as f64 * GOLDEN;
    turns.fract()
}

/// The number of endpoints that may rehearse at the same time, so that the pace of all never doubles;
/// one may in any case.
fn most_rehearsing(settings: &Settings) -> usize {
    let pace = settings.pace;
    let endpoints = settings.targets.len() + settings.canaries.len();
    let (interval, retry) = (pace.interval.as_secs_f64(), pace.retry_interval.as_secs_f64());
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of endpoints, rounded down"
    )]
    let most = (endpoints as f64 * retry / interval.max(0.001)) as usize;
    most.max(1)
}

impl Prober {
    /// Begins a rehearsal with the probe that is about to be sent, if one is due and all is well.
    pub(super) fn rehearse_if_due(&mut self, slot: Slot, context: &Context) {
        let (now, settings) = (context.now, &context.settings);
        let pace = settings.pace;
        let probes = settings.thresholds.recovery.get().max(2);
        let room = pace.retry_interval < pace.interval
            && self.rehearsing < most_rehearsing(settings)
            && self.ignored != Some(slot);
        let Some(watched) = self.endpoints.get_mut(slot).filter(|_| room) else { return };
        let watch = &mut watched.watch;
        let due = watch.rate.due <= now && !watch.rate.is_open();
        let well = watched.expected && watched.faults.present.is_none() && !watch.is_suspect();
        if due && well && watch.all_judged() {
            watch.rate.begin(probes);
            self.rehearsing += 1;
        }
    }

    /// Ends a rehearsal.
    pub(super) fn rehearsed(&mut self, slot: Slot, shown: Shown, context: &mut Context) {
        self.rehearsing = self.rehearsing.saturating_sub(1);
        let (pace, thresholds) = (context.settings.pace, context.settings.thresholds);
        let interval = pace.interval;
        let Some(watched) = self.endpoints.get_mut(slot) else { return };
        let rate = &mut watched.watch.rate;
        let limited = rate.limits;
        let first = rate.due < HOUR;
        rate.due = context.now
            + match shown {
                Shown::Nothing => interval * TRY_AGAIN,
                Shown::Limits if !limited => ASK_AGAIN,
                Shown::Whole if first => HOUR.mul_f64(0.5 + place(slot)),
                Shown::Whole | Shown::Limits => HOUR,
            };
        rate.limits = match shown {
            Shown::Nothing => limited,
            Shown::Whole => false,
            Shown::Limits => true,
        };
        if rate.limits != limited {
            let (endpoint, limits) = (watched.watch.endpoint, !limited);
            // The next loss may come an interval later, and all of them lie an interval apart.
            let losses = thresholds.failure.get();
            let noticed_after = interval.saturating_mul(losses) + pace.timeout;
            let noticed_after = limits.then_some(noticed_after);
            context.report(Fact::Limits { endpoint, noticed_after });
        }
    }

    /// Has every endpoint rehearse again: the retry pace is another.
    pub(in crate::engine) fn rehearse_all_again(&mut self, now: Moment) {
        for watched in self.endpoints.iter_mut() {
            watched.rate().due = now;
        }
    }

    /// Counts again the endpoints that rehearse.
    pub(super) fn count_rehearsing(&mut self) {
        self.rehearsing = self.endpoints.iter().filter(|it| it.watch.rate.is_open()).count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `r` reply, `x` loss, `f` fault: of the first, the quick ones, and the next ordinary probe.
    fn play(outcomes: &str) -> Option<Shown> {
        let mut rate = RateCheck::default();
        rate.begin(3);
        let mut shown = None;
        for (seq, outcome) in (0..).zip(outcomes.chars()) {
            let quick = rate.sent(seq);
            assert_eq!(quick, (1..3).contains(&seq), "{outcomes}: {seq}");
            let outcome = match outcome {
                'r' => Outcome::Reply,
                'x' => Outcome::Loss,
                _ => Outcome::Fault,
            };
            shown = shown.or(rate.judged(seq, quick, outcome));
        }
        shown
    }

    #[test]
    fn what_a_rehearsal_shows() {
        let rows = [
            ("all answered", "rrr", Some(Shown::Whole)),
            ("not yet over", "rr", None),
            ("a quick one lost: it depends on the next", "rrx", None),
            ("and it is there", "rrxr", Some(Shown::Limits)),
            ("and it is not", "rrxx", Some(Shown::Nothing)),
            ("both quick ones lost, and it is there", "rxxr", Some(Shown::Limits)),
            ("this machine could not ask", "rfrr", Some(Shown::Nothing)),
        ];
        for (name, outcomes, want) in rows {
            assert_eq!(play(outcomes), want, "{name}: {outcomes}");
        }
    }

    #[test]
    fn whoever_misses_the_first_probe_rehearses_nothing() {
        let mut rate = RateCheck::default();
        rate.begin(3);
        assert!(!rate.sent(0));
        assert!(rate.sent(1));
        assert_eq!(rate.judged(0, false, Outcome::Loss), None, "one is still out");
        assert!(!rate.goes_on());
        assert_eq!(rate.judged(1, true, Outcome::Loss), Some(Shown::Nothing));
    }

    #[test]
    fn the_places_in_the_hour_lie_apart() {
        let mut places: Vec<_> = (0..100).map(place).collect();
        places.sort_by(f64::total_cmp);
        assert!(places.windows(2).all(|two| two[1] - two[0] > 0.003), "{places:?}");
    }
}
