//! The values in the file, each key validated alone. Checks across keys are in `build`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::Endpoint;
use super::document::Document;
use super::field::{Field, List, Reader};
use super::keys::Section::{self, Cloudflare, Members, Route53, Status, Top};
use super::problem::{Report, Spot};
use super::rule::{
    cloudflare_ttl, crypto_key, duration, integer, name, path, port, region, truth, zone_id,
};
use super::{address, names, url};

/// An example of a list of addresses.
const ADDRESSES: &str = "[\"192.0.2.10\", \"192.0.2.11\"]";

/// Minimum pause between probes: 50 ms.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// Minimum timeout: 1 ms.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);

/// Maximum pause, and maximum timeout: one hour.
const HOUR: Duration = Duration::from_hours(1);

/// Minimum and maximum interval of a resync: one second and one day.
const RESYNC: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(24));

/// Every key of the file.
pub(super) struct Raw {
    pub(super) failure_threshold: Field<u32>,
    pub(super) recovery_threshold: Field<u32>,
    pub(super) interval: Field<Duration>,
    pub(super) timeout: Field<Duration>,
    pub(super) retry_interval: Field<Duration>,
    pub(super) burst: Field<usize>,
    pub(super) port: Field<u16>,
    pub(super) slack_addr: Field<String>,
    pub(super) webhook_url: Field<String>,
    pub(super) min_in_service: Field<usize>,
    pub(super) canaries: List<Endpoint>,
    pub(super) name: Field<String>,
    pub(super) resync_interval: Field<Duration>,
    pub(super) state_file: Field<PathBuf>,
    pub(super) cloudflare: RawCloudflare,
    pub(super) route53: RawRoute53,
    pub(super) members: RawMembers,
    pub(super) status: RawStatus,
    /// The rest of the document: the sections that it has.
    pub(super) document: Document,
}

/// The keys that both providers' sections have.
pub(super) struct RawZone {
    pub(super) domain: Field<String>,
    pub(super) hostnames: List<String>,
    pub(super) ip_addresses: List<IpAddr>,
    pub(super) ttl: Field<u32>,
    pub(super) api_url: Field<String>,
}

/// The keys of `[Cloudflare]`.
pub(super) struct RawCloudflare {
    pub(super) zone: RawZone,
    pub(super) dns_proxied: Field<bool>,
}

/// The keys of `[Route53]`.
pub(super) struct RawRoute53 {
    pub(super) zone: RawZone,
    pub(super) aws_zoneid: Field<String>,
    pub(super) aws_region: Field<String>,
}

/// The keys of `[Members]`.
pub(super) struct RawMembers {
    pub(super) peers: List<SocketAddr>,
    pub(super) local_addr: Field<SocketAddr>,
    pub(super) members_port: Field<u16>,
    pub(super) min_peers_agree: Field<usize>,
    pub(super) crypto_key: Field<String>,
    pub(super) require_signed: Field<bool>,
}

/// The keys of `[Status]`.
pub(super) struct RawStatus {
    pub(super) listen: Field<SocketAddr>,
    pub(super) socket: Field<PathBuf>,
}

impl Raw {
    /// Reads every key.
    pub(super) fn read(document: Document, report: &mut Report) -> Self {
        let mut keys = Reader { document, report };
        let cloudflare = cloudflare(&mut keys);
        let route53 = route53(&mut keys);
        let members = members(&mut keys);
        let status = RawStatus {
            listen: keys.one(Status, "listen", address::listen),
            socket: keys.one(Status, "socket", path),
        };
        Self {
            failure_threshold: keys.one(Top, "failure_threshold", integer(1, 1000)),
            recovery_threshold: keys.one(Top, "recovery_threshold", integer(1, 1000)),
            interval: keys.one(Top, "interval", duration(SHORTEST_PAUSE, HOUR)),
            timeout: keys.one(Top, "timeout", duration(SHORTEST_TIMEOUT, HOUR)),
            retry_interval: keys.one(Top, "retry_interval", duration(SHORTEST_PAUSE, HOUR)),
            burst: keys.one(Top, "burst", integer(1, 1000)),
            port: keys.one(Top, "port", port),
            slack_addr: keys.one(Top, "slack_addr", url::slack),
            webhook_url: keys.one(Top, "webhook_url", url::webhook),
            min_in_service: keys.one(Top, "min_in_service", integer(0, 1000)),
            canaries: keys.each(Top, "canaries", ADDRESSES, address::canary),
            name: keys.one(Top, "name", name),
            resync_interval: keys.one(Top, "resync_interval", duration(RESYNC.0, RESYNC.1)),
            state_file: keys.one(Top, "state_file", path),
            cloudflare,
            route53,
            members,
            status,
            document: keys.document,
        }
    }

    /// Returns the place at which a missing key is reported.
    pub(super) fn missing(&self, section: Section, key: &str) -> Spot {
        self.document.missing(section, key)
    }
}

fn cloudflare(keys: &mut Reader<'_>) -> RawCloudflare {
    RawCloudflare {
        zone: RawZone {
            domain: keys.one(Cloudflare, "dns_domain", names::domain),
            hostnames: keys.each(Cloudflare, "hostnames", "[\"www\"]", names::hostname),
            ip_addresses: keys.each(Cloudflare, "ip_addresses", ADDRESSES, address::target),
            ttl: keys.one(Cloudflare, "ttl", cloudflare_ttl),
            api_url: keys.one(Cloudflare, "api_url", url::api),
        },
        dns_proxied: keys.one(Cloudflare, "dns_proxied", truth),
    }
}

fn route53(keys: &mut Reader<'_>) -> RawRoute53 {
    RawRoute53 {
        zone: RawZone {
            domain: keys.one(Route53, "aws_domain", names::domain),
            hostnames: keys.each(Route53, "hostnames", "[\"www\"]", names::hostname),
            ip_addresses: keys.each(Route53, "ip_addresses", ADDRESSES, address::target),
            ttl: keys.one(Route53, "ttl", integer(0, i64::from(i32::MAX))),
            api_url: keys.one(Route53, "api_url", url::api),
        },
        aws_zoneid: keys.one(Route53, "aws_zoneid", zone_id),
        aws_region: keys.one(Route53, "aws_region", region),
    }
}

fn members(keys: &mut Reader<'_>) -> RawMembers {
    let peers = "[\"192.0.2.1:8081\"]";
    RawMembers {
        peers: keys.each(Members, "peers", peers, address::agent),
        local_addr: keys.one(Members, "local_addr", address::agent),
        members_port: keys.one(Members, "members_port", port),
        min_peers_agree: keys.one(Members, "min_peers_agree", integer(0, 1000)),
        crypto_key: keys.one(Members, "crypto_key", crypto_key),
        require_signed: keys.one(Members, "require_signed", truth),
    }
}
