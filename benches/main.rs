//! What goavail costs and how fast it is, measured in private network namespaces without the
//! Internet:
//!
//! ```text
//! cargo bench                      # all of it, a few minutes
//! cargo bench -- failover idle     # some of it
//! cargo bench -- --long            # more kills and longer windows, for figures to be quoted
//! ```
//!
//! Nothing is asserted but that the figures are what they say they are: whether a figure is good is
//! for the reader, who finds its target beside it. CPU time is the process's own (all threads, user
//! and kernel) and so hardly depends on what else the machine does; times on the clock do, hence the
//! load average in each heading.
//!
//! Needs what the lab needs (`unshare`, `nsenter`, `ip`) and, to compare with, `fping`.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::print_stderr, reason = "what cannot be measured is said loudly")]
#![expect(clippy::disallowed_methods, reason = "measuring is reading the clock")]

mod failover;
mod idle;
mod kit;
mod scale;
mod tcp;
mod votes;

/// The tests' own tools.
#[path = "../tests/it"]
#[expect(dead_code, unused_imports, reason = "the benches need a part of them")]
mod it {
    pub(crate) mod agent;
    pub(crate) mod fake_cloudflare;
    pub(crate) mod lab;
    #[path = "contract/met.rs"]
    pub(crate) mod met;
}

/// What the fake Cloudflare takes from the tests' contract suite.
mod contract {
    pub(crate) use crate::it::met::Met;
}

use std::process::ExitCode;

use it::{agent, fake_cloudflare, lab};
use kit::privilege;

/// A bench: its name and what runs it.
type Bench = (&'static str, fn(Scope));

/// All of them, in the order in which they run.
const BENCHES: [Bench; 5] = [
    ("idle", idle::run),
    ("scale", scale::run),
    ("tcp", tcp::run),
    ("failover", failover::run),
    ("votes", votes::run),
];

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
    let chosen = |(name, _): &&Bench| names.is_empty() || names.iter().any(|word| word == name);
    let unknown = names.iter().find(|word| BENCHES.iter().all(|(name, _)| name != *word));
    let scope = match options.as_slice() {
        [] => Scope::Short,
        [word] if *word == "--long" => Scope::Long,
        // A test runner asks what there is to run: no test.
        [word, ..] if *word == "--list" => return ExitCode::SUCCESS,
        _ => return usage(),
    };
    if unknown.is_some() {
        return usage();
    }
    privilege::obtain();
    BENCHES.iter().filter(chosen).for_each(|(_, run)| run(scope));
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    let names = BENCHES.map(|(name, _)| name).join("|");
    eprintln!("usage: cargo bench -- [{names}]... [--long]");
    ExitCode::from(2)
}
