//! The evidence of the guards in words and numbers.

use std::net::SocketAddr;

use super::Explained;
use crate::engine::drain::Drain;
pub(super) use crate::engine::explanation::span;
use crate::engine::health::evidence::term;
use crate::engine::moment::Moment;
use crate::engine::service::alike::Likeness;
use crate::engine::service::decision::QUORUM_GRACE;
use crate::engine::service::max_out::OutStage;
use crate::engine::service::returns::ReturnView;
use crate::engine::service::verdict::Ruling;
use crate::engine::types::{Method, Vote};

impl Explained<'_> {
    /// Describes a drain: `drained for another 1 h 58 min (--force): disk swap`.
    pub(super) fn drain_in_words(&self, drain: &Drain) -> String {
        let end = drain.until.map(|until| until.since(self.now()));
        let end = end.map_or_else(
            || "until it is undrained".to_owned(),
            |left| format!("for another {}", span(left)),
        );
        let force = if drain.forced { " (--force)" } else { "" };
        let reason = drain.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        format!("drained {end}{force}{reason}")
    }

    /// Whether the wrong answers of the target are compared with those of others.
    pub(super) fn compares(&self) -> bool {
        let mut checks = self.service.settings.checks.iter().filter(|it| it.counts);
        let requests = checks.any(|it| matches!(it.check.method, Method::Request(_)));
        requests && self.service.settings.standby.probed(self.service.by_address.len()) > 1
    }

    /// Describes the comparison of wrong answers.
    pub(super) fn alike_in_words(&self) -> String {
        match &self.inputs.likeness {
            Likeness::Yes(kind) => format!("no target answers otherwise: {kind}"),
            Likeness::Unknown => {
                let awaited = self.service.alike.awaited().map(|at| at.since(self.now()));
                let left = awaited.map(|left| format!(", for {} at most", span(left)));
                let left = left.unwrap_or_default();
                format!("it answers wrongly; the answers of the other targets are awaited{left}")
            }
            Likeness::No if !self.compares() => {
                "its checks give no answer to compare, or it is the only target".to_owned()
            }
            Likeness::No => "not down by a wrong answer that all targets give".to_owned(),
        }
    }

    /// Describes the age of the evidence: `newest evidence 0.4 s old, counts for 10 s`.
    pub(super) fn evidence_in_words(&self) -> String {
        let counts = span(term(self.service.settings.longest_interval()));
        match self.its.proof {
            Some(at) => {
                let age = span(self.now().since(at));
                format!("newest evidence {age} old, counts for {counts}")
            }
            None => format!("no evidence for its health; a probe counts for {counts}"),
        }
    }

    /// Describes the votes: `1 of 2 peers say down, 0 say up; 2 must agree`.
    pub(super) fn votes_in_words(&self, vote: Vote, needed: usize) -> String {
        let (mut agree, mut contrary, mut peers) = (0, 0, 0);
        for standing in self.outside.peers.standings(self.name(), self.now()) {
            peers += 1;
            agree += usize::from(standing.vote.is_some_and(|(its, _)| its == vote));
            contrary += usize::from(standing.vote.is_some_and(|(its, _)| its != vote));
        }
        let [ours, theirs] = match vote {
            Vote::Up => ["up", "down"],
            Vote::Down => ["down", "up"],
        };
        let more = match &self.ruling {
            Ruling::Refuse(..) if self.is_early() => "; peers are given 5 s before this is said",
            _ => "",
        };
        format!(
            "{agree} of {peers} peers say {ours}, {contrary} {theirs}; {needed} must agree{more}"
        )
    }

    fn name(&self) -> crate::engine::ids::TargetRef {
        self.service.target_ref(self.target.address)
    }

    /// Returns the time at which a missing agreement is reported.
    pub(super) fn grace_ends(&self) -> Option<Moment> {
        let ends = self.target.verdict.refused_since.map(|since| since + QUORUM_GRACE);
        ends.filter(|ends| *ends > self.now())
    }

    fn is_early(&self) -> bool {
        self.grace_ends().is_some()
    }

    /// Describes the vote of each peer: `10.0.0.2:8081 said down 3.9 s ago`.
    pub(super) fn peers_in_words(&self) -> Vec<String> {
        let standings = self.outside.peers.standings(self.name(), self.now());
        let mut lines = Vec::new();
        for standing in standings {
            let peer: SocketAddr = standing.peer;
            lines.push(match standing.vote {
                Some((vote, age)) => {
                    let word = if vote == Vote::Up { "up" } else { "down" };
                    format!("{peer} said {word}, by evidence {} old", span(age))
                }
                None if standing.is_alive => format!("{peer} is alive and has no vote on it"),
                None => format!("{peer} is gone and has no vote"),
            });
        }
        lines
    }

    /// Describes the wait before the target is put back.
    pub(super) fn return_in_words(&self, wait: Option<ReturnView>) -> String {
        if let Some(wait) = wait {
            let left = wait.until.since(self.now());
            let up = wait.delay.saturating_sub(left);
            let often = wait.how_often().map(|often| format!("; {often}")).unwrap_or_default();
            let (up, delay, left) = (span(up), span(wait.delay), span(left));
            return format!("up for {up} of {delay}, back in {left}{often}");
        }
        let settings = self.service.settings.returns;
        match self.service.returns.delay_of(self.target.address, settings) {
            Some(delay) if self.its.health != crate::engine::types::Health::Up => {
                let delay = span(delay);
                format!("has to be up for {delay} first, unless too few others are in service")
            }
            _ => "no wait: it was up for long enough, or others are too few".to_owned(),
        }
    }

    /// Describes the share that is out: `1 of 4 addresses is out for its health; 2 may be`.
    pub(super) fn max_out_in_words(&self, limit: usize) -> String {
        let service = self.service;
        let of = service.by_address.len().saturating_sub(service.settings.standby.tiers.len());
        let stages = [OutStage::Gone, OutStage::Returning, OutStage::Leaving];
        let out: usize = stages.iter().map(|stage| service.out.count(*stage)).sum();
        let dead = service.out.count(OutStage::Down);
        let waiting = if dead > 0 { format!("; {dead} more down") } else { String::new() };
        format!(
            "{out} of {of} addresses are out for their health or about to leave, {limit} may be{waiting}"
        )
    }
}
