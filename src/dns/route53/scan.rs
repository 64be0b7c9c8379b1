//! Which pages of a zone to ask for so that every managed name was read, and no page for nothing.
//!
//! Route 53 lists a zone in order, up to 300 sets at a time, from any name on. Asking once for each
//! name is dear with many names, paging through everything is dear with a big zone, and Route 53
//! takes five requests a second for a whole account. So: start at the first name; every name that
//! the page passed over is settled, there or not; go on from the next name that is still open,
//! wherever that is. That is never more requests than either of the two, and one for most zones.
//!
//! Passing over rests on the order, so the order is checked on every page. Where it is not what the
//! documentation says, and for names with characters that are escaped, each name is asked for alone.

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
        let (mut plain, odd): (Vec<_>, Vec<_>) =
            names.into_iter().cloned().partition(|name| is_plain(name));
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

    /// Takes note of the page that was asked for: the names on it, in order, and where the next
    /// page would begin.
    pub(super) fn read(&mut self, names: &[String], next: Option<Start>) -> Result<(), Stuck> {
        let Some(start) = self.wants() else { return Ok(()) };
        let Some(next) = next else {
            self.end_walk();
            return Ok(());
        };
        if next == start {
            return Err(Stuck(start.name));
        }
        let (from, to) = (plain_name(&start.name), plain_name(&next.name));
        let Some(walk) = self.walks.front_mut() else { return Ok(()) };
        if walk.len() == 1 {
            walk.retain(|name| *name == to);
        } else if in_order([&from].into_iter().chain(names).chain([&to])) {
            walk.retain(|name| order(name, &to) != Ordering::Less);
        } else {
            self.go_alone();
            return Ok(());
        }
        self.at = Some(next).filter(|_| walk.front() == Some(&to));
        if walk.is_empty() {
            self.end_walk();
        }
        Ok(())
    }

    fn end_walk(&mut self) {
        self.walks.pop_front();
        self.at = None;
    }

    /// Reads every name of the walk in hand by itself instead.
    fn go_alone(&mut self) {
        self.at = None;
        let names = self.walks.pop_front().unwrap_or_default();
        for name in names.into_iter().rev() {
            self.walks.push_front(VecDeque::from([name]));
        }
    }
}

/// Whether a name has only characters whose place in the order is beyond doubt.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
}

fn in_order<'a>(names: impl Iterator<Item = &'a String>) -> bool {
    let plain: Vec<_> = names.filter(|name| is_plain(name)).collect();
    plain.is_sorted_by(|a, b| order(a, b) != Ordering::Greater)
}

/// Route 53's order: labels from right to left with a dot after each, as ASCII.
///
/// Source: "Sort order" of `ListResourceRecordSets` in the Route 53 API reference.
fn order(a: &str, b: &str) -> Ordering {
    let reversed = |name: &str| name.rsplit('.').fold(String::new(), |all, l| all + l + ".");
    reversed(a).cmp(&reversed(b))
}

#[cfg(test)]
mod tests;
