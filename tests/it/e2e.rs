//! The whole agent: the real binary, real echo requests in a namespace of its own, a stateful
//! Cloudflare on that namespace's loopback. Belongs here: what an operator would see, told of the
//! binary from outside; what one part does by itself is tested beside that part.
//!
//! Nothing here asserts how fast something is, but that it happens, and what does not.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

mod crash;
mod defects;
mod ending;
mod failover;
mod guards;
mod in_a_row;
mod rehearsal;
mod reload;
mod responder;
mod scale;
mod sockets;
mod story;
mod strays;
mod tcp;
mod trouble;

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd as _;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::agent::{Agent, Line, PATIENT, Setup, Within};
use crate::fake_cloudflare::{self, Entry, FakeCloudflare, TOKEN};
use crate::lab::{Lab, Namespace};

/// The zone.
const ZONE: &str = "example.com";

/// The managed name where one is enough.
const WWW: &str = "www.example.com";

/// A death is noticed within a second; a machine that is busy for a tenth of one does no harm.
const QUICK: &str = "interval = 0.2\ntimeout = 0.5\nretry_interval = 0.1\nfailure_threshold = 3\n";

/// A lab with one agent's place in it, and Cloudflare on that place's loopback: to reach, whatever
/// becomes of the agent's link.
///
/// Field order is drop order.
struct Scene {
    cloudflare: FakeCloudflare,
    lab: Lab,
}

impl Scene {
    /// With an empty zone.
    fn new() -> Self {
        Self::with(fake_cloudflare::Setup::default())
    }

    fn with(setup: fake_cloudflare::Setup) -> Self {
        let lab = Lab::new();
        Self { cloudflare: cloudflare_in(lab.agent(0), setup), lab }
    }

    /// With `addresses` alive, and in the zone at [`WWW`].
    fn serving(addresses: &[IpAddr]) -> Self {
        let scene = Self::new();
        scene.lab.add(addresses);
        publish(&scene.cloudflare, &[WWW], addresses);
        scene
    }

    /// The configuration for `addresses` at [`WWW`], at the quick pace; `top` goes before it.
    fn config(&self, top: &str, addresses: &[IpAddr]) -> String {
        config(&format!("{QUICK}{top}"), &["www"], addresses, &self.cloudflare)
    }

    /// Starts an agent that writes; its log holds every probe.
    fn start(&self, config: &str) -> Agent {
        self.setup(config).args(["--no-dry-run", "monitor"]).start()
    }

    /// Starts an agent that writes, and waits until it has confirmed `count` targets and made up
    /// its mind about DNS.
    fn confirmed(&self, config: &str, count: usize) -> Agent {
        let mut agent = self.start(config);
        nth(&mut agent, count, &["target confirmed up"]);
        agent
    }

    fn setup(&self, config: &str) -> Setup {
        setup(config, Within::Lab(self.lab.agent(0)))
    }

    /// What the zone holds at [`WWW`], sorted.
    fn in_service(&self) -> Vec<String> {
        self.cloudflare.zone(|zone| zone.contents("A", WWW))
    }
}

/// An agent with credentials and every probe in its log.
fn setup(config: &str, within: Within<'_>) -> Setup {
    let setup = Setup::new(config, within);
    setup.env("CF_API_TOKEN", TOKEN).env("RUST_LOG", "info,goavail=trace")
}

/// Cloudflare on the loopback of `place`.
fn cloudflare_in(place: &Namespace, setup: fake_cloudflare::Setup) -> FakeCloudflare {
    let door = File::open(format!("/proc/{}/ns/net", place.pid())).expect("its holder runs");
    FakeCloudflare::start_with(ZONE, setup, move || {
        let network = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(door.as_fd(), network).expect("may enter the namespace");
    })
}

/// A port of the agent's loopback, for a service that is to be there later or again.
fn at_port(port: u16) -> fake_cloudflare::Setup {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    fake_cloudflare::Setup { listen, ..Default::default() }
}

/// Puts `addresses` into the zone at each of `names`.
fn publish(cloudflare: &FakeCloudflare, names: &[&str], addresses: &[IpAddr]) {
    for name in names {
        for address in addresses {
            let kind = if address.is_ipv4() { "A" } else { "AAAA" };
            cloudflare.zone(|zone| _ = zone.seed(kind, name, &address.to_string()));
        }
    }
}

/// A configuration file; `top` holds what comes before the section.
fn config(top: &str, names: &[&str], addresses: &[IpAddr], cloudflare: &FakeCloudflare) -> String {
    config_at(top, names, addresses, &cloudflare.url())
}

fn config_at(top: &str, names: &[&str], addresses: &[IpAddr], api_url: &str) -> String {
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    format!(
        "{top}\n[Cloudflare]\ndns_domain = \"{ZONE}\"\nhostnames = {names:?}\n\
         ip_addresses = {addresses:?}\napi_url = \"{api_url}\"\n"
    )
}

/// `field=address`, with what follows it, so that one address is not taken for a longer one.
fn target(address: IpAddr) -> String {
    format!("target={address} ")
}

/// The `count`-th line on standard error that holds all of `words`, waited for if need be,
/// whatever came in between.
fn nth(agent: &mut Agent, count: usize, words: &[&str]) -> Line {
    loop {
        if let Some(line) = agent.lines_with(words).get(count - 1) {
            return line.clone();
        }
        agent.wait_for(|line| line.has(words), PATIENT);
    }
}

/// The first such line.
fn first(agent: &mut Agent, words: &[&str]) -> Line {
    nth(agent, 1, words)
}

/// How many such lines there are by now.
fn count(agent: &mut Agent, words: &[&str]) -> usize {
    agent.lines_with(words).len()
}

/// Waits until Cloudflare's log is as `enough` wants it.
fn until(cloudflare: &FakeCloudflare, enough: impl Fn(&[Entry]) -> bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let waiting = async { tokio::time::timeout(PATIENT, cloudflare.wait(enough)).await };
    let came = runtime.block_on(waiting).is_ok();
    assert!(came, "what was awaited did not come; the requests: {:#?}", cloudflare.log());
}

/// Waits until `times` requests to write have come in.
fn until_written(cloudflare: &FakeCloudflare, times: usize) {
    until(cloudflare, |log| log.iter().filter(|entry| entry.writes()).count() >= times);
}

/// How many requests to write have come in.
fn writes(cloudflare: &FakeCloudflare) -> usize {
    cloudflare.count(Entry::writes)
}
