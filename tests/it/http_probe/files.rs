//! Files of a check: read again when they change, and a fault of this machine while they cannot be
//! read.

use std::path::Path;
use std::time::Duration;

use goavail::testing::probe::RequestHeader;

use super::authority::{Authority, VALID};
use super::scripted::{TlsServer, recording};
use super::{HOST, Prober, ask, http, https, shown};

/// Lets so much time pass that files are looked at again.
async fn later() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(5)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_header_follows_its_file() {
    let (address, mut heads) = recording().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let (prober, mut settings) = (Prober::new(), http(address.port()));
    settings.headers = vec![RequestHeader::from_file("X-Token", &path).unwrap()];
    let answer = shown(&prober.ask(address.ip(), &settings).await);
    let missing = format!("fault: header_files {}: cannot be read: ", path.display());
    assert!(answer.starts_with(&missing), "{answer}");
    for token in ["first", "second one"] {
        std::fs::write(&path, format!("{token}\n")).unwrap();
        // The probe that looks again does not wait for it.
        loop {
            later().await;
            let answer = shown(&prober.ask(address.ip(), &settings).await);
            if answer == "reply"
                && heads.recv().await.unwrap().contains(&format!("x-token: {token}\r\n"))
            {
                break;
            }
        }
    }
    std::fs::write(&path, "two\nlines\n").unwrap();
    loop {
        later().await;
        let answer = shown(&prober.ask(address.ip(), &settings).await);
        if answer != "reply" {
            assert!(answer.contains("token: is not the value of a header"), "{answer}");
            break;
        }
    }
}

#[tokio::test]
async fn an_authority_follows_its_file() {
    let (old, new) = (Authority::new("Old"), Authority::new("New"));
    let (address, _) =
        TlsServer::new(&new.issue(&[HOST], VALID)).answering("HTTP/1.1 204 Fine\r\n\r\n").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::copy(old.file(), &path).unwrap();
    let (prober, settings) = (Prober::new(), https(address.port(), &path));
    let answer = shown(&prober.ask(address.ip(), &settings).await);
    assert!(answer.contains("signed by an unknown issuer, New"), "{answer}");
    std::fs::copy(new.file(), &path).unwrap();
    while shown(&prober.ask(address.ip(), &settings).await) != "reply" {
        later().await;
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    std::fs::write(&text, "hunter2").unwrap();
    let rows: [(&Path, &str); 3] = [
        (&folder.path().join("none"), "cannot be read: "),
        (&text, "holds no certificate"),
        (folder.path(), "cannot be read: "),
    ];
    for (path, reason) in rows {
        let answer = shown(&ask([127, 0, 0, 1].into(), &https(1, path)).await);
        let expected = format!("fault: ca_file {}: {reason}", path.display());
        assert!(answer.starts_with(&expected) && !answer.contains("hunter2"), "{answer}");
    }
}

#[tokio::test]
async fn a_file_whose_end_does_not_come_holds_up_its_own_check_alone() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let prober = Prober::new();
    let settings = https(1, &pipe);
    let answer = prober.ask_within(super::BRIEF, [127, 0, 0, 1].into(), &settings).await;
    let expected = format!("fault: files were not read within 0.15 s: {}", pipe.display());
    assert_eq!(shown(&answer), expected);
    let token = folder.path().join("token");
    std::fs::write(&token, "one").unwrap();
    let (address, _heads) = recording().await;
    let mut other = http(address.port());
    other.headers = vec![RequestHeader::from_file("X-Token", &token).unwrap()];
    assert_eq!(shown(&prober.ask(address.ip(), &other).await), "reply");
}
