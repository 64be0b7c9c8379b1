//! What the network may do to a probe: errors that are untrue.

use super::world::*;
use crate::engine::event::{Event, ProbeRequest};

/// Somebody says of the last probe that it did not get there.
fn doubt(world: &mut World) -> ProbeRequest {
    let (_, probe) = *world.probes.last().unwrap();
    let (slot, seq, what) = (probe.slot, probe.seq, "host unreachable".to_owned());
    world.tell(Event::Doubted { slot, seq, what });
    probe
}

#[test]
fn an_error_hurries_the_next_probe_and_a_reply_after_it_makes_all_well() {
    let mut world = World::new(settings(&[1]));
    world.set(ip(1), Way::Answers(ms(300)));
    world.run_until(ms(9900));
    for second in 10..30 {
        world.run_until(ms(second * 1000 + 5));
        doubt(&mut world);
        world.run_until(ms(second * 1000 + 999));
        let sent = world.sent(ip(1)).into_iter().filter(|at| *at >= u128::from(second) * 1000);
        let sent: Vec<_> = sent.map(|at| at - u128::from(second) * 1000).collect();
        assert_eq!(sent, [0, 200], "a retry, until the reply is there");
    }
    assert_eq!(world.story(), ["1 Up"]);
}

#[test]
fn an_error_that_no_reply_follows_is_a_loss_when_the_time_is_up_as_silence_is() {
    for doubted in [false, true] {
        let mut world = World::new(settings(&[1]));
        world.run_until(ms(9900));
        world.dies(1);
        for step in 0..20 {
            world.run_until(ms(10_005 + step * 50));
            if doubted {
                doubt(&mut world);
            }
        }
        world.run_until(ms(12_000));
        assert_eq!(world.when("1 Down"), ms(10_900), "doubted: {doubted}");
    }
}
