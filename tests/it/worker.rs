//! The DNS worker on a zone in memory, in virtual time: it goes on until DNS is as it was ordered,
//! whatever the provider does meanwhile.
//!
//! [`Remote`] is a provider whose calls take time and go wrong as a test tells it; [`Office`] is a
//! worker in front of one, with the driver's end of its desk and of its reports.

#![expect(clippy::unwrap_used, reason = "where a test unwraps, it asserts")]

mod apart;
mod doubts;
mod dry_run;
mod ending;
mod floor;
mod memory;
mod office;
mod property;
mod readings;
mod remote;
mod replacing;
mod reports;
mod retrying;
mod standing;
mod succession;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use goavail::engine::plan::Wish;

use office::Office;
use remote::{Fate, Remote, Request};

/// The name that most tests manage alone.
const WWW: &str = "www.example.com";

/// Another one.
const API: &str = "api.example.com";

/// The TTL of the records that tests put into zones, in seconds.
const TTL: u32 = 120;

/// The address `192.0.2.<last>`.
fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// `ip@name`, by the last byte and the first label.
fn short(name: &str, address: IpAddr) -> String {
    let last = match address {
        IpAddr::V4(address) => address.octets()[3].to_string(),
        IpAddr::V6(address) => address.to_string(),
    };
    format!("{last}@{}", name.split('.').next().unwrap())
}

/// Wishes in words: `+1` serve, `-1` withdraw, `!1` withdraw anyway.
fn wishes(words: &str) -> BTreeMap<IpAddr, Wish> {
    let wish = |word: &str| {
        let (sign, last) = word.split_at(1);
        let wish = match sign {
            "+" => Wish::Serve,
            "-" => Wish::Withdraw,
            "!" => Wish::WithdrawAnyway,
            _ => panic!("{word} begins with neither + nor - nor !"),
        };
        (ip(last.parse().unwrap()), wish)
    };
    words.split_whitespace().map(wish).collect()
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
