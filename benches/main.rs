//! The cost and the speed of goavail, measured in private network namespaces without the
//! Internet:
//!
//! ```text
//! cargo bench                      # all of it, a few minutes
//! cargo bench -- failover idle     # some of it
//! cargo bench -- --long            # more kills and longer windows, for figures to be quoted
//! cargo bench -- huge              # as many addresses as one file holds; not run unless named
//! ```
//!
//! Nothing is asserted but that the figures are measured as described: whether a figure is good is
//! for the reader to decide, with its target beside it. CPU time is the process's own (all threads, user
//! and kernel) and so hardly depends on other work of the machine; times on the clock do, hence the
//! load average in each heading.
//!
//! Needs the tools of the lab (`unshare`, `nsenter`, `ip`); for checks `nginx` and Debian's
//! monitoring-plugins-basic; for providers `named`; and, to compare with, `fping`.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::print_stderr, reason = "what cannot be measured is said loudly")]
#![expect(clippy::disallowed_methods, reason = "measuring is reading the clock")]

mod checks;
mod failover;
mod huge;
mod idle;
mod kit;
mod providers;
mod scale;
mod services;
mod tcp;
mod votes;
mod zones;

/// The tests' own tools.
#[path = "../tests/it"]
#[expect(dead_code, unused_imports, reason = "the benches need a part of them")]
mod it {
    pub(crate) mod agent;
    #[path = "http_probe/authority.rs"]
    #[expect(clippy::unwrap_used, reason = "what fails here fails the bench")]
    pub(crate) mod authority;
    pub(crate) mod fake_cloudflare;
    #[path = "contract/fault_signal.rs"]
    pub(crate) mod fault_signal;
    pub(crate) mod lab;
}

/// The part of the tests' contract suite that the fake Cloudflare needs.
mod contract {
    pub(crate) use crate::it::fault_signal::FaultSignal;
}

use std::process::ExitCode;

use it::{agent, fake_cloudflare, lab};
use kit::privilege;

/// A bench: its name and its function.
type Bench = (&'static str, fn(Scope));

/// All that run unless some are named, in this order.
const BENCHES: [Bench; 9] = [
    ("idle", idle::run),
    ("scale", scale::run),
    ("tcp", tcp::run),
    ("failover", failover::run),
    ("checks", checks::run),
    ("providers", providers::run),
    ("votes", votes::run),
    ("services", services::run),
    ("zones", zones::run),
];

/// The benches that run only if they are named.
const ON_DEMAND: [Bench; 1] = [("huge", huge::run)];

/// How much is to be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// A few minutes for all.
    Short,
    /// For figures to be quoted.
    Long,
}

impl Scope {
    /// One of two values.
    pub(crate) fn pick<T>(self, short: T, long: T) -> T {
        match self {
            Self::Short => short,
            Self::Long => long,
        }
    }
}

fn main() -> ExitCode {
    // `--bench` is cargo's own word.
    let words: Vec<_> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let (options, names): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.starts_with('-'));
    let wanted = |name: &str| names.iter().any(|word| *word == name);
    let all = || BENCHES.iter().chain(&ON_DEMAND);
    let unknown = names.iter().find(|word| all().all(|(name, _)| name != *word));
    let scope = match options.as_slice() {
        [] => Scope::Short,
        [word] if *word == "--long" => Scope::Long,
        // A test runner asks for the tests: there is none.
        [word, ..] if *word == "--list" => return ExitCode::SUCCESS,
        _ => return usage(),
    };
    if unknown.is_some() {
        return usage();
    }
    privilege::obtain();
    let chosen: Vec<_> = if names.is_empty() {
        BENCHES.iter().collect()
    } else {
        all().filter(|(name, _)| wanted(name)).collect()
    };
    for (_, run) in chosen {
        run(scope);
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    let names: Vec<_> = BENCHES.iter().chain(&ON_DEMAND).map(|(name, _)| *name).collect();
    let names = names.join("|");
    eprintln!("usage: cargo bench -- [{names}]... [--long]");
    ExitCode::from(2)
}
