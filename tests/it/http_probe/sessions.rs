//! TLS sessions: resumed by the next probe of the same target, and never for longer than a minute or
//! after a loss.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use goavail::testing::probe::Verification;
use tokio_rustls::rustls::version;

use super::authority::{Authority, VALID};
use super::scripted::TlsServer;
use super::{HOST, Prober, https, shown};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn count(full: &AtomicUsize) -> usize {
    full.load(Ordering::SeqCst)
}

#[tokio::test]
async fn a_session_is_resumed_until_a_minute_has_passed_or_a_probe_is_lost() {
    let authority = Authority::new("Ours");
    let identity = authority.issue(&[HOST], VALID);
    for version in [&version::TLS13, &version::TLS12] {
        let server = TlsServer::with_versions(&identity, &[version], None);
        let (address, full) = server.answering(OK).await;
        let (prober, settings) = (Prober::new(), https(address.port(), authority.file()));
        for _ in 0..5 {
            assert_eq!(shown(&prober.ask(address.ip(), &settings).await), "reply");
        }
        assert_eq!(count(&full), 1, "{version:?}");
        let details = prober.details(address.ip(), &settings);
        assert!(details.certificate_ends.is_some(), "known from the full handshake");
        let phases: Vec<_> = details.phases.named().map(|(name, _)| name).collect();
        assert_eq!(phases, ["connect", "tls", "first_byte", "body"]);

        tokio::time::pause();
        tokio::time::advance(Duration::from_mins(1)).await;
        tokio::time::resume();
        for _ in 0..2 {
            assert_eq!(shown(&prober.ask(address.ip(), &settings).await), "reply");
        }
        assert_eq!(count(&full), 2, "{version:?}: after a minute");

        // Another check of the same target has a session of its own, and each of its losses
        // discards that one alone.
        let mut other = settings.clone();
        other.body.contains = Some("fine".to_owned());
        for expected in [3, 4, 5] {
            assert!(shown(&prober.ask(address.ip(), &other).await).starts_with("failed (body"));
            assert_eq!(count(&full), expected, "{version:?}: after a loss");
        }
        assert_eq!(shown(&prober.ask(address.ip(), &settings).await), "reply");
        assert_eq!(count(&full), 5, "{version:?}: the first check lost nothing");
    }
}

#[tokio::test]
async fn a_session_is_shared_with_no_other_address_and_no_other_check() {
    let authority = Authority::new("Ours");
    let (addresses, port) = crate::tcp_services::loopback_addresses(2);
    // Sessions of either server are good for the other: it is one machine for TLS.
    let server = TlsServer::new(&authority.issue(&["other.example"], VALID));
    let mut counts = Vec::new();
    for address in &addresses {
        counts.push(server.clone().answering_at((*address, port).into(), OK).await.1);
    }
    let (prober, mut settings) = (Prober::new(), https(port, authority.file()));
    settings.tls.as_mut().unwrap().verification = Verification::Off;
    for address in &addresses {
        for _ in 0..2 {
            assert_eq!(shown(&prober.ask(*address, &settings).await), "reply");
        }
    }
    assert_eq!(counts.iter().map(|full| count(full)).collect::<Vec<_>>(), [1, 1]);
    // A session that was not verified is not resumed by a check that verifies.
    settings.tls.as_mut().unwrap().verification = Verification::Full;
    let answer = shown(&prober.ask(addresses[0], &settings).await);
    assert!(answer.contains("the certificate is for other.example"), "{answer}");
}
