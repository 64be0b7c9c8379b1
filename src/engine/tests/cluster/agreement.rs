//! One engine and the votes of its peers: the votes that count, and the agreement they make.

use std::net::{IpAddr, SocketAddr};

use super::agent::address;
use super::world::member;
use crate::engine::event::{Event, Reason};
use crate::engine::ids::ServiceId;
use crate::engine::tests::world::{World, ip, ms, settings, with_floor};
use crate::engine::types::{PeerKind, PeerState, Vote};

/// Creates a world in which the engine is agent 0.
fn world(agents: usize, needed: usize) -> World {
    World::new(member(0, agents, needed, &settings(&[1, 2])))
}

/// Reports events in words: `1a` peer 1 is alive, `1x` it is gone, `1g` it is alive and a Go agent,
/// `1d` it votes down, `1u` up, `1o` it saw the target down 29 s ago, `1r` it retracts its vote.
fn report(world: &mut World, words: &str) {
    for word in words.split_whitespace() {
        let (number, what) = word.split_at(1);
        let peer: SocketAddr = address(number.parse().unwrap());
        let target: IpAddr = ip(1);
        world.send(match what {
            "a" => Event::Peer { peer, state: PeerState::Alive(PeerKind::Native) },
            "g" => Event::Peer { peer, state: PeerState::Alive(PeerKind::Legacy) },
            "x" => Event::Peer { peer, state: PeerState::Gone },
            "r" => Event::Abstained { peer, service: ServiceId::DEFAULT, target },
            "o" => Event::Vote {
                peer,
                service: ServiceId::DEFAULT,
                target,
                vote: Vote::Down,
                age: ms(29_000),
            },
            "d" => Event::Vote {
                peer,
                service: ServiceId::DEFAULT,
                target,
                vote: Vote::Down,
                age: ms(0),
            },
            _ => Event::Vote {
                peer,
                service: ServiceId::DEFAULT,
                target,
                vote: Vote::Up,
                age: ms(0),
            },
        });
    }
}

#[test]
fn the_votes_of_peers_decide_whether_a_dead_target_goes() {
    let out: (&[u8], Option<Reason>) = (&[2], None);
    let refused: (&[u8], Option<Reason>) = (&[1, 2], Some(Reason::NoQuorum));
    let contested: (&[u8], Option<Reason>) = (&[1, 2], Some(Reason::Contested));
    let cases = [
        ("the one vote that is needed", 3, 1, "1a 1d", out),
        ("a vote that came before its sender was known to live", 3, 1, "1d 1a", out),
        ("both votes that are needed", 3, 2, "1a 2a 1d 2d", out),
        ("a vote of a Go agent", 3, 1, "1g 1d", out),
        ("none needed, nobody there", 3, 0, "", out),
        ("none needed, all others see it up", 3, 0, "1a 2a 1u 2u", out),
        ("one contradicts, which is no quorum", 3, 1, "1a 2a 1d 2u", out),
        ("two contradict, one of them is gone", 4, 1, "1a 2a 3a 1d 2u 3u 3x", out),
        ("no peer has voted", 3, 1, "1a 2a", refused),
        ("nobody lives", 3, 1, "1d 2d", refused),
        ("one of the two needed", 3, 2, "1a 2a 1d", refused),
        ("one voter counts once", 3, 2, "1a 2a 1d 1d 1d", refused),
        ("the peer that voted down is gone", 3, 1, "1a 2a 1d 1x", refused),
        ("gone and back, it has to say it again", 3, 1, "1a 1d 1x 1a", refused),
        ("it took that back", 3, 1, "1a 2a 1d 1r", refused),
        ("what it saw is nearly half a minute old", 3, 1, "1a 2a 1o", refused),
        ("it took back the contrary", 4, 1, "1a 2a 3a 1d 2u 3u 3r", out),
        ("it changed its mind", 3, 1, "1a 1d 1u", refused),
        ("an unknown agent votes down", 3, 1, "1a 9a 9d", refused),
        ("the vote is in our own name", 3, 1, "0a 0d", refused),
        ("two contradict, which is a quorum", 4, 1, "1a 2a 3a 1d 2u 3u", contested),
    ];
    for (name, agents, needed, words, want) in cases {
        let mut world = world(agents, needed);
        world.run_until(ms(10_000));
        report(&mut world, words);
        world.dies(1);
        world.run_for(ms(25_000));
        assert_eq!((&*world.in_zone(), world.view(1).reason), want, "{name}: {words}");
    }
}

#[test]
fn peers_alone_never_cause_a_change() {
    for needed in 0..=2 {
        let mut world = world(3, needed);
        world.run_until(ms(10_000));
        report(&mut world, "1a 2a 1d 2d");
        world.run_for(ms(25_000));
        assert!(world.writes().is_empty(), "{needed} needed: {:?}", world.writes());
        assert_eq!(world.view(1).reason, None, "{needed} needed: nothing here asks for a change");
    }
}

#[test]
fn a_refusal_ends_when_the_vote_that_was_missing_comes() {
    let mut world = world(3, 1);
    world.run_until(ms(10_000));
    report(&mut world, "1a 2a");
    world.dies(1);
    world.run_for(ms(8_000));
    assert_eq!(world.view(1).reason, Some(Reason::NoQuorum));
    report(&mut world, "2d");
    world.run_for(ms(6_000));
    assert_eq!((world.in_zone(), world.view(1).reason), (vec![2], None));
    let said = world.story().iter().filter(|line| line.contains("no_quorum")).count();
    assert_eq!(said, 2, "once when it began, once when it ended: {:?}", world.story());
}

#[test]
fn a_vote_ages_unless_a_go_agent_gave_it() {
    // The target is down here after up to two seconds.
    for (word, age, want) in
        [("1a", 27, true), ("1a", 30, false), ("1g", 30, true), ("1g", 900, true)]
    {
        let mut world = world(3, 1);
        world.run_until(ms(10_000));
        report(&mut world, &format!("{word} 1d"));
        world.run_for(ms(age * 1_000));
        world.dies(1);
        world.run_for(ms(20_000));
        assert_eq!(world.in_zone() == [2], want, "{word}, {age} s");
    }
}

#[test]
fn the_first_votes_after_a_suspension_are_ignored() {
    for (word, want) in [("1a", false), ("1g", true)] {
        let mut world = world(3, 1);
        world.run_until(ms(10_000));
        report(&mut world, word);
        world.dies(1);
        world.run_for(ms(8_000));
        assert_eq!(world.view(1).reason, Some(Reason::NoQuorum));
        // Stopped for a minute; the vote was waiting in the queue, and the event loop handles it first.
        world.now += ms(60_000);
        report(&mut world, "1d");
        world.send(Event::Tick);
        report(&mut world, "1d");
        world.run_for(ms(9_000));
        assert_eq!(world.in_zone() == [2], want, "{word}: nothing repeats the vote of a Go agent");
        report(&mut world, "1d");
        world.run_for(ms(6_000));
        assert_eq!(world.in_zone(), [2], "{word}: repeated");
    }
}

/// Each agent but the last sees it before the others do; that is normal in a failover.
#[test]
fn that_the_peers_are_a_little_later_is_no_refusal() {
    let mut world = world(3, 2);
    world.run_until(ms(10_000));
    report(&mut world, "1a 2a 1u 2u");
    world.dies(1);
    world.run_for(ms(3_500));
    report(&mut world, "1d");
    world.run_for(ms(1_500));
    report(&mut world, "2d");
    world.run_for(ms(15_000));
    assert_eq!(world.in_zone(), [2]);
    let refusals = world.story().iter().filter(|line| line.contains("no_quorum")).count();
    assert_eq!(refusals, 0, "{:?}", world.story());
}

#[test]
fn in_single_mode_nobody_is_asked() {
    let mut world = World::new(settings(&[1, 2]));
    world.run_until(ms(10_000));
    // Without peers there is no cluster, regardless of the other settings.
    world.send(Event::Reloaded(Box::new(with_floor(1, settings(&[1, 2])))));
    report(&mut world, "1a 1u");
    world.dies(1);
    world.run_for(ms(5_000));
    assert_eq!(world.in_zone(), [2]);
}
