//! The pure engine without any network: one target stops answering, and the withdrawal comes out.
//!
//!     cargo run --example engine

#![expect(clippy::print_stdout, reason = "an example shows its output")]

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use goavail::engine::event::{Action, Answer, Event};
use goavail::engine::ids::ZoneId;
use goavail::engine::settings::{ServiceSettings, Settings, ZoneSettings};
use goavail::engine::types::{Pace, Thresholds};
use goavail::engine::{Engine, Moment};

fn main() {
    let [dies_at, end] = [5, 8].map(|s| Moment::after_start(Duration::from_secs(s)));
    let rtt = Duration::from_millis(10);
    let three = NonZeroU32::MIN.saturating_add(2);
    let [interval, timeout, retry_interval] = [1000, 500, 200].map(Duration::from_millis);
    let service = ServiceSettings {
        zone: ZoneId::DEFAULT,
        targets: ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().expect("an address")).to_vec(),
        names: vec!["www.example.com".into()],
        floor: 1,
        resync_interval: None,
    };
    let dying = service.targets[0];
    let settings = Settings {
        services: vec![service],
        zones: vec![ZoneSettings { location: "example.com".into() }],
        port: None,
        canaries: vec![],
        thresholds: Thresholds { failure: three, recovery: three },
        pace: Pace { interval, timeout, retry_interval },
        burst: NonZeroUsize::MIN,
        most_in_flight: None,
        cluster: None,
        dry_run: false,
    };
    let mut now = Moment::START;
    let mut engine = Engine::new(settings, BTreeMap::new(), now);
    let mut events = vec![Event::Tick];
    while now < end {
        for action in
            events.drain(..).flat_map(|event| engine.handle(now, event)).collect::<Vec<_>>()
        {
            match action {
                // An answer comes at once; a dead target gives none.
                Action::Probe(probe) if probe.endpoint.address != dying || now < dies_at => {
                    let answer = Answer::Reply(rtt);
                    events.push(Event::Answered { probe: probe.id, answer });
                }
                Action::Reconcile { order, .. } => {
                    println!("{now:?}: DNS should follow {:?}", order.desired);
                }
                Action::Report(fact) => println!("{now:?}: {fact:?}"),
                _ => {}
            }
        }
        now = engine.next_wake().unwrap_or(now + interval).max(now + Duration::from_millis(1));
        events.push(Event::Tick);
    }
}
