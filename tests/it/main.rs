//! The integration tests, one target.

mod contract;
mod moto;
mod proxy;
mod route53;
