//! Changes that a provider confirmed, and whether the answers of name servers can prove them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::dns::{Attributes, Extra, Listing, Placement, Record, Routing};
use crate::engine::ids::{ServiceId, ZoneId};
use crate::engine::plan::{Family, SetKey};

/// Maximum number of reports that wait for the confirmer. Beyond it, changes are not confirmed.
const QUEUE: usize = 1024;

/// The TTL in seconds by which Cloudflare is asked to choose one, and the one that it chooses.
/// Source: "Time to Live (TTL)" in the documentation of Cloudflare DNS.
const AUTOMATIC_TTL: [u32; 2] = [1, 300];

/// Maximum number of values with which Route 53 answers from multivalue sets.
const MULTIVALUE_ANSWERS: usize = 8;

/// The kind of a change of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ChangeKind {
    /// The address was taken out.
    Withdrawn,
    /// The address was put back.
    Restored,
    /// The address was put in at a name that held none and is not remembered, or is a standby.
    Added,
}

impl ChangeKind {
    /// Whether the address is to be in the set.
    pub(crate) fn is_present(self) -> bool {
        self != Self::Withdrawn
    }
}

/// The reason why the answers of name servers prove nothing about a record set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Obstacle {
    /// Cloudflare answers with its own addresses.
    Proxied,
    /// Route 53 selects one of several sets by weight.
    Weighted,
    /// Route 53 selects one of several sets by latency.
    Latency,
    /// Route 53 selects one of several sets by their health.
    Failover,
    /// Route 53 selects one of several sets by the location of the client.
    Location,
    /// Route 53 answers with a part of the values.
    ManyValues,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Proxied => {
                "it is proxied, so name servers answer with Cloudflare's own addresses"
            }
            Self::Weighted => "it is one of several weighted sets, and each answer has one of them",
            Self::Latency => {
                "it is one of several latency sets, and each client gets the nearest one"
            }
            Self::Failover => "it is a failover set, and each answer has one of the pair",
            Self::Location => "it is a geolocation set, and each client gets that of its location",
            Self::ManyValues => {
                "it has more than 8 multivalue records, and each answer has 8 of them"
            }
        })
    }
}

/// How a change of one record set can be proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Proof {
    /// Time in seconds for which caches may keep an answer from before the change; `None` if that
    /// depends on the zone's negative TTL.
    pub(crate) ttl: Option<u32>,
    /// The reason why answers prove nothing, if there is one.
    pub(crate) obstacle: Option<Obstacle>,
    /// Whether the provider chooses the settings of the record by the configuration.
    pub(crate) is_by_configuration: bool,
}

impl Proof {
    /// Returns how a deletion of a record can be proven, from the listing before it.
    pub(crate) fn of_deletion(listing: &Listing, set: &SetKey, record: &Record) -> Self {
        let records = listing.sets.get(set).map_or(&[][..], Vec::as_slice);
        Self {
            ttl: Some(effective_ttl(&record.attributes)),
            obstacle: obstacle_of(&record.attributes, records.len())
                .or_else(|| obstacle_at(listing, set, 0)),
            is_by_configuration: false,
        }
    }

    /// Returns how a creation of a record can be proven, from the listing before it. Without
    /// `attributes`, the record gets the settings of the configuration.
    pub(crate) fn of_creation(
        listing: &Listing,
        set: &SetKey,
        attributes: Option<&Attributes>,
    ) -> Self {
        let records = listing.sets.get(set).map_or(&[][..], Vec::as_slice);
        let own = attributes.and_then(|its| obstacle_of(its, records.len() + 1));
        Self {
            // Caches may keep the set as it was, without the address.
            ttl: records.iter().map(|record| effective_ttl(&record.attributes)).max(),
            obstacle: own.or_else(|| obstacle_at(listing, set, 1)),
            is_by_configuration: attributes.is_none(),
        }
    }
}

/// Returns the TTL that name servers give.
fn effective_ttl(attributes: &Attributes) -> u32 {
    let [automatic, chosen] = AUTOMATIC_TTL;
    let is_automatic =
        attributes.ttl == automatic && matches!(attributes.extra, Extra::Cloudflare { .. });
    if is_automatic { chosen } else { attributes.ttl }
}

/// Returns the obstacle in the settings of a record, in a set with this number of records.
fn obstacle_of(attributes: &Attributes, count: usize) -> Option<Obstacle> {
    match &attributes.extra {
        Extra::Cloudflare { proxied: true, .. } => Some(Obstacle::Proxied),
        Extra::Route53(set) => match set.routing {
            Routing::Simple => None,
            Routing::MultiValue => (count > MULTIVALUE_ANSWERS).then_some(Obstacle::ManyValues),
            Routing::Weighted(_) => Some(Obstacle::Weighted),
            Routing::Latency(_) => Some(Obstacle::Latency),
            Routing::Failover(_) => Some(Obstacle::Failover),
            Routing::Geo { .. } => Some(Obstacle::Location),
        },
        _ => None,
    }
}

/// Returns the obstacle in the records that a set holds before `more` are added. Cloudflare proxies
/// all records of a name if it proxies one.
fn obstacle_at(listing: &Listing, set: &SetKey, more: usize) -> Option<Obstacle> {
    for family in [Family::A, Family::Aaaa] {
        let key = SetKey { name: set.name.clone(), family };
        let records = listing.sets.get(&key).map_or(&[][..], Vec::as_slice);
        for record in records {
            let found = obstacle_of(&record.attributes, records.len() + more);
            if let Some(obstacle) = found.filter(|it| key == *set || *it == Obstacle::Proxied) {
                return Some(obstacle);
            }
        }
    }
    None
}

/// A change of one address, at one or several sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MadeChange {
    /// The service of the address; `None` if it is gone.
    pub(crate) service: Option<ServiceId>,
    /// The address in question.
    pub(crate) address: IpAddr,
    /// The kind of the change.
    pub(crate) kind: ChangeKind,
    /// The sets, and how the change can be proven at each.
    pub(crate) sets: Vec<(SetKey, Proof)>,
}

/// The number of a change in its zone. A later change has a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChangeId(u64);

impl ChangeId {
    /// The lowest number.
    pub(crate) const FIRST: Self = Self(0);

    /// The highest number.
    pub(super) const LAST: Self = Self(u64::MAX);

    /// Returns the next number.
    pub(super) fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// The changes that a provider confirmed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MadeChanges {
    /// The time of the confirmation.
    pub(crate) at: Instant,
    /// Time from when the changes were first desired to the confirmation.
    pub(crate) took: Duration,
    /// The changes, one for each address and kind.
    pub(crate) changes: Vec<MadeChange>,
}

impl MadeChanges {
    /// Groups single records by address and kind.
    pub(crate) fn new(
        at: Instant,
        took: Duration,
        records: impl IntoIterator<Item = (Option<ServiceId>, ChangeKind, Placement, Proof)>,
    ) -> Self {
        let mut changes: Vec<MadeChange> = Vec::new();
        let mut numbers = BTreeMap::new();
        for (service, kind, (set, address), proof) in records {
            let number = *numbers.entry((service, address, kind)).or_insert_with(|| {
                changes.push(MadeChange { service, address, kind, sets: Vec::new() });
                changes.len() - 1
            });
            changes[number].sets.push((set, proof));
        }
        Self { at, took, changes }
    }
}

/// Confirmed changes that a listing shows the opposite of, since another agent or a person undid them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UndoneChanges {
    /// The time of the request for the listing.
    pub(crate) listed: Instant,
    /// The places, and whether the address was to be present there.
    pub(crate) places: Vec<(Placement, bool)>,
}

/// Something that a reconciler tells the confirmer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EffectReport {
    /// Changes that are waited for from now on.
    Made(MadeChanges),
    /// Changes that are no longer waited for.
    Undone(UndoneChanges),
}

/// A report of a reconciler, with the zone in question.
pub(crate) type ZoneChanges = (ZoneId, EffectReport);

/// Sends the changes of one zone to the confirmer. The sender never waits.
#[derive(Debug, Clone, Default)]
pub struct EffectSender(Option<(ZoneId, mpsc::Sender<ZoneChanges>)>);

impl EffectSender {
    /// Returns a sender for the zone.
    pub(crate) fn new(zone: ZoneId, queue: &mpsc::Sender<ZoneChanges>) -> Self {
        Self(Some((zone, queue.clone())))
    }

    /// Returns the queue of the confirmer.
    pub(crate) fn queue() -> (mpsc::Sender<ZoneChanges>, mpsc::Receiver<ZoneChanges>) {
        mpsc::channel(QUEUE)
    }

    /// Sends changes. If the queue is full, they are not confirmed.
    pub(crate) fn send(&self, changes: MadeChanges) {
        if !self.try_send(EffectReport::Made(changes)) {
            tracing::warn!(
                "too many changes at once; name servers are not asked about some of them"
            );
        }
    }

    /// Sends changes that were undone. Returns false if the queue is full.
    pub(crate) fn send_undone(&self, changes: UndoneChanges) -> bool {
        self.try_send(EffectReport::Undone(changes))
    }

    /// Returns false if the queue is full. Without a confirmer, there is nothing to send.
    fn try_send(&self, report: EffectReport) -> bool {
        let Some((zone, queue)) = &self.0 else { return true };
        let sent = queue.try_send((*zone, report));
        !matches!(sent, Err(mpsc::error::TrySendError::Full(_)))
    }
}

#[cfg(test)]
mod tests;
