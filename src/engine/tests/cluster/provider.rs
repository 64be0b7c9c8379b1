//! The way from an order of an engine over its worker to the provider, and back.

use std::net::IpAddr;

use super::agent::Input;
use super::services::in_world;
use super::worker::{self, Doing, Fate};
use super::world::{Ask, Happening, World};
use crate::engine::event::{Event, Order};

impl World {
    pub(super) fn order(&mut self, agent: usize, order: Order) {
        let naming = self.naming(agent);
        let service = naming.number(order.service);
        let desired = naming.outer_desired(order.service, &order.desired);
        let outer = Order { desired, ..order.clone() };
        self.note(|| {
            format!("{agent}: orders {:?} read_again {}", outer.desired, outer.read_again)
        });
        self.check_order(agent, &outer);
        let state = &mut self.agents[agent];
        state.standing.retain(|target, _| naming.inner(*target).service != order.service);
        state.standing.extend(outer.desired.iter().map(|(target, state)| (*target, *state)));
        state.orders.push((self.now, outer));
        let doing = state.workers[service].order(self.now, order, &mut self.chance);
        self.work(agent, service, doing);
    }

    pub(super) fn work(&mut self, agent: usize, service: usize, doing: Vec<Doing>) {
        for doing in doing {
            match doing {
                Doing::Report(report) => {
                    let zone = self.naming(agent).zone(service);
                    let input = Input::Event(Event::Dns(zone, report));
                    self.send_in(self.now, agent, input);
                }
                Doing::Rest(wait, rest) => {
                    let input = Input::Worker(service, worker::Input::Rested(rest));
                    self.send_in(self.now + wait, agent, input);
                }
                Doing::List => self.ask(agent, service, Ask::List),
                Doing::Write { reading, create, delete } => {
                    let outer: [Vec<IpAddr>; 2] = [&create, &delete].map(|addresses| {
                        addresses.iter().map(|address| in_world(service, *address)).collect()
                    });
                    self.check_write(agent, &outer[0], &outer[1]);
                    self.ask(agent, service, Ask::Write { reading, create, delete });
                }
            }
        }
    }

    fn ask(&mut self, agent: usize, service: usize, ask: Ask) {
        let life = self.agents[agent].life;
        let after = self.chance.between(5, 60);
        self.later(self.now + after, Happening::Asked { agent, life, service, ask });
    }

    /// Handles a request at the provider, or loses it on the way there.
    pub(super) fn asked(&mut self, (agent, life): (usize, u32), service: usize, ask: Ask) {
        let open = self.net.provider_open(agent);
        let patience = self.chance.between(200, 5_000);
        let back = self.chance.between(5, 200);
        let (after, input) = match ask {
            Ask::List if open => {
                (back, worker::Input::Listed(Some(self.zone_of_mut(service).read())))
            }
            Ask::List => (patience, worker::Input::Listed(None)),
            Ask::Write { .. } if !open => (patience, worker::Input::Written(Fate::Failed)),
            Ask::Write { reading, create, delete } => {
                let by = (self.now, agent);
                let done = self.zone_of_mut(service).apply(by, &reading, &create, &delete);
                self.note(|| format!("{agent}: {service} +{create:?} -{delete:?}: {done}"));
                if self.chance.percent(self.net.lost_answers) {
                    (patience, worker::Input::Written(Fate::Unconfirmed))
                } else {
                    (back, worker::Input::Written(if done { Fate::Done } else { Fate::Changed }))
                }
            }
        };
        let input = Input::Worker(service, input);
        self.later(self.now + after, Happening::In { agent, life, input });
    }
}
