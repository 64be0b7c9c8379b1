//! In a namespace with a `resolv.conf` of its own: the system's resolver names the name servers, and both
//! families are in one zone.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use hickory_proto::rr::RecordType;

use super::*;
use crate::agent::BINARY;
use crate::fake_cloudflare::Setup as CloudflareSetup;
use crate::lab::{Namespace, run};

/// The port of the targets.
const PORT: u16 = 8080;

/// Two targets of each family, all of them up.
const TARGETS: [&str; 4] = ["127.0.0.11", "127.0.0.12", "fd00:16::11", "fd00:16::12"];

/// The keys that turn it on.
const ON: &str = "confirm = true\n";

/// The address of the only name server, by the resolver on 127.0.0.1.
const SERVER: [u8; 4] = [127, 0, 0, 2];

/// A namespace with a resolver, a name server, the provider and the targets.
struct Place {
    cloudflare: FakeCloudflare,
    resolver: NameServer,
    server: NameServer,
    targets: Vec<IpAddr>,
    services: Vec<Option<TcpService>>,
    namespace: Namespace,
}

/// Starts a name server at the usual port of an address in the namespace.
fn name_server(namespace: &Namespace, address: [u8; 4], holds: &[IpAddr]) -> NameServer {
    let (socket, listener) = namespace.run(|| {
        let address = SocketAddr::from((address, 53));
        (UdpSocket::bind(address).unwrap(), TcpListener::bind(address).unwrap())
    });
    NameServer::at(socket, listener, holds, Manner::Well)
}

impl Place {
    fn new() -> Self {
        let namespace = Namespace::new("confirm");
        namespace.ip(
            "-6 addr add fd00:16::11/128 dev lo nodad\n-6 addr add fd00:16::12/128 dev lo nodad\n",
        );
        let targets: Vec<IpAddr> = TARGETS.iter().map(|it| it.parse().unwrap()).collect();
        let mut services = Vec::new();
        for target in &targets {
            let listener = namespace.run(|| TcpListener::bind((*target, PORT)).unwrap());
            services.push(Some(TcpService::at(listener)));
        }
        let resolver = name_server(&namespace, [127, 0, 0, 1], &[SERVER.into()]);
        resolver.name("ns1.example.net.");
        let server = name_server(&namespace, SERVER, &targets);
        let setup = CloudflareSetup::default();
        let cloudflare = FakeCloudflare::start_with("example.com", setup, namespace.entering());
        for target in &targets {
            let kind = if target.is_ipv6() { "AAAA" } else { "A" };
            cloudflare.zone(|zone| _ = zone.seed(kind, WWW, &target.to_string()));
        }
        Self { cloudflare, resolver, server, targets, services, namespace }
    }

    /// An agent that has confirmed every target, with the test's own `/etc/resolv.conf` and these keys of
    /// the proof of effect.
    fn started(&self, keys: &str) -> Agent {
        let config = format!(
            "port = {PORT}\n{QUICK}[Status]\nsocket = \"control.sock\"\n\
             [Cloudflare]\ndns_domain = \"example.com\"\nhostnames = [\"www\"]\nttl = 60\n\
             ip_addresses = {TARGETS:?}\napi_url = \"{}\"\n{keys}",
            self.cloudflare.url()
        );
        let setup = Setup::of("unshare", &config, Within::Lab(&self.namespace));
        setup.write("resolv.conf", "nameserver 127.0.0.1\n");
        let mounted = "mount --bind resolv.conf /etc/resolv.conf && exec \"$@\"";
        let setup = setup.env("CF_API_TOKEN", TOKEN).args(["--mount", "sh", "-c", mounted, "sh"]);
        let setup = setup.args([BINARY, "--type", "tcp", "--no-dry-run", "monitor"]);
        let mut agent = setup.start();
        agent.nth(TARGETS.len(), &["target confirmed up"]);
        agent
    }

    /// This target dies, and the name server shows that a while after the provider.
    fn withdraw(&mut self, agent: &mut Agent, nth: usize) {
        self.services[nth] = None;
        let target = self.targets[nth].to_string();
        agent.wait_for_words(&["withdrew", &target]);
        self.server.wait_asked(1);
        assert!(agent.lines_with(&["change is visible", &target]).is_empty());
        let mut left = self.targets.clone();
        left.remove(nth);
        self.server.hold(&left);
        let words = ["change is visible: out at", &target, "gone from the only name server"];
        agent.wait_for_words(&words);
    }
}

#[test]
fn the_resolver_of_the_system_names_the_servers_and_is_asked_nothing_else() {
    run(|| {
        let mut place = Place::new();
        let mut agent = place.started(ON);
        place.withdraw(&mut agent, 1);
        let servers = until(&agent, |it| it["state"] == "visible")["servers"].clone();
        assert_eq!(servers[0]["server"], "ns1.example.net (127.0.0.2)", "{servers}");
        let asked = place.resolver.asked();
        let names = ["example.com.", "ns1.example.net."];
        assert!(asked.iter().all(|it| names.contains(&it.name.as_str())), "{asked:?}");
        let first = &asked[0];
        assert!(first.query_type == RecordType::NS && first.recursion, "{first:?}");
    });
}

#[test]
fn an_address_of_either_family_is_followed_in_the_set_of_its_family() {
    run(|| {
        for (nth, family) in [(3, RecordType::AAAA), (1, RecordType::A)] {
            let mut place = Place::new();
            let mut agent = place.started(ON);
            place.withdraw(&mut agent, nth);
            let asked = place.server.asked();
            assert!(asked.iter().all(|it| it.query_type == family && !it.recursion), "{asked:?}");
        }
    });
}

/// cert-manager/cert-manager#894: name servers were given, and the resolver was asked for others all the
/// same, which names the wrong ones where the zone has another content inside.
#[test]
fn with_listed_servers_the_resolver_is_asked_nothing() {
    run(|| {
        let mut place = Place::new();
        let mut agent = place.started(&format!("{ON}confirm_servers = [\"127.0.0.2\"]\n"));
        place.withdraw(&mut agent, 1);
        assert!(place.resolver.asked().is_empty(), "{:?}", place.resolver.asked());
    });
}
