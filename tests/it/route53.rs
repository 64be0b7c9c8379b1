//! Route 53 against moto: the contract suite, and the properties of Route 53 alone.

#![expect(clippy::unwrap_used, reason = "where a test unwraps, it asserts")]

mod access;
mod account;
mod credentials;
pub(crate) mod follow;
mod kinds;
mod listing;
mod swap;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use aws_sdk_route53::types::{ChangeAction, ResourceRecord, ResourceRecordSet};
use goavail::testing::dns::{Capabilities, ROUTE53_CAPABILITIES, Route53, Route53Config};

use crate::contract::{
    CONFIGURED_TTL, Call, Entry, Fault, FaultSignal, NAMES, ProviderUnderTest, ZONE,
    contract_suite, recollection,
};
use crate::moto::{self, Moto, Zone, moto, set};
use crate::proxy::{Proxy, Request, Spoil};

/// A managed address.
const DEAD: &str = "192.0.2.10";
/// Another managed address.
const ALIVE: &str = "192.0.2.11";
/// An address that is not managed.
const FOREIGN: &str = "198.51.100.7";

/// A zone on moto behind a proxy, and providers for it.
pub(crate) struct OnMoto {
    moto: &'static Moto,
    zone: Zone,
    proxy: Proxy,
}

contract_suite!(OnMoto);

/// Whether a request reads the zone; queries about a change do not count.
pub(crate) fn reads(request: &Request) -> bool {
    request.method == "GET" && !request.target.contains("/change/")
}

/// Whether a request changes the zone.
pub(crate) fn writes(request: &Request) -> bool {
    request.method == "POST" && request.target.contains("/rrset")
}

/// Returns a whole response with an error in Route 53's format.
pub(crate) fn aws_error(status: u16, code: &str, message: &str) -> Spoil {
    let body = format!(
        "<?xml version=\"1.0\"?>\n\
         <ErrorResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Error>\
         <Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>9d8a1b2c</RequestId></ErrorResponse>"
    );
    response(status, "text/xml", &body)
}

pub(crate) fn response(status: u16, kind: &str, body: &str) -> Spoil {
    let length = body.len();
    Spoil::Answer(format!(
        "HTTP/1.1 {status} Said\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    ))
}

/// Returns the response with a `Retry-After` header.
fn with_pause(answer: Spoil, pause: Duration) -> Spoil {
    let Spoil::Answer(answer) = answer else { return answer };
    let header = format!("\r\nRetry-After: {}\r\n\r\n", pause.as_secs());
    Spoil::Answer(answer.replacen("\r\n\r\n", &header, 1))
}

impl OnMoto {
    /// Creates a zone with these sets. `None` skips the test.
    async fn with(sets: impl IntoIterator<Item = ResourceRecordSet>) -> Option<Self> {
        let moto = moto()?;
        let zone = moto.zone(ZONE, false).await;
        let sets: Vec<_> = sets.into_iter().collect();
        if !sets.is_empty() {
            zone.put(sets).await;
        }
        Some(Self { moto, zone, proxy: Proxy::before(&moto.host).await })
    }

    /// Returns the configuration of an agent that manages `names` in this zone.
    fn config(&self, names: &[&str]) -> Route53Config {
        Route53Config {
            zone: ZONE.to_owned(),
            names: names.iter().map(|&name| name.to_owned()).collect(),
            ttl: CONFIGURED_TTL,
            own_ttls: BTreeMap::new(),
            profile: None,
            zone_id: Some(self.zone.id.clone()),
            region: "us-east-1".to_owned(),
            api_url: Some(self.proxy.url.clone()),
        }
    }

    async fn managing(&self, names: &[&str]) -> Route53 {
        Route53::with(&self.config(names), self.moto.loader()).await
    }

    /// Returns the sets of one name and type, simple or not.
    async fn sets_at(&self, name: &str, kind: &str) -> Vec<ResourceRecordSet> {
        let mut sets = self.zone.sets().await;
        sets.retain(|set| plain(set.name()) == name && set.r#type().as_str() == kind);
        sets
    }
}

pub(crate) fn plain(name: &str) -> String {
    name.trim_end_matches('.').replace("\\052", "*")
}

pub(crate) fn values(set: &ResourceRecordSet) -> Vec<String> {
    set.resource_records().iter().map(|record| record.value().to_owned()).collect()
}

impl ProviderUnderTest for OnMoto {
    type Provider = Route53;

    const CAPABILITIES: Capabilities = ROUTE53_CAPABILITIES;

    fn is_here() -> bool {
        moto().is_some()
    }

    async fn start() -> Self {
        Self::with([]).await.unwrap()
    }

    async fn provider(&self) -> Route53 {
        self.managing(&NAMES).await
    }

    async fn with_wrong_credentials(&self) -> Route53 {
        let wrong = [("AWS_ACCESS_KEY_ID", "AKIAWRONG"), ("AWS_SECRET_ACCESS_KEY", "wrong")];
        Route53::with(&self.config(&NAMES), moto::loader(&wrong)).await
    }

    async fn of_unknown_zone(&self) -> Route53 {
        let config = Route53Config { zone_id: Some("Z0UNKNOWN".to_owned()), ..self.config(&NAMES) };
        Route53::with(&config, self.moto.loader()).await
    }

    async fn out_of_reach(&self) -> Route53 {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let config = Route53Config { api_url: Some(url), ..self.config(&NAMES) };
        Route53::with(&config, self.moto.loader()).await
    }

    async fn seed(&self, entries: &[Entry]) {
        let mut wanted: BTreeMap<(String, String), (u32, Vec<String>)> = BTreeMap::new();
        for entry in self.holds().await.iter().chain(entries) {
            let key = (entry.name.clone(), entry.kind.clone());
            let (ttl, values) = wanted.entry(key).or_default();
            *ttl = entry.ttl;
            if !values.contains(&entry.value) {
                values.push(entry.value.clone());
            }
        }
        wanted.retain(|(name, kind), _| {
            entries.iter().any(|entry| entry.name == *name && entry.kind == *kind)
        });
        let sets = wanted.iter().map(|((name, kind), (ttl, values))| {
            let values: Vec<_> = values.iter().map(String::as_str).collect();
            set(name, kind, &values).ttl((*ttl).into()).build().unwrap()
        });
        if !wanted.is_empty() {
            self.zone.put(sets).await;
        }
    }

    async fn adorn(&self, name: &str, address: IpAddr) {
        let kind = if address.is_ipv4() { "A" } else { "AAAA" };
        let simple = self.sets_at(name, kind).await.remove(0);
        let mut adorned = simple.clone();
        adorned.ttl = Some(777);
        adorned.set_identifier = Some("Paris 1".to_owned());
        adorned.weight = Some(7);
        adorned.health_check_id = Some("0f3d7d1c-5c1e".to_owned());
        self.zone
            .change(vec![(ChangeAction::Delete, simple), (ChangeAction::Create, adorned)])
            .await;
    }

    async fn remove(&self, name: &str, address: IpAddr) {
        let kind = if address.is_ipv4() { "A" } else { "AAAA" };
        for old in self.sets_at(name, kind).await {
            let mut left: Vec<ResourceRecord> = old.resource_records().to_vec();
            left.retain(|record| record.value() != address.to_string());
            let mut changes = vec![(ChangeAction::Delete, old.clone())];
            if !left.is_empty() {
                let mut new = old;
                new.resource_records = Some(left);
                changes.push((ChangeAction::Create, new));
            }
            self.zone.change(changes).await;
        }
    }

    async fn holds(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for set in self.zone.sets().await {
            entries.extend(values(&set).into_iter().map(|value| Entry {
                name: plain(set.name()),
                kind: set.r#type().as_str().to_owned(),
                value,
                ttl: set.ttl().unwrap().try_into().unwrap(),
                extras: format!(
                    "{:?} {:?} {:?}",
                    set.set_identifier(),
                    set.weight(),
                    set.health_check_id()
                ),
            }));
        }
        entries.sort();
        entries
    }

    async fn inject(&self, on: Call, fault: Fault) -> FaultSignal {
        let (sender, met) = FaultSignal::pair();
        let which = match on {
            Call::Read => reads,
            Call::Write => writes,
        };
        let spoil = match fault {
            Fault::Throttled(_) => aws_error(400, "Throttling", "Rate exceeded"),
            Fault::ServerError => aws_error(503, "ServiceUnavailable", "Come back later"),
            Fault::Overloaded(wait) => with_pause(aws_error(500, "InternalFailure", "Sorry"), wait),
            Fault::Html => response(200, "text/html", "<html><body>Please log in</body></html>"),
            Fault::HalfABody => Spoil::HalfABody,
            Fault::Hang => Spoil::Hang,
            Fault::CutBefore => Spoil::CutBefore,
            Fault::CutAfter => Spoil::CutAfter,
        };
        self.proxy.spoil(which, spoil, sender);
        met
    }
}
