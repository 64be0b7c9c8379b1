//! A server in the place of hosted services, which records each request.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

/// Generous: a test that meets it is broken, not slow.
const PATIENT: Duration = Duration::from_mins(1);

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: String,
    /// The path, with the query.
    pub(super) path: String,
    /// The headers, with their names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }
}

/// An answer: the status with its reason, further headers, and the body.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: &'static str,
    pub(super) headers: &'static str,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn new(status: &'static str, body: impl Into<String>) -> Self {
        Self { status, headers: "", body: body.into() }
    }
}

/// A server on loopback.
pub(super) struct StandIn {
    pub(super) address: SocketAddr,
    requests: Receiver<Request>,
}

impl StandIn {
    /// A server that answers by this rule.
    pub(super) fn start(rule: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let Some(request) = read(&stream) else { continue };
                let reply = rule(&request);
                let has_body = !reply.status.starts_with("204");
                let length = if has_body {
                    format!("Content-Length: {}\r\n", reply.body.len())
                } else {
                    String::new()
                };
                let head = format!("HTTP/1.1 {}\r\n{}{length}", reply.status, reply.headers);
                // The client may be gone by then.
                let answer = format!("{head}Connection: close\r\n\r\n{}", reply.body);
                let _ = (&stream).write_all(answer.as_bytes());
                if sender.send(request).is_err() {
                    return;
                }
            }
        });
        Self { address, requests }
    }

    /// The next request.
    pub(super) fn request(&self) -> Request {
        self.requests.recv_timeout(PATIENT).expect("a request comes")
    }

    /// All requests that have come.
    pub(super) fn received(&self) -> Vec<Request> {
        self.requests.try_iter().collect()
    }
}

/// Reads a request; `None` if the connection ends before it does.
fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path, headers, body: String::from_utf8(body).ok()? })
}
