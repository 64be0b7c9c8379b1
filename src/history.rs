//! The history: the grounds of the decisions, kept in a file, for `replay`, `tune` and `explain`.
//!
//! `docs/history.md` has the form of the file. [`bytes`], `codec`, [`entry`], `block`, `crc` are that form;
//! [`recorder`] turns the notes of the engine into entries, and [`reader`] reads them past damage.
//! [`mod@file`] and [`writer`] keep the files, and [`section`] has the keys of the configuration.

pub(crate) mod begin;
pub(crate) mod block;
pub(crate) mod bytes;
mod codec;
mod crc;
pub(crate) mod entry;
pub(crate) mod file;
mod probes;
pub(crate) mod reader;
pub(crate) mod recorder;
pub(crate) mod section;
pub(crate) mod writer;
