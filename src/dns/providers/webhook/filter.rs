//! The domain filter that a webhook negotiates: the names that it looks after.
//!
//! The rules are those of external-dns itself, since a webhook is written for them: regular
//! expressions count instead of lists, an exclusion counts instead of an inclusion, and a filter with a
//! dot in front does not match the domain itself.

use regex_lite::Regex;
use serde::Deserialize;

use crate::dns::name::canonical;
use crate::text::{excerpt, first_few};

/// The filter as it is sent. A list that is `null` or absent is empty.
#[derive(Debug, Default, Deserialize)]
struct SerializedFilter {
    #[serde(default)]
    include: Option<Vec<String>>,
    /// The name of `include` in the description of the protocol.
    #[serde(default, alias = "Filters")]
    filters: Option<Vec<String>>,
    #[serde(default)]
    exclude: Option<Vec<String>>,
    #[serde(default, rename = "regexInclude")]
    regex_include: Option<String>,
    #[serde(default, rename = "regexExclude")]
    regex_exclude: Option<String>,
}

/// The names that a webhook looks after.
#[derive(Debug, Clone, Default)]
pub(super) struct DomainFilter {
    include: Vec<String>,
    exclude: Vec<String>,
    regex_include: Option<Regex>,
    regex_exclude: Option<Regex>,
}

impl DomainFilter {
    /// Reads the answer to a negotiation; `null` is no filter.
    ///
    /// # Errors
    ///
    /// Fails with a description if it is not a filter.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let body = body.trim_ascii();
        if !body.starts_with(b"{") && body != b"null" {
            return Err("it is not an object".to_owned());
        }
        let sent: Option<SerializedFilter> =
            serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let SerializedFilter { include, filters, exclude, regex_include, regex_exclude } =
            sent.unwrap_or_default();
        let include = include.into_iter().chain(filters).flatten();
        Ok(Self {
            include: include.filter_map(|filter| prepared(&filter)).collect(),
            exclude: exclude.into_iter().flatten().filter_map(|text| prepared(&text)).collect(),
            regex_include: regex_include.map(|text| regex(&text)).transpose()?.flatten(),
            regex_exclude: regex_exclude.map(|text| regex(&text)).transpose()?.flatten(),
        })
    }

    /// Whether the webhook looks after a name.
    pub(super) fn includes(&self, name: &str) -> bool {
        if let Some(exclude) = &self.regex_exclude {
            return !exclude.is_match(name);
        }
        if let Some(include) = &self.regex_include {
            return include.is_match(name);
        }
        let is_included =
            self.include.is_empty() || self.include.iter().any(|filter| matches(filter, name));
        is_included && !self.exclude.iter().any(|filter| matches(filter, name))
    }

    /// Describes the filter.
    pub(super) fn in_words(&self) -> String {
        let mut parts = Vec::new();
        match (&self.regex_exclude, &self.regex_include) {
            (Some(exclude), _) => parts.push(format!("all names but those like {exclude}")),
            (None, Some(include)) => parts.push(format!("names like {include}")),
            (None, None) => {
                let names: Vec<String> = self.include.iter().map(|name| excerpt(name)).collect();
                let all =
                    if names.is_empty() { "all".to_owned() } else { first_few(&names, 3, ", ") };
                parts.push(all);
                if !self.exclude.is_empty() {
                    let names: Vec<String> =
                        self.exclude.iter().map(|name| excerpt(name)).collect();
                    parts.push(format!("without {}", first_few(&names, 3, ", ")));
                }
            }
        }
        parts.join(" ")
    }
}

/// Returns a filter in the form in which it is compared.
fn prepared(filter: &str) -> Option<String> {
    let bare = filter.trim();
    let prepared = match bare.strip_prefix('.') {
        Some(rest) => format!(".{}", canonical(rest)),
        None => canonical(bare),
    };
    Some(prepared).filter(|filter| !filter.is_empty() && filter != ".")
}

fn regex(text: &str) -> Result<Option<Regex>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    Regex::new(text)
        .map(Some)
        .map_err(|_| format!("{} is not a valid regular expression", excerpt(text)))
}

fn matches(filter: &str, name: &str) -> bool {
    match filter.strip_prefix('.') {
        Some(_) => name.ends_with(filter),
        None => name == filter || name.strip_suffix(filter).is_some_and(|rest| rest.ends_with('.')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A filter, and names that it includes or not.
    type FilterCase = (&'static str, &'static str, &'static [(&'static str, bool)]);

    #[test]
    fn a_filter_matches_as_it_does_in_external_dns() {
        let cases: [FilterCase; 11] = [
            ("nothing is everything", "{}", &[("www.example.com", true)]),
            ("so is null", "null", &[("www.example.com", true)]),
            ("so are lists of null", r#"{"filters":null,"exclude":null}"#, &[("a.example", true)]),
            (
                "the key of the description",
                r#"{"filters":["example.com"]}"#,
                &[("example.com", true), ("www.example.com", true), ("xexample.com", false)],
            ),
            (
                "the key of external-dns",
                r#"{"include":["Example.com."]}"#,
                &[("a.b.example.com", true), ("example.org", false)],
            ),
            ("a key of old servers", r#"{"Filters":["example.com"]}"#, &[("example.org", false)]),
            (
                "a dot in front",
                r#"{"include":[".example.com"]}"#,
                &[("example.com", false), ("www.example.com", true)],
            ),
            (
                "an exclusion",
                r#"{"include":["example.com"],"exclude":["dev.example.com"]}"#,
                &[("www.example.com", true), ("a.dev.example.com", false)],
            ),
            ("an empty filter", r#"{"include":["", " "]}"#, &[("www.example.com", true)]),
            (
                "a regular expression",
                r#"{"include":["example.org"],"regexInclude":"^w+\\.example\\.com$"}"#,
                &[("www.example.com", true), ("api.example.com", false), ("example.org", false)],
            ),
            (
                "an exclusion by one",
                r#"{"regexExclude":"^dev"}"#,
                &[("dev.example.com", false), ("www.example.com", true)],
            ),
        ];
        for (case, body, names) in cases {
            let filter = DomainFilter::read(body.as_bytes()).unwrap();
            for (name, want) in names {
                assert_eq!(filter.includes(name), *want, "{case}: {name}");
            }
        }
    }

    #[test]
    fn what_is_no_filter_is_an_error() {
        for body in ["", "[]", "\"ok\"", "ok", r#"{"filters":"a"}"#, r#"{"regexInclude":"("}"#] {
            assert!(DomainFilter::read(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_filter_is_described() {
        let cases = [
            ("{}", "all"),
            (r#"{"filters":["a.example","b.example"]}"#, "a.example, b.example"),
            (r#"{"exclude":["a.example"]}"#, "all without a.example"),
            (r#"{"regexInclude":"^w"}"#, "names like ^w"),
            (r#"{"regexExclude":"^w"}"#, "all names but those like ^w"),
        ];
        for (body, want) in cases {
            assert_eq!(DomainFilter::read(body.as_bytes()).unwrap().in_words(), want);
        }
    }
}
