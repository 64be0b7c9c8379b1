//! The integration tests, one target.

mod agent;
mod check;
mod config;
mod contract;
mod e2e;
mod fake_cloudflare;
mod lab;
mod moto;
mod proxy;
mod route53;
