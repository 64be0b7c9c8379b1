//! goavail monitors public addresses from outside and takes dead ones out of DNS.
//!
//! # The map
//!
//! ```text
//! program -> cli, settings, commands, agent
//!         agent -> settings, engine, history, and the effects: probe, dns, cluster, notify, status, state
//!         commands -> settings, dns, status, history, replay
//!         settings -> the sections that dns, cluster, notify, status and state own -> config
//! effects never name each other; the engine names nothing above it
//! ```
//!
//! | module | purpose | may use |
//! |---|---|---|
//! | `program` | results become exit codes, errors are printed once | `cli`, `settings`, `commands`, `agent` |
//! | `cli` | the command line, independent of the commands themselves | `settings`, `dns`'s registry, `status`'s names of targets, `log` |
//! | `settings` | the settings of the whole agent, from the file, the environment and the command line | the sections of the parts below, `config`, `engine`, `probe`, `http` |
//! | `config` | reading of a configuration file: keys, rules, sections, problems | `engine`, `file`, `text` |
//! | `commands` | `check`, `plan`, `status`, `drain`, `undrain`, `replay`, `tune`: short-lived queries | `cli`, `settings`, `config`, `dns`, `engine`, `file`, `history`, `replay`, `state`, `status` |
//! | `agent` | builds the agent and owns the engine: one queue, one clock; signals, reload, observers | all below |
//! | `engine` | every decision; pure, std only, time is a parameter | nothing |
//! | `probe` | sends one probe to an endpoint: echo request, TCP connect, or a request of a table | `engine`, `http`, `privilege` |
//! | `dns` | the registry of providers, dry-run around them, the reconciler that brings DNS to the desired state | `engine`, `config`, `backoff`, `heart`, `http` |
//! | `cluster` | the other agents: votes and membership | `config`, `engine`, `heart`, `http`, `serve` |
//! | `notify` | sends notices to people, and heartbeats, and never blocks | `config`, `heart`, `http` |
//! | `status` | the status of the agent, and the operator's commands | `config`, `engine`, `heart` |
//! | `history` | the grounds of the decisions, in files | `config`, `engine` |
//! | `replay` | recorded pasts through the engine, as they were and with other settings | `engine`, `history` |
//! | `state` | state kept across restarts | `config`, `file` |
//! | `file` | reads files with a time limit | nothing |
//! | `backoff` | the waits between retries | nothing |
//! | `heart` | detects a stalled event loop | nothing |
//! | `http` | builds all HTTP clients | `file` |
//! | `serve` | the accept loop of both HTTP servers, with its limits | nothing |
//! | `log`, `panics`, `privilege`, `systemd` | the process and its surroundings | nothing |
//! | `text` | formatting and sanitising of text for people | `file` |
//!
//! All modules but `engine` may use `text`, `panics`, `file` and `backoff` as well.
//!
//! `docs/architecture.md` has the walk of one lost probe, a glossary, and how to add a check, a
//! provider or a channel.
//!
//! # Public API
//!
//! Only the boundary of [`engine`] is public, so that a program can run the decisions without any
//! network, as `examples/engine.rs` does. [`testing`] names the items of other modules that the
//! integration tests and the benches use; it is not a stable API and changes with them. All else is
//! private, so that the compiler reports items without a caller. `tests/house/` enforces this.
//!
//! # How it works
//!
//! Effects send events into one bounded queue. [`engine::Engine::handle`] takes an event and the
//! time and returns actions. The event loop executes them beside its loop, and slow ones report back as
//! further events. One task owns the engine, so no lock guards a decision. Time enters in the
//! event loop; `disallowed-methods` in `clippy.toml` enforces that, and each border that has to read a
//! clock gives its reason.
//!
//! Withdrawing and restoring is level-triggered: an order contains the desired record sets, and
//! the reconciler of `dns` lists, plans, applies and lists again until they match.

mod agent;
mod backoff;
mod cli;
mod cluster;
mod commands;
mod config;
mod dns;
pub mod engine;
mod file;
mod heart;
mod history;
mod http;
mod log;
mod notify;
mod panics;
mod privilege;
mod probe;
mod program;
mod replay;
mod serve;
mod settings;
mod state;
mod status;
mod systemd;
pub mod testing;
mod text;

pub use program::main;
