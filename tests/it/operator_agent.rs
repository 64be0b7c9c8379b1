//! The agent as the person on call meets it: the real binary in a lab, asked and ordered with
//! `goavail status`, `drain`, `undrain` and `plan`, and over HTTP. Belongs here: what holds between
//! a running agent and those who look at it or give it orders. What one part does by itself (the
//! routes, the table, the state file) is tested beside that part.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

pub(crate) mod desk;
mod draining;
mod names;
mod neighbours;
mod noise;
mod planning;
mod remembering;
mod secrets;
mod showing;
