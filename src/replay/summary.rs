//! The withdrawals of a replay in numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use super::recorded::StoodTarget;
use crate::engine::event::Fact;
use crate::engine::ids::TargetRef;
use crate::engine::types::{Health, Verdict, WithdrawalCause};

/// Time from the flip down within which a target that is back was a false alarm.
pub(crate) const SOON: Duration = Duration::from_mins(1);

/// A time in which something lasted, as times since the beginning of Unix time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// The beginning of it.
    pub from: Duration,
    /// The end; `None` while it lasts.
    pub to: Option<Duration>,
}

/// A target, as a replay follows it.
#[derive(Debug, Clone, Default)]
struct Followed {
    /// The time of the last reply before the flip down, and the time of the flip.
    down: Option<(Duration, Duration)>,
    /// The last time in which it was down.
    last_down: Option<(Duration, Duration)>,
    is_out: bool,
    /// Whether it was withdrawn since it flipped down last.
    withdrawn: bool,
    /// Whether the verdict of this time was counted.
    noticed: bool,
    deaths: Vec<Span>,
    downs: Vec<Span>,
    out: Vec<Span>,
    /// The time in which it was down, of which the beginning is not in the record.
    stood_down: Option<Span>,
    /// The same for the time in which it was out.
    stood_out: Option<Span>,
    unknown: Vec<Span>,
}

/// The times of a target that are drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TargetSpans {
    /// The times in which it was down.
    pub down: Vec<Span>,
    /// The times in which it was out of DNS.
    pub out: Vec<Span>,
    /// The times in which nothing was known of it.
    pub unknown: Vec<Span>,
}

/// Follows the decisions of a replay.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    targets: BTreeMap<TargetRef, Followed>,
    since: Duration,
    last: Duration,
    withdrawals: u64,
    false_alarms: u64,
    notices: Vec<Duration>,
}

/// The withdrawals of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    /// The number of times that an address was taken out for its health.
    pub withdrawals: u64,
    /// The number of those with a target that answered again within a minute.
    pub false_alarms: u64,
    /// The longest time from the last reply to the verdict.
    pub slowest: Option<Duration>,
    /// The median of those times.
    pub median: Option<Duration>,
    /// For how long addresses were in DNS while their target was dead for a minute or longer.
    pub dead_in_dns: Duration,
}

/// Ends a span that lasts.
fn end(lasting: Option<&mut Span>, at: Duration) {
    if let Some(span) = lasting {
        span.to.get_or_insert(at);
    }
}

fn lasts(span: Option<Span>) -> bool {
    span.is_some_and(|span| span.to.is_none())
}

impl Tally {
    /// Counts decisions from a time on.
    pub(crate) fn since(since: Duration) -> Self {
        Self { since, ..Self::default() }
    }

    /// Follows a decision at a time of the wall clock.
    pub(crate) fn fact(&mut self, at: Duration, fact: &Fact) {
        self.last = self.last.max(at);
        let counts = at >= self.since;
        match fact {
            Fact::Flipped { service, target, to, silent_for, .. } => {
                let target = TargetRef { service: *service, address: *target };
                self.flipped(at, target, *to == Health::Down, silent_for.unwrap_or_default());
            }
            Fact::Asked { service, target, .. } => {
                let its = self.follow(TargetRef { service: *service, address: *target });
                its.down = Some((at, at));
                (its.withdrawn, its.noticed) = (its.is_out, false);
            }
            Fact::Verdict { service, target, verdict, .. } => {
                let is_down = matches!(
                    verdict,
                    Verdict::Withdrawn(WithdrawalCause::Down | WithdrawalCause::Asked)
                );
                let its = self.follow(TargetRef { service: *service, address: *target });
                if let Some((from, _)) = its.down.filter(|_| is_down && !its.noticed) {
                    its.noticed = true;
                    if counts {
                        self.notices.push(at.saturating_sub(from));
                    }
                }
            }
            Fact::Applied { service, withdrawn, restored, .. } => {
                for (address, why) in withdrawn {
                    let target = TargetRef { service: *service, address: *address };
                    self.withdrawn(at, target, !why.by_hand && !why.standing_by);
                }
                for address in restored.keys() {
                    let its = self.follow(TargetRef { service: *service, address: *address });
                    end(its.stood_out.as_mut(), at);
                    if std::mem::take(&mut its.is_out)
                        && let Some(span) = its.out.last_mut()
                    {
                        span.to = Some(at);
                    }
                }
            }
            Fact::EvidenceLost { service, targets } => {
                for address in targets {
                    let its = self.follow(TargetRef { service: *service, address: *address });
                    its.unknown.push(Span { from: at, to: None });
                }
            }
            Fact::EvidenceBack { service, target, .. } => {
                let its = self.follow(TargetRef { service: *service, address: *target });
                end(its.unknown.last_mut(), at);
            }
            _ => {}
        }
    }

    fn flipped(&mut self, at: Duration, target: TargetRef, is_down: bool, silent_for: Duration) {
        let counts = at >= self.since;
        let its = self.follow(target);
        end(its.unknown.last_mut(), at);
        if is_down {
            end(its.stood_down.as_mut(), at);
            // A process that starts anew takes it for up until it has seen that it is not.
            its.downs.extend(its.down.map(|(_, from)| Span { from, to: Some(at) }));
            its.down = Some((at.saturating_sub(silent_for), at));
            (its.withdrawn, its.noticed) = (its.is_out, false);
        } else if let Some((from, flipped)) = its.down.take() {
            its.last_down = Some((flipped, at));
            its.downs.push(Span { from: flipped, to: Some(at) });
            if at.saturating_sub(from) >= SOON {
                its.deaths.push(Span { from, to: Some(at) });
            }
            let is_false = its.withdrawn && at.saturating_sub(flipped) < SOON;
            self.false_alarms += u64::from(is_false && counts);
        } else {
            end(its.stood_down.as_mut(), at);
        }
    }

    fn follow(&mut self, target: TargetRef) -> &mut Followed {
        self.targets.entry(target).or_default()
    }

    fn withdrawn(&mut self, at: Duration, target: TargetRef, for_health: bool) {
        let counts = at >= self.since;
        let its = self.follow(target);
        if std::mem::replace(&mut its.is_out, true) {
            return;
        }
        its.out.push(Span { from: at, to: None });
        if !for_health {
            return;
        }
        its.withdrawn = true;
        // It may have answered again while the withdrawal was under way.
        let late = its.down.is_none()
            && its.last_down.is_some_and(|(down, up)| {
                up.saturating_sub(down) < SOON && at.saturating_sub(down) < SOON
            });
        self.withdrawals += u64::from(counts);
        self.false_alarms += u64::from(counts && late);
    }

    /// Follows a target as it stood at a time where a record goes on in the middle of a process. Only the
    /// spans have that: the numbers are about decisions that the record has whole.
    pub(crate) fn stands(&mut self, at: Duration, stood: StoodTarget) {
        let its = self.follow(stood.target);
        let lasting = Some(Span { from: at, to: None });
        if stood.is_down && its.down.is_none() && !lasts(its.stood_down) {
            its.stood_down = lasting;
        }
        if stood.is_out && !its.is_out && !lasts(its.stood_out) {
            its.stood_out = lasting;
        }
    }

    /// Returns the times of a target that are drawn.
    pub(crate) fn spans(&self, target: TargetRef) -> TargetSpans {
        let Some(its) = self.targets.get(&target) else { return TargetSpans::default() };
        let mut down: Vec<Span> = its.stood_down.into_iter().collect();
        down.extend(&its.downs);
        down.extend(its.down.map(|(_, from)| Span { from, to: None }));
        let mut out: Vec<Span> = its.stood_out.into_iter().collect();
        out.extend(&its.out);
        TargetSpans { down, out, unknown: its.unknown.clone() }
    }

    /// Returns the times in which each target was dead for a minute or longer.
    pub(crate) fn deaths(&self) -> BTreeMap<TargetRef, Vec<Span>> {
        let mut deaths = BTreeMap::new();
        for (target, its) in &self.targets {
            let mut spans = its.deaths.clone();
            if let Some((from, _)) = its.down
                && self.last.saturating_sub(from) >= SOON
            {
                spans.push(Span { from, to: None });
            }
            deaths.insert(*target, spans);
        }
        deaths
    }

    /// Returns the numbers. `deaths` are the times in which the targets were dead, as recorded.
    pub(crate) fn summary(
        &self,
        deaths: &BTreeMap<TargetRef, Vec<Span>>,
        end: Duration,
    ) -> Summary {
        let mut notices = self.notices.clone();
        notices.sort_unstable();
        let mut dead_in_dns = Duration::ZERO;
        for (target, spans) in deaths {
            let out = self.targets.get(target).map_or(&[][..], |its| its.out.as_slice());
            for span in spans {
                let (from, to) = (span.from.max(self.since), span.to.unwrap_or(end));
                let covered: Duration = out
                    .iter()
                    .map(|out| {
                        let (first, last) = (out.from.max(from), out.to.unwrap_or(end).min(to));
                        last.saturating_sub(first)
                    })
                    .sum();
                dead_in_dns += to.saturating_sub(from).saturating_sub(covered);
            }
        }
        Summary {
            withdrawals: self.withdrawals,
            false_alarms: self.false_alarms,
            slowest: notices.last().copied(),
            median: notices.get(notices.len() / 2).copied(),
            dead_in_dns,
        }
    }
}
