//! The agent as the person on call meets it: the real binary in a lab, asked and ordered with
//! `goavail status`, `drain`, `undrain` and `plan`, and over HTTP. Belongs here: the contract between
//! a running agent and its readers and operators. A single part (the
//! routes, the table, the state file) is tested beside that part.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

mod draining;
mod explaining;
mod garbage;
pub(crate) mod harness;
mod names;
mod neighbours;
mod past;
mod planning;
mod remembering;
mod returning;
mod secrets;
mod views;
