//! What to change so that record sets serve what was decided, and no less than the floor.
//!
//! Planning is a pure function of what the provider lists and what is wished for; planning again
//! after applying the plan gives an empty plan.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

/// The two kinds of address record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4 addresses, in `A` records (RFC 1035).
    A,
    /// IPv6 addresses, in `AAAA` records (RFC 3596).
    Aaaa,
}

impl Family {
    /// The kind of record that holds `address`.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::A } else { Self::Aaaa }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
        })
    }
}

/// Which record set: an owner name and a kind of record (RFC 2181, section 5).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetKey {
    /// The owner name, fully qualified, lower case, without the final dot.
    pub name: String,
    /// The kind of record.
    pub family: Family,
}

impl fmt::Display for SetKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.name, self.family)
    }
}

/// The distinct addresses of each record set, foreign ones included.
///
/// A set that is not there is an empty entry or none at all; what could not be read is never here.
pub type Observed = BTreeMap<SetKey, BTreeSet<IpAddr>>;

/// What was decided about one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wish {
    /// It belongs into every set of its family.
    Serve,
    /// It belongs out of every set, if that leaves the floor.
    Withdraw,
    /// It belongs out of every set whatever is left: the operator's word, for which the floor was
    /// asked when it was given.
    WithdrawAnyway,
}
