//! What a monitoring system is given about the metrics of this version: alert rules and a dashboard.

mod dashboard;
mod panels;
mod rules;

pub(crate) use dashboard::dashboard;
pub(crate) use rules::rules;
