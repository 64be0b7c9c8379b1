//! Credentials for Cloudflare.

use secrecy::{ExposeSecret, SecretString};

use crate::config::environment::{Environment, Found};
use crate::config::problem::Spot;

/// Credentials for Cloudflare.
#[derive(Debug, Clone)]
pub enum CloudflareCredentials {
    /// A scoped API token.
    Token(SecretString),
    /// The global key, with the account's e-mail address.
    GlobalKey {
        /// The global API key.
        key: SecretString,
        /// The account's e-mail address.
        email: String,
    },
}

impl CloudflareCredentials {
    /// Whether both are known to belong to one user. The limit of requests is that of a user.
    pub(super) fn are_of_one_user(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Token(one), Self::Token(other)) => one.expose_secret() == other.expose_secret(),
            (Self::GlobalKey { email: one, .. }, Self::GlobalKey { email: other, .. }) => {
                one == other
            }
            _ => false,
        }
    }
}

/// Returns the credentials in the environment: a token, or the global key with its e-mail address.
pub(super) fn credentials(environment: &mut Environment<'_>) -> Found<CloudflareCredentials> {
    match environment.either("CF_API_TOKEN", "CLOUDFLARE_API_TOKEN") {
        Found::This(variable, token) => {
            return Found::This(variable, CloudflareCredentials::Token(token.into()));
        }
        Found::Refused => return Found::Refused,
        Found::Nothing => {}
    }
    match (environment.printable("CF_API_KEY"), environment.printable("CF_API_EMAIL")) {
        (Found::This(variable, key), Found::This(_, email)) => {
            let key = CloudflareCredentials::GlobalKey { key: key.into(), email };
            return Found::This(variable, key);
        }
        (Found::This(..), Found::Nothing) => {
            refuse_half(environment, "CF_API_EMAIL", "CF_API_KEY");
        }
        (Found::Nothing, Found::This(..)) => {
            refuse_half(environment, "CF_API_KEY", "CF_API_EMAIL");
        }
        (Found::Nothing, Found::Nothing) => return Found::Nothing,
        _ => {}
    }
    Found::Refused
}

/// Refuses an incomplete pair of variables.
fn refuse_half(environment: &mut Environment<'_>, missing: &str, present: &str) {
    let what = format!("missing; {present} is set and needs it, or set CF_API_TOKEN alone");
    environment.report.refuse(&Spot::variable(missing), what);
}
