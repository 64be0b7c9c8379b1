//! What the agent shows of itself: status, metrics, verdicts, a page, and the control socket.
//!
//! ```text
//! driver -> board -> snapshot -> model (/status) -> table (goavail status)
//!             |          |------> metrics (/metrics)
//!             |          `------> page (/)
//!             `-> heart --------> /healthz                service: who may ask what
//! driver <- control <- service <- client (goavail drain)  socket:  where it is asked
//! ```
//!
//! The driver writes on the [`Board`] and never waits for a reader; a reader never waits for the
//! driver. Nothing here decides anything.

mod board;
mod client;
mod concern;
mod control;
mod history;
mod ledger;
mod metrics;
pub mod model;
mod page;
mod reader;
mod reason;
mod rendering;
mod row;
#[cfg(test)]
mod sample;
mod service;
mod snapshot;
mod socket;
mod table;
mod time;
mod watch;

pub use board::{Board, Facts, PUBLISH_EVERY, PUBLISH_SOON, Setup};
pub use client::{ClientError, Place};
pub use control::{
    Answer, Command, Done, Drain, LONGEST, Order, REASON_CHARS, Refused, parse_duration,
};
pub use history::{MINUTES, Minute};
pub use ledger::Ledger;
pub use metrics::{Format, encode};
pub use reader::Reader;
pub use service::{ANSWER_WITHIN, MAX_SILENCE, control, read_only};
pub use snapshot::{PeerSeen, Snapshot, VoteHeard};
pub use socket::{ListenError, SocketFile, listen, open_control};
pub use table::{WIDTH, table};
pub use time::{Moment, Time};
pub use watch::{frame, watch};

/// Changes that are remembered for the page.
pub const CHANGES_KEPT: usize = 50;
