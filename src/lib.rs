//! goavail watches public addresses from outside and takes the dead ones out of DNS.

pub mod cli;
pub mod cluster;
pub mod commands;
pub mod config;
pub mod dns;
pub mod driver;
pub mod engine;
pub mod http;
pub mod log;
pub mod monitor;
pub mod notify;
pub mod privilege;
pub mod probe;
pub mod serve;
pub mod state;
pub mod status;
pub mod systemd;

/// An error and its causes in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line.replace(['\n', '\r'], " ")
}
