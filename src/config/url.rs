//! What a URL may be: where an API is, where a notice goes.

use std::net::IpAddr;

use reqwest::Url;

use super::document::Value;
use super::rule::as_text;

/// Where the path of a Slack webhook belongs to.
const SLACK: &str = "https://hooks.slack.com/services/";

/// Where an API is, without the final slash. Credentials go there, so the way must be closed to
/// others: TLS, or the machine itself.
pub(super) fn api(value: &Value) -> Result<String, String> {
    as_text(value).ok_or_else(|| https_only("api.example.com")).and_then(api_text)
}

/// Like [`api`], of a text that did not come from the file.
pub(super) fn api_text(text: &str) -> Result<String, String> {
    let url = web(text).filter(|url| url.query().is_none());
    let url = url.ok_or_else(|| https_only("api.example.com"))?;
    if is_open(&url) {
        return Err(https_only("api.example.com"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// A Slack webhook: its path, as the old files have it, or a whole URL.
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

/// Where notices go as JSON. Plain HTTP is allowed, for such a place is often close by.
pub(super) fn webhook(value: &Value) -> Result<String, String> {
    let url = as_text(value).and_then(web).ok_or("a URL that begins with https:// or http://")?;
    Ok(url.into())
}

/// Whether what is sent to `url` can be read on the way by others than this machine.
pub(super) fn is_open(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = host == "localhost" || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    url.scheme() != "https" && !loopback
}

/// A URL of the web with a host; one with a password or a fragment is a mistake. Whoever sends reads
/// it in another way than whoever parses it, so both must find it whole: `https://${HOST}/x` is for
/// one of them only.
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

/// Whether a host can be one: an address, or labels of letters, digits, hyphens and underscores.
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

/// `T…/B…/X…`: three words of letters and digits.
pub(super) fn is_slack_path(path: &str) -> bool {
    let words: Vec<&str> = path.split('/').collect();
    let plain =
        |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let [team, bot, _] = words[..] else { return false };
    team.starts_with('T') && bot.starts_with('B') && words.iter().all(plain)
}
