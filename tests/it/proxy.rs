//! An HTTP proxy that lets requests through to a server, notes them, and spoils those it is told to.

#![expect(clippy::unwrap_used, reason = "where a test unwraps, it asserts")]

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A request that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// `GET`, `POST` ...
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// The body of the request.
    pub(crate) body: String,
}

/// The treatment of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Spoil {
    /// This answer, a whole HTTP response; the server never hears of the request.
    Answer(String),
    /// No answer, ever; the server never hears of the request.
    Hang,
    /// The connection ends; the server never hears of the request.
    CutBefore,
    /// The server does as it is asked, and its answer is lost.
    CutAfter,
    /// The server does as it is asked, and half of its answer's body arrives.
    HalfABody,
}

/// Which requests are meant.
pub(crate) type Which = fn(&Request) -> bool;

/// A running proxy. It ends when this is dropped.
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) url: String,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    /// `host:port` of the server.
    server: String,
    plans: Mutex<Vec<Plan>>,
    seen: Mutex<Vec<Request>>,
}

struct Plan {
    which: Which,
    spoil: Spoil,
    met: oneshot::Sender<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// A proxy before the server at `host:port`, on the runtime of the test.
    pub(crate) async fn before(server: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            server: server.to_owned(),
            plans: Mutex::default(),
            seen: Mutex::default(),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { url, state, task }
    }

    /// Spoils the next request that is meant, once, and tells `met` when it came.
    pub(crate) fn spoil(&self, which: Which, spoil: Spoil, met: oneshot::Sender<()>) {
        self.state.plans.lock().unwrap().push(Plan { which, spoil, met });
    }

    /// As [`Proxy::spoil`], for a test that does not wait for it.
    pub(crate) fn spoil_next(&self, which: Which, spoil: Spoil) {
        self.spoil(which, spoil, oneshot::channel().0);
    }

    /// The requests that were seen so far and are meant.
    pub(crate) fn seen(&self, which: Which) -> Vec<Request> {
        self.state.seen.lock().unwrap().iter().filter(|r| which(r)).cloned().collect()
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream, Arc::clone(&state)));
        }
    }
}

/// Serves one request; the connection is not kept for a second one.
async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let Some((request, raw)) = read(&mut stream).await else { return };
    let plan = state.take_plan(&request);
    state.seen.lock().unwrap().push(request);
    let (spoil, met) = plan.map(|plan| (plan.spoil, plan.met)).unzip();
    if let Some(met) = met {
        let _ = met.send(()); // A test may have no wish to know.
    }
    match spoil {
        None => {
            let _ = stream.write_all(&forward(&state.server, &raw).await).await;
        }
        Some(Spoil::Answer(answer)) => {
            let _ = stream.write_all(answer.as_bytes()).await;
        }
        Some(Spoil::Hang) => std::future::pending().await,
        Some(Spoil::CutBefore) => {}
        Some(Spoil::CutAfter) => {
            forward(&state.server, &raw).await;
        }
        Some(Spoil::HalfABody) => {
            let answer = forward(&state.server, &raw).await;
            let head = head_length(&answer).unwrap();
            // Of an answer without a body, half of the head arrives.
            let whole = if head == answer.len() { 0 } else { head };
            let _ = stream.write_all(&answer[..whole.midpoint(answer.len())]).await;
        }
    }
}

impl State {
    fn take_plan(&self, request: &Request) -> Option<Plan> {
        let mut plans = self.plans.lock().unwrap();
        let position = plans.iter().position(|plan| (plan.which)(request))?;
        Some(plans.remove(position))
    }
}

/// A whole request, parsed and as it came. `None` if the client went away before.
async fn read(stream: &mut TcpStream) -> Option<(Request, Vec<u8>)> {
    let mut raw = Vec::new();
    loop {
        if let Some(request) = parse(&raw) {
            return Some((request, raw));
        }
        if stream.read_buf(&mut raw).await.ok()? == 0 {
            return None;
        }
    }
}

fn head_length(raw: &[u8]) -> Option<usize> {
    raw.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn parse(raw: &[u8]) -> Option<Request> {
    let head = head_length(raw)?;
    let text = std::str::from_utf8(&raw[..head]).unwrap();
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
    });
    let body = raw.get(head..head + length.unwrap_or(0))?;
    let mut words = text.split(' ');
    Some(Request {
        method: words.next()?.to_owned(),
        target: words.next()?.to_owned(),
        body: String::from_utf8(body.to_vec()).unwrap(),
    })
}

/// The server's answer, whole.
async fn forward(server: &str, raw: &[u8]) -> Vec<u8> {
    let mut upstream = TcpStream::connect(server).await.unwrap();
    let line = raw.windows(2).position(|window| window == b"\r\n").unwrap() + 2;
    let (first, rest) = raw.split_at(line);
    let request = [first, b"Connection: close\r\n", rest].concat();
    upstream.write_all(&request).await.unwrap();
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await.unwrap();
    answer
}
