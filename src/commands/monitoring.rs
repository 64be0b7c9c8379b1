//! Alert rules and a dashboard for monitoring systems, about the metrics of this version.

mod dashboard;
mod panels;
mod rules;

pub(crate) use dashboard::dashboard;
pub(crate) use rules::rules;
