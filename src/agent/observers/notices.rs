//! Sends notices about facts to people.

mod acts;
mod causes;
mod draft;
mod events;
mod found;
mod hidden;
mod incidents;
mod keys;
mod ranks;
mod reporter;
mod seeing;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use self::draft::NoticeDraft;
use self::reporter::Reporter;
use super::Observer;
use super::warnings::CertificateChange;
use crate::agent::clock::Clock;
use crate::agent::state_store::StateStore;
use crate::dns::confirm::effect::ZoneNews;
use crate::engine::Engine;
use crate::engine::event::Fact;
use crate::engine::ids::ZoneId;
use crate::notify::{Notice, NoticeCounters, NoticeKind, Notifier};
use crate::settings::Config;

pub(super) use incidents::ShownIncident;

/// Maximum time for the notices of channels that are closed.
const LAST_NOTICES: Duration = Duration::from_secs(2);

/// Maximum time for the notices of channels that a reload removes.
const LAST_NOTICES_OF_REMOVED: Duration = Duration::from_mins(1);

/// Sends notices about facts to people.
pub(in crate::agent) struct NoticeObserver {
    notifier: Notifier,
    /// The runtime in which notices are sent.
    talk: Handle,
    store: Arc<StateStore>,
    reporter: Reporter,
}

impl NoticeObserver {
    /// Starts the channels that the configuration names, in the runtime of `talk`, and continues the
    /// incidents in `store`.
    pub(in crate::agent) fn start(
        config: &Config,
        talk: &Handle,
        clock: Clock,
        store: Arc<StateStore>,
    ) -> Self {
        let _inside = talk.enter();
        let mut reporter = Reporter::new(&config.name, config.dry_run, clock);
        reporter.follow(config);
        reporter.inherit(&store.incidents());
        let mut observer = Self {
            notifier: Notifier::start(&config.sections.notify),
            talk: talk.clone(),
            store,
            reporter,
        };
        observer.send_due();
        observer
    }

    /// Returns the counters of notices.
    pub(in crate::agent) fn counters(&self) -> &NoticeCounters {
        self.notifier.counters()
    }

    /// Sends a notice that the agent ends because a part failed.
    pub(in crate::agent) fn stopped(&mut self, reason: &str) {
        self.reporter.report(NoticeDraft::new(NoticeKind::Stopped).detail(reason));
    }

    /// Sends the notices that are left, for at most [`LAST_NOTICES`].
    pub(in crate::agent) async fn close(mut self) {
        for notice in self.reporter.take_all() {
            self.notifier.send(&notice);
        }
        self.store.note_incidents(self.reporter.saved());
        let counters = self.notifier.counters().clone();
        let lost_before = lost(&counters);
        let left = self.notifier.close(LAST_NOTICES).await;
        // A notice that was given up before the end is not among them.
        if lost(&counters) - lost_before <= count(&left) {
            self.reporter.delivered_but(&left);
            self.store.note_incidents(self.reporter.saved());
        }
    }

    /// Returns the open incidents, if they changed since the last call. They are in the state then.
    pub(super) fn changed_incidents(&mut self) -> Option<Vec<ShownIncident>> {
        let shown = self.reporter.changed()?;
        self.store.note_incidents(self.reporter.saved());
        Some(shown)
    }

    /// Follows the answers about a certificate.
    pub(super) fn certificate(&mut self, engine: &Engine, change: &CertificateChange) {
        self.reporter.certificate(engine, change);
        self.send_due();
    }

    fn send_due(&mut self) {
        for notice in self.reporter.take_due() {
            self.notifier.send(&notice);
        }
    }
}

fn count(notices: &[Notice]) -> u64 {
    u64::try_from(notices.len()).unwrap_or(u64::MAX)
}

/// Returns the number of notices that were not delivered.
fn lost(counters: &NoticeCounters) -> u64 {
    let counts = counters.counts();
    counts.iter().filter(|((_, outcome), _)| *outcome != "delivered").map(|(_, count)| count).sum()
}

impl Observer for NoticeObserver {
    fn fact(&mut self, engine: &Engine, fact: &Fact) {
        if !matches!(fact, Fact::Judged { .. }) {
            self.reporter.fact(engine, fact);
            self.send_due();
        }
    }

    fn zone_listed(&mut self, engine: &Engine, zone: ZoneId) {
        self.reporter.zone_listed(engine, zone);
        self.send_due();
    }

    fn effect(&mut self, engine: &Engine, news: &ZoneNews) {
        self.reporter.effect(engine, news);
        self.send_due();
    }

    /// Follows another configuration. Notices that wait in a channel that stays are still sent.
    fn reloaded(&mut self, config: &Config) {
        self.reporter.follow(config);
        let _inside = self.talk.enter();
        let closed = self.notifier.reload(&config.sections.notify);
        self.talk.spawn(closed.finish(LAST_NOTICES_OF_REMOVED));
        self.reporter.reloaded();
        self.send_due();
    }

    fn reload_refused(&mut self, reason: &str) {
        self.reporter.report(NoticeDraft::new(NoticeKind::ReloadRefused).detail(reason));
        self.send_due();
    }

    fn iteration(&mut self, engine: &Engine) {
        self.reporter.look(engine);
        self.send_due();
    }
}

#[cfg(test)]
mod tests;
