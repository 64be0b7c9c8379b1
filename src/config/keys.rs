//! The names allowed in a configuration file, and suggestions for unknown ones.

use std::fmt;

/// A part of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    /// The part above the first section.
    Top,
    /// The section `[Cloudflare]`.
    Cloudflare,
    /// The section `[Route53]`.
    Route53,
    /// The section `[Members]`.
    Members,
    /// The section `[Status]`.
    Status,
}

use Section::{Cloudflare, Members, Route53, Status, Top};

/// The sections that have a header.
const SECTIONS: [Section; 4] = [Cloudflare, Route53, Members, Status];

/// Every key, with its section.
pub(super) const KEYS: [(Section, &str); 35] = [
    (Top, "failure_threshold"),
    (Top, "recovery_threshold"),
    (Top, "interval"),
    (Top, "timeout"),
    (Top, "retry_interval"),
    (Top, "burst"),
    (Top, "port"),
    (Top, "slack_addr"),
    (Top, "webhook_url"),
    (Top, "min_in_service"),
    (Top, "canaries"),
    (Top, "name"),
    (Top, "resync_interval"),
    (Top, "state_file"),
    (Cloudflare, "dns_domain"),
    (Cloudflare, "hostnames"),
    (Cloudflare, "ip_addresses"),
    (Cloudflare, "dns_proxied"),
    (Cloudflare, "ttl"),
    (Cloudflare, "api_url"),
    (Route53, "aws_domain"),
    (Route53, "hostnames"),
    (Route53, "ip_addresses"),
    (Route53, "ttl"),
    (Route53, "aws_zoneid"),
    (Route53, "aws_region"),
    (Route53, "api_url"),
    (Members, "peers"),
    (Members, "local_addr"),
    (Members, "members_port"),
    (Members, "min_peers_agree"),
    (Members, "crypto_key"),
    (Members, "require_signed"),
    (Status, "listen"),
    (Status, "socket"),
];

/// Keys at the top of the oldest files, which have no sections, with the section they belong to.
const ONCE_AT_THE_TOP: [(Section, &str); 9] = [
    (Cloudflare, "ip_addresses"),
    (Cloudflare, "dns_domain"),
    (Cloudflare, "hostnames"),
    (Cloudflare, "dns_proxied"),
    (Members, "peers"),
    (Members, "local_addr"),
    (Members, "members_port"),
    (Members, "min_peers_agree"),
    (Members, "crypto_key"),
];

/// Keys with values that are never displayed.
const SECRET: [&str; 3] = ["crypto_key", "slack_addr", "webhook_url"];

impl Section {
    /// Returns the section with this name, in lower case.
    pub(super) fn named(folded: &str) -> Option<Self> {
        SECTIONS.into_iter().find(|section| section.name().eq_ignore_ascii_case(folded))
    }

    /// Returns the name as the documentation writes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Top => "",
            Cloudflare => "Cloudflare",
            Route53 => "Route53",
            Members => "Members",
            Status => "Status",
        }
    }

    /// Returns `key` with its section in front.
    pub(super) fn key(self, key: &str) -> String {
        if self == Top { key.to_owned() } else { format!("{}.{key}", self.name()) }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Top => out.write_str("the top of the file, above the first section"),
            _ => write!(out, "[{}]", self.name()),
        }
    }
}

/// Returns the key with this name, in lower case, that may stand in `section`.
pub(super) fn find(section: Section, folded: &str) -> Option<&'static str> {
    let own = KEYS.iter().filter(|(home, _)| *home == section);
    let old = ONCE_AT_THE_TOP.iter().filter(|_| section == Top);
    own.chain(old).map(|(_, key)| *key).find(|key| *key == folded)
}

/// Whether the oldest files have this key of `section` at the top.
pub(super) fn was_at_the_top(section: Section, key: &str) -> bool {
    ONCE_AT_THE_TOP.contains(&(section, key))
}

/// Whether the value of a key must not be displayed.
pub(super) fn is_secret(key: &str) -> bool {
    SECRET.contains(&key)
}

/// Explains why an unknown key is refused: its replacement, its proper section, or a key with a
/// similar spelling.
pub(super) fn about_unknown_key(section: Section, folded: &str) -> String {
    if section == Top && folded == "ports" {
        return "not known any more; port holds the one TCP port, from 1 to 65535".to_owned();
    }
    let homes: Vec<String> = KEYS
        .iter()
        .filter(|(home, key)| *home != section && *key == folded)
        .map(|(home, _)| home.to_string())
        .collect();
    if !homes.is_empty() {
        return format!("belongs to {}", homes.join(" or "));
    }
    let here = KEYS.iter().filter(|(home, _)| *home == section).map(|(_, key)| *key);
    if let Some(near) = nearest(folded, here) {
        return format!("not a known key; did you mean {near}?");
    }
    let elsewhere = KEYS.iter().find(|(_, key)| nearest(folded, [*key].into_iter()).is_some());
    match elsewhere {
        Some((home, key)) => {
            format!("not a known key; did you mean {key}, which belongs to {home}?")
        }
        None => "not a known key".to_owned(),
    }
}

/// Explains why an unknown section is refused.
pub(super) fn about_unknown_section(folded: &str) -> String {
    let names = SECTIONS.iter().map(|section| section.name());
    match nearest(folded, names) {
        Some(near) => format!("not a known section; did you mean [{near}]?"),
        None => "not a known section; there are [Cloudflare], [Route53], [Members] and [Status]"
            .to_owned(),
    }
}

/// Returns the candidate with the spelling closest to `folded`, if a third of the letters or less
/// differ.
fn nearest<'a>(folded: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .filter(|name| folded.len() <= 2 * name.len())
        .map(|name| (strsim::damerau_levenshtein(folded, &name.to_ascii_lowercase()), name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_shows_every_key_in_its_section() {
        let shipped = include_str!("../../goavail.toml");
        let mut section = Top;
        let mut shown = Vec::new();
        for line in shipped.lines() {
            let line = line.trim_start_matches('#');
            if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = Section::named(&header.to_ascii_lowercase()).unwrap();
            } else if let Some((key, _)) = line.split_once(" = ")
                && let Some(key) = find(section, key)
            {
                shown.push((section, key));
            }
        }
        for key in KEYS {
            assert!(shown.contains(&key), "{key:?}");
        }
    }

    #[test]
    fn only_what_is_spelt_alike_is_suggested() {
        let keys = || KEYS.iter().map(|(_, key)| *key);
        let cases = [
            ("intervall", Some("interval")),
            ("faliure_threshold", Some("failure_threshold")),
            ("min_members_agree", Some("min_peers_agree")),
            ("tt", Some("ttl")),
            ("colour", None),
            ("", None),
        ];
        for (written, want) in cases {
            assert_eq!(nearest(written, keys()), want, "{written}");
        }
        assert_eq!(nearest(&"interval".repeat(10_000), keys()), None);
    }
}
