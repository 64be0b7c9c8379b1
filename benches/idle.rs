//! A small site: the cost of an idle agent.

use std::time::Duration;

use crate::Scope;
use crate::agent::{PATIENT, Setup, Within};
use crate::fake_cloudflare::TOKEN;
use crate::kit::provider::Cloudflare;
use crate::kit::{configuration, process, table};
use crate::lab::{self, Lab, Place};

/// How many addresses a small site has.
const TARGETS: u32 = 10;

pub(crate) fn run(scope: Scope) {
    table::heading("idle: 10 addresses and a canary, probed once a second, all alive");
    let lab = Lab::new();
    let targets: Vec<_> = (1..=TARGETS).map(lab::v4).collect();
    lab.add(&targets);
    let names = configuration::names(1);
    let provider = Cloudflare::start(lab.agent(0), &names, &targets);
    let guards = format!("canaries = [\"{}\"]\nmin_in_service = 1", lab::link_v4(Place::World));
    let config = configuration::toml(&targets, &names, &provider.url(), &guards);
    let mut agent = Setup::new(&config, Within::Lab(lab.agent(0)))
        .args(["--no-dry-run", "monitor"])
        .env("CF_API_TOKEN", TOKEN)
        .start();
    for _ in &targets {
        agent.wait_for(|line| line.has(&["target confirmed up"]), PATIENT);
    }
    std::thread::sleep(Duration::from_secs(2));
    let used = process::watch(agent.pid(), scope.pick(10, 120) * Duration::from_secs(1));
    let row = vec![
        format!("goavail {TARGETS}"),
        format!("{:.3} %", used.core() * 100.0),
        format!("{:.0}", used.wakeups_a_second()),
        format!("{:.1} MiB", process::peak_mebibytes(agent.pid())),
    ];
    table::print(&["", "of a core", "wake-ups/s", "peak memory"], &[row]);
    println!("\n   targets: at most 0.3 % of a core and 15 MiB");
}
