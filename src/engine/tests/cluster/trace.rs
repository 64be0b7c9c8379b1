//! The behaviour of the engine, frozen: a hash of every action, its time and its agent, over 400 seeded
//! schedules. It tells whether a change of the code changes behaviour.
//!
//! A change that is meant to do so writes the file anew with `GOAVAIL_TRACE=write`, and explains the
//! difference in its commit. `GOAVAIL_SEED=<seed>` prints the actions of one schedule, so
//! that two builds can be compared line by line.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use super::random::{play_traced, variable};
use crate::engine::event::{
    Action, DnsProblem, DnsProblemKind, Drain, DrainRefusal, Fact, ProbeRequest, RehearsalStage,
    Withdrawal,
};
use crate::engine::ids::ProbeId;
use crate::engine::plan::Desired;
use crate::engine::types::{Endpoint, Health, IsolationCause, Outcome, Vote};

/// How many schedules are frozen, from seed 0 on. Without `GOAVAIL_SCHEDULES`, which CI sets, every fourth
/// of them is played.
const SEEDS: u64 = 400;

/// The hashes as they are to be: a line for each seed.
const FROZEN: &str = include_str!("trace.txt");

/// The actions of one schedule.
#[derive(Debug, Default)]
pub(super) struct Trace {
    lines: String,
}

impl Trace {
    /// Adds an action.
    pub(super) fn add(&mut self, now: Duration, agent: usize, action: &Action) {
        let (seconds, nanos) = (now.as_secs(), now.subsec_nanos());
        let _ = writeln!(self.lines, "{seconds}.{nanos:09} {agent} {}", words(action));
    }

    /// FNV-1a (64 bits) of all of it.
    fn hash(&self) -> u64 {
        self.lines.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }
}

#[test]
fn the_engine_does_what_it_did_in_four_hundred_schedules() {
    if let Some(seed) = variable("GOAVAIL_SEED") {
        eprintln!("{}", play_traced(seed).lines);
        return;
    }
    let is_written = std::env::var("GOAVAIL_TRACE").is_ok_and(|what| what == "write");
    let is_whole = is_written || variable("GOAVAIL_SCHEDULES").is_some();
    let step = if is_whole { 1 } else { 4 };
    let mut text = String::new();
    for seed in (0..SEEDS).step_by(step) {
        let _ = writeln!(text, "{seed} {:016x}", play_traced(seed).hash());
    }
    if is_written {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/engine/tests/cluster/trace.txt");
        std::fs::write(path, &text).unwrap();
        return;
    }
    let changed: Vec<&str> = text
        .lines()
        .zip(FROZEN.lines().step_by(step))
        .filter(|(is, was)| is != was)
        .filter_map(|(is, _)| is.split(' ').next())
        .collect();
    let first = changed.iter().take(10).copied().collect::<Vec<_>>().join(", ");
    assert!(changed.is_empty(), "{} schedules differ, the first are {first}", changed.len());
    assert_eq!(text.lines().count(), FROZEN.lines().step_by(step).count());
}

// Spelt out, and not by `Debug`: the name of a type or a field is no behaviour.

fn words(action: &Action) -> String {
    match action {
        Action::Probe(ProbeRequest { id, endpoint, timeout: _, listen_for, flow, nth }) => {
            let ProbeId { endpoint: target, seq } = id;
            format!("probe {target} {seq} {} {listen_for:?} {flow} {nth}", place(endpoint))
        }
        Action::Prepare(_) => "prepare".into(),
        Action::Reconcile { order, .. } => {
            let desired = order.desired.iter();
            let desired =
                desired.map(|(address, state)| format!("{address} {}", desired_word(*state)));
            let desired = desired.collect::<Vec<_>>().join(", ");
            let (number, floor, again) = (order.number, order.floor, order.read_again);
            format!("order {number} floor {floor} again {again}: {desired}")
        }
        Action::Recall { target: address, .. } => format!("recall {address}"),
        Action::Announce { announcement: all, .. } => {
            let each = all.votes.iter();
            let each = each.map(|(address, own)| {
                format!("{address} {} {:?}", own.vote == Vote::Up, own.evidence)
            });
            format!("announce {:?}: {}", all.term, each.collect::<Vec<_>>().join(", "))
        }
        Action::DrainAnswered { ticket, answer } => format!("answer {ticket} {}", answered(answer)),
        Action::StoreDrains { drains, .. } => {
            let each =
                drains.iter().map(|(address, drain)| format!("{address} {}", drained(drain)));
            format!("remember {}", each.collect::<Vec<_>>().join(", "))
        }
        Action::Report(fact) => fact_in_words(fact),
    }
}

fn fact_in_words(fact: &Fact) -> String {
    match fact {
        Fact::Judged { .. }
        | Fact::Late { .. }
        | Fact::Faulty { .. }
        | Fact::FaultOver { .. }
        | Fact::Faults { .. }
        | Fact::Limits { .. }
        | Fact::Stalled { .. }
        | Fact::CheckFlipped { .. }
        | Fact::Asked { .. }
        | Fact::Alike { .. }
        | Fact::AlikeOver { .. } => probed(fact),
        Fact::Flipped { target, from, to, count, silent_for, last_error, .. } => {
            let (from, to) = (health(*from), health(*to));
            format!("flipped {target} {from} {to} {count} {silent_for:?} {last_error:?}")
        }
        Fact::Verdict { target, verdict, agreeing, after, .. } => {
            let (in_service, by_hand) = (verdict.is_in_service(), verdict.is_by_hand());
            format!("verdict {target} {in_service} {by_hand} {agreeing:?} {after:?}")
        }
        Fact::Refused { target, reason, detail, .. } => {
            format!("refused {target} {} {detail}", reason.as_label())
        }
        Fact::RefusalOver { target, reason, .. } => {
            format!("refusal over {target} {}", reason.as_label())
        }
        Fact::Isolated { missing, cause } => {
            let cause = match cause {
                IsolationCause::NoCanary => "no canary",
                IsolationCause::NothingCanBeAsked => "nothing can be asked",
            };
            let missing: Vec<_> = missing.iter().map(|target| target.address).collect();
            format!("isolated {missing:?} {cause}")
        }
        Fact::IsolationOver { lasted } => format!("isolation over {lasted:?}"),
        Fact::EvidenceLost { targets, .. } => format!("evidence lost {targets:?}"),
        Fact::StillUnknown { targets, .. } => format!("still unknown {targets:?}"),
        Fact::EvidenceBack { target, lasted, notified, .. } => {
            format!("evidence back {target} {lasted:?} {notified}")
        }
        Fact::Applied { withdrawn, restored, created, took, dry_run, .. } => {
            let gone = withdrawn.iter().map(|(address, gone)| withdrawal_in_words(*address, gone));
            let gone = gone.collect::<Vec<_>>().join(", ");
            format!("applied -{gone} +{restored:?} new {created:?} {took:?} {dry_run}")
        }
        Fact::NameFailing { name, what, .. } => format!("name failing {name} {what}"),
        Fact::NameFailingOver { name, .. } => format!("name failing over {name}"),
        Fact::Failing { problem, .. } => failing(problem),
        Fact::FailingOver { .. } => "failing over".into(),
        Fact::Drained { target, drain, .. } => format!("drained {target} {}", drained(drain)),
        Fact::Undrained { target, expired, .. } => format!("undrained {target} {expired}"),
        Fact::WaitEnded { target, .. } => format!("wait ended {target}"),
        Fact::Peer { peer, alive } => format!("peer {peer} {alive}"),
        Fact::Rehearsal { target, stage, .. } => {
            format!("rehearsal {target} {}", stage_in_words(*stage))
        }
    }
}

fn failing(DnsProblem { kind, what, retry_in }: &DnsProblem) -> String {
    format!("failing {} {what} {retry_in:?}", trouble(*kind))
}

fn probed(fact: &Fact) -> String {
    match fact {
        Fact::Judged { endpoint, outcome, rtt } => {
            let outcome = match outcome {
                Outcome::Reply => "reply",
                Outcome::Loss => "loss",
                Outcome::Fault => "fault",
            };
            format!("judged {endpoint} {outcome} {rtt:?}")
        }
        Fact::Late { endpoint, rtt } => format!("late {} {rtt:?}", place(endpoint)),
        Fact::Faulty { endpoint, what, logged } => {
            format!("faulty {} {what} {logged}", place(endpoint))
        }
        Fact::FaultOver { endpoint, logged } => format!("fault over {} {logged}", place(endpoint)),
        Fact::Faults { count, endpoints, first, newest } => {
            let first: Vec<_> = first.iter().map(place).collect();
            format!("faults {count} {endpoints} {first:?} {newest}")
        }
        Fact::Limits { endpoint, noticed_after } => {
            format!("limits {} {noticed_after:?}", place(endpoint))
        }
        Fact::Stalled { lasted } => format!("stalled {lasted:?}"),
        // The schedules have no requests.
        _ => String::new(),
    }
}

fn place(endpoint: &Endpoint) -> String {
    format!("{}:{:?}", endpoint.address, endpoint.method.port())
}

fn desired_word(state: Desired) -> &'static str {
    match state {
        Desired::Serve => "serve",
        Desired::Withdraw => "withdraw",
        Desired::WithdrawAnyway => "withdraw anyway",
        Desired::WithdrawFirst => "withdraw first",
        Desired::StandBy(_) => "stand by",
        Desired::Stay => "stay",
    }
}

fn health(health: Health) -> &'static str {
    match health {
        Health::AssumedUp => "assumed up",
        Health::Up => "up",
        Health::Down => "down",
    }
}

fn trouble(kind: DnsProblemKind) -> &'static str {
    match kind {
        DnsProblemKind::Refused => "refused",
        DnsProblemKind::Unavailable => "unavailable",
        DnsProblemKind::Unconfirmed => "unconfirmed",
        DnsProblemKind::Changed => "changed",
        DnsProblemKind::Defect => "defect",
    }
}

fn stage_in_words(stage: RehearsalStage) -> &'static str {
    match stage {
        RehearsalStage::Dead => "dead",
        RehearsalStage::Alive => "alive",
        RehearsalStage::Over => "over",
    }
}

fn drained(drain: &Drain) -> String {
    format!("{:?} {:?}", drain.until, drain.reason)
}

fn answered(answer: &Result<(), DrainRefusal>) -> String {
    match answer {
        Ok(()) => "done".into(),
        Err(DrainRefusal::NotATarget) => "no target".into(),
        Err(DrainRefusal::NotDrained) => "not drained".into(),
        Err(DrainRefusal::NotWaiting(why)) => format!("not waiting {why}"),
        Err(DrainRefusal::Floor(names)) => format!("floor {names:?}"),
        Err(DrainRefusal::ZoneUnknown(why)) => format!("zone unknown {why}"),
    }
}

fn withdrawal_in_words(address: IpAddr, withdrawal: &Withdrawal) -> String {
    let Withdrawal { names, losses, silent_for, by_hand, agreeing, .. } = withdrawal;
    format!("{address} {names:?} {losses} {silent_for:?} {by_hand} {agreeing:?}")
}
