//! Secrets of channels, each in a file of its own.

use std::path::PathBuf;

use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::environment;
use crate::config::field::{At, Field, FieldReader};
use crate::config::keys::Section;
use crate::config::problem::Spot;
use crate::config::rule::path;
use crate::config::section::SectionContext;
use crate::config::url;

/// A secret, compared by its text and never displayed.
#[derive(Debug, Clone)]
pub(crate) struct Secret(SecretString);

impl Secret {
    /// Wraps a text.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into().into())
    }

    /// Returns the text, for a request only.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<SecretString> for Secret {
    fn from(secret: SecretString) -> Self {
        Self(secret)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

/// The form of a secret in its file.
#[derive(Debug, Clone, Copy)]
pub(super) enum SecretForm {
    /// A token for an HTTP header or a URL: visible ASCII characters.
    Token,
    /// One line of any text, such as a password.
    Line,
}

/// A key with the path of a file that has a secret.
pub(crate) struct SecretFile {
    section: Section,
    key: &'static str,
    path: Field<PathBuf>,
}

impl SecretFile {
    /// Takes the path out of a table.
    pub(crate) fn parse(key: &'static str, section: Section, values: &mut FieldReader<'_>) -> Self {
        Self { section, key, path: values.one(section, key, path) }
    }

    /// Returns the path with its place, if the key is set.
    pub(crate) fn at(&self) -> Option<&At<PathBuf>> {
        self.path.present()
    }

    /// Whether the key is not set.
    pub(crate) fn is_absent(&self) -> bool {
        self.path.is_absent()
    }

    /// Returns the secret, if the key is set. A file that cannot be used is refused.
    pub(super) fn read(&self, form: SecretForm, table: &mut SectionContext<'_>) -> Option<Secret> {
        let at = self.at()?;
        let path = table.secret_file(at, &at.value);
        let text = match form {
            SecretForm::Token => environment::token_in_file(&path, at.bare()),
            SecretForm::Line => environment::line_in_file(&path, at.bare()),
        };
        text.map(Secret::new).map_err(|what| table.report.refuse(&at.spot, what)).ok()
    }

    /// Returns the secret, and refuses a table without it. `holding` describes the content of the file.
    pub(super) fn require(
        &self,
        form: SecretForm,
        holding: &str,
        table: &mut SectionContext<'_>,
    ) -> Option<Secret> {
        if self.is_absent() {
            let spot = table.missing(self.section, self.key);
            table.report.refuse(&spot, format!("missing; the path of a file with {holding}"));
        }
        self.read(form, table)
    }

    /// Returns the URL of a receiver, and refuses a table without it. `allowed` describes the texts that
    /// `rule` can read.
    pub(crate) fn require_url(
        &self,
        allowed: &str,
        rule: impl Fn(&str) -> Option<Url>,
        table: &mut SectionContext<'_>,
    ) -> Option<Secret> {
        let secret = self.require(SecretForm::Line, allowed, table)?;
        let at = self.at()?;
        let Some(url) = rule(secret.expose()) else {
            let what = format!("{} does not hold {allowed}", at.bare());
            table.report.refuse(&at.spot, what);
            return None;
        };
        warn_if_open(&url, &at.spot, table);
        Some(Secret::new(url))
    }
}

/// Description of the URLs that [`private_url`] reads.
pub(super) const PRIVATE_URL: &str = "the URL of a webhook, which begins with https://";

/// Reads the URL of a receiver that is reached by TLS, or is on this machine.
pub(super) fn private_url(text: &str) -> Option<Url> {
    url::web(text).filter(|url| !url::is_open(url))
}

/// Warns about a URL if its requests can be read on the way by other machines.
pub(super) fn warn_if_open(url: &Url, spot: &Spot, table: &mut SectionContext<'_>) {
    if url::is_open(url) {
        table.report.warn(spot, "plain http: notices can be read and forged on the way");
    }
}
