//! The past through the engine: as it was, which shows that the history is whole, and with other
//! settings.
//!
//! - `recorded`: a history through the engine that made it, and the differences from it
//! - `asked`: a history with other settings, which are `change`s; `probes` judges them anew, and
//!   `provider` carries out the orders
//! - `observed`: the questions that can be answered
//! - `summary`: the withdrawals of a replay in numbers; `run`: both replays, one beside the other
//! - `drawing`: targets over time, with the `lost` probes; `day`: the last day of each
//! - `moment`: the engine as it was at a past moment
//! - `facts`: facts without the parts that a history rounds
//! - `untrusted`: any bytes as a history

pub(crate) mod asked;
pub(crate) mod change;
mod coming;
pub(crate) mod day;
pub(crate) mod drawing;
pub(crate) mod facts;
pub(crate) mod lost;
pub(crate) mod moment;
pub(crate) mod observed;
mod probes;
mod provider;
pub(crate) mod recorded;
pub(crate) mod run;
pub(crate) mod summary;
#[cfg(test)]
mod tests;
pub(crate) mod untrusted;
