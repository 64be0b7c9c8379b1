//! Scenarios in virtual time: several engines, one zone, links that are cut and healed, agents that
//! die, return and stand still.
//!
//! - `world`: the clock, what is to come, and each agent's way to targets and provider; `agent`: one
//!   process; `net`: who reaches whom; `peers`: votes and gossip between agents; `processes`: what
//!   happens to a process; `worker`, `zone`: the DNS worker and the provider; `chance`: dice that can
//!   be thrown again
//! - `agreement`: rows for one engine: what it is told, what it does
//! - `blind`, `ranks`, `halves`, `freshness`, `floor`, `restarts`, `reloads`: stories, each with its claim
//! - `runs`: what the Go agents did wrong in the same situations
//! - `claims`: what must hold whatever happens
//! - `schedule`, `random`: thousands of random schedules, each from one seed

mod agent;
mod agreement;
mod blind;
mod chance;
mod claims;
mod floor;
mod freshness;
mod halves;
mod net;
mod peers;
mod processes;
mod random;
mod ranks;
mod reloads;
mod restarts;
mod runs;
mod schedule;
mod trace;
mod worker;
mod world;
mod zone;
