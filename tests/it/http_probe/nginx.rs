//! nginx with one host at three addresses, as behind the records of one name: each address has its own
//! certificate and its own default host.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use goavail::testing::probe::HttpMethod;

use super::authority::{Authority, Identity, VALID};
use super::{HOST, Prober, ask, http, https, is_installed, shown};

/// A running nginx. It ends with the thread of its test at the latest.
struct Nginx {
    child: Child,
    addresses: Vec<IpAddr>,
    /// The port of https; the one of http, and that of HTTP/2 alone.
    ports: [u16; 3],
    folder: tempfile::TempDir,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts nginx at three addresses, with these certificates for the host.
fn start(stranger: &Identity, hosts: [&Identity; 3], elsewhere: SocketAddr) -> Nginx {
    let folder = tempfile::tempdir().unwrap();
    let (addresses, https) = crate::tcp_services::loopback_addresses(3);
    let ports = [https, free_port(addresses[0]), free_port(addresses[0])];
    std::fs::create_dir(folder.path().join("root")).unwrap();
    let big = std::fs::File::create(folder.path().join("root/big")).unwrap();
    big.set_len(100 << 20).unwrap();
    let mut servers = String::new();
    for (address, identity) in addresses.iter().zip(hosts) {
        for (names, identity, default) in [("_", stranger, " default_server"), (HOST, identity, "")]
        {
            let (certificate, key) = (identity.certificate.display(), identity.key.display());
            let _ = write!(
                servers,
                "server {{ listen {address}:{https} ssl{default}; server_name {names};\n\
                 ssl_certificate {certificate}; ssl_certificate_key {key};\n\
                 location / {{ return 200 \"host {names}\"; }} }}\n"
            );
        }
    }
    let [_, http, http_2] = ports;
    let own = addresses[0];
    let _ = write!(
        servers,
        "server {{ listen {own}:{http}; server_name {HOST}; root {0}/root;\n\
         location /moved {{ return 301 http://{elsewhere}/; }}\n\
         location /busy {{ return 503; }} }}\n\
         server {{ listen {own}:{http}; server_name _; return 421; }}\n\
         server {{ listen {own}:{http_2} http2; return 200; }}\n",
        folder.path().display()
    );
    let configuration = format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr notice;\n\
         events {{ }}\n\
         http {{ access_log off; {} {servers} }}\n",
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|it| format!("{it}_temp_path {it};"))
            .join(" ")
    );
    let path: PathBuf = folder.path().join("nginx.conf");
    std::fs::write(&path, configuration).unwrap();
    let mut nginx = Command::new("setpriv");
    nginx.args(["--pdeathsig", "KILL", "nginx", "-e", "stderr", "-p"]);
    nginx.arg(folder.path()).arg("-c").arg(path).stderr(Stdio::piped());
    let mut child = nginx.spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut all = String::new();
    // It says so once its sockets are open.
    while !all.contains("event method") {
        assert_ne!(log.read_line(&mut all).unwrap(), 0, "nginx ended: {all}");
    }
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    Nginx { child, addresses, ports, folder }
}

fn free_port(address: IpAddr) -> u16 {
    TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port()
}

/// Starts nginx with certificates that hold, as long as they are for the host.
fn start_plain(elsewhere: SocketAddr) -> Nginx {
    let authority = Authority::new("Ours");
    let [stranger, host] = [["other.example"], [HOST]].map(|it| authority.issue(&it, VALID));
    start(&stranger, [&host, &host, &host], elsewhere)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_address_of_a_name_is_judged_by_its_certificate_for_that_name() {
    if !is_installed("nginx", "nginx-light") {
        return;
    }
    let authority = Authority::new("Ours");
    let stranger = authority.issue(&["other.example"], VALID);
    let hosts = [VALID, (-30, -3), (3, 30)].map(|days| authority.issue(&[HOST], days));
    let [good, expired, early] = &hosts;
    let nginx = start(&stranger, [good, expired, early], super::place());
    let mut settings = https(nginx.ports[0], authority.file());
    settings.body.contains = Some(format!("host {HOST}"));
    let mut found = Vec::new();
    for address in &nginx.addresses {
        found.push(shown(&ask(*address, &settings).await));
    }
    assert_eq!(found[0], "reply");
    assert!(found[1].contains("then the certificate expired "), "{found:?}");
    assert!(found[2].contains("then the certificate is not valid before "), "{found:?}");

    // Another name at the same address is another host with another certificate.
    settings.host = "elsewhere.example".to_owned();
    let answer = shown(&ask(nginx.addresses[0], &settings).await);
    let words = "the certificate is for other.example";
    assert_eq!(answer, format!("failed ({words}): then {words}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_redirect_is_judged_by_its_status_and_nothing_connects_there() {
    if !is_installed("nginx", "nginx-light") {
        return;
    }
    let elsewhere = TcpListener::bind(super::place()).unwrap();
    let to = elsewhere.local_addr().unwrap();
    let nginx = start_plain(to);
    let (prober, mut settings) = (Prober::new(), http(nginx.ports[1]));
    for (path, expected) in [
        ("/moved", format!("failed (status 301): then 301 to http://{to}/ (wanted 200-299)")),
        ("/busy", "failed (status 503): then 503 (wanted 200-299)".to_owned()),
        ("/none", "failed (status 404): then 404 (wanted 200-299)".to_owned()),
    ] {
        path.clone_into(&mut settings.path);
        assert_eq!(shown(&prober.ask(nginx.addresses[0], &settings).await), expected);
    }
    elsewhere.set_nonblocking(true).unwrap();
    assert_eq!(elsewhere.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_large_body_is_cut_and_one_that_changes_is_judged_each_time() {
    if !is_installed("nginx", "nginx-light") {
        return;
    }
    let nginx = start_plain(super::place());
    let (prober, mut settings) = (Prober::new(), http(nginx.ports[1]));
    let own = nginx.addresses[0];
    "/big".clone_into(&mut settings.path);
    assert_eq!(shown(&prober.ask(own, &settings).await), "reply");
    settings.body.contains = Some("ok".to_owned());
    let cut = "failed (body without \"ok\"): then 200 with a body without \"ok\" in its first 65536 bytes";
    assert_eq!(shown(&prober.ask(own, &settings).await), cut);
    settings.body.contains = None;
    settings.method = HttpMethod::Head;
    assert_eq!(shown(&prober.ask(own, &settings).await), "reply");

    settings.method = HttpMethod::Get;
    settings.body.contains = Some("all is ok".to_owned());
    "/health".clone_into(&mut settings.path);
    let path = nginx.folder.path().join("root/health");
    for (content, expected) in [
        ("all is ok\n", "reply"),
        ("all is lost\n", "failed (body without \"all is ok\")"),
        ("maint\n", "asked: then a body with \"maint\" as its first line"),
        ("all is ok\n", "reply"),
    ] {
        std::fs::write(&path, content).unwrap();
        let answer = shown(&prober.ask(own, &settings).await);
        assert!(answer.starts_with(expected), "{content}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_of_http_2_alone_is_named_by_its_protocol() {
    if !is_installed("nginx", "nginx-light") {
        return;
    }
    let nginx = start_plain(super::place());
    let answer = shown(&ask(nginx.addresses[0], &http(nginx.ports[2])).await);
    let words = "the answer is not HTTP/1 but HTTP/2";
    assert_eq!(answer, format!("failed ({words}): then {words}"));
}
