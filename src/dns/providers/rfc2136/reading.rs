//! The reading of one record set: its query, and the content of its answer.

use std::net::IpAddr;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};

use super::failure::{FailureKind, ServerFailure};
use crate::dns::message::set::{owner, record_type};
use crate::dns::message::{Question, SentQuery};
use crate::dns::{Attributes, Extra, Listing, Record};
use crate::engine::plan::{Family, SetKey};

/// Returns the query for a set, without recursion.
///
/// # Errors
///
/// Fails if the name is none, which no name of the configuration is.
pub(super) fn query(set: &SetKey) -> Result<Message, ServerFailure> {
    let name = owner(&set.name).map_err(ServerFailure::rejected)?;
    let query_type = record_type(set.family);
    Ok(SentQuery::new(Question { name, query_type, recursion: false }, false).message())
}

/// Adds the content of an answer to a listing. Trouble of the name is its own.
///
/// # Errors
///
/// Fails if the server does not answer for the zone.
pub(super) fn add(
    listing: &mut Listing,
    set: &SetKey,
    answer: &Message,
    zone: &str,
) -> Result<(), ServerFailure> {
    let name = owner(&set.name).map_err(ServerFailure::rejected)?;
    let zone = owner(zone).map_err(ServerFailure::rejected)?;
    let records = answer.answers.iter();
    let own = records.filter(|it| it.name == name && it.dns_class == DNSClass::IN);
    let alias = own.clone().find_map(|record| match &record.data {
        RData::CNAME(CNAME(target)) => Some(target),
        _ => None,
    });
    if let Some(target) = alias {
        let target = target.to_string();
        let target = target.trim_end_matches('.');
        let why = format!(
            "{} is a CNAME of {target}: no address can be published beside it (RFC 1034)",
            set.name
        );
        listing.leave_out_name(&set.name, why);
        return Ok(());
    }
    if let Some(cut) = delegation(answer, &name, &zone) {
        let why =
            format!("{} belongs to the zone {cut}, which is delegated to other servers", set.name);
        listing.leave_out_name(&set.name, why);
        return Ok(());
    }
    if !answer.metadata.authoritative {
        let what = "the answer is not authoritative; the server does not have the zone";
        return Err(ServerFailure::new(FailureKind::NoPrimary, what));
    }
    if answer.metadata.response_code == ResponseCode::NXDomain {
        return Ok(());
    }
    for record in own {
        let address: IpAddr = match (&record.data, set.family) {
            (RData::A(A(address)), Family::A) => (*address).into(),
            (RData::AAAA(AAAA(address)), Family::Aaaa) => (*address).into(),
            _ => continue,
        };
        let attributes = Attributes { ttl: record.ttl, extra: Extra::None };
        listing.add(set.clone(), Record { address, id: String::new(), attributes });
    }
    Ok(())
}

/// Returns the name of the zone below this one that a name belongs to, if the answer refers to its
/// servers.
fn delegation(answer: &Message, name: &Name, zone: &Name) -> Option<String> {
    if answer.metadata.authoritative || !answer.answers.is_empty() {
        return None;
    }
    let mut servers = answer.authorities.iter().filter(|it| it.record_type() == RecordType::NS);
    let cut =
        servers.find(|it| zone.zone_of(&it.name) && it.name != *zone && it.name.zone_of(name))?;
    Some(cut.name.to_string().trim_end_matches('.').to_owned())
}

/// Reads an answer of any content to a query of a name server. For the fuzzer.
pub(crate) fn read_any(message: &[u8]) {
    let set = SetKey { name: "www.example.com".to_owned(), family: Family::A };
    if let Ok(answer) = Message::from_vec(message) {
        let _ = add(&mut Listing::default(), &set, &answer, "example.com");
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{MessageType, OpCode};
    use hickory_proto::rr::Record as Rr;
    use hickory_proto::rr::rdata::NS;

    use super::*;

    const ZONE: &str = "example.com";

    fn set() -> SetKey {
        SetKey { name: "www.a.example.com".to_owned(), family: Family::A }
    }

    fn answer(is_authoritative: bool, records: &[(&str, RData)]) -> Message {
        let mut message = Message::new(1, MessageType::Response, OpCode::Query);
        message.metadata.authoritative = is_authoritative;
        for (name, data) in records {
            message.add_answer(Rr::from_rdata(owner(name).unwrap(), 60, data.clone()));
        }
        message
    }

    fn listed(answer: &Message) -> Result<Listing, ServerFailure> {
        let mut listing = Listing::default();
        add(&mut listing, &set(), answer, ZONE).map(|()| listing)
    }

    /// Returns the listing from an answer that refers to the servers of another zone.
    fn referral(at: &str) -> Result<Listing, ServerFailure> {
        let mut message = answer(false, &[]);
        let server = RData::NS(NS(owner("ns.example.net").unwrap()));
        message.add_authority(Rr::from_rdata(owner(at).unwrap(), 60, server));
        listed(&message)
    }

    #[test]
    fn only_the_records_of_the_set_are_listed() {
        let answer = answer(
            true,
            &[
                ("WWW.a.example.com", RData::A(A::new(192, 0, 2, 1))),
                ("other.example.com", RData::A(A::new(192, 0, 2, 2))),
                ("www.a.example.com", RData::A(A::new(192, 0, 2, 3))),
                ("www.a.example.com", RData::AAAA(AAAA("2001:db8::1".parse().unwrap()))),
            ],
        );
        let listing = listed(&answer).unwrap();
        let found: Vec<_> = listing.sets[&set()].iter().map(|it| it.address.to_string()).collect();
        assert_eq!(found, ["192.0.2.1", "192.0.2.3"]);
    }

    #[test]
    fn an_alias_and_a_delegation_are_trouble_of_the_name() {
        let target = RData::CNAME(CNAME(owner("cdn.example.net").unwrap()));
        let why = listed(&answer(true, &[("www.a.example.com", target)])).unwrap().unfit;
        assert!(why[&set()].starts_with("www.a.example.com is a CNAME of cdn.example.net"));
        assert_eq!(why.len(), 2, "A and AAAA");
        let why = referral("a.example.com").unwrap().unfit;
        assert!(why[&set()].contains("belongs to the zone a.example.com"), "{why:?}");
        for at in ["com", "example.com", "b.example.com"] {
            assert_eq!(referral(at).unwrap_err().kind, FailureKind::NoPrimary, "{at}");
        }
    }

    #[test]
    fn an_answer_without_authority_is_no_empty_set() {
        let failure = listed(&answer(false, &[])).unwrap_err();
        assert_eq!(failure.kind, FailureKind::NoPrimary);
        assert_eq!(listed(&answer(true, &[])).unwrap(), Listing::default());
    }
}
