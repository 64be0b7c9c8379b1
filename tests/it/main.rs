//! The integration tests, one target.

mod contract;
mod fake_cloudflare;
mod moto;
mod proxy;
mod route53;
