//! Cloudflare, on the fake.

mod account;
mod cost;
mod edited;
mod omissions;
mod refusals;
mod singly;
mod stale;
mod torn;

use std::net::IpAddr;

use goavail::testing::dns::{
    CLOUDFLARE_CAPABILITIES, Capabilities, Cloudflare, CloudflareConfig, CloudflareCredentials,
};

use super::{CONFIGURED_TTL, Call, Entry, Fault, FaultSignal, NAMES, ProviderUnderTest, ZONE};
use crate::fake_cloudflare::{self as fake, FakeCloudflare, Setup};

/// A zone on the fake, with at most 100 records on a page.
struct OnTheFake(FakeCloudflare);

impl OnTheFake {
    fn with(&self, change: impl FnOnce(&mut CloudflareConfig)) -> Cloudflare {
        let mut config = self.0.config(&NAMES);
        config.ttl = CONFIGURED_TTL;
        change(&mut config);
        Cloudflare::new(&config).unwrap()
    }
}

impl ProviderUnderTest for OnTheFake {
    type Provider = Cloudflare;

    const CAPABILITIES: Capabilities = CLOUDFLARE_CAPABILITIES;

    async fn start() -> Self {
        let setup = Setup { largest_page: 100, ..Setup::default() };
        Self(FakeCloudflare::start_with(ZONE, setup, || {}))
    }

    async fn provider(&self) -> Cloudflare {
        self.with(|_| {})
    }

    async fn with_wrong_credentials(&self) -> Cloudflare {
        let wrong = fake::TOKEN.replace("fake", "ekaf");
        self.with(|config| config.credentials = Some(CloudflareCredentials::Token(wrong.into())))
    }

    async fn of_unknown_zone(&self) -> Cloudflare {
        self.with(|config| "example.net".clone_into(&mut config.zone))
    }

    async fn out_of_reach(&self) -> Cloudflare {
        // Bound and closed again: no server has this port.
        let nobody = FakeCloudflare::start(ZONE).url();
        self.with(|config| config.api_url = nobody)
    }

    async fn seed(&self, entries: &[Entry]) {
        self.0.zone(|zone| {
            for entry in entries {
                zone.seed(&entry.kind, &entry.name, &entry.value).ttl = entry.ttl;
            }
        });
    }

    async fn adorn(&self, name: &str, address: IpAddr) {
        self.0.zone(|zone| {
            let record = zone
                .records
                .iter_mut()
                .find(|r| r.name == name && r.content == address.to_string());
            let record = record.unwrap();
            record.ttl = 1;
            record.proxied = true;
            record.comment = Some("rack 7, ask before touching".to_owned());
            record.tags = vec!["owner:dns".to_owned(), "tier:front".to_owned()];
            record.settings.insert("ipv4_only".to_owned(), true.into());
            record.more.insert("private_routing".to_owned(), true.into());
        });
    }

    async fn remove(&self, name: &str, address: IpAddr) {
        let address = address.to_string();
        self.0.zone(|zone| zone.records.retain(|r| r.name != name || r.content != address));
    }

    async fn holds(&self) -> Vec<Entry> {
        let show = |record: &fake::Record| Entry {
            name: record.name.clone(),
            kind: record.kind.clone(),
            value: record.content.clone(),
            ttl: record.ttl,
            extras: format!(
                "{} {:?} {:?} {:?} {:?}",
                record.proxied, record.comment, record.tags, record.settings, record.more
            ),
        };
        let mut entries: Vec<_> = self.0.zone(|zone| zone.records.iter().map(show).collect());
        entries.sort();
        entries
    }

    async fn inject(&self, on: Call, fault: Fault) -> FaultSignal {
        let fault = match fault {
            Fault::Throttled(wait) => fake::Fault::Throttled(wait.as_secs().to_string()),
            Fault::Overloaded(wait) => fake::Fault::Overloaded(wait.as_secs().to_string()),
            Fault::ServerError => fake::Fault::Answer(503, String::new()),
            Fault::Html => fake::Fault::Answer(200, "<html>Welcome</html>".to_owned()),
            Fault::HalfABody => fake::Fault::HalfABody,
            Fault::Hang => fake::Fault::Hang,
            Fault::CutBefore => fake::Fault::CutBefore,
            Fault::CutAfter => fake::Fault::CutAfter,
        };
        self.0.script(1, move |request| request.writes() == (on == Call::Write), fault)
    }
}

super::contract_suite!(OnTheFake);

/// Returns an error as it is printed: with all its causes, on one line.
fn printed(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
