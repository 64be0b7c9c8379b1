//! The test's own way to a zone: transfers, and updates with a key that may change everything.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::tsig::TsigAlgorithm;
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, TSigner};

use super::servers::ADMIN_SECRET;
use crate::contract::{Entry, ZONE};

/// Returns a name as an absolute one.
pub(crate) fn name(text: &str) -> Name {
    Name::from_ascii(format!("{}.", text.trim_end_matches('.'))).unwrap()
}

/// Returns the current time in seconds of Unix.
#[expect(clippy::disallowed_methods, reason = "a signature is dated by the wall clock")]
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn connect(server: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect(server).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_nodelay(true).unwrap();
    Some(stream)
}

fn send(stream: &mut TcpStream, message: &Message) -> Option<()> {
    let bytes = message.to_vec().unwrap();
    let length = u16::try_from(bytes.len()).unwrap();
    stream.write_all(&[&length.to_be_bytes(), &*bytes].concat()).ok()
}

fn receive(stream: &mut TcpStream) -> Option<Message> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut bytes = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut bytes).ok()?;
    Message::from_vec(&bytes).ok()
}

fn query(kind: RecordType) -> Message {
    let mut message = Message::query();
    message.add_query(Query::query(name(ZONE), kind));
    message
}

/// Returns the serial number of the zone, if the server has it.
pub(crate) fn soa(server: SocketAddr) -> Option<u32> {
    let mut stream = connect(server)?;
    send(&mut stream, &query(RecordType::SOA))?;
    let answer = receive(&mut stream)?;
    answer.answers.iter().find_map(|record| match &record.data {
        RData::SOA(soa) if answer.metadata.authoritative => Some(soa.serial),
        _ => None,
    })
}

/// Returns all records of the zone but those that every zone has, by a transfer.
pub(crate) fn transfer(server: SocketAddr) -> Vec<Entry> {
    let mut stream = connect(server).unwrap();
    send(&mut stream, &query(RecordType::AXFR)).unwrap();
    let (mut entries, mut serials) = (Vec::new(), 0);
    while serials < 2 {
        let message = receive(&mut stream).expect("the transfer ends with the second SOA");
        assert_eq!(message.metadata.response_code, ResponseCode::NoError, "{message}");
        for record in message.answers {
            let is_apex = record.name == name(ZONE);
            match record.record_type() {
                RecordType::SOA => serials += 1,
                RecordType::NS if is_apex => {}
                kind => entries.push(Entry {
                    name: record.name.to_string().trim_end_matches('.').to_ascii_lowercase(),
                    kind: kind.to_string(),
                    value: shown(&record.data),
                    ttl: record.ttl,
                    extras: record.ttl.to_string(),
                }),
            }
        }
    }
    entries.sort();
    entries
}

fn shown(data: &RData) -> String {
    match data {
        RData::TXT(text) => format!("{:?}", text.to_string()),
        other => other.to_string().trim_end_matches('.').to_owned(),
    }
}

fn parsed(entry: &Entry) -> RData {
    let value = entry.value.as_str();
    match entry.kind.as_str() {
        "A" => RData::A(A(value.parse().unwrap())),
        "AAAA" => RData::AAAA(AAAA(value.parse().unwrap())),
        "TXT" => RData::TXT(TXT::new(vec![value.trim_matches('"').to_owned()])),
        "CNAME" => RData::CNAME(CNAME(name(value))),
        "NS" => RData::NS(NS(name(value))),
        "MX" => {
            let (preference, host) = value.split_once(' ').unwrap();
            RData::MX(MX::new(preference.parse().unwrap(), name(host)))
        }
        other => panic!("no record of type {other} is seeded"),
    }
}

/// Returns the record of an entry, to be added.
pub(crate) fn added(entry: &Entry) -> Record {
    Record::from_rdata(name(&entry.name), entry.ttl, parsed(entry))
}

/// Returns the record of an entry, to be deleted by its value.
pub(crate) fn deleted(entry: &Entry) -> Record {
    let mut record = Record::from_rdata(name(&entry.name), 0, parsed(entry));
    record.dns_class = DNSClass::NONE;
    record
}

/// Returns the deletion of a whole set.
pub(crate) fn deleted_set(owner: &str, kind: RecordType) -> Record {
    let mut record = Record::update0(name(owner), 0, kind);
    record.dns_class = DNSClass::ANY;
    record
}

/// Changes the zone with the test's own key.
pub(crate) fn update(server: SocketAddr, changes: impl IntoIterator<Item = Record>) {
    let mut message = Message::new(rand::random(), MessageType::Query, OpCode::Update);
    message.add_query(Query::query(name(ZONE), RecordType::SOA));
    message.add_authorities(changes);
    let secret = BASE64_STANDARD.decode(ADMIN_SECRET).unwrap();
    let signer = TSigner::new(secret, TsigAlgorithm::HmacSha256, name("admin"), 300).unwrap();
    message.finalize(&signer, unix_now()).unwrap();
    let mut stream = connect(server).unwrap();
    send(&mut stream, &message).unwrap();
    let answer = receive(&mut stream).unwrap();
    assert_eq!(answer.metadata.response_code, ResponseCode::NoError, "{message}");
}
