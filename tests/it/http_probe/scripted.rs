//! Servers that do as a script says, for everything that a good server never does.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio_rustls::rustls::{crypto, version};

use super::authority::Identity;

/// Runs `script` for each connection. The server ends with the test's runtime.
pub(crate) async fn server<F: Future<Output = ()> + Send + 'static>(
    script: impl Fn(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    server_at(super::place(), script).await
}

/// Like [`server`], at this address.
pub(crate) async fn server_at<F: Future<Output = ()> + Send + 'static>(
    address: SocketAddr,
    script: impl Fn(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(script(stream));
        }
    });
    address
}

/// Reads the head of a request.
pub(crate) async fn request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte).await {
            Ok(1) => head.push(byte[0]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// Answers each request with these bytes and closes the connection.
pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer: Arc<[u8]> = answer.into().into();
    server(move |mut stream| {
        let answer = Arc::clone(&answer);
        async move {
            request(&mut stream).await;
            let _ = stream.write_all(&answer).await;
        }
    })
    .await
}

/// Answers each request with `204` and passes on its head.
pub(crate) async fn recording() -> (SocketAddr, UnboundedReceiver<String>) {
    let (sender, heads) = unbounded_channel();
    let address = server(move |mut stream| {
        let sender = sender.clone();
        async move {
            let _ = sender.send(request(&mut stream).await);
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        }
    })
    .await;
    (address, heads)
}

/// A server that speaks TLS.
#[derive(Clone)]
pub(crate) struct TlsServer {
    /// Its configuration, to be changed before it opens.
    pub(crate) config: ServerConfig,
}

impl TlsServer {
    /// With this certificate, and with any version.
    pub(crate) fn new(identity: &Identity) -> Self {
        Self::with_versions(identity, &[&version::TLS13, &version::TLS12], None)
    }

    /// With this certificate and these versions. `clients` is the authority of certificates that
    /// clients have to present.
    pub(crate) fn with_versions(
        identity: &Identity,
        versions: &[&'static SupportedProtocolVersion],
        clients: Option<&std::path::Path>,
    ) -> Self {
        use tokio_rustls::rustls::pki_types::pem::PemObject as _;
        let provider = Arc::new(crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(versions).unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                roots
                    .add(
                        tokio_rustls::rustls::pki_types::CertificateDer::from_pem_file(path)
                            .unwrap(),
                    )
                    .unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build();
                builder.with_client_cert_verifier(verifier.unwrap())
            }
        };
        let (chain, key) = (vec![identity.der.clone()], identity.key_der.clone_key());
        Self { config: builder.with_single_cert(chain, key).unwrap() }
    }

    /// Answers each request with these bytes. Returns the address, and the number of full handshakes
    /// so far.
    pub(crate) async fn answering(self, answer: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
        self.answering_at(super::place(), answer).await
    }

    /// Like [`Self::answering`], at this address.
    pub(crate) async fn answering_at(
        self,
        place: SocketAddr,
        answer: &'static str,
    ) -> (SocketAddr, Arc<AtomicUsize>) {
        let acceptor = TlsAcceptor::from(Arc::new(self.config));
        let full = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&full);
        let address = server_at(place, move |stream| {
            let (acceptor, counted) = (acceptor.clone(), Arc::clone(&counted));
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let kind = stream.get_ref().1.handshake_kind();
                if kind != Some(tokio_rustls::rustls::HandshakeKind::Resumed) {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
                request(&mut stream).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        })
        .await;
        (address, full)
    }
}

/// An answer with `200` and this body.
pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
