//! The whole agent with checks of services: the real binary, web servers and commands on loopback.
//! Belongs here: the way from the keys of the file to the decision and its line in the log. All in
//! dry-run, because DNS is the same for all checks.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

mod commands;
mod dns;
mod https;
mod renewal;
mod scraped;
mod seen;
pub(crate) mod servers;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::agent::{Agent, Setup, Within};
use crate::lab;

/// A command of Debian's monitoring-plugins-basic that asks a web server.
const PLUGIN: &str = "/usr/lib/nagios/plugins/check_http";

const QUICK: &str = "interval = 0.2\ntimeout = 2\nretry_interval = 0.1\nfailure_threshold = 3\n";

/// A web server with one answer for all requests.
pub(crate) struct WebServer(Arc<Mutex<String>>);

impl WebServer {
    pub(crate) fn at(listener: TcpListener) -> Self {
        let answer = Arc::new(Mutex::new(String::new()));
        let given = Arc::clone(&answer);
        // The thread ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut request = BufReader::new(&stream).lines();
                while request.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                // The other side may be gone.
                let _ = (&stream).write_all(given.lock().unwrap().as_bytes());
            }
        });
        let server = Self(answer);
        server.answers("200 OK", "well");
        server
    }

    pub(crate) fn answers(&self, status: &str, body: &str) {
        let length = body.len();
        *self.0.lock().unwrap() = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
    }
}

fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 13, last).into()
}

/// Opens a web server at each of three addresses, all at the same port.
fn three_servers() -> (u16, [WebServer; 3]) {
    loop {
        let first = TcpListener::bind(SocketAddr::new(address(1), 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        let others = [2, 3].map(|last| TcpListener::bind(SocketAddr::new(address(last), port)));
        if let [Ok(second), Ok(third)] = others {
            return (port, [first, second, third].map(WebServer::at));
        }
    }
}

/// Returns a file in which these keys ask three addresses.
fn config(keys: &str) -> String {
    let addresses = [1, 2, 3].map(|last| address(last).to_string());
    format!(
        "{QUICK}{keys}\n[Cloudflare]\ndns_domain = \"example.com\"\nhostnames = [\"www\"]\n\
         ip_addresses = {addresses:?}\n"
    )
}

/// Starts an agent that asks three addresses by http, and waits until all of them are confirmed.
fn started(port: u16, keys: &str) -> Agent {
    let check = format!("check = {{ type = \"http\", port = {port}, path = \"/healthz\"{keys} }}");
    let mut agent = Setup::new(&config(&check), Within::Here).args(["monitor"]).start();
    agent.nth(3, &["target confirmed up"]);
    agent
}

#[test]
fn a_wrong_status_of_one_address_withdraws_it_with_its_reason() {
    let (port, servers) = three_servers();
    let mut agent = started(port, "");
    servers[1].answers("503 Service Unavailable", "no");
    let down = agent.wait_for_words(&["target down", "127.0.13.2"]);
    assert!(down.has(&["503 (wanted 200-299)", "connect"]), "{down:?}");
    agent.wait_for_words(&["would withdraw", "127.0.13.2"]);
    servers[1].answers("200 OK", "well");
    agent.wait_for_words(&["would restore", "127.0.13.2"]);
    assert!(agent.lines_with(&["alike"]).is_empty());
}

#[test]
fn a_wrong_status_of_all_addresses_withdraws_none() {
    let (port, servers) = three_servers();
    let mut agent = started(port, "");
    for server in &servers {
        server.answers("500 Internal Server Error", "no");
    }
    agent.wait_for_words(&["targets fail alike", "status 500"]);
    agent.nth(3, &["target down"]);
    for server in &servers {
        server.answers("200 OK", "well");
    }
    agent.wait_for_words(&["targets no longer fail alike"]);
    assert_eq!(agent.lines_with(&["targets fail alike"]).len(), 1);
}

#[test]
fn an_address_that_asks_to_be_taken_out_goes_without_being_called_dead() {
    let (port, servers) = three_servers();
    let mut agent = started(port, ", drain_status = [429]");
    servers[0].answers("429 Too Many Requests", "later");
    agent.wait_for_words(&["target asks to be taken out", "127.0.13.1"]);
    agent.wait_for_words(&["would withdraw", "127.0.13.1", "asked=true"]);
    servers[2].answers("200 OK", "maint\n");
    agent.wait_for_words(&["target asks to be taken out", "127.0.13.3"]);
    servers[0].answers("200 OK", "well");
    agent.wait_for_words(&["would restore", "127.0.13.1"]);
    assert!(agent.lines_with(&["target down"]).is_empty());
}

#[test]
fn a_check_that_is_only_watched_is_shown_and_any_of_two_is_enough() {
    let (port, servers) = three_servers();
    let web = format!("{{ type = \"http\", port = {port} }}");
    let tcp = format!("{{ type = \"tcp\", port = {port} }}");
    let text = config(&format!("checks = [{web}, {tcp}]\nrequire = \"any\""));
    let mut agent = Setup::new(&text, Within::Here).args(["monitor"]).start();
    agent.nth(3, &["target confirmed up"]);
    servers[1].answers("503 Service Unavailable", "no");
    agent.wait_for_words(&["check down", "127.0.13.2", "503"]);
    servers[1].answers("200 OK", "well");
    agent.wait_for_words(&["check up", "127.0.13.2"]);
    assert!(agent.lines_with(&["target down"]).is_empty());
}

#[test]
fn a_command_decides_by_its_exit_code_and_its_warning_is_reported() {
    if !Path::new(PLUGIN).exists() {
        return lab::skip("monitoring-plugins-basic is not installed");
    }
    let (port, servers) = three_servers();
    let user = if rustix::process::geteuid().is_root() { ", user = \"nobody\"" } else { "" };
    let command = [PLUGIN, "-I", "{address}", "-H", "{host}", "-p", "{port}", "-t", "5"];
    let check = format!(
        "check = {{ type = \"exec\", port = {port}, command = {command:?}, interval = 0.5, \
         timeout = 5, retry_interval = 0.5{user} }}"
    );
    let mut agent = Setup::new(&config(&check), Within::Here).args(["monitor"]).start();
    agent.nth(3, &["target confirmed up"]);
    servers[0].answers("404 Not Found", "no");
    agent.wait_for_words(&["target answers, with a warning", "127.0.13.1", "404"]);
    servers[1].answers("500 Internal Server Error", "no");
    agent.wait_for_words(&["target down", "127.0.13.2", "500"]);
    agent.wait_for_words(&["would withdraw", "127.0.13.2"]);
    servers[0].answers("200 OK", "well");
    agent.wait_for_words(&["target answers without a warning again", "127.0.13.1"]);
}
