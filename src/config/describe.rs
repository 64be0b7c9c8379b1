//! Description of the configuration in words, as printed by `goavail check`.

use std::fmt::Display;

use super::{
    CloudflareCredentials, ClusterConfig, Config, Probing, ProviderConfig, StatusConfig, seconds,
};
use crate::engine::plan::Family;
use crate::engine::prober::retries;

/// Maximum number of items of a list that are printed.
const LISTED: usize = 20;

impl Config {
    /// Describes the agent's task, a line for each part. The text contains no secret and no URL.
    pub fn in_words(&self) -> String {
        let parts = [
            ("agent", self.agent()),
            ("watches", self.watching()),
            ("pace", self.pace()),
            ("retries", self.retries()),
            ("death", self.death()),
            ("return", self.comeback()),
            ("records", self.records()),
            ("access", self.provider.access()),
            ("repair", self.repair()),
            ("floor", self.floor()),
            ("canaries", self.guard_of_self()),
            ("cluster", self.cluster.as_ref().map_or_else(alone, ClusterConfig::in_words)),
            ("memory", self.memory()),
            ("notices", self.notices()),
            ("status", self.status.in_words()),
            ("guards off", self.guards_off_in_words().unwrap_or_else(|| "none".to_owned())),
        ];
        let network = self.network.as_ref().map(|words| ("network", words.clone()));
        let sound = format!("{}: the configuration is valid\n", self.path.display());
        let parts =
            parts.into_iter().chain(network).map(|(name, words)| format!("  {name:<12}{words}\n"));
        let warnings = self.warnings.iter().map(|warning| format!("warning: {warning}\n"));
        std::iter::once(sound).chain(parts).chain(warnings).collect()
    }

    /// Lists the guards that are off, by the keys that turn them on; `None` if all are on.
    pub fn guards_off_in_words(&self) -> Option<String> {
        (!self.guards_off.is_empty()).then(|| self.guards_off.join(", "))
    }

    fn agent(&self) -> String {
        let provider = self.provider.name();
        if self.dry_run {
            format!("{}, in dry-run: nothing is changed at {provider}", self.name)
        } else {
            format!("{}, changing records at {provider}", self.name)
        }
    }

    fn watching(&self) -> String {
        let how = match self.tcp_port {
            Some(port) => format!("by TCP connects to port {port}"),
            None => "by echo requests".to_owned(),
        };
        format!(
            "{} {how}: {}",
            counted(self.targets.len(), "address", "addresses"),
            listed(&self.targets)
        )
    }

    fn pace(&self) -> String {
        let pace = &self.probing;
        let burst = match pace.burst.get() {
            1 => String::new(),
            several => format!("; up to {several} addresses at once"),
        };
        let endpoints = self.targets.len() + self.canaries.len();
        let most = retries::most_a_second(endpoints, pace.interval, pace.retry_interval).ceil();
        format!(
            "a probe every {}, every {} while a reply is missing; none within {} is a loss{burst}; \
             at most {most} probes a second",
            seconds(pace.interval),
            seconds(pace.retry_interval),
            seconds(pace.timeout),
        )
    }

    /// Describes the retries for a target that does not answer.
    fn retries(&self) -> String {
        let pace = &self.probing;
        if pace.retry_interval >= pace.interval {
            return format!("every {}, which needs no rehearsal", seconds(pace.retry_interval));
        }
        let slow = Probing { retry_interval: pace.interval, ..pace.clone() }.detection();
        format!(
            "rehearsed at the start and hourly; an address that does not answer all of it is asked \
             every {}, and its death noticed after {} at best, {} at worst",
            seconds(pace.interval),
            seconds(slow.best),
            seconds(slow.worst),
        )
    }

    fn death(&self) -> String {
        let delay = self.probing.detection();
        format!(
            "{}, noticed after {} at best, {} at worst",
            counted(self.probing.failure_threshold.get() as usize, "loss", "losses in a row"),
            seconds(delay.best),
            seconds(delay.worst),
        )
    }

    fn comeback(&self) -> String {
        let delay = self.probing.recovery();
        format!(
            "{}, noticed a round trip after {} at best, {} at worst",
            counted(self.probing.recovery_threshold.get() as usize, "reply", "replies in a row"),
            seconds(delay.best),
            seconds(delay.worst),
        )
    }

    fn records(&self) -> String {
        let kinds: Vec<Family> = [Family::A, Family::Aaaa]
            .into_iter()
            .filter(|family| self.targets.iter().any(|target| Family::of(*target) == *family))
            .collect();
        let kinds = kinds.iter().map(Family::to_string).collect::<Vec<_>>().join(" and ");
        let (names, zone, made) = match &self.provider {
            ProviderConfig::Cloudflare(cloudflare) => {
                let proxied = if cloudflare.proxied { "proxied" } else { "not proxied" };
                let ttl = match cloudflare.ttl {
                    1 => "automatic TTL".to_owned(),
                    ttl => format!("TTL {ttl} s"),
                };
                (&cloudflare.names, &cloudflare.zone, format!("{ttl}, {proxied}"))
            }
            ProviderConfig::Route53(route53) => {
                (&route53.names, &route53.zone, format!("TTL {} s", route53.ttl))
            }
        };
        let (provider, names) = (self.provider.name(), listed(names));
        format!("{kinds} at {names} in zone {zone} at {provider}; new ones: {made}")
    }

    fn repair(&self) -> String {
        match self.resync_interval {
            Some(pace) => format!("DNS is compared and repaired every {}", seconds(pace)),
            None => "DNS is changed when a target flips, and otherwise left alone".to_owned(),
        }
    }

    fn floor(&self) -> String {
        // Only Route 53 can answer different clients from different record sets.
        let each = match self.provider {
            ProviderConfig::Route53(_) => "; with geolocation, of those that one client can get",
            ProviderConfig::Cloudflare(_) => "",
        };
        match self.min_in_service {
            0 => "none: the last address of a record set may be withdrawn".to_owned(),
            1 => format!("1 address stays in every record set{each}"),
            floor => format!("{floor} addresses stay in every record set{each}"),
        }
    }

    fn guard_of_self(&self) -> String {
        if self.canaries.is_empty() {
            return "none: a fault of this agent's own network looks like a death".to_owned();
        }
        let canaries = listed(&self.canaries);
        format!("{canaries}; while none answers, this agent withdraws nothing")
    }

    fn memory(&self) -> String {
        match &self.state_file {
            Some(file) => format!("kept in {}", file.display()),
            None => "in the process only: drains and withdrawn records' settings are lost with it"
                .to_owned(),
        }
    }

    fn notices(&self) -> String {
        match (&self.notify.slack, &self.notify.webhook) {
            (None, None) => "none but the log",
            (Some(_), None) => "to Slack",
            (None, Some(_)) => "to a webhook",
            (Some(_), Some(_)) => "to Slack and to a webhook",
        }
        .to_owned()
    }
}

impl ProviderConfig {
    /// Returns the provider's name for the operator.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Cloudflare(_) => "Cloudflare",
            Self::Route53(_) => "Route 53",
        }
    }

    /// Returns the provider's name on the command line and in metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Cloudflare(_) => "cloudflare",
            Self::Route53(_) => "route53",
        }
    }

    /// Returns the owner names at which the targets are published.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Cloudflare(cloudflare) => &cloudflare.names,
            Self::Route53(route53) => &route53.names,
        }
    }

    fn access(&self) -> String {
        let Self::Cloudflare(cloudflare) = self else {
            return "by AWS's own chain of credentials".to_owned();
        };
        match &cloudflare.credentials {
            Some(CloudflareCredentials::Token(_)) => "by an API token".to_owned(),
            Some(CloudflareCredentials::GlobalKey { email, .. }) => {
                format!("by the global key of {email}")
            }
            None => "no credentials in the environment: the zone cannot be read".to_owned(),
        }
    }
}

impl ClusterConfig {
    fn in_words(&self) -> String {
        let votes = match (&self.crypto_key, self.require_signed) {
            (None, _) => "votes and gossip in clear and unsigned",
            (Some(_), false) => "encrypted, unsigned votes taken too",
            (Some(_), true) => "encrypted, signed votes only",
        };
        format!(
            "{} with {}: {}; {} must agree; gossip on port {}; {votes}",
            self.local_addr,
            counted(self.peers.len(), "peer", "peers"),
            listed(&self.peers),
            counted(self.min_peers_agree, "peer", "peers"),
            self.members_port,
        )
    }
}

impl StatusConfig {
    fn in_words(&self) -> String {
        match (&self.listen, &self.socket) {
            (None, None) => "cannot be asked".to_owned(),
            (Some(listen), None) => format!("read on {listen}"),
            (None, Some(socket)) => format!("socket {}", socket.display()),
            (Some(listen), Some(socket)) => {
                format!("read on {listen}, socket {}", socket.display())
            }
        }
    }
}

fn alone() -> String {
    "none: this agent decides alone".to_owned()
}

/// Lists the items, or a readable number of them and the count of the rest.
fn listed<T: Display>(items: &[T]) -> String {
    let shown: Vec<String> = items.iter().take(LISTED).map(T::to_string).collect();
    let shown = shown.join(", ");
    match items.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
