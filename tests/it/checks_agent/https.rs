//! One agent with a service for each thing that can be wrong at an address of a name. nginx and HAProxy
//! answer at three addresses each, with certificates of an authority of the test's own.

use std::fmt::Write as _;
use std::net::{IpAddr, TcpListener};

use rustix::process::Signal;

use super::servers::{DOMAIN, Host, Nginx, Server, are_installed, haproxy};
use crate::agent::{Agent, PATIENT, Setup, Within};
use crate::http_probe::authority::{Authority, Identity, VALID, self_signed};
use crate::notify;

/// One machine may be busy, and a handshake takes its time.
const PACE: &str = "interval = 1\ntimeout = 3\nretry_interval = 0.2\nfailure_threshold = 3\n";

/// The certificates of the hosts.
struct Identities {
    good: Identity,
    expired: Identity,
    early: Identity,
    other: Identity,
    own: Identity,
}

impl Identities {
    /// Issues certificates for the hosts of these services.
    fn new(authority: &Authority, services: &[&str]) -> Self {
        let names: Vec<String> = services.iter().map(|name| format!("{name}.{DOMAIN}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Self {
            good: authority.issue(&names, VALID),
            expired: authority.issue(&names, (-30, -3)),
            early: authority.issue(&names, (3, 30)),
            other: authority.issue(&["old.example"], VALID),
            own: self_signed(authority.folder(), &names, VALID),
        }
    }
}

/// The services behind nginx.
const SERVICES: [&str; 6] = ["good", "dates", "names", "moved", "busy", "page"];

/// An answer of 200, or another one while there is a file of this name in the folder of the authority.
pub(super) fn unless(authority: &Authority, file: &str, other: &str) -> String {
    let path = authority.folder().join(file);
    format!("if (-f {}) {{ {other} }} {OK}", path.display())
}

/// The answer where all is well.
pub(super) const OK: &str = "return 200 \"all is ok\";";

/// Starts nginx with the hosts of all services.
fn nginx(authority: &Authority, identities: &Identities, elsewhere: &TcpListener) -> Nginx {
    let Identities { good, expired, early, other, own } = identities;
    let ok = [OK; 3].map(str::to_owned);
    let moved = format!("return 301 http://{}/;", elsewhere.local_addr().unwrap());
    let moved = [OK.to_owned(), moved, "return 503;".to_owned()];
    let busy = ["busy"; 3].map(|busy| unless(authority, busy, "return 503;"));
    let pages = ["page-0", "page-1", "page-2"];
    let pages = pages.map(|page| unless(authority, page, "return 200 \"all is lost\";"));
    let hosts = [
        ("good", [good; 3], ok.clone()),
        ("dates", [good, expired, early], ok.clone()),
        ("names", [good, other, own], ok),
        ("moved", [good; 3], moved),
        ("busy", [good; 3], busy),
        ("page", [good; 3], pages),
    ];
    Nginx::start(
        other,
        &hosts.map(|(name, identities, answers)| Host { name, identities, answers }),
    )
}

/// Returns the file with all services.
fn config(authority: &Authority, nginx: &Nginx, proxy: (&[IpAddr], u16), webhook: &str) -> String {
    let ca_file = authority.file().display().to_string();
    let mut text = format!(
        "{PACE}webhook_url = \"{webhook}\"\n[zone.main]\nprovider = \"cloudflare\"\n\
         domain = \"{DOMAIN}\"\n"
    );
    for (check, port, keys) in [
        ("web", nginx.port, ""),
        ("page", nginx.port, "body = \"all is ok\"\n"),
        ("proxy", proxy.1, ""),
    ] {
        let _ = write!(
            text,
            "[check.{check}]\ntype = \"https\"\nport = {port}\nca_file = \"{ca_file}\"\n{keys}"
        );
    }
    for service in SERVICES.into_iter().chain(["proxy"]) {
        let (check, addresses) = match service {
            "page" => ("page", &nginx.addresses[..]),
            "proxy" => ("proxy", proxy.0),
            _ => ("web", &nginx.addresses[..]),
        };
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let _ = write!(
            text,
            "[[service]]\nname = \"{service}\"\nhostnames = [\"{service}\"]\ncheck = \"{check}\"\n\
             ip_addresses = {addresses:?}\n"
        );
    }
    text
}

/// Waits until a target of a service goes for this reason.
fn goes(agent: &mut Agent, service: &str, address: IpAddr, reason: &str) {
    goes_for_one_of(agent, service, address, &[reason]);
}

/// Waits until a target of a service goes for one of these reasons.
fn goes_for_one_of(agent: &mut Agent, service: &str, address: IpAddr, reasons: &[&str]) {
    let (service, target) = (format!("service={service} "), format!("target={address} "));
    let down = agent.nth(1, &["target down", &service, &target]);
    assert!(reasons.iter().any(|reason| down.has(&[reason])), "{down:?}");
    agent.nth(1, &["would withdraw", &service, &target]);
}

/// Waits until a target of a service has come back so many times.
fn comes_back(agent: &mut Agent, service: &str, address: IpAddr, times: usize) {
    let (service, target) = (format!("service={service} "), format!("target={address} "));
    agent.nth(times, &["would restore", &service, &target]);
}

/// Returns the number of lines about a service with these words.
fn lines(agent: &mut Agent, words: &str, service: &str) -> usize {
    agent.lines_with(&[words, &format!("service={service} ")]).len()
}

/// All the time, one target of each service is well, so that the others are compared with it.
fn what_is_wrong_at_one_address_takes_it_out(agent: &mut Agent, at: &[IpAddr], proxy: &[IpAddr]) {
    for (service, count) in [
        ("good", 3),
        ("dates", 1),
        ("names", 1),
        ("moved", 1),
        ("busy", 3),
        ("page", 3),
        ("proxy", 2),
    ] {
        agent.nth(count, &["target confirmed up", &format!("service={service} ")]);
    }
    // fzaninotto/uptime#286: an expired certificate did not fail the check.
    goes(agent, "dates", at[1], "the certificate expired ");
    goes(agent, "dates", at[2], "the certificate is not valid before ");
    goes(agent, "names", at[1], "the certificate is for old.example");
    goes(agent, "names", at[2], "certificate");
    // nodatime/nodatime#1317: a page that moved to another place.
    goes(agent, "moved", at[1], "then 301 to http://");
    goes(agent, "moved", at[2], "then 503 (wanted 200-299)");
    goes(agent, "proxy", proxy[1], "then 503 (wanted 200-299)");
}

/// projectcontour/contour#1846: all targets fail their check at once, and none is left.
fn what_all_addresses_answer_takes_none_out(agent: &mut Agent, authority: &Authority) {
    std::fs::write(authority.folder().join("busy"), "").unwrap();
    agent.wait_for_words(&["targets fail alike", "service=busy", "status 503"]);
    agent.nth(3, &["target down", "service=busy "]);
    std::fs::remove_file(authority.folder().join("busy")).unwrap();
    agent.wait_for_words(&["targets no longer fail alike"]);
    for words in ["would withdraw", "would restore"] {
        assert_eq!(lines(agent, words, "busy"), 0, "{words}");
    }
}

fn a_page_that_changes_takes_its_address_out(agent: &mut Agent, authority: &Authority, at: IpAddr) {
    let page = authority.folder().join("page-2");
    std::fs::write(&page, "").unwrap();
    goes(agent, "page", at, "then 200 with a body without");
    std::fs::remove_file(&page).unwrap();
    comes_back(agent, "page", at, 1);
}

/// mantl/mantl#776: connections are accepted, and nothing is ever sent. acassen/keepalived#373 and
/// alibaba/tengine#1028: a server that has recovered stays out.
fn a_server_that_stands_still_takes_its_addresses_out_and_they_come_back(
    agent: &mut Agent,
    server: &Server,
    at: &[IpAddr],
) {
    server.signal(Signal::STOP);
    for address in at {
        // A busy machine may report how far a request came after the probe has been given up.
        goes_for_one_of(agent, "good", *address, &["TLS", "no answer within the timeout"]);
    }
    server.signal(Signal::CONT);
    for address in at {
        comes_back(agent, "good", *address, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_address_of_a_name_is_judged_by_itself_and_all_of_them_together() {
    if !are_installed(&["nginx", "haproxy"]) {
        return;
    }
    let authority = Authority::new("Ours");
    let identities = Identities::new(&authority, &[&SERVICES[..], &["proxy"]].concat());
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let nginx = nginx(&authority, &identities, &elsewhere);
    let (_haproxy, proxies, port) = haproxy(&identities.good);
    let mut receiver = notify::Server::start(&[]).await;
    let text = config(&authority, &nginx, (&proxies, port), &receiver.url);
    let mut agent = Setup::new(&text, Within::Here).args(["monitor"]).start();
    let at = &nginx.addresses;

    what_is_wrong_at_one_address_takes_it_out(&mut agent, at, &proxies);
    what_all_addresses_answer_takes_none_out(&mut agent, &authority);
    a_page_that_changes_takes_its_address_out(&mut agent, &authority, at[2]);
    assert_eq!(lines(&mut agent, "target down", "good"), 0);
    a_server_that_stands_still_takes_its_addresses_out_and_they_come_back(
        &mut agent,
        &nginx.server,
        at,
    );
    assert_eq!(lines(&mut agent, "targets fail alike", "busy"), 1);

    elsewhere.set_nonblocking(true).unwrap();
    let connected = elsewhere.accept().unwrap_err();
    assert_eq!(connected.kind(), std::io::ErrorKind::WouldBlock, "a redirect was followed");
    agent.signal(Signal::TERM);
    assert!(agent.wait_end(PATIENT).status.success());
    let mut refusals = vec![];
    while let Some(notice) = receiver.received() {
        let is_busy = notice["services"].get("busy").is_some();
        refusals.extend((notice["kind"] == "refused" && is_busy).then_some(notice));
    }
    assert_eq!(refusals.len(), 1, "{refusals:#?}");
    assert_eq!(refusals[0]["reason"], "alike", "{refusals:#?}");
}
