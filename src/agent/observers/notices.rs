//! What people are told: notices made from facts.

use std::net::IpAddr;

use secrecy::ExposeSecret;

use super::log::brief;
use crate::agent::state_store::wall;
use crate::config::{Config, NotifyConfig};
use crate::engine::Engine;
use crate::engine::event::{DnsProblem, DnsProblemKind, Fact, Gone, Reason};
use crate::notify::{Evidence, Notice, NoticeCounters, NoticeKind, Notifier};

/// Makes notices and sends them.
pub(in crate::agent) struct Teller {
    agent: String,
    dry_run: bool,
    channels: NotifyConfig,
    notifier: Notifier,
    /// What people were last told of the provider's failing.
    failing: Option<DnsProblemKind>,
    /// What people were last told of the zone as a whole.
    caution: Option<String>,
}

impl Teller {
    /// Must be made inside the runtime in which notices are to be sent.
    pub(in crate::agent) fn start(config: &Config) -> Self {
        Self {
            agent: config.name.clone(),
            dry_run: config.dry_run,
            channels: config.notify.clone(),
            notifier: Notifier::start(&config.notify),
            failing: None,
            caution: None,
        }
    }

    /// Goes on by another configuration; returns what is left of channels that are no more. What
    /// was told stays told, and what waits in a channel that stays is still sent. Must be called
    /// where [`Self::start`] must.
    #[must_use]
    pub(in crate::agent) fn take_over(&mut self, config: &Config) -> Option<Notifier> {
        self.agent.clone_from(&config.name);
        self.dry_run = config.dry_run;
        let (before, after) = (urls(&self.channels), urls(&config.notify));
        if before == after {
            return None;
        }
        let same = before.iter().zip(after).filter(|(before, after)| **before == *after);
        let same: Vec<&str> = same.map(|((channel, _), _)| *channel).collect();
        let successor = self.notifier.successor(&config.notify, &same);
        self.channels = config.notify.clone();
        Some(std::mem::replace(&mut self.notifier, successor))
    }

    /// What became of the notices.
    pub(in crate::agent) fn tally(&self) -> &NoticeCounters {
        self.notifier.counters()
    }

    /// Sends what is left, for as long as `patience`.
    pub(in crate::agent) async fn close(self, patience: std::time::Duration) {
        self.notifier.close(patience).await;
    }

    fn notice(&self, kind: NoticeKind, targets: Vec<IpAddr>) -> Notice {
        Notice {
            at: wall(),
            agent: self.agent.clone(),
            dry_run: self.dry_run,
            kind,
            targets,
            names: vec![],
            reason: None,
            detail: None,
            evidence: Evidence::default(),
        }
    }

    fn send(&self, kind: NoticeKind, targets: Vec<IpAddr>, detail: Option<String>) {
        self.notifier.send(&Notice { detail, ..self.notice(kind, targets) });
    }

    /// Tells people, if it is a thing they want to know.
    pub(in crate::agent) fn tell(&mut self, engine: &Engine, fact: &Fact) {
        match fact {
            Fact::Applied { withdrawn, restored, created, took, .. } => {
                for (target, gone) in withdrawn {
                    self.withdrew(*target, gone, *took);
                }
                for (target, names) in created {
                    let evidence = Evidence { took: Some(*took), ..Evidence::default() };
                    let detail = Some(
                        "the name held no address and nothing is remembered of it: is it misspelt?"
                            .into(),
                    );
                    let notice = self.notice(NoticeKind::Created, vec![*target]);
                    let names = names.clone();
                    self.notifier.send(&Notice { names, detail, evidence, ..notice });
                }
                for (target, names) in restored {
                    let seen = engine.target_view(*target);
                    let replies = seen.map(|seen| seen.replies).filter(|replies| *replies > 0);
                    let evidence = Evidence { replies, took: Some(*took), ..Evidence::default() };
                    let notice = self.notice(NoticeKind::Restored, vec![*target]);
                    self.notifier.send(&Notice { names: names.clone(), evidence, ..notice });
                }
            }
            Fact::Refused { target, reason, detail } => self.refused(*target, *reason, detail),
            Fact::RefusalOver { target, reason } if is_told(*reason) => {
                let notice = self.notice(NoticeKind::RefusalOver, vec![*target]);
                let reason = Some(reason.as_str().into());
                self.notifier.send(&Notice { reason, ..notice });
            }
            Fact::Isolated { missing, cause } => {
                let detail = format!("missing: {} targets; {}", missing.len(), cause.as_str());
                self.send(NoticeKind::Isolated, vec![], Some(detail));
            }
            Fact::IsolationOver { lasted } => {
                let detail = format!("it lasted {}", brief(*lasted));
                self.send(NoticeKind::IsolationOver, vec![], Some(detail));
            }
            Fact::StillUnknown { targets } => {
                let detail = "no probe could be judged for over a minute".to_owned();
                self.send(NoticeKind::Unknown, targets.clone(), Some(detail));
            }
            Fact::EvidenceBack { target, lasted, told: true } => {
                let detail = format!("it lasted {}", brief(*lasted));
                self.send(NoticeKind::UnknownOver, vec![*target], Some(detail));
            }
            Fact::NameFailing { name, what } => {
                let notice = self.notice(NoticeKind::NameFailing, vec![]);
                let (names, detail) = (vec![name.clone()], Some(what.clone()));
                self.notifier.send(&Notice { names, detail, ..notice });
            }
            Fact::NameFailingOver { name } => {
                let notice = self.notice(NoticeKind::NameBack, vec![]);
                self.notifier.send(&Notice { names: vec![name.clone()], ..notice });
            }
            Fact::Failing(problem) => self.failing(problem, engine.waiting_for_dns().collect()),
            Fact::FailingOver if self.failing.take().is_some() => {
                self.send(NoticeKind::ProviderBack, vec![], None);
            }
            Fact::Drained { target, drain } => {
                self.send(NoticeKind::Drained, vec![*target], drain.reason.clone());
            }
            Fact::Undrained { target, expired } => {
                let detail = expired.then(|| "its time is up".into());
                self.send(NoticeKind::Undrained, vec![*target], detail);
            }
            _ => {}
        }
    }

    /// The zone was read: what is wrong with it as a whole is told once, and so is its end.
    pub(in crate::agent) fn observed(&mut self, engine: &Engine) {
        let caution = &engine.observed().caution;
        if self.caution == *caution {
            return;
        }
        self.caution.clone_from(caution);
        let kind =
            if caution.is_some() { NoticeKind::ZoneInactive } else { NoticeKind::ZoneActive };
        self.send(kind, vec![], caution.clone());
    }

    fn withdrew(&self, target: IpAddr, gone: &Gone, took: std::time::Duration) {
        let evidence = Evidence {
            losses: (!gone.by_hand).then_some(gone.losses),
            replies: None,
            votes: gone.agreeing.iter().map(ToString::to_string).collect(),
            since_last_reply: gone.silent_for.filter(|_| !gone.by_hand),
            took: Some(took),
        };
        let reason = gone.by_hand.then(|| Reason::Drained.as_str().into());
        let notice = self.notice(NoticeKind::Withdrawn, vec![target]);
        self.notifier.send(&Notice { names: gone.names.clone(), reason, evidence, ..notice });
    }

    fn refused(&self, target: IpAddr, reason: Reason, detail: &str) {
        if is_told(reason) {
            let notice = self.notice(NoticeKind::Refused, vec![target]);
            let (reason, detail) = (Some(reason.as_str().into()), Some(detail.to_owned()));
            self.notifier.send(&Notice { reason, detail, ..notice });
        }
    }

    /// A provider that goes on failing in the same way is told once. `waiting` are the targets that
    /// wait for it.
    fn failing(&mut self, problem: &DnsProblem, waiting: Vec<IpAddr>) {
        if self.failing.replace(problem.kind) == Some(problem.kind) {
            return;
        }
        let kind = match problem.kind {
            DnsProblemKind::Refused => NoticeKind::ProviderRefused,
            DnsProblemKind::Unconfirmed => NoticeKind::Unconfirmed,
            DnsProblemKind::Unavailable | DnsProblemKind::Changed | DnsProblemKind::Defect => {
                NoticeKind::Failing
            }
        };
        let targets = if kind == NoticeKind::ProviderRefused { vec![] } else { waiting };
        self.send(kind, targets, Some(problem.what.clone()));
    }

    /// A new configuration was bad.
    pub(in crate::agent) fn reload_refused(&self, why: &str) {
        self.send(NoticeKind::ReloadRefused, vec![], Some(why.to_owned()));
    }

    /// The agent ends because something in it failed.
    pub(in crate::agent) fn stopped(&self, why: &str) {
        self.send(NoticeKind::Stopped, vec![], Some(why.to_owned()));
    }
}

/// Where notices go, to be compared.
fn urls(channels: &NotifyConfig) -> [(&'static str, Option<&str>); 2] {
    let NotifyConfig { slack, webhook } = channels;
    [("slack", slack), ("webhook", webhook)]
        .map(|(channel, url)| (channel, url.as_ref().map(ExposeSecret::expose_secret)))
}

/// Isolation is told of the whole agent, drains and dry-run by the orders and changes themselves.
fn is_told(reason: Reason) -> bool {
    matches!(reason, Reason::NoQuorum | Reason::Contested | Reason::Floor)
}
