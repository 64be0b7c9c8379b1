//! A certificate that ends soon, as an operator sees it, and its renewal.

use std::fmt::Write as _;

use super::seen::{get, until};
use super::servers::{DOMAIN, Host, Nginx, are_installed};
use crate::agent::{Agent, Setup, Within};
use crate::http_probe::authority::{Authority, VALID};

/// Returns the end of the certificate at an address, by the metrics, in seconds since 1970.
fn end_at(address: &str, agent: &Agent) -> f64 {
    let sample = format!("goavail_certificate_expiry_seconds{{target=\"{address}\"");
    let metrics = get(agent, "/metrics");
    let line = metrics.lines().find(|line| line.starts_with(&sample)).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// louislam/uptime-kuma#514: a renewed certificate is still said to end soon.
#[test]
fn a_certificate_that_ends_soon_is_a_warning_until_it_is_renewed() {
    if !are_installed(&["nginx"]) {
        return;
    }
    let authority = Authority::new("Ours");
    let names = [format!("www.{DOMAIN}")];
    let names = names.each_ref().map(String::as_str);
    let [good, ending] = [VALID, (-30, 1)].map(|days| authority.issue(&names, days));
    let stranger = authority.issue(&["old.example"], VALID);
    let [before, after] = [&ending, &good].map(|second| {
        let answers = ["return 200;"; 3].map(str::to_owned);
        [Host { name: "www", identities: [&good, second, &good], answers }]
    });
    let nginx = Nginx::start(&stranger, &before);
    let mut text = format!(
        "interval = 0.2\ntimeout = 3\nfailure_threshold = 1000\nrecovery_threshold = 3\n\
         check = {{ type = \"https\", port = {}, ca_file = {:?} }}\n[Status]\nsocket = \"control.sock\"\n[Cloudflare]\n\
         dns_domain = \"{DOMAIN}\"\nhostnames = [\"www\"]\n",
        nginx.port,
        authority.file()
    );
    let addresses: Vec<_> = nginx.addresses.iter().map(ToString::to_string).collect();
    let _ = writeln!(text, "ip_addresses = {addresses:?}");
    let mut agent =
        Setup::new(&text, Within::Here).args(["monitor"]).env("RUST_LOG", "goavail=trace").start();
    agent.nth(3, &["target confirmed up"]);
    let warned = until(&mut agent, |target| !target["checks"][0]["warning"].is_null());
    assert_eq!(warned["health"], "up", "{warned:#}");
    let old = end_at(&addresses[1], &agent);

    let _nginx = nginx.restarted(&stranger, &after);
    // A probe of meanwhile was refused: it has no warning, and says nothing of a certificate.
    let ended = &warned["checks"][0]["certificate_ends"];
    let renewed = until(&mut agent, |target| target["checks"][0]["certificate_ends"] != *ended);
    assert!(renewed["checks"][0]["warning"].is_null(), "{renewed:#}");
    assert_eq!(renewed["health"], "up", "{renewed:#}");
    let new = end_at(&addresses[1], &agent);
    assert!(new > old + 50.0 * 86_400.0, "{old} {new}");
}
