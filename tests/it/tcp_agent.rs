//! The whole agent with `--type tcp`: the real binary and real connects, in a namespace with links
//! and routes of its own. Belongs here: the outcome of a connect, and that everything else is as
//! with echo requests. All in dry-run, because DNS is the same for both.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

mod descriptors;
mod guards;
mod outcomes;
mod reload;

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr, TcpListener};

use crate::agent::{Agent, Setup, Within};
use crate::lab::Lab;
use crate::tcp_services::TcpService;

/// The port of the targets.
const PORT: u16 = 8443;

/// A death is noticed within a second; a machine that is busy for a tenth of one does no harm.
const QUICK: &str = "interval = 0.2\ntimeout = 0.5\nretry_interval = 0.1\nfailure_threshold = 3\n";

/// The log filter without single probes.
const BRIEF: &str = "info";

/// A log with every probe in it.
const EACH_PROBE: &str = "info,goavail=trace";

/// The configuration for `addresses` at www.example.com; `top` goes before the sections.
fn config(top: &str, addresses: &[IpAddr]) -> String {
    let mut text = format!("port = {PORT}\n{top}\n[Cloudflare]\ndns_domain = \"example.com\"\n");
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    let _ = writeln!(text, "hostnames = [\"www\"]\nip_addresses = {addresses:?}");
    text
}

/// An agent at the lab's first place.
fn start(lab: &Lab, config: &str, log: &str) -> Agent {
    let setup = Setup::new(config, Within::Lab(lab.agent(0))).env("RUST_LOG", log);
    setup.args(["--type", "tcp", "monitor"]).start()
}

/// Opens a TCP service in the world, at an address that it holds.
fn open(lab: &Lab, address: IpAddr, port: u16) -> TcpService {
    // The world holds its addresses by routes, which IPv6 does not take for its own.
    lab.world().sysctl("net/ipv6/ip_nonlocal_bind", "1");
    TcpService::at(lab.world().run(|| TcpListener::bind(SocketAddr::new(address, port))).unwrap())
}

/// Lets the world hold `addresses` and opens a TCP service at each.
fn open_all(lab: &Lab, addresses: &[IpAddr]) -> Vec<TcpService> {
    lab.add(addresses);
    addresses.iter().map(|address| open(lab, *address, PORT)).collect()
}

/// `target=address` with its end, so that one address is not taken for a longer one.
fn target(address: IpAddr) -> String {
    format!("target={address} ")
}

/// How many such lines there are by now.
fn count(agent: &mut Agent, words: &[&str]) -> usize {
    agent.lines_with(words).len()
}
