//! Requests to one server: signed, sent over TCP, and their answers judged.

use std::io;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use tokio::net::TcpStream;

use super::failure::{ServerFailure, of_rcode};
use super::key::TsigKey;
use crate::dns::message::framing::{read_message, write_message};
use crate::text::error_chain;

/// Maximum time from sending requests to the last of their answers.
const MAX_ANSWER: Duration = Duration::from_secs(5);

/// The key and the clock, with which messages are signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signing<'a> {
    /// The key; `None` for a server on loopback that wants none.
    pub(super) key: Option<&'a TsigKey>,
    /// The seconds of Unix time.
    pub(super) now: fn() -> u64,
}

/// A request that is ready to be sent.
#[derive(Debug)]
pub(super) struct SignedRequest<'a> {
    signing: Signing<'a>,
    message: Message,
    bytes: Vec<u8>,
    mac: Vec<u8>,
    signed_at: u64,
}

impl<'a> Signing<'a> {
    /// Signs a message.
    ///
    /// # Errors
    ///
    /// Fails if the message cannot be written or signed.
    pub(super) fn sign(self, mut message: Message) -> Result<SignedRequest<'a>, ServerFailure> {
        let signed_at = (self.now)();
        let mac = match self.key {
            Some(key) => key.sign(&mut message, signed_at).map_err(ServerFailure::rejected)?,
            None => Vec::new(),
        };
        let bytes = message.to_vec();
        let bytes = bytes.map_err(|error| {
            ServerFailure::rejected(format!("the request cannot be written: {error}"))
        })?;
        Ok(SignedRequest { signing: self, message, bytes, mac, signed_at })
    }
}

impl SignedRequest<'_> {
    /// Returns the id.
    pub(super) fn id(&self) -> u16 {
        self.message.metadata.id
    }

    /// Returns the number of bytes.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the answer in `bytes` if it is one, trusted and no refusal. An absent name is a good
    /// answer to a query.
    ///
    /// # Errors
    ///
    /// Returns the consequence of any other answer.
    pub(super) fn answer(&self, bytes: &[u8]) -> Result<Message, ServerFailure> {
        let answer = Message::from_vec(bytes);
        let answer =
            answer.map_err(|error| ServerFailure::lost(format!("a malformed answer: {error}")))?;
        let (asked, told) = (&self.message.metadata, &answer.metadata);
        if told.message_type != MessageType::Response
            || (told.id, told.op_code) != (asked.id, asked.op_code)
        {
            return Err(ServerFailure::lost("an answer to another request"));
        }
        let code = told.response_code;
        let may_be_absent = asked.op_code == OpCode::Query && code == ResponseCode::NXDomain;
        if code != ResponseCode::NoError && !may_be_absent {
            return Err(of_rcode(&answer, self.signing.key.is_some(), self.signed_at));
        }
        // An UPDATE's answer may be the header alone. Source: RFC 2136, 3.8.
        let header_alone = asked.op_code == OpCode::Update && answer.queries.is_empty();
        if answer.queries != self.message.queries && !header_alone {
            return Err(ServerFailure::lost("an answer to another question"));
        }
        if told.truncation {
            return Err(ServerFailure::lost("the answer is truncated, even by TCP"));
        }
        if let Some(key) = self.signing.key {
            let verified = key.verify(bytes, &answer, &self.mac, (self.signing.now)());
            verified.map_err(|untrusted| ServerFailure::lost(untrusted.to_string()))?;
        }
        Ok(answer)
    }
}

/// Sends requests together and receives their answers, as many as come. Returns those that were not
/// answered because the server closed the connection, as a server may after each answer.
///
/// # Errors
///
/// Fails with the first answer that is no success, and if none came at all.
pub(super) async fn exchange<'r, 'a>(
    stream: &mut TcpStream,
    requests: &'r [SignedRequest<'a>],
) -> Result<(Vec<(&'r SignedRequest<'a>, Message)>, Vec<&'r SignedRequest<'a>>), ServerFailure> {
    let mut open: Vec<&SignedRequest<'_>> = requests.iter().collect();
    let mut answered = Vec::new();
    let all = async {
        for request in requests {
            write_message(stream, &request.bytes).await?;
        }
        while !open.is_empty() {
            let bytes = read_message(stream).await?;
            let id = <[u8; 2]>::try_from(bytes.get(..2).unwrap_or_default()).ok();
            let at = id.and_then(|id| {
                open.iter().position(|request| request.id() == u16::from_be_bytes(id))
            });
            let Some(at) = at else {
                let what = "an answer to another request";
                return Ok(Err(ServerFailure::lost(what)));
            };
            let request = open.swap_remove(at);
            match request.answer(&bytes) {
                Ok(message) => answered.push((request, message)),
                Err(failure) => return Ok(Err(failure)),
            }
        }
        Ok(Ok(()))
    };
    let ended = tokio::time::timeout(MAX_ANSWER, all).await;
    match ended {
        Ok(Ok(Err(failure))) => return Err(failure),
        Ok(Err(error)) if answered.is_empty() => return Err(no_answer(&error)),
        Ok(Ok(Ok(())) | Err(_)) => {}
        Err(_) => {
            let what = format!("no answer within {} s", MAX_ANSWER.as_secs());
            return Err(ServerFailure::lost(what));
        }
    }
    Ok((answered, open))
}

fn no_answer(error: &io::Error) -> ServerFailure {
    let why = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the connection was closed before an answer".to_owned(),
        _ => error_chain(error),
    };
    ServerFailure::lost(why)
}
