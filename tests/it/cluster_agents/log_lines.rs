//! Lines in the logs of the agents of a cluster.

use std::net::IpAddr;

use super::harness::{PATIENT, name};
use crate::agent::{Agent, Line};

/// `target=address`, so that one address is not taken for a longer one.
pub(crate) fn about(target: IpAddr) -> String {
    format!("target={target} ")
}

/// `peer=name`, at the end of a log line or before its next field.
fn of_peer(line: &Line, peer: usize) -> bool {
    let words = format!("peer={}", name(peer));
    line.text.split(' ').any(|word| word == words)
}

/// The first line on standard error that holds all of `words`, waited for if need be.
pub(crate) fn first(agent: &mut Agent, words: &[&str]) -> Line {
    if let Some(line) = agent.lines_with(words).first() {
        return line.clone();
    }
    agent.wait_for(|line| line.has(words), PATIENT)
}

/// The next line that holds all of `words`, after those that were waited for before.
pub(crate) fn next(agent: &mut Agent, words: &[&str]) -> Line {
    agent.wait_for(|line| line.has(words), PATIENT)
}

/// How many lines hold all of `words`.
pub(crate) fn count(agent: &mut Agent, words: &[&str]) -> usize {
    agent.lines_with(words).len()
}

/// Waits until `agent` has said at least once that `peer` is alive.
pub(crate) fn alive(agent: &mut Agent, peer: usize) {
    let said = |line: &Line| line.has(&["peer is alive"]) && of_peer(line, peer);
    if !agent.lines_with(&["peer is alive"]).iter().any(said) {
        agent.wait_for(said, PATIENT);
    }
}

/// Waits until `agent` says that `peer` is gone, from now on.
pub(crate) fn gone(agent: &mut Agent, peer: usize) -> Line {
    agent.wait_for(|line| line.has(&["peer is gone"]) && of_peer(line, peer), PATIENT)
}

/// Waits until `agent` says that `peer` is alive, from now on.
pub(crate) fn back(agent: &mut Agent, peer: usize) -> Line {
    agent.wait_for(|line| line.has(&["peer is alive"]) && of_peer(line, peer), PATIENT)
}

/// Which of `agents` say that they withdrew `target`: the place of each, once for each time.
pub(crate) fn withdrawn_by(agents: &mut [Agent], target: IpAddr) -> Vec<usize> {
    let did = |agent: &mut Agent| count(agent, &["withdrew", &about(target)]);
    let each = agents.iter_mut().enumerate();
    each.flat_map(|(index, agent)| std::iter::repeat_n(index, did(agent))).collect()
}
