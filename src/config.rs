//! The configuration file: its keys with their rules, and the problems found in it.
//!
//! The file is read by sections. Each part of the program owns its section, next to its code, as a
//! `section::ConfigSection`; [`crate::settings`] puts all of them together. First each value is
//! validated alone, then the values of a section together. All problems are reported at once, and a
//! file with any problem has no effect.

pub(crate) mod address;
pub(crate) mod document;
pub(crate) mod environment;
pub(crate) mod field;
pub(crate) mod in_force;
pub(crate) mod keys;
pub(crate) mod names;
pub(crate) mod own;
pub(crate) mod problem;
pub(crate) mod rule;
pub(crate) mod section;
pub(crate) mod url;
pub(crate) mod value;

pub(crate) use problem::ConfigErrors;

/// Lookup of an environment variable. A variable that is set but empty counts as not set.
pub(crate) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;
