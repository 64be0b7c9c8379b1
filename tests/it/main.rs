//! The integration tests, one target.

mod agent;
mod check;
mod config;
mod contract;
mod driver;
mod fake_cloudflare;
mod lab;
mod moto;
mod proxy;
mod route53;
mod worker;
