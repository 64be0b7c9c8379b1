//! DNS messages: the query, the reading of messages that are received after it, and their transport.
//!
//! Used by dns checks, by the provider for RFC 2136 and for the proof of effect. An answer counts only
//! if it has the id and the question of the query; everything else is [`ReceivedMessage::Foreign`].
//!
//! - [`framing`]: messages over TCP
//! - [`exchange`]: one query and its answer, by UDP or TCP
//! - [`rcode`]: the words for rcodes
//! - [`set`]: record sets in messages

pub(crate) mod exchange;
pub(crate) mod framing;
pub(crate) mod rcode;
pub(crate) mod set;

use hickory_proto::op::{Edns, Header, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

/// The size of answers that a name server may send by UDP: it passes every path without fragments.
/// Source: DNS flag day 2020.
const PAYLOAD: u16 = 1232;

/// The question to a name server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// The name that is asked for, absolute.
    pub(crate) name: Name,
    /// The type of the records that are asked for.
    pub(crate) query_type: RecordType,
    /// Whether the server is asked to look further than its own data. Source: RFC 1035, 4.1.1.
    pub(crate) recursion: bool,
}

/// A query that was sent.
#[derive(Debug, Clone)]
pub(crate) struct SentQuery {
    question: Question,
    id: u16,
    has_edns: bool,
}

/// A message that was received after a query.
#[derive(Debug)]
pub(crate) enum ReceivedMessage {
    /// It is no answer to the query: malformed, or about another question.
    Foreign,
    /// It is the answer, without the records that did not fit.
    Truncated,
    /// It is the answer FORMERR to a query with EDNS: the name server does not know EDNS, or does not
    /// like it.
    NoEdns(Box<Message>),
    /// It is the answer.
    Answer(Box<Message>),
}

impl SentQuery {
    /// Returns a query with a random id. EDNS tells the size of answers that are accepted.
    pub(crate) fn new(question: Question, has_edns: bool) -> Self {
        Self { question, id: rand::random(), has_edns }
    }

    /// Returns the query as a message.
    pub(crate) fn message(&self) -> Message {
        let mut message = Message::new(self.id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = self.question.recursion;
        message.add_query(self.question.query());
        if self.has_edns {
            let mut edns = Edns::new();
            edns.set_max_payload(PAYLOAD);
            message.set_edns(edns);
        }
        message
    }

    /// Returns the query as it is sent.
    ///
    /// # Errors
    ///
    /// Fails in words if the name cannot be written, which no name of the configuration does.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, String> {
        self.message().to_vec().map_err(|error| format!("cannot write the query: {error}"))
    }

    /// Reads a message that was received from the server.
    pub(crate) fn read(&self, bytes: &[u8]) -> ReceivedMessage {
        let mut decoder = BinDecoder::new(bytes);
        let Ok(Header { metadata, counts, .. }) = Header::read(&mut decoder) else {
            return ReceivedMessage::Foreign;
        };
        let is_answer = metadata.id == self.id
            && metadata.message_type == MessageType::Response
            && metadata.op_code == OpCode::Query;
        let same_question = match counts.queries {
            // A server that could not even read the query has no question to repeat.
            0 => metadata.response_code != ResponseCode::NoError,
            1 => Query::read(&mut decoder).is_ok_and(|query| query == self.question.query()),
            _ => false,
        };
        if !is_answer || !same_question {
            return ReceivedMessage::Foreign;
        }
        if metadata.truncation {
            return ReceivedMessage::Truncated;
        }
        let Ok(message) = Message::from_vec(bytes) else { return ReceivedMessage::Foreign };
        let message = Box::new(message);
        if self.has_edns && message.metadata.response_code == ResponseCode::FormErr {
            return ReceivedMessage::NoEdns(message);
        }
        ReceivedMessage::Answer(message)
    }
}

impl Question {
    fn query(&self) -> Query {
        Query::query(self.name.clone(), self.query_type)
    }
}
