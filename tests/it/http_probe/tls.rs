//! The TLS handshake: names, versions, protocols, and certificates of the client.

use goavail::testing::probe::{ClientFiles, HttpSettings};
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::rustls::version;

use super::authority::{Authority, VALID};
use super::scripted::{TlsServer, answering, request, server};
use super::{HOST, ask, https, shown};

const OK: &str = "HTTP/1.1 204 No Content\r\n\r\n";

#[tokio::test]
async fn a_client_certificate_is_presented_if_the_target_demands_one() {
    let (authority, clients) = (Authority::new("Ours"), Authority::new("Clients"));
    let identity = authority.issue(&[HOST], VALID);
    let [own, other] = [&clients, &authority].map(|it| it.issue(&["goavail"], VALID));
    let refused = "the target demands a client certificate";
    for version in [&version::TLS13, &version::TLS12] {
        let server = TlsServer::with_versions(&identity, &[version], Some(&clients.file()));
        let (address, _) = server.answering(OK).await;
        let mut settings = https(address.port(), authority.file());
        let answer = shown(&ask(address.ip(), &settings).await);
        assert_eq!(answer, format!("failed ({refused}): then {refused}"));
        for (client, is_known) in [(&own, true), (&other, false)] {
            let (certificate, key) = (client.certificate.clone(), client.key.clone());
            settings.tls.as_mut().unwrap().client = Some(ClientFiles { certificate, key });
            let answer = shown(&ask(address.ip(), &settings).await);
            if is_known {
                assert_eq!(answer, "reply");
            } else {
                let alert = "failed (the target ended TLS with the alert ";
                assert!(answer.starts_with(alert), "{answer}");
            }
        }
    }
}

#[tokio::test]
async fn a_key_that_does_not_belong_to_its_certificate_is_a_fault_of_this_machine() {
    let authority = Authority::new("Ours");
    let [one, other] = [(); 2].map(|()| authority.issue(&[HOST], VALID));
    let (address, _) = TlsServer::new(&one).answering(OK).await;
    let mut settings = https(address.port(), authority.file());
    let files = ClientFiles { certificate: one.certificate, key: other.key.clone() };
    settings.tls.as_mut().unwrap().client = Some(files);
    let answer = shown(&ask(address.ip(), &settings).await);
    let named = other.key.display().to_string();
    assert!(answer.starts_with("fault: client_cert ") && answer.contains(&named), "{answer}");
}

#[tokio::test]
async fn a_server_that_speaks_http_2_only_is_named_by_its_protocol() {
    let authority = Authority::new("Ours");
    let mut tls = TlsServer::new(&authority.issue(&[HOST], VALID));
    tls.config.alpn_protocols = vec![b"h2".to_vec()];
    let (address, _) = tls.answering(OK).await;
    let answer = shown(&ask(address.ip(), &https(address.port(), authority.file())).await);
    let reason = "the target does not speak HTTP/1.1 (by ALPN)";
    assert_eq!(answer, format!("failed ({reason}): then {reason}"));
}

#[tokio::test]
async fn a_port_without_tls_says_so() {
    let authority = Authority::new("Ours");
    let rows: [(&[u8], &str); 3] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the TLS handshake is not TLS"),
        (b"", "the connection was closed during the TLS handshake"),
        (b"\x15\x03\x03\x00\x02\x02\x46", "the target speaks neither TLS 1.2 nor 1.3"),
    ];
    for (bytes, reason) in rows {
        let address = server(move |mut stream| async move {
            let mut hello = [0; 5];
            let _ = tokio::io::AsyncReadExt::read_exact(&mut stream, &mut hello).await;
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
            // Without a reset: everything is read.
            request(&mut stream).await;
        })
        .await;
        let answer = shown(&ask(address.ip(), &https(address.port(), authority.file())).await);
        assert_eq!(answer, format!("failed ({reason}): then {reason}"));
    }
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_may_end_without_a_goodbye() {
    let authority = Authority::new("Ours");
    let tls = TlsServer::new(&authority.issue(&[HOST], VALID));
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(tls.config));
    for (head, expected) in
        [("", "reply"), ("Content-Length: 9\r\n", "failed (the body was cut short)")]
    {
        let acceptor = acceptor.clone();
        let address = server(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                request(&mut stream).await;
                let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\nall ok");
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.flush().await;
                // The TCP connection alone is closed.
                let _ = stream.get_mut().0.shutdown().await;
                request(&mut stream).await;
            }
        })
        .await;
        let mut settings = https(address.port(), authority.file());
        settings.body.contains = Some("all ok".to_owned());
        let answer = shown(&ask(address.ip(), &settings).await);
        assert!(answer.starts_with(expected), "{answer}");
    }
}

#[tokio::test]
async fn a_host_that_no_certificate_can_be_for_is_a_fault() {
    let address = answering(OK).await;
    let mut settings: HttpSettings = https(address.port(), "/nonexistent");
    settings.host = "*.example.com".to_owned();
    let answer = shown(&ask(address.ip(), &settings).await);
    assert_eq!(answer, "fault: *.example.com is no name that TLS can ask for");
}
