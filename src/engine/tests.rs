//! Scenarios in virtual time: one engine, a world that answers or not, a zone.

mod guards;
mod healing;
mod isolation;
mod pace;
mod world;
