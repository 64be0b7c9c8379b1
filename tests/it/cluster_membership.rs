//! The members that are alive, with real sockets on loopback. The schedules of deaths, cuts and losses are in
//! virtual time, beside the code in `src/cluster/gossip`; here it is proved that the sockets, the
//! timers and the senders around it do their part.

use std::time::Duration;

use goavail::engine::types::{PeerKind, Vote};
use goavail::testing::cluster::{Cluster, ClusterError, ClusterEvent};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::cluster_net::{Agent, KEY, Net, announce, default_service, in_time, target};

async fn start(net: Net, number: u8, key: Option<&str>) -> Agent {
    Agent::start(&net.config(number, 3, key)).await
}

#[tokio::test]
async fn three_agents_find_each_other_and_a_farewell_is_accepted_at_once() {
    for key in [None, Some(KEY)] {
        let net = Net::new();
        let (mut one, mut two) = tokio::join!(start(net, 0, key), start(net, 1, key));
        assert_eq!(one.wait_alive(net.agent(1)).await, PeerKind::Native);
        let mut three = start(net, 2, key).await;
        for agent in [&mut one, &mut two] {
            agent.wait_alive(net.agent(2)).await;
        }
        three.wait_alive(net.agent(0)).await;
        in_time(three.cluster.leave()).await;
        for agent in [&mut one, &mut two] {
            let noticed = agent.wait_gone(net.agent(2));
            // A death is believed after 20 s or so.
            assert!(timeout(Duration::from_secs(12), noticed).await.is_ok(), "key {key:?}");
        }
    }
}

#[tokio::test]
async fn a_restarted_agent_receives_all_votes_at_once() {
    let net = Net::new();
    let (mut one, mut two) = tokio::join!(start(net, 0, Some(KEY)), start(net, 1, Some(KEY)));
    one.wait_alive(net.agent(1)).await;
    announce(&one.cluster, [(target(1), Vote::Down)]);
    two.wait_vote(net.agent(0)).await;
    two.kill(net.agent(1)).await;
    let mut two = start(net, 1, Some(KEY)).await;
    let told = async {
        assert_eq!(two.wait_vote(net.agent(0)).await, (target(1), Vote::Down, true));
    };
    // It is repeated every 10 s anyway; before that it was the return that did it.
    timeout(Duration::from_secs(9), told).await.expect("within 9 s");
}

#[tokio::test]
async fn an_agent_that_dies_is_noticed_and_its_return_too() {
    let net = Net::new();
    let (mut one, two) = tokio::join!(start(net, 0, Some(KEY)), start(net, 1, Some(KEY)));
    one.wait_alive(net.agent(1)).await;
    two.kill(net.agent(1)).await;
    let noticed = one.wait_gone(net.agent(1));
    in_time(noticed).await;
    let _two = start(net, 1, Some(KEY)).await;
    let back = one.wait_alive(net.agent(1));
    in_time(back).await;
}

#[tokio::test]
async fn an_agent_with_another_key_is_no_peer_and_harms_nobody() {
    let net = Net::new();
    let (mut one, mut two) = tokio::join!(start(net, 0, Some(KEY)), start(net, 1, Some(KEY)));
    let odd = start(net, 2, Some("another key here")).await;
    announce(&odd.cluster, [(target(1), Vote::Down)]);
    one.wait_alive(net.agent(1)).await;
    two.wait_alive(net.agent(0)).await;
    let refused = |agent: &Agent| agent.cluster.counts().get(&(None, "refused")).copied();
    in_time(async {
        // Nothing announces that a counter has changed.
        while refused(&one).is_none() || refused(&two).is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    announce(&one.cluster, [(target(2), Vote::Up)]);
    assert_eq!(two.wait_vote(net.agent(0)).await, (target(2), Vote::Up, true));
    let odd_seen = async {
        one.wait(|event| match event {
            ClusterEvent::Peer { peer, .. }
            | ClusterEvent::Abstained { peer, .. }
            | ClusterEvent::Vote { peer, .. } => (peer == net.agent(2)).then_some(()),
        })
        .await;
    };
    assert!(
        timeout(Duration::from_secs(3), odd_seen).await.is_err(),
        "nothing that it sends is reported"
    );
}

#[tokio::test]
async fn garbage_on_the_gossip_port_is_dropped() {
    let net = Net::new();
    let (mut one, mut two) = tokio::join!(start(net, 0, Some(KEY)), start(net, 1, Some(KEY)));
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let gossip = std::net::SocketAddr::new(net.agent(0).ip(), 7946);
    for number in 0..20_000_u32 {
        let bytes = number.to_be_bytes().repeat(1 + number as usize % 300);
        let _ = socket.send_to(&bytes, gossip).await;
    }
    one.wait_alive(net.agent(1)).await;
    two.wait_alive(net.agent(0)).await;
    let ended = timeout(Duration::from_millis(100), one.cluster.failed()).await;
    assert!(ended.is_err(), "{ended:?}");
}

#[tokio::test]
async fn a_port_that_another_process_holds_is_one_clear_error() {
    let net = Net::new();
    let (sender, _events) = mpsc::channel(1);
    let config = net.config(0, 2, None);
    let udp = std::net::SocketAddr::new(net.agent(0).ip(), 7946);
    let held = TcpListener::bind(net.agent(0)).await.unwrap();
    let refused = Cluster::start(&config, &[default_service()], sender.clone()).await.unwrap_err();
    assert_eq!(refused.to_string(), format!("cannot listen for votes on {}", net.agent(0)));
    drop(held);
    let held = UdpSocket::bind(udp).await.unwrap();
    let refused = Cluster::start(&config, &[default_service()], sender.clone()).await.unwrap_err();
    assert_eq!(refused.to_string(), format!("cannot listen for gossip on {udp}"));
    assert!(matches!(refused, ClusterError::Bind { .. }));
    drop(held);
    assert!(
        Cluster::start(&config, &[default_service()], sender).await.is_ok(),
        "nothing was left behind"
    );
}

/// After a standstill the sockets hold old messages. Virtual time, so that it stands still
/// on demand.
#[tokio::test(start_paused = true)]
async fn peers_count_again_after_a_suspension_once_they_have_sent_something() {
    let net = Net::new();
    let (mut one, _two) = tokio::join!(start(net, 0, Some(KEY)), start(net, 1, Some(KEY)));
    one.wait_alive(net.agent(1)).await;
    tokio::time::advance(Duration::from_secs(20)).await;
    one.wait_gone(net.agent(1)).await;
    let back = one.wait_alive(net.agent(1));
    timeout(Duration::from_secs(10), back).await.expect("within 10 s");
}
