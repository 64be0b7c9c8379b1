//! A certificate authority that only `AWS_CA_BUNDLE` knows.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::{Harness, anonymous, signed};
use crate::moto::set;

/// A server on loopback that speaks TLS and passes everything on.
struct Front {
    url: String,
    /// The certificate that vouches for it, in PEM.
    bundle: tempfile::NamedTempFile,
}

impl Front {
    async fn before(host: String) -> Self {
        let names = vec!["127.0.0.1".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let bundle = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(bundle.path(), cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let provider = tokio_rustls::rustls::crypto::ring::default_provider();
        let config = ServerConfig::builder_with_provider(Arc::new(provider));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = config.with_single_cert(vec![cert.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, host) = (acceptor.clone(), host.clone());
                tokio::spawn(async move {
                    // A client that does not trust us hangs up here.
                    let Ok(mut client) = acceptor.accept(client).await else { return };
                    let mut server = TcpStream::connect(host).await.unwrap();
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { url, bundle }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_private_authority_is_trusted_if_the_bundle_names_it_and_only_then() {
    let Some(mut harness) = Harness::new().await else { return };
    let www = set("www.example.com", "A", &[&harness.text(0), &harness.text(1)]).build().unwrap();
    harness.zone.put([www]).await;
    let front = Front::before(harness.moto.host.clone()).await;
    let config = harness.config("", &["www"]).replace(&harness.proxy.url, &front.url);
    let setup = || signed(anonymous(&config), harness.moto).args(["--no-dry-run", "monitor"]);

    let mut distrustful = setup().start();
    distrustful.wait_for_words(&["list the records of example.com", "UnknownIssuer"]);
    drop(distrustful);

    let bundle = front.bundle.path().to_string_lossy().into_owned();
    let mut agent = setup().env("AWS_CA_BUNDLE", &bundle).start();
    agent.nth(2, &["target confirmed up"]);
    harness.close(1);
    agent.nth(1, &["withdrew", &harness.target(1)]);
    assert_eq!(harness.served().await, [format!("www.example.com A: {}", harness.text(0))]);
}
