//! Several agents that report about the same.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use super::super::ranks;
use super::scenes::{SERVICE, Scene, address, settings};
use crate::engine::event::{Fact, Reason};
use crate::engine::settings::{ClusterSettings, Settings};
use crate::notify::IncidentProblem;

fn agent(nth: u8) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(198, 51, 100, nth), 7946))
}

/// Settings of an agent with nine peers.
fn clustered() -> Settings {
    let peers = (2..=10).map(agent).collect();
    let cluster = ClusterSettings { own: agent(1), peers, min_peers_agree: 1 };
    Settings { cluster: Some(cluster), ..settings() }
}

/// Lets all peers see all targets down, but for `holdouts`: they see the second target up.
async fn dies(scene: &mut Scene, holdouts: &BTreeSet<SocketAddr>) {
    for _ in 0..30 {
        for peer in (2..=10).map(agent) {
            let down: &[u8] = if holdouts.contains(&peer) { &[1, 3] } else { &[1, 2, 3] };
            scene.hears(peer, down, &[]);
        }
        scene.run(1, &[]).await;
    }
}

/// Of a service with nothing left, an agent that sees one of its targets up says nothing.
#[tokio::test(start_paused = true)]
async fn what_concerns_a_whole_service_is_left_to_agents_that_agree_about_each_target() {
    let mut scene = Scene::with(clustered());
    dies(&mut scene, &BTreeSet::new()).await;
    let before = ranks::ahead_for(scene.engine(), SERVICE).before;
    assert!(before.len() > 1, "the ranks are fixed: {before:?}");
    let first = before.iter().next().copied().unwrap();
    let mut scene = Scene::with(clustered());
    dies(&mut scene, &[first].into()).await;
    let mut want = before.clone();
    want.remove(&first);
    assert_eq!(ranks::ahead_for(scene.engine(), SERVICE).before, want);
    let mut scene = Scene::with(clustered());
    dies(&mut scene, &before).await;
    assert!(ranks::ahead_for(scene.engine(), SERVICE).before.is_empty());
}

/// A page must not end while another agent has its cause.
#[tokio::test(start_paused = true)]
async fn an_incident_that_other_agents_still_see_is_not_closed() {
    let mut scene = Scene::with(clustered());
    let (service, target, reason) = (SERVICE, address(1), Reason::Floor);
    votes(&mut scene, &[1]).await;
    scene.happens(Fact::Refused { service, target, reason, detail: String::new() }).await;
    votes(&mut scene, &[1]).await;
    scene.happens(Fact::RefusalOver { service, target, reason }).await;
    votes(&mut scene, &[1]).await;
    assert!(scene.has_open(IncidentProblem::Floor));
    assert!(!scene.told().iter().any(|words| words.starts_with("closed")));
    votes(&mut scene, &[]).await;
    assert!(!scene.has_open(IncidentProblem::Floor));
}

/// Lets all peers see these targets down for a while; all targets answer here.
async fn votes(scene: &mut Scene, down: &[u8]) {
    for _ in 0..15 {
        (2..=10).map(agent).for_each(|peer| scene.hears(peer, down, &[1, 2, 3]));
        scene.run(1, &[1, 2, 3]).await;
    }
}
