//! The name servers of a zone: from the resolver's file, from a resolver, from the configuration.

use std::sync::{Arc, Mutex};

use hickory_proto::op::{MessageType, OpCode};
use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::NS;
use tokio::net::UdpSocket;

use super::*;

/// The addresses of the resolvers in a file.
fn addresses(text: &str) -> Vec<String> {
    resolvers(text).into_iter().map(shown_address).collect()
}

#[test]
fn the_resolvers_are_read_as_the_system_reads_them() {
    let rows: [(&str, &[&str]); 6] = [
        ("", &["127.0.0.1"]),
        ("# nameserver 192.0.2.1\nsearch example.com\n", &["127.0.0.1"]),
        ("nameserver 127.0.0.53\noptions edns0\n", &["127.0.0.53"]),
        (
            " nameserver\t2001:db8::53 # a comment\nnameserver 192.0.2.1",
            &["2001:db8::53", "192.0.2.1"],
        ),
        (
            "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n",
            &["192.0.2.1", "192.0.2.2", "192.0.2.3"],
        ),
        ("nameserver\nnameserver nonsense\nnameserver 192.0.2.1\n", &["192.0.2.1"]),
    ];
    for (text, want) in rows {
        assert_eq!(addresses(text), want, "{text}");
    }
    let on_link = resolvers("nameserver fe80::1%1\n");
    let SocketAddr::V6(on_link) = on_link[0] else { panic!("{on_link:?}") };
    assert_eq!((on_link.scope_id(), on_link.port()), (1, PORT));
}

/// A resolver on loopback that answers each question by a function, and keeps the questions.
struct Resolver {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Message>>>,
}

impl Resolver {
    async fn new(answer: impl Fn(&mut Message) + Send + 'static) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, asked) =
            (socket.local_addr().unwrap(), Arc::<Mutex<Vec<Message>>>::default());
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let query = Message::from_vec(&buffer[..length]).unwrap();
                log.lock().unwrap().push(query.clone());
                let mut message =
                    Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
                message.queries = query.queries;
                answer(&mut message);
                socket.send_to(&message.to_vec().unwrap(), from).await.unwrap();
            }
        });
        Self { address, asked }
    }
}

fn ns(owner: &str, server: &str) -> Record {
    let server = NS(Name::from_ascii(server).unwrap());
    Record::from_rdata(Name::from_ascii(owner).unwrap(), 60, RData::NS(server))
}

#[tokio::test]
async fn a_resolver_is_asked_with_recursion_for_the_zone_alone() {
    let resolver = Resolver::new(|message| {
        for server in ["NS2.example.net.", "ns1.example.net.", "ns1.example.net."] {
            message.answers.push(ns("example.com.", server));
        }
        message.answers.push(ns("example.net.", "other.example.net."));
    })
    .await;
    let names = names_by("example.com", &[resolver.address]).await.unwrap();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["ns1.example.net", "ns2.example.net"]);
    let asked = resolver.asked.lock().unwrap();
    let [query] = &asked[..] else { panic!("{asked:?}") };
    assert!(query.metadata.recursion_desired);
    let question = &query.queries[0];
    assert_eq!(question.name().to_ascii(), "example.com.");
    assert_eq!(question.query_type(), RecordType::NS);
}

#[tokio::test]
async fn the_next_resolver_is_asked_and_all_reasons_are_given() {
    let failing =
        Resolver::new(|message| message.metadata.response_code = ResponseCode::ServFail).await;
    let empty = Resolver::new(|_| {}).await;
    let good =
        Resolver::new(|message| message.answers.push(ns("example.com.", "ns1.example.net."))).await;
    let all = [failing.address, empty.address, good.address];
    let names = names_by("example.com", &all).await.unwrap();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["ns1.example.net"]);
    let why = names_by("example.com", &all[..2]).await.unwrap_err();
    let want = format!(
        "no resolver names the name servers of example.com: {}: SERVFAIL; {}: no NS record; it is no \
         zone of its own there",
        failing.address, empty.address
    );
    assert_eq!(why, want);
}

/// Returns a listed server at port 5353.
fn listed_server(host: &str) -> ConfirmServer {
    let host = host.parse().map_or_else(|_| ServerHost::Name(host.to_owned()), ServerHost::Address);
    ConfirmServer { host, port: 5353 }
}

#[tokio::test]
async fn listed_servers_need_no_resolver() {
    let nowhere = Path::new("/nonexistent/resolv.conf");
    let listed = ["192.0.2.53", "localhost"].map(listed_server);
    let found = find("example.com", &listed, nowhere).await.unwrap();
    assert_eq!(found[0].name, "192.0.2.53:5353");
    assert_eq!(found[0].addresses, [SocketAddr::from(([192, 0, 2, 53], 5353))]);
    assert_eq!(found[1].name, "localhost");
    assert!(found[1].addresses.iter().all(|it| it.ip().is_loopback() && it.port() == 5353));
    let why = find("example.com", &[], nowhere).await.unwrap_err();
    assert!(why.starts_with("/nonexistent/resolv.conf cannot be read: "), "{why}");
}
