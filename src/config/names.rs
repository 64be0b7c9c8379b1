//! Rules for owner names, and their derivation from host names.
//!
//! Source: RFC 1035, sections 2.3.1 and 2.3.4, with the underscore that practice allows and the
//! wildcard of RFC 1034, section 4.3.3.

use super::value::{Value, as_text};

/// Maximum length of a name in characters, without the final dot.
const LONGEST: usize = 253;

/// Maximum length of a label in characters.
const LONGEST_LABEL: usize = 63;

/// Reads the name of a zone and converts it to lower case, without the final dot.
pub(crate) fn domain(value: &Value) -> Result<String, String> {
    let text = as_text(value).ok_or("a domain name, such as \"example.com\"")?;
    let name = text.to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    check(name, name.split('.'))?;
    Ok(name.to_owned())
}

/// Reads a host name and converts it to lower case. Its owner name depends on the domain.
pub(crate) fn hostname(value: &Value) -> Result<String, String> {
    let text = as_text(value).ok_or(
        "a host name, such as \"www\" or \"www.example.com\", or \"@\" for the domain itself",
    )?;
    let name = text.to_ascii_lowercase();
    let bare = name.strip_suffix('.').unwrap_or(&name);
    let wildcard = usize::from(bare == "*" || bare.starts_with("*."));
    if name != "@" {
        check(bare, bare.split('.').skip(wildcard))?;
    }
    Ok(name)
}

/// Returns the owner name for `hostname` in `domain`. A name that ends in the domain stays as it
/// is, `@` is the domain itself, and to any other name the domain is appended.
///
/// # Errors
///
/// Returns a description of allowed names if the name would be too long, or if a final dot marks it
/// as a full name although it lies in another domain.
pub(crate) fn qualify(hostname: &str, domain: &str) -> Result<String, String> {
    let bare = hostname.strip_suffix('.').unwrap_or(hostname);
    let within =
        bare.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if hostname == "@" {
        return Ok(domain.to_owned());
    }
    if within {
        return Ok(bare.to_owned());
    }
    if bare != hostname {
        return Err(format!("a final dot ends a whole name, and this one is not in {domain}"));
    }
    let name = format!("{bare}.{domain}");
    if name.len() > LONGEST {
        return Err(format!("with the domain a name has at most {LONGEST} characters"));
    }
    Ok(name)
}

/// Checks a full name and those of its labels that are not wildcards.
fn check<'a>(name: &str, mut labels: impl Iterator<Item = &'a str>) -> Result<(), String> {
    if name.len() > LONGEST {
        return Err(format!("a name has at most {LONGEST} characters"));
    }
    labels.try_for_each(check_label)
}

fn check_label(label: &str) -> Result<(), String> {
    if !label.is_ascii() {
        return Err("an international name is written in its ASCII form, xn--…".to_owned());
    }
    if let Some(letter) = label.chars().find(|letter| !is_allowed(*letter)) {
        return Err(format!("a name has letters, digits, hyphens and underscores, not {letter:?}"));
    }
    if !(1..=LONGEST_LABEL).contains(&label.len()) {
        return Err(format!("each label of a name has 1 to {LONGEST_LABEL} characters"));
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err("no label of a name begins or ends with a hyphen".to_owned());
    }
    Ok(())
}

fn is_allowed(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '-' || letter == '_'
}
