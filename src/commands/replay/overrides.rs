//! Other values in the text of a configuration file, so that they are read and refused as those of the
//! file are.

use toml::de::{DeTable, DeValue};

/// Returns the text with these values, each as `KEY=VALUE`, in the place of its own: at the top, or in the
/// table of a service. A key may name its section, as in `Members.min_peers_agree`.
pub(super) fn apply(text: &str, sets: &[String], service: Option<&str>) -> Result<String, String> {
    let mut text = text.to_owned();
    for set in sets {
        let Some((key, value)) = set.split_once('=') else {
            return Err(format!("--set {set}: KEY=VALUE is wanted, as in failure_threshold=5"));
        };
        let mut path: Vec<&str> = key.trim().split('.').collect();
        if path.iter().any(|part| !is_bare(part)) {
            return Err(format!("--set {set}: {key:?} is no key"));
        }
        if let Some(service) = service.filter(|_| path.len() == 1) {
            path.splice(0..0, ["service", service]);
        }
        text = with(&text, &path, &literal(value.trim()));
    }
    Ok(text)
}

fn is_bare(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'-')
}

/// Returns a value as TOML: as it is, or as a text.
fn literal(value: &str) -> String {
    let is_toml = !value.contains('\n') && DeTable::parse(&format!("x = {value}")).is_ok();
    if is_toml { value.to_owned() } else { serde_json::Value::from(value).to_string() }
}

/// Returns the text with a value at a path.
fn with(text: &str, path: &[&str], value: &str) -> String {
    let Some((key, tables)) = path.split_last() else { return text.to_owned() };
    let Ok(root) = DeTable::parse(text) else { return text.to_owned() };
    let mut table = root.get_ref();
    let mut header = None;
    for name in tables {
        let found = table.iter().find(|(its, _)| its.get_ref().eq_ignore_ascii_case(name));
        let Some((_, its)) = found else {
            return format!("{text}\n[{}]\n{key} = {value}\n", tables.join("."));
        };
        let DeValue::Table(inner) = its.get_ref() else { return text.to_owned() };
        header = Some(its.span());
        table = inner;
    }
    let found = table.iter().find(|(its, _)| its.get_ref().eq_ignore_ascii_case(key));
    if let Some((_, its)) = found {
        let span = its.span();
        return format!("{}{value}{}", &text[..span.start], &text[span.end..]);
    }
    let line = format!("{key} = {value}\n");
    let Some(header) = header else { return format!("{line}{text}") };
    let end = text[header.start..].find('\n').map_or(text.len(), |at| header.start + at + 1);
    let gap = if text[..end].ends_with('\n') { "" } else { "\n" };
    format!("{}{gap}{line}{}", &text[..end], &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_takes_the_place_of_that_of_the_file_or_is_added_where_it_belongs() {
        let file = "failure_threshold = 3\n\n[service.web]\nttl = 1\n\n[Members]\npeers = []\n";
        let rows = [
            (
                "failure_threshold=5",
                None,
                "failure_threshold = 5\n\n[service.web]\nttl = 1\n\n[Members]\npeers = []\n",
            ),
            (
                "Failure_Threshold = 5",
                None,
                "failure_threshold = 5\n\n[service.web]\nttl = 1\n\n[Members]\npeers = []\n",
            ),
            (
                "timeout=250ms",
                None,
                "timeout = \"250ms\"\nfailure_threshold = 3\n\n[service.web]\nttl = 1\n\n[Members]\npeers = []\n",
            ),
            (
                "ttl=2",
                Some("web"),
                "failure_threshold = 3\n\n[service.web]\nttl = 2\n\n[Members]\npeers = []\n",
            ),
            (
                "timeout=1",
                Some("web"),
                "failure_threshold = 3\n\n[service.web]\ntimeout = 1\nttl = 1\n\n[Members]\npeers = []\n",
            ),
            (
                "members.min_peers_agree=1",
                None,
                "failure_threshold = 3\n\n[service.web]\nttl = 1\n\n[Members]\nmin_peers_agree = 1\npeers = []\n",
            ),
        ];
        for (set, service, want) in rows {
            assert_eq!(apply(file, &[set.to_owned()], service).as_deref(), Ok(want), "{set}");
        }
        for bad in ["failure_threshold", "=1", "a b=1"] {
            assert!(apply(file, &[bad.to_owned()], None).is_err(), "{bad}");
        }
    }
}
