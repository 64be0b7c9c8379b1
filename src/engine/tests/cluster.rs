//! Scenarios in virtual time: several engines, one zone, links that are cut and healed, agents that
//! die, return and are suspended.
//!
//! - `world`: the clock, the queue of events, and each agent's connection to targets and provider;
//!   `agent`: one process; `net`: the reachability of agents and targets; `peers`: votes and gossip
//!   between agents; `services`: several services, numbered by each agent in its own order;
//!   `processes`: start, death and suspension of a process; `worker`, `zone`, `provider`: the
//!   reconciler and the provider; `chance`: reproducible random numbers
//! - `agreement`: rows for one engine: the votes it receives, the actions it requests
//! - `alike`, `blind`, `ranks`, `halves`, `freshness`, `floor`, `restarts`, `reloads`, `returns`, `several`, `standby`:
//!   stories, each with its claim
//! - `runs`: the failures of the Go agents in the same situations
//! - `claims`: the invariants of every schedule
//! - `schedule`, `random`: thousands of random schedules, each from one seed

mod agent;
mod agreement;
pub(super) mod alike;
mod blind;
pub(super) mod chance;
mod claims;
mod floor;
mod freshness;
mod halves;
pub(super) mod max_out;
mod net;
mod peers;
mod processes;
mod provider;
pub(super) mod random;
mod ranks;
mod rehearsals;
mod reloads;
mod restarts;
mod returns;
mod runs;
mod schedule;
mod services;
mod several;
pub(super) mod standby;
mod trace;
mod worker;
mod world;
mod zone;
