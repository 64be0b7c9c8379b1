//! The life of a process: start, death, suspension, resumption, reload.

use std::time::Duration;

use super::agent::Input;
use super::peers::{PeerView, VoteSender};
use super::worker::Worker;
use super::world::{Happening, World};
use crate::engine::event::{Announcement, Event};
use crate::engine::settings::Settings;

impl World {
    /// Starts an agent: it knows no peer, and the ones that did not miss it learn that it is new.
    pub(super) fn start(&mut self, agent: usize) {
        self.note(|| format!("{agent}: starts"));
        let now = self.now;
        self.agents[agent].start(now);
        self.mind_changed = now;
        for other in 0..self.agents.len() {
            self.count += 1;
            self.senders[agent][other] = VoteSender::new(self.count);
            self.peer_views[agent][other] = PeerView::default();
            self.count += 1;
            let (from, to, token) = (other, agent, self.count);
            self.senders[from][to].token = token;
            let after = self.chance.between(500, 2_000);
            self.later(now + after, Happening::Post { from, to, token });
        }
        self.look_around();
    }

    pub(super) fn kill(&mut self, agent: usize) {
        self.note(|| format!("{agent}: dies"));
        self.agents[agent].die();
        self.look_around();
    }

    /// Suspends a process for `time`.
    pub(super) fn suspend(&mut self, agent: usize, time: Duration) {
        if !self.agents[agent].runs() {
            return;
        }
        self.agents[agent].suspended = Some(vec![]);
        let life = self.agents[agent].life;
        self.later(self.now + time, Happening::Resume { agent, life });
        self.look_around();
    }

    /// Resumes a process. As in the event loop, queued events are handled before the tick.
    pub(super) fn resume(&mut self, agent: usize) {
        let waiting = self.agents[agent].suspended.take().unwrap_or_default();
        self.note(|| format!("{agent}: goes on, {} inputs waiting", waiting.len()));
        self.agents[agent].began = self.now;
        let (work, rest): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|input| matches!(input, Input::Worker(..)));
        for input in rest {
            self.take_in(agent, input);
        }
        self.tick(agent);
        for input in work {
            self.take_in(agent, input);
        }
        self.post_all(agent);
        self.look_around();
    }

    /// Retracts the votes of an agent on services that it no longer has.
    fn retract_removed(&mut self, agent: usize) {
        let removed: Vec<usize> = (0..self.services())
            .filter(|service| self.agents[agent].settings.service((*service).into()).is_none())
            .collect();
        for service in removed {
            let id = self.naming(agent).id(service);
            self.announce(agent, id, &Announcement::default());
        }
    }

    /// Reloads an agent with other settings (SIGHUP).
    pub(super) fn reload(&mut self, agent: usize, settings: Settings) {
        if self.agents[agent].engine.is_none() {
            self.agents[agent].settings = settings;
            return;
        }
        if let Some(waiting) = &mut self.agents[agent].suspended {
            waiting.push(Input::Reload(Box::new(settings)));
            return;
        }
        self.agents[agent].note_settings(settings.clone());
        self.retract_removed(agent);
        self.agents[agent].workers.iter_mut().for_each(Worker::replaced);
        self.agents[agent].standing.clear();
        self.look_around();
        let settings = self.naming(agent).inner_settings(&settings);
        self.send(agent, Event::Reloaded(Box::new(settings)));
        self.post_all(agent);
    }
}
