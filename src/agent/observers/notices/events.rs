//! The notices of events that change nothing in DNS.

use std::time::Duration;

use super::draft::{NoticeDraft, named};
use super::keys;
use crate::engine::event::{Fact, Reason};
use crate::engine::ids::TargetRef;
use crate::engine::settings::Settings;
use crate::engine::types::Health;
use crate::engine::{Engine, Moment};
use crate::notify::{IncidentProblem, NoticeKind, Severity};
use crate::text::{brief, first_few};

/// The number of missing targets that a notice of isolation names.
const MISSING_NAMED: usize = 3;

/// Returns the notices of an event that changes nothing in DNS: one for each of its incidents.
pub(super) fn events(fact: &Fact, settings: &Settings) -> Vec<NoticeDraft> {
    let Some(draft) = event(fact, settings) else { return vec![] };
    match fact {
        Fact::Alike { service, .. } | Fact::AlikeOver { service } => {
            vec![draft.of(keys::of_service(settings, *service, IncidentProblem::Alike))]
        }
        Fact::NameFailing { zone, name, .. } | Fact::NameFailingOver { zone, name } => {
            let problem = IncidentProblem::NameFailing;
            vec![draft.of(keys::of_zone(settings, *zone, Some(name), problem))]
        }
        _ => {
            let targets = concerned(fact);
            if targets.is_empty() {
                return vec![draft];
            }
            let mut drafts = Vec::new();
            for target in targets {
                let key = keys::of_target(settings, target, draft.problem());
                drafts.push(draft.clone().targets([named(settings, target)]).of(key));
            }
            drafts
        }
    }
}

/// Returns the notice of an event that changes nothing in DNS, if there is one.
fn event(fact: &Fact, settings: &Settings) -> Option<NoticeDraft> {
    let draft = match fact {
        Fact::Refused { reason, detail, .. } if is_notified(*reason) => {
            NoticeDraft::new(NoticeKind::Refused).refused_for(*reason).detail(detail.as_str())
        }
        Fact::RefusalOver { reason, .. } if is_notified(*reason) => {
            NoticeDraft::new(NoticeKind::RefusalOver).refused_for(*reason)
        }
        Fact::Alike { kind, .. } => {
            NoticeDraft::new(NoticeKind::Refused).refused_for(Reason::Alike).detail(format!(
                "all targets give the same wrong answer: {kind}; look at the last deployment"
            ))
        }
        Fact::AlikeOver { .. } => {
            NoticeDraft::new(NoticeKind::RefusalOver).refused_for(Reason::Alike)
        }
        Fact::Isolated { missing, cause } => {
            let missing = missing_targets(missing, settings);
            NoticeDraft::new(NoticeKind::Isolated).detail(format!("{missing}; {}", cause.as_str()))
        }
        Fact::IsolationOver { lasted } => NoticeDraft::new(NoticeKind::IsolationOver)
            .detail(format!("it lasted {}", brief(*lasted))),
        Fact::StillUnknown { .. } => NoticeDraft::new(NoticeKind::Unknown)
            .detail("no probe could be judged for over a minute"),
        Fact::EvidenceBack { lasted, notified: true, .. } => {
            NoticeDraft::new(NoticeKind::UnknownOver)
                .detail(format!("it lasted {}", brief(*lasted)))
        }
        Fact::NameFailing { zone, name, what } => {
            let draft = NoticeDraft::new(NoticeKind::NameFailing).zone(settings.shown_zone(*zone));
            draft.names(std::slice::from_ref(name)).detail(what.as_str())
        }
        Fact::NameFailingOver { zone, name } => {
            let draft = NoticeDraft::new(NoticeKind::NameBack).zone(settings.shown_zone(*zone));
            draft.names(std::slice::from_ref(name))
        }
        Fact::Drained { drain, .. } => {
            let draft = NoticeDraft::new(NoticeKind::Drained);
            match &drain.reason {
                Some(reason) => draft.detail(reason.as_str()),
                None => draft,
            }
        }
        Fact::Undrained { expired, .. } => {
            let draft = NoticeDraft::new(NoticeKind::Undrained);
            if *expired { draft.detail("its time is up") } else { draft }
        }
        _ => return None,
    };
    Some(draft.targets(concerned(fact).into_iter().map(|target| named(settings, target))))
}

/// Time after which a target that asked to be out and is silent is taken for dead, while it is in DNS.
const ASKED_WITHIN: Duration = Duration::from_secs(30);

/// Returns the target of a refusal because of the floor, if somebody ordered it out and it is not dead.
pub(super) fn floor_by_order(engine: &Engine, fact: &Fact, now: Moment) -> Option<TargetRef> {
    let Fact::Refused { service, target, reason: Reason::Floor, .. } = fact else { return None };
    let target = TargetRef { service: *service, address: *target };
    is_alive_by_order(engine, target, now).then_some(target)
}

/// Whether somebody ordered a target out, and it is not dead.
pub(super) fn is_alive_by_order(engine: &Engine, target: TargetRef, now: Moment) -> bool {
    let view = engine.target_view(target);
    let is_drained = view.is_some_and(|it| it.drain.is_some() && it.health != Health::Down);
    let asked = engine.last_asked(target);
    is_drained || asked.is_some_and(|at| now.since(at) < ASKED_WITHIN)
}

/// Makes the notice that a dead target stays one that a target by order stays.
pub(super) fn by_order(draft: NoticeDraft) -> NoticeDraft {
    draft.severity(Severity::Warning).advice(
        "it was ordered out, and stays in DNS until another address is there, because min_in_service \
         is reached",
    )
}

/// Returns the number of missing targets, and the first of them if services are named.
fn missing_targets(missing: &[TargetRef], settings: &Settings) -> String {
    let count = format!("missing: {} targets", missing.len());
    let named: Vec<_> = missing.iter().map(|target| named(settings, *target)).collect();
    if named.iter().all(|target| target.service.is_none()) {
        return count;
    }
    format!("{count} ({})", first_few(&named, MISSING_NAMED, ", "))
}

/// Returns the target with checks that explain why an event concerns it: that of a refusal, or the first
/// of those that fail alike.
pub(super) fn explained(fact: &Fact) -> Option<TargetRef> {
    let is_explained = matches!(fact, Fact::Refused { .. } | Fact::Alike { .. });
    concerned(fact).first().copied().filter(|_| is_explained)
}

/// Returns the targets that an event concerns.
fn concerned(fact: &Fact) -> Vec<TargetRef> {
    match fact {
        Fact::Refused { service, target, .. }
        | Fact::RefusalOver { service, target, .. }
        | Fact::EvidenceBack { service, target, .. }
        | Fact::Drained { service, target, .. }
        | Fact::Undrained { service, target, .. } => {
            vec![TargetRef { service: *service, address: *target }]
        }
        Fact::Alike { service, targets, .. } | Fact::StillUnknown { service, targets } => {
            let targets = targets.iter();
            targets.map(|address| TargetRef { service: *service, address: *address }).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a refusal for this reason makes a notice of its own. Isolation concerns the whole agent, and
/// targets that fail alike their whole service; drains and dry-run show in other notices.
fn is_notified(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::NoQuorum | Reason::Contested | Reason::Floor | Reason::Standby | Reason::MaxOut
    )
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::SystemTime;

    use super::*;
    use crate::engine::ids::ServiceId;
    use crate::engine::settings::ServiceSettings;
    use crate::engine::types::IsolationCause;

    /// Returns the detail of the notice of isolation in which these targets are missing.
    fn detail(settings: &Settings, missing: Vec<TargetRef>) -> Option<String> {
        let fact = Fact::Isolated { missing, cause: IsolationCause::NoCanary };
        event(&fact, settings)?.signed(SystemTime::UNIX_EPOCH, "sfo-1", false).detail
    }

    #[test]
    fn a_notice_of_isolation_names_missing_targets_by_service_only_if_services_are_named() {
        let addresses = [1, 2].map(|last| IpAddr::from([192, 0, 2, last]));
        let of_default = ServiceSettings::new(addresses.to_vec(), "www.example.com");
        let mut settings = Settings::new(of_default.clone());
        let cause = IsolationCause::NoCanary.as_str();
        let missing = addresses.map(TargetRef::of_default).to_vec();
        assert_eq!(detail(&settings, missing).unwrap(), format!("missing: 2 targets; {cause}"));

        settings.services.clear();
        let mut missing = Vec::new();
        for (id, name) in [(1, "www"), (2, "mx")] {
            let service = ServiceId::from(id);
            let its = ServiceSettings { name: name.to_owned(), ..of_default.clone() };
            settings.services.insert(service, its);
            missing.extend(addresses.map(|address| TargetRef { service, address }));
        }
        let names = "www/192.0.2.1, www/192.0.2.2, mx/192.0.2.1 and 1 more";
        let want = format!("missing: 4 targets ({names}); {cause}");
        assert_eq!(detail(&settings, missing).unwrap(), want);
    }
}
