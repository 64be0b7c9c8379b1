//! Rules for displaying text that an operator typed: a secret in the wrong place must not be
//! repeated.
//!
//! A secret cannot be told from a name with certainty. Text that looks like one, long and without
//! the shape of words, is hidden. The line and the key still show the place, and a value hidden
//! unnecessarily costs little.

use std::collections::BTreeSet;
use std::path::Path;

use super::visible;

/// Maximum number of characters of a value that are displayed.
const SHOWN: usize = 60;

/// Minimum length of a run of letters and digits that may be a token.
const TOKEN: usize = 16;

/// Minimum number of different characters in a token; a run with fewer is a placeholder.
const VARIED: usize = 8;

/// Maximum length of the rest of a URL, after its host, that is displayed.
const SHORT_REST: usize = 6;

/// Maximum length of a name that is displayed: the longest key has half of that.
const LONGEST_NAME: usize = 40;

/// Returns a placeholder for a secret.
pub(crate) fn hidden(secret: &str) -> String {
    format!("a value of {} bytes", secret.len())
}

/// Returns a piece of text, shortened to one line.
pub(crate) fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    plain(&short)
}

/// Returns the text with everything escaped that could affect a terminal.
fn plain(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in visible(text).chars() {
        if letter.is_control() {
            escaped.extend(letter.escape_default());
        } else {
            escaped.push(letter);
        }
    }
    escaped
}

/// Whether this is the path of a Slack webhook, `T…/B…/X…`: three words of letters and digits.
pub(crate) fn is_slack_path(path: &str) -> bool {
    let words: Vec<&str> = path.split('/').collect();
    let [team, bot, _] = words[..] else { return false };
    team.starts_with('T') && bot.starts_with('B') && words.iter().all(|word| is_alphanumeric(word))
}

fn is_alphanumeric(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether a text may be or contain a token, a key or a password: a long run of mixed characters.
pub(crate) fn may_be_secret(text: &str) -> bool {
    let mut runs = text.split(|c: char| !c.is_ascii_alphanumeric() && !"+/=_-".contains(c));
    runs.any(|run| is_mixed(run) || is_slack_path(run.trim_matches('/')))
}

/// Whether letters and digits, or capitals and lower-case letters, alternate in a long run as in no
/// word.
fn is_mixed(run: &str) -> bool {
    let varied = run.chars().collect::<BTreeSet<_>>().len() >= VARIED;
    let mut words = run.split(['_', '-', '/']).filter(|word| !word.is_empty());
    run.len() >= TOKEN && varied && !words.all(is_word)
}

/// Whether this is a word as people write it: letters of one case or with an initial capital, then
/// a few digits.
fn is_word(word: &str) -> bool {
    let letters = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = word.len() - letters.len();
    let tail = letters.get(1..).unwrap_or_default();
    let of_one_case = tail.bytes().all(|byte| byte.is_ascii_lowercase())
        || letters.bytes().all(|byte| byte.is_ascii_uppercase());
    letters.len() < TOKEN && digits <= 4 && of_one_case
}

/// Returns a key or a section in a form that may be displayed: only its length if it may be a
/// secret.
pub(crate) fn name(written: &str) -> String {
    let is_name =
        written.len() <= LONGEST_NAME && !may_be_secret(written) && !written.contains("://");
    if is_name { shown(written) } else { hidden_name(written) }
}

/// Returns a placeholder with the length of a name.
fn hidden_name(written: &str) -> String {
    format!("(a name of {} bytes, not shown)", written.len())
}

/// Returns a piece of the file's text, or a description if it may be a secret. Of a URL only the
/// host is displayed.
pub(crate) fn value(source: &str) -> Option<String> {
    if let Some((scheme, rest)) = source.split_once("://") {
        let authority = rest.split(['/', '?', '#', '"', '\'']).next().unwrap_or_default();
        let has_more = rest.len() > authority.len() + SHORT_REST;
        let is_plain =
            !authority.contains('@') && !may_be_secret(authority) && !may_be_secret(scheme);
        if !is_plain {
            return None;
        }
        let quote = source.chars().next().filter(|c| "\"'".contains(*c));
        let close = quote.map_or_else(String::new, String::from);
        let host = format!("{scheme}://{authority}/…{close}");
        return Some(shown(if has_more { &host } else { source }));
    }
    (!may_be_secret(source)).then(|| shown(source))
}

/// Returns a path in a form that may be displayed. If there is no such file, the text may not be
/// meant as a path at all, so only the directories that exist are displayed. A path on a disk that
/// does not respond is not displayed.
pub(crate) fn path(written: &str) -> String {
    let path = Path::new(written).to_owned();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.map(Path::to_owned);
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let (file, above) = (file.unwrap_or_default(), folder.clone());
    // A dangling link counts as existing.
    let found = crate::file::look(move || {
        let is_there = path.symlink_metadata().is_ok();
        (is_there, !is_there && above.is_some_and(|above| above.is_dir()))
    });
    match (found, folder) {
        (Some((true, _)), _) => shown(written),
        (Some((_, true)), Some(_)) if is_file_name(&file) => shown(written),
        (Some((_, true)), Some(folder)) => {
            format!("{} in {}", hidden(&file), shown(&folder.to_string_lossy()))
        }
        _ => hidden(written),
    }
}

/// Whether a text looks like the name of a file and not like a secret.
fn is_file_name(text: &str) -> bool {
    text.len() < 32 && text.split(['.', '_', '-']).all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENS: [&str; 9] = [
        "v1_0-e24fd090c08efcfecb024143",
        "abcdefghijklmnopqrstuvwxyzabcd",
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
        "0123456789abcdef",
        "123e4567-e89b-12d3-a456-426614174000",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "Sn3lZJTBX6kkg7OdcBUAxOO963GEIyGQqnFTOFYY",
    ];

    #[test]
    fn a_possible_token_is_never_shown() {
        for token in TOKENS {
            assert!(may_be_secret(token), "{token}");
            let texts = [name(token), path(token), value(token).unwrap_or_default()];
            for text in texts {
                assert!(!text.contains(&token[..8]), "{token}: {text}");
            }
            let in_tmp = path(&format!("/tmp/{}", token.replace('/', "")));
            assert!(!in_tmp.contains(&token[..8]), "{token}: {in_tmp}");
        }
    }

    #[test]
    fn an_ordinary_mistake_is_shown() {
        let names = [
            "intervall",
            "faliure_threshold",
            "Failure-Threshold",
            "min_members_agree",
            "Cloudfare",
            "CF_API_TOKEN",
            "route53_zone",
            "route53",
            "ports",
        ];
        for text in names {
            assert_eq!(name(text), text);
        }
        let values = [
            "\"192.0.2.300\"",
            "\"2001:db8::zz\"",
            "\"www.example.com.\"",
            "[\"www\", \"mail\"]",
            "\"250 milliseconds\"",
            "1000000000",
            "\"https://api.example.com\"",
            "-0.5",
            "\"eu-west-3\"",
            "\"very-long-host-name-for-the-web.example.com\"",
        ];
        for text in values {
            assert_eq!(value(text).as_deref(), Some(text));
        }
        assert_eq!(path("/nowhere-at-all.txt"), "/nowhere-at-all.txt");
    }

    #[test]
    fn of_a_url_only_the_host_is_shown() {
        let rows = [
            ("\"http://hooks.test/T0/B0/s3cret\"", Some("\"http://hooks.test/…\"")),
            ("http://hooks.test/?s3cret", Some("http://hooks.test/…")),
            ("https://u:s3cret@hooks.test/", None),
            ("https://Sn3lZJTBX6kkg7OdcBUA.test/", None),
        ];
        for (url, want) in rows {
            assert_eq!(value(url).as_deref(), want, "{url}");
        }
    }
}
