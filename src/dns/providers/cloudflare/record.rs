//! Records in the API's format: the required fields, and the settings to restore.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::dns::name::canonical;
use crate::dns::{Attributes, Extra, NewRecord, Record};
use crate::engine::plan::Family;

/// Fields that identify a record, or that only the API sets. They are not attributes.
///
/// Source: the `DNS Record` schemas of the Cloudflare API v4 reference.
const NO_ATTRIBUTES: [&str; 13] = [
    "id",
    "type",
    "name",
    "content",
    "zone_id",
    "zone_name",
    "created_on",
    "modified_on",
    "comment_modified_on",
    "tags_modified_on",
    "proxiable",
    "locked",
    "meta",
];

/// The settings of a record that is created without a memory of an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRecordSettings {
    /// Whether Cloudflare answers with its own addresses and forwards.
    pub proxied: bool,
    /// Time to live in seconds; 1 is automatic.
    pub ttl: u32,
}

/// Returns the text of a field, if it is a text.
pub(super) fn text<'a>(given: &'a Value, field: &str) -> Option<&'a str> {
    given[field].as_str()
}

/// An entry of a page of records, reduced to the required data. Whole JSON values would take
/// megabytes more for each thousand records.
#[derive(Debug, Deserialize)]
#[serde(from = "Value")]
pub(super) struct ListedEntry {
    /// The id, if it is a non-empty text or a number.
    pub(super) id: Option<String>,
    /// Whether the id is a non-empty text, as in the API.
    has_proper_id: bool,
    pub(super) name: Option<String>,
    pub(super) kind: Option<String>,
    content: Option<String>,
    attributes: Attributes,
    /// The fields that every record has, and that are not texts here.
    pub(super) not_text: Vec<&'static str>,
}

impl From<Value> for ListedEntry {
    fn from(given: Value) -> Self {
        let id = match &given["id"] {
            Value::String(id) if !id.is_empty() => Some(id.clone()),
            Value::Number(id) => Some(id.to_string()),
            _ => None,
        };
        let not_text = ["id", "type", "name", "content"].into_iter();
        Self {
            id,
            has_proper_id: text(&given, "id").is_some_and(|id| !id.is_empty()),
            name: text(&given, "name").map(str::to_owned),
            kind: text(&given, "type").map(str::to_owned),
            content: text(&given, "content").map(str::to_owned),
            attributes: attributes(&given),
            not_text: not_text.filter(|field| !given[*field].is_string()).collect(),
        }
    }
}

impl ListedEntry {
    /// Returns the address record of this family.
    ///
    /// # Errors
    ///
    /// Returns the name of the invalid field: there is no proper id, or the content is not an
    /// address of this family. All other fields may contain anything.
    pub(super) fn into_record(self, family: Family) -> Result<Record, &'static str> {
        let id = self.id.filter(|_| self.has_proper_id).ok_or("id")?;
        let address = self.content.and_then(|content| content.trim().parse().ok());
        let address = address.filter(|&address| Family::of(address) == family).ok_or("content")?;
        Ok(Record { address, id, attributes: self.attributes })
    }
}

/// Returns all settings of a record that can be sent again. A field of an unexpected type is kept
/// as it is.
pub(super) fn attributes(given: &Value) -> Attributes {
    let mut other_fields = sendable(given);
    let ttl = take(&mut other_fields, "ttl", |value| u32::try_from(value.as_u64()?).ok());
    let proxied = take(&mut other_fields, "proxied", Value::as_bool);
    let comment = take(&mut other_fields, "comment", |value| Some(value.as_str()?.to_owned()));
    let tags = take(&mut other_fields, "tags", |value| {
        let tags = value.as_array()?.iter();
        tags.map(|tag| tag.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    });
    let extra = Extra::Cloudflare {
        proxied: proxied.unwrap_or(false),
        comment: comment.filter(|comment| !comment.is_empty()),
        tags: tags.unwrap_or_default(),
        // A map keeps the memory of removed entries.
        other_fields: if other_fields.is_empty() { Map::new() } else { other_fields },
    };
    Attributes { ttl: ttl.unwrap_or(1), extra }
}

/// Returns the known fields of an unexpected type among the attributes.
pub(super) fn oddities(attributes: &Attributes) -> Vec<&str> {
    let Extra::Cloudflare { other_fields, .. } = &attributes.extra else { return Vec::new() };
    let known = ["ttl", "proxied", "comment", "tags"];
    other_fields.keys().map(String::as_str).filter(|field| known.contains(field)).collect()
}

/// Removes the field and returns its value, if it is of the expected type.
fn take<T>(
    fields: &mut Map<String, Value>,
    field: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Option<T> {
    let read = read(fields.get(field)?)?;
    fields.remove(field);
    Some(read)
}

/// Returns the attributes among the fields of `given` that are not empty.
fn sendable(given: &Value) -> Map<String, Value> {
    let mut attributes = Map::new();
    for (field, value) in given.as_object().into_iter().flatten() {
        let is_empty = match value {
            Value::Null => true,
            Value::Object(object) => object.is_empty(),
            _ => false,
        };
        if !is_empty && !NO_ATTRIBUTES.contains(&field.as_str()) {
            attributes.insert(field.clone(), value.clone());
        }
    }
    attributes
}

/// Returns the body that creates a record exactly like `given`.
pub(super) fn recreation_body(given: &Value) -> Map<String, Value> {
    let mut body = sendable(given);
    for field in ["type", "name", "content"] {
        body.insert(field.to_owned(), given[field].clone());
    }
    body
}

/// Returns the body that creates `new`.
pub(super) fn body(new: &NewRecord, settings: NewRecordSettings) -> Map<String, Value> {
    let mut body = Map::new();
    put(&mut body, "type", new.set.family.to_string().into());
    put(&mut body, "name", canonical(&new.set.name).into());
    put(&mut body, "content", new.address.to_string().into());
    put(&mut body, "ttl", settings.ttl.into());
    put(&mut body, "proxied", settings.proxied.into());
    match &new.attributes {
        Some(Attributes {
            ttl,
            extra: Extra::Cloudflare { proxied, comment, tags, other_fields },
        }) => {
            put(&mut body, "ttl", (*ttl).into());
            put(&mut body, "proxied", (*proxied).into());
            if let Some(comment) = comment {
                put(&mut body, "comment", comment.as_str().into());
            }
            if !tags.is_empty() {
                put(&mut body, "tags", tags.clone().into());
            }
            for (field, value) in other_fields {
                put(&mut body, field, value.clone());
            }
        }
        Some(Attributes { ttl, extra: Extra::None }) => put(&mut body, "ttl", (*ttl).into()),
        // Settings of another provider, such as a TTL of 0, may be invalid here.
        Some(Attributes { extra: Extra::Route53(_) | Extra::Webhook { .. }, .. }) | None => {}
    }
    if body.get("proxied") == Some(&Value::Bool(true)) {
        put(&mut body, "ttl", 1.into()); // The only valid TTL of a proxied record.
    }
    body
}

fn put(body: &mut Map<String, Value>, field: &str, value: Value) {
    body.insert(field.to_owned(), value);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(given: &Value, family: Family) -> Option<Record> {
        ListedEntry::from(given.clone()).into_record(family).ok()
    }
    use crate::dns::Route53Set;
    use crate::engine::plan::SetKey;

    fn shown() -> Value {
        json!({
            "id": "x", "type": "AAAA", "name": "www.example.com", "content": "2001:DB8:0::1",
            "ttl": 120, "proxied": true, "comment": "c", "tags": ["a:b"],
            "settings": {"ipv4_only": true}, "private_routing": true, "priority": null,
            "proxiable": true, "meta": {"auto_added": false}, "created_on": "2026-01-01T00:00:00Z",
            "modified_on": "2026-01-01T00:00:00Z", "comment_modified_on": "2026-01-01T00:00:00Z",
        })
    }

    #[test]
    fn a_record_keeps_all_that_it_carries() {
        let got = record(&shown(), Family::Aaaa).unwrap();
        let other_fields = json!({"settings": {"ipv4_only": true}, "private_routing": true});
        let extra = Extra::Cloudflare {
            proxied: true,
            comment: Some("c".to_owned()),
            tags: vec!["a:b".to_owned()],
            other_fields: other_fields.as_object().unwrap().clone(),
        };
        assert_eq!(got.attributes, Attributes { ttl: 120, extra });
        assert_eq!(got.address, "2001:db8::1".parse::<std::net::IpAddr>().unwrap());
        assert_eq!(oddities(&got.attributes), [""; 0]);
    }

    #[test]
    fn a_field_of_an_unexpected_type_is_kept_as_it_is() {
        let mut given = shown();
        for (field, value) in [("ttl", json!("auto")), ("tags", json!([1])), ("comment", json!(7))]
        {
            given[field] = value;
        }
        let attributes = record(&given, Family::Aaaa).unwrap().attributes;
        assert_eq!(oddities(&attributes), ["comment", "tags", "ttl"]);
        let set = SetKey { name: "www.example.com".to_owned(), family: Family::Aaaa };
        let address = "2001:db8::1".parse().unwrap();
        let new = NewRecord { set, address, attributes: Some(attributes) };
        let body = body(&new, NewRecordSettings { proxied: false, ttl: 300 });
        assert_eq!((&body["tags"], &body["comment"]), (&json!([1]), &json!(7)));
    }

    #[test]
    fn a_record_deleted_by_mistake_is_restored_without_the_apis_own_fields() {
        let want = json!({
            "type": "AAAA", "name": "www.example.com", "content": "2001:DB8:0::1",
            "ttl": 120, "proxied": true, "comment": "c", "tags": ["a:b"],
            "settings": {"ipv4_only": true}, "private_routing": true,
        });
        assert_eq!(Value::Object(recreation_body(&shown())), want);
    }

    fn cloudflare(proxied: bool, ttl: u32) -> Attributes {
        let extra = Extra::Cloudflare {
            proxied,
            comment: Some("c".to_owned()),
            tags: vec!["a:b".to_owned()],
            other_fields: json!({"settings": {"x": 1}}).as_object().unwrap().clone(),
        };
        Attributes { ttl, extra }
    }

    #[test]
    fn a_record_is_restored_with_its_settings() {
        let route53 = Attributes { ttl: 0, extra: Extra::Route53(Route53Set::default()) };
        let cases = [
            ("nothing remembered", None, json!({"ttl": 300, "proxied": false})),
            (
                "all of it",
                Some(cloudflare(false, 120)),
                json!({"ttl": 120, "proxied": false, "comment": "c", "tags": ["a:b"],
                    "settings": {"x": 1}}),
            ),
            (
                "a proxied record has no TTL of its own",
                Some(cloudflare(true, 120)),
                json!({"ttl": 1, "proxied": true, "comment": "c", "tags": ["a:b"],
                    "settings": {"x": 1}}),
            ),
            (
                "a TTL alone",
                Some(Attributes { ttl: 60, extra: Extra::None }),
                json!({"ttl": 60, "proxied": false}),
            ),
            ("another provider's memory", Some(route53), json!({"ttl": 300, "proxied": false})),
        ];
        for (name, attributes, mut want) in cases {
            want["type"] = json!("A");
            want["name"] = json!("www.xn--bcher-kva.example");
            want["content"] = json!("192.0.2.1");
            let set = SetKey { name: "www.bücher.example".to_owned(), family: Family::A };
            let new = NewRecord { set, address: "192.0.2.1".parse().unwrap(), attributes };
            let body = body(&new, NewRecordSettings { proxied: false, ttl: 300 });
            assert_eq!(Value::Object(body), want, "{name}");
        }
    }
}
