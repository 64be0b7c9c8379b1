//! The knowledge where a process or a file begins.

use std::collections::BTreeMap;

use super::bytes::coded_struct;
use crate::engine::Moment;
use crate::engine::event::Drain;
use crate::engine::ids::{EndpointId, TargetRef, ZoneId};
use crate::engine::journal::{EndpointUse, SubjectState};
use crate::engine::plan::Observed;
use crate::engine::settings::Settings;
use crate::engine::types::{Health, Outcome};

/// The knowledge where a process or a file begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Begin {
    /// The nanoseconds of Unix time at the start of the process, which tells processes apart.
    pub process: u64,
    /// The nanoseconds of Unix time now.
    pub wall: u64,
    /// Whether the process starts here; otherwise only the file does.
    pub is_start: bool,
    /// The settings in force.
    pub settings: Settings,
    /// The drains in force.
    pub drains: BTreeMap<TargetRef, Drain>,
    /// The uses of all endpoints.
    pub uses: Vec<(EndpointId, EndpointUse)>,
    /// The state of each endpoint of targets that is not in a run of replies.
    pub subjects: Vec<(EndpointId, SubjectState)>,
    /// The runs that go on.
    pub runs: Vec<OpenRun>,
    /// The last listing of each zone.
    pub listings: BTreeMap<ZoneId, Observed>,
    /// The targets that are out of service.
    pub out: Vec<TargetRef>,
}

/// A run that goes on where a file begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenRun {
    /// The probed endpoint.
    pub endpoint: EndpointId,
    /// The outcome of all probes.
    pub outcome: Outcome,
    /// The class of the longest round trip.
    pub class: u8,
}

coded_struct!(Begin {
    process,
    wall,
    is_start,
    settings,
    drains,
    uses,
    subjects,
    runs,
    listings,
    out,
});
coded_struct!(OpenRun { endpoint, outcome, class });
coded_struct!(SubjectState {
    health,
    losses,
    replies,
    run_began,
    evidence_after,
    last_reply,
    judged,
    proof,
});

/// The state of an endpoint in a run of replies that goes on.
pub(crate) fn in_run_of_replies(at: Moment) -> SubjectState {
    SubjectState {
        health: Health::Up,
        losses: 0,
        replies: 1,
        run_began: None,
        evidence_after: Some(at),
        last_reply: Some(at),
        judged: at,
        proof: Some(at),
    }
}
