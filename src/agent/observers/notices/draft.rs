//! The notice for each fact that people are notified of.

use std::time::{Duration, SystemTime};

use super::incidents;
use crate::dns::confirm::effect::ChangeEffect;
use crate::engine::event::{FailedCheck, Reason, Withdrawal, failed_in_words};
use crate::engine::ids::TargetRef;
use crate::engine::settings::Settings;
use crate::engine::{StandbyView, TargetView};
use crate::notify::{
    IncidentKey, IncidentProblem, IncidentStatus, NO_PART, Notice, NoticeEvidence, NoticeKind,
    NoticeMark, NoticeTarget, Severity,
};

/// A notice without its time and its sender.
#[derive(Debug, Clone)]
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
            quiet: false,
            severity: Severity::Info,
            worst: kind.problem(None).severity(),
            since: SystemTime::UNIX_EPOCH,
            advice: None,
            mark: NoticeMark::News,
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

    pub(super) fn names(mut self, names: &[String]) -> Self {
        self.0.names = names.to_vec();
        self
    }

    /// Sets the reason of a refusal, or of a withdrawal that somebody asked for.
    pub(super) fn refused_for(mut self, reason: Reason) -> Self {
        self.0.reason = Some(reason.as_label().into());
        self
    }

    /// Returns the key of the incident, and the first target.
    pub(super) fn place(&self) -> (IncidentKey, Option<NoticeTarget>) {
        (self.0.incident.clone(), self.0.targets.first().cloned())
    }

    /// Returns the problem of the notice, by its kind and its reason.
    pub(super) fn problem(&self) -> IncidentProblem {
        self.0.kind.problem(self.0.reason.as_deref())
    }

    fn evidence(mut self, evidence: NoticeEvidence) -> Self {
        self.0.evidence = evidence;
        self
    }

    /// Sets the key of the incident. Without one it is an incident of the agent alone.
    pub(super) fn of(mut self, key: IncidentKey) -> Self {
        self.0.worst = key.problem.severity();
        self.0.incident = key;
        self
    }

    /// Sets the severity, where it is not that of the problem.
    pub(super) fn severity(mut self, severity: Severity) -> Self {
        self.0.worst = severity;
        self
    }

    /// Sets the next step for a person, where it is not that of the problem.
    pub(super) fn advice(mut self, advice: &str) -> Self {
        self.0.advice = Some(advice.to_owned());
        self
    }

    /// Sets the place of the notice in the course of the incident, where its kind does not decide it.
    pub(super) fn status(mut self, status: IncidentStatus) -> Self {
        self.0.status = status;
        self
    }

    /// Returns the complete notice.
    pub(super) fn signed(self, at: SystemTime, agent: &str, dry_run: bool) -> Notice {
        let mut notice = Notice { at, agent: agent.to_owned(), dry_run, since: at, ..self.0 };
        let problem = notice.incident.problem;
        if notice.incident.zone == NO_PART {
            notice.incident = IncidentKey::of_agent(agent, problem);
        }
        if incidents::is_each_agents(problem) {
            notice.incident = notice.incident.at_agent(agent);
        }
        let is_end = notice.status == IncidentStatus::Closed;
        notice.severity = if is_end { Severity::Info } else { notice.worst };
        if !is_end {
            notice.advice = notice.advice.or_else(|| problem.advice().map(str::to_owned));
        }
        notice
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
        (true, _) => draft.refused_for(Reason::Drained),
        (false, true) => draft.refused_for(Reason::Asked),
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
