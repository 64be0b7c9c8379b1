//! The reconciler on a zone in memory, in virtual time: it works until the zone is as ordered,
//! despite all failures of the provider.
//!
//! [`Remote`] is a provider with calls that take time and fail as a test scripts them. [`Harness`]
//! is a reconciler in front of one, with the agent's ends of its mailbox and its reports.

#![expect(clippy::unwrap_used, reason = "where a test unwraps, it asserts")]

mod dry_run;
mod ending;
mod floor;
mod handover;
mod harness;
mod listings;
mod memory;
mod permits;
mod property;
mod rejections;
mod remote;
mod replacing;
mod reports;
mod retrying;
mod services;
mod standby;
mod uncertain;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use goavail::engine::plan::Desired;

use harness::Harness;
use remote::{Outcome, Remote, Request};

/// The only name of most tests.
const WWW: &str = "www.example.com";

/// Another managed name.
const API: &str = "api.example.com";

/// The TTL of the records in the zones of the tests, in seconds.
const TTL: u32 = 120;

/// Returns the address `192.0.2.<last>`.
fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// Returns `ip@name`, by the last byte and the first label.
fn short(name: &str, address: IpAddr) -> String {
    let last = match address {
        IpAddr::V4(address) => address.octets()[3].to_string(),
        IpAddr::V6(address) => address.to_string(),
    };
    format!("{last}@{}", name.split('.').next().unwrap())
}

/// Parses desired states: `+1` serve, `-1` withdraw, `!1` withdraw anyway, `^1` withdraw first, `~1` stand
/// by if one serves, `=1` stay.
fn desired(words: &str) -> BTreeMap<IpAddr, Desired> {
    let state = |word: &str| {
        let (sign, last) = word.split_at(1);
        let state = match sign {
            "+" => Desired::Serve,
            "-" => Desired::Withdraw,
            "!" => Desired::WithdrawAnyway,
            "^" => Desired::WithdrawFirst,
            "~" => Desired::StandBy(1),
            "=" => Desired::Stay,
            _ => panic!("{word} begins with none of + - ! ^ ~ ="),
        };
        (ip(last.parse().unwrap()), state)
    };
    words.split_whitespace().map(state).collect()
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
