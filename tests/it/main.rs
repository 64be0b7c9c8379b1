//! The integration tests, one target.

mod check;
mod config;
mod contract;
mod fake_cloudflare;
mod moto;
mod proxy;
mod route53;
mod agent;
mod lab;
