//! The whole agent against a real BIND: the real binary, `--type tcp` on loopback, and a key file in
//! BIND's syntax. These are the observations of an operator.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

mod capture;

use std::net::IpAddr;

use hickory_proto::op::OpCode;

use self::capture::Capture;
use crate::agent::{Agent, Ended, PATIENT, Setup, Within};
use crate::contract::address_entry;
use crate::lab::{self, Namespace};
use crate::rfc2136::client::{added, transfer, update};
use crate::rfc2136::servers::{Options, SECRET, Server, Software};
use crate::tcp_services::{TcpService, loopback_addresses};

/// A death is noticed within a second; a machine that is busy for a tenth of one does no harm.
const QUICK: &str = "interval = 0.2\ntimeout = 0.5\nretry_interval = 0.1\nmin_in_service = 1\n";

/// A zone on BIND, and two targets with ports that are open at first.
struct Harness {
    server: Server,
    targets: Vec<IpAddr>,
    port: u16,
    tcp_services: Vec<Option<TcpService>>,
}

impl Harness {
    /// With both targets at two names. `None` is a skip.
    fn new() -> Option<Self> {
        if !Software::Bind.is_here() {
            return None;
        }
        let server = Software::Bind.start(&Options::default());
        let (targets, port) = loopback_addresses(2);
        let tcp_services =
            targets.iter().map(|target| Some(TcpService::open((*target, port).into())));
        let tcp_services = tcp_services.collect();
        let harness = Self { server, targets, port, tcp_services };
        for name in ["www.example.com", "api.example.com"] {
            let entries = harness.texts().map(|target| address_entry(name, &target));
            update(harness.server.address, entries.iter().map(added));
        }
        Some(harness)
    }

    fn texts(&self) -> [String; 2] {
        [0, 1].map(|nth: usize| self.targets[nth].to_string())
    }

    /// The configuration for both targets at `names`, in the form of one service.
    fn config(&self, names: &[&str]) -> String {
        let targets = self.texts();
        format!(
            "port = {}\n{QUICK}\n[RFC2136]\nserver = \"{}\"\ndomain = \"example.com\"\n\
             hostnames = {names:?}\nip_addresses = {targets:?}\nkey_file = \"ddns.key\"\n",
            self.port, self.server.address
        )
    }

    /// The same with a zone and a service.
    fn with_services(&self) -> String {
        let targets = self.texts();
        format!(
            "{QUICK}\n[zone.main]\nprovider = \"rfc2136\"\nserver = [\"{}\"]\n\
             domain = \"example.com\"\nkey_file = \"ddns.key\"\nttl = 30\n\n[[service]]\n\
             name = \"www\"\nhostnames = [\"www\"]\nip_addresses = {targets:?}\n\
             check = {{ type = \"tcp\", port = {} }}\n",
            self.server.address, self.port
        )
    }

    /// The addresses at a name, by a transfer.
    fn served(&self, name: &str) -> Vec<String> {
        let mut entries = transfer(self.server.address);
        entries.retain(|entry| entry.name == name);
        entries.into_iter().map(|entry| entry.value).collect()
    }
}

fn setup(config: &str, secret: &str) -> Setup {
    let setup = Setup::new(config, Within::Here);
    let key = format!("key \"goavail\" {{ algorithm hmac-sha256; secret \"{secret}\"; }};\n");
    setup.write("ddns.key", &key);
    setup
}

fn start(config: &str) -> Agent {
    let arguments = ["-t", "tcp", "--dns-provider", "rfc2136", "--no-dry-run", "monitor"];
    let mut agent = setup(config, SECRET).args(arguments).start();
    agent.nth(2, &["target confirmed up"]);
    agent
}

#[test]
fn a_dead_address_leaves_all_names_and_comes_back_also_after_a_reload() {
    let Some(mut harness) = Harness::new() else { return };
    let mut agent = start(&harness.config(&["www"]));
    let [dead, alive] = harness.texts();
    harness.tcp_services[0] = None;
    agent.nth(1, &["withdrew", &dead]);
    assert_eq!(harness.served("www.example.com"), [alive.as_str()]);
    assert_eq!(harness.served("api.example.com").len(), 2);
    harness.tcp_services[0] = Some(TcpService::open((harness.targets[0], harness.port).into()));
    agent.nth(1, &["restored", &dead]);
    assert_eq!(harness.served("www.example.com").len(), 2);

    agent.reload(&harness.config(&["www", "api"]));
    harness.tcp_services[0] = None;
    agent.nth(2, &["withdrew", &dead]);
    for name in ["www.example.com", "api.example.com"] {
        assert_eq!(harness.served(name), [alive.as_str()], "{name}");
    }
    // The last address stays.
    harness.tcp_services[1] = None;
    agent.wait_for_words(&["floor"]);
    assert_eq!(harness.served("www.example.com"), [alive]);
    let secret = &SECRET[..20];
    assert!(!agent.kill().stderr.contains(secret));
}

#[test]
fn a_zone_of_services_is_served_the_same_way() {
    let Some(mut harness) = Harness::new() else { return };
    let mut agent =
        setup(&harness.with_services(), SECRET).args(["--no-dry-run", "monitor"]).start();
    agent.nth(2, &["target confirmed up"]);
    let [dead, alive] = harness.texts();
    harness.tcp_services[0] = None;
    agent.nth(1, &["withdrew", &dead]);
    assert_eq!(harness.served("www.example.com"), [alive]);
}

#[test]
fn dry_run_writes_nothing_and_plan_compares() {
    let Some(mut harness) = Harness::new() else { return };
    let config = harness.config(&["www"]);
    let arguments = ["-t", "tcp", "--dns-provider", "rfc2136", "monitor"];
    let mut agent = setup(&config, SECRET).args(arguments).start();
    agent.nth(2, &["target confirmed up"]);
    let [dead, _] = harness.texts();
    let before = transfer(harness.server.address);
    harness.tcp_services[0] = None;
    agent.nth(1, &["would withdraw", &dead]);
    assert_eq!(transfer(harness.server.address), before);
    let (code, text) =
        agent.command(Within::Here, &["-t", "tcp", "--dns-provider", "rfc2136", "plan"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("example.com at the name server"), "{text}");
}

#[test]
fn a_wrong_key_ends_the_start_with_one_clear_line() {
    let Some(harness) = Harness::new() else { return };
    let wrong = "d3Jvbmd3cm9uZ3dyb25nd3Jvbmd3cm9uZ3dyb25nd3I=";
    let arguments = ["-t", "tcp", "--dns-provider", "rfc2136", "--no-dry-run", "monitor"];
    let agent = setup(&harness.config(&["www"]), wrong).args(arguments).start();
    let Ended { status, stderr, .. } = agent.wait_end(PATIENT);
    assert_eq!(status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("the name server refused to list the records of example.com"),
        "{stderr}"
    );
    assert!(stderr.contains("BADSIG") && !stderr.contains(wrong), "{stderr}");
}

/// The packets themselves, and not the messages that a server received: in a namespace with nothing but
/// the agent, its name server and its targets.
#[test]
fn nothing_unsigned_leaves() {
    lab::run(|| {
        let place = Namespace::new("agent and BIND");
        place.entering()();
        let Some(mut harness) = Harness::new() else { return };
        let capture = Capture::start();
        let config = harness.config(&["www"]);
        let mut agent = start(&config);
        let [dead, alive] = harness.texts();
        harness.tcp_services[0] = None;
        agent.nth(1, &["withdrew", &dead]);
        harness.tcp_services[0] = Some(TcpService::open((harness.targets[0], harness.port).into()));
        agent.nth(1, &["restored", &dead]);
        agent.reload(&harness.config(&["www", "api"]));
        harness.tcp_services[1] = None;
        agent.nth(1, &["withdrew", &alive]);
        for command in ["plan", "check"] {
            let arguments = ["-t", "tcp", "--dns-provider", "rfc2136", command];
            let (_, text) = agent.command(Within::Here, &arguments);
            assert!(text.contains("example.com"), "{text}");
        }
        let messages = capture.messages_to(harness.server.address);
        let of_kind = |kind| messages.iter().filter(|it| it.1.metadata.op_code == kind).count();
        assert!(of_kind(OpCode::Update) >= 3 && of_kind(OpCode::Query) > 0, "{messages:?}");
        for (port, message) in messages {
            assert!(message.signature().is_some(), "from port {port}: {message}");
        }
    });
}
