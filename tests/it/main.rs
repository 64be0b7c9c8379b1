//! The integration tests, one target.

mod check;
mod config;
mod contract;
mod fake_cloudflare;
