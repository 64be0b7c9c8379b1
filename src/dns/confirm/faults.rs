//! The addresses of name servers that this machine cannot ask, such as IPv6 ones without IPv6 here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::answer::Sighting;
use super::question::Answered;

/// Time for which all questions about a change have to fail before an address is left out. A shorter
/// loss of the route is no reason: the server may still show the old state.
const LEFT_OUT_AFTER: Duration = Duration::from_secs(10);

/// Faults in a row at one address.
#[derive(Debug)]
struct FaultRow {
    /// The times of the first and of the last question.
    sent: [Instant; 2],
    /// The last fault, in words.
    why: String,
}

/// The faults since the last answer of each address.
#[derive(Debug, Default)]
pub(super) struct AddressFaults(BTreeMap<SocketAddr, FaultRow>);

impl AddressFaults {
    /// Records an answer, or the lack of one.
    pub(super) fn record(&mut self, answer: &Answered) {
        let Sighting::Fault(why) = &answer.sighting else {
            self.0.remove(&answer.server);
            return;
        };
        let first = self.0.get(&answer.server).map_or(answer.sent, |row| row.sent[0]);
        let row = FaultRow { sent: [first, answer.sent], why: why.clone() };
        self.0.insert(answer.server, row);
    }

    /// Keeps the faults of these addresses.
    pub(super) fn keep(&mut self, addresses: &BTreeSet<SocketAddr>) {
        self.0.retain(|address, _| addresses.contains(address));
    }

    /// Returns the reason why an address is not waited for, for a change made at `at`: all questions
    /// about it failed here, for a while.
    pub(super) fn excuse(&self, address: SocketAddr, at: Instant) -> Option<&str> {
        let FaultRow { sent: [first, last], why } = self.0.get(&address)?;
        let time = last.saturating_duration_since(at.max(*first));
        (time >= LEFT_OUT_AFTER).then_some(why)
    }
}
