//! The reading of answers, as rows.

use hickory_proto::op::{MessageType, OpCode, Query};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::{A, CNAME, NS, SOA};

use super::*;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// Returns an authoritative answer with this code about the A records of `www`.
fn answer(code: ResponseCode, answers: Vec<Record>, authorities: Vec<Record>) -> Message {
    let mut message = Message::new(7, MessageType::Response, OpCode::Query);
    message.metadata.authoritative = true;
    message.metadata.response_code = code;
    message.add_query(Query::query(name("www.example.com."), RecordType::A));
    (message.answers, message.authorities) = (answers, authorities);
    message
}

fn at(owner: &str, last: u8) -> Record {
    Record::from_rdata(name(owner), 60, RData::A(A::new(192, 0, 2, last)))
}

fn soa(ttl: u32, minimum: u32) -> Record {
    let names = [name("ns.example.com."), name("admin.example.com.")];
    let [primary, mailbox] = names;
    let soa = SOA::new(primary, mailbox, 1, 3600, 600, 86_400, minimum);
    Record::from_rdata(name("example.com."), ttl, RData::SOA(soa))
}

fn read(message: &Message) -> Sighting {
    sighting(&name("www.example.com."), Family::A, message)
}

/// Returns the words for an answer that shows neither that 192.0.2.1 is gone nor that 192.0.2.2 is there.
fn instead(sighting: &Sighting) -> [String; 2] {
    [1, 2].map(|last| sighting.instead(ip(last), Family::A))
}

#[test]
fn an_authoritative_answer_shows_the_set_and_nothing_else_does() {
    use ResponseCode::{NXDomain, NoError};
    let alias = RData::CNAME(CNAME(name("other.example.com.")));
    let alias = Record::from_rdata(name("www.example.com."), 60, alias);
    let mut lame = answer(NoError, vec![at("www.example.com.", 2)], vec![]);
    lame.metadata.authoritative = false;
    let delegation = RData::NS(NS(name("ns1.example.net.")));
    let delegation = Record::from_rdata(name("example.com."), 60, delegation);
    let mut referral = answer(NoError, vec![], vec![delegation]);
    referral.metadata.authoritative = false;
    // The message; whether it shows that 192.0.2.1 is gone, and that 192.0.2.2 is there; the words for
    // one that does not.
    let rows = [
        (answer(NoError, vec![at("www.example.com.", 2)], vec![]), [true, true], ["", ""]),
        (
            answer(NoError, vec![at("WWW.Example.com.", 1)], vec![]),
            [false, false],
            ["still 192.0.2.1", "only 192.0.2.1"],
        ),
        (answer(NoError, vec![], vec![soa(600, 60)]), [true, false], ["", "no A record"]),
        (answer(NXDomain, vec![], vec![soa(600, 60)]), [true, false], ["", "no such name"]),
        (
            answer(NoError, vec![at("other.example.com.", 1)], vec![]),
            [true, false],
            ["", "no A record"],
        ),
        (lame, [false, false], ["an answer that is not authoritative"; 2]),
        (
            referral,
            [false, false],
            ["a referral to other name servers, since it is not authoritative"; 2],
        ),
        (answer(ResponseCode::Refused, vec![], vec![]), [false, false], ["REFUSED"; 2]),
        (answer(ResponseCode::ServFail, vec![], vec![]), [false, false], ["SERVFAIL"; 2]),
        (
            answer(NoError, vec![alias, at("other.example.com.", 2)], vec![]),
            [false, false],
            ["an alias for other.example.com."; 2],
        ),
    ];
    for (message, shows, words) in rows {
        let found = read(&message);
        let shown =
            [found.shows(ip(1), ChangeKind::Withdrawn), found.shows(ip(2), ChangeKind::Restored)];
        assert_eq!(shown, shows, "{found:?}");
        for (nth, (words, found)) in words.into_iter().zip(instead(&found)).enumerate() {
            assert!(shows[nth] || words == found, "{words}, not {found}");
        }
    }
}

/// RFC 2308, 5: the smaller one of the TTL of the SOA record and its last field.
#[test]
fn a_negative_answer_says_how_long_it_is_kept() {
    for (ttl, minimum, want) in [(600, 60, 60), (30, 900, 30)] {
        let message = answer(ResponseCode::NXDomain, vec![], vec![soa(ttl, minimum)]);
        let Sighting::Addresses(seen) = read(&message) else { panic!("{message:?}") };
        assert_eq!(seen.negative_ttl, Some(want));
    }
}

#[test]
fn no_answer_and_a_fault_show_nothing() {
    for sighting in [Sighting::Nothing("SERVFAIL".into()), Sighting::Fault("no route".into())] {
        for kind in [ChangeKind::Withdrawn, ChangeKind::Restored, ChangeKind::Added] {
            assert!(!sighting.shows(ip(1), kind), "{sighting:?}");
        }
    }
}
