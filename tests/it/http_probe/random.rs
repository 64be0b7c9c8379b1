//! Answers at random: none of them makes a probe panic or last longer than its timeout.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use goavail::testing::probe::{BodyPattern, HttpSettings, TlsSettings};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::scripted::server;
use super::{HOST, Prober, http};

const ANSWERS: [&str; 4] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nX-Header: value\r\n\r\nall is ok\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n3\r\nall\r\n0\r\nX: y\r\n\r\n",
    "HTTP/1.1 301 Moved\r\nLocation: /elsewhere?a=b\r\nConnection: close\r\n\r\ndrain\n",
    "\u{16}\u{3}\u{3}\u{0}\u{2a}\u{2}\u{0}\u{0}\u{26}\u{3}\u{3}",
];

/// Returns an answer with changes at random, or random bytes.
fn answer(random: &mut StdRng) -> Vec<u8> {
    let mut bytes = ANSWERS[random.random_range(0..ANSWERS.len())].as_bytes().to_vec();
    for _ in 0..random.random_range(0..8) {
        let at = random.random_range(0..=bytes.len());
        match random.random_range(0..4) {
            0 => bytes.insert(at, random.random()),
            1 => bytes.truncate(at),
            2 => {
                let part = bytes[at..].to_vec();
                bytes.extend_from_slice(&part);
            }
            _ => {
                let length = random.random_range(0..64);
                bytes.extend((0..length).map(|_| random.random::<u8>()));
            }
        }
    }
    bytes
}

/// Asks a server that answers at random, and closes the connection or leaves it open.
async fn ask_many(settings: impl Fn(u16) -> HttpSettings, count: u64) {
    let seed: u64 = rand::random();
    let nth = Arc::<AtomicU64>::default();
    let next = Arc::clone(&nth);
    let address = server(move |mut stream| {
        let mut random = StdRng::seed_from_u64(seed + next.fetch_add(1, Ordering::SeqCst));
        async move {
            let mut some = [0; 64];
            let _ = stream.read(&mut some).await;
            let _ = stream.write_all(&answer(&mut random)).await;
            if random.random_bool(0.1) {
                std::future::pending::<()>().await;
            }
        }
    })
    .await;
    let (prober, settings) = (Prober::new(), settings(address.port()));
    for nth in 0..count {
        let timeout = Duration::from_millis(20);
        let probe = prober.ask_within(timeout, address.ip(), &settings);
        // A machine under load is slow, and that is allowed here.
        let ended = tokio::time::timeout(super::PATIENT, probe).await;
        assert!(ended.is_ok(), "seed {seed}, number {nth}");
    }
    let panics = goavail::testing::panics::counts();
    assert!(!panics.contains_key("a check"), "seed {seed}: {panics:?}");
}

#[tokio::test]
async fn answers_at_random_end_a_probe_by_http() {
    ask_many(with_conditions, 400).await;
}

fn with_conditions(port: u16) -> HttpSettings {
    let mut settings = http(port);
    settings.body.contains = Some("ok".to_owned());
    settings.body.matches = BodyPattern::new("a.*s").ok();
    settings
}

#[tokio::test]
async fn answers_at_random_end_a_probe_by_https() {
    ask_many(|port| HttpSettings::new(HOST, port, Some(TlsSettings::default())), 200).await;
}
