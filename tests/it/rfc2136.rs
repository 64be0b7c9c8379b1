//! RFC 2136 against BIND, Knot and PowerDNS: the contract suite, and the properties of RFC 2136 alone.
//!
//! A relay stands between the provider and the server; it fails the test if a message is unsigned.

#![expect(clippy::unwrap_used, reason = "where a test unwraps, it asserts")]

pub(crate) mod client;
mod lies;
mod race;
mod relay;
mod scenes;
pub(crate) mod servers;
mod suites;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use goavail::testing::dns::{KeyAlgorithm, Rfc2136, Rfc2136Config, ServerAddress, TsigKey};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use self::relay::{Relay, Spoil};
use self::servers::{Options, SECRET, Server, Software};
use crate::contract::{CONFIGURED_TTL, Call, Entry, Fault, FaultSignal, NAMES, ZONE};

/// A zone on a real server behind a relay, and providers for it.
pub(crate) struct OnServer {
    server: Server,
    relay: Relay,
}

impl Drop for OnServer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let unsigned = self.relay.seen().into_iter().find(|message| message.signature().is_none());
        assert!(unsigned.is_none(), "nothing unsigned leaves: {unsigned:?}");
    }
}

/// Returns a server as the configuration has it.
pub(crate) fn address_of(server: SocketAddr) -> ServerAddress {
    ServerAddress { host: server.ip().to_string(), port: server.port() }
}

/// Returns the configuration of an agent that manages `names` at these servers.
pub(crate) fn config(servers: &[SocketAddr], names: &[&str]) -> Rfc2136Config {
    Rfc2136Config {
        zone: ZONE.to_owned(),
        names: names.iter().map(|&name| name.to_owned()).collect(),
        servers: servers.iter().copied().map(address_of).collect(),
        key: Some(TsigKey::new("goavail", KeyAlgorithm::Sha256, SECRET).unwrap()),
        key_from: None,
        ttl: CONFIGURED_TTL,
        own_ttls: BTreeMap::new(),
    }
}

impl OnServer {
    /// Starts a server of this kind with an empty zone.
    pub(crate) async fn start(software: Software) -> Self {
        Self::with(software, &Options::default()).await
    }

    /// Starts a server with these settings.
    pub(crate) async fn with(software: Software, options: &Options<'_>) -> Self {
        let server = software.start(options);
        let relay = Relay::before(server.address).await;
        Self { server, relay }
    }

    /// Returns the configuration of an agent that manages `names` through the relay.
    fn config(&self, names: &[&str]) -> Rfc2136Config {
        config(&[self.relay.address], names)
    }

    fn provider(&self) -> Rfc2136 {
        Rfc2136::new(&self.config(&NAMES))
    }

    fn with_key(&self, name: &str, secret: &str) -> Rfc2136 {
        let key = TsigKey::new(name, KeyAlgorithm::Sha256, secret).unwrap();
        Rfc2136::new(&Rfc2136Config { key: Some(key), ..self.config(&NAMES) })
    }

    fn of_unknown_zone(&self) -> Rfc2136 {
        let names = vec!["www.example.org".to_owned()];
        Rfc2136::new(&Rfc2136Config { zone: "example.org".into(), names, ..self.config(&NAMES) })
    }

    fn out_of_reach() -> Rfc2136 {
        Rfc2136::new(&config(&[servers::own_address()], &NAMES))
    }

    fn seed(&self, entries: &[Entry]) {
        client::update(self.server.address, entries.iter().map(client::added));
    }

    fn adorn(&self, name: &str, address: IpAddr) {
        let kind = if address.is_ipv4() { RecordType::A } else { RecordType::AAAA };
        let mut set = client::transfer(self.server.address);
        set.retain(|entry| entry.name == name && entry.kind == kind.to_string());
        let anew = set.iter().map(|entry| client::added(&Entry { ttl: 777, ..entry.clone() }));
        let changes: Vec<_> = [client::deleted_set(name, kind)].into_iter().chain(anew).collect();
        client::update(self.server.address, changes);
    }

    fn remove(&self, name: &str, address: IpAddr) {
        let entry = crate::contract::address_entry(name, &address.to_string());
        client::update(self.server.address, [client::deleted(&entry)]);
    }

    /// Sends a command about the zone to BIND.
    fn rndc(&self, command: &str) {
        let (host, port) = (self.server.address.ip(), self.server.address.port() + 1);
        let key = self.server.folder.path().join("rndc.key");
        let text = format!(
            "key \"admin\" {{ algorithm hmac-sha256; secret \"{}\"; }};\n",
            servers::ADMIN_SECRET
        );
        std::fs::write(&key, text).unwrap();
        let mut rndc = std::process::Command::new("/usr/sbin/rndc");
        rndc.args(["-s", &host.to_string(), "-p", &port.to_string(), "-k"]).arg(&key);
        assert!(rndc.args([command, ZONE]).status().unwrap().success());
    }

    fn holds(&self) -> Vec<Entry> {
        client::transfer(self.server.address)
    }

    fn inject(&self, on: Call, fault: Fault) -> FaultSignal {
        let spoil = match fault {
            Fault::Throttled(_) | Fault::ServerError | Fault::Overloaded(_) => {
                Spoil::Rcode(ResponseCode::ServFail)
            }
            Fault::Html => Spoil::Answer(|_| b"<html>Welcome</html>".to_vec()),
            Fault::HalfABody => Spoil::Half,
            Fault::Hang => Spoil::Hang,
            Fault::CutBefore => Spoil::CutBefore,
            Fault::CutAfter => Spoil::CutAfter,
        };
        self.relay.spoil(on, spoil)
    }
}
