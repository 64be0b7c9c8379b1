//! The whole agent and the people it tells: the real binary, `--type tcp` on loopback, the stateful
//! Cloudflare, and servers in the place of Slack and of a webhook. Belongs here: which events are
//! told and with which content; a channel on the wire is tested in `notify`.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

mod events;
mod incidents;
mod provider;
mod slack;

use std::net::IpAddr;

use serde_json::Value;

use crate::agent::{Agent, Setup, Within};
use crate::fake_cloudflare::{FakeCloudflare, TOKEN};
use crate::notify::Server;
use crate::tcp_services::{TcpService, loopback_addresses};

/// The only managed name.
const WWW: &str = "www.example.com";

/// A death is noticed within a second; a machine that is busy for a tenth of one does no harm.
const QUICK: &str = "interval = 0.2\ntimeout = 0.5\nretry_interval = 0.1\n";

/// A zone with three targets that are up at first, and the receivers of notices.
struct Harness {
    cloudflare: FakeCloudflare,
    webhook: Server,
    slack: Server,
    targets: Vec<IpAddr>,
    port: u16,
    tcp_services: Vec<Option<TcpService>>,
}

impl Harness {
    async fn new() -> Self {
        Self::with(Server::start(&[]).await).await
    }

    async fn with(slack: Server) -> Self {
        Self::with_targets(slack, 3).await
    }

    async fn with_targets(slack: Server, count: u8) -> Self {
        let cloudflare = FakeCloudflare::start("example.com");
        let (targets, port) = loopback_addresses(count);
        for target in &targets {
            cloudflare.zone(|zone| _ = zone.seed("A", WWW, &target.to_string()));
        }
        let tcp_services =
            targets.iter().map(|target| Some(TcpService::open((*target, port).into())));
        let tcp_services = tcp_services.collect();
        Self { cloudflare, webhook: Server::start(&[]).await, slack, targets, port, tcp_services }
    }

    /// The `nth` target answers from now on.
    fn open(&mut self, nth: usize) {
        self.tcp_services[nth] = Some(TcpService::open((self.targets[nth], self.port).into()));
    }

    /// The `nth` target is dead from now on.
    fn close(&mut self, nth: usize) {
        self.tcp_services[nth] = None;
    }

    /// These targets as a notice lists them.
    fn named(&self, numbers: &[usize]) -> Vec<String> {
        numbers.iter().map(|nth| self.targets[*nth].to_string()).collect()
    }

    /// The configuration; `top` goes before the section.
    fn config(&self, top: &str) -> String {
        let (slack, webhook) = (&self.slack.url, &self.webhook.url);
        format!(
            "name = \"probe-1\"\nport = {}\nslack_addr = \"{slack}\"\nwebhook_url = \"{webhook}\"\n\
             {QUICK}{top}\n[Cloudflare]\ndns_domain = \"example.com\"\nhostnames = [\"www\"]\n\
             ip_addresses = {:?}\napi_url = \"{}\"\n",
            self.port,
            self.named(&(0..self.targets.len()).collect::<Vec<_>>()),
            self.cloudflare.url()
        )
    }

    /// An agent that writes and has confirmed every target.
    fn confirmed(&self, top: &str) -> Agent {
        let mut agent = setup(&self.config(top)).args(["--no-dry-run", "monitor"]).start();
        agent.nth(self.targets.len(), &["target confirmed up"]);
        agent
    }

    /// The next notice, which Slack must have been told as well.
    async fn told(&mut self) -> Value {
        let notice = self.webhook.body().await;
        let escaped = notice["text"].as_str().unwrap().replace('<', "&lt;").replace('>', "&gt;");
        assert_eq!(self.slack.text().await, escaped);
        assert_eq!((&notice["version"], &notice["agent"]), (&1.into(), &"probe-1".into()));
        notice
    }

    /// The next notice must be of this kind and about these targets.
    async fn tells(&mut self, kind: &str, targets: &[usize]) -> Value {
        let notice = self.told().await;
        assert_eq!(notice["kind"], kind, "{notice:#}");
        assert_eq!(about(&notice), self.named(targets), "{notice:#}");
        notice
    }
}

/// An agent with credentials.
fn setup(config: &str) -> Setup {
    Setup::new(config, Within::Here).env("CF_API_TOKEN", TOKEN).args(["--type", "tcp"])
}

/// The targets of a notice, sorted.
fn about(notice: &Value) -> Vec<String> {
    let targets = notice["targets"].as_array().unwrap().iter();
    let mut targets: Vec<_> = targets.map(|target| target.as_str().unwrap().to_owned()).collect();
    targets.sort();
    targets
}
