//! Where facts go: the log, people, and the status.

pub mod log;
pub(super) mod notices;
pub(super) mod status;
