//! The other agents: their votes, who of them is alive, and ours to them.

pub mod seal;
