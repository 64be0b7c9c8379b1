//! The failover of addresses that are asked by https, and by a command, from the last reply to the
//! write. Measured as for echo requests; nginx answers at all addresses.

use std::cell::OnceCell;
use std::path::Path;

use crate::Scope;
use crate::failover::{self, Shape, measure, watched};
use crate::it::authority::{Authority, VALID};
use crate::kit::nginx::Nginx;
use crate::kit::{configuration, table};

/// A command of Debian's monitoring-plugins-basic that connects to a port.
const PLUGIN: &str = "/usr/lib/nagios/plugins/check_tcp";

/// Thirty kills, or two hundred.
const SHORT: Shape = Shape::new(1, 1, 10, 3);
const LONG: Shape = Shape::new(1, 1, 10, 20);

pub(crate) fn run(scope: Scope) {
    let pace = configuration::PACE;
    table::heading(&format!(
        "failover by https and by commands: interval {}, timeout {}, retry_interval {}, threshold {}",
        pace.interval, pace.timeout, pace.retry, pace.threshold
    ));
    let authority = Authority::new("Bench");
    let identity = authority.issue(&["n0.example.com"], VALID);
    let authorities = authority.file();
    let https = format!("check = {{ type = \"https\", ca_file = '{}' }}\n", authorities.display());
    let exec = format!(
        "check = {{ type = \"exec\", user = \"nobody\", port = 443, \
         command = [\"{PLUGIN}\", \"-H\", \"{{address}}\", \"-p\", \"{{port}}\", \"-t\", \"9\"] }}\n"
    );
    let mut rows = Vec::new();
    for (name, check) in [("https", https), ("exec: check_tcp", exec)] {
        if name != "https" && !Path::new(PLUGIN).exists() {
            eprintln!("{name}: not measured; install monitoring-plugins-basic");
            continue;
        }
        let top = format!("{}{check}", failover::guards());
        let server = OnceCell::new();
        let stories = measure(scope.pick(SHORT, LONG), |lab, nth, addresses, names| {
            server.get_or_init(|| Nginx::start(lab.world(), &identity));
            watched(lab, nth, addresses, (names, &top))
        });
        rows.push(failover::in_words(name.to_owned(), &stories));
    }
    table::print(&failover::columns("check"), &rows);
    println!("\n   target: over the floor at most 50 ms in the median.");
}
