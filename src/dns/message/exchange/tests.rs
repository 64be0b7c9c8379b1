//! Name servers that answer well, forge, truncate, refuse EDNS, and keep silent.

use hickory_proto::op::{MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::net::TcpListener;

use super::*;

/// Long enough for an answer on a busy machine.
const AMPLE: Duration = Duration::from_secs(30);

/// The answers to a query.
type Replies = fn(&Message) -> Vec<Message>;

/// Starts a server that answers by UDP and TCP on one port.
async fn server(by_udp: Replies, by_tcp: Replies) -> SocketAddr {
    let (listener, socket) = loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        // Another process may have the port for UDP.
        if let Ok(socket) = UdpSocket::bind(address).await {
            break (listener, socket);
        }
    };
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = vec![0; LARGEST_DATAGRAM];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            for reply in by_udp(&Message::from_vec(&buffer[..length]).unwrap()) {
                socket.send_to(&reply.to_vec().unwrap(), from).await.unwrap();
            }
        }
    });
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            while let Ok(bytes) = read_message(&mut stream).await {
                for reply in by_tcp(&Message::from_vec(&bytes).unwrap()) {
                    write_message(&mut stream, &reply.to_vec().unwrap()).await.unwrap();
                }
            }
        }
    });
    address
}

fn question() -> Question {
    let name = Name::from_ascii("www.example.test.").unwrap();
    Question { name, query_type: RecordType::A, recursion: false }
}

fn good(query: &Message) -> Message {
    let mut reply = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
    reply.add_queries(query.queries.iter().cloned());
    let name = query.queries[0].name().clone();
    reply.add_answer(Record::from_rdata(name, 60, RData::A(A::new(192, 0, 2, 1))));
    reply
}

fn truncated(query: &Message) -> Message {
    good(query).truncate()
}

/// Returns messages that are no answers: one with another id, one with another question.
fn foreign(query: &Message) -> Vec<Message> {
    let (mut id, mut name) = (good(query), good(query));
    id.metadata.id = id.metadata.id.wrapping_add(1);
    name.queries[0].set_name(Name::from_ascii("other.example.test.").unwrap());
    vec![id, name]
}

/// Answers FORMERR to a query with EDNS, as servers before 1999 do.
fn without_edns(query: &Message) -> Vec<Message> {
    let mut reply = good(query);
    if query.edns.is_some() {
        reply.answers.clear();
        reply.metadata.response_code = ResponseCode::FormErr;
    }
    vec![reply]
}

#[tokio::test]
async fn foreign_messages_are_ignored_and_the_query_asks_for_no_recursion() {
    let replies: Replies = |query| {
        assert!(!query.metadata.recursion_desired);
        [foreign(query), vec![good(query)]].concat()
    };
    let server = server(replies, |_| vec![]).await;
    let answer = ask(server, &question(), AMPLE).await.unwrap();
    assert_eq!(answer.answers.len(), 1);
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_by_tcp() {
    let by_tcp: Replies = |query| [foreign(query), vec![good(query)]].concat();
    let server = server(|query| vec![truncated(query)], by_tcp).await;
    let answer = ask(server, &question(), AMPLE).await.unwrap();
    assert_eq!(answer.answers.len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_truncated_by_tcp_too_is_none() {
    let truncated: Replies = |query| vec![truncated(query)];
    let answer = ask(server(truncated, truncated).await, &question(), AMPLE).await;
    assert!(matches!(answer, Err(NoAnswer::Truncated)), "{answer:?}");
}

#[tokio::test]
async fn a_server_without_edns_is_asked_again_without_it() {
    let answer = ask(server(without_edns, without_edns).await, &question(), AMPLE).await.unwrap();
    assert_eq!(answer.answers.len(), 1);
    let only_tcp: Replies = |query| vec![truncated(query)];
    let answer = ask(server(only_tcp, without_edns).await, &question(), AMPLE).await.unwrap();
    assert_eq!(answer.answers.len(), 1);
}

#[tokio::test]
async fn silence_ends_at_the_limit_and_a_closed_port_at_once() {
    let limit = Duration::from_millis(200);
    let silent = server(|_| vec![], |_| vec![]).await;
    let answer = ask(silent, &question(), limit).await.unwrap_err();
    assert_eq!(answer.to_string(), "no answer within 0.2 s");
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let closed = socket.local_addr().unwrap();
    drop(socket);
    let answer = ask(closed, &question(), AMPLE).await;
    assert!(matches!(answer, Err(NoAnswer::Broken(_))), "{answer:?}");
}
