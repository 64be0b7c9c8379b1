//! Rules for URLs of APIs and of receivers of notices.

use std::net::IpAddr;

use reqwest::Url;

use super::document::Value;
use super::rule::as_text;

/// The URL that the path of a Slack webhook is appended to.
const SLACK: &str = "https://hooks.slack.com/services/";

/// Reads the base URL of an API, without the final slash. Credentials are sent there, so the
/// connection must be private: TLS, or the machine itself.
pub(super) fn api(value: &Value) -> Result<String, String> {
    as_text(value).ok_or_else(|| https_only("api.example.com")).and_then(api_text)
}

/// Like [`api`], for a text that is not from the file.
pub(super) fn api_text(text: &str) -> Result<String, String> {
    let url = web(text).filter(|url| url.query().is_none());
    let url = url.ok_or_else(|| https_only("api.example.com"))?;
    if is_open(&url) {
        return Err(https_only("api.example.com"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Reads a Slack webhook: its path, as in the old files, or a whole URL.
pub(super) fn slack(value: &Value) -> Result<String, String> {
    let allowed = "the path of a Slack webhook, T…/B…/X…, or its whole URL, which begins with \
                   https://";
    let text = as_text(value).ok_or(allowed)?;
    let path = text.strip_prefix('/').unwrap_or(text);
    if is_slack_path(path) {
        return Ok(format!("{SLACK}{path}"));
    }
    let url = web(text).filter(|url| !is_open(url)).ok_or(allowed)?;
    Ok(url.into())
}

/// Reads the URL that receives notices as JSON. Plain HTTP is allowed, because such a receiver is
/// often close by.
pub(super) fn webhook(value: &Value) -> Result<String, String> {
    let url = as_text(value).and_then(web).ok_or("a URL that begins with https:// or http://")?;
    Ok(url.into())
}

/// Whether data sent to `url` can be read on the way by other machines.
pub(super) fn is_open(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = host == "localhost" || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    url.scheme() != "https" && !loopback
}

/// Parses a web URL with a host. A password or a fragment is a mistake. The HTTP client parses a
/// URL differently from this parser, so both must accept it: `https://${HOST}/x` is valid for one
/// of them only.
pub(super) fn web(text: &str) -> Option<Url> {
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
    let label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=63).contains(&label.len()) && label.bytes().all(plain)
    };
    bare.is_some_and(|address| address.parse::<IpAddr>().is_ok())
        || host.strip_suffix('.').unwrap_or(host).split('.').all(label)
}

fn https_only(example: &str) -> String {
    format!("a URL such as \"https://{example}\"; plain http only to this machine itself")
}

/// Whether this is `T…/B…/X…`: three words of letters and digits.
pub(super) fn is_slack_path(path: &str) -> bool {
    let words: Vec<&str> = path.split('/').collect();
    let plain =
        |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let [team, bot, _] = words[..] else { return false };
    team.starts_with('T') && bot.starts_with('B') && words.iter().all(plain)
}
