//! Scenarios in virtual time: one engine, a world with targets that answer or not, a zone.

mod cluster;
mod explaining;
mod guards;
mod healing;
mod isolation;
mod network;
mod pace;
pub(crate) mod recording;
mod services;
mod story;
mod upcoming;
pub(super) mod world;
