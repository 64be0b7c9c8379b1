//! Which pages of a zone to ask for so that every managed name was read, and no page for nothing.
//!
//! Route 53 lists a zone in order, up to 300 sets at a time, from any name on. Asking once for each
//! name is dear with many names, paging through everything is dear with a big zone, and Route 53
//! takes five requests a second for a whole account. So: start at the first name; every name that
//! the page passed over is settled, there or not; go on from the next name that is still open,
//! wherever that is. That is never more requests than either of the two, and one for most zones.
//!
//! Passing over rests on the order that is documented. Names with characters that are listed escaped
//! are asked for one by one, for where those stand in the order is not said.

use std::cmp::Ordering;
use std::collections::VecDeque;

use super::sets::plain_name;

/// Where a page begins, as Route 53 writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    /// The owner name.
    pub(super) name: String,
    /// The type of record; `None` is the first of that name.
    pub(super) kind: Option<String>,
    /// The set identifier, where a page ended among sets of one name and type.
    pub(super) identifier: Option<String>,
}

/// A page that leads nowhere: it says there is more, but not where, or where we have been.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the listing stopped halfway: after {0} there is said to be more, but not where")]
pub(super) struct Stuck(String);

/// The walk through one zone.
#[derive(Debug)]
pub(super) struct Scan {
    /// Names that are read on one walk, in order, and the walks still to do. Never an empty one.
    walks: VecDeque<VecDeque<String>>,
    /// Where the walk in hand goes on, if not at its first name.
    at: Option<Start>,
}

impl Scan {
    /// A walk by which every one of `names` is read.
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

    /// The page to ask for; `None` when every name was read.
    pub(super) fn wants(&self) -> Option<Start> {
        let name = self.walks.front()?.front()?;
        let first = || Start { name: name.clone(), kind: None, identifier: None };
        Some(self.at.clone().unwrap_or_else(first))
    }

    /// Takes note of where the next page would begin, after the one that was asked for.
    pub(super) fn read(&mut self, next: Option<Start>) -> Result<(), Stuck> {
        let Some(start) = self.wants() else { return Ok(()) };
        if next.as_ref() == Some(&start) {
            return Err(Stuck(start.name));
        }
        let Some(walk) = self.walks.front_mut() else { return Ok(()) };
        let to = next.as_ref().map(|next| plain_name(&next.name));
        match &to {
            None => walk.clear(),
            // Where a name with escapes stands among the others is not said: only the name that was
            // asked for is settled, since all its sets stand together.
            Some(to) if walk.len() == 1 || !is_plain(to) => {
                walk.pop_front_if(|name| name != to);
            }
            Some(to) => walk.retain(|name| order(name, to) != Ordering::Less),
        }
        // In the middle of a name the next page goes on; else it begins at the next open name.
        self.at = next.filter(|_| to.is_some() && to.as_ref() == walk.front());
        if walk.is_empty() {
            self.walks.pop_front();
        }
        Ok(())
    }
}

/// Whether a name has only characters whose place in the order is beyond doubt, also beside those that
/// are listed escaped: `_` is not among them, for it comes after the backslash and before `{`.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
}

/// Route 53's order: labels from right to left with a dot after each, as ASCII.
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
