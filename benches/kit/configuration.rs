//! The configuration of a measured agent.

use std::net::IpAddr;

/// A zone that exists nowhere else.
pub(crate) const ZONE: &str = "example.com";

/// How fast is probed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// `interval`, in seconds.
    pub(crate) interval: f64,
    /// `timeout`, in seconds.
    pub(crate) timeout: f64,
    /// `retry_interval`, in seconds.
    pub(crate) retry: f64,
    /// `failure_threshold`; `recovery_threshold` follows it.
    pub(crate) threshold: u32,
}

/// The settings for which the time of a failover is promised.
pub(crate) const PACE: Pace = Pace { interval: 1.0, timeout: 0.5, retry: 0.2, threshold: 3 };

/// A `goavail.toml` for Cloudflare at [`PACE`]. `more` are further lines at the top.
pub(crate) fn toml(targets: &[IpAddr], names: &[String], api_url: &str, more: &str) -> String {
    toml_at(PACE, targets, names, api_url, more)
}

/// The same at another pace.
pub(crate) fn toml_at(
    pace: Pace,
    targets: &[IpAddr],
    names: &[String],
    api_url: &str,
    more: &str,
) -> String {
    let Pace { interval, timeout, retry, threshold } = pace;
    let quoted = |items: Vec<String>| format!("{items:?}");
    let targets = quoted(targets.iter().map(ToString::to_string).collect());
    let names = quoted(names.to_vec());
    format!(
        "failure_threshold = {threshold}\ninterval = {interval}\ntimeout = {timeout}\n\
         retry_interval = {retry}\n{more}\n\
         [Cloudflare]\ndns_domain = \"{ZONE}\"\nhostnames = {names}\nip_addresses = {targets}\n\
         api_url = \"{api_url}\"\n"
    )
}

/// `count` owner names in the zone.
pub(crate) fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("n{number}.{ZONE}")).collect()
}
