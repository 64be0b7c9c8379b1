//! Settings from the environment: secrets, and the URL of the API.
//!
//! A variable set to an empty text counts as not set, since shells and container tools leave it
//! that way. A relative path in a `…_FILE` variable starts at the agent's working directory.

use std::path::Path;

use secrecy::SecretString;

use super::document::hidden;
use super::field::not_allowed;
use super::problem::{Report, Spot};
use super::{CloudflareCredentials, Env, disclosure, rule, text_of, url};

/// Maximum length of a secret read from a file, in bytes.
const LONGEST_SECRET: u64 = 64 * 1024;

/// Result of looking up a set of variables.
enum Found<T> {
    /// None of them is set.
    Nothing,
    /// One of them was refused.
    Refused,
    /// The variable that is set, and its value.
    This(String, T),
}

/// The environment while it is read.
pub(super) struct Environment<'a> {
    /// Lookup of a variable.
    pub(super) env: Env<'a>,
    /// Report that receives the problems.
    pub(super) report: &'a mut Report,
}

impl Environment<'_> {
    /// Returns the credentials for Cloudflare: a token, or the global key with its e-mail address.
    ///
    /// They may be absent in a dry run.
    pub(super) fn cloudflare(&mut self, dry_run: bool) -> Option<CloudflareCredentials> {
        match self.either("CF_API_TOKEN", "CLOUDFLARE_API_TOKEN") {
            Found::This(_, token) => return Some(CloudflareCredentials::Token(token.into())),
            Found::Refused => return None,
            Found::Nothing => {}
        }
        match (self.printable("CF_API_KEY"), self.printable("CF_API_EMAIL")) {
            (Found::This(_, key), Found::This(_, email)) => {
                return Some(CloudflareCredentials::GlobalKey { key: key.into(), email });
            }
            (Found::This(..), Found::Nothing) => self.half("CF_API_EMAIL", "CF_API_KEY"),
            (Found::Nothing, Found::This(..)) => self.half("CF_API_KEY", "CF_API_EMAIL"),
            (Found::Nothing, Found::Nothing) if !dry_run => self.report.refuse(
                &Spot::variable("CF_API_TOKEN"),
                "missing; --no-dry-run needs it, or CF_API_KEY and CF_API_EMAIL",
            ),
            _ => {}
        }
        None
    }

    /// Returns the key shared by the agents of the cluster, with the variable's name.
    pub(super) fn crypto_key(&mut self) -> Option<(String, String)> {
        let Found::This(variable, key) = self.secret("GOAVAIL_CRYPTO_KEY") else { return None };
        if !rule::fits_aes(&key) {
            let what = not_allowed(&hidden(&key), "a text of 16, 24 or 32 bytes");
            self.report.refuse(&Spot::variable(&variable), what);
            return None;
        }
        Some((variable, key))
    }

    /// Returns another URL for Cloudflare's API.
    pub(super) fn cloudflare_url(&mut self) -> Option<String> {
        let variable = "CLOUDFLARE_BASE_URL";
        let text = (self.env)(variable).filter(|text| !text.is_empty())?;
        let refused = |allowed: String| {
            let shown = disclosure::value(&text);
            let shown = shown.map_or_else(|| hidden(&text), |text| format!("\"{text}\""));
            not_allowed(&shown, &allowed)
        };
        match url::api_text(&text) {
            Ok(url) => Some(url),
            Err(allowed) => {
                self.report.refuse(&Spot::variable(variable), refused(allowed));
                None
            }
        }
    }

    /// Returns the value of one of two names for the same variable.
    fn either(&mut self, first: &str, second: &str) -> Found<String> {
        match (self.printable(first), self.printable(second)) {
            (Found::Refused, _) | (_, Found::Refused) => Found::Refused,
            (found, Found::Nothing) | (Found::Nothing, found) => found,
            (Found::This(one, mine), Found::This(other, theirs)) => {
                if mine == theirs {
                    return Found::This(one, mine);
                }
                let what = format!("not what {one} says; set one of them");
                self.report.refuse(&Spot::variable(&other), what);
                Found::Refused
            }
        }
    }

    /// Returns a secret for an HTTP header: visible ASCII characters only. A trailing line end, as
    /// left by `$(cat …)` in other tools, is removed.
    fn printable(&mut self, variable: &str) -> Found<String> {
        let (variable, secret) = match self.secret(variable) {
            Found::This(variable, secret) => {
                (variable, secret.trim_matches(['\n', '\r']).to_owned())
            }
            other => return other,
        };
        if !rule::fits_a_header(&secret) {
            let what = not_allowed(&hidden(&secret), rule::VISIBLE);
            self.report.refuse(&Spot::variable(&variable), what);
            return Found::Refused;
        }
        Found::This(variable, secret)
    }

    /// Returns a secret from its variable, or from the file named by `…_FILE`.
    fn secret(&mut self, variable: &str) -> Found<String> {
        let in_file = format!("{variable}_FILE");
        let [value, path] =
            [variable, &in_file].map(|name| (self.env)(name).filter(|text| !text.is_empty()));
        match (value, path) {
            (None, None) => Found::Nothing,
            (Some(secret), None) => Found::This(variable.to_owned(), secret),
            (None, Some(path)) => self.read_file(in_file, &path),
            (Some(_), Some(_)) => {
                let what = format!("set together with {variable}; set one of them");
                self.report.refuse(&Spot::variable(&in_file), what);
                Found::Refused
            }
        }
    }

    /// Reads a secret from a file, without the line end that editors leave.
    fn read_file(&mut self, variable: String, path: &str) -> Found<String> {
        let what = match text_of(Path::new(path), LONGEST_SECRET) {
            Ok(text) => {
                let secret = text.trim_end_matches(['\n', '\r']);
                if !secret.is_empty() {
                    return Found::This(variable, secret.to_owned());
                }
                format!("{} is empty", disclosure::path(path))
            }
            Err(why) => format!("{}: {why}", disclosure::path(path)),
        };
        self.report.refuse(&Spot::variable(&variable), what);
        Found::Refused
    }

    /// Refuses an incomplete pair of variables.
    fn half(&mut self, missing: &str, there: &str) {
        let what = format!("missing; {there} is set and needs it, or set CF_API_TOKEN alone");
        self.report.refuse(&Spot::variable(missing), what);
    }
}

/// Wraps a key as the agent keeps it.
pub(super) fn secret(text: &str) -> SecretString {
    text.to_owned().into()
}
