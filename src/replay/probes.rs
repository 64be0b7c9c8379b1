//! The probes of a replay with other settings: when each would have been judged, and its outcome.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::engine::ids::EndpointId;
use crate::engine::journal::EndpointUse;
use crate::engine::journal::NotedProbe;
use crate::engine::settings::{CheckSettings, Settings};
use crate::engine::types::{Method, Outcome};
use crate::engine::{Engine, Moment};

/// The longest time beyond its timeout after which a late reply is still heard.
const LATE: Duration = Duration::from_secs(5);

/// A probe that is to be judged.
#[derive(Debug, Clone)]
pub(super) struct PendingProbe {
    pub(super) probe: NotedProbe,
    /// The number that tells it from other probes of its endpoint.
    number: u64,
    /// Whether it was not sent, and would have been, between two lost ones.
    pub(super) is_assumed: bool,
}

/// The probes of one endpoint.
#[derive(Debug)]
struct ReplayedEndpoint {
    is_canary: bool,
    /// How it was probed.
    was: CheckSettings,
    /// How it would be probed.
    is: CheckSettings,
    /// The probes that are not counted yet, in the order of sending, with the outcomes of those that
    /// are judged.
    open: VecDeque<(Moment, u64, Option<Outcome>)>,
    /// The send time of the last lost probe since the last reply.
    lost: Option<Moment>,
    /// The send time of the last probe at the retry pace that is taken.
    taken: Option<Moment>,
    assumed: Vec<Moment>,
}

/// The probes of all endpoints.
#[derive(Debug, Default)]
pub(super) struct ReplayedProbes {
    endpoints: BTreeMap<EndpointId, ReplayedEndpoint>,
    canaries: Vec<EndpointId>,
    count: u64,
    ahead: Duration,
}

impl ReplayedProbes {
    /// Follows the endpoints of an engine with changed settings. `recorded` are those that were in force.
    pub(super) fn follow(&mut self, engine: &Engine, recorded: &Settings) {
        let mut before = std::mem::take(&mut self.endpoints);
        let settings = engine.settings();
        self.canaries.clear();
        for (id, its) in engine.endpoint_uses() {
            let (is, was, is_canary) = match its {
                EndpointUse::Canary(_) => (settings.canary_check, recorded.canary_check, true),
                EndpointUse::Target { service, check, .. } => {
                    let [is, was] = [settings, recorded]
                        .map(|settings| Some(settings.service(service)?.checks.get(check)?.check));
                    let (Some(is), Some(was)) = (is, was) else { continue };
                    (is, was, false)
                }
            };
            let known = before.remove(&id);
            let endpoint = ReplayedEndpoint {
                is_canary,
                was,
                is,
                ..known.unwrap_or_else(|| ReplayedEndpoint::new(is))
            };
            let longest = is.pace.interval.max(was.pace.interval)
                + is.pace.timeout.max(was.pace.timeout)
                + LATE;
            self.ahead = self.ahead.max(longest);
            self.canaries.extend(is_canary.then_some(id));
            self.endpoints.insert(id, endpoint);
        }
    }

    /// Returns how far the history has to be read beyond the last decision.
    pub(super) fn ahead(&self) -> Duration {
        self.ahead
    }

    /// Returns the canaries.
    pub(super) fn canaries(&self) -> &[EndpointId] {
        &self.canaries
    }

    /// Whether an endpoint is a canary.
    pub(super) fn is_canary(&self, id: EndpointId) -> bool {
        self.endpoints.get(&id).is_some_and(|its| its.is_canary)
    }

    /// Returns the time between two probes of a run.
    pub(super) fn interval(&self, id: EndpointId) -> Duration {
        let its = self.endpoints.get(&id).map(|its| its.was.pace.interval);
        its.unwrap_or(Duration::from_secs(1)).max(Duration::from_millis(10))
    }

    /// Returns the time between two probes of a run that are taken one by one. A target that is not down
    /// here yet would have been probed at the retry pace.
    pub(super) fn pace_of_run(&self, id: EndpointId, outcome: Outcome) -> Duration {
        let its = self.endpoints.get(&id).filter(|_| outcome == Outcome::Loss);
        match its.filter(|its| its.is.thresholds.failure > its.was.thresholds.failure) {
            Some(its) if !its.is_canary => {
                its.is.pace.retry_interval.max(Duration::from_millis(10))
            }
            _ => self.interval(id),
        }
    }

    /// Returns a probe of a run that was judged at a time.
    pub(super) fn of_run(&self, endpoint: EndpointId, outcome: Outcome, at: Moment) -> NotedProbe {
        let rtt = Duration::from_millis(1);
        NotedProbe {
            endpoint,
            canary: self.is_canary(endpoint),
            sent: at.before(rtt),
            quick: false,
            outcome,
            rtt,
            other: None,
            faulty: false,
            released: 1,
            quiet: false,
        }
    }

    /// Records that a run begins with a probe judged at a time.
    pub(super) fn run_begins(&mut self, id: EndpointId, outcome: Outcome, at: Moment) {
        let Some(its) = self.endpoints.get_mut(&id) else { return };
        match outcome {
            Outcome::Reply => its.answered(),
            Outcome::Loss => its.is_lost(at.before(its.was.pace.timeout)),
            Outcome::Fault => {}
        }
    }

    /// Records that a run ends. The probes up to its end were taken at the pace that is asked for.
    pub(super) fn run_ends(&mut self, id: EndpointId) {
        if let Some(its) = self.endpoints.get_mut(&id) {
            its.lost = None;
        }
    }

    /// Returns when a probe would have been judged, with its outcome. `None` if it would not have been sent.
    pub(super) fn judge(
        &mut self,
        at: Moment,
        mut probe: NotedProbe,
    ) -> Option<(Moment, PendingProbe)> {
        let its = self.endpoints.get_mut(&probe.endpoint)?;
        let (was, is) = (its.was.pace.timeout, its.is.pace.timeout);
        let mut when = at;
        match probe.outcome {
            Outcome::Reply if probe.rtt > is => {
                probe.outcome = Outcome::Loss;
                when = probe.sent + is;
            }
            Outcome::Loss if at.since(probe.sent) >= was => {
                when = at.saturating_add(is.saturating_sub(was)).before(was.saturating_sub(is));
            }
            Outcome::Loss => when = at.min(probe.sent + is),
            _ => {}
        }
        match probe.outcome {
            Outcome::Reply => {
                its.assume_until(probe.sent);
                its.answered();
            }
            Outcome::Loss if !probe.quick => {
                if !its.keeps(probe.sent) {
                    return None;
                }
                its.is_lost(probe.sent);
            }
            _ => {}
        }
        self.count += 1;
        let number = self.count;
        let place = its.open.partition_point(|(sent, ..)| *sent <= probe.sent);
        its.open.insert(place, (probe.sent, number, None));
        Some((when.max(probe.sent), PendingProbe { probe, number, is_assumed: false }))
    }

    /// Returns the probe that a late reply answers, if it would have been in time.
    pub(super) fn late(
        &mut self,
        at: Moment,
        id: EndpointId,
        rtt: Duration,
    ) -> Option<(Moment, PendingProbe)> {
        let its = self.endpoints.get(&id)?;
        if rtt > its.is.pace.timeout {
            return None;
        }
        let sent = at.before(rtt);
        let open = its.open.iter().filter(|(.., outcome)| outcome.is_none());
        let (sent, number, _) =
            *open.min_by_key(|(other, ..)| other.since(sent).max(sent.since(*other)))?;
        let probe = NotedProbe { sent, rtt, ..self.of_run(id, Outcome::Reply, at) };
        Some((at, PendingProbe { probe, number, is_assumed: false }))
    }

    /// Removes and returns the lost probes that are assumed before the last one.
    pub(super) fn take_assumed(&mut self, id: EndpointId) -> Vec<(Moment, PendingProbe)> {
        let Some(its) = self.endpoints.get_mut(&id) else { return Vec::new() };
        let (assumed, timeout) = (std::mem::take(&mut its.assumed), its.is.pace.timeout);
        let mut pending = Vec::new();
        for sent in assumed {
            self.count += 1;
            let probe = NotedProbe { sent, ..self.of_run(id, Outcome::Loss, sent) };
            pending.push((
                sent + timeout,
                PendingProbe { probe, number: self.count, is_assumed: true },
            ));
        }
        pending
    }

    /// Judges a probe. Returns it with the outcomes that count now, in the order of sending; `None` if it
    /// was judged before.
    pub(super) fn judged(&mut self, pending: PendingProbe) -> Option<(NotedProbe, Vec<Outcome>)> {
        let PendingProbe { probe, number, is_assumed } = pending;
        let its = self.endpoints.get_mut(&probe.endpoint)?;
        let void = probe.quick && probe.outcome == Outcome::Loss;
        let counted = if void { Outcome::Fault } else { probe.outcome };
        if is_assumed {
            return Some((probe, vec![counted]));
        }
        let open = its.open.iter_mut().find(|(_, its, _)| *its == number)?;
        if open.2.replace(counted).is_some() {
            return None;
        }
        let mut in_order = Vec::new();
        while let Some((.., Some(outcome))) = its.open.front() {
            in_order.push(*outcome);
            its.open.pop_front();
        }
        Some((probe, in_order))
    }
}

impl ReplayedEndpoint {
    fn new(check: CheckSettings) -> Self {
        Self {
            is_canary: false,
            was: check,
            is: check,
            open: VecDeque::new(),
            lost: None,
            taken: None,
            assumed: Vec::new(),
        }
    }

    fn answered(&mut self) {
        (self.lost, self.taken) = (None, None);
    }

    /// Whether a lost probe would have been sent at the retry pace that is asked for.
    fn keeps(&mut self, sent: Moment) -> bool {
        let (was, is) = (self.was.pace.retry_interval, self.is.pace.retry_interval);
        // Probes leave a little late.
        let early = self.taken.is_some_and(|last| sent.since(last) + was / 4 < is);
        if is > was && early {
            return false;
        }
        self.taken = Some(sent);
        true
    }

    /// Records a lost probe.
    fn is_lost(&mut self, sent: Moment) {
        self.assume_until(sent);
        self.lost = Some(sent);
    }

    /// Assumes lost probes at the retry pace between the last lost one and another, if more are needed to
    /// flip the target than were: at a target that was down already none were sent.
    fn assume_until(&mut self, sent: Moment) {
        let (was, is) = (self.was.thresholds.failure, self.is.thresholds.failure);
        let retry = self.is.pace.retry_interval;
        let Some(before) = self.lost.filter(|_| is > was && !self.is_canary && !retry.is_zero())
        else {
            return;
        };
        let mut next = before + retry;
        for _ in 0..is.get() {
            if next + retry / 2 >= sent {
                return;
            }
            self.assumed.push(next);
            next += retry;
        }
    }
}

/// Whether a late reply of this kind of probe is heard.
pub(crate) fn hears_late(method: Method) -> bool {
    method == Method::Echo
}

/// Returns the longest timeout that can be answered, since replies were heard for so long.
pub(crate) fn heard_for(check: &CheckSettings) -> Duration {
    let timeout = check.pace.timeout;
    if hears_late(check.method) { timeout + timeout.min(LATE) } else { timeout }
}
