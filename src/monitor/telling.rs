//! What people are told: notices made from facts.

use std::net::IpAddr;

use super::keeper::wall;
use crate::config::Config;
use crate::driver::brief;
use crate::engine::event::{DnsProblem, DnsProblemKind, Fact, Gone, Reason};
use crate::notify::{Evidence, Notice, NoticeKind, Notifier};

/// Makes notices and sends them.
pub(super) struct Teller {
    agent: String,
    dry_run: bool,
    notifier: Notifier,
    /// What people were last told of the provider's failing.
    failing: Option<DnsProblemKind>,
}

impl Teller {
    /// Must be made inside the runtime in which notices are to be sent.
    pub(super) fn start(config: &Config) -> Self {
        Self {
            agent: config.name.clone(),
            dry_run: config.dry_run,
            notifier: Notifier::start(&config.notify),
            failing: None,
        }
    }

    /// Sends what is left, for as long as `patience`.
    pub(super) async fn close(self, patience: std::time::Duration) {
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
    pub(super) fn tell(&mut self, fact: &Fact) {
        match fact {
            Fact::Applied { withdrawn, restored, took, .. } => {
                for (target, gone) in withdrawn {
                    self.withdrew(*target, gone, *took);
                }
                for (target, names) in restored {
                    let evidence = Evidence { took: Some(*took), ..Evidence::default() };
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
            Fact::Isolated { missing } => {
                let detail = format!("missing: {} targets", missing.len());
                self.send(NoticeKind::Isolated, vec![], Some(detail));
            }
            Fact::IsolationOver { lasted } => {
                let detail = format!("it lasted {}", brief(*lasted));
                self.send(NoticeKind::IsolationOver, vec![], Some(detail));
            }
            Fact::Failing(problem) => self.failing(problem),
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

    /// A provider that goes on failing in the same way is told once.
    fn failing(&mut self, problem: &DnsProblem) {
        if self.failing.replace(problem.kind) == Some(problem.kind) {
            return;
        }
        let kind = match problem.kind {
            DnsProblemKind::Refused => NoticeKind::ProviderRefused,
            DnsProblemKind::Unconfirmed => NoticeKind::Unconfirmed,
            DnsProblemKind::Unavailable | DnsProblemKind::Changed => NoticeKind::Failing,
        };
        self.send(kind, vec![], Some(problem.what.clone()));
    }

    /// A new configuration was bad.
    pub(super) fn reload_refused(&self, why: &str) {
        self.send(NoticeKind::ReloadRefused, vec![], Some(why.to_owned()));
    }

    /// The agent ends because something in it failed.
    pub(super) fn stopped(&self, why: &str) {
        self.send(NoticeKind::Stopped, vec![], Some(why.to_owned()));
    }
}

/// Isolation is told of the whole agent, drains and dry-run by the orders and changes themselves.
fn is_told(reason: Reason) -> bool {
    matches!(reason, Reason::NoQuorum | Reason::Contested | Reason::Floor)
}
