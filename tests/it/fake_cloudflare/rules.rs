//! The records that the API accepts, and its messages for others.
//!
//! Source: "DNS record attributes", "DNS record types" and "Proxy status" in Cloudflare's DNS
//! documentation, and the errors quoted in public bug reports. In cases that they do not cover the
//! fake refuses: an unknown field, or one that only the API itself may set, is an error here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::zone::{Record, Zone};

/// Fields that the API returns and does not accept.
pub(super) const READ_ONLY: [&str; 9] = [
    "id",
    "zone_id",
    "zone_name",
    "created_on",
    "modified_on",
    "comment_modified_on",
    "tags_modified_on",
    "proxiable",
    "meta",
];

/// Fields that are accepted, beside the new ones of the zone.
const KNOWN: [&str; 8] =
    ["type", "name", "content", "ttl", "proxied", "comment", "tags", "settings"];

/// The limits of a zone's plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Maximum number of tags of one record: 0 on the free plan, else 20.
    pub(crate) tags: usize,
    /// Maximum length of a comment in characters: 100 on the free plan, else 500.
    pub(crate) comment: usize,
    /// The TTLs that a record may have beside 1: from 60 s, on the largest plan from 30 s.
    pub(crate) ttl: RangeInclusive<u64>,
    /// Whether an invalid record is refused with code 1004 and the actual reason in its
    /// `error_chain`, as the API did for years, or with the reason alone.
    pub(crate) chained: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { tags: 20, comment: 500, ttl: 60..=86_400, chained: false }
    }
}

/// The reason of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct No {
    pub(super) status: u16,
    pub(super) code: i64,
    pub(super) message: String,
    /// It is in the chain of code 1004.
    pub(super) chained: bool,
}

impl No {
    pub(super) fn plain(status: u16, code: i64, message: &str) -> Self {
        Self { status, code, message: message.to_owned(), chained: false }
    }

    pub(super) fn gone() -> Self {
        Self::plain(404, 81_044, "Record does not exist.")
    }
}

/// Returns the record that `body` describes, if it is valid in `zone`.
pub(super) fn draft(zone: &Zone, body: &Value) -> Result<Record, No> {
    let no =
        |code, message: String| No { status: 400, code, message, chained: zone.limits.chained };
    let fields = body.as_object().cloned().unwrap_or_default();
    let known = |field: &str| KNOWN.contains(&field) || zone.grown.contains(&field);
    if let Some(field) = fields.keys().find(|field| !known(field)) {
        return Err(no(9207, format!("Request body is invalid: unknown field \"{field}\".")));
    }
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let (kind, content) = (text("type"), text("content"));
    let content = match kind.as_str() {
        "A" => content.parse::<Ipv4Addr>().map(|ip| ip.to_string()).ok(),
        "AAAA" => content.parse::<Ipv6Addr>().map(|ip| ip.to_string()).ok(),
        _ => Some(content),
    };
    let invalid = || no(9005, format!("Content for {kind} record must be a valid address."));
    let content = content.ok_or_else(invalid)?;
    let proxied = body["proxied"].as_bool().unwrap_or(false);
    let grown = |(field, _): &(String, Value)| zone.grown.contains(&field.as_str());
    let more: Map<_, _> = fields.into_iter().filter(grown).collect();
    let private = more.get("private_routing") == Some(&Value::Bool(true));
    if proxied && !private && !may_be_proxied(&kind, &content) {
        return Err(no(9003, format!("Target {content} is not allowed for a proxied record.")));
    }
    let record = Record {
        id: String::new(),
        name: zone.absolute(&text("name")),
        ttl: if proxied { 1 } else { ttl(zone, body)? },
        proxied,
        comment: comment(zone, body)?,
        tags: tags(zone, body)?,
        settings: settings(zone, body)?,
        more,
        kind,
        content,
    };
    Ok(record)
}

fn ttl(zone: &Zone, body: &Value) -> Result<u32, No> {
    let allowed = &zone.limits.ttl;
    match body["ttl"].as_u64() {
        None if body["ttl"].is_null() => Ok(1),
        Some(ttl) if ttl == 1 || allowed.contains(&ttl) => Ok(u32::try_from(ttl).unwrap()),
        _ => {
            let (from, to) = (allowed.start(), allowed.end());
            let message =
                format!("TTL must be between {from} and {to} seconds, or 1 for Automatic.");
            Err(No { status: 400, code: 9021, message, chained: zone.limits.chained })
        }
    }
}

fn comment(zone: &Zone, body: &Value) -> Result<Option<String>, No> {
    let comment = body["comment"].as_str().map(str::to_owned);
    let most = zone.limits.comment;
    if comment.as_ref().is_some_and(|comment| comment.chars().count() > most) {
        let message =
            format!("DNS record comment exceeds the maximum length of {most} characters.");
        return Err(No { status: 400, code: 9313, message, chained: zone.limits.chained });
    }
    Ok(comment)
}

fn tags(zone: &Zone, body: &Value) -> Result<Vec<String>, No> {
    let tags = body["tags"].as_array().into_iter().flatten();
    let tags: Vec<_> = tags.filter_map(Value::as_str).map(str::to_owned).collect();
    let (count, most) = (tags.len(), zone.limits.tags);
    if count > most {
        let message = format!("DNS record has {count} tags, exceeding the quota of {most}.");
        return Err(No { status: 400, code: 9300, message, chained: zone.limits.chained });
    }
    Ok(tags)
}

/// For addresses: the two settings of proxied records, and nothing else.
fn settings(zone: &Zone, body: &Value) -> Result<Map<String, Value>, No> {
    let settings = body["settings"].as_object().cloned().unwrap_or_default();
    let fits = |(key, value): (&String, &Value)| {
        matches!(key.as_str(), "ipv4_only" | "ipv6_only") && value.is_boolean()
    };
    if !settings.iter().all(fits) {
        let message = "DNS record settings are invalid for this record type.".to_owned();
        return Err(No { status: 400, code: 9207, message, chained: zone.limits.chained });
    }
    Ok(settings)
}

/// Whether it can be proxied: an address of the public Internet, or a CNAME.
pub(super) fn may_be_proxied(kind: &str, content: &str) -> bool {
    match content.parse() {
        Ok(IpAddr::V4(ip)) => {
            let [a, b, ..] = ip.octets();
            let shared = a == 100 && (64..128).contains(&b);
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || shared)
        }
        Ok(IpAddr::V6(ip)) => {
            !(ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local())
        }
        Err(_) => kind == "CNAME",
    }
}
