//! Many addresses at one probe a second each, beside `fping`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Scope;
use crate::agent::{PATIENT, Setup, Within};
use crate::fake_cloudflare::TOKEN;
use crate::kit::capture::{Capture, Seen};
use crate::kit::process::{self, Use};
use crate::kit::provider::Provider;
use crate::kit::{configuration, table};
use crate::lab::{self, Lab, Place};

/// How many addresses, and how `fping` is asked to do the same, where it can: above about 5,000 it
/// runs out of sequence numbers.
const SIZES: [(u32, &[Manner]); 4] = [
    (100, &[Manner::Spread]),
    (1000, &[Manner::Spread, Manner::Burst]),
    (5000, &[Manner::Burst]),
    (10_000, &[]),
];

/// When `fping` sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// All at once, which is what costs it least: it wakes up once a second.
    Burst,
    /// Evenly over the interval, as goavail does.
    Spread,
}

/// Between probes of one address.
const INTERVAL: Duration = Duration::from_secs(1);

/// What one run came to.
struct Row {
    what: String,
    used: Use,
    peak: f64,
    lost: u64,
    late: Option<Lateness>,
}

/// How much later than an even spread over the interval probes left.
struct Lateness {
    median: Duration,
    p99: Duration,
    worst: Duration,
}

pub(crate) fn run(scope: Scope) {
    table::heading("scale: addresses probed once a second, one process");
    let lab = Lab::new();
    let most = SIZES.iter().map(|(count, _)| *count).max().unwrap_or_default();
    let all: Vec<_> = (1..=most).map(lab::v4).collect();
    lab.add(&all);
    let mut rows = Vec::new();
    for (count, manners) in SIZES {
        let targets = &all[..count as usize];
        let ours = goavail(&lab, targets, scope);
        rows.push(in_words(&ours, None));
        let peers = manners.iter().filter_map(|manner| fping(&lab, targets, *manner, scope));
        rows.extend(peers.map(|peer| in_words(&peer, Some(&ours))));
    }
    let columns = [
        "",
        "CPU a probe",
        "goavail to it",
        "of a core",
        "wake-ups/s",
        "peak memory",
        "probes",
        "lost",
        "late p50",
        "late p99",
        "latest",
    ];
    table::print(&columns, &rows);
    println!(
        "\n   targets: at 5,000 at most 1.5 of fping's CPU; at 10,000 at most 0.2 of a core and 60 MiB;\n   \
         nothing lost; late p99 at most 10 ms. \"late\": after an even spread over the interval,\n   \
         counted from the most punctual probe of all, by the kernel's time stamps."
    );
}

fn in_words(row: &Row, ours: Option<&Row>) -> Vec<String> {
    let each = |row: &Row| row.used.micros_each(row.used.sent);
    let ratio = ours.map_or_else(String::new, |ours| format!("{:.2}", each(ours) / each(row)));
    let late = |pick: fn(&Lateness) -> Duration| {
        row.late.as_ref().map_or_else(String::new, |late| table::ms(pick(late)))
    };
    vec![
        row.what.clone(),
        format!("{:.1} µs", each(row)),
        ratio,
        format!("{:.4}", row.used.core()),
        format!("{:.0}", row.used.wakeups_a_second()),
        format!("{:.1} MiB", row.peak),
        row.used.sent.to_string(),
        row.lost.to_string(),
        late(|late| late.median),
        late(|late| late.p99),
        late(|late| late.worst),
    ]
}

fn goavail(lab: &Lab, targets: &[IpAddr], scope: Scope) -> Row {
    let names = configuration::names(1);
    let provider = Provider::start(lab.agent(0), &names, targets);
    let guards = format!("canaries = [\"{}\"]\nmin_in_service = 1", lab::link_v4(Place::World));
    let config = configuration::toml(targets, &names, &provider.url(), &guards);
    let mut agent = Setup::new(&config, Within::Lab(lab.agent(0)))
        .args(["--no-dry-run", "monitor"])
        .env("CF_API_TOKEN", TOKEN)
        // Losses are told at this level, replies below it.
        .env("RUST_LOG", "info,goavail::driver::journal=debug")
        .start();
    for _ in targets {
        agent.wait_for(|line| line.has(&["target confirmed up"]), PATIENT);
    }
    // What the confirmations led to is over by then.
    std::thread::sleep(Duration::from_secs(2));
    let used = process::watch(agent.pid(), scope.pick(6, 40) * INTERVAL);
    let peak = process::peak_mebibytes(agent.pid());
    let capture = Capture::start(lab.agent(0));
    std::thread::sleep(scope.pick(3, 20) * INTERVAL);
    let seen = capture.stop();
    let lost = agent.lines_with(&["probe lost"]).len() as u64;
    let late = lateness(targets, &seen);
    let writes = provider.fake.count(crate::fake_cloudflare::Entry::writes);
    assert_eq!(writes, 0, "nothing died, and nothing is to be written");
    Row { what: format!("goavail {}", targets.len()), used, peak, lost, late: Some(late) }
}

/// How late each request was against an even spread of the targets over the interval.
fn lateness(targets: &[IpAddr], seen: &[Seen]) -> Lateness {
    let count = u32::try_from(targets.len()).expect("few");
    let places: HashMap<IpAddr, u32> = targets.iter().copied().zip(0..).collect();
    let interval = i64::try_from(INTERVAL.as_nanos()).expect("short");
    // Where in the interval the schedule began, by this request.
    let begins = |seen: &Seen| {
        let place = places.get(&seen.target.into()).filter(|_| !seen.reply)?;
        let phase = INTERVAL.mul_f64(f64::from(*place) / f64::from(count));
        let begin = seen.at.checked_sub(phase)?.as_nanos() % INTERVAL.as_nanos();
        i64::try_from(begin).ok()
    };
    let begins: Vec<_> = seen.iter().filter_map(begins).collect();
    let some = begins.first().copied().expect("probes were captured");
    let half = interval / 2;
    let around = |begin: i64| (begin - some + half).rem_euclid(interval) - half;
    let first = begins.iter().map(|begin| around(*begin)).min().unwrap_or_default();
    let late: Vec<_> = begins
        .iter()
        .map(|begin| Duration::from_nanos((around(*begin) - first).unsigned_abs()))
        .collect();
    let [median, p99, worst] = [0.5, 0.99, 1.0].map(|part| table::quantile(&late, part));
    Lateness { median, p99, worst }
}

/// The same addresses at the same pace with `fping`, if it is here.
fn fping(lab: &Lab, targets: &[IpAddr], manner: Manner, scope: Scope) -> Option<Row> {
    if Command::new("fping").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("SKIPPED: fping is not installed, so nothing stands beside goavail");
        return None;
    }
    let addresses = tempfile::NamedTempFile::new().expect("a scratch file");
    let lines = targets.iter().fold(String::new(), |mut text, address| {
        let _ = writeln!(text, "{address}");
        text
    });
    std::fs::write(addresses.path(), lines).expect("the scratch file is writable");
    // Milliseconds between one address and the next.
    let gap = match manner {
        Manner::Burst => 0,
        Manner::Spread => INTERVAL.as_millis() / targets.len() as u128,
    };
    let mut child = lab
        .agent(0)
        .command("fping")
        .args(["-l", "-q", "-p", "1000", "-i", &gap.to_string(), "-f"])
        .arg(addresses.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nsenter starts");
    std::thread::sleep(Duration::from_secs(2));
    let used = process::watch(child.id(), scope.pick(6, 40) * INTERVAL);
    let peak = process::peak_mebibytes(child.id());
    // Both may fail only if it has ended, and then it is not there to be ended.
    let _ = child.kill();
    let _ = child.wait();
    let lost = used.sent.saturating_sub(used.heard);
    let manner = if manner == Manner::Burst { "in one burst" } else { "spread" };
    let what = format!("  fping {} {manner}", targets.len());
    Some(Row { what, used, peak, lost, late: None })
}
