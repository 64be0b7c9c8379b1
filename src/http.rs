//! Construction of all HTTP clients: one TLS stack, with the same limits and proxies.

pub(crate) mod body;
pub(crate) mod page;
pub(crate) mod proxy;
pub(crate) mod retry_after;
pub(crate) mod roots;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use self::proxy::Proxies;

/// Maximum time to establish a connection.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum time of a whole request.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for which an idle connection is kept: longer than the time between two readings of a zone
/// in advance, and shorter than routers that translate addresses remember a connection.
pub(crate) const KEEP_CONNECTION: Duration = Duration::from_secs(40);

/// Interval of probes on an idle connection, which is dropped if none is answered within
/// [`CONNECT_TIMEOUT`]. A connection that died silently must not cost a request its whole time.
pub(crate) const TRY_CONNECTION: Duration = Duration::from_secs(10);

/// Value of the `User-Agent` header.
pub(crate) const USER_AGENT: &str = concat!("goavail/", env!("CARGO_PKG_VERSION"));

/// Makes rustls on ring the process's TLS provider.
///
/// reqwest without a built-in provider panics if none was installed, so this runs before any client
/// is built. Doing it twice is harmless.
fn install_tls() {
    static ONCE: LazyLock<()> = LazyLock::new(|| {
        // An error means that a provider is installed already, which then remains in use.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    LazyLock::force(&ONCE);
}

/// Returns a client that trusts the system's certificate authorities and the bundled ones, so that
/// it works in an image without any. It follows no redirects and gives up after
/// [`REQUEST_TIMEOUT`].
///
/// # Errors
///
/// Fails if the TLS configuration cannot be built.
pub fn client() -> reqwest::Result<reqwest::Client> {
    static ROOTS: LazyLock<Arc<Vec<reqwest::Certificate>>> = LazyLock::new(|| {
        let bundled = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
        Arc::new(bundled.filter_map(|der| reqwest::Certificate::from_der(der).ok()).collect())
    });
    install_tls();
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .pool_idle_timeout(KEEP_CONNECTION)
        .tcp_keepalive(TRY_CONNECTION)
        .tcp_keepalive_interval(TRY_CONNECTION / 5)
        .tcp_user_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .tls_certs_merge(ROOTS.iter().cloned())
        // Proxies follow our own reading of the environment, which is the same for every client.
        .no_proxy();
    let proxies = Proxies::of_process();
    let exempt = reqwest::NoProxy::from_string(proxies.exempt());
    if let Some(url) = proxies.http_url() {
        builder = builder.proxy(reqwest::Proxy::http(url)?.no_proxy(exempt.clone()));
    }
    if let Some(url) = proxies.https_url() {
        builder = builder.proxy(reqwest::Proxy::https(url)?.no_proxy(exempt));
    }
    builder.build()
}

/// Returns the proxy for requests to `url`, if there is one, without its credentials.
pub(crate) fn proxy_of(url: &reqwest::Url) -> Option<String> {
    let uri = url.as_str().parse().ok()?;
    Proxies::of_process().via(&uri).map(|proxy| proxy.to_string())
}

/// A request that failed on its way, with the host and the proxy. It holds no URL, because the path
/// may be a secret.
#[derive(Debug, thiserror::Error)]
#[error("no answer from {asked}")]
pub(crate) struct SendError {
    /// The host, and the proxy if there is one.
    asked: String,
    source: reqwest::Error,
}

impl From<reqwest::Error> for SendError {
    fn from(error: reqwest::Error) -> Self {
        let host = error.url().and_then(reqwest::Url::host_str).unwrap_or("the other side");
        let asked = match error.url().and_then(proxy_of) {
            Some(proxy) => format!("{host} through {proxy}"),
            None => host.to_owned(),
        };
        Self { asked, source: error.without_url() }
    }
}

impl SendError {
    /// Whether the request cannot have left this machine.
    pub(crate) fn was_never_sent(&self) -> bool {
        self.source.is_connect() || self.source.is_builder()
    }
}
