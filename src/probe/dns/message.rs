//! The messages of a dns check: the query, and the reading of answers to it.

use hickory_proto::op::{Edns, Header, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use super::settings::DnsSettings;

/// The size of answers that a name server may send by UDP: it passes every path without fragments.
/// Source: DNS flag day 2020.
const PAYLOAD: u16 = 1232;

/// A query that was sent.
#[derive(Debug)]
pub(super) struct SentQuery<'a> {
    settings: &'a DnsSettings,
    id: u16,
    has_edns: bool,
}

/// A message that was received after a query.
#[derive(Debug)]
pub(super) enum ReceivedMessage {
    /// It is no answer to the query: malformed, or about another question.
    Foreign,
    /// It is the answer, without the records that did not fit.
    Truncated,
    /// The name server does not know EDNS, or does not like it.
    NoEdns,
    /// It is the answer.
    Answer(Box<Message>),
}

impl<'a> SentQuery<'a> {
    /// Returns a query with a random id. EDNS tells the size of answers that are accepted.
    pub(super) fn new(settings: &'a DnsSettings, has_edns: bool) -> Self {
        Self { settings, id: rand::random(), has_edns }
    }

    /// Returns the query as it is sent. It asks for recursion: a resolver needs that to look further
    /// than its cache, and an authoritative server ignores it. Source: RFC 1035, 4.1.1.
    ///
    /// # Errors
    ///
    /// Fails in words if the name cannot be written, which no name of the configuration does.
    pub(super) fn encode(&self) -> Result<Vec<u8>, String> {
        let mut message = Message::new(self.id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        let DnsSettings { query, query_type, .. } = self.settings;
        message.add_query(Query::query(query.clone(), *query_type));
        if self.has_edns {
            let mut edns = Edns::new();
            edns.set_max_payload(PAYLOAD);
            message.set_edns(edns);
        }
        message.to_vec().map_err(|error| format!("cannot write the query: {error}"))
    }

    /// Reads a message that was received from the server.
    pub(super) fn read(&self, bytes: &[u8]) -> ReceivedMessage {
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
            1 => Query::read(&mut decoder).is_ok_and(|query| self.is_question(&query)),
            _ => false,
        };
        if !is_answer || !same_question {
            return ReceivedMessage::Foreign;
        }
        if metadata.truncation {
            return ReceivedMessage::Truncated;
        }
        let Ok(message) = Message::from_vec(bytes) else { return ReceivedMessage::Foreign };
        let is_formerr = message.metadata.response_code == ResponseCode::FormErr;
        if self.has_edns && is_formerr && self.settings.rcode != ResponseCode::FormErr {
            return ReceivedMessage::NoEdns;
        }
        ReceivedMessage::Answer(Box::new(message))
    }

    fn is_question(&self, query: &Query) -> bool {
        let DnsSettings { query: name, query_type, .. } = self.settings;
        *query == Query::query(name.clone(), *query_type)
    }
}
