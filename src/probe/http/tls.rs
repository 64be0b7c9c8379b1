//! TLS: one configuration for each check, and one session for each target.

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::Instant;

use super::recent::RecentMap;
use super::session::KeptSession;
use super::settings::{ClientFiles, TlsSettings};
use super::verifier::Verifier;
use crate::http::roots;

/// Maximum size of a client certificate or key in bytes.
const LARGEST_PEM: u64 = 256 * 1024;

/// Maximum number of targets of one check with a session. Beyond it, handshakes are full ones.
const MOST_SESSIONS: usize = 16_384;

/// The TLS of one check, built from its files.
#[derive(Debug)]
pub(super) struct Tls {
    /// The name in the SNI, and the name that the certificate has to be for.
    pub(super) host: ServerName<'static>,
    base: ClientConfig,
    targets: Mutex<RecentMap<IpAddr, Arc<TlsTarget>>>,
}

/// One target: its configuration, which differs from that of others by its session alone.
#[derive(Debug)]
pub(super) struct TlsTarget {
    pub(super) config: Arc<ClientConfig>,
    pub(super) session: Arc<KeptSession>,
}

impl Tls {
    /// Reads the files of a check.
    ///
    /// # Errors
    ///
    /// The reason why one of them cannot be used, with the key and the file, or the host.
    pub(super) fn load(host: &str, settings: &TlsSettings) -> Result<Self, String> {
        let name = ServerName::try_from(host.trim_end_matches('.'))
            .map_err(|_| format!("{host} is no name that TLS can ask for"))?
            .to_owned();
        let (roots, pinned) = match &settings.ca_file {
            None => (default_roots(), Vec::new()),
            Some(path) => authorities(path).map_err(|error| of_file("ca_file", path, &error))?,
        };
        let provider = provider();
        let algorithms = provider.signature_verification_algorithms;
        let verification = settings.verification;
        let verifier = Arc::new(Verifier { verification, roots, pinned, algorithms });
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut base = match &settings.client {
            None => builder.with_no_client_auth(),
            Some(files) => {
                let (chain, key) = client(files)?;
                builder.with_client_auth_cert(chain, key).map_err(|error| {
                    let (certificate, key) = (files.certificate.display(), files.key.display());
                    format!("client_cert {certificate} and client_key {key}: {error}")
                })?
            }
        };
        base.alpn_protocols = vec![b"http/1.1".to_vec()];
        base.resumption = Resumption::disabled();
        Ok(Self { host: name, base, targets: Mutex::new(RecentMap::new(MOST_SESSIONS)) })
    }

    /// Returns the target at an address.
    pub(super) fn target(&self, address: IpAddr, now: Instant) -> Arc<TlsTarget> {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        targets.get_or_build(address, now, || Arc::new(TlsTarget::new(&self.base)))
    }
}

impl TlsTarget {
    fn new(base: &ClientConfig) -> Self {
        let session = Arc::new(KeptSession::default());
        let mut config = base.clone();
        config.resumption = Resumption::store(Arc::clone(&session) as _);
        Self { config: Arc::new(config), session }
    }
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(ring::default_provider())))
}

/// Returns the authorities of the system and the bundled ones. They are read once.
fn default_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let found = ROOTS.get_or_init(|| {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
        let bundled = store.roots.clone();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let mut nth = 0;
        store.roots.retain(|root| {
            nth += 1;
            nth <= bundled.len() || !bundled.contains(root)
        });
        Arc::new(store)
    });
    Arc::clone(found)
}

type Authorities = (Arc<RootCertStore>, Vec<CertificateDer<'static>>);

fn authorities(path: &Path) -> Result<Authorities, String> {
    let pinned = roots::bundle(path)?;
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(pinned.iter().cloned());
    Ok((Arc::new(store), pinned))
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Reads a client certificate and its key. The errors quote neither.
fn client(files: &ClientFiles) -> Result<Identity, String> {
    let text = crate::file::read_text(&files.certificate, LARGEST_PEM)
        .map_err(|error| of_file("client_cert", &files.certificate, &error))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let chain = chain
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| of_file("client_cert", &files.certificate, "holds no certificate in PEM"))?;
    let text = crate::file::read_text(&files.key, LARGEST_PEM)
        .map_err(|error| of_file("client_key", &files.key, &error))?;
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|_| of_file("client_key", &files.key, "holds no private key in PEM"))?;
    Ok((chain, key))
}

/// Returns the reason why a file cannot be used.
pub(super) fn of_file(key: &str, path: &Path, reason: &str) -> String {
    format!("{key} {}: {reason}", path.display())
}
