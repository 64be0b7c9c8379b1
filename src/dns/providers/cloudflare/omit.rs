//! Omitting the parts of a record that the API rejects: a live address matters more than its tags.

use serde_json::{Map, Value};

use super::record::NewRecordSettings;
use super::refusal::{About, ApiRefusal};

/// Fields that this program knows. All others came from the API itself.
const KNOWN: [&str; 8] =
    ["type", "name", "content", "ttl", "proxied", "comment", "tags", "settings"];

/// Removes from `body` the part that `refusal` is about, and nothing else. Returns a description of
/// that part; `None` if nothing is left to omit.
pub(super) fn omit(
    body: &mut Map<String, Value>,
    refusal: &ApiRefusal,
    settings: NewRecordSettings,
) -> Option<String> {
    match refusal.about {
        Some(About::Tags) => body.remove("tags").map(|_| "its tags".to_owned()),
        Some(About::Comment) => body.remove("comment").map(|_| "its comment".to_owned()),
        Some(About::Ttl) => another_ttl(body, settings.ttl),
        Some(About::Proxied) => no_proxy(body),
        Some(About::NotOptional) => None,
        None => a_field(body, &refusal.text),
    }
}

/// Replaces the remembered TTL by the configured one, and that by the automatic one.
fn another_ttl(body: &mut Map<String, Value>, configured: u32) -> Option<String> {
    let refused = body.get("ttl").cloned().unwrap_or_default();
    let next = [configured, 1].into_iter().map(Value::from).find(|ttl| *ttl != refused);
    let next = next.filter(|_| refused != 1)?;
    let words = format!("its TTL of {refused} (it is {next} now)");
    body.insert("ttl".to_owned(), next);
    Some(words)
}

/// Turns the proxy off, and removes its settings: without a proxy some of them are not allowed.
fn no_proxy(body: &mut Map<String, Value>) -> Option<String> {
    if body.get("proxied") != Some(&Value::Bool(true)) {
        return None;
    }
    body.insert("proxied".to_owned(), Value::Bool(false));
    body.remove("settings");
    body.remove("private_routing");
    Some("its proxied flag (DNS shows the address itself now)".to_owned())
}

/// Handles a refusal that names none of the known parts: removes the field that it names, or all
/// unknown fields, or the settings.
fn a_field(body: &mut Map<String, Value>, message: &str) -> Option<String> {
    let words: Vec<_> = message.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let mut named = None;
    let (mut unknown, mut settings) = (vec![], vec![]);
    for field in body.keys() {
        let is_unknown = !KNOWN.contains(&field.as_str());
        if is_unknown {
            unknown.push(field.clone());
        } else if field == "settings" {
            settings.push(field.clone());
        } else {
            continue;
        }
        if named.is_none() && words.contains(&field.as_str()) {
            named = Some(field.clone());
        }
    }
    let fields = match named {
        Some(named) => vec![named],
        None if unknown.is_empty() => settings,
        None => unknown,
    };
    for field in &fields {
        body.remove(field);
    }
    (!fields.is_empty()).then(|| format!("its {}", fields.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::refusal::RefusalKind;
    use super::*;

    const SETTINGS: NewRecordSettings = NewRecordSettings { proxied: false, ttl: 300 };

    fn full() -> Map<String, Value> {
        let body = json!({
            "type": "A", "name": "www.example.com", "content": "192.0.2.1", "ttl": 30,
            "proxied": true, "comment": "c", "tags": ["a:b"], "settings": {"ipv4_only": true},
            "private_routing": true, "colour": "red",
        });
        body.as_object().unwrap().clone()
    }

    /// Returns the omissions after each of the refusals.
    fn steps(about: Option<About>, text: &str) -> Vec<String> {
        let (kind, text) = (RefusalKind::Rejected, text.to_owned());
        let refusal = ApiRefusal { kind, about, status: 400, retry_after: None, text };
        let (mut body, mut steps) = (full(), Vec::new());
        while omit(&mut body, &refusal, SETTINGS).is_some() {
            let mut omitted = Vec::new();
            for (field, was) in full() {
                match body.get(&field) {
                    None => omitted.push(format!("-{field}")),
                    Some(is) if *is != was => omitted.push(format!("{field}={is}")),
                    Some(_) => {}
                }
            }
            steps.push(omitted.join(" "));
            assert!(steps.len() < 9, "it does not come to an end: {steps:?}");
        }
        steps
    }

    #[test]
    fn only_rejected_parts_are_omitted_one_at_a_time() {
        let cases: [(&str, Option<About>, &str, &[&str]); 9] = [
            ("tags", Some(About::Tags), "", &["-tags"]),
            ("a comment", Some(About::Comment), "", &["-comment"]),
            ("a TTL", Some(About::Ttl), "", &["ttl=300", "ttl=1"]),
            (
                "a proxied record",
                Some(About::Proxied),
                "",
                &["-private_routing proxied=false -settings"],
            ),
            ("a CNAME in the way", Some(About::NotOptional), "", &[]),
            (
                "a field by name",
                None,
                "unknown field \"colour\"",
                &["-colour", "-colour -private_routing", "-colour -private_routing -settings"],
            ),
            (
                "the settings by name",
                None,
                "bad settings",
                &["-settings", "-colour -private_routing -settings"],
            ),
            (
                "nothing by name",
                None,
                "no",
                &["-colour -private_routing", "-colour -private_routing -settings"],
            ),
            (
                "a field that must stay",
                None,
                "bad name",
                &["-colour -private_routing", "-colour -private_routing -settings"],
            ),
        ];
        for (name, about, text, want) in cases {
            assert_eq!(steps(about, text), want, "{name}");
        }
    }
}
