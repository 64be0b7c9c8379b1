//! Construction of the configuration from the file's values, with checks across keys.

use std::collections::HashSet;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::environment::{Environment, secret};
use super::field::{At, Field, not_allowed};
use super::keys::Section;
use super::problem::{Report, Spot};
use super::raw::{Raw, RawZone};
use super::{
    Asked, CloudflareConfig, ClusterConfig, Config, Env, NotifyConfig, Probing, Provider,
    ProviderConfig, Route53Config, StatusConfig, names,
};

/// Default number of consecutive losses or replies.
const THRESHOLD: u32 = 3;

/// Default interval between probes, the one in the Go program's example.
const INTERVAL: Duration = Duration::from_secs(2);

/// Base URL of Cloudflare's API.
const CLOUDFLARE: &str = "https://api.cloudflare.com/client/v4";

/// TTL by which Cloudflare is asked to choose one itself.
const AUTOMATIC_TTL: u32 = 1;

/// Default TTL of a new Route 53 record set, in seconds.
const ROUTE53_TTL: u32 = 60;

/// Region of Route 53's API.
const REGION: &str = "us-east-1";

/// Default gossip port, as in the Go program.
const MEMBERS_PORT: u16 = 7946;

/// Maximum length of the path of a Unix socket: `sun_path` of unix(7) without its final zero.
const LONGEST_SOCKET_PATH: usize = 107;

/// Builder of a configuration. A refused value is replaced by its default so that building
/// continues and finds all problems. The result is then discarded.
pub(super) struct Builder<'a> {
    pub(super) raw: &'a Raw,
    pub(super) path: &'a Path,
    pub(super) asked: &'a Asked,
    pub(super) env: Env<'a>,
    pub(super) report: &'a mut Report,
}

/// The name of the zone, the owner names, and the addresses.
type Zone = (String, Vec<String>, Vec<IpAddr>);

impl Builder<'_> {
    /// Builds everything except the warnings.
    pub(super) fn build(mut self) -> Config {
        let raw = self.raw;
        let (provider, targets) = self.provider();
        let cluster = self.cluster();
        if self.asked.tcp && raw.port.is_absent() {
            let spot = raw.missing(Section::Top, "port");
            let what = "missing; --type tcp needs the TCP port, an integer from 1 to 65535";
            self.report.refuse(&spot, what);
        }
        Config {
            path: self.path.to_owned(),
            name: raw.name.value().cloned().unwrap_or_else(super::host_name),
            targets,
            tcp_port: raw.port.value().copied().filter(|_| self.asked.tcp),
            probing: probing(raw),
            min_in_service: raw.min_in_service.or(0),
            canaries: self.distinct(raw.canaries.items()),
            resync_interval: raw.resync_interval.value().copied(),
            state_file: raw.state_file.value().map(|file| self.resolve(file)),
            network: self.network(&provider),
            provider,
            cluster,
            status: self.status(),
            notify: NotifyConfig {
                slack: raw.slack_addr.value().map(|url| secret(url)),
                webhook: raw.webhook_url.value().map(|url| secret(url)),
            },
            dry_run: self.asked.dry_run,
            warnings: Vec::new(),
            guards_off: Vec::new(),
        }
    }

    /// Builds the section of the selected provider, which must be complete.
    fn provider(&mut self) -> (ProviderConfig, Vec<IpAddr>) {
        let raw = self.raw;
        match self.asked.provider {
            Provider::Cloudflare => {
                let section = &raw.cloudflare;
                let dry_run = self.asked.dry_run;
                let (zone, names, targets) = self.zone(&section.zone, "dns_domain");
                let cloudflare = CloudflareConfig {
                    zone,
                    names,
                    proxied: section.dns_proxied.or(false),
                    ttl: section.zone.ttl.or(AUTOMATIC_TTL),
                    api_url: self.cloudflare_url(),
                    credentials: self.environment().cloudflare(dry_run),
                };
                (ProviderConfig::Cloudflare(cloudflare), targets)
            }
            Provider::Route53 => {
                let section = &raw.route53;
                super::aws::check(self.env, self.report);
                let (zone, names, targets) = self.zone(&section.zone, "aws_domain");
                let route53 = Route53Config {
                    zone,
                    names,
                    ttl: section.zone.ttl.or(ROUTE53_TTL),
                    zone_id: section.aws_zoneid.value().cloned(),
                    region: section.aws_region.or(REGION.to_owned()),
                    api_url: section.zone.api_url.value().cloned(),
                };
                (ProviderConfig::Route53(route53), targets)
            }
        }
    }

    /// Builds the part that both providers have.
    fn zone(&mut self, zone: &RawZone, domain_key: &str) -> Zone {
        let section = self.asked.provider.section();
        let nothing = zone.domain.is_absent()
            && zone.hostnames.is_absent()
            && zone.ip_addresses.is_absent()
            && !self.raw.document.has(section);
        if nothing {
            self.refuse_missing_section(section);
            return Zone::default();
        }
        if zone.domain.is_absent() {
            let what = "missing; the zone's name, such as \"example.com\"";
            self.report.refuse(&self.raw.missing(section, domain_key), what);
        }
        self.filled(&zone.hostnames, section, "hostnames", "a host name, such as \"www\"");
        self.filled(&zone.ip_addresses, section, "ip_addresses", "an address to watch");
        let domain = zone.domain.or(String::new());
        let names = self.owner_names(zone.hostnames.items(), &domain);
        (domain, names, self.distinct(zone.ip_addresses.items()))
    }

    /// Refuses a file without the required section, and points to the section it has instead.
    fn refuse_missing_section(&mut self, section: Section) {
        let (chosen, other) = match self.asked.provider {
            Provider::Cloudflare => ("cloudflare", Provider::Route53),
            Provider::Route53 => ("route53", Provider::Cloudflare),
        };
        let hint = if self.raw.document.has(other.section()) {
            format!(", while the file has {}", other.section())
        } else {
            String::new()
        };
        let what = format!("missing; --dns-provider {chosen} needs this section{hint}");
        self.report.refuse(&Spot::missing(section.name()), what);
    }

    /// Refuses a list that is missing or empty.
    fn filled<T>(&mut self, list: &Field<Vec<At<T>>>, section: Section, key: &str, what: &str) {
        if list.is_absent() {
            let spot = self.raw.missing(section, key);
            self.report.refuse(&spot, format!("missing; a list with at least {what}"));
        } else if let Some(at) = list.given().filter(|at| at.value.is_empty()) {
            let what = not_allowed(&at.shown, &format!("a list with at least {what}"));
            self.report.refuse(&at.spot, what);
        }
    }

    /// Returns the owner names for the host names, without duplicates.
    fn owner_names(&mut self, hostnames: &[At<String>], domain: &str) -> Vec<String> {
        let mut whole = Vec::new();
        for hostname in hostnames.iter().filter(|_| !domain.is_empty()) {
            match names::qualify(&hostname.value, domain) {
                Ok(value) => whole.push(At { value, ..hostname.clone() }),
                Err(allowed) => {
                    self.report.refuse(&hostname.spot, not_allowed(&hostname.shown, &allowed));
                }
            }
        }
        self.distinct(&whole)
    }

    /// Returns the items without duplicates, in their order.
    fn distinct<T: Clone + Eq + Hash>(&mut self, items: &[At<T>]) -> Vec<T> {
        let mut seen = HashSet::new();
        let mut distinct = Vec::with_capacity(items.len());
        for item in items {
            if seen.insert(&item.value) {
                distinct.push(item.value.clone());
            } else {
                self.report.warn_of(&item.spot, &item.shown, "is listed twice");
            }
        }
        distinct
    }

    /// Returns the URL of Cloudflare's API. The environment overrides the file.
    fn cloudflare_url(&mut self) -> String {
        let file = self.raw.cloudflare.zone.api_url.given();
        let Some(url) = self.environment().cloudflare_url() else {
            return file.map_or_else(|| CLOUDFLARE.to_owned(), |at| at.value.clone());
        };
        if let Some(at) = file.filter(|at| at.value != url) {
            self.report.warn(&at.spot, "not used; CLOUDFLARE_BASE_URL has a different value");
        }
        url
    }

    /// Builds `[Members]`. The cluster is on when `peers` and `local_addr` are both set.
    fn cluster(&mut self) -> Option<ClusterConfig> {
        let members = &self.raw.members;
        let crypto_key = self.crypto_key();
        let peers = self.distinct(members.peers.items());
        let own = members.local_addr.value();
        for peer in members.peers.items().iter().filter(|peer| Some(&peer.value) == own) {
            let what = not_allowed(&peer.shown, "it is local_addr, this agent itself");
            self.report.refuse(&peer.spot, what);
        }
        let agree = members.min_peers_agree.given().filter(|at| at.value > peers.len());
        if let Some(at) = agree.filter(|_| !members.peers.is_refused()) {
            let allowed = format!("at most {}, the number of peers", peers.len());
            self.report.refuse(&at.spot, not_allowed(&at.shown, &allowed));
        }
        let signed = members.require_signed.given().filter(|at| at.value);
        let keyless = crypto_key.is_none() && members.crypto_key.is_absent();
        if let Some(at) = signed.filter(|_| keyless) {
            self.report.refuse(&at.spot, not_allowed(&at.shown, "it needs crypto_key"));
        }
        let local_addr = *own.filter(|_| !peers.is_empty())?;
        if let Some(at) = self.raw.status.listen.given().filter(|at| overlap(at.value, local_addr))
        {
            let allowed = "votes are received there (Members.local_addr); choose another port";
            self.report.refuse(&at.spot, not_allowed(&at.shown, allowed));
        }
        Some(ClusterConfig {
            local_addr,
            peers,
            members_port: members.members_port.or(MEMBERS_PORT),
            min_peers_agree: members.min_peers_agree.or(0),
            crypto_key: crypto_key.as_deref().map(secret),
            require_signed: members.require_signed.or(false),
        })
    }

    /// Returns the cluster's key. The environment overrides the file.
    fn crypto_key(&mut self) -> Option<String> {
        let file = self.raw.members.crypto_key.given();
        let Some((variable, key)) = self.environment().crypto_key() else {
            return file.map(|at| at.value.clone());
        };
        if let Some(at) = file.filter(|at| at.value != key) {
            self.report.warn(&at.spot, format!("not used; {variable} has a different value"));
        }
        Some(key)
    }

    /// Builds the section `[Status]`.
    pub(super) fn status(&mut self) -> StatusConfig {
        let raw = &self.raw.status;
        let socket = raw.socket.given().map(|at| (at, self.resolve(&at.value)));
        if let Some((at, path)) = &socket
            && path.as_os_str().len() > LONGEST_SOCKET_PATH
        {
            let allowed = format!("the path of a socket has at most {LONGEST_SOCKET_PATH} bytes");
            self.report.refuse(&at.spot, not_allowed(&at.shown, &allowed));
        }
        let listen = raw.listen.value().copied();
        StatusConfig { listen, socket: socket.map(|(_, path)| path) }
    }

    /// Resolves a path in the file relative to the file's directory.
    fn resolve(&self, path: &Path) -> PathBuf {
        self.path.parent().map_or_else(|| path.to_owned(), |folder| folder.join(path))
    }

    /// Describes the network path to all services used over HTTP.
    fn network(&mut self, provider: &ProviderConfig) -> Option<String> {
        let raw = self.raw;
        let hooks = [("Slack", &raw.slack_addr), ("the webhook", &raw.webhook_url)];
        let hooks: Vec<_> =
            hooks.into_iter().filter_map(|(who, url)| Some((who, url.value()?.clone()))).collect();
        super::network::check(provider, &hooks, self.env, self.report)
    }

    fn environment(&mut self) -> Environment<'_> {
        Environment { env: self.env, report: self.report }
    }
}

/// Whether two listeners need the same address and port.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    // `[::]` also receives connections to IPv4 addresses.
    let covers = |wide: SocketAddr, narrow: SocketAddr| {
        wide.ip().is_unspecified() && (wide.is_ipv6() || narrow.is_ipv4())
    };
    let same_host = one.ip() == other.ip() || covers(one, other) || covers(other, one);
    one.port() == other.port() && same_host
}

/// Returns the pace of probing. Omitted values are derived from the given ones.
fn probing(raw: &Raw) -> Probing {
    let failures = raw.failure_threshold.or(THRESHOLD);
    let at_least_one = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    let interval = raw.interval.or(INTERVAL);
    Probing {
        failure_threshold: at_least_one(failures),
        recovery_threshold: at_least_one(raw.recovery_threshold.or(failures)),
        interval,
        timeout: raw.timeout.or(interval),
        retry_interval: raw.retry_interval.or(interval),
        burst: NonZeroUsize::new(raw.burst.or(1)).unwrap_or(NonZeroUsize::MIN),
    }
}
