//! The SDK's client: one attempt, short timeouts, the shared TLS stack, AWS's credentials.

use std::error::Error;
use std::path::Path;
use std::sync::LazyLock;

use aws_config::ConfigLoader;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_route53::config::{Region, RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use hyper::Uri;

use super::Route53Config;
use crate::http::proxy::Proxies;
use crate::http::{CONNECT_TIMEOUT, REQUEST_TIMEOUT, roots};

/// Adds the settings to `loader` that are the same for every client of `config`.
pub(super) fn configured(
    config: &Route53Config,
    loader: ConfigLoader,
    http: SharedHttpClient,
) -> ConfigLoader {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_timeout(REQUEST_TIMEOUT)
        .build();
    let loader = loader
        .region(Region::new(config.region.clone()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .http_client(http);
    match &config.api_url {
        Some(url) => loader.endpoint_url(url),
        None => loader,
    }
}

/// Returns an HTTP client on the shared TLS stack, with the environment's proxies by the same rules
/// as [`crate::http::client`].
///
/// The SDK's own client is built the same way, but with another TLS library.
pub(super) fn http_client() -> SharedHttpClient {
    let tls = tls();
    let proxies = Proxies::of_process();
    SharedHttpClient::new(Routed {
        direct: client_through(ProxyConfig::disabled(), tls.clone()),
        http: proxy_at(proxies.http_url()).map(|proxy| client_through(proxy, tls.clone())),
        https: proxy_at(proxies.https_url()).map(|proxy| client_through(proxy, tls.clone())),
    })
}

fn proxy_at(url: Option<&str>) -> Option<ProxyConfig> {
    ProxyConfig::all(url?.to_owned()).ok()
}

/// Returns a client that connects through `proxy`.
fn client_through(proxy: ProxyConfig, tls: TlsContext) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, runtime| {
        let mut connector = ConnectorBuilder::default()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(tls.clone())
            .proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(runtime.and_then(RuntimeComponents::sleep_impl));
        connector.build()
    })
}

/// Selects the proxy of each request, and names the host in errors.
#[derive(Debug)]
struct Routed<T> {
    direct: T,
    /// The client for plain HTTP through a proxy; `None` without one.
    http: Option<T>,
    /// The same for HTTPS.
    https: Option<T>,
}

impl HttpClient for Routed<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let Self { direct, http, https } = self;
        SharedHttpConnector::new(Routed {
            direct: direct.http_connector(settings, components),
            http: http.as_ref().map(|client| client.http_connector(settings, components)),
            https: https.as_ref().map(|client| client.http_connector(settings, components)),
        })
    }
}

impl HttpConnector for Routed<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let uri: Option<Uri> = request.uri().parse().ok();
        let via = uri.as_ref().and_then(|uri| Proxies::of_process().via(uri));
        let secure = uri.as_ref().and_then(Uri::scheme_str) == Some("https");
        let through = if secure { &self.https } else { &self.http };
        let connector = via.and(through.as_ref()).unwrap_or(&self.direct);
        let asked = Destination {
            host: uri.as_ref().and_then(Uri::host).unwrap_or("nobody").to_owned(),
            through: via.map(|via| via.to_string()),
        };
        let answer = connector.call(request);
        HttpConnectorFuture::new(async move { answer.await.map_err(|error| asked.failed(error)) })
    }
}

/// The destination of a request.
#[derive(Debug)]
struct Destination {
    host: String,
    through: Option<String>,
}

impl Destination {
    /// Adds the destination to the causes of `error`, and keeps its kind.
    fn failed(self, error: ConnectorError) -> ConnectorError {
        let (is_timeout, is_user, is_io) = (error.is_timeout(), error.is_user(), error.is_io());
        let other = error.as_other();
        let source = Box::new(NoResponse { asked: self, source: error.into_source() });
        if is_timeout {
            ConnectorError::timeout(source)
        } else if is_user {
            ConnectorError::user(source)
        } else if is_io {
            ConnectorError::io(source)
        } else {
            ConnectorError::other(source, other)
        }
    }
}

/// A request without an answer. It contains no URL, because the path or the query may be a secret.
#[derive(Debug)]
pub(super) struct NoResponse {
    asked: Destination,
    source: Box<dyn Error + Send + Sync>,
}

impl std::fmt::Display for NoResponse {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "no answer from {}", self.asked.host)?;
        match &self.asked.through {
            Some(proxy) => write!(out, " through {proxy}"),
            None => Ok(()),
        }
    }
}

impl Error for NoResponse {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.as_ref())
    }
}

/// Returns the trusted certificates: those of `AWS_CA_BUNDLE` alone, as in AWS's own tools, or the
/// same as everywhere else.
fn tls() -> TlsContext {
    match std::env::var("AWS_CA_BUNDLE").ok().filter(|path| !path.is_empty()) {
        None => TLS.clone(),
        Some(path) => {
            // The configuration was refused if it could not be read. A file that became unreadable
            // since then must not extend the trust.
            let roots = roots::bundle(Path::new(&path)).unwrap_or_else(|why| {
                tracing::error!("AWS_CA_BUNDLE: {why}; no AWS server is trusted");
                Vec::new()
            });
            context(false, roots.iter().map(AsRef::as_ref))
        }
    }
}

/// Trusts the system's certificate authorities and the bundled ones, as [`crate::http::client`]
/// does, so that it works in an image without any.
static TLS: LazyLock<TlsContext> = LazyLock::new(|| {
    // The library requires that the system has some, if it is to use them.
    let system = !rustls_native_certs::load_native_certs().certs.is_empty();
    context(system, webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(AsRef::as_ref))
});

fn context<'a>(system: bool, certificates: impl Iterator<Item = &'a [u8]>) -> TlsContext {
    let mut roots = TrustStore::empty().with_native_roots(system);
    for der in certificates {
        roots.add_pem_certificate(pem(der));
    }
    // Its only error is from another TLS library. Without our own list, the system's is still used.
    TlsContext::builder().with_trust_store(roots).build().unwrap_or_default()
}

/// Converts a certificate to text, the only format that the library accepts (RFC 7468).
fn pem(der: &[u8]) -> String {
    let body = aws_smithy_types::base64::encode(der);
    let lines: Vec<&str> =
        (0..body.len()).step_by(64).map(|at| &body[at..body.len().min(at + 64)]).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The library panics on an unreadable certificate, at the first request.
    #[test]
    fn every_bundled_certificate_is_taken() {
        let _ = ConnectorBuilder::default()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(TLS.clone())
            .build();
    }
}
