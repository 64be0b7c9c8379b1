//! The pages of a zone to request, so that every managed name is read with few requests.
//!
//! Route 53 lists a zone in order, up to 300 sets at a time, from any name on. One request for each
//! name is expensive with many names, listing everything is expensive with a big zone, and Route 53
//! accepts five requests a second for a whole account. The scan therefore starts at the first name;
//! every name that the page covers is done, whether it exists or not; and the scan continues at the
//! next name that is not done, wherever that is. This never takes more requests than either of the
//! two, and one for most zones.
//!
//! It relies on the documented order. Names with characters that are listed as escapes are
//! requested one by one, because their position in the order is not documented.

use std::cmp::Ordering;
use std::collections::VecDeque;

use super::sets::plain_name;

/// The position at which a page begins, in Route 53's format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    /// The owner name.
    pub(super) name: String,
    /// The type of record; `None` is the first type of that name.
    pub(super) kind: Option<String>,
    /// The set identifier, if a page ended among sets of one name and type.
    pub(super) identifier: Option<String>,
}

/// A page without progress: it announces more sets, but no position or an earlier one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the listing is incomplete: it announces more records after {0}, but not their position")]
pub(super) struct Stuck(String);

/// The scan of one zone.
#[derive(Debug)]
pub(super) struct Scan {
    /// The names of each remaining walk, in order. No walk is empty.
    walks: VecDeque<VecDeque<String>>,
    /// The position at which the current walk continues, if not at its first name.
    at: Option<Start>,
}

impl Scan {
    /// Creates a scan that reads every one of `names`.
    pub(super) fn new<'a>(names: impl IntoIterator<Item = &'a String>) -> Self {
        let (mut plain, mut odd): (Vec<_>, Vec<_>) =
            names.into_iter().cloned().partition(|name| is_plain(name));
        odd.sort_unstable();
        odd.dedup();
        plain.sort_by(|a, b| order(a, b));
        plain.dedup();
        let together = Some(plain).filter(|names| !names.is_empty()).map(VecDeque::from);
        let alone = odd.into_iter().map(|name| VecDeque::from([name]));
        Self { walks: together.into_iter().chain(alone).collect(), at: None }
    }

    /// Returns the position of the page to request; `None` if every name was read.
    pub(super) fn wants(&self) -> Option<Start> {
        let name = self.walks.front()?.front()?;
        let first = Start { name: name.clone(), kind: None, identifier: None };
        Some(self.at.clone().unwrap_or(first))
    }

    /// Records the position of the next page after the requested one.
    pub(super) fn read(&mut self, next: Option<Start>) -> Result<(), Stuck> {
        let Some(start) = self.wants() else { return Ok(()) };
        if next.as_ref() == Some(&start) {
            return Err(Stuck(start.name));
        }
        let Some(walk) = self.walks.front_mut() else { return Ok(()) };
        let to = next.as_ref().map(|next| plain_name(&next.name));
        match &to {
            None => walk.clear(),
            // The position of a name with escapes among the others is not documented: only the
            // requested name is done, because all its sets are adjacent.
            Some(to) if walk.len() == 1 || !is_plain(to) => {
                walk.pop_front_if(|name| name != to);
            }
            Some(to) => walk.retain(|name| order(name, to) != Ordering::Less),
        }
        // In the middle of a name, the next page continues there; otherwise it begins at the next
        // open name.
        self.at = next.filter(|_| to.is_some() && to.as_ref() == walk.front());
        if walk.is_empty() {
            self.walks.pop_front();
        }
        Ok(())
    }
}

/// Whether a name has only characters with a certain position in the order, even beside those that
/// are listed as escapes: `_` is not among them, because it is sorted after the backslash and
/// before `{`.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
}

/// Compares names in Route 53's order: labels from right to left with a dot after each, as ASCII.
///
/// Source: "Sort order" of `ListResourceRecordSets` in the Route 53 API reference.
fn order(a: &str, b: &str) -> Ordering {
    reversed(a).cmp(&reversed(b))
}

fn reversed(name: &str) -> String {
    name.rsplit('.').fold(String::new(), |all, label| all + label + ".")
}

#[cfg(test)]
mod tests;
