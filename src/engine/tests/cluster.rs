//! Scenarios in virtual time: several engines, one zone, links that are cut and healed, agents that
//! die, return and stand still.
//!
//! - `world`: the clock, what is to come, and each agent's way to targets and provider; `agent`: one
//!   process; `net`: who reaches whom; `peers`: votes and gossip between agents; `worker`, `zone`:
//!   the DNS worker and the provider; `chance`: dice that can be thrown again
//! - `claims`: what must hold whatever happens
//! - `schedule`, `random`: thousands of random schedules, each from one seed

mod agent;
mod chance;
mod claims;
mod net;
mod peers;
mod random;
mod schedule;
mod worker;
mod world;
mod zone;
