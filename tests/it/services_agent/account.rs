//! The account at a provider that the services of a test are published with: two zones of their own.

use crate::agent::{Setup, Within};
use crate::fake_cloudflare::{self, FakeCloudflare, TOKEN};
use crate::moto::{self, Moto, moto};
use crate::route53::values;

use super::{DOMAINS, Machines, ServiceSpec};

/// An account with a zone for each of [`DOMAINS`].
pub(super) enum Account {
    /// At the stateful Cloudflare.
    Cloudflare(FakeCloudflare),
    /// At moto, with the zones in the order of [`DOMAINS`].
    Route53(&'static Moto, Vec<moto::Zone>),
}

impl Account {
    /// Returns an account at Cloudflare in which the targets of `services` are published.
    pub(super) fn cloudflare(machines: &Machines, services: &[ServiceSpec]) -> Self {
        let cloudflare = FakeCloudflare::start(DOMAINS[0]);
        cloudflare.zones(|zones| zones.push(fake_cloudflare::Zone::new(2, DOMAINS[1])));
        for service in services {
            for name in service.owner_names() {
                for address in machines.texts(&service.targets) {
                    cloudflare.zones(|zones| _ = zones[service.zone].seed("A", &name, &address));
                }
            }
        }
        Self::Cloudflare(cloudflare)
    }

    /// As [`Self::cloudflare`], at Route 53. `None` is a skip.
    pub(super) async fn route53(machines: &Machines, services: &[ServiceSpec]) -> Option<Self> {
        let moto = moto()?;
        let mut zones = vec![];
        for domain in DOMAINS {
            zones.push(moto.zone(domain, false).await);
        }
        for service in services {
            let texts = machines.texts(&service.targets);
            let texts: Vec<_> = texts.iter().map(String::as_str).collect();
            let sets = service.owner_names().map(|name| moto::set(&name, "A", &texts));
            zones[service.zone].put(sets.map(|set| set.build().unwrap())).await;
        }
        Some(Self::Route53(moto, zones))
    }

    /// Returns the stateful Cloudflare.
    pub(super) fn fake(&self) -> &FakeCloudflare {
        let Self::Cloudflare(cloudflare) = self else { panic!("the account is at Route 53") };
        cloudflare
    }

    /// Returns the keys of the table `[zone.NAME]` of a zone.
    pub(super) fn zone_table(&self, zone: usize) -> String {
        let domain = DOMAINS[zone];
        match self {
            Self::Cloudflare(cloudflare) => format!(
                "provider = \"cloudflare\"\ndomain = \"{domain}\"\napi_url = \"{}\"\n",
                cloudflare.url()
            ),
            Self::Route53(moto, zones) => format!(
                "provider = \"route53\"\ndomain = \"{domain}\"\naws_zoneid = \"{}\"\n\
                 aws_region = \"eu-west-3\"\napi_url = \"http://{}\"\n",
                zones[zone].id, moto.host
            ),
        }
    }

    /// Returns the head of the provider's section in the old form of the file.
    pub(super) fn section(&self, zone: usize) -> String {
        let domain = DOMAINS[zone];
        match self {
            Self::Cloudflare(cloudflare) => format!(
                "[Cloudflare]\ndns_domain = \"{domain}\"\napi_url = \"{}\"\n",
                cloudflare.url()
            ),
            Self::Route53(moto, zones) => format!(
                "[Route53]\naws_domain = \"{domain}\"\naws_zoneid = \"{}\"\n\
                 aws_region = \"eu-west-3\"\napi_url = \"http://{}\"\n",
                zones[zone].id, moto.host
            ),
        }
    }

    /// Returns the name of the provider for `--dns-provider`.
    pub(super) fn provider(&self) -> &'static str {
        match self {
            Self::Cloudflare(_) => "cloudflare",
            Self::Route53(..) => "route53",
        }
    }

    /// Returns an agent with credentials.
    pub(super) fn setup(&self, config: &str) -> Setup {
        let setup = Setup::new(config, Within::Here);
        match self {
            Self::Cloudflare(_) => setup.env("CF_API_TOKEN", TOKEN),
            Self::Route53(moto, _) => setup
                .env("AWS_EC2_METADATA_DISABLED", "true")
                .env("AWS_ACCESS_KEY_ID", &moto.key)
                .env("AWS_SECRET_ACCESS_KEY", &moto.secret),
        }
    }

    /// Returns the IPv4 addresses at `name`, sorted.
    pub(super) async fn contents(&self, zone: usize, name: &str) -> Vec<String> {
        match self {
            Self::Cloudflare(cloudflare) => {
                cloudflare.zones(|zones| zones[zone].contents("A", name))
            }
            Self::Route53(_, zones) => {
                let sets = zones[zone].sets().await;
                let of_name = sets.iter().filter(|set| set.name().trim_end_matches('.') == name);
                let mut contents: Vec<_> = of_name.flat_map(values).collect();
                contents.sort();
                contents
            }
        }
    }
}
