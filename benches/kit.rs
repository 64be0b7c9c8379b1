//! What the benches share: seeing packets, reading what a process has used, printing tables.

pub(crate) mod capture;
pub(crate) mod configuration;
pub(crate) mod privilege;
pub(crate) mod process;
pub(crate) mod provider;
pub(crate) mod table;
