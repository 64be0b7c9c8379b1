//! Names that an external-dns manages: its registry keeps a TXT record about each.
//!
//! Such a record is at the name itself, or at a name with the type of the records in front
//! (`a-www.example.com`), and with the prefix and suffix that external-dns was given
//! (`--txt-prefix`, `--txt-suffix`). Its content tells the owner, not the name, so the name is inferred.

/// The mark of external-dns in the content of a TXT record.
const HERITAGE: &str = "heritage=external-dns";

/// The key of the external-dns that owns the name.
const OWNER: &str = "external-dns/owner=";

/// Returns the owner that the content of a TXT record names, if it is a registry's; `?` if it names none.
pub(super) fn owner(content: &str) -> Option<String> {
    let content = content.replace(['"', '\\'], "");
    let mut parts = content.split(',').map(str::trim);
    if !parts.any(|part| part.eq_ignore_ascii_case(HERITAGE)) {
        return None;
    }
    let owner = content.split(',').find_map(|part| part.trim().strip_prefix(OWNER));
    Some(owner.filter(|owner| !owner.is_empty()).unwrap_or("?").to_owned())
}

/// Returns the managed name that a registry's TXT record at `txt` is about. A record that fits a
/// longer name, which is listed besides, is about that one.
pub(super) fn subject<'a>(
    txt: &str,
    managed: impl Iterator<Item = &'a str>,
    listed: impl Iterator<Item = &'a str>,
    zone: &str,
) -> Option<&'a str> {
    let subject = longest(txt, managed, zone)?;
    let other = longest(txt, listed, zone);
    Some(subject).filter(|subject| other.is_none_or(|other| other.len() <= subject.len()))
}

fn longest<'a>(txt: &str, names: impl Iterator<Item = &'a str>, zone: &str) -> Option<&'a str> {
    names.filter(|name| is_about(txt, name, zone)).max_by_key(|name| name.len())
}

/// Whether a TXT record at `txt` can be about `name`.
fn is_about(txt: &str, name: &str, zone: &str) -> bool {
    if txt == name {
        return true;
    }
    // A prefix of whole labels. In front of the zone itself, it would be any name.
    if name != zone && txt.strip_suffix(name).is_some_and(|prefix| prefix.ends_with('.')) {
        return true;
    }
    let Some((label, rest)) = name.split_once('.') else { return false };
    let labels = txt.strip_suffix(rest).and_then(|txt| txt.strip_suffix('.'));
    let Some(labels) = labels else { return false };
    let mut labels = labels.rsplit('.');
    if name == zone {
        // Every name of the zone ends in its own label.
        return labels.next().is_some_and(|last| last != label && is_part(last, label));
    }
    labels.any(|other| is_part(other, label))
}

/// Whether `part` is in `label` between characters that are neither letters nor digits.
fn is_part(label: &str, part: &str) -> bool {
    label.match_indices(part).any(|(at, _)| {
        let before = label[..at].chars().next_back();
        let after = label[at + part.len()..].chars().next();
        [before, after].into_iter().flatten().all(|c| !c.is_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_of_a_registry_is_known_in_every_spelling() {
        let cases = [
            ("heritage=external-dns,external-dns/owner=k8s", Some("k8s")),
            (
                "\"heritage=external-dns,external-dns/owner=k8s,external-dns/resource=a/b\"",
                Some("k8s"),
            ),
            ("\\\"heritage=external-dns,external-dns/owner=k8s\\\"", Some("k8s")),
            ("heritage=external-dns", Some("?")),
            ("heritage=external-dns,external-dns/owner=", Some("?")),
            ("v=spf1 -all", None),
            ("heritage=external-dns-like", None),
            ("", None),
        ];
        for (content, want) in cases {
            assert_eq!(owner(content).as_deref(), want, "{content}");
        }
    }

    #[test]
    fn a_record_of_a_registry_is_about_the_name_that_it_contains() {
        const MANAGED: [&str; 3] = ["www.example.com", "example.com", "my-app.example.com"];
        const LISTED: [&str; 3] =
            ["www-new.example.com", "old-my-app.example.com", "b.www.example.com"];
        let cases = [
            ("www.example.com", Some("www.example.com")),
            ("a-www.example.com", Some("www.example.com")),
            ("aaaa-www.example.com", Some("www.example.com")),
            ("cname-www.example.com", Some("www.example.com")),
            ("extdns-a-www.example.com", Some("www.example.com")),
            ("a-www-extdns.example.com", Some("www.example.com")),
            ("extdns.www.example.com", Some("www.example.com")),
            ("a.extdns.www.example.com", Some("www.example.com")),
            ("_externaldns.a-www.example.com", Some("www.example.com")),
            ("a-www.extdns.example.com", Some("www.example.com")),
            ("_externaldns.a-example.com", Some("example.com")),
            ("a-my-app.example.com", Some("my-app.example.com")),
            ("a-example.com", Some("example.com")),
            ("a-www-new.example.com", None),
            ("a-old-my-app.example.com", None),
            ("a-b.www.example.com", None),
            ("a-xwww.example.com", None),
            ("wwwx.example.com", None),
            ("a-www.example.org", None),
            ("anything.example.com", None),
            ("com", None),
        ];
        for (txt, want) in cases {
            let found = subject(txt, MANAGED.into_iter(), LISTED.into_iter(), "example.com");
            assert_eq!(found, want, "{txt}");
        }
    }
}
