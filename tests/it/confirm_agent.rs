//! The proof of effect in the whole agent: the real binary, `--type tcp` on loopback, the stateful
//! Cloudflare, name servers of the test's own, and a receiver of notices. Belongs here: the way from the
//! keys of the file to the log, the notices, the metrics and the status; the waits are tested beside
//! their code.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

mod faults;
mod reloads;
mod resolvers;
mod visible;

use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::agent::{Agent, PATIENT, Setup, Within};
use crate::fake_cloudflare::{FakeCloudflare, TOKEN};
use crate::name_server::{Manner, NameServer};
use crate::notify::Server;
use crate::tcp_services::{TcpService, loopback_addresses};

/// The only managed name.
const WWW: &str = "www.example.com";

/// A death is noticed within a second; a machine that is busy for a tenth of one does no harm.
const QUICK: &str = "interval = 0.2\ntimeout = 0.5\nretry_interval = 0.1\n";

/// A zone with two targets that are up at first, name servers that show both, and a receiver of notices.
struct Harness {
    cloudflare: FakeCloudflare,
    servers: Vec<NameServer>,
    webhook: Server,
    targets: Vec<IpAddr>,
    port: u16,
    tcp_services: Vec<Option<TcpService>>,
}

impl Harness {
    async fn new(manners: &[Manner]) -> Self {
        let cloudflare = FakeCloudflare::start("example.com");
        let (targets, port) = loopback_addresses(2);
        for target in &targets {
            cloudflare.zone(|zone| _ = zone.seed("A", WWW, &target.to_string()));
        }
        let servers = manners.iter().map(|manner| NameServer::start(&targets, *manner)).collect();
        let open = |target: &IpAddr| Some(TcpService::open((*target, port).into()));
        let tcp_services = targets.iter().map(open).collect();
        let webhook = Server::start(&[]).await;
        Self { cloudflare, servers, webhook, targets, port, tcp_services }
    }

    /// The second target answers from now on.
    fn open(&mut self) {
        self.tcp_services[1] = Some(TcpService::open((self.targets[1], self.port).into()));
    }

    /// The second target is dead from now on.
    fn close(&mut self) {
        self.tcp_services[1] = None;
    }

    /// These name servers show that the second target is gone.
    fn show_withdrawal(&self, servers: &[usize]) {
        for nth in servers {
            self.servers[*nth].hold(&self.targets[..1]);
        }
    }

    /// These name servers show both targets.
    fn show_both(&self, servers: &[usize]) {
        for nth in servers {
            self.servers[*nth].hold(&self.targets);
        }
    }

    /// The configuration, with these keys of the proof of effect.
    fn config(&self, keys: &str) -> String {
        let servers: Vec<String> = self.servers.iter().map(NameServer::text).collect();
        format!(
            "name = \"probe-1\"\nport = {}\nwebhook_url = \"{}\"\n{QUICK}\
             [Status]\nsocket = \"control.sock\"\n\
             [Cloudflare]\ndns_domain = \"example.com\"\nhostnames = [\"www\"]\nttl = 60\n\
             ip_addresses = {:?}\napi_url = \"{}\"\n{}",
            self.port,
            self.webhook.url,
            self.targets.iter().map(ToString::to_string).collect::<Vec<_>>(),
            self.cloudflare.url(),
            keys.replace("SERVERS", &format!("{servers:?}"))
        )
    }

    /// An agent that has confirmed every target.
    fn started(&self, keys: &str, dry_run: &str) -> Agent {
        let setup = Setup::new(&self.config(keys), Within::Here).env("CF_API_TOKEN", TOKEN);
        let mut agent = setup.args(["--type", "tcp", dry_run, "monitor"]).start();
        agent.nth(2, &["target confirmed up"]);
        agent
    }

    /// The next notice of this kind; others are passed over.
    async fn told(&mut self, kind: &str) -> Value {
        loop {
            let notice = self.webhook.body().await;
            if notice["kind"] == kind {
                return notice;
            }
        }
    }
}

/// The keys that turn it on, with this timeout in seconds.
fn on(timeout: u32) -> String {
    format!("confirm = true\nconfirm_servers = SERVERS\nconfirm_timeout = {timeout}\n")
}

/// Asks the agent at its socket: the body of the answer.
fn get(agent: &Agent, path: &str) -> String {
    let mut stream = UnixStream::connect(agent.folder().join("control.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENT)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: goavail\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// Waits until the newest change in the status is as wanted. Each answer of the agent is an occasion to
/// look again.
fn until(agent: &Agent, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let effect = newest(agent);
        if wanted(&effect) {
            return effect;
        }
        std::thread::yield_now();
    }
}

/// The newest change in the status.
fn newest(agent: &Agent) -> Value {
    let status: Value = serde_json::from_str(&get(agent, "/status")).unwrap();
    status["zones"][0]["effects"][0].clone()
}

/// The value of a metric without labels.
fn metric(agent: &Agent, name: &str) -> Option<f64> {
    let text = get(agent, "/metrics");
    let line = text.lines().find(|line| line.split(' ').next() == Some(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// Waits until a metric has this value: the status is published about once a second.
fn wait_metric(agent: &mut Agent, name: &str, value: f64) {
    while metric(agent, name) != Some(value) {
        std::thread::yield_now();
    }
}
