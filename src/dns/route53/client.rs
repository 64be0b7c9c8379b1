//! The SDK's client as it is used here: one attempt, short timeouts, our TLS, AWS's credentials.

use std::sync::LazyLock;

use aws_config::ConfigLoader;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_route53::Client;
use aws_sdk_route53::config::{Region, RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, ConnectorBuilder};

use crate::config::Route53Config;
use crate::http::{CONNECT_TIMEOUT, REQUEST_TIMEOUT};

/// A client for `config`, with whatever else `loader` was told. Asks nobody anything: credentials
/// are looked for when the first request is made.
pub(super) async fn client(config: &Route53Config, loader: ConfigLoader) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_timeout(REQUEST_TIMEOUT)
        .build();
    let mut loader = loader
        .region(Region::new(config.region.clone()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .http_client(http_client(config.api_url.is_some()));
    if let Some(url) = &config.api_url {
        loader = loader.endpoint_url(url);
    }
    Client::new(&loader.load().await)
}

/// HTTP over our one TLS stack, through the environment's proxy unless the API is `elsewhere`.
///
/// The SDK's own client is built the same way, but on another TLS library.
fn http_client(elsewhere: bool) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, runtime| {
        let proxy = if elsewhere { ProxyConfig::disabled() } else { ProxyConfig::from_env() };
        let mut connector = ConnectorBuilder::default()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(TLS.clone())
            .proxy_config(proxy);
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(runtime.and_then(RuntimeComponents::sleep_impl));
        connector.build()
    })
}

/// Trusts the system's certificate authorities and the bundled ones, as [`crate::http::client`]
/// does, so that an image without any works.
static TLS: LazyLock<TlsContext> = LazyLock::new(|| {
    // The library insists that the system has some, if it is to look for them.
    let system = !rustls_native_certs::load_native_certs().certs.is_empty();
    let mut roots = TrustStore::empty().with_native_roots(system);
    for der in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        roots.add_pem_certificate(pem(der));
    }
    // Its only error is of another TLS library; without our own list, the system's is still there.
    TlsContext::builder().with_trust_store(roots).build().unwrap_or_default()
});

/// A certificate as text, which is the only form that the library takes (RFC 7468).
fn pem(der: &[u8]) -> String {
    let body = aws_smithy_types::base64::encode(der);
    let lines: Vec<&str> =
        (0..body.len()).step_by(64).map(|at| &body[at..body.len().min(at + 64)]).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The library panics on a certificate that it cannot read, and does so at the first request.
    #[test]
    fn every_bundled_certificate_is_taken() {
        let _ = ConnectorBuilder::default()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(TLS.clone())
            .build();
    }
}
