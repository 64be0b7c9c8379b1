//! The terms of the engine as bytes, a file for each kind: `terms` the words that all use, `settings`,
//! `events` those of the journal, `facts` the decisions.

mod events;
mod facts;
mod settings;
mod terms;
