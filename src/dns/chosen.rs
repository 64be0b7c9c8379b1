//! The provider that the configuration names, and whether it may be written to.

use std::net::IpAddr;

use super::cloudflare::Cloudflare;
use super::dry_run::DryRun;
use super::route53::Route53;
use super::{Changes, DnsProvider, Listing, Permit, ProviderError, Successor};
use crate::config::{Config, ProviderConfig};
use crate::engine::plan::SetKey;

/// Whichever provider was chosen, for real or in dry-run.
#[derive(Debug)]
pub enum Chosen {
    /// Cloudflare.
    Cloudflare(Cloudflare),
    /// Cloudflare, never written to.
    CloudflareDryRun(DryRun<Cloudflare>),
    /// Route 53.
    Route53(Route53),
    /// Route 53, never written to.
    Route53DryRun(DryRun<Route53>),
}

impl Chosen {
    /// Builds what `config` names. Nothing is asked over the network yet.
    ///
    /// # Errors
    ///
    /// If its HTTP client cannot be built.
    pub async fn build(config: &Config) -> Result<Self, super::cloudflare::BuildError> {
        Ok(match &config.provider {
            ProviderConfig::Cloudflare(settings) => {
                let provider = Cloudflare::new(settings)?;
                if config.dry_run {
                    let dry = DryRun::new(provider, &settings.names, &config.targets);
                    Self::CloudflareDryRun(dry)
                } else {
                    Self::Cloudflare(provider)
                }
            }
            ProviderConfig::Route53(settings) => {
                let provider = Route53::new(settings).await;
                if config.dry_run {
                    let dry = DryRun::new(provider, &settings.names, &config.targets);
                    Self::Route53DryRun(dry)
                } else {
                    Self::Route53(provider)
                }
            }
        })
    }
}

/// Asks whichever provider it is.
macro_rules! ask {
    ($chosen:expr, $provider:ident => $call:expr) => {
        match $chosen {
            Self::Cloudflare($provider) => $call,
            Self::CloudflareDryRun($provider) => $call,
            Self::Route53($provider) => $call,
            Self::Route53DryRun($provider) => $call,
        }
    };
}

impl DnsProvider for Chosen {
    fn name(&self) -> &'static str {
        ask!(self, provider => provider.name())
    }

    async fn list(&self) -> Result<Listing, ProviderError> {
        ask!(self, provider => provider.list().await)
    }

    async fn apply_while(
        &self,
        listing: &Listing,
        changes: &Changes,
        permit: Permit<'_>,
    ) -> Result<(), ProviderError> {
        ask!(self, provider => provider.apply_while(listing, changes, permit).await)
    }

    fn said_to_be_so(&self) -> Vec<(SetKey, IpAddr)> {
        ask!(self, provider => provider.said_to_be_so())
    }
}

impl Successor for Chosen {
    fn succeed(&mut self, before: Self) -> bool {
        match (self, before) {
            (Self::Cloudflare(this), Self::Cloudflare(before)) => this.succeed(before),
            (Self::CloudflareDryRun(this), Self::CloudflareDryRun(before)) => this.succeed(before),
            (Self::Route53(this), Self::Route53(before)) => this.succeed(before),
            (Self::Route53DryRun(this), Self::Route53DryRun(before)) => this.succeed(before),
            // Among these, from dry-run to writing: what was imagined is not so.
            _ => false,
        }
    }
}
