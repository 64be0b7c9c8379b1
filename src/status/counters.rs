//! The counters that belong to no single target.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::histogram::{FAILOVER_BOUNDS, Histogram, RTT_BOUNDS, VISIBLE_BOUNDS};
use super::model::Reason;
use crate::engine::ids::{ServiceId, ZoneId};

/// Counts by the values of their labels.
pub(super) type LabelledCounts<const N: usize> = BTreeMap<[&'static str; N], u64>;

/// Counts by zone, and by the values of other labels.
pub(super) type ZoneCounts<const N: usize> = BTreeMap<(ZoneId, [&'static str; N]), u64>;

/// The changes of records that are counted.
pub(super) const DNS_ACTIONS: [&str; 3] = ["withdraw", "restore", "create"];

/// The outcomes of the votes exchanged with a peer: theirs, then ours.
const VOTE_OUTCOMES: [&str; 7] =
    ["accepted", "refused", "delivered", "declined", "postponed", "unanswered", "failed"];

/// The counters that belong to no single target.
///
/// A counter with a label is there from the start for each value that can be known then, with 0:
/// Prometheus does not see the increase of a series that begins with 1.
#[derive(Debug, Clone)]
pub struct StatusCounters {
    pub(super) rtt: Histogram,
    pub(super) failover: Histogram,
    pub(super) visible: Histogram,
    pub(super) not_visible: BTreeMap<ZoneId, u32>,
    pub(super) refusals: BTreeMap<(ServiceId, &'static str), u64>,
    pub(super) dns_changes: ZoneCounts<2>,
    pub(super) dns_requests: ZoneCounts<1>,
    pub(super) votes: BTreeMap<(Arc<str>, &'static str), u64>,
    pub(super) reloads: LabelledCounts<1>,
    pub(super) notices: BTreeMap<(Arc<str>, &'static str), u64>,
    pub(super) history: LabelledCounts<1>,
    pub(super) panics: LabelledCounts<1>,
    pub(super) failing_names: BTreeSet<(ZoneId, String)>,
}

impl Default for StatusCounters {
    fn default() -> Self {
        Self {
            rtt: Histogram::new(&RTT_BOUNDS),
            failover: Histogram::new(&FAILOVER_BOUNDS),
            visible: Histogram::new(&VISIBLE_BOUNDS),
            not_visible: BTreeMap::new(),
            refusals: BTreeMap::new(),
            dns_changes: BTreeMap::new(),
            dns_requests: BTreeMap::new(),
            votes: BTreeMap::new(),
            reloads: ["ok", "refused"].map(|outcome| ([outcome], 0)).into(),
            notices: BTreeMap::new(),
            history: BTreeMap::new(),
            panics: crate::panics::PARTS.map(|part| ([part], 0)).into(),
            failing_names: BTreeSet::new(),
        }
    }
}

impl StatusCounters {
    /// Counts one record that was changed: `action` is `withdraw`, `restore` or `create`, `outcome` is
    /// `ok` or `dry_run`.
    pub fn dns_change(&mut self, zone: ZoneId, action: &'static str, outcome: &'static str) {
        *self.dns_changes.entry((zone, [action, outcome])).or_default() += 1;
    }

    /// Counts a failover, from the last reply until the provider confirmed the withdrawal.
    pub fn failover(&mut self, duration: Duration) {
        self.failover.observe(duration);
    }

    /// Counts a change that all name servers show, from the provider's confirmation until then.
    pub fn visible(&mut self, duration: Duration) {
        self.visible.observe(duration);
    }

    /// Sets the number of changes in a zone that a name server does not show for too long.
    pub fn set_not_visible(&mut self, zone: ZoneId, count: u32) {
        self.not_visible.insert(zone, count);
    }

    /// Counts changes that are not visible in these zones, and in no others.
    pub(super) fn follow_effects(&mut self, on: &BTreeSet<ZoneId>) {
        self.not_visible.retain(|zone, _| on.contains(zone));
        for zone in on {
            self.not_visible.entry(*zone).or_default();
        }
    }

    /// Sets the number of votes exchanged with `peer` that had this outcome. `peer` is a peer of the
    /// configuration, never a name that a stranger claims.
    pub fn set_votes(&mut self, peer: &str, outcome: &'static str, total: u64) {
        self.votes.insert((peer.into(), outcome), total);
    }

    /// Lists `peer` with every outcome of its votes.
    pub fn expect_votes(&mut self, peer: &str) {
        let peer: Arc<str> = peer.into();
        for outcome in VOTE_OUTCOMES {
            self.votes.entry((Arc::clone(&peer), outcome)).or_default();
        }
    }

    /// Sets the number of requests to the provider of a zone that had this outcome.
    pub fn set_dns_requests(&mut self, zone: ZoneId, outcome: &'static str, total: u64) {
        self.dns_requests.insert((zone, [outcome]), total);
    }

    /// Sets the number of notices to `channel` that had this outcome: `delivered`, `failed` or `dropped`.
    pub fn set_notices(&mut self, channel: &str, outcome: &'static str, total: u64) {
        self.notices.insert((channel.into(), outcome), total);
    }

    /// Sets the number of blocks of the history that were written, and that were lost.
    pub fn set_history(&mut self, written: u64, lost: u64) {
        self.history = [(["written"], written), (["lost"], lost)].into();
    }

    /// Sets the number of panics that were caught in each part.
    pub fn set_panics(&mut self, counts: BTreeMap<&'static str, u64>) {
        self.panics.extend(counts.into_iter().map(|(part, count)| ([part], count)));
    }

    /// Sets whether a name in a zone is left alone because of a problem of its own.
    pub fn set_name_failing(&mut self, zone: ZoneId, name: &str, is_failing: bool) {
        let name = (zone, name.to_owned());
        if is_failing {
            self.failing_names.insert(name);
        } else {
            self.failing_names.remove(&name);
        }
    }

    /// Counts a reload: `ok` if the new configuration is in force, `refused` if not.
    pub fn reload(&mut self, outcome: &'static str) {
        *self.reloads.entry([outcome]).or_default() += 1;
    }

    /// Counts a refusal of a change to a target of a service.
    pub(super) fn refused(&mut self, service: ServiceId, reason: Reason) {
        *self.refusals.entry((service, reason.as_label())).or_default() += 1;
    }

    /// Drops the counts of all services but those that `keep` accepts.
    pub(super) fn keep_services(&mut self, keep: impl Fn(ServiceId) -> bool) {
        self.refusals.retain(|(service, _), _| keep(*service));
    }

    /// Drops the counts of all zones but those that `keep` accepts.
    pub(super) fn keep_zones(&mut self, keep: impl Fn(ZoneId) -> bool) {
        self.dns_changes.retain(|(zone, _), _| keep(*zone));
        self.dns_requests.retain(|(zone, _), _| keep(*zone));
        self.failing_names.retain(|(zone, _)| keep(*zone));
    }

    /// Drops the votes of all peers but those that `keep` accepts.
    pub(super) fn keep_peers(&mut self, keep: impl Fn(&str) -> bool) {
        self.votes.retain(|(peer, _), _| keep(peer));
    }
}
