//! The accept loop that the vote listener and the status service share, at the byte level.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use goavail::testing::serve::{Accept, ServeLimits, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

/// Generous: no test waits for it unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);

fn limits() -> ServeLimits {
    ServeLimits {
        connections: 8,
        head_within: Duration::from_millis(300),
        body_within: Duration::from_millis(300),
        body_bytes: 16,
        written_within: Duration::from_millis(300),
        drain_within: Duration::from_secs(5),
    }
}

fn router() -> Router {
    Router::new()
        .route("/", post(|body: String| async move { body }))
        .route("/panic", get(|| async { panic!("on purpose") as () }))
}

/// A service that runs until the test ends, and its address.
async fn service(router: Router, limits: ServeLimits) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(serve(listener, router, limits, std::future::pending()));
    address
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("did not happen in time")
}

/// Sends `request` as it is and returns all that comes back until the other side closes.
async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    // The other side may have closed before it read everything.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = in_time(stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn requests_without_an_end_are_cut_off() {
    let address = service(router(), limits()).await;
    let endless = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        "8\r\n12345678\r\n".repeat(1000)
    );
    let long_head = format!("POST / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let cases = [
        ("a connection that says nothing", "", ""),
        ("a head that stops half-way", "POST / HTTP/1.1\r\nHos", ""),
        ("a body that stops half-way", "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", " 408 "),
        ("a body announced as too long", "POST / HTTP/1.1\r\nContent-Length: 17\r\n\r\n", " 413 "),
        ("a body in chunks without an end", &endless, " 413 "),
        ("a head without an end", &long_head, " 431 "),
        ("not HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", " 400 "),
    ];
    for (name, request, want) in cases {
        let answer = exchange(address, request.as_bytes()).await;
        if want.is_empty() {
            assert_eq!(answer, "", "{name}");
        } else {
            assert!(answer.lines().next().unwrap_or("").contains(want), "{name}: {answer}");
        }
        let good = b"POST / HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
        let answer = exchange(address, good).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "after {name}: {answer}");
    }
}

#[tokio::test]
async fn connections_held_open_keep_no_reader_out() {
    let patient = ServeLimits { head_within: PATIENCE, ..limits() };
    let address = service(router(), patient).await;
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(TcpStream::connect(address).await.unwrap());
    }
    let good = b"POST / HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
    let answer = exchange(address, good).await;
    assert!(answer.ends_with("abc"), "{answer}");
    // All but the newest few were closed, oldest first.
    for stream in &mut held[..90] {
        assert_eq!(in_time(stream.read(&mut [0])).await.unwrap_or(0), 0);
    }
}

#[tokio::test]
async fn a_request_in_its_handler_is_not_closed_for_a_newcomer() {
    let (started, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begun, go) = (Arc::clone(&started), Arc::clone(&release));
    let slow = Router::new().route(
        "/",
        get(move || async move {
            begun.notify_one();
            go.notified().await;
            "done"
        }),
    );
    let address = service(slow, ServeLimits { connections: 1, ..limits() }).await;
    let request = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
    let first = tokio::spawn(async move { exchange(address, request).await });
    in_time(started.notified()).await;
    assert_eq!(exchange(address, request).await, "", "there is room for one only");
    release.notify_one();
    assert!(in_time(first).await.unwrap().ends_with("done"));
}

#[tokio::test]
async fn a_handler_that_panics_is_answered_with_500_counted_and_disturbs_no_other() {
    let address = service(router(), limits()).await;
    let count =
        || goavail::testing::panics::counts().get("a request handler").copied().unwrap_or_default();
    let before = count();
    let answer = exchange(address, b"GET /panic HTTP/1.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    assert!(count() > before);
    let answer = exchange(address, b"GET /none HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

/// A listener that fails in its first attempts to accept.
struct Failing {
    errors: Vec<std::io::ErrorKind>,
    listener: TcpListener,
}

impl Accept for Failing {
    type Io = TcpStream;
    type From = SocketAddr;

    async fn accept(&mut self) -> std::io::Result<(TcpStream, SocketAddr)> {
        match self.errors.pop() {
            Some(error) => Err(error.into()),
            None => self.listener.accept().await,
        }
    }
}

#[tokio::test]
async fn an_error_of_accept_does_not_end_the_service() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // As when there are no descriptors or no memory, or a client was gone too soon.
    let errors = vec![
        std::io::ErrorKind::Other,
        std::io::ErrorKind::ConnectionAborted,
        std::io::ErrorKind::OutOfMemory,
    ];
    let failing = Failing { errors, listener };
    tokio::spawn(serve(failing, router(), limits(), std::future::pending()));
    let answer = exchange(address, b"GET /none HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_their_order() {
    let address = service(router(), limits()).await;
    let one = |body: &str, more: &str| {
        format!("POST / HTTP/1.1\r\nContent-Length: 1\r\n{more}\r\n{body}")
    };
    let all = [one("a", ""), one("b", ""), one("c", "Connection: close\r\n")].concat();
    let answer = exchange(address, all.as_bytes()).await;
    let bodies: String =
        answer.split("\r\n\r\n").skip(1).filter_map(|part| part.chars().next()).collect();
    assert_eq!(bodies, "abc", "{answer}");
}

#[tokio::test]
async fn it_serves_a_unix_socket_and_ends_when_told_once_requests_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let (begun, started) = oneshot::channel();
    let begun = Arc::new(std::sync::Mutex::new(Some(begun)));
    let release = Arc::new(Notify::new());
    let go = Arc::clone(&release);
    let slow = Router::new().route(
        "/",
        get(move || async move {
            begun.lock().unwrap().take().map(|begun| begun.send(()));
            go.notified().await;
            "done"
        }),
    );
    let (stop, stopped) = oneshot::channel::<()>();
    let ending = async { stopped.await.unwrap_or(()) };
    let service = tokio::spawn(serve(UnixListener::bind(&path).unwrap(), slow, limits(), ending));
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    in_time(started).await.unwrap();
    stop.send(()).unwrap();
    release.notify_one();
    let mut answer = String::new();
    in_time(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.ends_with("done"), "{answer}");
    in_time(service).await.unwrap();
    assert!(UnixStream::connect(&path).await.is_err(), "nobody listens any more");
}

/// An answer that tells when nobody keeps it any more.
struct Watched(Vec<u8>, Option<oneshot::Sender<()>>);

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(gone) = self.1.take() {
            let _ = gone.send(());
        }
    }
}

#[tokio::test]
async fn a_blocked_reader_keeps_no_answer_in_memory() {
    let (gone, is_gone) = oneshot::channel();
    // More than the kernel buffers on its way.
    let answer = axum::body::Bytes::from_owner(Watched(vec![b'x'; 64 << 20], Some(gone)));
    let answer = Arc::new(std::sync::Mutex::new(Some(answer)));
    let large = get(move || {
        let answer = answer.lock().expect("no panic").take();
        async move { answer.expect("asked once") }
    });
    let address = service(Router::new().route("/", large), limits()).await;
    let mut reader = TcpStream::connect(address).await.expect("it listens");
    reader.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
    in_time(is_gone).await.expect("the answer is dropped, though nothing was read");
    let mut rest = Vec::new();
    let _ = in_time(reader.read_to_end(&mut rest)).await;
    assert!(!rest.is_empty() && rest.len() < 64 << 20, "{} bytes", rest.len());
}
