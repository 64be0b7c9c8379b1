//! The effect of changes in the status, as name servers show it.

use std::collections::BTreeSet;

use super::StatusObserver;
use super::zones::work_in;
use crate::agent::clock::wall;
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
            EffectNews::Visible { effect, .. } => self.board.counters().visible(effect.after),
            EffectNews::NoServers(why) => {
                let (at, work) = (self.at(), work_in(*zone, SERVERS, engine));
                self.board.failed_in(*zone, at, &work, why);
            }
            EffectNews::ServersFound => self.board.recovered(&work_in(*zone, SERVERS, engine)),
            EffectNews::State(effects) => self.publish_effects(engine, (*zone, provider), effects),
            EffectNews::NotVisible(_) | EffectNews::Unprovable(..) => {}
        }
    }

    /// Publishes the state of changes; those that are not visible fail until they are.
    fn publish_effects(
        &mut self,
        engine: &Engine,
        (zone, provider): (ZoneId, &str),
        effects: &[ChangeEffect],
    ) {
        let mut failing = BTreeSet::new();
        let mut published = Vec::new();
        for effect in effects {
            let change = change_in_words(engine, effect);
            let words = effect.in_words(provider, wall());
            if effect.state == EffectState::NotVisible {
                let work = work_in(zone, &format!("make visible: {change}"), engine);
                if !self.hidden.contains(&(zone, work.clone())) {
                    self.board.failed_in(zone, self.at(), &work, &words);
                }
                failing.insert((zone, work));
            }
            published.push(self.effect_status(effect, change, words));
        }
        let over = self.hidden.extract_if(.., |it| it.0 == zone && !failing.contains(it));
        let over: Vec<(ZoneId, String)> = over.collect();
        for (_, work) in over {
            self.board.recovered(&work);
        }
        self.hidden.extend(failing);
        self.board.set_effects(zone, published);
    }

    fn effect_status(&self, effect: &ChangeEffect, change: String, words: String) -> EffectStatus {
        let state = match effect.state {
            EffectState::Waiting => EffectProgress::Waiting,
            EffectState::Visible => EffectProgress::Visible,
            EffectState::NotVisible => EffectProgress::NotVisible,
        };
        let is_visible = effect.state == EffectState::Visible;
        EffectStatus {
            change,
            target: effect.address,
            at: self.board.wall_at(effect.at.into_std()),
            state,
            words,
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
        let over = self.hidden.extract_if(.., |(zone, _)| !on.contains(zone));
        let over: Vec<(ZoneId, String)> = over.collect();
        for (_, work) in over {
            self.board.recovered(&work);
        }
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
