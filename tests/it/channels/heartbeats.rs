//! The whole agent, and a service that raises the alarm when it falls silent.

use super::Folder;
use super::stand_in::{Reply, StandIn};
use crate::agent::{Setup, Within};
use crate::tcp_services::{TcpService, loopback_addresses};

/// An agent that watches one address by TCP connects, with a canary, and this file of a heartbeat.
fn setup(target: std::net::SocketAddr, canary: std::net::SocketAddr, url: &str) -> Setup {
    let config = format!(
        "name = \"probe-1\"\nport = {}\ninterval = 0.2\ntimeout = 0.2\ncanaries = [\"{canary}\"]\n\
         heartbeat_url_file = \"heartbeat\"\nheartbeat_interval = 5\n[Cloudflare]\n\
         dns_domain = \"example.com\"\nhostnames = [\"www\"]\nip_addresses = [\"{}\"]\n",
        target.port(),
        target.ip(),
    );
    let setup = Setup::new(&config, Within::Here).args(["--type", "tcp", "monitor"]);
    setup.write("heartbeat", &format!("{url}\n"));
    setup
}

#[test]
fn a_heartbeat_is_sent_while_the_agent_watches_and_a_failure_while_it_is_isolated() {
    let (addresses, port) = loopback_addresses(2);
    let [target, canary] = [0, 1].map(|nth| (addresses[nth], port).into());
    let _target = TcpService::open(target);
    let canary_service = TcpService::open(canary);
    let server = StandIn::start(|request| {
        let is_ping = request.method == "POST" && request.path.starts_with("/ping/5ecret");
        Reply::new(if is_ping { "200 OK" } else { "404 Not Found" }, "OK")
    });
    let url = format!("http://{}/ping/5ecret", server.address);
    let agent = setup(target, canary, &url).start();
    let first = server.request();
    assert_eq!((first.path.as_str(), first.body.as_str()), ("/ping/5ecret", "probe-1: watching"));
    drop(canary_service);
    let failure = loop {
        let request = server.request();
        if request.path.ends_with("/fail") {
            break request;
        }
        assert_eq!(request.path, "/ping/5ecret");
    };
    assert!(failure.body.starts_with("probe-1: isolated"), "{}", failure.body);
    let ended = agent.kill();
    assert!(!(ended.stderr + &ended.stdout).contains("5ecret"));
}

#[test]
fn a_portal_in_the_place_of_the_service_is_said_once_and_the_agent_goes_on() {
    let (addresses, port) = loopback_addresses(1);
    let target = (addresses[0], port).into();
    let _target = TcpService::open(target);
    let server = StandIn::start(|_| Reply::new("200 OK", "<html>log in</html>"));
    let url = format!("http://{}/api/push/5ecret?status=up&msg=OK&ping=", server.address);
    let mut agent = setup(target, target, &url).start();
    let request = server.request();
    assert_eq!(request.method, "GET");
    assert_eq!(request.path, "/api/push/5ecret?status=up&msg=probe-1%3A+watching");
    let line = agent.wait_for_words(&["heartbeat not sent"]);
    assert!(line.has(&["a web page that is not from the service"]), "{line:?}");
    let ended = agent.kill();
    assert!(!(ended.stderr + &ended.stdout).contains("5ecret"));
}

#[test]
fn a_test_of_the_channels_sends_one_heartbeat_and_shows_the_answer() {
    let server = StandIn::start(|request| {
        let is_known = request.path == "/ping/5ecret";
        if is_known { Reply::new("200 OK", "OK") } else { Reply::new("404 Not Found", "not found") }
    });
    for (path, code, want) in
        [("/ping/5ecret", 0, "accepted after "), ("/ping/5ecret-mistyped", 1, "404 Not Found")]
    {
        let folder = Folder::new("heartbeat_url_file = \"heartbeat\"");
        folder.write("heartbeat", &format!("http://{}{path}\n", server.address));
        let said = folder.run(&["notify", "--test"]);
        assert_eq!(said.code, Some(code), "{}{}", said.stdout, said.stderr);
        let rows: Vec<_> = said.stdout.lines().skip(1).collect();
        assert!(matches!(rows[..], [row] if row.starts_with("heartbeat  alive")), "{rows:?}");
        assert!(rows[0].contains(want), "{rows:?}");
        assert!(!(said.stderr + &said.stdout).contains("5ecret"));
        assert_eq!(server.request().body, "probe-1: watching");
    }
}
