//! The whole agent behind a webhook: the real binary, TCP services on loopback, and the server that holds
//! each request against the protocol's description. The tests of single calls are in `webhook`.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::agent::{Agent, PATIENT, Setup, Within};
use crate::proxy::Proxy;
use crate::tcp_services::{TcpService, loopback_addresses};
use crate::webhook::server::{ServedZone, is_here, served_zone};
use crate::webhook::writes;

const ZONE: &str = "example.com";

/// A death is noticed within a second; a machine that is busy for a tenth of one does no harm.
const QUICK: &str = "interval = 0.2\ntimeout = 0.5\nretry_interval = 0.1\n";

/// A zone behind a webhook, and two targets with ports that are open at first.
struct Harness {
    zone: ServedZone,
    proxy: Proxy,
    targets: Vec<IpAddr>,
    port: u16,
    open: Vec<Option<TcpService>>,
}

impl Harness {
    /// With both targets at these names. `None` is a skip.
    async fn new(names: &[&str]) -> Option<Self> {
        if !is_here() {
            return None;
        }
        let (zone, (targets, port)) = (served_zone(ZONE), loopback_addresses(2));
        let proxy = Proxy::before(&zone.host()).await;
        let open = targets.iter().map(|target| Some(TcpService::open((*target, port).into())));
        let harness = Self { zone, proxy, open: open.collect(), targets, port };
        let endpoints: Vec<Value> = names.iter().map(|name| harness.both(name)).collect();
        harness.zone.set("endpoints", &endpoints.into()).await;
        Some(harness)
    }

    /// Returns the endpoint with both targets at a name.
    fn both(&self, name: &str) -> Value {
        self.endpoint(name, &[0, 1])
    }

    fn endpoint(&self, name: &str, targets: &[usize]) -> Value {
        let targets: Vec<_> = targets.iter().map(|nth| self.targets[*nth].to_string()).collect();
        json!({
            "dnsName": name, "recordType": "A", "recordTTL": 777, "targets": targets,
            "providerSpecific": [{ "name": "webhook/note", "value": "kept" }]
        })
    }

    fn close(&mut self, nth: usize) {
        self.open[nth] = None;
    }

    fn reopen(&mut self, nth: usize) {
        self.open[nth] = Some(TcpService::open((self.targets[nth], self.port).into()));
    }

    /// `target=address`, as a line about the `nth` target has it.
    fn target(&self, nth: usize) -> String {
        format!("target={} ", self.targets[nth])
    }

    /// Returns the configuration for both targets; `top` goes before the section.
    fn config(&self, top: &str, names: &[&str]) -> String {
        let targets: Vec<_> = self.targets.iter().map(ToString::to_string).collect();
        format!(
            "port = {}\n{QUICK}{top}\n[Webhook]\ndomain = \"{ZONE}\"\nhostnames = {names:?}\n\
             ip_addresses = {targets:?}\nurl = \"{}/{}\"\n",
            self.port, self.proxy.url, self.zone.name
        )
    }

    fn setup(config: &str, arguments: &[&str]) -> Setup {
        let common = ["--type", "tcp", "--dns-provider", "webhook"];
        Setup::new(config, Within::Here).args(common).args(arguments.iter().copied())
    }

    /// Starts an agent that writes, and waits until both targets were confirmed.
    fn confirmed(&self, top: &str, names: &[&str]) -> Agent {
        let config = self.config(top, names);
        let mut agent = Self::setup(&config, &["--no-dry-run", "monitor"]).start();
        agent.nth(2, &["target confirmed up"]);
        agent
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_failover_of_several_names_and_the_return_are_one_request_each() {
    let names = ["www.example.com", "api.example.com"];
    let Some(mut harness) = Harness::new(&names).await else { return };
    let mut agent = harness.confirmed("", &["www", "api"]);
    let before = harness.zone.endpoints().await;
    let both = "names=\"www.example.com,api.example.com\"";
    harness.close(0);
    agent.nth(1, &["withdrew", &harness.target(0), both]);
    let without = names.map(|name| harness.endpoint(name, &[1]));
    assert_eq!(harness.zone.endpoints().await, without);
    assert_eq!(harness.proxy.seen(writes).len(), 1);
    harness.reopen(0);
    agent.nth(1, &["restored", &harness.target(0), both]);
    assert_eq!(harness.proxy.seen(writes).len(), 2);
    let targets = |endpoints: &[Value]| -> Vec<Vec<String>> {
        let texts = |it: &Value| serde_json::from_value(it["targets"].clone()).unwrap();
        let mut all: Vec<Vec<String>> = endpoints.iter().map(texts).collect();
        for targets in &mut all {
            targets.sort();
        }
        all
    };
    let now = harness.zone.endpoints().await;
    assert_eq!(targets(&now), targets(&before));
    assert!(now.iter().all(|it| it["recordTTL"] == 777 && !it["providerSpecific"].is_null()));
}

/// The last address of a name goes with its endpoint, which comes back as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_last_address_comes_back_with_all_settings_from_a_provider_that_rewrites_names() {
    let Some(mut harness) = Harness::new(&[]).await else { return };
    let alone = harness.endpoint("www.example.com", &[0]);
    harness.zone.set("endpoints", &json!([alone])).await;
    harness.zone.behave(&[("rewrites", ""), ("strict", "")]).await;
    let targets = format!("\"{}\"", harness.targets[0]);
    let config = harness.config("", &["www"]);
    let other = format!(", \"{}\"", harness.targets[1]);
    let config = config.replace(&other, "");
    assert!(config.contains(&targets));
    let mut agent = Harness::setup(&config, &["--no-dry-run", "monitor"]).start();
    agent.nth(1, &["target confirmed up"]);
    harness.close(0);
    agent.nth(1, &["withdrew", &harness.target(0)]);
    assert_eq!(harness.zone.endpoints().await, Vec::<Value>::new());
    harness.reopen(0);
    agent.nth(1, &["restored", &harness.target(0)]);
    let now = harness.zone.endpoints().await;
    let fields = |it: &Value, key: &str| it[key].clone();
    for key in ["recordTTL", "providerSpecific", "targets", "recordType"] {
        assert_eq!(fields(&now[0], key), fields(&alone, key), "{key}");
    }
    assert_eq!(
        now[0]["dnsName"].as_str().unwrap().to_lowercase().trim_end_matches('.'),
        "www.example.com"
    );
}

/// A change that the provider makes later is reported once it is shown, and never made twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_change_that_is_made_late_counts_once_the_records_show_it() {
    let Some(mut harness) = Harness::new(&["www.example.com"]).await else { return };
    // The first reading after a write is the client's own, and so are two more.
    harness.zone.behave(&[("late", "5")]).await;
    let mut agent = harness.confirmed("", &["www"]);
    harness.close(0);
    agent.nth(1, &["could not confirm", "its records do not show it"]);
    agent.nth(1, &["withdrew", &harness.target(0)]);
    let without = harness.endpoint("www.example.com", &[1]);
    assert_eq!(harness.zone.endpoints().await, [without]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_change_that_is_swallowed_is_an_error_until_it_is_made() {
    let Some(mut harness) = Harness::new(&["www.example.com"]).await else { return };
    harness.zone.behave(&[("swallows-updates", "")]).await;
    let mut agent = harness.confirmed("", &["www"]);
    harness.close(0);
    agent.nth(1, &["could not confirm", "its records do not show it"]);
    assert_eq!(harness.zone.endpoints().await, [harness.both("www.example.com")]);
    harness.zone.behave(&[]).await;
    agent.nth(1, &["withdrew", &harness.target(0)]);
    assert_eq!(harness.zone.endpoints().await, [harness.endpoint("www.example.com", &[1])]);
    let ended = agent.kill();
    assert_eq!(ended.stderr.matches("withdrew").count(), 1, "{}", ended.stderr);
}

/// The scene of external-dns-unifi-webhook 158.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn addresses_that_a_provider_wipes_are_named() {
    let names = ["www.example.com", "api.example.com"];
    let Some(mut harness) = Harness::new(&names[..1]).await else { return };
    // Nothing is to be changed until the target dies, and then both names in one request.
    let mut shared = harness.both(names[1]);
    shared["targets"].as_array_mut().unwrap().push(json!("198.51.100.7"));
    harness.zone.set("endpoints", &json!([harness.both(names[0]), shared])).await;
    harness.zone.behave(&[("wipes", "")]).await;
    let mut agent = harness.confirmed("", &["www", "api"]);
    harness.close(0);
    let lost = "the webhook removed an address that was to stay; put it back, if it is no target";
    // The target that stays at the other name is wiped as well, and may be named first.
    agent.nth(1, &["WARN", lost, "set=api.example.com A address=198.51.100.7"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_name_that_external_dns_manages_is_left_alone_and_the_others_are_not() {
    let names = ["www.example.com", "api.example.com"];
    let Some(mut harness) = Harness::new(&names).await else { return };
    let mut endpoints = harness.zone.endpoints().await;
    let mark = "\"heritage=external-dns,external-dns/owner=k8s,external-dns/resource=a/b\"";
    endpoints
        .push(json!({ "dnsName": "a-www.example.com", "recordType": "TXT", "targets": [mark] }));
    harness.zone.set("endpoints", &endpoints.clone().into()).await;
    let mut agent = harness.confirmed("", &["www", "api"]);
    harness.close(0);
    agent.nth(1, &["withdrew", &harness.target(0), "names=\"api.example.com\""]);
    let now = harness.zone.endpoints().await;
    assert_eq!(now[0], endpoints[0], "it belongs to external-dns");
    assert_eq!(now[1], harness.endpoint(names[1], &[1]));
    let ended = agent.kill();
    let said = "belongs to an external-dns (owner k8s; a-www.example.com says so)";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}

/// Neither the start nor the plan writes, and a webhook of another zone ends the program.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn check_and_plan_speak_of_the_webhook() {
    let Some(harness) = Harness::new(&["www.example.com"]).await else { return };
    let missing = harness.endpoint("www.example.com", &[1]);
    harness.zone.set("endpoints", &json!([missing])).await;
    let config = harness.config("", &["www"]);
    let checked = Harness::setup(&config, &["check"]).start().wait_end(PATIENT);
    assert_eq!(checked.status.code(), Some(0), "{}", checked.stderr);
    for words in [
        "A at www.example.com in zone example.com at the webhook; new ones: TTL 60 s",
        "by the webhook at 127.0.0.1 on port",
        "keep comments and other settings",
        "  guard weaker: this provider cannot refuse a change that comes second\n",
    ] {
        assert!(checked.stdout.contains(words), "{words}: {}", checked.stdout);
    }
    let planned = Harness::setup(&config, &["plan"]).start().wait_end(PATIENT);
    assert_eq!(planned.status.code(), Some(3), "{}{}", planned.stdout, planned.stderr);
    assert!(planned.stdout.contains(&harness.targets[0].to_string()), "{}", planned.stdout);
    assert_eq!(harness.proxy.seen(writes).len(), 0);

    harness.zone.set("filter", &json!({ "filters": ["example.org"] })).await;
    let refused = Harness::setup(&config, &["--no-dry-run", "monitor"]).start().wait_end(PATIENT);
    assert_eq!(refused.status.code(), Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("not among the names that it looks after (example.org)"));
}

/// The example of the documentation, with the webhook of the test in the place of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_example_is_rehearsed_through_a_webhook() {
    let Some(harness) = Harness::new(&[]).await else { return };
    let text = include_str!("../../examples/webhook.toml");
    let url = "http://127.0.0.1:8888";
    assert!(text.contains(url));
    let config = text.replace(url, &format!("{}/{}", harness.proxy.url, harness.zone.name));
    let servers = ["127.0.0.2", "127.0.0.3"];
    let www = json!({ "dnsName": "www.example.com", "recordType": "A", "targets": servers });
    harness.zone.set("endpoints", &json!([www])).await;
    let setup = Setup::new(&config, Within::Here);
    let mut agent = setup.args(["monitor", "--rehearse", servers[0]]).start();
    agent.nth(1, &["would withdraw", servers[0], "www.example.com"]);
    agent.nth(1, &["would restore", servers[0], "www.example.com"]);
    assert_eq!(harness.zone.endpoints().await, [www], "nothing is written");
}
