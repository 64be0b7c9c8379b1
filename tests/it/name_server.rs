//! A name server in the place of a zone's own: it holds addresses at every name, by UDP and TCP, and
//! behaves as a test wants. It keeps the questions. It ends with the process.

#![expect(clippy::unwrap_used, reason = "where a test unwraps, it asserts")]

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, NS};
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// Long enough for a question on a busy machine.
const PATIENT: Duration = Duration::from_mins(1);

/// The way in which a name server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// With authority for the zone.
    Well,
    /// Without authority, as one that does not have the zone.
    Lame,
    /// With the code REFUSED.
    Refuses,
    /// Not with any message.
    Silent,
    /// With another id than that of the question.
    OtherId,
    /// To another question.
    OtherQuestion,
    /// By UDP without the records, since they do not fit.
    Truncates,
}

/// A question that came in.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) name: String,
    pub(crate) query_type: RecordType,
    /// Whether the server was asked to look further than its own data.
    pub(crate) recursion: bool,
    pub(crate) by_tcp: bool,
}

#[derive(Debug)]
struct State {
    addresses: BTreeSet<IpAddr>,
    /// The name of the only name server of every zone.
    server: Option<Name>,
    manner: Manner,
    asked: Vec<Asked>,
}

/// A running name server.
#[derive(Debug, Clone)]
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl NameServer {
    /// Starts one on loopback that holds these addresses at every name.
    pub(crate) fn start(addresses: &[IpAddr], manner: Manner) -> Self {
        let (socket, listener) = loop {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            // Another process may have the port for UDP.
            if let Ok(socket) = UdpSocket::bind(listener.local_addr().unwrap()) {
                break (socket, listener);
            }
        };
        Self::at(socket, listener, addresses, manner)
    }

    /// As [`Self::start`], with these sockets, in their namespace.
    pub(crate) fn at(
        socket: UdpSocket,
        listener: TcpListener,
        addresses: &[IpAddr],
        manner: Manner,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let addresses = addresses.iter().copied().collect();
        let state = State { addresses, server: None, manner, asked: Vec::new() };
        let server = Self { address, state: Arc::new((Mutex::new(state), Condvar::new())) };
        let by_udp = server.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                for answer in by_udp.answers(&buffer[..length], false) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        let by_tcp = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // The other side may be gone.
                let _ = by_tcp.serve(stream);
            }
        });
        server
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut query)?;
        for answer in self.answers(&query, true) {
            stream.write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes())?;
            stream.write_all(&answer)?;
        }
        Ok(())
    }

    /// Returns the answers to a query.
    fn answers(&self, query: &[u8], by_tcp: bool) -> Vec<Vec<u8>> {
        let query = Message::from_vec(query).unwrap();
        let question = query.queries[0].clone();
        let mut state = self.state.0.lock().unwrap();
        state.asked.push(Asked {
            name: question.name().to_ascii(),
            query_type: question.query_type(),
            recursion: query.metadata.recursion_desired,
            by_tcp,
        });
        self.state.1.notify_all();
        let mut answer = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
        answer.metadata.authoritative = true;
        let mut records = Vec::new();
        for address in &state.addresses {
            let data = match (address, question.query_type()) {
                (IpAddr::V4(address), RecordType::A) => RData::A(A(*address)),
                (IpAddr::V6(address), RecordType::AAAA) => RData::AAAA(AAAA(*address)),
                _ => continue,
            };
            records.push(Record::from_rdata(question.name().clone(), 60, data));
        }
        if let (Some(server), RecordType::NS) = (&state.server, question.query_type()) {
            let data = RData::NS(NS(server.clone()));
            records.push(Record::from_rdata(question.name().clone(), 60, data));
        }
        answer.queries = vec![question];
        match state.manner {
            Manner::Silent => return vec![],
            Manner::Truncates if !by_tcp => answer.metadata.truncation = true,
            Manner::Well | Manner::Truncates => answer.answers = records,
            Manner::Lame => {
                answer.metadata.authoritative = false;
                answer.answers = records;
            }
            Manner::Refuses => answer.metadata.response_code = ResponseCode::Refused,
            // An empty answer would show any withdrawal.
            Manner::OtherId => answer.metadata.id = query.metadata.id.wrapping_add(1),
            Manner::OtherQuestion => {
                let other = Name::from_ascii("other.example.org.").unwrap();
                answer.queries = vec![Query::query(other, RecordType::A)];
            }
        }
        vec![answer.to_vec().unwrap()]
    }

    /// The text of `confirm_servers` for it.
    pub(crate) fn text(&self) -> String {
        self.address.to_string()
    }

    /// Holds these addresses at every name from now on.
    pub(crate) fn hold(&self, addresses: &[IpAddr]) {
        self.state.0.lock().unwrap().addresses = addresses.iter().copied().collect();
    }

    /// Names this name server as the only one of every zone.
    pub(crate) fn name(&self, server: &str) {
        self.state.0.lock().unwrap().server = Some(Name::from_ascii(server).unwrap());
    }

    /// Answers in another way from now on.
    pub(crate) fn behave(&self, manner: Manner) {
        self.state.0.lock().unwrap().manner = manner;
    }

    /// The questions so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.0.lock().unwrap().asked.clone()
    }

    /// Waits until it was asked `count` times more.
    pub(crate) fn wait_asked(&self, count: usize) {
        let state = self.state.0.lock().unwrap();
        let wanted = state.asked.len() + count;
        let result = self.state.1.wait_timeout_while(state, PATIENT, |it| it.asked.len() < wanted);
        assert!(!result.unwrap().1.timed_out(), "{} was not asked", self.address);
    }
}
