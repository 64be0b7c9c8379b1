//! Limits that keep the code readable, and the documents true.
//!
//! It needs std and goavail alone, and less than a second. Each rule reads the source files as text and is shown to
//! fail on small pieces of code. Where a file is over a limit today, its number is frozen, see [`ratchet`].

mod borders;
mod closures;
mod documents;
mod modules;
mod ratchet;
mod size;
mod source;
mod types;
mod words;
