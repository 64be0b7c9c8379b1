//! The decisions: pure, std only, time is a parameter.

pub mod plan;
pub mod quorum;
