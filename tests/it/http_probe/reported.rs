//! Defects that users of other probers reported. Each test names its reports.

use goavail::testing::probe::HttpSettings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc::unbounded_channel;

use super::authority::{Authority, VALID};
use super::scripted::{TlsServer, answering, ok, request, server};
use super::{HOST, Prober, ask, http, https, shown};

/// acassen/keepalived#180: a script behind xinetd answers before it has read the request, and goes.
#[tokio::test]
async fn an_answer_may_come_before_the_request() {
    let address = server(|mut stream| async move {
        let _ = stream.write_all(ok("Node is synced.\r\n").as_bytes()).await;
    })
    .await;
    let mut settings = http(address.port());
    settings.body.contains = Some("is synced".to_owned());
    for _ in 0..20 {
        assert_eq!(shown(&ask(address.ip(), &settings).await), "reply");
    }
}

/// haproxy/haproxy#1079: another status of the same class was shown as an error of the socket. Its
/// server sent more than it announced.
#[tokio::test]
async fn a_status_that_was_not_asked_for_is_shown_as_such() {
    let answer = "HTTP/1.1 206 OK\r\nContent-Length: 8\r\n\r\nStandby\r\n\r\n";
    let address = answering(answer).await;
    let mut settings = http(address.port());
    settings.status.0 = vec!["200".parse().unwrap()];
    let answer = shown(&ask(address.ip(), &settings).await);
    assert_eq!(answer, "failed (status 206): then 206 (wanted 200)");
}

/// haproxy/haproxy#991: after an error page larger than its buffer the check asked no more.
#[tokio::test]
async fn a_large_error_page_does_not_end_the_checks() {
    let page = "x".repeat(70_000);
    let answer = format!("HTTP/1.1 404 Not Found\r\nContent-Length: {}\r\n\r\n{page}", page.len());
    let address = answering(answer).await;
    let (prober, settings) = (Prober::new(), http(address.port()));
    for _ in 0..3 {
        let answer = shown(&prober.ask(address.ip(), &settings).await);
        assert_eq!(answer, "failed (status 404): then 404 (wanted 200-299)");
    }
}

/// haproxy/haproxy#1027 and #1523: an answer in several pieces was not put together.
#[tokio::test]
async fn an_answer_in_pieces_is_one_answer() {
    let address = server(|mut stream| async move {
        let _ = stream.set_nodelay(true);
        request(&mut stream).await;
        for byte in ok("ALIVE").bytes() {
            let _ = stream.write_all(&[byte]).await;
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut settings = http(address.port());
    settings.body.contains = Some("ALIVE".to_owned());
    assert_eq!(shown(&ask(address.ip(), &settings).await), "reply");
}

/// haproxy/haproxy#16 and #641: the head of a request did not end where it should.
#[tokio::test]
async fn a_request_is_a_head_and_nothing_else() {
    let (sender, mut requests) = unbounded_channel();
    let address = server(move |mut stream| {
        let sender = sender.clone();
        async move {
            let head = request(&mut stream).await;
            let _ = stream.write_all(ok("").as_bytes()).await;
            let _ = stream.shutdown().await;
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            let _ = sender.send((head, rest));
        }
    })
    .await;
    assert_eq!(shown(&ask(address.ip(), &http(address.port())).await), "reply");
    let (head, rest) = requests.recv().await.unwrap();
    assert!(head.ends_with("\r\n\r\n") && head.matches("\r\n\r\n").count() == 1, "{head:?}");
    assert_eq!(rest, b"", "nothing follows the head");
}

/// QubitProducts/bamboo#90: an error page was healthy, since it had the text that was asked for.
#[tokio::test]
async fn a_body_as_asked_for_does_not_make_up_for_the_status() {
    let address = answering("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nok").await;
    let mut settings = http(address.port());
    settings.body.contains = Some("ok".to_owned());
    let answer = shown(&ask(address.ip(), &settings).await);
    assert_eq!(answer, "failed (status 404): then 404 (wanted 200-299)");
}

/// `yaoweibin/nginx_upstream_check_module#171`: the connection was torn down while the server still
/// wrote, which it logged as an error.
#[tokio::test]
async fn a_server_sees_the_connection_end_in_order() {
    let authority = Authority::new("Ours");
    let tls = TlsServer::new(&authority.issue(&[HOST], VALID));
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(tls.config));
    let (sender, mut ends) = unbounded_channel();
    for is_https in [false, true] {
        let (sender, acceptor) = (sender.clone(), acceptor.clone());
        let address = server(move |mut stream| {
            let (sender, acceptor) = (sender.clone(), acceptor.clone());
            async move {
                let mut rest = Vec::new();
                let end = if is_https {
                    let mut stream = acceptor.accept(stream).await.unwrap();
                    request(&mut stream).await;
                    stream.write_all(ok(&"x".repeat(20_000)).as_bytes()).await.unwrap();
                    stream.flush().await.unwrap();
                    stream.read_to_end(&mut rest).await
                } else {
                    request(&mut stream).await;
                    stream.write_all(ok(&"x".repeat(20_000)).as_bytes()).await.unwrap();
                    stream.read_to_end(&mut rest).await
                };
                let _ = sender.send(end.map_err(|error| error.kind()));
            }
        })
        .await;
        let settings =
            if is_https { https(address.port(), authority.file()) } else { http(address.port()) };
        assert_eq!(shown(&ask(address.ip(), &settings).await), "reply");
        assert_eq!(ends.recv().await.unwrap(), Ok(0), "https: {is_https}");
    }
}

/// haproxy/haproxy#3195 and #3096: a session was resumed under another name, and so went to the wrong
/// host.
#[tokio::test]
async fn a_session_belongs_to_one_host() {
    let authority = Authority::new("Ours");
    let server = TlsServer::new(&authority.issue(&[HOST, "mail.example.com"], VALID));
    let (address, full) = server.answering("HTTP/1.1 204 Fine\r\n\r\n").await;
    let (prober, mut settings) = (Prober::new(), https(address.port(), authority.file()));
    for (host, handshakes) in [(HOST, 1), ("mail.example.com", 2), (HOST, 2)] {
        host.clone_into(&mut settings.host);
        assert_eq!(shown(&prober.ask(address.ip(), &settings).await), "reply");
        assert_eq!(full.load(std::sync::atomic::Ordering::SeqCst), handshakes, "{host}");
    }
}

/// `prometheus/blackbox_exporter#936`, #886 and #1303, louislam/uptime-kuma#1689, TwiN/gatus#877, and
/// haproxy/haproxy#795: with an address in the place of the name, `Host` and SNI were the address, and
/// the certificate any one.
#[tokio::test]
async fn the_name_is_asked_for_at_the_address() {
    let authority = Authority::new("Ours");
    let tls = TlsServer::new(&authority.issue(&[HOST], VALID));
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(tls.config));
    let (sender, mut seen) = unbounded_channel();
    let address = server(move |stream| {
        let (sender, acceptor) = (sender.clone(), acceptor.clone());
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            let name = stream.get_ref().1.server_name().map(ToOwned::to_owned);
            let head = request(&mut stream).await;
            let _ = stream.write_all(ok("").as_bytes()).await;
            let _ = sender.send((name, head));
        }
    })
    .await;
    let settings = https(address.port(), authority.file());
    assert_eq!(shown(&ask(address.ip(), &settings).await), "reply");
    let (name, head) = seen.recv().await.unwrap();
    assert_eq!(name.as_deref(), Some(HOST));
    assert!(head.contains(&format!("\r\nhost: {HOST}:{}\r\n", address.port())), "{head}");
}

/// `prometheus/blackbox_exporter#684`: a body came compressed, and no text was found in it.
#[tokio::test]
async fn a_server_that_compresses_if_it_may_is_asked_not_to() {
    let address = server(|mut stream| async move {
        let is_plain = request(&mut stream).await.contains("\r\naccept-encoding: identity\r\n");
        let body = if is_plain { "all is ok" } else { "\u{1f}\u{8b}" };
        let _ = stream.write_all(ok(body).as_bytes()).await;
    })
    .await;
    let mut settings: HttpSettings = http(address.port());
    settings.body.contains = Some("ok".to_owned());
    assert_eq!(shown(&ask(address.ip(), &settings).await), "reply");
}
