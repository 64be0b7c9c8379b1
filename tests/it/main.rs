//! The integration tests, one target.

mod contract;
mod fake_cloudflare;
