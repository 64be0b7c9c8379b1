//! The files in `examples/`, rehearsed by the real binary as they stand, each in a network namespace of
//! its own: the ports of checks are the ones in the files, and nothing leaves the machine.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use crate::agent::{Agent, Setup, Within};
use crate::checks_agent::servers::{NAMED, Server, are_installed, bind, views};
use crate::http_probe::authority::{Authority, VALID};
use crate::lab::{self, Namespace};
use crate::python;
use crate::tcp_services::TcpService;

fn example(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join(format!("examples/{name}.toml"))).unwrap()
}

fn rehearse(network: &Namespace, text: &str) -> Agent {
    let within = Within::Lab(network);
    Setup::new(text, within).args(["monitor", "--rehearse", "127.0.0.2"]).start()
}

/// Waits for the whole story of a rehearsal.
fn goes_and_comes_back(agent: &mut Agent) {
    agent.wait_for_words(&["would withdraw", "127.0.0.2"]);
    agent.wait_for_words(&["would restore", "127.0.0.2"]);
    agent.wait_for_words(&["rehearsal: complete"]);
}

/// Those that are asked by echo requests, which loopback answers.
#[test]
fn one_service_standby_and_name_servers_of_ones_own_are_rehearsed_as_they_stand() {
    lab::run(|| {
        let network = Namespace::new("examples");
        let shipped =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("goavail.toml"));
        let texts = [shipped.unwrap(), example("rfc2136"), example("webhook"), example("notify")];
        let mut agents: Vec<_> = texts.iter().map(|text| rehearse(&network, text)).collect();
        let mut standby = rehearse(&network, &example("active-standby"));
        agents.iter_mut().for_each(goes_and_comes_back);
        standby.wait_for_words(&["would withdraw", "127.0.0.2"]);
        standby.nth(1, &["would restore", "127.0.0.9"]);
        standby.nth(1, &["would restore", "127.0.0.2"]);
    });
}

/// Services on their ports, which answer at every address.
#[test]
fn several_services_are_rehearsed_as_they_stand() {
    lab::run(|| {
        let network = Namespace::new("examples-services");
        let open = |port| move || TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
        let _ports = [25, 443].map(|port| TcpService::at(network.run(open(port))));
        let mut agent = rehearse(&network, &example("services"));
        for service in ["www", "mx"] {
            agent.nth(1, &["would withdraw", "127.0.0.2", &format!("service={service} ")]);
        }
        for service in ["www", "mx"] {
            agent.nth(1, &["would restore", "127.0.0.2", &format!("service={service} ")]);
        }
        agent.nth(1, &["rehearsal: complete"]);
    });
}

/// Debian's plugin, started as another user, and a mail server that it talks to.
#[test]
fn a_command_is_rehearsed_as_it_stands() {
    lab::run(|| {
        if !are_installed(&["/usr/lib/nagios/plugins/check_smtp"]) {
            return;
        }
        let python = match python::environment("aiosmtpd", &["aiosmtpd==1.4.6"]) {
            Ok(python) => python.display().to_string(),
            Err(why) => return lab::skip(&format!("no aiosmtpd: {why}")),
        };
        let network = Namespace::new("examples-exec");
        let words = ["-m", "aiosmtpd", "-n", "-d", "-l", "0.0.0.0:25", "-c"];
        let words: Vec<_> = [python.as_str()].into_iter().chain(words).chain([MAILBOX]).collect();
        let folder = (tempfile::tempdir().unwrap(), "mail");
        let _mail = Server::start(network.command("setpriv"), &words, folder, "is listening");
        let text = example("exec");
        let mut agent = rehearse(&network, &text);
        goes_and_comes_back(&mut agent);
        assert!(agent.lines_with(&["cannot send probes"]).is_empty());
    });
}

/// The handler of the mail server, which keeps messages in a folder.
const MAILBOX: &str = "aiosmtpd.handlers.Mailbox";

/// BIND at both addresses, asked by UDP and TCP.
#[test]
fn name_servers_are_rehearsed_as_they_stand() {
    lab::run(|| {
        if !are_installed(&[NAMED]) {
            return;
        }
        let network = Namespace::new("examples-nameservers");
        network.ip("addr add 127.0.0.2/8 dev lo\naddr add 127.0.0.3/8 dev lo\n");
        let both = ["127.0.0.2", "127.0.0.3"].map(|address| address.parse().unwrap());
        let zone = "$TTL 60\n@ IN SOA ns1 hostmaster 1 7200 900 1209600 300\n@ IN NS ns1\n\
                    ns1 IN A 127.0.0.2\n";
        let _bind = bind(&network, |folder| {
            let zones: &[_] = &[("example.com", "zone")];
            vec![
                ("zone", zone.to_owned()),
                ("named.conf", views(folder, &both.map(|address| (address, zones)))),
            ]
        });
        goes_and_comes_back(&mut rehearse(&network, &example("nameservers")));
    });
}

/// The configuration of nginx with both names at every address.
fn web_server(authority: &Authority) -> String {
    let identity = authority.issue(&["www.example.com", "api.example.com"], VALID);
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let paths = paths.map(|path| format!("{path}_temp_path {path};")).join(" ");
    format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr notice;\n\
         events {{ worker_connections 512; }}\n\
         http {{ access_log off; {paths}\n\
         server {{ listen 443 ssl; server_name _; ssl_certificate {certificate};\n\
         ssl_certificate_key {key}; return 421; }}\n\
         server {{ listen 443 ssl; server_name www.example.com; ssl_certificate {certificate};\n\
         ssl_certificate_key {key}; location = /healthz {{ return 204; }}\n\
         location / {{ return 404; }} }} }}\n",
        certificate = identity.certificate.display(),
        key = identity.key.display(),
    )
}

/// nginx with a certificate for the names, of an authority that this machine trusts.
#[test]
fn web_servers_are_rehearsed_by_https_as_they_stand() {
    lab::run(|| {
        if !are_installed(&["nginx"]) {
            return;
        }
        let network = Namespace::new("examples-https");
        let authority = Authority::new("examples");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("nginx.conf"), web_server(&authority)).unwrap();
        let prefix = folder.path().display().to_string();
        let words = ["nginx", "-e", "stderr", "-p", &prefix, "-c"];
        let files = (folder, "nginx.conf");
        let _nginx = Server::start(network.command("setpriv"), &words, files, "event method");
        for name in ["https", "cloudflare-https"] {
            let setup = Setup::new(&example(name), Within::Lab(&network));
            let trusted = authority.file().display().to_string();
            let setup = setup.env("SSL_CERT_FILE", &trusted);
            goes_and_comes_back(&mut setup.args(["monitor", "--rehearse", "127.0.0.2"]).start());
        }
    });
}

/// Three agents with one file, each with an address of its own, as its head says.
#[test]
fn a_cluster_of_three_is_rehearsed_as_its_head_says() {
    lab::run(|| {
        let network = Namespace::new("examples-cluster");
        let first = example("cluster").replace("interval = 1\n", "interval = 0.5\n");
        let own = "127.0.0.21:8079";
        let other = |its: &str| {
            first
                .replace(own, "first")
                .replace(its, own)
                .replace("\"first\"", &format!("\"{its}\""))
        };
        let texts = [first.clone(), other("127.0.0.22:8079"), other("127.0.0.23:8079")];
        let mut agents: Vec<_> = texts.iter().map(|text| rehearse(&network, text)).collect();
        // The first one in rank acts; the others find it done, in dry-run each on its own.
        let mut acted = agents.remove(0);
        acted.wait_for_words(&["verdict", "out of service", "127.0.0.2"]);
        acted.wait_for_words(&["verdict", "in service", "127.0.0.2"]);
        acted.wait_for_words(&["rehearsal: complete"]);
    });
}
