//! AWS's chain of credentials, looked at before the SDK signs with what it gives.
//!
//! The SDK panics when it is to sign with a key that no HTTP header can carry. So whatever hands out
//! credentials, a file, a role, a metadata service, is checked here.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{
    ProvideCredentials, Result, SharedCredentialsProvider, future,
};

/// How long a chain may take. The SDK's own limit is 5 s, and its error names nobody.
const MAY_TAKE: Duration = Duration::from_millis(4_500);

/// Key, secret and session token, to be compared.
type Identity = (String, String, Option<String>);

/// A chain of credentials.
#[derive(Debug)]
pub(super) struct Chain {
    inner: Option<SharedCredentialsProvider>,
    /// Why the profile files cannot be used, by which the SDK might panic or say little.
    broken: Option<String>,
    /// Why the profile that is asked for gives nothing, which the SDK passes over.
    lacking: Option<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What was looked up and not handed out yet.
    ready: Option<Credentials>,
    /// What was handed out last.
    last: Option<Identity>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("State").finish_non_exhaustive()
    }
}

/// Credentials that nothing can be signed with. It holds no part of them.
#[derive(Debug, thiserror::Error)]
#[error(
    "{what} ({variable}) that {provider} hands out is a value of {length} bytes that is not \
     allowed; visible ASCII characters without blanks"
)]
struct Unfit {
    what: &'static str,
    variable: &'static str,
    provider: &'static str,
    length: usize,
}

/// The chain has not come to an end in time.
#[derive(Debug, thiserror::Error)]
#[error("nobody handed out credentials within {0:?}")]
pub(super) struct TooSlow(Duration);

/// The profile files say something that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct BrokenProfile(String);

/// A chain that came to nothing, and passed over a profile that was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{profile}")]
pub(super) struct Lacking {
    /// What is wrong with the profile.
    pub(super) profile: String,
    /// What came of asking elsewhere.
    #[source]
    pub(super) elsewhere: CredentialsError,
}

impl Lacking {
    /// `elsewhere` as an error of the same kind that names the profile too.
    fn error(profile: &str, elsewhere: CredentialsError) -> CredentialsError {
        let lacking = |elsewhere| Self { profile: profile.to_owned(), elsewhere };
        match elsewhere {
            // It speaks of a place at which something was found.
            CredentialsError::InvalidConfiguration(_) => elsewhere,
            CredentialsError::CredentialsNotLoaded(_) => {
                CredentialsError::not_loaded(lacking(elsewhere))
            }
            _ => CredentialsError::provider_error(lacking(elsewhere)),
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

    /// For a client.
    pub(super) fn shared(self: Arc<Self>) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Shared(self))
    }

    /// Looks credentials up and keeps them for the next request; `None` if there are none.
    pub(super) async fn look_ahead(&self) -> Option<Identity> {
        let found = self.provide().await.ok()?;
        let identity = identity(&found);
        self.state().ready = Some(found);
        Some(identity)
    }

    /// What a request was signed with last.
    pub(super) fn handed_out(&self) -> Option<Identity> {
        self.state().last.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn hand_out(&self) -> Result {
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
            Some(profile) => Lacking::error(profile, error),
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

/// A client's hold on a chain.
#[derive(Debug)]
struct Shared(Arc<Chain>);

impl ProvideCredentials for Shared {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.0.hand_out())
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.0.inner.as_ref()?.fallback_on_interrupt().and_then(|found| fit(found).ok())
    }
}

fn identity(of: &Credentials) -> Identity {
    let token = of.session_token().map(str::to_owned);
    (of.access_key_id().to_owned(), of.secret_access_key().to_owned(), token)
}

/// `found` without what surrounds it, if a request can be signed with it.
fn fit(found: Credentials) -> Result {
    let parts = [
        ("the access key id", "AWS_ACCESS_KEY_ID", Some(found.access_key_id())),
        ("the secret access key", "AWS_SECRET_ACCESS_KEY", Some(found.secret_access_key())),
        ("the session token", "AWS_SESSION_TOKEN", found.session_token()),
    ];
    for (what, variable, text) in parts {
        let text = text.unwrap_or("none");
        if !crate::config::fits_a_header(text.trim()) {
            let length = text.len();
            let provider = provider(&found);
            let unfit = Unfit { what, variable, provider, length };
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

/// Who handed credentials out. The SDK's names are words of a program.
fn provider(of: &Credentials) -> &'static str {
    let debugged = format!("{of:?}");
    let by = |name: &str| debugged.contains(&format!("provider_name: \"{name}"));
    if by("EnvironmentVariable") {
        "the environment"
    } else if by("ProfileFile") {
        "the profile in ~/.aws"
    } else if by("IMDS") {
        "the instance's metadata service"
    } else if by("EcsContainer") {
        "the container's endpoint"
    } else if by("WebIdentityToken") || by("AssumeRole") {
        "the role"
    } else {
        "the chain"
    }
}

/// Whether the chain ended at a metadata service that does not answer: it came to nothing, and
/// might have come to something.
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
        // Switched off, or no role: both are answers.
        !why.contains("disabled") && !why.contains("404")
    })
}

/// What the profile files lack, if the chain found them lacking and its files were not looked at here.
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
    fn what_surrounds_credentials_is_cut_off() {
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
            let told = error.source().unwrap().to_string();
            assert!(told.contains(variable) && told.contains("the environment"), "{told}");
            for secret in ["AK", "s\u{7f}", "s\u{200b}", "to\n"] {
                assert!(!told.contains(secret), "{told}");
            }
        }
    }
}
