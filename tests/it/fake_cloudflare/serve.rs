//! The network side: connections that can be cut, answers that can be delayed or halved.

use std::convert::Infallible;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::sync::{Arc, mpsc};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use futures_util::{StreamExt, stream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::api::{self, Caller};
use super::{Entry, Fault, Shared};

/// Serves until `stopped` completes. Reports the address once it listens.
pub(super) fn run(
    shared: Arc<Shared>,
    bound: &mpsc::Sender<SocketAddr>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind(shared.setup.listen).await.unwrap();
        bound.send(listener.local_addr().unwrap()).unwrap();
        let app = Router::new().fallback(respond).with_state(shared);
        let service = app.into_make_service_with_connect_info::<Line>();
        tokio::select! {
            ended = axum::serve(Tapped(listener), service) => ended.unwrap(),
            _ = stopped => {}
        }
    });
}

/// A second handle to a connection, for cutting it.
#[derive(Debug, Clone)]
struct Line(Arc<std::net::TcpStream>);

impl Line {
    fn cut(&self) {
        let _ = self.0.shutdown(Shutdown::Both); // The other side may have been quicker.
    }
}

/// A listener that passes each connection to its requests.
struct Tapped(TcpListener);

impl Listener for Tapped {
    type Io = TcpStream;
    type Addr = Line;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, _) = self.0.accept().await.unwrap();
        let handle = stream.as_fd().try_clone_to_owned().unwrap();
        (stream, Line(Arc::new(handle.into())))
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        // A listener is not a connection.
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Connected<IncomingStream<'_, Tapped>> for Line {
    fn connect_info(stream: IncomingStream<'_, Tapped>) -> Self {
        stream.remote_addr().clone()
    }
}

#[expect(clippy::disallowed_methods, reason = "the log of a fake server is read in real time")]
fn now() -> Instant {
    Instant::now()
}

/// Returns the fault of a request.
fn meet(shared: &Shared, caller: &Caller, entry: &Entry) -> Option<Fault> {
    // Under one lock, because the test is notified as soon as the fault has met its request.
    let mut state = shared.lock();
    let fault = state.faults.meet(entry);
    if matches!(fault, Some(Fault::Late)) {
        state.late.push((caller.clone(), entry.clone()));
    }
    fault
}

async fn respond(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Result<Response, Infallible> {
    let caller = caller(request.headers());
    let (entry, number) = log(&shared, request).await;
    let fault = meet(&shared, &caller, &entry);
    let true_answer = || {
        let answer = api::answer(&mut shared.lock(), &shared.setup, &caller, &entry);
        (answer.0, answer.1.to_string())
    };
    let mut header = None;
    let mut half = false;
    let (status, body) = match fault {
        None => true_answer(),
        Some(Fault::Hang | Fault::Late) => std::future::pending().await,
        Some(Fault::Filtered(status, page, via)) => {
            header = Some(("via", via.to_owned()));
            (status, page.to_owned())
        }
        Some(Fault::CutBefore) => return hang_up(&line).await,
        Some(Fault::CutAfter) => {
            true_answer();
            return hang_up(&line).await;
        }
        Some(Fault::Answer(status, body)) => (status, body),
        Some(Fault::Throttled(wait)) => {
            header = Some(("retry-after", wait));
            let (status, body) =
                api::refusal(429, 971, "Please wait and consider throttling your request speed");
            (status, body.to_string())
        }
        Some(Fault::Overloaded(wait)) => {
            header = Some(("retry-after", wait));
            (503, String::new())
        }
        Some(Fault::HalfABody) => {
            half = true;
            true_answer()
        }
        Some(Fault::Held(mut open)) => {
            let _ = open.wait_for(|open| *open).await; // A test that failed opens no gate.
            true_answer()
        }
        Some(Fault::Meddle(change)) => {
            change(&mut shared.lock().zones[0]);
            true_answer()
        }
    };
    shared.lock().log[number].answered = Some((now(), status));
    shared.turns.send_modify(|turns| *turns += 1);
    Ok(response(status, body, header, half))
}

fn caller(headers: &HeaderMap) -> Caller {
    let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    Caller {
        authorization: text("authorization"),
        key: text("x-auth-key"),
        email: text("x-auth-email"),
    }
}

/// Logs the request. Returns it and its position in the log.
async fn log(shared: &Shared, request: Request) -> (Entry, usize) {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 * 1024 * 1024).await.unwrap_or_default();
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let entry = Entry {
        method: parts.method.to_string(),
        path: path.strip_prefix("/client/v4").unwrap_or(path).to_owned(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        arrived: now(),
        answered: None,
    };
    let number = {
        let mut state = shared.lock();
        state.log.push(entry.clone());
        state.log.len() - 1
    };
    shared.turns.send_modify(|turns| *turns += 1);
    (entry, number)
}

/// Ends the connection without an answer.
async fn hang_up(line: &Line) -> Result<Response, Infallible> {
    line.cut();
    std::future::pending().await
}

fn response(status: u16, body: String, header: Option<(&str, String)>, half: bool) -> Response {
    let json = body.starts_with(['{', '[']);
    let mut response = Response::builder()
        .status(status)
        .header("content-type", if json { "application/json" } else { "text/html" });
    if let Some((name, value)) = header {
        response = response.header(name, value);
    }
    if !half {
        return response.body(Body::from(body)).unwrap();
    }
    let first = Bytes::copy_from_slice(&body.as_bytes()[..body.len() / 2]);
    // The pause in between lets the first half be sent before the connection ends.
    let pause = stream::once(async {
        tokio::task::yield_now().await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    let halves = stream::iter([Ok(first)]).chain(pause);
    response.header("content-length", body.len()).body(Body::from_stream(halves)).unwrap()
}
