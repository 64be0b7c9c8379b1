//! Stories of clusters with several services.

use super::services::{STRIDE, in_world, with_services};
use super::world::World;
use super::zone::Kind;
use crate::engine::event::{Fact, Reason};
use crate::engine::tests::world::{ip, ms, settings};
use crate::engine::types::Health;

const MAIL: usize = 1;
const WWW: usize = 2;

/// Three agents with three services of two targets, settled.
fn world(needed: usize, seed: u64) -> World {
    let settings = with_services(settings(&[1, 2]));
    let mut world = World::new(3, needed, &settings, Kind::ByRecord, seed);
    world.settle_down();
    world
}

impl World {
    /// Returns the number of changes to the zone of each service.
    fn changes(&self) -> Vec<usize> {
        (0..self.services()).map(|service| self.zone_of(service).writes.len()).collect()
    }
}

#[test]
fn a_dead_port_takes_one_service_out_of_dns_once_and_no_other() {
    for seed in 0..5 {
        let mut world = world(1, seed);
        world.net.dead.insert(in_world(MAIL, ip(1)));
        world.run_for(ms(60_000));
        assert_eq!(world.changes(), [0, 1, 0], "seed {seed}");
        assert!(!world.is_published(in_world(MAIL, ip(1))));
        world.net.dead.clear();
        world.run_for(ms(60_000));
        assert_eq!((world.changes(), &world.broken), (vec![0, 2, 0], &vec![]), "seed {seed}");
    }
}

/// The agents rank differently for each service of the same machine.
#[test]
fn a_dead_machine_takes_each_service_out_once_and_several_agents_share_the_work() {
    let mut workers = std::collections::BTreeSet::new();
    for number in 1..=6 {
        let alike = with_services(settings(&[number, number + 1]));
        let mut world = World::new(3, 2, &alike, Kind::WholeSet, number.into());
        world.settle_down();
        for service in 0..3 {
            world.net.dead.insert(in_world(service, ip(number)));
        }
        world.run_for(ms(60_000));
        assert_eq!(world.changes(), [1, 1, 1], "{number}");
        for service in 0..3 {
            let by = world.zone_of(service).writes[0].by;
            assert_eq!(by, world.ranked(in_world(service, ip(number)))[0], "{number} {service}");
            workers.insert(by);
        }
    }
    assert_eq!(workers.len(), 3);
}

#[test]
fn an_agent_blind_for_one_service_is_outvoted_there_and_counts_elsewhere() {
    let mut world = world(1, 7);
    let blind = in_world(WWW, ip(1));
    world.net.unseen.insert((0, blind));
    world.run_for(ms(60_000));
    assert_eq!(world.changes(), [0, 0, 0]);
    let reasons = [0, 1, 2].map(|service| {
        let view = world.agents[0].view(in_world(service, ip(1))).unwrap();
        (view.health, view.reason)
    });
    let fine = (Health::Up, None);
    assert_eq!(reasons, [fine, fine, (Health::Down, Some(Reason::NoQuorum))]);
    // The vote of the blind agent is needed elsewhere: another agent is gone.
    world.kill(2);
    world.net.dead.insert(in_world(MAIL, ip(1)));
    world.run_for(ms(60_000));
    assert_eq!((world.changes(), &world.broken), (vec![0, 1, 0], &vec![]));
}

/// The agents without the service have no vote on it; the quorum has to come from the others.
#[test]
fn a_service_that_only_some_agents_have_takes_its_quorum_from_those() {
    for (needed, changes) in [(1, [0, 1, 0]), (2, [0, 0, 0])] {
        let mut world = world(needed, 11);
        let mut without = world.agents[2].settings.clone();
        without.services.remove(&MAIL.into());
        world.reload(2, without);
        world.run_for(ms(5_000));
        world.net.dead.insert(in_world(MAIL, ip(1)));
        world.run_for(ms(60_000));
        assert_eq!(world.changes(), changes, "{needed} needed");
        let reason = world.reason(0, 1 + STRIDE);
        let missing = (needed == 2).then_some(Reason::NoQuorum);
        assert_eq!((reason, &world.broken), (missing, &vec![]), "{needed} needed");
    }
}

#[test]
fn the_votes_of_a_peer_on_a_service_that_it_drops_stop_to_count() {
    let mut world = world(1, 13);
    let target = in_world(MAIL, ip(1));
    // Two agents see it dead, and only one of them may act.
    world.net.unseen.extend([(0, target), (1, target)]);
    world.net.barred.extend([0, 1]);
    world.run_for(ms(10_000));
    let mut without = world.agents[1].settings.clone();
    without.services.remove(&MAIL.into());
    world.reload(1, without);
    world.run_for(ms(10_000));
    world.net.barred.clear();
    world.run_for(ms(60_000));
    assert_eq!((world.changes(), &world.broken), (vec![0, 0, 0], &vec![]));
    let refused = |(_, fact): &(_, Fact)| matches!(fact, Fact::Refused { .. });
    assert!(world.agents[0].facts.iter().any(refused));
}
