//! The failures of the Go agents in a run (section 4.5 of their study, defects 11 to 13), replayed.

use super::agent::address;
use super::world::World;
use super::zone::Kind;
use crate::engine::event::{Event, Reason};
use crate::engine::ids::ServiceId;
use crate::engine::tests::world::{ip, ms, settings};
use crate::engine::types::{PeerKind, PeerState, Vote};

fn world(agents: usize) -> World {
    let mut world = World::new(agents, 1, &settings(&[1, 2]), Kind::ByRecord, 13);
    world.settle_down();
    world
}

#[test]
fn one_write_where_the_go_agents_made_none_or_several() {
    type Run = (&'static str, usize, fn(&mut World));
    let runs: [Run; 6] = [
        ("two agents, the target dies", 2, |_| {}),
        ("three agents, all see it: two of the three called the API", 3, |_| {}),
        ("three agents, two see it: the votes cancelled out", 3, |world| {
            world.net.unseen.extend([(0, ip(1)), (1, ip(1))]);
            world.net.dead.clear();
        }),
        ("three agents, one has long been down: it counted as a vote for alive", 3, |world| {
            world.kill(0);
            world.net.dead.clear();
            world.run_for(ms(60_000));
            world.net.dead.insert(ip(1));
        }),
        (
            "three agents, the first in both lists was just killed, unknown to the others",
            3,
            |world| {
                world.kill(0);
            },
        ),
        ("a peer takes votes and never answers: the monitor loop stopped", 3, |world| {
            world.suspend(0, ms(600_000));
        }),
    ];
    for (name, agents, run) in runs {
        let mut world = world(agents);
        world.net.dead.insert(ip(1));
        run(&mut world);
        world.run_for(ms(30_000));
        assert_eq!((world.in_zone(), world.zone.writes.len()), (vec![2], 1), "{name}");
    }
}

#[test]
fn the_last_one_of_two_does_nothing_and_says_so_in_its_status() {
    let mut world = world(2);
    world.kill(1);
    world.net.dead.insert(ip(1));
    world.run_for(ms(60_000));
    assert_eq!((world.in_zone(), world.reason(0, 1)), (vec![1, 2], Some(Reason::NoQuorum)));
}

#[test]
fn forged_names_are_no_voters() {
    let mut world = world(2);
    world.net.unseen.insert((0, ip(1)));
    for _ in 0..30 {
        for stranger in 5..9 {
            let peer = address(stranger);
            world.send(0, Event::Peer { peer, state: PeerState::Alive(PeerKind::Legacy) });
            world.send(
                0,
                Event::Vote {
                    peer,
                    service: ServiceId::DEFAULT,
                    target: ip(1),
                    vote: Vote::Down,
                    age: ms(0),
                },
            );
        }
        world.run_for(ms(1_000));
    }
    assert_eq!((world.in_zone(), world.reason(0, 1)), (vec![1, 2], Some(Reason::NoQuorum)));
}
