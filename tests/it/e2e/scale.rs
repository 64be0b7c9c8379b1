//! Many addresses: no reply is missed because there are many.

use super::{Harness, PATIENT, QUICK, count, first, target, writes};
use crate::lab::{run, v4};

/// The Go agent lost replies from about 260 addresses on.
const MANY: u32 = 1000;

/// Probes of each address.
const ROUNDS: usize = 8;

#[test]
fn a_thousand_addresses_at_one_second_have_no_false_loss() {
    run(|| {
        let addresses: Vec<_> = (1..=MANY).map(v4).collect();
        let harness = Harness::serving(&addresses);
        let once_a_second = harness.config("", &addresses).replace(QUICK, "interval = 1\n");
        assert!(once_a_second.starts_with("interval = 1\n"));
        let mut agent = harness.start(&once_a_second);
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
        assert_eq!(writes(&harness.cloudflare), 0);

        // One that dies is found among them.
        harness.lab.remove(&[v4(500)]);
        first(&mut agent, &["withdrew", &target(v4(500))]);
        assert_eq!(count(&mut agent, &["target down"]), 1);
    });
}

#[test]
fn burst_is_the_number_of_targets_probed_at_the_same_moment() {
    run(|| {
        let addresses: Vec<_> = (1..=4).map(v4).collect();
        let harness = Harness::serving(&addresses);
        let in_twos = harness.config("burst = 2\n", &addresses).replace(QUICK, "interval = 1\n");
        let mut agent = harness.start(&in_twos);
        let mut order = Vec::new();
        let three_rounds = |line: &crate::agent::Line| {
            if line.has(&["outcome=Reply"]) {
                order.extend((0..4).find(|endpoint| line.has(&[&format!("endpoint={endpoint} ")])));
            }
            order.len() == 12
        };
        agent.wait_for(three_rounds, PATIENT);
        for two in order.chunks_mut(2) {
            two.sort_unstable();
        }
        // Neighbours in the list go apart.
        assert_eq!(order, [0, 2, 1, 3].repeat(3));
    });
}
