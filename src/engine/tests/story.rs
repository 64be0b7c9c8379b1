//! Facts in words, as scenarios compare them.

use std::net::IpAddr;

use super::world::last;
use crate::engine::event::Fact;

fn lasts(targets: &[IpAddr]) -> String {
    targets.iter().map(|target| last(target).to_string()).collect::<Vec<_>>().join(" ")
}

/// Returns a fact that deserves a line in words.
pub(super) fn report(fact: &Fact) -> Option<String> {
    Some(match fact {
        Fact::Late { endpoint, .. } => format!("late {}", last(&endpoint.address)),
        Fact::Judged { .. }
        | Fact::Faulty { logged: false, .. }
        | Fact::FaultOver { logged: false, .. } => return None,
        Fact::Faulty { endpoint, what, .. } => format!("fault {} {what}", last(&endpoint.address)),
        Fact::FaultOver { endpoint, .. } => format!("fault over {}", last(&endpoint.address)),
        Fact::Faults { count, endpoints, .. } => format!("{count} faults of {endpoints}"),
        Fact::Limits { endpoint, noticed_after } => {
            let what = if noticed_after.is_some() { "limits" } else { "answers all" };
            format!("{} {what}", last(&endpoint.address))
        }
        Fact::Stalled { .. } => "stalled".into(),
        Fact::Flipped { target, to, .. } => format!("{} {to:?}", last(target)),
        Fact::CheckFlipped { target, check, to, .. } => {
            format!("{} {check} {to:?}", last(target))
        }
        Fact::Verdict { target, verdict, .. } => {
            let place = if verdict.is_in_service() { "in" } else { "out" };
            format!("{} {place}", last(target))
        }
        Fact::Refused { target, reason, .. } => format!("{} {}", last(target), reason.as_label()),
        Fact::RefusalOver { target, reason, .. } => {
            format!("{} no longer {}", last(target), reason.as_label())
        }
        Fact::Asked { target, .. } => format!("{} asks", last(target)),
        Fact::Alike { targets, kind, .. } => format!("{} alike: {kind}", lasts(targets)),
        Fact::AlikeOver { .. } => "alike no more".into(),
        Fact::Isolated { .. } => "isolated".into(),
        Fact::EvidenceLost { targets, .. } => format!("unseen {}", lasts(targets)),
        Fact::StillUnknown { targets, .. } => format!("still unseen {}", lasts(targets)),
        Fact::EvidenceBack { target, .. } => format!("seen {}", last(target)),
        Fact::IsolationOver { .. } => "isolation over".into(),
        Fact::Applied { .. } => "applied".into(),
        Fact::NameFailing { name, what, .. } => format!("{name} fails: {what}"),
        Fact::NameFailingOver { name, .. } => format!("{name} is well again"),
        Fact::Failing { problem, .. } => format!("failing {}", problem.what),
        Fact::FailingOver { .. } => "failing over".into(),
        Fact::Drained { target, .. } => format!("{} drained", last(target)),
        Fact::Undrained { target, expired, .. } => {
            format!("{} {}", last(target), if *expired { "drain expired" } else { "undrained" })
        }
        Fact::WaitEnded { target, .. } => format!("{} wait ended", last(target)),
        Fact::Peer { peer, alive } => format!("peer {peer} {alive}"),
        Fact::Rehearsal { target, stage, .. } => format!("rehearsal {} {stage:?}", last(target)),
    })
}
