//! The pure engine without any network: one target stops answering, and the withdrawal comes out.
//!
//!     cargo run --example engine

#![expect(clippy::print_stdout, reason = "an example shows its output")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use goavail::engine::event::{Action, Event};
use goavail::engine::settings::{ServiceSettings, Settings};
use goavail::engine::types::Answer;
use goavail::engine::{Engine, Moment};

fn main() {
    let [dying, living] = [1, 2].map(|last| IpAddr::from([192, 0, 2, last]));
    let service = ServiceSettings::new(vec![dying, living], "www.example.com");
    let mut engine = Engine::new(Settings::new(service), BTreeMap::new(), Moment::START);
    let [dies_at, end] = [5, 8].map(|second| Moment::after_start(Duration::from_secs(second)));
    let mut now = Moment::START;
    while now < end {
        let mut events = vec![Event::Tick];
        while let Some(event) = events.pop() {
            for action in engine.handle(now, event) {
                match action {
                    // An answer comes at once; a dead target gives none.
                    Action::Probe(probe) if probe.endpoint.address != dying || now < dies_at => {
                        let answer = Answer::Reply(Duration::from_millis(10));
                        events.push(Event::Answered { probe: probe.id, answer });
                    }
                    Action::Reconcile { order, .. } => {
                        println!("{now:?}: DNS should follow {:?}", order.desired);
                    }
                    Action::Report(fact) => println!("{now:?}: {fact:?}"),
                    _ => {}
                }
            }
        }
        now = engine.next_wake().unwrap_or(end).max(now + Duration::from_millis(1));
    }
}
