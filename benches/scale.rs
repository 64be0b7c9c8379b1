//! Many addresses at one probe a second each, beside `fping`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::process::{Command, Stdio};
use std::time::Duration;

use goavail::testing::engine::phase;

use crate::Scope;
use crate::agent::{PATIENT, Setup, Within};
use crate::fake_cloudflare::TOKEN;
use crate::kit::capture::{Capture, Seen};
use crate::kit::process::{self, Use};
use crate::kit::provider::Cloudflare;
use crate::kit::{configuration, table};
use crate::lab::{self, Lab, Place};

/// How many addresses, and how `fping` is asked to do the same, where it can: above about 5,000 it
/// runs out of sequence numbers.
const SIZES: [(u32, &[Manner]); 4] = [
    (100, &[Manner::Burst, Manner::Spread]),
    (1000, &[Manner::Burst, Manner::Spread]),
    (5000, &[Manner::Burst]),
    (10_000, &[]),
];

/// The settings of `burst` that are compared: the default, and the one for machines on
/// which waking up is dear.
const BURSTS: [usize; 2] = [1, 200];

/// When `fping` sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// All at once, the cheapest setting: it wakes up once a second.
    Burst,
    /// One by one, evenly over the interval: it wakes up for each.
    Spread,
}

/// Between probes of one address.
const INTERVAL: Duration = Duration::from_secs(1);

/// The result of one run.
struct Row {
    what: String,
    used: Use,
    peak: f64,
    lost: u64,
    departures: Option<Departures>,
}

/// When probes left.
struct Departures {
    /// How much later than the schedule has it.
    median: Duration,
    p99: Duration,
    worst: Duration,
    /// The most within one millisecond.
    at_once: usize,
}

pub(crate) fn run(scope: Scope) {
    table::heading("scale: addresses probed once a second, one process");
    let lab = Lab::new();
    let most = SIZES.iter().map(|(count, _)| *count).max().unwrap_or_default();
    let all: Vec<_> = (1..=most).map(lab::v4).collect();
    lab.add(&all);
    let mut rows = Vec::new();
    let mut costs = BURSTS.map(|_| Vec::new());
    for (count, manners) in SIZES {
        let targets = &all[..count as usize];
        let ours = BURSTS.map(|burst| goavail(&lab, targets, burst, scope));
        for (costs, row) in costs.iter_mut().zip(&ours) {
            costs.push(row.cost());
            rows.push(in_words(row, &[]));
        }
        let peers = manners.iter().filter_map(|manner| fping(&lab, targets, *manner, scope));
        rows.extend(peers.map(|peer| in_words(&peer, &ours)));
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
        "at once",
    ];
    table::print(&columns, &rows);
    println!(
        "\n   targets: at 5,000 at most 1.5 of fping's CPU; at 10,000 at most 0.2 of a core and 60 MiB;\n   \
         nothing lost; late p99 at most 10 ms; with bursts, a probe's cost flat within 20 %.\n   \
         \"late\": after the schedule, counted from the most punctual probe of all, by the kernel's\n   \
         time stamps. \"at once\": the most probes that left within a millisecond."
    );
    println!();
    for (burst, costs) in BURSTS.iter().zip(&costs) {
        println!("   flat: {} with burst = {burst}", flatness(costs));
    }
}

/// How far the cost of a probe depends on how many there are.
fn flatness(costs: &[f64]) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let mean = costs.iter().sum::<f64>() / costs.len() as f64;
    let [least, most] = [0.0, 1.0].map(|part| table::quantile(costs, part));
    let percent = |cost: f64| (cost / mean - 1.0) * 100.0;
    format!(
        "{least:.1} to {most:.1} µs a probe, {:+.0} to {:+.0} % of the mean of all sizes, {mean:.1} µs,",
        percent(least),
        percent(most)
    )
}

impl Row {
    /// Microseconds of one core for each probe.
    fn cost(&self) -> f64 {
        self.used.micros_each(self.used.sent)
    }
}

/// A row of the table; a peer's with how much of its cost each of ours has.
fn in_words(row: &Row, ours: &[Row]) -> Vec<String> {
    let ratios = ours.iter().map(|ours| format!("{:.2}", ours.cost() / row.cost()));
    let left =
        |say: fn(&Departures) -> String| row.departures.as_ref().map_or_else(String::new, say);
    vec![
        row.what.clone(),
        format!("{:.1} µs", row.cost()),
        ratios.collect::<Vec<_>>().join(", "),
        format!("{:.4}", row.used.core()),
        format!("{:.0}", row.used.wakeups_a_second()),
        format!("{:.1} MiB", row.peak),
        row.used.sent.to_string(),
        row.lost.to_string(),
        left(|left| table::ms(left.median)),
        left(|left| table::ms(left.p99)),
        left(|left| table::ms(left.worst)),
        left(|left| left.at_once.to_string()),
    ]
}

fn goavail(lab: &Lab, targets: &[IpAddr], burst: usize, scope: Scope) -> Row {
    let names = configuration::names(1);
    let provider = Cloudflare::start(lab.agent(0), &names, targets);
    let canary = lab::link_v4(Place::World);
    let more = format!("canaries = [\"{canary}\"]\nmin_in_service = 1\nburst = {burst}");
    let config = configuration::toml(targets, &names, &provider.url(), &more);
    let mut agent = Setup::new(&config, Within::Lab(lab.agent(0)))
        .args(["--no-dry-run", "monitor"])
        .env("CF_API_TOKEN", TOKEN)
        // Losses are told at this level, replies below it.
        .env("RUST_LOG", "info,goavail::agent::observers::log=debug")
        .start();
    for _ in targets {
        agent.wait_for(|line| line.has(&["target confirmed up"]), PATIENT);
    }
    // The effects of the confirmations are over by then.
    std::thread::sleep(Duration::from_secs(2));
    let used = process::watch(agent.pid(), scope.pick(6, 40) * INTERVAL);
    let peak = process::peak_mebibytes(agent.pid());
    let capture = Capture::start(lab.agent(0));
    std::thread::sleep(scope.pick(3, 20) * INTERVAL);
    let seen = capture.stop();
    let lost = agent.lines_with(&["probe lost"]).len() as u64;
    let departures = Some(departures(targets, burst, &seen));
    let writes = provider.fake.count(crate::fake_cloudflare::Entry::writes);
    assert_eq!(writes, 0, "nothing died, and nothing is to be written");
    Row {
        what: format!("goavail {}, burst = {burst}", targets.len()),
        used,
        peak,
        lost,
        departures,
    }
}

/// How late each request was against the schedule, and how many left at once.
fn departures(targets: &[IpAddr], burst: usize, seen: &[Seen]) -> Departures {
    let burst = NonZeroUsize::new(burst).expect("at least one");
    let places: HashMap<IpAddr, usize> = targets.iter().copied().zip(0..).collect();
    let interval = i64::try_from(INTERVAL.as_nanos()).expect("short");
    // Where in the interval the schedule began, by this request.
    let begins = |seen: &Seen| {
        let place = places.get(&seen.target.into()).filter(|_| !seen.reply)?;
        let begin = seen.at.checked_sub(phase(INTERVAL, burst, *place, targets.len()))?;
        let begin = begin.as_nanos() % INTERVAL.as_nanos();
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
    Departures { median, p99, worst, at_once: most_within(Duration::from_millis(1), seen) }
}

/// The most requests within any stretch of this length.
fn most_within(stretch: Duration, seen: &[Seen]) -> usize {
    let mut sent: Vec<_> = seen.iter().filter(|seen| !seen.reply).map(|seen| seen.at).collect();
    sent.sort();
    let within = |from: usize| sent[from..].partition_point(|at| *at < sent[from] + stretch);
    (0..sent.len()).map(within).max().unwrap_or_default()
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
    Some(Row { what, used, peak, lost, departures: None })
}
