//! The steps that come at some time of a replay with other settings.

use super::probes::PendingProbe;
use crate::engine::Moment;
use crate::engine::event::Order;
use crate::engine::ids::{EndpointId, ZoneId};
use crate::engine::journal::RunEnd;
use crate::engine::plan::Observed;
use crate::engine::replaying::ReplayStep;
use crate::history::begin::OpenRun;

/// A step that comes at some time.
#[derive(Debug)]
pub(super) enum Coming {
    /// The outcome of a probe.
    Probe(PendingProbe),
    /// The next probe of a run, if the run still has this number.
    Run(EndpointId, u64),
    /// A run begins.
    RunBegin(OpenRun),
    /// A run ends.
    RunEnd(EndpointId, RunEnd),
    /// A step that rests on no probe.
    Step(Box<ReplayStep>),
    /// The provider carries out an order.
    Order(ZoneId, Box<Order>),
    /// The provider lists a zone.
    List(ZoneId),
    /// The last listing that was recorded.
    Listed(ZoneId, Box<Observed>),
}

/// A run of probes that changed nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct PassedRun {
    pub(super) run: OpenRun,
    /// The time of the last probe that was taken, or with which it was passed over.
    pub(super) last: Moment,
    /// The number of the run, which tells its probes from those of an earlier one.
    pub(super) number: u64,
    pub(super) is_asleep: bool,
}
