//! The effect of changes in the status, as name servers show it.

use std::collections::BTreeSet;

use super::StatusObserver;
use super::zones::work_in;
use crate::agent::clock::wall_at;
use crate::dns::confirm::change::ChangeId;
use crate::dns::confirm::effect::{
    ChangeEffect, EffectNews, EffectState, ServerEffect, ServerState, ZoneNews,
};
use crate::engine::Engine;
use crate::engine::ids::{TargetRef, ZoneId};
use crate::settings::Config;
use crate::status::model::{EffectProgress, EffectStatus, ServerStatus};

/// The name of the work that fails while the name servers of a zone cannot be found.
const SERVERS: &str = "find the name servers";

impl StatusObserver {
    /// Publishes news about the changes of a zone.
    pub(super) fn publish_effect(&mut self, engine: &Engine, news: &ZoneNews) {
        let ZoneNews { zone, provider, news } = news;
        match news {
            EffectNews::Visible { effect, .. } => {
                self.board.counters().visible(effect.after);
                self.no_longer_hidden(*zone, effect.id);
            }
            EffectNews::NotVisible(effect) => {
                let change = change_in_words(engine, effect);
                let work = work_in(*zone, &format!("make visible: {change}"), engine);
                let words = effect.in_words(provider, wall_at(effect.visible_at()));
                self.board.failed_in(*zone, self.at(), &work, &words);
                self.hidden.insert((*zone, effect.id), work);
            }
            EffectNews::GivenUp(change) => self.no_longer_hidden(*zone, *change),
            EffectNews::NoServers(why) => {
                let (at, work) = (self.at(), work_in(*zone, SERVERS, engine));
                self.board.failed_in(*zone, at, &work, why);
                self.unfound.insert(*zone, work);
            }
            EffectNews::ServersFound => {
                if let Some(work) = self.unfound.remove(zone) {
                    self.board.recovered(&work);
                }
            }
            EffectNews::State(effects, hidden) => {
                let mut published = Vec::new();
                for effect in effects {
                    published.push(self.effect_status(engine, effect, provider));
                }
                self.board.set_effects(*zone, published, *hidden);
            }
            EffectNews::Lost => {
                self.end_effects(|its| its == *zone);
                self.board.set_effects(*zone, Vec::new(), 0);
            }
            EffectNews::Unprovable(..) => {}
        }
    }

    /// Publishes that a change is visible, or that it is not waited for.
    fn no_longer_hidden(&mut self, zone: ZoneId, change: ChangeId) {
        if let Some(work) = self.hidden.remove(&(zone, change)) {
            self.board.recovered(&work);
        }
    }

    /// Publishes that nothing fails any more in zones that `is_over` accepts.
    fn end_effects(&mut self, is_over: impl Fn(ZoneId) -> bool) {
        let hidden = self.hidden.extract_if(.., |(zone, _), _| is_over(*zone));
        let unfound = self.unfound.extract_if(.., |zone, _| is_over(*zone));
        let works = hidden.map(|(_, work)| work).chain(unfound.map(|(_, work)| work));
        let works: Vec<String> = works.collect();
        for work in works {
            self.board.recovered(&work);
        }
    }

    fn effect_status(
        &self,
        engine: &Engine,
        effect: &ChangeEffect,
        provider: &str,
    ) -> EffectStatus {
        let state = match effect.state {
            EffectState::Waiting => EffectProgress::Waiting,
            EffectState::Visible => EffectProgress::Visible,
            EffectState::NotVisible => EffectProgress::NotVisible,
        };
        let is_visible = effect.state == EffectState::Visible;
        EffectStatus {
            change: change_in_words(engine, effect),
            target: effect.address,
            at: self.board.wall_at(effect.at.into_std()),
            state,
            words: effect.in_words(provider, wall_at(effect.visible_at())),
            visible_s: is_visible.then_some(effect.after.as_secs_f64()),
            ttl_s: effect.ttl,
            servers: effect.servers.iter().map(server_status).collect(),
        }
    }

    /// Follows the zones of a configuration in which the proof of effect is on.
    pub(super) fn follow_effects(&mut self, config: &Config) {
        let mut on = BTreeSet::new();
        for zone in config.zones.iter().filter(|zone| zone.confirm.is_some() && !config.dry_run) {
            on.insert(self.ids.zone(zone));
        }
        self.end_effects(|zone| !on.contains(&zone));
        self.board.follow_effects(&on);
    }
}

/// Describes a change: `withdrew www/192.0.2.10 from www.example.com`.
fn change_in_words(engine: &Engine, effect: &ChangeEffect) -> String {
    let target = match effect.service {
        Some(service) => {
            engine.settings().target_name(TargetRef { service, address: effect.address })
        }
        None => effect.address.to_string(),
    };
    let [verb, preposition] = effect.verb();
    format!("{verb} {target} {preposition} {}", effect.names.join(", "))
}

/// Returns the state of a change at one address of a name server.
fn server_status(server: &ServerEffect) -> ServerStatus {
    let (shown_s, answer) = match &server.state {
        ServerState::Shows(after) => (Some(after.as_secs_f64()), None),
        ServerState::Waiting(answer) => (None, answer.clone()),
        ServerState::Unasked(why) => (None, Some(why.clone())),
    };
    let is_asked = !matches!(server.state, ServerState::Unasked(_));
    ServerStatus { server: server.in_words(), shown_s, answer, is_asked }
}
