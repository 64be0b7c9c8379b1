//! goavail watches public addresses from outside and takes the dead ones out of DNS.

pub mod cluster;
pub mod config;
pub mod dns;
pub mod engine;
pub mod http;
pub mod privilege;
pub mod serve;
pub mod state;
pub mod status;
pub mod systemd;
