//! The whole agent against Route 53: the real binary, `--type tcp` on loopback (which needs no
//! privilege), and moto behind a proxy that can spoil single requests. These are the observations
//! of an operator; the tests of single calls are in `route53`.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

mod dry_run;
mod names;
mod profile;
mod secrets;
mod sets;
mod start;
mod tls;
mod trouble;

use std::net::IpAddr;

use aws_sdk_route53::types::{AliasTarget, ResourceRecordSet};

use crate::agent::{Agent, Setup, Within};
use crate::moto::{Moto, Zone, moto, set};
use crate::proxy::Proxy;
use crate::route53::{plain, values, writes};
use crate::tcp_services::{TcpService, loopback_addresses};

/// The zone on moto.
const ZONE: &str = "example.com";

/// An address that is not managed.
const FOREIGN: &str = "198.51.100.7";

/// A death is noticed within a second; a machine that is busy for a tenth of one does no harm.
const QUICK: &str = "interval = 0.2\ntimeout = 0.5\nretry_interval = 0.1\n";

/// A zone on moto behind a proxy, and two targets with ports that are open at first.
struct Harness {
    moto: &'static Moto,
    zone: Zone,
    proxy: Proxy,
    targets: Vec<IpAddr>,
    port: u16,
    tcp_services: Vec<Option<TcpService>>,
}

impl Harness {
    /// With an empty zone. `None` is a skip.
    async fn new() -> Option<Self> {
        let moto = moto()?;
        let zone = moto.zone(ZONE, false).await;
        let (targets, port) = loopback_addresses(2);
        let tcp_services =
            targets.iter().map(|target| Some(TcpService::open((*target, port).into())));
        let (tcp_services, proxy) = (tcp_services.collect(), Proxy::before(&moto.host).await);
        Some(Self { moto, zone, proxy, targets, port, tcp_services })
    }

    /// The `nth` target answers from now on.
    fn open(&mut self, nth: usize) {
        self.tcp_services[nth] = Some(TcpService::open((self.targets[nth], self.port).into()));
    }

    /// The `nth` target is dead from now on.
    fn close(&mut self, nth: usize) {
        self.tcp_services[nth] = None;
    }

    /// The `nth` target in words.
    fn text(&self, nth: usize) -> String {
        self.targets[nth].to_string()
    }

    /// `target=address`, as a line about the `nth` target has it.
    fn target(&self, nth: usize) -> String {
        format!("target={} ", self.targets[nth])
    }

    /// The configuration for both targets at `names`; `top` goes before the section.
    fn config(&self, top: &str, names: &[&str]) -> String {
        let targets: Vec<_> = self.targets.iter().map(ToString::to_string).collect();
        format!(
            "port = {}\n{QUICK}{top}\n[Route53]\naws_domain = \"{ZONE}\"\naws_zoneid = \"{}\"\n\
             aws_region = \"eu-west-3\"\nhostnames = {names:?}\nip_addresses = {targets:?}\n\
             api_url = \"{}\"\n",
            self.port, self.zone.id, self.proxy.url
        )
    }

    /// An agent that writes.
    fn start(&self, config: &str) -> Agent {
        signed(anonymous(config), self.moto).args(["--no-dry-run", "monitor"]).start()
    }

    /// As [`Harness::start`], and waits until both targets were confirmed.
    fn confirmed(&self, config: &str) -> Agent {
        let mut agent = self.start(config);
        agent.nth(2, &["target confirmed up"]);
        agent
    }

    /// How many requests to write have come in.
    fn written(&self) -> usize {
        self.proxy.seen(writes).len()
    }

    /// Every set, sorted, with its values sorted.
    async fn sets(&self) -> Vec<ResourceRecordSet> {
        sorted(self.zone.sets().await)
    }

    /// Every set as `name: values`.
    async fn served(&self) -> Vec<String> {
        let line = |set: &ResourceRecordSet| {
            format!("{} {}: {}", plain(set.name()), set.r#type().as_str(), values(set).join(" "))
        };
        self.sets().await.iter().map(line).collect()
    }
}

/// An agent for Route 53 that finds no credentials; it never asks for instance metadata.
fn anonymous(config: &str) -> Setup {
    anonymous_as(config, &["--type", "tcp", "--dns-provider", "route53"])
}

/// The same with other arguments.
fn anonymous_as(config: &str, arguments: &[&'static str]) -> Setup {
    let setup = Setup::new(config, Within::Here).env("AWS_EC2_METADATA_DISABLED", "true");
    setup.args(arguments.iter().copied())
}

/// With a user's credentials.
fn signed(setup: Setup, moto: &Moto) -> Setup {
    setup.env("AWS_ACCESS_KEY_ID", &moto.key).env("AWS_SECRET_ACCESS_KEY", &moto.secret)
}

/// A set at `name` that is an alias.
fn alias(name: &str) -> ResourceRecordSet {
    let elsewhere = AliasTarget::builder().hosted_zone_id("Z2").dns_name("lb.example.net.");
    let elsewhere = elsewhere.evaluate_target_health(false).build().unwrap();
    let mut set = set(name, "A", &[]).alias_target(elsewhere).build().unwrap();
    (set.ttl, set.resource_records) = (None, None);
    set
}

fn sorted(mut sets: Vec<ResourceRecordSet>) -> Vec<ResourceRecordSet> {
    for set in &mut sets {
        set.name = plain(set.name());
        if let Some(records) = &mut set.resource_records {
            records.sort_by(|one, other| one.value().cmp(other.value()));
        }
    }
    let place = |set: &ResourceRecordSet| (set.name.clone(), set.set_identifier.clone());
    sets.sort_by_key(place);
    sets
}
