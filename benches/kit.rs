//! The common parts of the benches: capturing packets, reading the use of a process, printing tables.

pub(crate) mod bind;
pub(crate) mod capture;
pub(crate) mod configuration;
pub(crate) mod nginx;
pub(crate) mod privilege;
pub(crate) mod process;
pub(crate) mod provider;
pub(crate) mod table;
