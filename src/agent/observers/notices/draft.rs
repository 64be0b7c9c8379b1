//! The notice for each fact that people are notified of.

use std::time::{Duration, SystemTime};

use crate::dns::confirm::effect::ChangeEffect;
use crate::engine::event::{Fact, FailedCheck, Reason, Withdrawal, failed_in_words};
use crate::engine::ids::TargetRef;
use crate::engine::settings::Settings;
use crate::engine::{StandbyView, TargetView};
use crate::notify::{
    IncidentKey, IncidentProblem, IncidentStatus, Notice, NoticeEvidence, NoticeKind, NoticeTarget,
    Severity,
};
use crate::settings::DEFAULT;
use crate::text::{brief, first_few};

/// The number of missing targets that a notice of isolation names.
const MISSING_NAMED: usize = 3;

/// A notice without its time and its sender.
pub(super) struct NoticeDraft(Notice);

impl NoticeDraft {
    pub(super) fn new(kind: NoticeKind) -> Self {
        Self(Notice {
            at: SystemTime::UNIX_EPOCH,
            agent: String::new(),
            dry_run: false,
            kind,
            targets: vec![],
            zone: None,
            names: vec![],
            reason: None,
            detail: None,
            evidence: NoticeEvidence::default(),
            incident: IncidentKey::new(None, None, None, kind.problem(None)),
            joined: vec![],
            status: kind.status(),
            severity: Severity::Info,
            worst: Severity::Info,
            since: SystemTime::UNIX_EPOCH,
            advice: None,
        })
    }

    pub(super) fn targets(mut self, targets: impl IntoIterator<Item = NoticeTarget>) -> Self {
        self.0.targets = targets.into_iter().collect();
        self
    }

    pub(super) fn zone(mut self, zone: Option<&str>) -> Self {
        self.0.zone = zone.map(str::to_owned);
        self
    }

    pub(super) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds the checks that made the target go down, with their reasons.
    pub(super) fn failed(mut self, failed: &[FailedCheck]) -> Self {
        if let Some(words) = failed_in_words(failed) {
            self.0.detail = Some(match self.0.detail.take() {
                Some(detail) => format!("{detail}; {words}"),
                None => words,
            });
        }
        self
    }

    /// Adds a reason, if there is one: that for which a standby is published or not, or how often a target
    /// came back.
    pub(super) fn explained(self, why: Option<String>) -> Self {
        match why {
            Some(why) => self.detail(why),
            None => self,
        }
    }

    fn names(mut self, names: &[String]) -> Self {
        self.0.names = names.to_vec();
        self
    }

    fn reason(mut self, reason: Reason) -> Self {
        self.0.reason = Some(reason.as_label().into());
        self
    }

    fn evidence(mut self, evidence: NoticeEvidence) -> Self {
        self.0.evidence = evidence;
        self
    }

    /// Returns the complete notice.
    pub(super) fn signed(self, at: SystemTime, agent: &str, dry_run: bool) -> Notice {
        let kind = self.0.kind;
        let problem = kind.problem(self.0.reason.as_deref());
        let worst = problem.severity();
        let is_end = self.0.status == IncidentStatus::Closed;
        let severity = if is_end { Severity::Info } else { worst };
        let incident = match (problem, self.0.targets.first()) {
            (IncidentProblem::Isolated | IncidentProblem::Reload | IncidentProblem::Stopped, _) => {
                IncidentKey::of_agent(agent, problem)
            }
            (IncidentProblem::Provider | IncidentProblem::ZoneInactive, _) | (_, None) => {
                let name = self.0.names.first().map(String::as_str);
                IncidentKey::new(
                    Some(self.0.zone.as_deref().unwrap_or(DEFAULT)),
                    None,
                    name,
                    problem,
                )
            }
            (_, Some(NoticeTarget { service, address })) => {
                let service = service.as_deref().unwrap_or(DEFAULT);
                let address = address.to_string();
                IncidentKey::new(Some(DEFAULT), Some(service), Some(&address), problem)
            }
        };
        let since = at;
        let agent = agent.to_owned();
        Notice { at, agent, dry_run, incident, severity, worst, since, ..self.0 }
    }
}

/// Returns a target as people see it.
pub(super) fn named(settings: &Settings, target: TargetRef) -> NoticeTarget {
    let service = settings.shown_name(target.service).map(str::to_owned);
    NoticeTarget { service, address: target.address }
}

/// Returns the notice that a target was withdrawn. `standby` says why a standby is published or not.
pub(super) fn withdrawn(
    target: NoticeTarget,
    withdrawal: &Withdrawal,
    standby: Option<String>,
    took: Duration,
) -> NoticeDraft {
    let wanted = withdrawal.by_hand || withdrawal.asked || withdrawal.standing_by;
    let evidence = NoticeEvidence {
        losses: (!wanted).then_some(withdrawal.losses),
        replies: None,
        votes: withdrawal.agreeing.iter().map(ToString::to_string).collect(),
        since_last_reply: withdrawal.silent_for.filter(|_| !wanted),
        took: Some(took),
    };
    let draft = NoticeDraft::new(NoticeKind::Withdrawn).targets([target]).names(&withdrawal.names);
    let draft = draft.evidence(evidence).explained(standby);
    let draft = draft.failed(if withdrawal.by_hand { &[] } else { &withdrawal.failed });
    match (withdrawal.by_hand, withdrawal.asked) {
        (true, _) => draft.reason(Reason::Drained),
        (false, true) => draft.reason(Reason::Asked),
        (false, false) => draft,
    }
}

/// Returns the notice that a target was restored. `view` is the target now, if it is watched.
pub(super) fn restored(
    target: NoticeTarget,
    names: &[String],
    view: Option<&TargetView>,
    took: Duration,
) -> NoticeDraft {
    let replies = view.map(|view| view.replies);
    let standby = view.and_then(|view| view.standby).map(StandbyView::in_words);
    let replies = replies.filter(|replies| *replies > 0);
    let evidence = NoticeEvidence { replies, took: Some(took), ..NoticeEvidence::default() };
    let draft = NoticeDraft::new(NoticeKind::Restored).targets([target]).names(names);
    draft.evidence(evidence).explained(standby)
}

/// Returns the notice that a target was added at names that held no address.
pub(super) fn created(target: NoticeTarget, names: &[String], took: Duration) -> NoticeDraft {
    let detail = "the name held no address and nothing is remembered of it; is it misspelt?";
    let evidence = NoticeEvidence { took: Some(took), ..NoticeEvidence::default() };
    let draft = NoticeDraft::new(NoticeKind::Created).targets([target]).names(names);
    draft.detail(detail).evidence(evidence)
}

/// Returns the notice that name servers show a change, or do not.
pub(super) fn effect(kind: NoticeKind, effect: &ChangeEffect, settings: &Settings) -> NoticeDraft {
    let (service, address) = (effect.service, effect.address);
    let service = service.and_then(|it| settings.shown_name(it)).map(str::to_owned);
    let evidence = NoticeEvidence { took: Some(effect.took), ..NoticeEvidence::default() };
    let draft = NoticeDraft::new(kind).targets([NoticeTarget { service, address }]);
    draft.names(&effect.names).evidence(evidence)
}

/// Returns the notice of an event that changes nothing in DNS, if there is one.
pub(super) fn event(fact: &Fact, settings: &Settings) -> Option<NoticeDraft> {
    let draft = match fact {
        Fact::Refused { reason, detail, .. } if is_notified(*reason) => {
            NoticeDraft::new(NoticeKind::Refused).reason(*reason).detail(detail.as_str())
        }
        Fact::RefusalOver { reason, .. } if is_notified(*reason) => {
            NoticeDraft::new(NoticeKind::RefusalOver).reason(*reason)
        }
        Fact::Alike { kind, .. } => {
            NoticeDraft::new(NoticeKind::Refused).reason(Reason::Alike).detail(format!(
                "all targets give the same wrong answer: {kind}; look at the last deployment"
            ))
        }
        Fact::AlikeOver { .. } => NoticeDraft::new(NoticeKind::RefusalOver).reason(Reason::Alike),
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
