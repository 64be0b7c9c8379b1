//! TCP connects instead of echo requests.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use crate::Scope;
use crate::agent::{PATIENT, Setup, Within};
use crate::fake_cloudflare::TOKEN;
use crate::kit::provider::Cloudflare;
use crate::kit::{configuration, process, table};
use crate::lab::{self, Lab, Place};

/// How many endpoints.
const TARGETS: u32 = 1000;

/// Where every one of them accepts.
const PORT: u16 = 4000;

pub(crate) fn run(scope: Scope) {
    table::heading("tcp: 1,000 endpoints connected to once a second");
    let lab = Lab::new();
    let targets: Vec<_> = (1..=TARGETS).map(lab::v4).collect();
    lab.add(&targets);
    accept(&lab);
    let names = configuration::names(1);
    let provider = Cloudflare::start(lab.agent(0), &names, &targets);
    let guards = format!(
        "port = {PORT}\ncanaries = [\"{}\"]\nmin_in_service = 1",
        lab::link_v4(Place::World)
    );
    let config = configuration::toml(&targets, &names, &provider.url(), &guards);
    let mut agent = Setup::new(&config, Within::Lab(lab.agent(0)))
        .args(["--no-dry-run", "--type", "tcp", "monitor"])
        .env("CF_API_TOKEN", TOKEN)
        .env("RUST_LOG", "info,goavail::agent::observers::log=debug")
        .start();
    for _ in &targets {
        agent.wait_for(|line| line.has(&["target confirmed up"]), PATIENT);
    }
    std::thread::sleep(Duration::from_secs(2));
    let used = process::watch(agent.pid(), scope.pick(8, 40) * Duration::from_secs(1));
    let row = vec![
        format!("goavail {TARGETS}"),
        format!("{:.1} µs", used.micros_each(used.connects)),
        format!("{:.4}", used.core()),
        format!("{:.0}", used.wakeups_a_second()),
        format!("{:.1} MiB", process::peak_mebibytes(agent.pid())),
        used.connects.to_string(),
        agent.lines_with(&["probe lost"]).len().to_string(),
    ];
    let columns = ["", "CPU a probe", "of a core", "wake-ups/s", "peak memory", "probes", "lost"];
    table::print(&columns, &[row]);
    println!("\n   target: nothing lost");
}

/// Accepts at every address of the world for as long as this program runs, and hangs up.
fn accept(lab: &Lab) {
    let listener = lab.world().run(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)));
    let listener = listener.expect("nobody else is in the world");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            drop(stream);
        }
    });
}
