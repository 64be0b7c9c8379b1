//! Certificates that do not hold, in plain words, and the warning before the end of one.

use goavail::testing::probe::{TlsSettings, Verification};
use tokio::runtime::Builder;

use super::authority::{Authority, Days, Identity, VALID, self_signed};
use super::scripted::TlsServer;
use super::{HOST, Prober, ask, https, shown};

/// The answer of a server with this certificate to an https check that trusts `authority`.
async fn answer(authority: &Authority, identity: &Identity, verification: Verification) -> String {
    let (address, _) = TlsServer::new(identity).answering(OK).await;
    let mut settings = https(address.port(), authority.file());
    settings.tls.as_mut().unwrap().verification = verification;
    shown(&ask(address.ip(), &settings).await)
}

const OK: &str = "HTTP/1.1 204 No Content\r\n\r\n";

#[tokio::test]
async fn a_certificate_that_does_not_hold_is_named_in_plain_words() {
    let authority = Authority::new("Ours");
    let rows: [(&[&str], Days, &str, &str); 5] = [
        (&[HOST], VALID, "reply", "reply"),
        (
            &["old.example"],
            VALID,
            "failed (the certificate is for old.example): then the certificate is for old.example",
            "reply",
        ),
        (
            &["a.example", "b.example", "c.example", "d.example", "e.example"],
            VALID,
            "failed (the certificate is for a.example, b.example, c.example and 2 more): then the \
             certificate is for a.example, b.example, c.example and 2 more",
            "reply",
        ),
        (
            &[HOST],
            (-30, -3),
            "failed (the certificate has expired): then the certificate expired 2 days ago (D)",
            "failed (the certificate has expired): then the certificate expired 2 days ago (D)",
        ),
        (
            &[HOST],
            (3, 30),
            "failed (the certificate is not valid yet): then the certificate is not valid before D",
            "failed (the certificate is not valid yet): then the certificate is not valid before D",
        ),
    ];
    for (names, days, verify, chain) in rows {
        let identity = authority.issue(names, days);
        let modes = [
            (Verification::Full, verify),
            (Verification::Chain, chain),
            (Verification::Off, "reply"),
        ];
        for (verification, expected) in modes {
            let answer = answer(&authority, &identity, verification).await;
            assert_eq!(without_date(&answer), expected, "{names:?} {verification:?}");
        }
    }
}

/// A text with `D` in the place of a date, and with a span that ends this very minute as it was.
fn without_date(text: &str) -> String {
    let Some(at) =
        text.find("(20").map(|at| at + 1).or_else(|| text.find("before 20").map(|at| at + 7))
    else {
        return text.to_owned();
    };
    let text = format!("{}D{}", &text[..at], &text[at + 10..]);
    text.replace("expired 3 days ago", "expired 2 days ago")
}

#[tokio::test]
async fn an_unknown_issuer_and_a_certificate_that_signs_itself_are_not_trusted() {
    let (authority, other) = (Authority::new("Ours"), Authority::new("Theirs"));
    let stranger = other.issue(&[HOST], VALID);
    let found = answer(&authority, &stranger, Verification::Full).await;
    assert_eq!(
        found,
        "failed (the certificate is signed by an unknown issuer, Theirs): then the certificate is \
         signed by an unknown issuer, Theirs; no certificate of an issuer was sent"
    );
    assert_eq!(answer(&authority, &stranger, Verification::Off).await, "reply");
    let own = self_signed(authority.folder(), &[HOST], VALID);
    let found = answer(&authority, &own, Verification::Full).await;
    let reason = "the certificate is self-signed";
    assert_eq!(found, format!("failed ({reason}): then {reason}"));
}

#[tokio::test]
async fn a_certificate_that_signs_itself_holds_if_it_is_the_one_in_ca_file() {
    let folder = tempfile::tempdir().unwrap();
    for (days, expected) in [(VALID, "reply"), ((-30, -3), "failed (the certificate has expired)")]
    {
        let own = self_signed(folder.path(), &[HOST], days);
        let (address, _) = TlsServer::new(&own).answering(OK).await;
        let answer = ask(address.ip(), &https(address.port(), &own.certificate)).await;
        assert!(shown(&answer).starts_with(expected), "{answer:?}");
    }
}

#[tokio::test]
async fn the_end_of_a_certificate_is_a_warning_and_no_loss() {
    let authority = Authority::new("Ours");
    for (days, warning) in [(1, Some("the certificate ends in 24 hours (")), (15, None)] {
        let identity = authority.issue(&[HOST], (-30, days));
        let (address, _) = TlsServer::new(&identity).answering(OK).await;
        let (prober, settings) = (Prober::new(), https(address.port(), authority.file()));
        assert_eq!(shown(&prober.ask(address.ip(), &settings).await), "reply");
        let details = prober.details(address.ip(), &settings);
        let left = details.certificate_ends.unwrap() - now();
        assert!((days * 86_400..days * 86_400 + 61).contains(&left), "{days}: {left}");
        match (warning, &details.warning) {
            (None, None) => {}
            (Some(start), Some(found)) if found.starts_with(start) => {}
            found => panic!("{found:?}"),
        }
    }
}

#[tokio::test]
async fn a_warning_about_a_certificate_stays_while_connections_are_refused() {
    let authority = Authority::new("Ours");
    let identity = authority.issue(&[HOST], (-30, 1));
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = TlsServer::new(&identity);
    let (address, _) = runtime.spawn(server.answering(OK)).await.unwrap();
    let (prober, settings) = (Prober::new(), https(address.port(), authority.file()));
    assert_eq!(shown(&prober.ask(address.ip(), &settings).await), "reply");
    let warned = prober.details(address.ip(), &settings).warning;
    assert!(warned.is_some());
    // Its sockets are closed once this returns.
    tokio::task::spawn_blocking(move || drop(runtime)).await.unwrap();
    let refused = shown(&prober.ask(address.ip(), &settings).await);
    assert!(refused.starts_with("unreachable: "), "{refused}");
    assert_eq!(prober.details(address.ip(), &settings).warning, warned);
}

#[tokio::test]
async fn the_end_of_an_expired_certificate_is_known_too() {
    let authority = Authority::new("Ours");
    let identity = authority.issue(&[HOST], (-30, -3));
    let (address, _) = TlsServer::new(&identity).answering(OK).await;
    let (prober, settings) = (Prober::new(), https(address.port(), authority.file()));
    prober.ask(address.ip(), &settings).await;
    assert!(prober.details(address.ip(), &settings).certificate_ends.unwrap() < now());
}

fn now() -> i64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

#[tokio::test]
async fn a_host_that_is_an_address_needs_a_certificate_for_it() {
    let authority = Authority::new("Ours");
    for is_for_it in [true, false] {
        let place = super::place();
        let own = place.ip().to_string();
        let identity = authority.issue(&[if is_for_it { own.as_str() } else { HOST }], VALID);
        TlsServer::new(&identity).answering_at(place, OK).await;
        let mut settings = https(place.port(), authority.file());
        settings.host = own;
        let answer = shown(&ask(place.ip(), &settings).await);
        let expected = if is_for_it {
            "reply"
        } else {
            "failed (the certificate is for www.example.com): then the certificate is for \
             www.example.com"
        };
        assert_eq!(answer, expected);
    }
}

#[tokio::test]
async fn the_authorities_of_the_system_and_the_bundled_ones_do_not_know_ours() {
    let authority = Authority::new("Ours");
    let (address, _) = TlsServer::new(&authority.issue(&[HOST], VALID)).answering(OK).await;
    let mut settings = https(address.port(), authority.file());
    settings.tls = Some(TlsSettings::default());
    let answer = shown(&ask(address.ip(), &settings).await);
    assert!(answer.contains("signed by an unknown issuer, Ours"), "{answer}");
}
