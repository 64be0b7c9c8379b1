//! The webhook client against a server that openapi-core holds against the description of the protocol:
//! the contract suite, and the scenes of public reports about webhooks.
//!
//! The packages are installed into a virtual environment under `target/`, once. Without them, tests that
//! need the server print SKIPPED and pass, except with `CI=true`: there they fail.

#![expect(clippy::unwrap_used, reason = "where a test unwraps, it asserts")]

mod adjusting;
mod answers;
mod reports;
pub(crate) mod server;
mod unfit;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use goavail::testing::dns::{Capabilities, WEBHOOK_CAPABILITIES, Webhook, WebhookConfig};
use serde_json::{Value, json};

use self::server::{ServedZone, is_here, served_zone};
use crate::contract::{
    CONFIGURED_TTL, Call, Entry, Fault, FaultSignal, NAMES, ProviderUnderTest, ZONE, cases,
    contract_suite, recollection, standby,
};
use crate::proxy::{Proxy, Request, Spoil};

/// A managed address.
const DEAD: &str = "192.0.2.10";
/// Another managed address.
const ALIVE: &str = "192.0.2.11";
/// An address that is not managed.
const FOREIGN: &str = "198.51.100.7";
/// The first managed name.
const WWW: &str = NAMES[0];

/// A zone behind a webhook, with a proxy in front of it.
struct OnWebhook {
    zone: ServedZone,
    proxy: Proxy,
}

contract_suite!(OnWebhook);

/// Whether a request lists the zone.
fn reads(request: &Request) -> bool {
    request.method == "GET" && request.target.ends_with("/records")
}

/// Whether a request changes the zone.
pub(crate) fn writes(request: &Request) -> bool {
    request.method == "POST" && request.target.ends_with("/records")
}

/// Returns a whole response.
fn response(status: u16, kind: &str, headers: &str, body: &str) -> Spoil {
    let length = body.len();
    Spoil::Answer(format!(
        "HTTP/1.1 {status} Said\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{headers}\
         Connection: close\r\n\r\n{body}"
    ))
}

/// Returns an endpoint with a TTL of 120 s.
fn endpoint(name: &str, kind: &str, targets: &[&str]) -> Value {
    json!({ "dnsName": name, "recordType": kind, "recordTTL": 120, "targets": targets })
}

impl OnWebhook {
    /// Serves these endpoints.
    async fn with(endpoints: &[Value]) -> Self {
        let zone = served_zone(ZONE);
        zone.set("endpoints", &endpoints.into()).await;
        let proxy = Proxy::before(&zone.host()).await;
        Self { zone, proxy }
    }

    fn config(&self) -> WebhookConfig {
        WebhookConfig {
            zone: ZONE.to_owned(),
            names: NAMES.map(str::to_owned).to_vec(),
            ttl: CONFIGURED_TTL,
            own_ttls: BTreeMap::new(),
            url: format!("{}/{}", self.proxy.url, self.zone.name),
        }
    }

    /// Returns a client with another configuration.
    fn client(&self, change: impl FnOnce(&mut WebhookConfig)) -> Webhook {
        let mut config = self.config();
        change(&mut config);
        Webhook::new(&config).unwrap()
    }

    /// Returns the bodies of the requests that wrote.
    fn written(&self) -> Vec<Value> {
        let seen = self.proxy.seen(writes);
        seen.iter().map(|request| serde_json::from_str(&request.body).unwrap()).collect()
    }

    /// Returns the content of the zone, as `name type: targets`, sorted.
    async fn shown(&self) -> Vec<String> {
        let endpoints = self.zone.endpoints().await;
        let mut shown = Vec::new();
        for endpoint in &endpoints {
            let text = |key: &str| endpoint[key].as_str().unwrap_or_default();
            let targets = endpoint["targets"].as_array().unwrap();
            let mut targets: Vec<_> = targets.iter().map(|it| it.as_str().unwrap()).collect();
            targets.sort_unstable();
            shown.push(format!(
                "{} {}: {}",
                text("dnsName"),
                text("recordType"),
                targets.join(" ")
            ));
        }
        shown.sort();
        shown
    }
}

impl ProviderUnderTest for OnWebhook {
    type Provider = Webhook;

    const CAPABILITIES: Capabilities = WEBHOOK_CAPABILITIES;

    fn is_here() -> bool {
        is_here()
    }

    async fn start() -> Self {
        Self::with(&[]).await
    }

    async fn provider(&self) -> Webhook {
        self.client(|_| {})
    }

    /// The protocol has no credentials; a proxy in front of a webhook may want some.
    async fn with_wrong_credentials(&self) -> Webhook {
        self.client(|config| config.url = format!("{}/locked", self.proxy.url))
    }

    async fn of_unknown_zone(&self) -> Webhook {
        self.client(|config| {
            "example.net".clone_into(&mut config.zone);
            config.names = vec!["www.example.net".to_owned(), "example.net".to_owned()];
        })
    }

    async fn out_of_reach(&self) -> Webhook {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        self.client(|config| config.url = url)
    }

    async fn seed(&self, entries: &[Entry]) {
        let mut endpoints = self.zone.endpoints().await;
        for entry in entries {
            let same = |it: &&mut Value| {
                it["dnsName"] == entry.name.as_str() && it["recordType"] == entry.kind.as_str()
            };
            let place = endpoints.iter_mut().find(same);
            let Some(there) = place else {
                let mut new = endpoint(&entry.name, &entry.kind, &[&entry.value]);
                new["recordTTL"] = entry.ttl.into();
                endpoints.push(new);
                continue;
            };
            let targets = there["targets"].as_array_mut().unwrap();
            if !targets.contains(&entry.value.as_str().into()) {
                targets.push(entry.value.as_str().into());
            }
        }
        self.zone.set("endpoints", &endpoints.into()).await;
    }

    async fn adorn(&self, name: &str, address: IpAddr) {
        let mut endpoints = self.zone.endpoints().await;
        let address = Value::from(address.to_string());
        let place = endpoints.iter_mut().find(|it| {
            it["dnsName"] == name && it["targets"].as_array().unwrap().contains(&address)
        });
        let there = place.unwrap();
        there["recordTTL"] = 777.into();
        there["labels"] = json!({ "owner": "dns", "rack": "7" });
        there["providerSpecific"] = json!([{ "name": "webhook/proxied", "value": "true" }]);
        there["setIdentifier"] = "".into();
        there["comment"] = json!({ "text": "ask before touching", "since": 2031 });
        self.zone.set("endpoints", &endpoints.into()).await;
    }

    async fn remove(&self, name: &str, address: IpAddr) {
        let mut endpoints = self.zone.endpoints().await;
        let address = Value::from(address.to_string());
        for there in endpoints.iter_mut().filter(|it| it["dnsName"] == name) {
            there["targets"].as_array_mut().unwrap().retain(|target| *target != address);
        }
        endpoints.retain(|it| !it["targets"].as_array().unwrap().is_empty());
        self.zone.set("endpoints", &endpoints.into()).await;
    }

    async fn holds(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for endpoint in self.zone.endpoints().await {
            let mut extras = endpoint.as_object().unwrap().clone();
            for field in ["dnsName", "recordType", "recordTTL", "targets"] {
                extras.remove(field);
            }
            let text = |key: &str| endpoint[key].as_str().unwrap().to_owned();
            let targets = endpoint["targets"].as_array().unwrap();
            entries.extend(targets.iter().map(|target| Entry {
                name: text("dnsName"),
                kind: text("recordType"),
                value: target.as_str().unwrap().to_owned(),
                ttl: endpoint["recordTTL"].as_u64().unwrap().try_into().unwrap(),
                extras: Value::from(extras.clone()).to_string(),
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
        let pause = |wait: Duration| format!("Retry-After: {}\r\n", wait.as_secs());
        let spoil = match fault {
            Fault::Throttled(wait) => response(429, "text/plain", &pause(wait), "slowly"),
            Fault::ServerError => response(503, "text/plain", "", "later"),
            Fault::Overloaded(wait) => response(503, "text/plain", &pause(wait), "later"),
            Fault::Html => response(200, "text/html", "", "<html><body>Log in</body></html>"),
            Fault::HalfABody => Spoil::HalfABody,
            Fault::Hang => Spoil::Hang,
            Fault::CutBefore => Spoil::CutBefore,
            Fault::CutAfter => Spoil::CutAfter,
        };
        self.proxy.spoil(which, spoil, sender);
        met
    }
}

/// Returns whether the server cannot run here, which was said then.
fn is_missing() -> bool {
    !is_here()
}

/// A zone of any size is listed as a whole.
#[tokio::test]
async fn a_long_zone_is_listed_as_a_whole() {
    if !is_missing() {
        cases::lists_what_lies_beyond_the_first_page::<OnWebhook>().await;
    }
}

/// The protocol does not promise it; this server does it.
#[tokio::test]
async fn a_failover_and_its_way_back_are_whole_where_the_provider_makes_them_so() {
    if !is_missing() {
        standby::a_failover_and_its_way_back_are_whole_or_not_at_all_whatever_fails::<OnWebhook>()
            .await;
    }
}
