//! Detection of two processes that use the same `local_addr`.
//!
//! A peer that is restarted changes to a new process once. With two running processes, datagrams of
//! both arrive in turn, so the peer seems to return to a process that was already replaced.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// Number of returns within [`WINDOW`] that late datagrams cannot explain.
const MIN_RETURNS: usize = 3;

/// Period for which a return counts.
const WINDOW: Duration = Duration::from_mins(1);

/// Time without a return after which duplicates are reported again.
const REPORT_AGAIN_AFTER: Duration = Duration::from_hours(1);

/// The processes of each peer.
#[derive(Debug, Default)]
pub(super) struct DuplicateDetector(BTreeMap<SocketAddr, Processes>);

/// The processes of one peer, by their start times.
#[derive(Debug)]
struct Processes {
    now: u64,
    before: Option<u64>,
    /// Times of the returns to the process before, the newest last.
    returns: VecDeque<Duration>,
    reported: bool,
}

impl DuplicateDetector {
    /// Records that a datagram of `peer` was received, from its process that started at `start`.
    /// Returns whether a second process has just been detected.
    pub(super) fn received_from(&mut self, now: Duration, peer: SocketAddr, start: u64) -> bool {
        let first =
            Processes { now: start, before: None, returns: VecDeque::new(), reported: false };
        let processes = self.0.entry(peer).or_insert(first);
        if processes.now == start {
            return false;
        }
        let returned = processes.before == Some(start);
        processes.before = Some(std::mem::replace(&mut processes.now, start));
        if !returned {
            return false;
        }
        if let Some(last) = processes.returns.back()
            && now.saturating_sub(*last) >= REPORT_AGAIN_AFTER
        {
            processes.reported = false;
        }
        processes.returns.push_back(now);
        while processes.returns.len() > MIN_RETURNS {
            processes.returns.pop_front();
        }
        let many = processes.returns.len() == MIN_RETURNS;
        let first = processes.returns.front().copied().unwrap_or(now);
        let two = many && now.saturating_sub(first) < WINDOW;
        two && !std::mem::replace(&mut processes.reported, true)
    }

    /// Forgets all peers except these.
    pub(super) fn keep(&mut self, keep: impl Fn(&SocketAddr) -> bool) {
        self.0.retain(|peer, _| keep(peer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_in_turn_are_reported_once_and_restarts_and_late_datagrams_are_not() {
        type Case = (&'static str, Vec<(u64, u64)>, Vec<u64>);

        let in_turn: Vec<(u64, u64)> = (0..60).map(|n| (n * 5, 1 + n % 2)).collect();
        let again: Vec<(u64, u64)> =
            in_turn.iter().map(|(at, start)| (at + 7200, *start)).collect();
        let cases: [Case; 6] = [
            ("one", (0..60).map(|n| (n, 1)).collect(), vec![]),
            ("restarts all the time", (0..60).map(|n| (n, n)).collect(), vec![]),
            ("one late datagram at a restart", vec![(0, 1), (1, 2), (1, 1), (1, 2)], vec![]),
            ("seldom", (0..60).map(|n| (n * 31, 1 + n % 2)).collect(), vec![]),
            ("in turn", in_turn.clone(), vec![20]),
            ("again after hours", [in_turn, again].concat(), vec![20, 7210]),
        ];
        for (name, heard, want) in cases {
            let mut duplicates = DuplicateDetector::default();
            let peer = SocketAddr::from(([10, 0, 0, 1], 8081));
            let reported = heard.into_iter().filter(|&(at, start)| {
                duplicates.received_from(Duration::from_secs(at), peer, start)
            });
            assert_eq!(reported.map(|(at, _)| at).collect::<Vec<_>>(), want, "{name}");
        }
    }
}
