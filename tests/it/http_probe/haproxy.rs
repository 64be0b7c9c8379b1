//! HAProxy: certificates by SNI without a default one, clients that need a certificate, old versions
//! of TLS, and requests that are dropped in silence.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use goavail::testing::probe::ClientFiles;

use super::authority::{Authority, VALID};
use super::{HOST, Prober, ask, http, https, is_installed, place, shown};

/// A running HAProxy. It ends with the thread of its test at the latest.
struct Haproxy {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts HAProxy with these words behind `bind`, and these rules. The test has opened its socket, so
/// that connects wait until it runs.
fn start(bind: &str, rules: &[&str]) -> Haproxy {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind(place()).unwrap();
    let address = listener.local_addr().unwrap();
    let configuration = format!(
        "global\n ssl-server-verify none\n\
         defaults\n mode http\n timeout client 60s\n timeout connect 60s\n timeout server 60s\n\
         frontend own\n bind fd@0 {bind}\n {}\n",
        rules.join("\n ")
    );
    let path = folder.path().join("haproxy.cfg");
    std::fs::write(&path, configuration).unwrap();
    let log = File::create(folder.path().join("log")).unwrap();
    let mut haproxy = Command::new("setpriv");
    haproxy.args(["--pdeathsig", "KILL", "haproxy", "-db", "-f"]).arg(path);
    haproxy.stdin(OwnedFd::from(listener)).stdout(Stdio::null()).stderr(log);
    Haproxy { child: haproxy.spawn().unwrap(), address, _folder: folder }
}

const OK: &str = "http-request return status 200 content-type text/plain string ok";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_name_selects_the_certificate_and_an_unknown_one_is_refused() {
    if !is_installed("haproxy", "haproxy") {
        return;
    }
    let authority = Authority::new("Ours");
    let hosts = ["www.example.com", "mail.example.com", "old.example"]
        .map(|host| authority.issue(&[host], VALID).both.display().to_string());
    let certificates = hosts.map(|path| format!("crt {path}")).join(" ");
    let haproxy = start(&format!("ssl {certificates} strict-sni"), &[OK]);
    let address = haproxy.address;
    let mut settings = https(address.port(), authority.file());
    for host in ["www.example.com", "mail.example.com", "old.example"] {
        host.clone_into(&mut settings.host);
        assert_eq!(shown(&ask(address.ip(), &settings).await), "reply", "{host}");
    }
    "none.example".clone_into(&mut settings.host);
    let answer = shown(&ask(address.ip(), &settings).await);
    assert!(answer.starts_with("failed (the target "), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_client_certificate_opens_the_door() {
    if !is_installed("haproxy", "haproxy") {
        return;
    }
    let (authority, clients) = (Authority::new("Ours"), Authority::new("Clients"));
    let host = authority.issue(&[HOST], VALID);
    let (ca, both) = (clients.file(), host.both);
    let bind = format!("ssl crt {} ca-file {} verify required", both.display(), ca.display());
    let haproxy = start(&bind, &[OK]);
    let address = haproxy.address;
    let mut settings = https(address.port(), authority.file());
    let refused = "the target demands a client certificate";
    let answer = shown(&ask(address.ip(), &settings).await);
    assert_eq!(answer, format!("failed ({refused}): then {refused}"));
    let client = clients.issue(&["goavail"], VALID);
    let files = ClientFiles { certificate: client.certificate, key: client.key };
    settings.tls.as_mut().unwrap().client = Some(files);
    let prober = Prober::new();
    for _ in 0..3 {
        assert_eq!(shown(&prober.ask(address.ip(), &settings).await), "reply");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_with_old_versions_of_tls_alone_says_so() {
    if !is_installed("haproxy", "haproxy") {
        return;
    }
    let authority = Authority::new("Ours");
    let both = authority.issue(&[HOST], VALID).both;
    let versions = "ssl-min-ver TLSv1.0 ssl-max-ver TLSv1.1 ciphers ALL:@SECLEVEL=0";
    let haproxy = start(&format!("ssl crt {} {versions}", both.display()), &[OK]);
    let address = haproxy.address;
    let answer = shown(&ask(address.ip(), &https(address.port(), authority.file())).await);
    let words = "the target speaks neither TLS 1.2 nor 1.3";
    assert_eq!(answer, format!("failed ({words}): then {words}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_request_that_is_dropped_in_silence_ends_with_the_timeout() {
    if !is_installed("haproxy", "haproxy") {
        return;
    }
    let busy = "http-request return status 503 if { path /busy }";
    let haproxy = start("", &["http-request silent-drop if { path /drop }", busy, OK]);
    let address = haproxy.address;
    let (prober, mut settings) = (Prober::new(), http(address.port()));
    // The first answer shows that it runs.
    assert_eq!(shown(&prober.ask(address.ip(), &settings).await), "reply");
    "/busy".clone_into(&mut settings.path);
    let answer = shown(&prober.ask(address.ip(), &settings).await);
    assert_eq!(answer, "failed (status 503): then 503 (wanted 200-299)");
    "/drop".clone_into(&mut settings.path);
    prober.ask_until_silent(address.ip(), &settings, "no first byte").await;
}
