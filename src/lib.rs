//! goavail watches public addresses from outside and takes the dead ones out of DNS.
//!
//! # The map
//!
//! ```text
//! main -> cli, config, commands, monitor
//!         monitor -> driver, and the effects: probe, dns, cluster, notify, status, state
//!                    driver -> engine
//!         commands -> dns, status
//! effects never name each other; the engine names nothing above it
//! ```
//!
//! | module | what it is for | may use |
//! |---|---|---|
//! | `cli` | the command line, and nothing that it leads to | `config`, `log` |
//! | `config` | what the file, the environment and the command line ask for, validated | `engine`, `file` |
//! | `commands` | `plan`, `status`, `drain`, `undrain`: they ask and end | `config`, `dns`, `status`; `driver`'s view of the settings |
//! | `monitor` | builds the agent: effects, signals, reload, an orderly end | all below |
//! | `driver` | owns the engine: one queue, one clock; also the log of what happened | `config`, `engine`; of the effects, what they send in |
//! | `engine` | every decision; pure, std only, time is a parameter | nothing |
//! | `probe` | asks an endpoint once: echo request or TCP connect | `engine` |
//! | `dns` | the providers, dry-run around them, the worker that makes DNS as it should be | `engine`, `config`, `heart`, `http` |
//! | `cluster` | the other agents: votes and membership | `config`, `heart`, `http`, `serve` |
//! | `notify` | tells people, and never holds anything up | `config`, `http` |
//! | `status` | what the agent shows of itself, and the operator's orders | `config`, `engine`, `heart` |
//! | `state` | what is remembered across restarts | `file` |
//! | `file` | reads files that may never come to their end | nothing |
//! | `heart` | whether the driver's loop still turns | nothing |
//! | `http` | the one place where HTTP clients are built | nothing |
//! | `serve` | the accept loop of both HTTP servers, with its limits | nothing |
//! | `log`, `panics`, `privilege`, `systemd` | what the process is to its surroundings | nothing |
//! | `text` | text from elsewhere, made fit to be shown | nothing |
//!
//! `docs/architecture.md` has the walk of one lost probe, a glossary, and how to add a check, a provider or
//! a channel.
//!
//! # How it works
//!
//! Effects send events into one bounded queue. [`engine::Engine::handle`] takes an event and the time and
//! answers with actions. The driver carries them out beside its loop, and whatever is slow reports back
//! as another event. One task owns the engine, so no lock guards a decision. Time enters in the driver;
//! `disallowed-methods` in `clippy.toml` holds that, and each border that has to read a clock says why.
//!
//! Withdrawing and restoring is level-triggered: an order says what the record sets should serve, and
//! [`dns`]'s worker lists, plans, applies and lists again until they do.

pub mod cli;
pub mod cluster;
pub mod commands;
pub mod config;
pub mod dns;
pub mod driver;
pub mod engine;
pub mod file;
pub mod heart;
pub mod http;
pub mod log;
pub mod monitor;
pub mod notify;
pub mod panics;
pub mod privilege;
pub mod probe;
pub mod serve;
pub mod state;
pub mod status;
pub mod systemd;
pub mod text;

/// An error and its causes in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    text::with_remedy(&line.replace(['\n', '\r'], " ")).into_owned()
}
