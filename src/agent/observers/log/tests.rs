use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::engine::Moment;
use crate::engine::settings::{ServiceSettings, Settings};
use crate::engine::types::Endpoint;

const TARGET: Endpoint = endpoint(1, None);
const CANARY: Endpoint = endpoint(9, None);
/// A canary at the address of a target.
const BESIDE: Endpoint = endpoint(1, Some(53));

const fn endpoint(last: u8, port: Option<u16>) -> Endpoint {
    Endpoint { address: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, last)), port }
}

fn engine() -> Engine {
    let service = ServiceSettings::new(vec![TARGET.address], "www.example.com");
    let settings = Settings { canaries: vec![CANARY, BESIDE], ..Settings::new(service) };
    Engine::new(settings, BTreeMap::new(), Moment::START)
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The line about `fact`.
fn line(fact: &Fact) -> String {
    let written = Written::default();
    let writer = {
        let written = written.clone();
        move || written.clone()
    };
    let log = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(writer)
        .finish();
    tracing::subscriber::with_default(log, || write(&engine(), fact));
    let bytes = written.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn what_is_said_of_a_canary_is_not_said_of_a_target() {
    let facts: [fn(Endpoint) -> Fact; 7] = [
        |endpoint| Fact::Limits { endpoint, noticed_after: Some(Duration::from_secs(4)) },
        |endpoint| Fact::Limits { endpoint, noticed_after: None },
        |endpoint| Fact::Late { endpoint, rtt: Duration::from_secs(1) },
        |endpoint| Fact::Faulty { endpoint, what: "no route".into(), logged: true },
        |endpoint| Fact::Faulty { endpoint, what: "no route".into(), logged: false },
        |endpoint| Fact::FaultOver { endpoint, logged: true },
        |endpoint| Fact::FaultOver { endpoint, logged: false },
    ];
    for fact in facts {
        let rows = [
            (TARGET, "target=192.0.2.1", "canary="),
            (CANARY, "canary=192.0.2.9", "target="),
            (BESIDE, "canary=192.0.2.1:53", "target="),
        ];
        for (endpoint, want, other) in rows {
            let line = line(&fact(endpoint));
            assert!(line.contains(want) && !line.contains(other), "{endpoint}: {line}");
            assert_eq!(line.matches("192.0.2.").count(), 1, "{endpoint}: {line}");
        }
    }
}
