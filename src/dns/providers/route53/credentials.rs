//! AWS's chain of credentials, checked before the SDK signs with them.
//!
//! The SDK panics when it has to sign with a key that an HTTP header cannot contain. Every source
//! of credentials, such as a file, a role or a metadata service, is therefore checked here.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{
    ProvideCredentials, Result, SharedCredentialsProvider, future,
};

/// Time limit of a chain. The SDK's own limit is 5 s, and its error does not name the source.
const MAY_TAKE: Duration = Duration::from_millis(4_500);

/// Key, secret and session token, for comparison.
type CredentialIdentity = (String, String, Option<String>);

/// A chain of credentials.
#[derive(Debug)]
pub(super) struct Chain {
    inner: Option<SharedCredentialsProvider>,
    /// The reason why the profile files cannot be used. The SDK might panic, or report little.
    broken: Option<String>,
    /// The reason why the selected profile has no credentials, which the SDK ignores.
    lacking: Option<String>,
    state: Mutex<ChainState>,
}

#[derive(Default)]
struct ChainState {
    /// Credentials that were looked up and not used yet.
    ready: Option<Credentials>,
    /// The credentials that were used last.
    last: Option<CredentialIdentity>,
}

impl std::fmt::Debug for ChainState {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ChainState").finish_non_exhaustive()
    }
}

/// Credentials that cannot be used for signing. It contains no part of them.
#[derive(Debug, thiserror::Error)]
#[error(
    "{what} ({variable}) that {provider} hands out is a value of {length} bytes that is not \
     allowed; visible ASCII characters without blanks"
)]
struct InvalidCredentials {
    what: &'static str,
    variable: &'static str,
    provider: &'static str,
    length: usize,
}

/// The chain did not end in time.
#[derive(Debug, thiserror::Error)]
#[error("no credentials were provided within {0:?}")]
pub(super) struct TooSlow(Duration);

/// The profile files contain something that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct BrokenProfile(String);

/// A chain without credentials that skipped the selected profile.
#[derive(Debug, thiserror::Error)]
#[error("{profile}")]
pub(super) struct ProfileWithoutCredentials {
    /// The problem of the profile.
    pub(super) profile: String,
    /// The result of the other sources.
    #[source]
    pub(super) elsewhere: CredentialsError,
}

impl ProfileWithoutCredentials {
    /// Returns an error of the same kind as `elsewhere` that names the profile too.
    fn error(profile: &str, elsewhere: CredentialsError) -> CredentialsError {
        let profile = profile.to_owned();
        match elsewhere {
            // It names a place at which something was found.
            CredentialsError::InvalidConfiguration(_) => elsewhere,
            CredentialsError::CredentialsNotLoaded(_) => {
                CredentialsError::not_loaded(Self { profile, elsewhere })
            }
            _ => CredentialsError::provider_error(Self { profile, elsewhere }),
        }
    }
}

impl Chain {
    pub(super) fn new(
        inner: Option<SharedCredentialsProvider>,
        broken: Option<String>,
        lacking: Option<String>,
    ) -> Self {
        Self { inner, broken, lacking, state: Mutex::default() }
    }

    /// Returns the chain for a client.
    pub(super) fn shared(self: Arc<Self>) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(SharedChain(self))
    }

    /// Looks up credentials and keeps them for the next request; `None` if there are none.
    pub(super) async fn look_up(&self) -> Option<CredentialIdentity> {
        let found = self.provide().await.ok()?;
        let identity = identity(&found);
        self.state().ready = Some(found);
        Some(identity)
    }

    /// Returns the credentials that the last request was signed with.
    pub(super) fn last_used(&self) -> Option<CredentialIdentity> {
        self.state().last.clone()
    }

    fn state(&self) -> MutexGuard<'_, ChainState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn use_credentials(&self) -> Result {
        let ready = self.state().ready.take();
        let credentials = match ready {
            Some(credentials) => credentials,
            None => self.provide().await?,
        };
        self.state().last = Some(identity(&credentials));
        Ok(credentials)
    }

    async fn provide(&self) -> Result {
        if let Some(why) = &self.broken {
            return Err(CredentialsError::invalid_configuration(BrokenProfile(why.clone())));
        }
        self.ask().await.map_err(|error| match &self.lacking {
            Some(profile) => ProfileWithoutCredentials::error(profile, error),
            None => error,
        })
    }

    async fn ask(&self) -> Result {
        let Some(inner) = &self.inner else { return Err(CredentialsError::not_loaded_no_source()) };
        match tokio::time::timeout(MAY_TAKE, inner.provide_credentials()).await {
            Ok(found) => fit(found?),
            Err(_) => Err(CredentialsError::provider_error(TooSlow(MAY_TAKE))),
        }
    }
}

/// A reference to a chain, for a client.
#[derive(Debug)]
struct SharedChain(Arc<Chain>);

impl ProvideCredentials for SharedChain {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.0.use_credentials())
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.0.inner.as_ref()?.fallback_on_interrupt().and_then(|found| fit(found).ok())
    }
}

fn identity(of: &Credentials) -> CredentialIdentity {
    let token = of.session_token().map(str::to_owned);
    (of.access_key_id().to_owned(), of.secret_access_key().to_owned(), token)
}

/// Returns `found` without surrounding white space, if a request can be signed with it.
fn fit(found: Credentials) -> Result {
    let parts = [
        ("the access key id", "AWS_ACCESS_KEY_ID", Some(found.access_key_id())),
        ("the secret access key", "AWS_SECRET_ACCESS_KEY", Some(found.secret_access_key())),
        ("the session token", "AWS_SESSION_TOKEN", found.session_token()),
    ];
    for (what, variable, text) in parts {
        let text = text.unwrap_or("none");
        if !crate::config::rule::fits_a_header(text.trim()) {
            let length = text.len();
            let provider = provider(&found);
            let unfit = InvalidCredentials { what, variable, provider, length };
            return Err(CredentialsError::invalid_configuration(unfit));
        }
    }
    let is_bare = parts.iter().all(|(_, _, text)| text.is_none_or(|text| text == text.trim()));
    if is_bare {
        return Ok(found);
    }
    let mut builder = Credentials::builder()
        .access_key_id(found.access_key_id().trim())
        .secret_access_key(found.secret_access_key().trim())
        .provider_name(provider(&found));
    builder.set_session_token(found.session_token().map(|token| token.trim().to_owned()));
    builder.set_expiry(found.expiry());
    builder.set_account_id(found.account_id().cloned());
    Ok(builder.build())
}

/// Returns the source of credentials. The SDK's own names are identifiers of its code.
fn provider(of: &Credentials) -> &'static str {
    let debugged = format!("{of:?}");
    for (name, words) in PROVIDER_NAMES {
        if debugged.contains(&format!("provider_name: \"{name}")) {
            return words;
        }
    }
    "the chain"
}

/// The beginnings of the SDK's names of its providers, with the source that each stands for.
const PROVIDER_NAMES: [(&str, &str); 6] = [
    ("EnvironmentVariable", "the environment"),
    ("ProfileFile", "the profile in ~/.aws"),
    ("IMDS", "the instance's metadata service"),
    ("EcsContainer", "the container's endpoint"),
    ("WebIdentityToken", "the role"),
    ("AssumeRole", "the role"),
];

/// Whether the chain ended at a metadata service that does not answer, so that it might have had
/// credentials.
pub(super) fn metadata_is_silent(error: &CredentialsError) -> bool {
    use aws_config::meta::ProviderChainError;
    let Some(chain) = error
        .source()
        .and_then(|source| source.downcast_ref::<ProviderChainError<CredentialsError>>())
    else {
        return false;
    };
    let metadata =
        chain.attempts().iter().filter(|attempt| attempt.name() == "Ec2InstanceMetadata");
    metadata.filter_map(|attempt| attempt.error().source()).any(|why| {
        let why = why.to_string();
        // Disabled, or without a role: both are answers.
        !why.contains("disabled") && !why.contains("404")
    })
}

/// Returns the problem of the profile files that the chain found, if they were not checked here.
pub(super) fn missing_profile(error: &CredentialsError) -> Option<String> {
    use aws_config::meta::ProviderChainError;
    let chain = error.source()?.downcast_ref::<ProviderChainError<CredentialsError>>()?;
    let mut profile = chain.attempts().iter().filter(|attempt| attempt.name() == "Profile");
    let why = profile.find_map(|attempt| attempt.error().source())?.to_string();
    why.contains("was not defined").then_some(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(key: &str, secret: &str, token: Option<&str>) -> Credentials {
        Credentials::new(key, secret, token.map(str::to_owned), None, "EnvironmentVariable")
    }

    #[test]
    fn white_space_around_credentials_is_removed() {
        let found = fit(made(" AKIA\n", "\tsecret\r\n", Some("token\n"))).unwrap();
        let want = ("AKIA".to_owned(), "secret".to_owned(), Some("token".to_owned()));
        assert_eq!(identity(&found), want);
    }

    #[test]
    fn credentials_that_no_header_can_carry_are_refused_by_name_and_not_shown() {
        let rows = [
            (made("AK\nIA", "s", None), "AWS_ACCESS_KEY_ID"),
            (made("AK IA", "s", None), "AWS_ACCESS_KEY_ID"),
            (made("", "s", None), "AWS_ACCESS_KEY_ID"),
            (made("AKIA", "s\u{7f}cret", None), "AWS_SECRET_ACCESS_KEY"),
            (made("AKIA", "s\u{200b}cret", None), "AWS_SECRET_ACCESS_KEY"),
            (made("AKIA", "s", Some("to\nken")), "AWS_SESSION_TOKEN"),
        ];
        for (credentials, variable) in rows {
            let error = fit(credentials).unwrap_err();
            let logged = error.source().unwrap().to_string();
            assert!(logged.contains(variable) && logged.contains("the environment"), "{logged}");
            for secret in ["AK", "s\u{7f}", "s\u{200b}", "to\n"] {
                assert!(!logged.contains(secret), "{logged}");
            }
        }
    }
}
