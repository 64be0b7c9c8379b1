//! HTTP service with limits that hold for every client.
//!
//! `axum::serve` has no limit on headers that trickle in, on bodies that never end, or on the
//! number of connections. The listeners here face the open network, so all three are limited:
//!
//! - A connection that has not sent the whole head of its next request within
//!   [`ServeLimits::head_within`] is closed. This is also the time an idle connection is kept.
//! - A body is read whole before the router sees the request: 413 over [`ServeLimits::body_bytes`], 408
//!   if it is not complete within [`ServeLimits::body_within`].
//! - An answer that is not read whole within [`ServeLimits::written_within`] ends its connection, so
//!   that a reader that hangs keeps no answer in memory.
//! - At most [`ServeLimits::connections`] are open. One more closes the oldest that is not in a handler
//!   at that moment, so a client that merely holds connections open keeps nobody else out. If all
//!   of them are in a handler, the new one is closed.
//!
//! An error of `accept`, such as too many open files, closes the oldest idle connection and is
//! followed by a pause. It never ends the service.

mod outgoing;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tower::ServiceExt;
use tracing::{debug, error, warn};

use crate::panics::caught;
use outgoing::Outgoing;

/// Pause after `accept` failed: long enough not to spin, short enough to leave time within a
/// waiting peer's own timeout of 2 s.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Maximum length of the head of a request, in bytes. hyper allows no less than 8,192.
const HEAD_BYTES: usize = 8 * 1024;

/// Limits on a client in bytes, time and connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServeLimits {
    /// Maximum number of open connections. At least 1.
    pub connections: usize,
    /// Time from the first moment at which a request could begin until its head is complete, and
    /// therefore also the time a connection may be idle.
    pub head_within: Duration,
    /// Time from the end of the head until the body is complete.
    pub body_within: Duration,
    /// Maximum length of a body in bytes.
    pub body_bytes: usize,
    /// Time from the moment the client first blocks an answer until it has read all of it.
    pub written_within: Duration,
    /// Time that requests in progress may take after the service is told to end.
    pub drain_within: Duration,
}

impl Default for ServeLimits {
    /// Returns limits for a small API: 256 connections, 5 s for head and body each, 4 KiB of body,
    /// 30 s to read an answer, 1 s to end.
    fn default() -> Self {
        Self {
            connections: 256,
            head_within: Duration::from_secs(5),
            body_within: Duration::from_secs(5),
            body_bytes: 4 * 1024,
            written_within: Duration::from_secs(30),
            drain_within: Duration::from_secs(1),
        }
    }
}

/// A source of connections.
pub trait Accept: Send + 'static {
    /// The type of a connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// The origin of a connection. A handler finds it in the request's [`ConnectInfo`].
    type From: Clone + Send + Sync + 'static;

    /// Waits for the next connection. Dropping the future loses none.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, Self::From)>> + Send;
}

impl Accept for TcpListener {
    type Io = TcpStream;
    type From = std::net::SocketAddr;

    async fn accept(&mut self) -> io::Result<(Self::Io, Self::From)> {
        let (io, from) = TcpListener::accept(self).await?;
        // Answers are small, and a pipelining client waits for each.
        let _ = io.set_nodelay(true);
        Ok((io, from))
    }
}

impl Accept for UnixListener {
    type Io = UnixStream;
    type From = tokio::net::unix::SocketAddr;

    async fn accept(&mut self) -> io::Result<(Self::Io, Self::From)> {
        UnixListener::accept(self).await
    }
}

/// Serves `router` to every connection of `listener` until `shutdown` completes. Then it accepts no
/// more connections, lets requests in progress finish within [`ServeLimits::drain_within`], and closes
/// everything.
///
/// Dropping the future closes everything at once.
pub async fn serve<L: Accept>(
    mut listener: L,
    router: Router,
    limits: ServeLimits,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = pin!(shutdown);
    let mut open = Connections::default();
    let graceful = GracefulShutdown::new();
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            Some(ended) = open.tasks.join_next() => {
                report(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((io, from)) => {
                failing = false;
                if open.make_room(limits.connections).await {
                    open.add(|busy| {
                        let handler = Handler { router: router.clone(), limits, busy };
                        connection(io, from, handler, graceful.watcher())
                    });
                }
            }
            Err(cause) if is_the_clients(&cause) => {}
            Err(cause) => {
                if !failing {
                    warn!(%cause, "cannot accept connections; retrying");
                }
                failing = true;
                open.close_oldest_idle().await;
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if timeout(limits.drain_within, graceful.shutdown()).await.is_err() {
        debug!("closing connections with unfinished requests");
    }
}

/// Whether `accept` failed because of the single connection that it would have returned.
fn is_the_clients(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}

/// The open connections, each in a task of its own.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    /// The connections in order of arrival, including those that have ended. The flag is set while
    /// the connection is in a handler.
    order: VecDeque<(AbortHandle, Arc<AtomicBool>)>,
}

impl Connections {
    fn add<F>(&mut self, task: impl FnOnce(Arc<AtomicBool>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let busy = Arc::new(AtomicBool::new(false));
        let handle = self.tasks.spawn(task(Arc::clone(&busy)));
        self.order.push_back((handle, busy));
    }

    /// Closes connections until fewer than `limit` are open; `false` if that is impossible.
    async fn make_room(&mut self, limit: usize) -> bool {
        while let Some(ended) = self.tasks.try_join_next() {
            report(ended);
        }
        if self.order.len() >= limit.saturating_mul(2) {
            self.order.retain(|(task, _)| !task.is_finished());
        }
        self.tasks.len() < limit || self.close_oldest_idle().await
    }

    /// Closes the oldest connection that is in no handler; `false` if there is none.
    async fn close_oldest_idle(&mut self) -> bool {
        self.order.retain(|(task, _)| !task.is_finished());
        let idle = self.order.iter().position(|(_, busy)| !busy.load(Ordering::Acquire));
        let Some((task, _)) = idle.and_then(|at| self.order.remove(at)) else { return false };
        task.abort();
        // The descriptor is free only once the task has ended.
        if let Some(ended) = self.tasks.join_next().await {
            report(ended);
        }
        true
    }
}

/// Logs the panic of a handler, which ends only its own connection.
fn report(ended: Result<(), JoinError>) {
    if let Err(cause) = ended
        && cause.is_panic()
    {
        error!(%cause, "a request handler panicked; its connection was closed");
    }
}

/// Handles the requests of one connection.
#[derive(Clone)]
struct Handler {
    router: Router,
    limits: ServeLimits,
    /// Set while the connection is in the router.
    busy: Arc<AtomicBool>,
}

impl Handler {
    /// Reads the body within its limits and passes the request on.
    async fn answer(self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let Self { router, limits, busy } = self;
        let (head, body) = request.into_parts();
        if body.size_hint().lower() > limits.body_bytes as u64 {
            return Ok(refusal(StatusCode::PAYLOAD_TOO_LARGE));
        }
        let body = Limited::new(body, limits.body_bytes).collect();
        let body = match timeout(limits.body_within, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(cause)) if cause.is::<LengthLimitError>() => {
                return Ok(refusal(StatusCode::PAYLOAD_TOO_LARGE));
            }
            Ok(Err(_)) => return Ok(refusal(StatusCode::BAD_REQUEST)),
            Err(_) => return Ok(refusal(StatusCode::REQUEST_TIMEOUT)),
        };
        let _busy = Busy::new(busy);
        let path = head.uri.path().to_owned();
        let answered = router.oneshot(Request::from_parts(head, Body::from(body)));
        caught("a request handler", answered).await.unwrap_or_else(|panicked| {
            error!(path, "{panicked}; it was answered with 500");
            Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR))
        })
    }
}

/// Serves one connection until either side closes it or a limit is exceeded.
async fn connection<Io, From>(
    io: Io,
    from: From,
    handler: Handler,
    watcher: hyper_util::server::graceful::Watcher,
) where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    From: Clone + Send + Sync + 'static,
{
    let limits = handler.limits;
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(from.clone()));
        handler.clone().answer(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_within)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(Outgoing::new(io, limits.written_within)), service);
    match caught("a listener", watcher.watch(served)).await {
        Ok(Ok(())) => {}
        Ok(Err(cause)) => debug!(%cause, "connection closed"),
        Err(panicked) => error!("{panicked}; the connection was closed"),
    }
}

/// Returns an empty answer, after which the connection is closed because the rest of the request is
/// unread.
fn refusal(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// Marks a connection as being in a handler for the lifetime of this value.
struct Busy(Arc<AtomicBool>);

impl Busy {
    fn new(flag: Arc<AtomicBool>) -> Self {
        flag.store(true, Ordering::Release);
        Self(flag)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
