//! HTTP/1.1 connection to one peer's vote port, with pipelined requests.
//!
//! Signed votes must arrive in the order in which they were signed, since a peer rejects a vote
//! that is older than the last one. All of them therefore use one connection. With a round trip for
//! each vote, a peer 100 ms away could receive only ten votes a second, too few for a thousand
//! targets that are repeated every 10 s. HTTP/1.1 permits pipelining (RFC 9112, section 9.3.2), but
//! reqwest does not support it; hence this small client. It reads only the status of an answer and
//! finds where it ends.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::signature::{Form, KNOWN_FORM, SIGNATURE_HEADER};
use super::wire::VotePath;
use crate::http::USER_AGENT;

/// Maximum time to establish a connection, and to wait for the answer to a vote.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Maximum length of an answer with its head, in bytes. Answers of this program are under 200
/// bytes.
const ANSWER_BYTES: usize = 16 * 1024;

/// The relevant parts of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VoteAnswer {
    /// The HTTP status of the answer.
    pub status: u16,
    /// Whether another answer can follow on the same connection.
    pub stays_open: bool,
    /// Whether the peer announces support for the second form of signatures.
    pub knows_v2: bool,
}

impl VoteAnswer {
    /// Whether this is the answer of an agent that knows only the first form of signatures to a
    /// vote signed in `form`.
    pub(crate) fn is_of_version_0_1(self, form: Form) -> bool {
        form == Form::V2 && self.status == 401 && !self.knows_v2
    }

    /// Returns the likely cause of a peer's refusal, for the operator.
    pub(crate) fn meaning(self) -> &'static str {
        match self.status {
            401 => {
                "its crypto_key differs from ours, its local_addr differs from our peers, the \
                 clocks are more than 30 s apart, or it requires signed votes"
            }
            403 => "our local_addr is not in its peers",
            404 => "it does not watch this address",
            _ => "it does not speak our protocol; is this the port of another program?",
        }
    }
}

/// A connection with requests that are not answered yet.
#[derive(Debug)]
pub(crate) struct PipelinedConnection {
    stream: TcpStream,
    peer: SocketAddr,
    /// Bytes read that belong to answers not yet returned.
    unread: Vec<u8>,
}

impl PipelinedConnection {
    /// Connects to `peer` within [`ANSWER_WITHIN`].
    pub(crate) async fn open(peer: SocketAddr) -> io::Result<Self> {
        let stream = timeout(ANSWER_WITHIN, TcpStream::connect(peer)).await??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, peer, unread: Vec::new() })
    }

    /// Sends a vote within [`ANSWER_WITHIN`].
    pub(crate) async fn post(
        &mut self,
        path: VotePath,
        body: &[u8],
        signature: Option<&str>,
    ) -> io::Result<()> {
        let mut request = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {USER_AGENT}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n",
            path.as_str(),
            self.peer,
            body.len()
        );
        if let Some(signature) = signature {
            request.extend([SIGNATURE_HEADER, ": ", signature, "\r\n"]);
        }
        request.push_str("\r\n");
        let mut request = request.into_bytes();
        request.extend_from_slice(body);
        timeout(ANSWER_WITHIN, self.stream.write_all(&request)).await?
    }

    /// Returns the next answer. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// Fails if the peer closes the connection or sends something that is not an answer.
    pub(crate) async fn answer(&mut self) -> io::Result<VoteAnswer> {
        loop {
            if let Some((answer, length)) = parse(&self.unread)? {
                self.unread.drain(..length.min(self.unread.len()));
                // A 1xx response precedes the answer and is not one itself.
                if answer.status >= 200 {
                    return Ok(answer);
                }
                continue;
            }
            if self.unread.len() > ANSWER_BYTES {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is too long"));
            }
            if self.stream.read_buf(&mut self.unread).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Returns the answer at the start of `bytes` and its length in bytes, or `None` if it is
/// incomplete.
///
/// An answer that is not delimited by `Content-Length` is taken to end with its head, because the
/// connection is not used afterwards.
fn parse(bytes: &[u8]) -> io::Result<Option<(VoteAnswer, usize)>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| not_an_answer())?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let version = first.next().filter(|version| version.starts_with("HTTP/1."));
    let status = first.next().filter(|status| status.len() == 3).and_then(|s| s.parse().ok());
    let (Some(version), Some(status)) = (version, status) else { return Err(not_an_answer()) };
    let fields = lines.filter_map(|line| line.split_once(':'));
    let mut length = if status < 200 || status == 204 || status == 304 { Some(0) } else { None };
    let (mut closes, mut knows_v2) = (version == "HTTP/1.0", false);
    for (name, value) in fields {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") && length.is_none() {
            length = Some(value.parse::<usize>().map_err(|_| not_an_answer())?);
        } else if name.eq_ignore_ascii_case("connection") {
            closes |= value.eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            closes = true;
        } else if name.eq_ignore_ascii_case(SIGNATURE_HEADER) {
            knows_v2 |= value == KNOWN_FORM;
        }
    }
    let answer = VoteAnswer { status, stays_open: !closes && length.is_some(), knows_v2 };
    let whole =
        if answer.stays_open { end + 4 + length.unwrap_or(0).min(ANSWER_BYTES) } else { end + 4 };
    Ok((bytes.len() >= whole).then_some((answer, whole)))
}

/// Returns the error of an answer that is malformed.
fn not_an_answer() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not an answer in HTTP/1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &str) -> Result<Option<(u16, bool, usize)>, io::ErrorKind> {
        let found = parse(bytes.as_bytes()).map_err(|cause| cause.kind())?;
        Ok(found.map(|(answer, length)| (answer.status, answer.stays_open, length)))
    }

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let go = "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let ours = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        let long = "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n";
        let cases = [
            ("a Go agent's", go.to_owned(), Ok(Some((200, false, go.len())))),
            ("ours", ours.to_owned(), Ok(Some((200, true, ours.len())))),
            ("two of ours", ours.repeat(2), Ok(Some((200, true, ours.len())))),
            ("half of one", ours[..30].to_owned(), Ok(None)),
            ("its body is missing", format!("{long}ab"), Ok(None)),
            ("with its body", format!("{long}abc"), Ok(Some((404, true, long.len() + 3)))),
            ("an old server's", "HTTP/1.0 501 x\r\n\r\n".into(), Ok(Some((501, false, 18)))),
            (
                "in chunks",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
                Ok(Some((200, false, 47))),
            ),
            ("only announced", "HTTP/1.1 100 Continue\r\n\r\n".into(), Ok(Some((100, true, 25)))),
            ("no HTTP", "SSH-2.0-OpenSSH\r\n\r\n".into(), Err(io::ErrorKind::InvalidData)),
            ("no status", "HTTP/1.1 OK\r\n\r\n".into(), Err(io::ErrorKind::InvalidData)),
        ];
        for (name, bytes, want) in cases {
            assert_eq!(read(&bytes), want, "{name}");
        }
    }

    #[test]
    fn an_answer_says_which_signatures_the_peer_knows() {
        let cases = [
            ("one of version 0.1, or a Go agent", "", false),
            ("one of ours", "goavail-signature: v2\r\n", true),
            ("in other letters", "Goavail-Signature:  v2\r\n", true),
            ("some other form", "goavail-signature: v1\r\n", false),
        ];
        for (name, field, want) in cases {
            let bytes = format!("HTTP/1.1 401 Unauthorized\r\n{field}Content-Length: 0\r\n\r\n");
            let (answer, _) = parse(bytes.as_bytes()).unwrap().unwrap();
            assert_eq!(answer.knows_v2, want, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_a_panic(bytes in any::<Vec<u8>>(), text in "\\PC{0,40}") {
            let _ = parse(&bytes);
            let _ = parse(format!("HTTP/1.1 200 {text}\r\nContent-Length: {text}\r\n\r\n").as_bytes());
            let huge = "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n";
            prop_assert_eq!(parse(huge.as_bytes()).unwrap(), None);
        }
    }
}
