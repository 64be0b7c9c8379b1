//! The integration tests, one target.

mod agent;
mod lab;
