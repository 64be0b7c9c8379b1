//! Status, metrics, verdicts, a page for people, and the control socket.
//!
//! ```text
//! agent -> board -> snapshot -> model (/status) -> table (goavail status)
//!            |          |-----> metrics (/metrics)
//!            |          `-----> page (/)
//!            `-> heart -------> /healthz                 service: the routes
//! agent <- control <- service <- client (goavail drain)  socket:  the listeners
//! agent <- explain <- service <- client (goavail explain)
//!           days   <- service: drawings of the last day, which the agent makes beside its loop
//! ```
//!
//! The event loop updates the [`Board`] and never waits for a reader; a reader never waits for the event
//! loop. Nothing here decides anything.

mod board;
mod check_lines;
mod checks;
mod client;
mod concern;
pub(crate) mod control;
mod counters;
mod days;
mod explain;
mod histogram;
mod history;
mod input;
mod metrics;
pub(crate) mod model;
mod page;
mod probes;
mod reader;
mod recent;
mod rendering;
mod row;
#[cfg(test)]
mod sample;
mod section;
mod service;
mod snapshot;
mod socket;
mod table;
mod target_view;
mod time;
mod watch;

pub use board::{Board, PUBLISH_EVERY, PUBLISH_SOON};
pub use checks::{CheckState, TargetChecks};
pub use client::{AgentAddress, ClientError};
pub use control::{
    ANSWER_WITHIN, CommandDone, CommandKind, CommandRefused, CommandTarget, DrainRequest,
    OperatorCommand, UndrainRequest,
};
pub(crate) use control::{CommandResult, REASON_CHARS, service_name};
pub(crate) use days::{DayDrawings, NoDrawing, drawing_days};
pub(crate) use explain::explain_table;
pub(crate) use explain::{
    ChangeInQuestion, ExplainAnswer, ExplainRefused, RecordInQuestion, StatedAnswer,
    TargetExplanation,
};
pub use explain::{ExplainRequest, explaining};
pub use history::MINUTES;
pub use input::{PeerStatus, ReceivedVote, ServiceSetup, Setup, TargetState, ZoneSetup};
pub use metrics::{MetricsFormat, encode};
pub use model::MAX_SILENCE;
pub use section::StatusConfig;
pub(crate) use section::StatusSection;
pub use service::{control, read_only};
pub use socket::{ListenError, SocketFile, listen, open_control};
pub use table::WIDTH;
pub(crate) use table::table;
pub use time::{ClockReading, Time};
pub use watch::watch;

/// Maximum number of changes in the status and on the page.
pub const CHANGES_KEPT: usize = 50;
