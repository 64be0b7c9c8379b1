//! The effect of a change: its state at each name server, and the words for it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::change::{ChangeId, ChangeKind, Obstacle};
use crate::engine::ids::{ServiceId, ZoneId};
use crate::engine::plan::SetKey;
use crate::text::first_few;

/// Port of name servers.
pub(crate) const PORT: u16 = 53;

/// Maximum number of name servers that a sentence names.
const NAMED: usize = 3;

/// A name server of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameServer {
    /// Its name, or its address if that is all there is.
    pub(crate) name: String,
    /// All of its addresses.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The reason why it has no address, in words.
    pub(crate) trouble: Option<String>,
}

/// The state of a change at one address of a name server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ServerState {
    /// It shows the change, since this time after the provider's confirmation.
    Shows(Duration),
    /// It does not show the change; its last answer, in words.
    Waiting(Option<String>),
    /// It cannot be asked from here, in words.
    Unasked(String),
}

/// The state of a change at one name server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerEffect {
    /// The name of the server.
    pub(crate) name: String,
    /// The address that is asked; `None` if there is none.
    pub(crate) address: Option<SocketAddr>,
    /// The state of the change there.
    pub(crate) state: ServerState,
}

/// The progress of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EffectState {
    /// Some name servers do not show it yet.
    Waiting,
    /// All name servers that can be asked show it.
    Visible,
    /// The timeout is over, and some name servers do not show it.
    NotVisible,
}

/// A change of one address that the provider confirmed, as name servers show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChangeEffect {
    /// The number of the change in its zone.
    pub(crate) id: ChangeId,
    /// The service of the address; `None` if it is gone.
    pub(crate) service: Option<ServiceId>,
    /// The address in question.
    pub(crate) address: IpAddr,
    /// The kind of the change.
    pub(crate) kind: ChangeKind,
    /// The owner names.
    pub(crate) names: Vec<String>,
    /// The time of the provider's confirmation.
    pub(crate) at: Instant,
    /// Time from when the change was first desired to the confirmation.
    pub(crate) took: Duration,
    /// The progress of the change.
    pub(crate) state: EffectState,
    /// Time from the confirmation until the last name server showed the change; until the report, if
    /// one does not show it, and zero in the state.
    pub(crate) after: Duration,
    /// Time in seconds for which caches may keep an answer from before the change, if it is known.
    pub(crate) ttl: Option<u32>,
    /// The state at each name server.
    pub(crate) servers: Vec<ServerEffect>,
    /// The reason why no name server is known, in words.
    pub(crate) trouble: Option<String>,
}

/// Something that the confirmer reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EffectNews {
    /// All name servers show a change.
    Visible {
        /// The change in question.
        effect: ChangeEffect,
        /// Whether it had been reported as not visible.
        was_overdue: bool,
    },
    /// The timeout is over, and a name server does not show the change.
    NotVisible(ChangeEffect),
    /// A change that was reported as not visible is no longer waited for, since something undid it.
    GivenUp(ChangeId),
    /// The changes of a set cannot be proven, and are not waited for.
    Unprovable(SetKey, Obstacle),
    /// The name servers of the zone cannot be found, in words.
    NoServers(String),
    /// The name servers of the zone are found again.
    ServersFound,
    /// The state of the last change and of those that are not visible, and the number of all that are
    /// not. The newest change is the first, and the oldest may be left out.
    State(Vec<ChangeEffect>, usize),
    /// Nothing is waited for any more, since the waits are lost.
    Lost,
}

/// News about a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ZoneNews {
    /// The zone in question.
    pub(crate) zone: ZoneId,
    /// The name of its provider for people.
    pub(crate) provider: &'static str,
    /// The news about it.
    pub(crate) news: EffectNews,
}

impl ChangeKind {
    /// Returns the words for the provider, for name servers that show the change, for those that do
    /// not, and for caches.
    fn words(self) -> [&'static str; 4] {
        match self {
            Self::Withdrawn => ["out", "gone from", "still not gone from", "from caches"],
            Self::Restored => ["back", "shown by", "still not shown by", "in caches"],
            Self::Added => ["in", "shown by", "still not shown by", "in caches"],
        }
    }
}

impl ChangeEffect {
    /// Describes the effect: `out at Cloudflare after 0.2 s, gone from all 4 name servers after 3.1 s,
    /// from caches by 14:02:11 (TTL 60)`. Both times are since the change was first desired. `visible_at`
    /// is the time at which the last name server showed it.
    pub(crate) fn in_words(&self, provider: &str, visible_at: SystemTime) -> String {
        let [out, gone, not_gone, caches] = self.kind.words();
        let since = span(self.took + self.after);
        let took = span(self.took);
        if self.state != EffectState::Visible {
            // The state is not reported again for the time alone, which would be out of date.
            let since =
                if self.after.is_zero() { String::new() } else { format!("and after {since} ") };
            let missing = self.missing_in_words();
            return format!("{out} at {provider} after {took}, {since}{not_gone} {missing}");
        }
        let mut words = format!(
            "{out} at {provider} after {took}, {gone} {} after {since}",
            self.all_in_words()
        );
        if let Some(ttl) = self.ttl {
            let by = time_of_day(visible_at, ttl);
            let _ = write!(words, ", {caches} by {by} (TTL {ttl})");
        }
        words
    }

    /// Returns the names of the servers with an address in a state that `is_counted` accepts.
    fn servers_that(&self, is_counted: impl Fn(&ServerState) -> bool) -> BTreeSet<&str> {
        let counted = self.servers.iter().filter(|server| is_counted(&server.state));
        counted.map(|server| server.name.as_str()).collect()
    }

    /// Returns the number of name servers that can be asked.
    fn asked(&self) -> usize {
        self.servers_that(|state| !matches!(state, ServerState::Unasked(_))).len()
    }

    /// Describes all name servers: `all 4 name servers`.
    fn all_in_words(&self) -> String {
        let (asked, all) = (self.asked(), self.servers_that(|_| true).len());
        let here = if asked < all { " that can be asked from here" } else { "" };
        match asked {
            1 if here.is_empty() => "the only name server".to_owned(),
            1 => format!("the only name server{here}"),
            2 => format!("both name servers{here}"),
            asked => format!("all {asked} name servers{here}"),
        }
    }

    /// Names the servers that do not show the change, with their answers.
    fn missing_in_words(&self) -> String {
        if let Some(trouble) = &self.trouble {
            return format!("any name server: {trouble}");
        }
        let waiting = self.servers_that(|state| matches!(state, ServerState::Waiting(_))).len();
        let missing: Vec<String> = self.missing().collect();
        let named = first_few(&missing, NAMED, "; ");
        match self.asked() {
            0 => format!("any name server: {named}"),
            asked => format!("{waiting} of {asked} name servers: {named}"),
        }
    }

    /// Iterates over the addresses of name servers that do not show the change, each with its answer.
    /// Those that cannot be asked are among them if that is all of them.
    pub(crate) fn missing(&self) -> impl Iterator<Item = String> {
        let none = self.asked() == 0;
        self.servers.iter().filter_map(move |server| match &server.state {
            ServerState::Waiting(answer) => {
                let answer = answer.as_deref().unwrap_or("not asked yet");
                Some(format!("{}: {answer}", server.in_words()))
            }
            ServerState::Unasked(why) if none => Some(format!("{}: {why}", server.in_words())),
            _ => None,
        })
    }

    /// Returns the time at which the last name server showed it.
    pub(crate) fn visible_at(&self) -> Instant {
        self.at + self.after
    }

    /// Returns the verb for the change and its preposition.
    pub(crate) fn verb(&self) -> [&'static str; 2] {
        match self.kind {
            ChangeKind::Withdrawn => ["withdrew", "from"],
            ChangeKind::Restored => ["restored", "to"],
            ChangeKind::Added => ["added", "to"],
        }
    }
}

impl ServerEffect {
    /// Returns the name of the server with its address: `ns2.example.net (192.0.2.53)`.
    pub(crate) fn in_words(&self) -> String {
        let Some(address) = self.address else { return self.name.clone() };
        let shown = shown_address(address);
        if shown == self.name { shown } else { format!("{} ({shown})", self.name) }
    }
}

/// Returns an address without the usual port.
pub(crate) fn shown_address(address: SocketAddr) -> String {
    match address.port() {
        PORT => address.ip().to_string(),
        _ => address.to_string(),
    }
}

/// Formats a duration: `12 ms`, `0.2 s`, `140.2 s`.
fn span(duration: Duration) -> String {
    if duration < Duration::from_millis(100) {
        return format!("{} ms", duration.as_millis());
    }
    format!("{:.1} s", duration.as_secs_f64())
}

/// Returns the time of day in UTC of a time `ttl` seconds after `at`, rounded up to a second.
fn time_of_day(at: SystemTime, ttl: u32) -> String {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let whole = since.as_secs() + u64::from(since.subsec_nanos() > 0) + u64::from(ttl);
    let [hour, minute, second] = [whole / 3600 % 24, whole / 60 % 60, whole % 60];
    format!("{hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests;
