//! The registry of DNS providers.
//!
//! A provider is a module here that implements [`DnsProvider`] and has a `build` function, and a line
//! in [`PROVIDERS`]. Dry-run and metering wrap any provider and need no changes.

pub mod cloudflare;
pub mod route53;

use std::pin::Pin;
use std::time::Duration;

use super::dry_run::DryRun;
use super::{DnsProvider, ProviderCause};
use crate::config::{Config, ProviderConfig};

/// A provider that is being built.
pub type Building<'a> =
    Pin<Box<dyn Future<Output = Result<Box<dyn DnsProvider>, BuildError>> + Send + 'a>>;

/// One kind of provider.
#[derive(Debug, Clone, Copy)]
pub struct ProviderKind {
    /// The name on the command line and in metrics.
    pub kind: &'static str,
    /// The name for the operator, as [`DnsProvider::name`] returns it.
    pub name: &'static str,
    /// The section of the configuration file.
    pub section: &'static str,
    /// Builds a provider from its settings. No request is sent.
    pub build: for<'a> fn(&'a ProviderConfig) -> Building<'a>,
}

/// All kinds of providers.
pub const PROVIDERS: [ProviderKind; 2] = [cloudflare::KIND, route53::KIND];

/// Maximum time to build a provider. It reads files, and a file system may hang.
const MAX_BUILD: Duration = Duration::from_secs(15);

/// The reason why a provider could not be built. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The provider could not be built, for example because its HTTP client cannot be set up.
    #[error(transparent)]
    Failed(#[from] ProviderCause),
    /// The files of the provider could not be read in time.
    #[error("what the DNS provider needs could not be read within {} s", MAX_BUILD.as_secs())]
    TimedOut,
}

impl BuildError {
    /// Creates the error of a provider that was given the settings of another one.
    pub fn foreign_settings(name: &str, settings: &ProviderConfig) -> Self {
        Self::Failed(
            format!("{name} cannot be built from the settings of {}", settings.name()).into(),
        )
    }
}

/// Builds the provider that `config` selects. In dry-run it cannot write. No request is sent.
///
/// # Errors
///
/// Fails if the provider cannot be built, for example because its HTTP client cannot be set up.
pub async fn build(config: &Config) -> Result<Box<dyn DnsProvider>, BuildError> {
    build_from(&PROVIDERS, config.provider.word(), config).await
}

/// Builds the provider that `config` selects within a time limit; see [`build`].
///
/// # Errors
///
/// Fails as [`build`] does, or with [`BuildError::TimedOut`].
pub async fn build_in_time(config: &Config) -> Result<Box<dyn DnsProvider>, BuildError> {
    let built = tokio::time::timeout(MAX_BUILD, Box::pin(build(config))).await;
    built.unwrap_or(Err(BuildError::TimedOut))
}

/// Builds the provider of `kind` in `registry`; see [`build`].
async fn build_from(
    registry: &[ProviderKind],
    kind: &str,
    config: &Config,
) -> Result<Box<dyn DnsProvider>, BuildError> {
    let Some(registered) = registry.iter().find(|registered| registered.kind == kind) else {
        return Err(BuildError::Failed(format!("there is no DNS provider called {kind}").into()));
    };
    let provider = (registered.build)(&config.provider).await?;
    Ok(if config.dry_run {
        Box::new(DryRun::new(provider, config.provider.names(), &config.targets))
    } else {
        provider
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Asked, Provider};
    use crate::dns::{Call, ChangeRequest, Listing};

    /// Everything that a new provider needs beside its line in the registry.
    #[derive(Debug)]
    struct Dummy;

    impl DnsProvider for Dummy {
        fn name(&self) -> &'static str {
            "Dummy"
        }

        fn list(&self) -> Call<'_, Listing> {
            Box::pin(async { Ok(Listing::default()) })
        }

        fn apply<'a>(&'a self, _: ChangeRequest<'a>) -> Call<'a, ()> {
            Box::pin(async { Ok(()) })
        }

        fn inherit_from(&mut self, before: Box<dyn DnsProvider>) -> bool {
            crate::dns::downcast::<Self>(before).is_some()
        }
    }

    const DUMMY: ProviderKind = ProviderKind {
        kind: "dummy",
        name: "Dummy",
        section: "Dummy",
        build: |_| {
            Box::pin(async {
                let dummy: Box<dyn DnsProvider> = Box::new(Dummy);
                Ok(dummy)
            })
        },
    };

    fn config(dry_run: bool) -> Config {
        let text = "[Cloudflare]\ndns_domain = \"example.com\"\nhostnames = [\"www\"]\n\
                    ip_addresses = [\"192.0.2.10\"]\n";
        let asked = Asked { tcp: false, provider: Provider::Cloudflare, dry_run: true };
        let parsed = crate::config::parse(text, Path::new("goavail.toml"), &asked, &|_| None);
        Config { dry_run, ..parsed.unwrap() }
    }

    #[tokio::test]
    async fn a_provider_needs_one_line_in_the_registry() {
        let registry = [&PROVIDERS[..], &[DUMMY]].concat();
        for dry_run in [false, true] {
            let config = config(dry_run);
            let mut provider = build_from(&registry, "dummy", &config).await.unwrap();
            assert_eq!(provider.name(), "Dummy");
            let listing = provider.list().await.unwrap();
            assert_eq!(listing, Listing::default());
            let again = build_from(&registry, "dummy", &config).await.unwrap();
            assert!(provider.inherit_from(again) != dry_run, "a dry-run has not read the zone yet");
            let other = build(&config).await.unwrap();
            assert!(!provider.inherit_from(other), "of another kind");
        }
    }
}
