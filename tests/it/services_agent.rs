//! The whole agent with several services: the real binary, `[[service]]`, TCP services on loopback,
//! the stateful Cloudflare or moto, and a receiver of notices. Belongs here: the behaviour of several services
//! together; that of one service is tested elsewhere.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

mod account;
mod alike;
mod dry_run;
mod limits;
mod max_out;
mod reloads;
mod scenario;
mod standby;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;

use account::Account;

use crate::agent::{Agent, PATIENT};
use crate::tcp_services::{TcpService, loopback_addresses};

/// A death is noticed within a second; a machine that is busy for a tenth of one does no harm.
const QUICK: &str = "interval = 0.2\ntimeout = 0.5\nretry_interval = 0.1\n";

/// The domains of the two zones.
const DOMAINS: [&str; 2] = ["example.com", "example.net"];

/// A service as a configuration file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ServiceSpec {
    name: String,
    /// The place of its zone in [`DOMAINS`].
    zone: usize,
    hostnames: Vec<String>,
    /// The places of its targets among the machines.
    targets: BTreeSet<usize>,
    min_in_service: usize,
    failure_threshold: u32,
}

impl ServiceSpec {
    /// Returns a service in the first zone that is published at its own name, without a floor.
    fn new(name: &str, targets: impl IntoIterator<Item = usize>) -> Self {
        Self {
            name: name.to_owned(),
            zone: 0,
            hostnames: vec![name.to_owned()],
            targets: targets.into_iter().collect(),
            min_in_service: 0,
            failure_threshold: 3,
        }
    }

    /// Returns the owner names.
    fn owner_names(&self) -> impl Iterator<Item = String> {
        self.hostnames.iter().map(|hostname| format!("{hostname}.{}", DOMAINS[self.zone]))
    }
}

/// The machines that the services run on: addresses of loopback with a port that is open or not.
struct Machines {
    addresses: Vec<IpAddr>,
    port: u16,
    open: Vec<Option<TcpService>>,
}

impl Machines {
    /// Returns machines that all answer.
    fn new(count: u8) -> Self {
        let (addresses, port) = loopback_addresses(count);
        let open = addresses.iter().map(|address| Some(TcpService::open((*address, port).into())));
        Self { open: open.collect(), addresses, port }
    }

    fn revive(&mut self, nth: usize) {
        self.open[nth] = Some(TcpService::open((self.addresses[nth], self.port).into()));
    }

    fn kill(&mut self, nth: usize) {
        self.open[nth] = None;
    }

    fn is_alive(&self, nth: usize) -> bool {
        self.open[nth].is_some()
    }

    fn text(&self, nth: usize) -> String {
        self.addresses[nth].to_string()
    }

    /// Returns the addresses of some machines.
    fn texts<'a>(&self, places: impl IntoIterator<Item = &'a usize>) -> Vec<String> {
        places.into_iter().map(|nth| self.text(*nth)).collect()
    }

    /// Returns the configuration of one agent for all `services`; `top` is at its top.
    fn together(&self, top: &str, services: &[ServiceSpec], account: &Account) -> String {
        let mut text = format!("{QUICK}{top}");
        let zones: BTreeSet<usize> = services.iter().map(|service| service.zone).collect();
        for zone in zones {
            let _ = write!(text, "\n[zone.z{zone}]\n{}", account.zone_table(zone));
        }
        let _ = write!(text, "\n[check.port]\ntype = \"tcp\"\nport = {}\n", self.port);
        for service in services {
            let _ = write!(
                text,
                "\n[[service]]\nname = \"{}\"\nzone = \"z{}\"\ncheck = \"port\"\nhostnames = {:?}\n\
                 ip_addresses = {:?}\nmin_in_service = {}\nfailure_threshold = {}\n",
                service.name,
                service.zone,
                service.hostnames,
                self.texts(&service.targets),
                service.min_in_service,
                service.failure_threshold
            );
        }
        text
    }

    /// Returns the configuration of an agent for `service` alone, in the old form of the file.
    fn alone(&self, top: &str, service: &ServiceSpec, account: &Account) -> String {
        format!(
            "{QUICK}{top}port = {}\nmin_in_service = {}\nfailure_threshold = {}\n\n{}\
             hostnames = {:?}\nip_addresses = {:?}\n",
            self.port,
            service.min_in_service,
            service.failure_threshold,
            account.section(service.zone),
            service.hostnames,
            self.texts(&service.targets)
        )
    }

    /// Returns whether a set of `service` has the addresses that the living machines and the floor require.
    fn settled(&self, service: &ServiceSpec, contents: &[String]) -> bool {
        let living: Vec<_> =
            service.targets.iter().filter(|nth| self.is_alive(**nth)).copied().collect();
        let least = service.min_in_service.min(service.targets.len());
        let living_are_in = self.texts(&living).iter().all(|address| contents.contains(address));
        living_are_in && contents.len() == living.len().max(least)
    }
}

/// Waits until the zones have the addresses that the living machines and the floors of `services` require;
/// `agent` looks after them.
async fn settle(
    agent: &mut Agent,
    account: &Account,
    machines: &Machines,
    services: &[ServiceSpec],
) {
    for service in services {
        // The agent logs a line after each change of DNS.
        while !is_settled(account, machines, service).await {
            agent.wait_for(|_| true, PATIENT);
        }
    }
}

async fn is_settled(account: &Account, machines: &Machines, service: &ServiceSpec) -> bool {
    for name in service.owner_names() {
        if !machines.settled(service, &account.contents(service.zone, &name).await) {
            return false;
        }
    }
    true
}

/// Returns the addresses at each name of `services`.
async fn contents(account: &Account, services: &[ServiceSpec]) -> BTreeMap<String, Vec<String>> {
    let mut contents = BTreeMap::new();
    for service in services {
        for name in service.owner_names() {
            let addresses = account.contents(service.zone, &name).await;
            contents.insert(name, addresses);
        }
    }
    contents
}

/// Starts an agent that writes for several services, and waits until it has confirmed `targets` many
/// targets.
fn confirmed(account: &Account, config: &str, targets: usize) -> Agent {
    let mut agent = account.setup(config).args(["--no-dry-run", "monitor"]).start();
    agent.nth(targets, &["target confirmed up"]);
    agent
}
