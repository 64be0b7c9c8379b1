//! As many addresses as one file holds: the basis of the page about a million addresses
//! (`docs/performance.md`). A minute and a half, so it runs only if it is asked for by name.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::Scope;
use crate::agent::{Setup, Within};
use crate::kit::configuration::{self, Pace};
use crate::kit::{process, table};
use crate::lab::Lab;

/// How many addresses, and how often each is probed.
const SIZES: [(u32, Duration); 2] =
    [(100_000, Duration::from_secs(5)), (400_000, Duration::from_secs(15))];

pub(crate) fn run(_: Scope) {
    table::heading("huge: one process, addresses of its own loopback, dry-run");
    let rows: Vec<_> = SIZES.iter().map(|(count, pace)| measure(*count, *pace)).collect();
    let columns =
        ["", "probes/s", "CPU a probe", "of a core", "peak memory", "each", "probes", "lost"];
    table::print(&columns, &rows);
}

fn measure(count: u32, pace: Duration) -> Vec<String> {
    let lab = Lab::new();
    let first = u32::from(Ipv4Addr::new(127, 1, 0, 0));
    let targets: Vec<_> =
        (first..first + count).map(|bits| IpAddr::from(Ipv4Addr::from(bits))).collect();
    let names = configuration::names(1);
    // Nobody listens there, and a dry-run does without.
    let nowhere = "http://127.0.0.1:9";
    let interval = pace.as_secs_f64();
    let slow = Pace { interval, retry: interval, ..configuration::PACE };
    let config = configuration::toml_at(slow, &targets, &names, nowhere, "recovery_threshold = 1");
    let mut agent = Setup::new(&config, Within::Lab(lab.agent(0)))
        .args(["monitor"])
        .env("RUST_LOG", "info,goavail::agent::observers::log=debug")
        .start();
    for _ in &targets {
        agent.wait_for(|line| line.has(&["target confirmed up"]), 4 * pace);
    }
    // The effects of the confirmations are over by then.
    std::thread::sleep(Duration::from_secs(5));
    let used = process::watch(agent.pid(), pace * 2);
    let peak = process::peak_mebibytes(agent.pid());
    let lost = agent.lines_with(&["probe lost"]).len();
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let a_second = used.sent as f64 / used.lasted.as_secs_f64();
    vec![
        format!("{count} every {} s", pace.as_secs()),
        format!("{a_second:.0}"),
        format!("{:.1} µs", used.micros_each(used.sent)),
        format!("{:.3}", used.core()),
        format!("{peak:.0} MiB"),
        format!("{:.2} KiB", peak * 1024.0 / f64::from(count)),
        used.sent.to_string(),
        lost.to_string(),
    ]
}
