//! Warnings about accepted settings, and the list of guards that are off.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::problem::{Report, Spot};
use super::raw::Raw;
use super::{ClusterConfig, Config, address, keys::Section, names, own, seconds, url};
use crate::engine::plan::Family;

/// Detection time above which a warning is issued.
const SLOW: Duration = Duration::from_secs(30);

/// Returns the guards that are off, by the key that turns each on.
pub(super) fn guards_off(config: &Config) -> Vec<&'static str> {
    let mut off = Vec::new();
    let mut note = |is_off: bool, key| off.extend(is_off.then_some(key));
    note(config.canaries.is_empty(), "canaries");
    note(config.min_in_service == 0, "min_in_service");
    if let Some(cluster) = &config.cluster {
        note(cluster.crypto_key.is_none(), "crypto_key");
        note(!cluster.require_signed, "require_signed");
        note(cluster.min_peers_agree == 0, "min_peers_agree");
    }
    off
}

/// Warns about accepted settings that may do harm.
pub(super) fn advise(raw: &Raw, config: &Config, report: &mut Report) {
    pace(raw, config, report);
    addresses(raw, config, report);
    hostnames(raw, config, report);
    floor(raw, config, report);
    canaries(raw, config, report);
    own::warn(raw, config, report);
    if let Some(at) = raw.webhook_url.given()
        && url::web(&at.value).is_some_and(|url| url::is_open(&url))
    {
        report.warn(&at.spot, "plain http: notices can be read and forged on the way");
    }
    match &config.cluster {
        Some(cluster) => quorum(raw, cluster, report),
        None => alone(raw, report),
    }
}

fn pace(raw: &Raw, config: &Config, report: &mut Report) {
    let pace = &config.probing;
    let spot_of = |given: Option<&Spot>, key| match given {
        Some(spot) => spot.clone(),
        None => raw.missing(Section::Top, key),
    };
    if pace.interval * pace.failure_threshold.get() > SLOW {
        let given = raw.interval.given().map(|at| &at.spot);
        let given = given.or(raw.failure_threshold.given().map(|at| &at.spot));
        let worst = seconds(pace.detection().worst);
        let what = format!(
            "{} between probes and failure_threshold {}: a death is noticed after {worst} at worst",
            seconds(pace.interval),
            pace.failure_threshold,
        );
        report.warn(&spot_of(given, "interval"), what);
    }
    if pace.retry_interval > pace.interval
        && let Some(at) = raw.retry_interval.given()
    {
        let interval = seconds(pace.interval);
        let what = format!(
            "{} is longer than interval, {interval}: a missing target is asked less often, not more",
            at.shown,
        );
        report.warn(&at.spot, what);
    }
    if pace.burst.get() > 1
        && let Some(at) = raw.burst.given()
    {
        let what = format!(
            "up to {} addresses are probed at once: a firewall that limits echo requests or \
             connects may swallow some, and addresses that are alive would be taken out",
            at.shown,
        );
        report.warn(&at.spot, what);
    }
}

fn addresses(raw: &Raw, config: &Config, report: &mut Report) {
    let items = match config.provider {
        super::ProviderConfig::Cloudflare(_) => raw.cloudflare.zone.ip_addresses.items(),
        super::ProviderConfig::Route53(_) => raw.route53.zone.ip_addresses.items(),
    };
    let mut told = HashSet::new();
    for item in items.iter().filter(|item| told.insert(item.value)) {
        let loopback = item.value.is_loopback() && !config.dry_run;
        let kind = loopback.then_some("a loopback address").or(address::private(item.value));
        if let Some(kind) = kind {
            let what = format!("is {kind}; nobody outside reaches it");
            report.warn_of(&item.spot, &item.shown, what);
        }
    }
}

/// Warns about a host name that looks like a full name in another domain and gets this one
/// appended.
fn hostnames(raw: &Raw, config: &Config, report: &mut Report) {
    let (items, domain) = match &config.provider {
        super::ProviderConfig::Cloudflare(given) => {
            (raw.cloudflare.zone.hostnames.items(), &given.zone)
        }
        super::ProviderConfig::Route53(given) => (raw.route53.zone.hostnames.items(), &given.zone),
    };
    let top = |name: &str| name.rsplit_once('.').map(|(_, top)| top.to_owned());
    for item in items {
        if let Ok(name) = names::qualify(&item.value, domain)
            && name != item.value
            && top(&item.value).is_some_and(|end| top(domain) == Some(end))
        {
            let what = format!("stands for {name}; is it misspelt?");
            report.warn_of(&item.spot, &item.shown, what);
        }
    }
}

/// Warns about a floor that no withdrawal can ever satisfy.
fn floor(raw: &Raw, config: &Config, report: &mut Report) {
    let Some(at) = raw.min_in_service.given().filter(|at| at.value > 0) else { return };
    for family in [Family::A, Family::Aaaa] {
        let addresses = config.targets.iter().filter(|address| Family::of(**address) == family);
        let count = addresses.count();
        if (1..=at.value).contains(&count) {
            let what = format!(
                "{} keeps every {family} record where it is, for {count} {} listed: none is ever \
                 withdrawn unless the record sets hold others too",
                at.shown,
                if count == 1 { "is" } else { "are" },
            );
            report.warn(&at.spot, what);
        }
    }
}

fn canaries(raw: &Raw, config: &Config, report: &mut Report) {
    let targets: HashSet<IpAddr> = config.targets.iter().copied().collect();
    let rehearsal = targets.iter().all(IpAddr::is_loopback);
    for item in raw.canaries.items() {
        if item.value.address.is_loopback() && !rehearsal {
            let what = "is this machine itself, which answers also when its network is cut off";
            report.warn_of(&item.spot, &item.shown, what);
        }
        if targets.contains(&item.value.address) {
            let what = "is also a target: when it goes down, this agent may consider itself \
                isolated and withdraw nothing";
            report.warn_of(&item.spot, &item.shown, what);
        }
    }
}

fn quorum(raw: &Raw, cluster: &ClusterConfig, report: &mut Report) {
    let members = &raw.members;
    let agents = cluster.peers.len() + 1;
    let needed = cluster.min_peers_agree + 1;
    if 2 * needed <= agents {
        let given = members.min_peers_agree.given().map(|at| at.spot.clone());
        let spot = given.unwrap_or_else(|| raw.missing(Section::Members, "min_peers_agree"));
        let what = format!(
            "{} lets {needed} of {agents} agents decide, so that two groups cut off from each \
             other can both do so; at least {} prevents it",
            cluster.min_peers_agree,
            agents / 2,
        );
        report.warn(&spot, what);
    }
    shared_hosts(raw, cluster, report);
}

/// Warns about agents on one host, which would need the same gossip port there.
fn shared_hosts(raw: &Raw, cluster: &ClusterConfig, report: &mut Report) {
    let mut seen: Vec<SocketAddr> = vec![cluster.local_addr];
    for peer in raw.members.peers.items() {
        let other = seen.iter().find(|other| other.ip() == peer.value.ip());
        if let Some(other) = other.filter(|other| **other != peer.value) {
            let what = format!(
                "is on the host of {other}, where one agent only can have the gossip port {}",
                cluster.members_port,
            );
            report.warn_of(&peer.spot, &peer.shown, what);
        }
        seen.push(peer.value);
    }
}

/// Warns about a cluster that is only half configured and therefore off.
fn alone(raw: &Raw, report: &mut Report) {
    let members = &raw.members;
    let peers = members.peers.given().filter(|at| !at.value.is_empty());
    match (peers, members.local_addr.given()) {
        (Some(at), None) => {
            report.warn(&at.spot, "not used without local_addr: this agent decides alone");
        }
        (None, Some(at)) => {
            report.warn(&at.spot, "not used without peers: this agent decides alone");
        }
        _ => {}
    }
}
