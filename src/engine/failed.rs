//! The checks that made a target go down, each with its reason in words.

use std::fmt;

/// A check that has made a target go down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedCheck {
    /// The name of the check.
    pub check: String,
    /// The reason of its last loss in words, with the phase that it belongs to. `None` if nothing was
    /// received.
    pub said: Option<String>,
}

impl fmt::Display for FailedCheck {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = self.said.as_deref().unwrap_or("no reply");
        write!(out, "{}: {said}", self.check)
    }
}

/// Returns failed checks with their reasons, as in `web: connect 0.4 ms, then 503 (wanted 200-299); icmp:
/// no reply`. `None` without any.
pub fn failed_in_words(failed: &[FailedCheck]) -> Option<String> {
    let each: Vec<String> = failed.iter().map(ToString::to_string).collect();
    (!each.is_empty()).then(|| each.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, said: Option<&str>) -> FailedCheck {
        FailedCheck { check: name.to_owned(), said: said.map(str::to_owned) }
    }

    #[test]
    fn each_check_is_named_with_its_reason() {
        let web = check("web", Some("connect 0.4 ms, then 503 (wanted 200-299)"));
        let words = "web: connect 0.4 ms, then 503 (wanted 200-299)";
        assert_eq!(failed_in_words(std::slice::from_ref(&web)).as_deref(), Some(words));
        let both = failed_in_words(&[web, check("icmp", None)]).unwrap();
        assert_eq!(both, format!("{words}; icmp: no reply"));
        assert_eq!(failed_in_words(&[]), None);
    }
}
