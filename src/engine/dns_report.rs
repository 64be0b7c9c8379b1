//! The reports of a reconciler.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::ids::{OrderNumber, ServiceId};
use super::plan::{Desired, Observed, SetKey};

/// A report from the reconciler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsReport {
    /// The zone was listed.
    Listed(Observed),
    /// The provider confirmed a change. In dry-run, the change would have been requested.
    Applied {
        /// The addresses that are withdrawn now.
        withdrawn: Vec<(SetKey, IpAddr)>,
        /// The addresses that are restored now.
        restored: Vec<(SetKey, IpAddr)>,
        /// The addresses that were added at names without any address, and had never been seen
        /// there.
        created: Vec<(SetKey, IpAddr)>,
        /// Time from when the change was first desired to the provider's confirmation.
        took: Duration,
        /// Whether the rest of the change is still to be made, or failed.
        is_part: bool,
    },
    /// The record sets match an order, except for the addresses that the floor holds back.
    Confirmed {
        /// The service of that order.
        service: ServiceId,
        /// The number of that order.
        number: OrderNumber,
        /// The desired states that were carried out.
        desired: BTreeMap<IpAddr, Desired>,
        /// The addresses that stay in because of the floor, with the names at which they stay.
        held: BTreeMap<IpAddr, Vec<String>>,
        /// The addresses that are not yet as desired at some set, or may not stay so. The reconciler
        /// keeps working on them, and reports again when that is over.
        open: BTreeSet<IpAddr>,
    },
    /// All record sets with a problem of their own, and the problem. The reconciler keeps retrying.
    FailingSets(BTreeMap<SetKey, String>),
    /// All addresses of record sets that a write may still change because its answer was lost.
    Uncertain(BTreeSet<(SetKey, IpAddr)>),
    /// Addresses that seemed to be as desired by the change of another agent, and in the newest listing
    /// are not. The reconciler has no order about them any more.
    Contradicted(Vec<(SetKey, IpAddr)>),
    /// The provider could not be reached or did not make the change; the reconciler keeps retrying.
    Failing(DnsProblem),
}

/// The records that one change concerned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct AppliedRecords {
    pub(super) withdrawn: Vec<(SetKey, IpAddr)>,
    pub(super) restored: Vec<(SetKey, IpAddr)>,
    pub(super) created: Vec<(SetKey, IpAddr)>,
}

/// A problem that keeps DNS from the desired state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsProblem {
    /// The kind of problem, which determines the remedy.
    pub kind: DnsProblemKind,
    /// The whole chain of causes, in one line.
    pub what: String,
    /// Time until the reconciler tries again.
    pub retry_in: Option<Duration>,
}

/// The kind of a [`DnsProblem`], by remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DnsProblemKind {
    /// The provider refused: credentials, permissions, no such zone.
    Refused,
    /// Nothing changed; a later attempt may succeed.
    Unavailable,
    /// The change may be in force or not.
    Unconfirmed,
    /// The zone was changed concurrently.
    Changed,
    /// The reconciler or its provider panicked, or could not be rebuilt.
    Defect,
}
