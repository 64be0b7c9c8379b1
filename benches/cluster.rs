//! The cost of a cluster, and its delay compared with a single agent, with whole agents in
//! private network namespaces:
//!
//! ```text
//! cargo bench --bench cluster              # about four minutes
//! cargo bench --bench cluster -- verdict   # or `traffic`: one of the two
//! ```
//!
//! *Verdict*: from an address's last possible reply to the first writing request, with 1, 3, 5, 7
//! and 9 agents, a majority of them must agree, all of them running at once and asked in turn, so
//! that each size meets the same machine. *Fan-out*: from an agent's flip until the last of its peers
//! has heard its vote. *Traffic*: the bytes on an idle agent's link, less the ones of a single agent with the
//! same targets sends and hears.
//!
//! Needs root, or `unshare --user --map-root-user --net` around it, and the tools of the lab.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::print_stderr, reason = "what cannot be measured is said loudly")]

/// The tests' own tools.
#[path = "../tests/it"]
#[expect(dead_code, unused_imports, reason = "the bench needs a part of them")]
mod it {
    pub(crate) mod agent;
    pub(crate) mod fake_cloudflare;
    #[path = "cluster_agents/harness.rs"]
    pub(crate) mod harness;
    pub(crate) mod lab;
    #[path = "cluster_agents/log_lines.rs"]
    pub(crate) mod log_lines;
}

/// The part of the tests' contract suite that the fake Cloudflare needs, for faults that no bench uses.
mod contract {
    use tokio::sync::oneshot;

    /// Tells when a fault has met its request.
    pub(crate) struct FaultSignal(
        #[expect(dead_code, reason = "nobody waits")] oneshot::Receiver<()>,
    );

    impl FaultSignal {
        /// Both ends of the link.
        pub(crate) fn pair() -> (oneshot::Sender<()>, Self) {
            let (sender, receiver) = oneshot::channel();
            (sender, Self(receiver))
        }
    }
}

use std::net::IpAddr;
use std::process::{Command, ExitCode};
use std::time::Duration;

use it::harness::{self, Harness, Members, about, cloudflare_section, first, name};
use it::{agent, fake_cloudflare, lab};

use agent::Agent;

/// How many agents.
const SIZES: [usize; 5] = [1, 3, 5, 7, 9];

/// Addresses that die, in each cluster.
const KILLS: u32 = 20;

/// The settings for which the time of a failover is promised.
const PACE: &str = "interval = 1\ntimeout = 0.5\nretry_interval = 0.2\nfailure_threshold = 3\n";

/// Targets of an idle agent.
const IDLE_TARGETS: u32 = 10;

/// For how long an idle agent's link is watched.
const WINDOW: Duration = Duration::from_mins(1);

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| word == name);
    if words.iter().any(|word| word == "--list") {
        return ExitCode::SUCCESS;
    }
    let may = Command::new("unshare").args(["--net", "true"]).status();
    if !may.is_ok_and(|status| status.success()) {
        eprintln!("no right to make network namespaces; run as root");
        return ExitCode::FAILURE;
    }
    if wanted("verdict") {
        verdicts();
    }
    if wanted("traffic") {
        traffic();
    }
    ExitCode::SUCCESS
}

/// A running cluster of one size.
struct Cluster {
    harness: Harness,
    agents: Vec<Agent>,
    targets: Vec<IpAddr>,
}

impl Cluster {
    fn start(size: usize, targets: u32, top: &str) -> Self {
        let targets: Vec<_> = (1..=targets).map(lab::v4).collect();
        let harness = Harness::new(size, &targets);
        let members =
            Members { min: size / 2, top: top.to_owned(), ..Members::new(size, &targets) };
        let start = |index| {
            let config = if size == 1 {
                format!("{top}{}", cloudflare_section(&targets))
            } else {
                members.config(name(index))
            };
            let votes = "info,goavail::cluster::listener=debug";
            harness.setup(index, &config).env("RUST_LOG", votes).start()
        };
        let mut agents: Vec<_> = (0..size).map(start).collect();
        for (index, agent) in agents.iter_mut().enumerate() {
            for target in &targets {
                first(agent, &["confirmed up", &about(*target)]);
            }
            for peer in (0..size).filter(|&peer| peer != index) {
                harness::alive(agent, peer);
            }
        }
        Self { harness, agents, targets }
    }

    /// Kills the `number`-th target; how long until the first writing request.
    fn kill(&self, number: usize) -> Duration {
        let cut = self.harness.lab.remove(&[self.targets[number]]);
        self.harness.until_written(number + 1).arrived - cut.before
    }

    /// How long each agent's vote on the death of the `number`-th target took to all of its peers.
    fn fan_outs(&mut self, number: usize) -> Vec<Duration> {
        let target = about(self.targets[number]);
        let flips: Vec<_> = self
            .agents
            .iter_mut()
            .map(|agent| first(agent, &["target down", &target]).at)
            .collect();
        let size = self.agents.len();
        let heard = |agent: &mut Agent, voter: usize| {
            let voter = format!("peer={} ", name(voter));
            first(agent, &["vote received", &voter, &target, "vote=Down"]).at
        };
        let mut last = |voter: usize| {
            let peers = (0..size).filter(|&peer| peer != voter);
            let heard = peers.map(|peer| heard(&mut self.agents[peer], voter));
            heard.max().map(|last| last.saturating_duration_since(flips[voter]))
        };
        (0..size).filter_map(&mut last).collect()
    }
}

fn verdicts() {
    println!("\n== verdict: {KILLS} deaths for each size, {}", PACE.trim_end().replace('\n', ", "));
    println!("   (load average {})\n", load());
    let mut clusters: Vec<_> =
        SIZES.iter().map(|&size| Cluster::start(size, KILLS, PACE)).collect();
    let mut times = vec![Vec::new(); SIZES.len()];
    let mut fan_outs = vec![Vec::new(); SIZES.len()];
    for number in 0..usize::try_from(KILLS).expect("few") {
        for (place, cluster) in clusters.iter_mut().enumerate() {
            times[place].push(cluster.kill(number));
            fan_outs[place].extend(cluster.fan_outs(number));
            // Each death falls into another part of the second between two probes.
            let part = (number * SIZES.len() + place) % 10;
            std::thread::sleep(Duration::from_millis(97 * u64::try_from(part).expect("few")));
        }
    }
    println!("   agents  must agree  median s  worst s  to one agent  fan-out median ms  worst ms");
    let alone = median(&mut times[0]).as_secs_f64();
    for (place, size) in SIZES.iter().enumerate() {
        let (time, worst) = (median(&mut times[place]), times[place].iter().max().expect("some"));
        let fan_out = match fan_outs[place].iter().max().copied() {
            Some(worst) => {
                let middle = median(&mut fan_outs[place]);
                format!("{:>17.1}  {:>8.1}", milliseconds(middle), milliseconds(worst))
            }
            None => format!("{:>17}  {:>8}", "-", "-"),
        };
        println!(
            "   {size:>6}  {:>10}  {:>8.3}  {:>7.3}  {:>12.2}  {fan_out}",
            size / 2 + 1,
            time.as_secs_f64(),
            worst.as_secs_f64(),
            time.as_secs_f64() / alone,
        );
    }
    let written = clusters.iter().zip(SIZES).map(|(cluster, size)| {
        let refused = cluster.harness.writes().len() - usize::try_from(KILLS).expect("few");
        format!("{refused} with {size}")
    });
    let refused = written.collect::<Vec<_>>().join(", ");
    println!("\n   requests refused as another agent had done it: {refused}");
}

fn traffic() {
    let seconds = WINDOW.as_secs();
    println!("\n== traffic: {IDLE_TARGETS} targets that live, each agent's link for {seconds} s");
    println!("   (load average {})\n", load());
    let sizes = [1, 3, 7];
    let clusters = sizes.map(|size| Cluster::start(size, IDLE_TARGETS, PACE));
    // The traffic of the start passes.
    std::thread::sleep(Duration::from_secs(15));
    let before = clusters.each_ref().map(bytes);
    std::thread::sleep(WINDOW);
    let after = clusters.each_ref().map(bytes);
    println!("   agents  bytes per agent and hour  of these for the cluster");
    let hours = WINDOW.as_secs_f64() / 3600.0;
    let mut alone = 0.0;
    for (place, size) in sizes.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let each = (after[place] - before[place]) as f64 / *size as f64 / hours;
        alone = if *size == 1 { each } else { alone };
        println!("   {size:>6}  {each:>24.0}  {:>24.0}", each - alone);
    }
}

/// The traffic on the links of all agents so far, both ways.
fn bytes(cluster: &Cluster) -> u64 {
    let of = |index: usize| {
        let table = cluster.harness.lab.agent(index).output("cat", &["/proc/net/dev"]);
        let line = table.lines().find_map(|line| line.trim_start().strip_prefix("eth0:"));
        let fields: Vec<u64> = line
            .expect("an agent has a link")
            .split_whitespace()
            .map(|field| field.parse().expect("a count"))
            .collect();
        // Bytes received are the first field, bytes sent the ninth.
        fields[0] + fields[8]
    };
    (0..cluster.agents.len()).map(of).sum()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").expect("there is a /proc");
    load.split(' ').next().unwrap_or_default().to_owned()
}
