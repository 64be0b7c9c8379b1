//! Starting, and where an agent listens.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::sync::watch;

use super::harness::{Harness, Members, about, alive, count, first, name, pass, ranked_one};
use crate::lab::{Place, link_v4, run, v4};

/// A target that nothing happens to.
const CALM: u32 = 9_999;

/// The Go agents watched nothing until all were there, and half of those that were started at the
/// same moment ended.
#[test]
fn an_agent_watches_before_its_peers_are_there_and_any_may_start_at_any_time() {
    run(|| {
        let targets = [v4(1), v4(CALM)];
        let harness = Harness::new(3, &targets);
        let members = Members::new(3, &targets);
        let mut early = harness.start(0, &members);
        first(&mut early, &["target confirmed up", &about(v4(1))]);
        assert_eq!(count(&mut early, &["peer is alive"]), 0);
        let mut others: Vec<_> = [1, 2].map(|index| harness.start(index, &members)).into();
        for (index, agent) in others.iter_mut().enumerate() {
            alive(agent, 0);
            alive(agent, 2 - index);
        }
        alive(&mut early, 1);
        alive(&mut early, 2);
        harness.lab.remove(&[v4(1)]);
        for index in 0..3 {
            harness.until_settled(index, v4(1), false);
        }
        harness.holds(&[v4(CALM)], 1);
    });
}

#[test]
fn members_port_is_where_agents_gossip_and_a_cluster_does_not_turn_debugging_on() {
    run(|| {
        let target = v4(1);
        let harness = Harness::new(2, &[target]);
        let members = Members { more: "members_port = 7999\n", ..Members::new(2, &[target]) };
        let mut agents = harness.start_all(&[0, 1], &members);
        let open = harness.lab.agent(0).output("cat", &["/proc/net/udp", "/proc/net/tcp"]);
        let port = |number: u16| format!(":{number:04X} ");
        assert!(open.contains(&port(7999)), "{open}");
        // Where the Go agents let anybody in.
        assert!(!open.contains(&port(7946)) && !open.contains(&port(7070)), "{open}");
        assert_eq!(count(&mut agents[0], &["DEBUG"]), 0);
        assert_eq!(count(&mut agents[0], &[super::harness::KEY]), 0, "the key is in no line");
    });
}

/// The address that the peers know is another machine's, which forwards the traffic.
#[test]
fn behind_an_address_of_another_machine_an_agent_listens_on_all_of_its_own() {
    run(|| {
        let target = ranked_one(&[1], 2);
        let harness = Harness::new(2, &[target, v4(CALM)]);
        let outside = SocketAddr::from(([10, 255, 1, 1], 8081));
        harness.lab.add(&[outside.ip()]);
        let inside = link_v4(Place::Agent(0));
        let (_open, open) = watch::channel(true);
        harness.runtime().spawn(async move {
            let listener = tokio::net::TcpListener::bind(outside).await.unwrap();
            pass(listener, SocketAddr::new(inside, 8081), open).await;
        });
        let gossip = |ip: IpAddr| SocketAddr::new(ip, 7946);
        harness.runtime().spawn(async move {
            let socket = UdpSocket::bind(gossip(outside.ip())).await.unwrap();
            let mut datagram = [0; 2048];
            while let Ok((length, _)) = socket.recv_from(&mut datagram).await {
                let _ = socket.send_to(&datagram[..length], gossip(inside)).await;
            }
        });
        let names = vec![outside, name(1)];
        let members = Members { names, ..Members::new(2, &[target, v4(CALM)]) };
        let mut hidden = harness.setup(0, &members.config(outside)).start();
        let mut other = harness.start(1, &members);
        first(&mut other, &["peer is alive", &outside.to_string()]);
        alive(&mut hidden, 1);
        for agent in [&mut hidden, &mut other] {
            first(agent, &["target confirmed up", &about(target)]);
        }
        let sockets = harness.lab.agent(0).output("cat", &["/proc/net/udp", "/proc/net/tcp"]);
        let any = |port: u16| format!("{:08X}:{port:04X} ", u32::from(Ipv4Addr::UNSPECIFIED));
        assert!(sockets.contains(&any(7946)) && sockets.contains(&any(8081)), "{sockets}");
        harness.lab.remove(&[target]);
        for index in [0, 1] {
            harness.until_settled(index, target, false);
        }
        harness.holds(&[v4(CALM)], 1);
        let agreed = first(&mut other, &["verdict=\"out of service\""]);
        assert!(agreed.has(&[&format!("agreeing=\"{outside}\"")]), "{agreed:?}");
    });
}
