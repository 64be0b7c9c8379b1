//! Rules for URLs of APIs and of receivers of notices.

use std::net::IpAddr;

use reqwest::Url;

use super::value::{Value, as_text};

/// Reads the base URL of an API, without the final slash. Credentials are sent there, so the
/// connection must be private: TLS, or the machine itself.
pub(crate) fn api(value: &Value) -> Result<String, String> {
    as_text(value).ok_or_else(|| https_only("api.example.com")).and_then(api_text)
}

/// Like [`api`], for a text that is not from the file.
pub(crate) fn api_text(text: &str) -> Result<String, String> {
    let url = web(text).filter(|url| url.query().is_none());
    let url = url.ok_or_else(|| https_only("api.example.com"))?;
    if is_open(&url) {
        return Err(https_only("api.example.com"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Whether data sent to `url` can be read on the way by other machines.
pub(crate) fn is_open(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = host == "localhost" || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    url.scheme() != "https" && !loopback
}

/// Parses a web URL with a host. A password or a fragment is a mistake. The HTTP client parses a
/// URL differently from this parser, so both must accept it: `https://${HOST}/x` is valid for one
/// of them only.
pub(crate) fn web(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let sent: hyper::Uri = url.as_str().parse().ok()?;
    if sent.host() != url.host_str() || !url.host_str().is_some_and(is_host) {
        return None;
    }
    let http = matches!(url.scheme(), "http" | "https") && url.has_host();
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (http && bare).then_some(url)
}

/// Whether a host is valid: an address, or labels of letters, digits, hyphens and underscores.
fn is_host(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    bare.is_some_and(|address| address.parse::<IpAddr>().is_ok())
        || host.strip_suffix('.').unwrap_or(host).split('.').all(is_label)
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn https_only(example: &str) -> String {
    format!("a URL such as \"https://{example}\"; plain http only to this machine itself")
}
