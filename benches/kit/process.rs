//! The resources used by a running process, and the traffic of its network namespace.

use std::fs;
use std::time::{Duration, Instant};

/// The use and the traffic up to a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    at: Instant,
    cpu: Duration,
    wakeups: u64,
    sent: u64,
    heard: u64,
    connects: u64,
}

/// The use and the traffic between two readings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Use {
    /// On the clock.
    pub(crate) lasted: Duration,
    /// Of the processor, by all threads of the process, in user mode and in the kernel.
    pub(crate) cpu: Duration,
    /// How often a thread of it had waited and went on.
    pub(crate) wakeups: u64,
    /// Echo requests that left the namespace.
    pub(crate) sent: u64,
    /// Echo replies that came in.
    pub(crate) heard: u64,
    /// Connections that were opened from there.
    pub(crate) connects: u64,
}

impl Use {
    /// The part of one core.
    pub(crate) fn core(&self) -> f64 {
        self.cpu.as_secs_f64() / self.lasted.as_secs_f64()
    }

    /// Microseconds of one core for each of `probes`.
    pub(crate) fn micros_each(&self, probes: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let probes = probes.max(1) as f64;
        self.cpu.as_secs_f64() * 1e6 / probes
    }

    /// How often a second it woke up.
    pub(crate) fn wakeups_a_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let wakeups = self.wakeups as f64;
        wakeups / self.lasted.as_secs_f64()
    }
}

/// Reads the use of the process `pid`.
pub(crate) fn read(pid: u32) -> Reading {
    let mut cpu = Duration::ZERO;
    let mut wakeups = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).expect("it runs").flatten() {
        // A thread may end between the listing and here.
        let ran = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        let nanos = ran.split_whitespace().next().and_then(|word| word.parse().ok());
        cpu += Duration::from_nanos(nanos.unwrap_or_default());
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        wakeups += after(&status, "voluntary_ctxt_switches:");
    }
    let counts = fs::read_to_string(format!("/proc/{pid}/net/snmp")).expect("it runs");
    Reading {
        at: Instant::now(),
        cpu,
        wakeups,
        sent: counter(&counts, "Icmp", "OutEchos"),
        heard: counter(&counts, "Icmp", "InEchoReps"),
        connects: counter(&counts, "Tcp", "ActiveOpens"),
    }
}

/// The use between two readings of one process.
pub(crate) fn between(before: Reading, after: Reading) -> Use {
    Use {
        lasted: after.at - before.at,
        cpu: after.cpu.saturating_sub(before.cpu),
        wakeups: after.wakeups - before.wakeups,
        sent: after.sent - before.sent,
        heard: after.heard - before.heard,
        connects: after.connects - before.connects,
    }
}

/// The use of the process `pid` within `window`.
pub(crate) fn watch(pid: u32, window: Duration) -> Use {
    let before = read(pid);
    std::thread::sleep(window);
    between(before, read(pid))
}

/// The most memory that the process ever held, in mebibytes.
pub(crate) fn peak_mebibytes(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let kibibytes = u32::try_from(after(&status, "VmHWM:")).expect("less than 4 TiB");
    f64::from(kibibytes) / 1024.0
}

/// The machine's load average over a minute.
pub(crate) fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").expect("there is a /proc");
    load.split(' ').next().unwrap_or_default().to_owned()
}

/// The number after `key`, which begins a line.
fn after(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let word = line.and_then(|rest| rest.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or_default()
}

/// A counter of `/proc/net/snmp`: two lines for each protocol, names and then numbers.
fn counter(snmp: &str, protocol: &str, name: &str) -> u64 {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix(protocol)?.strip_prefix(": "));
    let (names, numbers) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let mut pairs = names.split(' ').zip(numbers.split(' '));
    let number = pairs.find(|(key, _)| *key == name).and_then(|(_, number)| number.parse().ok());
    number.unwrap_or_else(|| panic!("the kernel counts no {protocol} {name}"))
}
