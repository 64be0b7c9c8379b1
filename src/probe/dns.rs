//! One query to a name server: its rcode, and a record of its answer, are as asked for.
//!
//! An answer counts only if it comes from the address and port that were asked, with the id and the
//! question of the query. Everything else is ignored until the timeout, so nobody off the path can
//! forge a reply or a loss.

pub(crate) mod settings;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{RData, Record, RecordType};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::Instant;

use super::now;
use super::route::{Routes, Waited};
use super::tcp::{is_about_the_target, open};
use crate::dns::message::exchange::{LARGEST_DATAGRAM, connected_socket};
use crate::dns::message::framing::{read_message, write_message};
use crate::dns::message::rcode::rcode_word;
use crate::dns::message::{Question, ReceivedMessage, SentQuery};
use crate::engine::event::ProbeRequest;
use crate::engine::types::{Answer, Endpoint, WrongAnswer};
use crate::text::{error_chain, first_few, milliseconds, one_line, seconds};
use settings::{DnsSettings, DnsTransport};

/// Number of the records of an answer that are shown.
const SHOWN_RECORDS: usize = 3;

/// Maximum number of characters of a record that are shown.
const SHOWN_CONTENT: usize = 60;

/// One exchange with a name server.
struct Exchange<'a> {
    settings: &'a DnsSettings,
    probe: &'a ProbeRequest,
    routes: &'a Routes,
    server: SocketAddr,
    progress: Mutex<QueryProgress>,
}

/// How far an exchange has come.
#[derive(Debug)]
struct QueryProgress {
    began: Instant,
    /// The phases that have ended, in words.
    done: Vec<String>,
    /// The event that ends the present phase.
    awaited: &'static str,
    /// The number of messages that were no answer to the query.
    foreign: usize,
}

/// Asks the name server at the address of `probe`.
pub(crate) async fn ask(settings: &DnsSettings, probe: &ProbeRequest, routes: &Routes) -> Answer {
    let began = now();
    let endpoint = Endpoint::connect(probe.endpoint.address, settings.port);
    let probe = &ProbeRequest { endpoint, listen_for: probe.timeout, ..*probe };
    let progress = QueryProgress { began, done: Vec::new(), awaited: "answer", foreign: 0 };
    let exchange = Exchange {
        settings,
        probe,
        routes,
        server: SocketAddr::new(probe.endpoint.address, settings.port),
        progress: Mutex::new(progress),
    };
    match routes.wait(probe, began, pin!(exchange.run())).await {
        Waited::Ended(Ok(message)) => exchange.judge(&message),
        Waited::Ended(Err(answer)) => answer,
        Waited::Fault(what) => Answer::Fault(what),
        Waited::Silence => Answer::TimedOut(exchange.progress().in_words(probe.timeout)),
    }
}

impl Exchange<'_> {
    /// Returns the answer of the server.
    ///
    /// # Errors
    ///
    /// Returns the answer of the probe if there is none.
    async fn run(&self) -> Result<Message, Answer> {
        match self.settings.transport {
            DnsTransport::Udp => match self.by_udp().await? {
                Some(message) => Ok(message),
                None => self.by_tcp().await,
            },
            DnsTransport::Tcp => self.by_tcp().await,
        }
    }

    /// Asks by UDP. Returns `None` if the answer was truncated. The socket is connected, so the kernel
    /// discards datagrams from elsewhere; its port is random.
    async fn by_udp(&self) -> Result<Option<Message>, Answer> {
        let socket = connected_socket(self.server).await.map_err(|error| own_fault(&error))?;
        let mut query = self.query(true);
        self.send(&socket, &query).await?;
        let mut buffer = vec![0; LARGEST_DATAGRAM];
        loop {
            let length = socket.recv(&mut buffer).await.map_err(|error| self.no_answer(&error))?;
            match self.read(&query, &buffer[..length]) {
                ReceivedMessage::Answer(message) => return Ok(Some(*message)),
                ReceivedMessage::Foreign => self.progress().foreign += 1,
                ReceivedMessage::NoEdns(_) => {
                    query = self.query(false);
                    self.send(&socket, &query).await?;
                }
                ReceivedMessage::Truncated => {
                    self.progress().phase_ended("truncated by UDP after", "answer");
                    return Ok(None);
                }
            }
        }
    }

    /// Returns a new query. It asks for recursion: a resolver needs that to look further than its
    /// cache, and an authoritative server ignores it.
    fn query(&self, has_edns: bool) -> SentQuery {
        let DnsSettings { query, query_type, .. } = self.settings;
        let question = Question { name: query.clone(), query_type: *query_type, recursion: true };
        SentQuery::new(question, has_edns)
    }

    /// Reads a message from the server. FORMERR may be the wanted answer.
    fn read(&self, query: &SentQuery, bytes: &[u8]) -> ReceivedMessage {
        match query.read(bytes) {
            ReceivedMessage::NoEdns(message) if self.settings.rcode == ResponseCode::FormErr => {
                ReceivedMessage::Answer(message)
            }
            received => received,
        }
    }

    async fn send(&self, socket: &UdpSocket, query: &SentQuery) -> Result<(), Answer> {
        let bytes = query.encode().map_err(Answer::Fault)?;
        match socket.send(&bytes).await {
            Ok(_) => Ok(()),
            Err(error) if is_about_the_target(&error) => Err(self.no_answer(&error)),
            Err(error) => Err(own_fault(&error)),
        }
    }

    /// Asks by TCP.
    async fn by_tcp(&self) -> Result<Message, Answer> {
        self.progress().awaited = "connection by TCP";
        let mut stream = open(self.probe, self.routes).await.map_err(|answer| match answer {
            Answer::Unreachable(what) => Answer::Unreachable(self.progress().followed_by(&what)),
            answer => answer,
        })?;
        self.progress().phase_ended("connect", "answer");
        let mut query = self.query(true);
        self.write(&mut stream, &query).await?;
        loop {
            let buffer = read_message(&mut stream).await.map_err(|error| self.no_answer(&error))?;
            match self.read(&query, &buffer) {
                ReceivedMessage::Answer(message) => return Ok(*message),
                // Nothing can follow by a better way.
                ReceivedMessage::Foreign | ReceivedMessage::Truncated => {
                    self.progress().foreign += 1;
                }
                ReceivedMessage::NoEdns(_) => {
                    query = self.query(false);
                    self.write(&mut stream, &query).await?;
                }
            }
        }
    }

    async fn write(&self, stream: &mut TcpStream, query: &SentQuery) -> Result<(), Answer> {
        let bytes = query.encode().map_err(Answer::Fault)?;
        write_message(stream, &bytes).await.map_err(|error| self.no_answer(&error))
    }

    /// Returns the answer of a probe that ended in an error after its query had left this machine.
    fn no_answer(&self, error: &io::Error) -> Answer {
        match self.routes.silent_gateway(self.probe.endpoint, now()) {
            Some(what) if !is_about_the_target(error) => return Answer::Fault(what),
            _ => {}
        }
        let what = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the connection was closed before an answer".to_owned(),
            _ => error.to_string(),
        };
        Answer::Unreachable(self.progress().followed_by(&what))
    }

    /// Judges the answer of the server.
    fn judge(&self, message: &Message) -> Answer {
        let DnsSettings { rcode, query_type, answer, .. } = self.settings;
        let took = self.progress().began.elapsed();
        let code = message.metadata.response_code;
        if code != *rcode {
            let (code, wanted) = (rcode_word(code), rcode_word(*rcode));
            let what = format!("{code} after {} (wanted {wanted})", milliseconds(took));
            return self.failed(format!("rcode {code}"), &what);
        }
        let Some(wanted) = answer else { return Answer::Reply(took) };
        let records = answers(message, self.settings);
        if records.iter().any(|record| wanted.is_in(record)) {
            return Answer::Reply(took);
        }
        let shown: Vec<_> = records.iter().map(|record| shown(&record.data.to_string())).collect();
        let found = match &*shown {
            [] => format!("no {query_type} record"),
            shown => first_few(shown, SHOWN_RECORDS, ", "),
        };
        let what = format!("{found} after {} (wanted {wanted})", milliseconds(took));
        self.failed("answer".to_owned(), &what)
    }

    fn failed(&self, kind: String, what: &str) -> Answer {
        Answer::Failed(WrongAnswer { kind, reason: self.progress().followed_by(what) })
    }

    fn progress(&self) -> MutexGuard<'_, QueryProgress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueryProgress {
    /// Begins the next phase. The one that has ended is reported with the time from the beginning.
    fn phase_ended(&mut self, phase: &str, awaited: &'static str) {
        self.done.push(format!("{phase} {}", milliseconds(self.began.elapsed())));
        self.awaited = awaited;
    }

    /// Returns an end with the phases before it.
    fn followed_by(&self, what: &str) -> String {
        match &*self.done {
            [] => what.to_owned(),
            done => format!("{}, then {what}", done.join(", ")),
        }
    }

    /// Returns the reason of a loss by silence.
    fn in_words(&self, timeout: Duration) -> String {
        let silence = format!("no {} within {}", self.awaited, seconds(timeout));
        let silence = self.followed_by(&silence);
        match self.foreign {
            0 => silence,
            1 => format!("{silence} (one message that is no answer to the query was ignored)"),
            n => format!("{silence} ({n} messages that are no answers to the query were ignored)"),
        }
    }
}

/// Returns the records that answer the question: those of its type, at its name, or at the name that
/// its aliases lead to.
fn answers<'a>(message: &'a Message, settings: &DnsSettings) -> Vec<&'a Record> {
    let DnsSettings { query, query_type, .. } = settings;
    let mut names = vec![query];
    let mut aliases: Vec<_> = message.answers.iter().collect();
    // Each round takes one alias at least, and each alias is taken once.
    while let Some(at) = aliases
        .iter()
        .position(|record| matches!(record.data, RData::CNAME(_)) && names.contains(&&record.name))
    {
        if let RData::CNAME(CNAME(name)) = &aliases.swap_remove(at).data {
            names.push(name);
        }
    }
    let records = message.answers.iter().filter(|record| names.contains(&&record.name));
    records.filter(|it| [it.record_type(), RecordType::ANY].contains(query_type)).collect()
}

fn own_fault(error: &io::Error) -> Answer {
    Answer::Fault(error_chain(error))
}

/// Returns the content of a record, as it is shown.
fn shown(content: &str) -> String {
    let content = one_line(content, ' ');
    match content.char_indices().nth(SHOWN_CONTENT) {
        Some((end, _)) => format!("{}…", &content[..end]),
        None => content,
    }
}

#[cfg(test)]
mod tests;
