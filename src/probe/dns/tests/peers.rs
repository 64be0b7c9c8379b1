//! Peers that forge, cut, truncate, refuse and keep silent.

use hickory_proto::op::{Edns, MessageType, OpCode, Query};
use hickory_proto::rr::Name;
use hickory_proto::rr::rdata::A;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// The answers to a query.
type Replies = fn(&Message) -> Vec<Vec<u8>>;

/// Starts a peer that answers each datagram with these replies. Returns its port.
async fn peer(replies: Replies) -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut buffer = vec![0; 4096];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let query = Message::from_vec(&buffer[..length]).unwrap();
            for reply in replies(&query) {
                socket.send_to(&reply, from).await.unwrap();
            }
        }
    });
    port
}

/// Returns a good answer to a query.
fn good(query: &Message) -> Message {
    let mut reply = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
    reply.add_queries(query.queries.iter().cloned());
    let name = query.queries[0].name().clone();
    reply.add_answer(Record::from_rdata(name, 60, RData::A(A::new(192, 0, 2, 1))));
    reply
}

fn bytes(message: &Message) -> Vec<u8> {
    message.to_vec().unwrap()
}

/// Returns messages that are no answers to the query.
fn foreign(query: &Message) -> Vec<Vec<u8>> {
    let mut other_id = good(query);
    other_id.metadata.id = other_id.metadata.id.wrapping_add(1);
    other_id.metadata.response_code = ResponseCode::ServFail;
    let mut no_response = good(query);
    no_response.metadata.message_type = MessageType::Query;
    let mut other_name = good(query);
    other_name.queries[0].set_name(Name::from_ascii("www.other.test.").unwrap());
    let mut other_type = good(query);
    other_type.queries[0].set_query_type(RecordType::AAAA);
    let mut two = good(query);
    two.add_query(query.queries[0].clone());
    let mut none = good(query);
    none.queries.clear();
    let mut update = good(query);
    update.metadata.op_code = OpCode::Update;
    let mut cut = bytes(&good(query));
    cut.truncate(cut.len() - 3);
    let mut other_id_truncated = good(query);
    other_id_truncated.metadata.id = other_id_truncated.metadata.id.wrapping_add(1);
    other_id_truncated.metadata.truncation = true;
    let messages =
        [other_id, no_response, other_name, other_type, two, none, update, other_id_truncated];
    let junk = [vec![], vec![0], vec![0xff; 11], vec![0xff; 600], cut];
    messages.iter().map(bytes).chain(junk).collect()
}

/// miekg/dns#1155, hickory-dns/hickory-dns#3526 (another id ends the query), meow-rs/meow-rs#365 (any id
/// is fine), tass-belgium/picotcp#251 (any question is).
#[tokio::test]
async fn what_is_no_answer_to_the_query_is_ignored() {
    let port = peer(|query| [foreign(query), vec![bytes(&good(query))]].concat()).await;
    let asks = wanting(question("www.example.test", "A", port), "192.0.2.1");
    assert_eq!(words(&asked_here(&asks, AMPLE).await), "reply");
    let port = peer(foreign).await;
    let found = words(&asked_here(&question("www.example.test", "A", port), SHORT).await);
    let want = "timed out: no answer within 0.3 s (13 messages that are no answers to the query were \
                ignored)";
    assert_eq!(found, want);
}

/// hickory-dns/hickory-dns#629: a guess of the port is enough for an answer.
#[tokio::test]
async fn an_answer_from_elsewhere_is_not_received() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        let elsewhere = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut buffer = vec![0; 4096];
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        let query = Message::from_vec(&buffer[..length]).unwrap();
        elsewhere.send_to(&bytes(&good(&query)), from).await.unwrap();
        std::future::pending::<()>().await;
    });
    let found = words(&asked_here(&question("www.example.test", "A", port), SHORT).await);
    assert_eq!(found, "timed out: no answer within 0.3 s");
}

#[tokio::test]
async fn ids_and_ports_are_new_for_each_query() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let asks = question("www.example.test", "A", socket.local_addr().unwrap().port());
    let (mut ids, mut ports) = (Vec::new(), Vec::new());
    let mut buffer = vec![0; 4096];
    for _ in 0..8 {
        let serve = async {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let query = Message::from_vec(&buffer[..length]).unwrap();
            assert!(query.metadata.recursion_desired);
            assert_eq!(query.edns.as_ref().map(Edns::max_payload), Some(1232));
            ids.push(query.metadata.id);
            ports.push(from.port());
            socket.send_to(&bytes(&good(&query)), from).await.unwrap();
        };
        let (answer, ()) = tokio::join!(asked_here(&asks, AMPLE), serve);
        assert_eq!(words(&answer), "reply");
    }
    for numbers in [&mut ids, &mut ports] {
        numbers.sort_unstable();
        numbers.dedup();
        assert!(numbers.len() > 4, "{numbers:?}");
    }
}

fn formerr(query: &Message, question: bool, edns: bool) -> Vec<u8> {
    let mut reply = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
    reply.metadata.response_code = ResponseCode::FormErr;
    if question {
        reply.add_queries(query.queries.iter().cloned());
    }
    if edns {
        reply.set_edns(Edns::new());
    }
    bytes(&reply)
}

/// zmap/zdns#617, c-ares/c-ares#911 and dns-violations/dns-violations#58 (FORMERR for EDNS, also with the
/// OPT record), wahern/dns#4 and openthread/openthread#7438 (without the question).
#[tokio::test]
async fn a_server_that_does_not_like_edns_is_asked_without() {
    let peers: [Replies; 3] = [
        |query| match query.edns {
            Some(_) => vec![formerr(query, true, false)],
            None => vec![bytes(&good(query))],
        },
        |query| match query.edns {
            Some(_) => vec![formerr(query, true, true)],
            None => vec![bytes(&good(query))],
        },
        |query| match query.edns {
            Some(_) => vec![formerr(query, false, false)],
            None => vec![bytes(&good(query))],
        },
    ];
    for replies in peers {
        let port = peer(replies).await;
        let found = words(&asked_here(&question("www.example.test", "A", port), AMPLE).await);
        assert_eq!(found, "reply");
    }
    let port = peer(|query| vec![formerr(query, true, false)]).await;
    let asks = question("www.example.test", "A", port);
    let found = words(&asked_here(&asks, AMPLE).await);
    assert!(found.starts_with("rcode FORMERR: FORMERR after"), "{found}");
    let asks = DnsSettings { rcode: ResponseCode::FormErr, ..asks };
    assert_eq!(words(&asked_here(&asks, AMPLE).await), "reply");
}

/// meow-rs/meow-rs#365: a record at another name counts.
#[tokio::test]
async fn a_record_at_another_name_is_no_answer() {
    let port = peer(|query| {
        let mut reply = good(query);
        reply.answers[0].name = Name::from_ascii("other.example.test.").unwrap();
        vec![bytes(&reply)]
    });
    let asks = wanting(question("www.example.test", "A", port.await), "192.0.2.1");
    let found = words(&asked_here(&asks, AMPLE).await);
    assert!(found.starts_with("answer: no A record after"), "{found}");
}

#[tokio::test]
async fn aliases_in_a_circle_end() {
    let port = peer(|query| {
        let mut reply = good(query);
        reply.answers.clear();
        let names =
            ["www.example.test.", "a.example.test.", "b.example.test.", "www.example.test."];
        for pair in names.windows(2) {
            let [name, alias] = [pair[0], pair[1]].map(|name| Name::from_ascii(name).unwrap());
            reply.add_answer(Record::from_rdata(name, 60, RData::CNAME(CNAME(alias))));
        }
        vec![bytes(&reply)]
    });
    let asks = wanting(question("www.example.test", "A", port.await), "192.0.2.1");
    let found = words(&asked_here(&asks, AMPLE).await);
    assert!(found.starts_with("answer: no A record after"), "{found}");
}

/// acassen/keepalived#1637: a server that is gone is not missed.
#[tokio::test]
async fn a_closed_port_is_unreachable_at_once_and_silence_times_out() {
    let closed = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let tcp =
        DnsSettings { transport: DnsTransport::Tcp, ..question("www.example.test", "A", port) };
    for asks in [question("www.example.test", "A", port), tcp] {
        let found = words(&asked_here(&asks, AMPLE).await);
        assert!(found.starts_with("unreachable: Connection refused"), "{found}");
    }
    let port = peer(|_| vec![]).await;
    let found = words(&asked_here(&question("www.example.test", "A", port), SHORT).await);
    assert_eq!(found, "timed out: no answer within 0.3 s");
}

fn truncated(query: &Message) -> Vec<Vec<u8>> {
    let mut reply = good(query);
    reply.metadata.truncation = true;
    reply.answers.clear();
    // Some servers cut in the middle of a record.
    let mut reply = bytes(&reply);
    reply[7] = 9;
    vec![reply]
}

/// projectdiscovery/retryabledns#47: the error of the second attempt is lost.
#[tokio::test]
async fn the_reason_names_each_phase_of_tcp() {
    let port = peer(truncated).await;
    let found = words(&asked_here(&question("www.example.test", "A", port), AMPLE).await);
    assert!(
        has(&found, "unreachable: truncated by UDP after  …  ms, then Connection refused"),
        "{found}"
    );

    let rows: [(&[u8], bool, &str); 6] = [
        (&[], true, "unreachable: connect  …  ms, then the connection was closed before an answer"),
        (
            &[0],
            true,
            "unreachable: connect  …  ms, then the connection was closed before an answer",
        ),
        (
            &[0, 9, 1],
            true,
            "unreachable: connect  …  ms, then the connection was closed before an answer",
        ),
        (&[], false, "timed out: connect  …  ms, then no answer within 0.3 s"),
        (&[0xff, 0xff, 1], false, "timed out: connect  …  ms, then no answer within 0.3 s"),
        (&[0, 1, 1, 0, 0], false, "no answer within 0.3 s (2 messages that are no answers"),
    ];
    for (sent, closes, want) in rows {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asks = question("www.example.test", "A", port);
        let asks = DnsSettings { transport: DnsTransport::Tcp, ..asks };
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let length = stream.read_u16().await.unwrap();
            stream.read_exact(&mut vec![0; length.into()]).await.unwrap();
            stream.write_all(sent).await.unwrap();
            if !closes {
                std::future::pending::<()>().await;
            }
        };
        let timeout = if closes { AMPLE } else { SHORT };
        let answer = tokio::select! {
            answer = asked_here(&asks, timeout) => answer,
            answer = async { serve.await; std::future::pending().await } => answer,
        };
        let found = words(&answer);
        assert!(has(&found, want), "{sent:?}: {found}");
    }
}

/// Any bytes are an answer or none, and nothing breaks.
mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read(received in prop::collection::vec(any::<u8>(), 0..200), spoiled in 0..80usize) {
            let asks = wanting(question("www.example.test", "A", 53), "192.0.2.1");
            let (name, query_type) = (asks.query.clone(), asks.query_type);
            let sent = SentQuery::new(Question { name, query_type, recursion: true }, true);
            let _ = sent.read(&received);
            let query = Message::from_vec(&sent.encode().unwrap()).unwrap();
            prop_assert_eq!(query.queries, [Query::query(asks.query.clone(), RecordType::A)]);
            let query = Message::from_vec(&sent.encode().unwrap()).unwrap();
            let mut answer = bytes(&good(&query));
            let at = spoiled % answer.len();
            answer[at] ^= received.first().copied().unwrap_or(1);
            let _ = sent.read(&answer);
        }
    }
}
