//! Targets that take their time: each end comes by the timeout, and its reason names the phase.

use std::time::Duration;

use goavail::testing::probe::{HttpSettings, TlsSettings};
use socket2::{Domain, Socket, Type};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::authority::{Authority, VALID};
use super::scripted::{TlsServer, request, server};
use super::{BRIEF, HOST, PATIENT, Prober, http, https, place, shown};

#[expect(clippy::disallowed_methods, reason = "a limit of time is measured")]
fn now() -> Instant {
    Instant::now()
}

/// Writes these bytes again and again, one every few milliseconds.
async fn drip(mut stream: TcpStream, head: &'static str, bytes: &'static [u8]) {
    request(&mut stream).await;
    let _ = stream.write_all(head.as_bytes()).await;
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if stream.write_all(bytes).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_server_that_accepts_and_sends_nothing_has_no_first_byte() {
    let address = server(|stream| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let encrypted = HttpSettings::new(HOST, address.port(), Some(TlsSettings::default()));
    for (settings, phase) in
        [(http(address.port()), "no first byte"), (encrypted, "the TLS handshake did not end")]
    {
        let answer = Prober::new().ask_until_silent(address.ip(), &settings, phase).await;
        assert!(answer.contains(" s (connect "), "{answer}");
    }
}

/// acassen/keepalived#1822: an answer in small pieces took as long as it liked.
#[tokio::test]
async fn endless_heads_and_bodies_end_with_the_timeout() {
    let rows: [(&str, &[u8], &str); 4] = [
        ("HTTP/1.1 200 OK\r\n", b"X: y\r\n", "the head of the answer did not end"),
        ("", b"HTTP/1.1 100 Continue\r\n\r\n", "the head of the answer did not end"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", b"x", "the body did not end"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"1\r\nx\r\n",
            "the body did not end",
        ),
    ];
    for (head, bytes, phase) in rows {
        let address = server(move |stream| drip(stream, head, bytes)).await;
        let settings = http(address.port());
        Prober::new().ask_until_silent(address.ip(), &settings, phase).await;
    }
}

/// acassen/keepalived#1817: a connection that died after the handshake was waited for without an end.
/// `prometheus/blackbox_exporter#533`: nobody saw which phase took the time.
#[tokio::test]
async fn silence_after_the_handshake_ends_with_the_timeout_and_names_the_phases_before() {
    let authority = Authority::new("Ours");
    let tls = TlsServer::new(&authority.issue(&[HOST], VALID));
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(tls.config));
    let address = server(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let _stream = acceptor.accept(stream).await;
            std::future::pending::<()>().await;
        }
    })
    .await;
    let (prober, settings) = (Prober::new(), https(address.port(), authority.file()));
    let answer = prober.ask_until_silent(address.ip(), &settings, "no first byte").await;
    assert!(answer.contains(" (connect ") && answer.contains(", TLS "), "{answer}");
}

#[tokio::test]
async fn an_unwanted_status_is_reported_before_the_timeout_though_its_body_never_ends() {
    let head = "HTTP/1.1 503 Busy\r\nContent-Length: 500\r\n\r\n";
    let address = server(move |stream| drip(stream, head, b" ")).await;
    // Only a timeout that is too short even for the head hides the status.
    let mut timeout = BRIEF * 4;
    loop {
        let answer = Prober::new().ask_within(timeout, address.ip(), &http(address.port())).await;
        if shown(&answer) == "failed (status 503): then 503 (wanted 200-299)" {
            break;
        }
        timeout *= 2;
        assert!(timeout < PATIENT, "{answer:?}");
    }
}

#[tokio::test]
async fn a_connection_that_is_not_accepted_is_silence_of_the_machine() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&place().into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    // The queue has room for one; the next ones are neither accepted nor refused.
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(tokio::time::timeout(BRIEF / 3, TcpStream::connect(address)).await);
    }
    let began = now();
    let answer = Prober::new().ask_within(BRIEF, address.ip(), &http(address.port())).await;
    let took = began.elapsed();
    assert_eq!(shown(&answer), "timed out: no connection within 0.15 s");
    assert!(took + Duration::from_millis(4) >= BRIEF, "{took:?}");
}
