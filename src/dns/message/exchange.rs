//! One query to a name server and its answer, within a time limit.
//!
//! The answer comes from the address and port that were asked: the UDP socket is connected, so the
//! kernel discards datagrams from elsewhere, and its port is random. Messages that are no answers to
//! the query are ignored.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::Message;
use tokio::net::{TcpStream, UdpSocket};

use super::framing::{read_message, write_message};
use super::{Question, ReceivedMessage, SentQuery};

/// Size of the buffer for one answer by UDP. Larger ones are cut, and malformed then.
pub(crate) const LARGEST_DATAGRAM: usize = 4096;

/// The reason why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// There was no connection, or no socket.
    #[error("no connection")]
    NotConnected(#[source] io::Error),
    /// The exchange ended in an error after the connection was there.
    #[error("no answer")]
    Broken(#[source] io::Error),
    /// There was no answer in time.
    #[error("no answer within {:.1} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The answer was truncated, and there is no better way.
    #[error("the answer is truncated, even by TCP")]
    Truncated,
    /// The query cannot be written.
    #[error("{0}")]
    Unwritable(String),
}

/// Asks `server` by UDP, and by TCP if the answer was truncated, for at most `limit` in all.
///
/// # Errors
///
/// Fails if there is no answer.
pub(crate) async fn ask(
    server: SocketAddr,
    question: &Question,
    limit: Duration,
) -> Result<Message, NoAnswer> {
    let both = async {
        match ask_by_udp(server, question).await? {
            Some(message) => Ok(message),
            None => ask_by_tcp(server, question).await,
        }
    };
    tokio::time::timeout(limit, both).await.unwrap_or(Err(NoAnswer::TimedOut(limit)))
}

/// Opens a UDP socket that receives from `server` alone.
///
/// # Errors
///
/// Fails as the system does, for instance without a route.
pub(crate) async fn connected_socket(server: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    Ok(socket)
}

/// Asks by UDP. Returns `None` if the answer was truncated.
async fn ask_by_udp(server: SocketAddr, question: &Question) -> Result<Option<Message>, NoAnswer> {
    let socket = connected_socket(server).await.map_err(NoAnswer::NotConnected)?;
    let mut query = SentQuery::new(question.clone(), true);
    let mut buffer = vec![0; LARGEST_DATAGRAM];
    loop {
        let bytes = query.encode().map_err(NoAnswer::Unwritable)?;
        socket.send(&bytes).await.map_err(NoAnswer::Broken)?;
        let received = loop {
            let length = socket.recv(&mut buffer).await.map_err(NoAnswer::Broken)?;
            match query.read(&buffer[..length]) {
                ReceivedMessage::Foreign => {}
                received => break received,
            }
        };
        match received {
            ReceivedMessage::Answer(message) => return Ok(Some(*message)),
            ReceivedMessage::Truncated => return Ok(None),
            ReceivedMessage::NoEdns(_) | ReceivedMessage::Foreign => {
                query = SentQuery::new(question.clone(), false);
            }
        }
    }
}

async fn ask_by_tcp(server: SocketAddr, question: &Question) -> Result<Message, NoAnswer> {
    let mut stream = TcpStream::connect(server).await.map_err(NoAnswer::NotConnected)?;
    let mut query = SentQuery::new(question.clone(), true);
    loop {
        let bytes = query.encode().map_err(NoAnswer::Unwritable)?;
        write_message(&mut stream, &bytes).await.map_err(NoAnswer::Broken)?;
        let received = loop {
            let bytes = read_message(&mut stream).await.map_err(NoAnswer::Broken)?;
            match query.read(&bytes) {
                ReceivedMessage::Foreign => {}
                received => break received,
            }
        };
        match received {
            ReceivedMessage::Answer(message) => return Ok(*message),
            ReceivedMessage::Truncated => return Err(NoAnswer::Truncated),
            ReceivedMessage::NoEdns(_) | ReceivedMessage::Foreign => {
                query = SentQuery::new(question.clone(), false);
            }
        }
    }
}

#[cfg(test)]
mod tests;
