//! The integration tests, one target.

mod check;
mod config;
