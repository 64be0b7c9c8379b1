//! Sends notices about facts to people.

mod draft;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::runtime::Handle;

use self::draft::NoticeDraft;
use super::Observer;
use crate::agent::clock::{wall, wall_at};
use crate::dns::confirm::effect::{EffectNews, ZoneNews};
use crate::engine::Engine;
use crate::engine::event::{DnsProblem, DnsProblemKind, Fact};
use crate::engine::ids::{TargetRef, ZoneId};
use crate::notify::{NoticeCounters, NoticeKind, Notifier, NotifyConfig};
use crate::settings::Config;

/// Maximum time for the notices of channels that are closed.
const LAST_NOTICES: Duration = Duration::from_secs(2);

/// Sends notices about facts to people.
pub(in crate::agent) struct NoticeObserver {
    agent: String,
    dry_run: bool,
    channels: NotifyConfig,
    notifier: Notifier,
    /// The runtime in which notices are sent.
    talk: Handle,
    /// The kind of provider failure in each zone that people were last notified of.
    failing: BTreeMap<ZoneId, DnsProblemKind>,
    /// The problem with each whole zone that people were last notified of.
    cautions: BTreeMap<ZoneId, String>,
}

impl NoticeObserver {
    /// Starts the channels that the configuration names, in the runtime of `talk`.
    pub(in crate::agent) fn start(config: &Config, talk: &Handle) -> Self {
        let _inside = talk.enter();
        Self {
            agent: config.name.clone(),
            dry_run: config.dry_run,
            channels: config.sections.notify.clone(),
            notifier: Notifier::start(&config.sections.notify),
            talk: talk.clone(),
            failing: BTreeMap::new(),
            cautions: BTreeMap::new(),
        }
    }

    /// Returns the counters of notices.
    pub(in crate::agent) fn counters(&self) -> &NoticeCounters {
        self.notifier.counters()
    }

    /// Sends a notice that the agent ends because a part failed.
    pub(in crate::agent) fn stopped(&self, reason: &str) {
        self.send(NoticeDraft::new(NoticeKind::Stopped).detail(reason));
    }

    /// Sends the notices that are left, for at most [`LAST_NOTICES`].
    pub(in crate::agent) async fn close(self) {
        self.notifier.close(LAST_NOTICES).await;
    }

    fn send(&self, draft: NoticeDraft) {
        self.notifier.send(&draft.signed(wall(), &self.agent, self.dry_run));
    }

    /// Sends one notice for a run of failures of the same kind.
    fn failing(&mut self, engine: &Engine, zone: ZoneId, problem: &DnsProblem) {
        let settings = engine.settings();
        let waiting = engine.waiting_for_dns(zone).map(|target| draft::named(settings, target));
        if self.failing.insert(zone, problem.kind) == Some(problem.kind) {
            return;
        }
        let draft = match problem.kind {
            DnsProblemKind::Refused => NoticeDraft::new(NoticeKind::ProviderRefused),
            DnsProblemKind::Unconfirmed => {
                NoticeDraft::new(NoticeKind::Unconfirmed).targets(waiting)
            }
            DnsProblemKind::Unavailable | DnsProblemKind::Changed | DnsProblemKind::Defect => {
                NoticeDraft::new(NoticeKind::Failing).targets(waiting)
            }
        };
        self.send(draft.detail(problem.what.as_str()).zone(settings.shown_zone(zone)));
    }
}

impl Observer for NoticeObserver {
    fn fact(&mut self, engine: &Engine, fact: &Fact) {
        match fact {
            Fact::Failing { zone, problem } => self.failing(engine, *zone, problem),
            Fact::FailingOver { zone } => {
                if self.failing.remove(zone).is_some() {
                    let zone = engine.settings().shown_zone(*zone);
                    self.send(NoticeDraft::new(NoticeKind::ProviderBack).zone(zone));
                }
            }
            Fact::Applied { service, withdrawn, restored, created, took, .. } => {
                let (service, settings) = (*service, engine.settings());
                for (address, gone) in withdrawn {
                    let target = TargetRef { service, address: *address };
                    let (named, standby) =
                        (draft::named(settings, target), engine.why_standby(target));
                    self.send(draft::withdrawn(named, gone, standby, *took));
                }
                for (address, names) in created {
                    let target = TargetRef { service, address: *address };
                    self.send(draft::created(draft::named(settings, target), names, *took));
                }
                for (address, names) in restored {
                    let target = TargetRef { service, address: *address };
                    let (view, often) = (engine.target_view(target), engine.how_often(target));
                    let target = draft::named(settings, target);
                    let draft = draft::restored(target, names, view.as_ref(), *took);
                    self.send(draft.explained(often));
                }
            }
            fact => {
                if let Some(draft) = draft::event(fact, engine.settings()) {
                    let view = draft::explained(fact).and_then(|it| engine.target_view(it));
                    self.send(draft.failed(&view.map(|view| view.failed).unwrap_or_default()));
                }
            }
        }
    }

    fn zone_listed(&mut self, engine: &Engine, zone: ZoneId) {
        let Some(observed) = engine.observed(zone) else { return };
        if self.cautions.get(&zone) == observed.caution.as_ref() {
            return;
        }
        if let Some(caution) = &observed.caution {
            self.cautions.insert(zone, caution.clone());
            let draft = NoticeDraft::new(NoticeKind::ZoneInactive).detail(caution.as_str());
            self.send(draft.zone(engine.settings().shown_zone(zone)));
        } else {
            self.cautions.remove(&zone);
            let draft = NoticeDraft::new(NoticeKind::ZoneActive);
            self.send(draft.zone(engine.settings().shown_zone(zone)));
        }
    }

    fn effect(&mut self, engine: &Engine, news: &ZoneNews) {
        let (kind, effect) = match &news.news {
            EffectNews::Visible { effect, .. } => (NoticeKind::Visible, effect),
            EffectNews::NotVisible(effect) => (NoticeKind::NotVisible, effect),
            _ => return,
        };
        let words = effect.in_words(news.provider, wall_at(effect.visible_at()));
        self.send(draft::effect(kind, effect, engine.settings()).detail(words));
    }

    /// Follows another configuration. Notices that wait in a channel that stays are still sent.
    fn reloaded(&mut self, config: &Config) {
        self.agent.clone_from(&config.name);
        self.dry_run = config.dry_run;
        let receivers = &config.sections.notify;
        if self.channels.is_same_as(receivers) {
            return;
        }
        let unchanged = self.channels.unchanged_in(receivers);
        let _inside = self.talk.enter();
        let successor = self.notifier.successor(receivers, &unchanged);
        self.channels = receivers.clone();
        let closed = std::mem::replace(&mut self.notifier, successor);
        self.talk.spawn(closed.close(LAST_NOTICES));
    }

    fn reload_refused(&mut self, reason: &str) {
        self.send(NoticeDraft::new(NoticeKind::ReloadRefused).detail(reason));
    }
}
