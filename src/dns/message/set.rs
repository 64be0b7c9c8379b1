//! Record sets in DNS messages: their owner names and types.

use hickory_proto::rr::{Name, RecordType};

use crate::engine::plan::Family;

/// Returns a name without its final dot as an absolute one.
///
/// # Errors
///
/// Fails in words if it is no name, which no name of the configuration is.
pub(crate) fn owner(name: &str) -> Result<Name, String> {
    let parsed = Name::from_ascii(format!("{name}."));
    parsed.map_err(|error| format!("{name} is no domain name: {error}"))
}

/// Returns the type of the records of a family.
pub(crate) fn record_type(family: Family) -> RecordType {
    match family {
        Family::A => RecordType::A,
        Family::Aaaa => RecordType::AAAA,
    }
}
