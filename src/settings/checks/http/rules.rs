//! Rules for the values of a request: statuses, paths, hosts, headers.

use std::net::IpAddr;

use hyper::http::uri::PathAndQuery;

use crate::config::names;
use crate::config::value::{Value, as_text};
use crate::probe::http::StatusRange;

/// Maximum length of a path with its query.
const LONGEST_PATH: usize = 2048;

/// Headers that belong to the exchange itself, each with the reason why it cannot be set. Source: RFC
/// 9110, sections 7.6.1 and 8, and RFC 9112.
const RESERVED: [(&str, &str); 12] = [
    ("host", "the key host sets it"),
    ("content-length", "a request has no body"),
    ("transfer-encoding", "a request has no body"),
    ("content-type", "a request has no body"),
    ("expect", "a request has no body"),
    ("connection", "each probe has a connection of its own"),
    ("keep-alive", "each probe has a connection of its own"),
    ("proxy-connection", "each probe has a connection of its own"),
    ("upgrade", "the protocol is HTTP/1.1"),
    ("te", "the protocol is HTTP/1.1"),
    ("trailer", "the protocol is HTTP/1.1"),
    ("accept-encoding", "a body is looked at as it is sent, not compressed"),
];

/// Reads a status, or a range of them.
pub(super) fn statuses(value: &Value) -> Result<StatusRange, String> {
    let text = match value {
        Value::Integer(status) => status.to_string(),
        Value::Text(text) => text.clone(),
        _ => String::new(),
    };
    text.parse().map_err(|_| about_statuses(&text))
}

/// Returns the allowed values in place of a text that is no range of statuses.
fn about_statuses(text: &str) -> String {
    if let Some(class) = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX"))
        && ["1", "2", "3", "4", "5"].contains(&class)
    {
        return format!("written as \"{class}00-{class}99\"");
    }
    let ends =
        text.split_once('-').map(|(from, to)| [from, to].map(|end| end.trim().parse::<u16>()));
    if let Some([Ok(from), Ok(to)]) = ends
        && from > to
    {
        return "a range begins with its lower status, as in \"200-299\"".to_owned();
    }
    "a status from 100 to 599, such as 204, or a range of them, such as \"200-299\"".to_owned()
}

/// Reads the path of a request, with its query.
pub(super) fn path(value: &Value) -> Result<String, String> {
    let allowed = "a path such as \"/healthz\" or \"/status?full=1\", of visible ASCII characters; \
                   others are written as in %C3%A4";
    let text = as_text(value).ok_or(allowed)?;
    if text.contains("://") {
        return Err("the path alone, such as \"/healthz\"; the key host has the name".to_owned());
    }
    if text.contains('#') {
        return Err("the part from # on is never sent; leave it out".to_owned());
    }
    let is_path = text.starts_with('/')
        && text.len() <= LONGEST_PATH
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && text.parse::<PathAndQuery>().is_ok_and(|parsed| parsed.as_str() == text);
    if is_path { Ok(text.to_owned()) } else { Err(allowed.to_owned()) }
}

/// Reads the host of a request: a name, in lower case and without the final dot, or an IP address.
pub(super) fn host(value: &Value) -> Result<String, String> {
    let text =
        as_text(value).ok_or("a host name, such as \"www.example.com\", or an IP address")?;
    if text.contains("://") || text.contains('/') {
        return Err(
            "a host name or an IP address alone; the keys port and path have the rest".to_owned()
        );
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    let has_port = text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port {
        return Err("a host name or an IP address alone; the key port has the port".to_owned());
    }
    if text.starts_with('*') {
        return Err(
            "a wildcard is no host's name; give one of the names that it stands for".to_owned()
        );
    }
    names::domain(value)
}

/// Checks the name of a header. Returns the reason why it is not allowed.
pub(super) fn header_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > 128 || !name.bytes().all(is_token) {
        return Err("the name of a header has letters, digits and hyphens".to_owned());
    }
    let reserved = RESERVED.iter().find(|(known, _)| name.eq_ignore_ascii_case(known));
    match reserved {
        Some((_, why)) => Err(format!("cannot be set here: {why}")),
        None => Ok(()),
    }
}

/// Whether a byte may be in the name of a header. Source: RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Checks the value of a header, and returns it.
pub(super) fn header_value(text: &str) -> Result<&str, &'static str> {
    let is_plain = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if text.contains(['\n', '\r']) {
        return Err("one line; a header has no line breaks");
    }
    if text.is_empty() || !is_plain {
        return Err("a text of visible ASCII characters and blanks");
    }
    if text.trim() != text {
        return Err("a text without blanks at its ends, which would not be sent");
    }
    Ok(text)
}
