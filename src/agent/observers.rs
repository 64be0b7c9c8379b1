//! The observers of the facts: the log, the notices and the status.

pub(super) mod heartbeat;
pub(super) mod log;
pub(super) mod notices;
pub(super) mod status;
pub(super) mod warnings;

use crate::cluster::ClusterEvent;
use crate::dns::confirm::effect::ZoneNews;
use crate::engine::Engine;
use crate::engine::event::Fact;
use crate::engine::ids::ZoneId;
use crate::settings::Config;

use heartbeat::HeartbeatObserver;
use log::LogObserver;
use notices::NoticeObserver;
use status::StatusObserver;
use warnings::WarningObserver;

/// An observer of the agent. Observers decide nothing, and never block the event loop.
pub(super) trait Observer {
    /// The engine reported a fact.
    fn fact(&mut self, engine: &Engine, fact: &Fact);

    /// A listing of a zone, or a doubt about one, reached the engine.
    fn zone_listed(&mut self, _engine: &Engine, _zone: ZoneId) {}

    /// The cluster reported something about a peer; the engine receives it next.
    fn peer_event(&mut self, _event: &ClusterEvent) {}

    /// Name servers show a change, or do not.
    fn effect(&mut self, _engine: &Engine, _news: &ZoneNews) {}

    /// A new configuration is in force.
    fn reloaded(&mut self, _config: &Config) {}

    /// A new configuration was rejected, for this reason.
    fn reload_refused(&mut self, _reason: &str) {}

    /// A command of the operator was carried out, and is about to be answered.
    fn command_done(&mut self, _engine: &Engine) {}

    /// An iteration of the event loop ends.
    fn iteration(&mut self, _engine: &Engine) {}
}

/// The observers of an agent.
pub(super) struct Observers {
    pub(super) log: LogObserver,
    pub(super) notices: NoticeObserver,
    pub(super) warnings: WarningObserver,
    pub(super) heartbeat: HeartbeatObserver,
    /// Absent if the configuration names neither a listener nor a socket.
    pub(super) status: Option<StatusObserver>,
}

impl Observer for Observers {
    fn fact(&mut self, engine: &Engine, fact: &Fact) {
        self.log.fact(engine, fact);
        self.notices.fact(engine, fact);
        self.warnings.fact(engine, fact);
        self.heartbeat.fact(engine, fact);
        for change in self.warnings.take_changes() {
            self.notices.certificate(engine, &change);
        }
        if let Some(status) = &mut self.status {
            status.fact(engine, fact);
        }
    }

    fn zone_listed(&mut self, engine: &Engine, zone: ZoneId) {
        self.notices.zone_listed(engine, zone);
        if let Some(status) = &mut self.status {
            status.zone_listed(engine, zone);
        }
    }

    fn peer_event(&mut self, event: &ClusterEvent) {
        if let Some(status) = &mut self.status {
            status.peer_event(event);
        }
    }

    fn effect(&mut self, engine: &Engine, news: &ZoneNews) {
        self.log.effect(engine, news);
        self.notices.effect(engine, news);
        if let Some(status) = &mut self.status {
            status.effect(engine, news);
        }
    }

    fn reloaded(&mut self, config: &Config) {
        self.notices.reloaded(config);
        self.warnings.reloaded(config);
        self.heartbeat.reloaded(config);
        if let Some(status) = &mut self.status {
            status.reloaded(config);
            status.follow_notices(self.notices.counters());
        }
    }

    fn reload_refused(&mut self, reason: &str) {
        self.notices.reload_refused(reason);
        if let Some(status) = &mut self.status {
            status.reload_refused(reason);
        }
    }

    fn command_done(&mut self, engine: &Engine) {
        if let Some(status) = &mut self.status {
            status.command_done(engine);
        }
    }

    fn iteration(&mut self, engine: &Engine) {
        self.notices.iteration(engine);
        self.heartbeat.iteration(engine);
        let incidents = self.notices.changed_incidents();
        if let Some(status) = &mut self.status {
            if let Some(incidents) = incidents {
                status.publish_incidents(&incidents);
            }
            status.iteration(engine);
        }
    }
}
