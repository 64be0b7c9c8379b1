//! The proof of effect: after the provider's word, each authoritative name server of the zone is asked
//! until it shows the change.
//!
//! It observes confirmed changes, and is no input of any decision: the reconciler sends them into a
//! bounded queue and never waits.
//!
//! - [`section`]: the keys `confirm`, `confirm_servers`, `confirm_timeout`
//! - [`change`]: confirmed changes, and whether DNS can prove them
//! - `answer`: one answer of a name server
//! - `open_change`, `wait_list`: the name servers that show a change; all changes that are waited for
//! - `question`, `asked_server`, `known_servers`, `pace`: the next question, to one address and to all
//! - `watch`: all of one zone, and the report
//! - [`effect`]: the report, and its words
//! - `faults`: the addresses that cannot be asked from here
//! - `servers`: the name servers of a zone
//! - `zone_watch`: the waits of a zone, and the search for its name servers
//! - [`task`]: the questions, and the news

mod answer;
mod asked_server;
pub(crate) mod change;
pub(crate) mod effect;
mod faults;
mod known_servers;
mod open_change;
mod pace;
mod question;
pub(crate) mod section;
mod servers;
pub(crate) mod task;
mod wait_list;
mod watch;
mod zone_watch;

#[cfg(test)]
mod tests;
