//! Several services and zones in one engine: shared probes, reloads, and the independence of the
//! services from each other.

mod alike;
mod checks;
mod drains;
mod equality;
mod explained;
mod late;
mod ledger;
mod machines;
pub(super) mod max_out;
pub(super) mod random;
mod reasons;
mod rehearsals;
mod reloads;
mod reports;
pub(super) mod returns;
mod sharing;
mod site;
pub(super) mod standby;
mod zones;

use crate::engine::event::Reason;
use site::{Site, target};

/// Returns the reason why a target of the first service is not where its health says.
fn reason(site: &Site, number: u8) -> Option<Reason> {
    site.engine.target_view(target(1, number)).unwrap().reason
}
