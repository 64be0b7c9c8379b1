//! Many addresses: no reply is missed because there are many.

use super::{PATIENT, QUICK, Scene, count, first, target, writes};
use crate::lab::{run, v4};

/// The Go agent lost replies from about 260 addresses on.
const MANY: u32 = 1000;

/// Probes of each address.
const ROUNDS: usize = 8;

#[test]
fn a_thousand_addresses_at_one_second_have_no_false_loss() {
    run(|| {
        let addresses: Vec<_> = (1..=MANY).map(v4).collect();
        let scene = Scene::serving(&addresses);
        let once_a_second = scene.config("", &addresses).replace(QUICK, "interval = 1\n");
        assert!(once_a_second.starts_with("interval = 1\n"));
        let mut agent = scene.start(&once_a_second);
        let (mut replies, mut losses) = (0, Vec::new());
        let enough = |line: &crate::agent::Line| {
            replies += usize::from(line.has(&["outcome=Reply"]));
            if line.has(&["outcome=Loss"]) {
                losses.push(line.text.clone());
            }
            replies >= addresses.len() * ROUNDS
        };
        agent.wait_for(enough, PATIENT);
        eprintln!("{replies} replies, {} losses", losses.len());
        assert!(losses.is_empty(), "{losses:?}");
        assert_eq!(count(&mut agent, &["target down"]), 0);
        assert_eq!(count(&mut agent, &["target confirmed up"]), addresses.len());
        assert_eq!(writes(&scene.cloudflare), 0);

        // One that dies is found among them.
        scene.lab.remove(&[v4(500)]);
        first(&mut agent, &["withdrew", &target(v4(500))]);
        assert_eq!(count(&mut agent, &["target down"]), 1);
    });
}
