//! Peers played by hand: their requests and their answers.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::harness::{Harness, PATIENT};

/// A vote as a Go agent sends it, to the byte, but for `more` header lines.
pub(crate) fn vote(to: SocketAddr, body: &[u8], more: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {to}\r\nUser-Agent: Go-http-client/1.1\r\nConnection: close\r\n\
         Content-Length: {length}\r\nContent-Type: application/json\r\n{more}\
         Accept-Encoding: gzip\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// Sends `request` from the place of agent `from`; the answer's status.
pub(crate) fn post(harness: &Harness, from: usize, to: SocketAddr, request: &[u8]) -> u16 {
    let answer = harness.lab.agent(from).run(|| {
        let mut stream = TcpStream::connect_timeout(&to, PATIENT)?;
        stream.set_read_timeout(Some(PATIENT))?;
        stream.write_all(request)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        std::io::Result::Ok(answer)
    });
    let answer = answer.expect("it answers");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no answer: {answer}"))
}

/// Answers each vote that comes to `listener` with `answer`; passes the bodies on.
pub(crate) fn answering(
    harness: &Harness,
    listener: TcpListener,
    answer: &'static str,
) -> Receiver<String> {
    let (sender, told) = channel();
    harness.runtime().spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                while let Some(body) = body_of(&mut stream).await {
                    // The test may have heard enough.
                    let _ = sender.send(body);
                    if stream.write_all(answer.as_bytes()).await.is_err()
                        || answer.contains("Connection: close")
                    {
                        return;
                    }
                }
            });
        }
    });
    told
}

/// The body of the next request; `None` at the end.
async fn body_of(stream: &mut BufReader<tokio::net::TcpStream>) -> Option<String> {
    let (mut line, mut length) = (String::new(), 0);
    while stream.read_line(&mut line).await.ok()? > 2 {
        let field = line.to_ascii_lowercase();
        if let Some(value) = field.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        line.clear();
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    (length > 0).then(|| String::from_utf8_lossy(&body).into_owned())
}
