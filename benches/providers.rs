//! The failover of an address through BIND and through Cloudflare, in one run: from the last reply to the
//! write, as in `failover`, and from there to the provider's answer.

use std::net::IpAddr;
use std::path::Path;

use crate::Scope;
use crate::agent::{Setup, Within};
use crate::failover::{self, Shape, Watcher, measure, watched};
use crate::kit::bind::{self, Bind};
use crate::kit::configuration::{PACE, Pace, ZONE};
use crate::kit::table;
use crate::lab::{self, Lab, Place};

/// Thirty kills, or two hundred, for each provider.
const SHORT: Shape = Shape::new(1, 1, 10, 3);
const LONG: Shape = Shape::new(1, 1, 10, 20);

pub(crate) fn run(scope: Scope) {
    table::heading(&format!(
        "failover through Cloudflare (the tests' fake) and BIND (RFC 2136): interval {}, timeout {}, \
         retry_interval {}, threshold {}",
        PACE.interval, PACE.timeout, PACE.retry, PACE.threshold
    ));
    let shape = scope.pick(SHORT, LONG);
    let cloudflare = measure(shape, |lab, nth, addresses, names| {
        watched(lab, nth, addresses, (names, &failover::guards()))
    });
    let mut rows = vec![failover::in_words("Cloudflare".to_owned(), &cloudflare)];
    if Path::new(bind::NAMED).exists() {
        rows.push(failover::in_words("BIND".to_owned(), &measure(shape, watch)));
    } else {
        eprintln!("BIND: not measured; install bind9");
    }
    table::print(&failover::columns("provider"), &rows);
}

/// Starts an agent with a BIND of its own.
fn watch(lab: &Lab, index: usize, addresses: &[IpAddr], names: &[String]) -> Watcher {
    let server = Bind::start(lab.agent(index), names, addresses);
    let Pace { interval, timeout, retry, threshold } = PACE;
    let quoted: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let config = format!(
        "failure_threshold = {threshold}\ninterval = {interval}\ntimeout = {timeout}\n\
         retry_interval = {retry}\n{}[RFC2136]\nserver = \"{}\"\ndomain = \"{ZONE}\"\n\
         key_file = \"ddns.key\"\nhostnames = {names:?}\nip_addresses = {quoted:?}\n",
        failover::guards(),
        bind::RELAY
    );
    let setup = Setup::new(&config, Within::Lab(lab.agent(index)));
    setup.write("ddns.key", bind::KEY);
    let agent = setup.args(["--dns-provider", "rfc2136", "--no-dry-run", "monitor"]).start();
    Watcher::new(lab::link_v4(Place::Agent(index)), agent, Box::new(server))
}
