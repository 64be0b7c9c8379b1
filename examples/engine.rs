//! The pure engine without any network: one target stops answering, and the withdrawal comes out.
//!
//!     cargo run --example engine

#![expect(clippy::print_stdout, reason = "an example shows its output")]

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use goavail::engine::Engine;
use goavail::engine::event::{Action, Answer, Event, Settings};
use goavail::engine::prober::watch::Pace;
use goavail::engine::service::health::Thresholds;

fn main() {
    let (dies_at, rtt) = (Duration::from_secs(5), Duration::from_millis(10));
    let three = NonZeroU32::MIN.saturating_add(2);
    let [interval, timeout, retry_interval] = [1000, 500, 200].map(Duration::from_millis);
    let settings = Settings {
        targets: ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().expect("an address")).to_vec(),
        port: None,
        canaries: vec![],
        thresholds: Thresholds { failure: three, recovery: three },
        pace: Pace { interval, timeout, retry_interval },
        burst: NonZeroUsize::MIN,
        zone: "example.com".into(),
        names: vec!["www.example.com".into()],
        floor: 1,
        resync_interval: None,
        most_in_flight: None,
        cluster: None,
        dry_run: false,
    };
    let dying = settings.targets[0];
    let mut now = Duration::ZERO;
    let mut engine = Engine::new(settings, BTreeMap::new(), now);
    let mut events = vec![Event::Tick];
    while now < Duration::from_secs(8) {
        for action in
            events.drain(..).flat_map(|event| engine.handle(now, event)).collect::<Vec<_>>()
        {
            match action {
                // An answer comes at once; a dead target gives none.
                Action::Probe(probe) if probe.endpoint.address != dying || now < dies_at => {
                    let (slot, seq, answer) = (probe.slot, probe.seq, Answer::Reply(rtt));
                    events.push(Event::Answered { slot, seq, answer });
                }
                Action::Reconcile(order) => {
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
