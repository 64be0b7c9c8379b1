//! The integration tests, one target.

mod agent;
mod lab;
mod notify;
