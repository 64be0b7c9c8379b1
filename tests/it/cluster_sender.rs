//! The way of this agent's votes to its peers: the requests on the wire, their pace, and a peer that
//! is slow, absent or a Go agent does to that.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use goavail::engine::ids::ServiceId;
use goavail::engine::types::{PeerKind, Vote};
use goavail::testing::cluster::{
    ClusterEvent, Form, Seal, Signed, VotesOnService, WatchedService, wire,
};
use secrecy::SecretString;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::cluster_net::{
    Agent, KEY, Net, announce, exchange, in_time, post, request, signed, status, target,
};

/// The same vote on the first `count` targets.
fn votes(count: u8, vote: Vote) -> Vec<(IpAddr, Vote)> {
    (0..count).map(|number| (target(number), vote)).collect()
}

/// A peer that answers each vote with `answer`, after `pause`, and passes it on.
fn peer(
    listener: TcpListener,
    answer: &'static str,
    pause: Duration,
) -> mpsc::UnboundedReceiver<(String, String)> {
    let (sender, seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let sender = sender.clone();
            tokio::spawn(async move {
                while let Some(vote) = request(&mut stream).await {
                    let _ = sender.send(vote);
                    sleep(pause).await;
                    let _ = stream.write_all(answer.as_bytes()).await;
                    if answer.contains("close") {
                        return;
                    }
                }
            });
        }
    });
    seen
}

const OURS: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const GO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Section 4.1 of the study of the Go agent.
#[tokio::test]
async fn a_vote_has_the_bytes_of_a_go_agents() {
    let net = Net::new();
    let mut seen = peer(TcpListener::bind(net.agent(1)).await.unwrap(), GO, Duration::ZERO);
    let agent = Agent::start(&net.config(0, 2, None)).await;
    announce(&agent.cluster, [(target(2), Vote::Down)]);
    let (head, body) = in_time(seen.recv()).await.unwrap();
    let (local, remote) = (net.agent(0), net.agent(1));
    let want = format!(r#"{{"Peer":"{local}","IPAddress":"203.0.113.2","Live":false}}"#);
    assert_eq!(body, want);
    let lines: Vec<_> = head.lines().collect();
    assert_eq!(lines[0], "POST / HTTP/1.1");
    for line in [
        format!("Host: {remote}"),
        "Content-Type: application/json".to_owned(),
        format!("Content-Length: {}", want.len()),
    ] {
        assert!(lines.contains(&line.as_str()), "{line} in {head}");
    }
    assert!(!head.contains("oavail-"), "no signature without a key: {head}");
}

#[tokio::test]
async fn with_a_key_a_vote_is_hidden_and_signed() {
    let net = Net::new();
    let mut seen = peer(TcpListener::bind(net.agent(1)).await.unwrap(), GO, Duration::ZERO);
    let agent = Agent::start(&net.config(0, 2, Some(KEY))).await;
    announce(&agent.cluster, [(target(2), Vote::Up)]);
    let (head, body) = in_time(seen.recv()).await.unwrap();
    let seal = Seal::new(&SecretString::from(KEY)).unwrap();
    let words = wire::decode(wire::VotePath::Default, Some(&seal), body.as_bytes()).unwrap();
    assert_eq!((words.peer, words.target), (net.agent(0).to_string(), "203.0.113.2".to_owned()));
    assert!(matches!(words.declaration, wire::Declaration::Vote { vote: Vote::Up, .. }));
    let Signed { at, form } = signed(&seal, net.agent(1), &head, &body);
    assert_eq!(form, Form::V2);
    assert!(goavail::testing::cluster::unix_millis().abs_diff(at) < 10_000);
}

/// The Go agent stops telling at the first peer that is unreachable, and waits for ever for one
/// that does not answer.
#[tokio::test]
async fn a_peer_that_is_gone_or_never_answers_delays_no_other() {
    let net = Net::new();
    let silent = TcpListener::bind(net.agent(2)).await.unwrap();
    let mut seen = peer(TcpListener::bind(net.agent(3)).await.unwrap(), OURS, Duration::ZERO);
    let agent = Agent::start(&net.config(0, 4, None)).await;
    announce(&agent.cluster, votes(3, Vote::Down));
    let told = async {
        for _ in 0..3 {
            seen.recv().await.unwrap();
        }
    };
    // One after the other, behind the silent one, it would be six seconds.
    timeout(Duration::from_secs(5), told).await.expect("within 5 s");
    drop(silent);
}

#[tokio::test]
async fn a_late_peer_receives_the_current_votes() {
    let net = Net::new();
    let agent = Agent::start(&net.config(0, 2, None)).await;
    announce(&agent.cluster, votes(2, Vote::Down));
    // Refused at least once.
    let failed =
        |agent: &Agent| agent.cluster.counts().contains_key(&(Some(net.agent(1)), "failed"));
    in_time(async {
        while !failed(&agent) {
            // Nothing announces that a counter has changed.
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    announce(&agent.cluster, [(target(1), Vote::Up)]);
    let mut seen = peer(TcpListener::bind(net.agent(1)).await.unwrap(), GO, Duration::ZERO);
    let (_, body) = in_time(seen.recv()).await.unwrap();
    assert!(body.contains(r#""203.0.113.1","Live":true"#), "only what stands: {body}");
}

#[tokio::test]
async fn a_possible_go_agent_receives_a_vote_once_even_if_its_answer_is_slow() {
    let net = Net::new();
    // A Go agent answers when its DNS calls are over.
    let slow = Duration::from_secs(3);
    let mut seen = peer(TcpListener::bind(net.agent(1)).await.unwrap(), GO, slow);
    let agent = Agent::start(&net.config(0, 2, None)).await;
    announce(&agent.cluster, votes(2, Vote::Down));
    let mut bodies = Vec::new();
    // Longer than the repetition to a peer of our kind.
    let listen = async {
        while let Some((_, body)) = seen.recv().await {
            bodies.push(body);
        }
    };
    assert!(timeout(Duration::from_secs(13), listen).await.is_err());
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 2, "{bodies:?}");
    let counts = agent.cluster.counts();
    assert_eq!(counts.get(&(Some(net.agent(1)), "unanswered")), Some(&2), "{counts:?}");
}

#[tokio::test]
async fn native_peers_receive_votes_again_every_ten_seconds() {
    let net = Net::new();
    let (one, mut other) = tokio::join!(start(net, 0, 2, Some(KEY)), start(net, 1, 2, Some(KEY)));
    other.wait_alive(net.agent(0)).await;
    announce(&one.cluster, [(target(1), Vote::Down)]);
    assert_eq!(other.wait_vote(net.agent(0)).await, (target(1), Vote::Down, true));
    // The vote may be sent once more when the receiver turns out to be native.
    while timeout(Duration::from_secs(3), other.wait_vote(net.agent(0))).await.is_ok() {}
    let mut last = None;
    for round in 0..3 {
        // Without newer evidence nothing is sent; a vote with newer evidence is sent again.
        announce(&one.cluster, [(target(1), Vote::Down)]);
        let again = in_time(other.wait_vote(net.agent(0))).await;
        assert_eq!(again, (target(1), Vote::Down, true), "round {round}");
        let now = one.cluster.clock().now();
        let pause = last.replace(now).map_or(10, |last| now.saturating_sub(last).as_secs());
        assert!((8..20).contains(&pause), "{pause} s between two of them");
    }
}

#[tokio::test]
async fn a_native_peer_receives_retractions_and_the_age_of_evidence() {
    let net = Net::new();
    let (one, mut other) = tokio::join!(start(net, 0, 2, Some(KEY)), start(net, 1, 2, Some(KEY)));
    other.wait_alive(net.agent(0)).await;
    let clock = one.cluster.clock();
    let seen = clock.instant(Duration::ZERO);
    let age = wait_age(&one, &mut other, net.agent(0), seen).await;
    assert!(age > Duration::ZERO && age <= clock.now(), "{age:?}");
    announce(&one.cluster, []);
    assert_eq!(other.wait_taken_back(net.agent(0)).await, target(1));
}

/// Announces a vote on evidence of the time `seen` until it arrives with its age: an agent that has
/// received no gossip of the other yet speaks to it as to a Go agent.
async fn wait_age(
    from: &Agent,
    to: &mut Agent,
    sender: SocketAddr,
    seen: tokio::time::Instant,
) -> Duration {
    for announced in [Vote::Up, Vote::Down].into_iter().cycle() {
        from.cluster.announce([VotesOnService {
            service: ServiceId::DEFAULT,
            term: Duration::from_secs(30),
            votes: vec![(target(1), announced, seen)],
        }]);
        let received = to.wait(|event| match event {
            ClusterEvent::Vote { peer, age, vote, .. } => {
                (peer == sender && vote == announced).then_some(age)
            }
            ClusterEvent::Abstained { .. } | ClusterEvent::Peer { .. } => None,
        });
        let age = received.await;
        if age > Duration::ZERO {
            return age;
        }
    }
    unreachable!("it continues for ever")
}

#[tokio::test]
async fn a_possible_go_agent_never_receives_a_retraction() {
    let net = Net::new();
    let mut seen = peer(TcpListener::bind(net.agent(1)).await.unwrap(), GO, Duration::ZERO);
    let agent = Agent::start(&net.config(0, 2, None)).await;
    announce(&agent.cluster, [(target(1), Vote::Down)]);
    let (_, body) = in_time(seen.recv()).await.unwrap();
    assert!(body.contains("203.0.113.1"), "{body}");
    announce(&agent.cluster, []);
    // The next one is not about the vote that was taken back.
    announce(&agent.cluster, [(target(2), Vote::Down)]);
    let (_, body) = in_time(seen.recv()).await.unwrap();
    assert!(body.contains("203.0.113.2") && !body.contains("Abstain"), "{body}");
}

async fn start(net: Net, number: u8, agents: u8, key: Option<&str>) -> Agent {
    Agent::start(&net.config(number, agents, key)).await
}

/// Signed votes must arrive in order; a thousand of them are no flood.
#[tokio::test]
async fn a_thousand_signed_votes_are_all_taken_in_order_and_soon() {
    let net = Net::new();
    let all: Vec<IpAddr> =
        (0..1000_u32).map(|n| IpAddr::from((0xC612_0000 + n).to_be_bytes())).collect();
    let begin = async |number| {
        let service = WatchedService::of_default(all.iter().copied());
        Agent::start_with(&net.config(number, 2, Some(KEY)), &[service]).await
    };
    let one = begin(0).await;
    let mut other = begin(1).await;
    other.wait_alive(net.agent(0)).await;
    announce(&one.cluster, all.iter().map(|&target| (target, Vote::Down)));
    let mut received = BTreeSet::new();
    let everything = async {
        while received.len() < all.len() {
            received.insert(other.wait_vote(net.agent(0)).await.0);
        }
    };
    in_time(everything).await;
    let counts: BTreeMap<_, _> = other.cluster.counts();
    assert!(counts.keys().all(|(_, outcome)| *outcome != "refused"), "{counts:?}");
    let at_once = one.cluster.counts();
    assert_eq!(at_once.get(&(Some(net.agent(1)), "failed")), None, "{at_once:?}");
}

/// A peer of version 0.1, which knows the first form only and answers 401 to the second; upgraded
/// later, so that its answers say that it knows the second. Each of our votes gets to it.
#[tokio::test]
async fn a_peer_with_the_old_signatures_receives_votes_before_and_after_its_upgrade() {
    const REFUSED: &str = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
    const UPGRADED: &str = "HTTP/1.1 200 OK\r\ngoavail-signature: v2\r\ncontent-length: 0\r\n\r\n";
    let net = Net::new();
    let seal = Seal::new(&SecretString::from(KEY)).unwrap();
    let listener = TcpListener::bind(net.agent(1)).await.unwrap();
    let agent = Agent::start(&net.config(0, 2, Some(KEY))).await;
    announce(&agent.cluster, votes(1, Vote::Down));
    let (mut stream, _) = in_time(listener.accept()).await.unwrap();
    // One vote is on its way at a time. `(how many targets are voted on by then, the peer's answer)`.
    for (count, answer, want) in [
        (1, REFUSED, Form::V2),
        (1, OURS, Form::V1),
        (2, OURS, Form::V1),
        (3, UPGRADED, Form::V1),
        (4, UPGRADED, Form::V2),
        (5, UPGRADED, Form::V2),
    ] {
        announce(&agent.cluster, votes(count, Vote::Down));
        let (head, body) = in_time(request(&mut stream)).await.expect("one connection");
        assert_eq!(signed(&seal, net.agent(1), &head, &body).form, want, "vote on target {count}");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    let refused = agent.cluster.counts().get(&(Some(net.agent(1)), "declined")).copied();
    assert_eq!(refused, None, "it was not refused for good");
}

/// Waiting for each answer, a thousand votes would take 200 s to get there.
#[tokio::test]
async fn a_thousand_votes_reach_a_peer_200_ms_away_without_waiting_for_each_answer() {
    let net = Net::new();
    let seal = Seal::new(&SecretString::from(KEY)).unwrap();
    let all: Vec<IpAddr> =
        (0..1000_u32).map(|n| IpAddr::from((0xC612_0000 + n).to_be_bytes())).collect();
    let service = WatchedService::of_default(all.iter().copied());
    let agent = Agent::start_with(&net.config(0, 2, Some(KEY)), &[service]).await;
    // A signature makes it known as one of our kind.
    let body = wire::encode(Some(&seal), net.agent(1), all[0], Vote::Up).unwrap();
    let now = goavail::testing::cluster::unix_millis();
    let signature = seal.sign(Form::V2, net.agent(0), now, &body);
    let vote = post(&body, &format!("Goavail-Signature: {signature}\r\n"));
    assert_eq!(status(&exchange(net.agent(0), &vote).await), 200);

    let listener = TcpListener::bind(net.agent(1)).await.unwrap();
    announce(&agent.cluster, all.iter().map(|&target| (target, Vote::Down)));
    let (mut reader, mut writer) = in_time(listener.accept()).await.unwrap().0.into_split();
    let (arrived, mut on_their_way) = mpsc::unbounded_channel();
    let answers = tokio::spawn(async move {
        while let Some(at) = on_their_way.recv().await {
            tokio::time::sleep_until(at).await;
            writer.write_all(OURS.as_bytes()).await.unwrap();
        }
    });
    let mut arrivals = BTreeSet::new();
    let mut last = 0;
    let everything = async {
        let mut reader = BufReader::new(&mut reader);
        while arrivals.len() < all.len() {
            let (head, body) = request(&mut reader).await.expect("one connection does it all");
            let at = signed(&seal, net.agent(1), &head, &body).at;
            assert!(at > last, "signed later than the one before");
            last = at;
            arrivals.insert(
                wire::decode(wire::VotePath::Default, Some(&seal), body.as_bytes()).unwrap().target,
            );
            #[expect(clippy::disallowed_methods, reason = "the test plays the network's delay")]
            let answer_at = tokio::time::Instant::now() + Duration::from_millis(200);
            arrived.send(answer_at).unwrap();
        }
    };
    in_time(everything).await;
    answers.abort();
}

/// A Go agent as its peers see it: one vote, no gossip; then its port closes.
#[tokio::test]
async fn a_go_agent_counts_while_its_port_is_open() {
    let net = Net::new();
    let mut agent = start(net, 0, 2, None).await;
    let go = net.agent(1);
    let listener = TcpListener::bind(go).await.unwrap();
    let body = format!(r#"{{"Peer":"{go}","IPAddress":"203.0.113.1","Live":false}}"#);
    assert_eq!(status(&exchange(net.agent(0), &post(body.as_bytes(), "")).await), 200);
    assert_eq!(agent.wait_vote(go).await, (target(1), Vote::Down, false));
    assert_eq!(agent.wait_alive(go).await, PeerKind::Legacy);
    drop(listener);
    agent.wait_gone(go).await;
}

#[tokio::test]
async fn a_reload_lets_peers_and_targets_go_and_takes_new_ones() {
    let net = Net::new();
    let mut seen = peer(TcpListener::bind(net.agent(2)).await.unwrap(), GO, Duration::ZERO);
    let mut agent = start(net, 0, 2, None).await;
    announce(&agent.cluster, [(target(1), Vote::Down)]);
    let from = |peer: SocketAddr, target: &str| {
        format!(r#"{{"Peer":"{peer}","IPAddress":"{target}","Live":false}}"#).into_bytes()
    };
    let ask = async |body: Vec<u8>| status(&exchange(net.agent(0), &post(&body, "")).await);
    assert_eq!(ask(from(net.agent(1), "203.0.113.1")).await, 200);
    let new = "198.51.100.7".parse().unwrap();
    agent.cluster.reload([net.agent(2)], &[WatchedService::of_default([new])]).await;
    let (_, told) = in_time(seen.recv()).await.unwrap();
    assert!(told.contains("203.0.113.1"), "a new peer is told what stands: {told}");
    let cases = [
        ("a peer that was let go", net.agent(1), "198.51.100.7", 403),
        ("a target that was let go", net.agent(2), "203.0.113.1", 404),
        ("new ones", net.agent(2), "198.51.100.7", 200),
    ];
    for (name, peer, target, want) in cases {
        assert_eq!(ask(from(peer, target)).await, want, "{name}");
    }
    let received = agent.wait(|event| match event {
        ClusterEvent::Vote { peer, target, .. } => (peer == net.agent(2)).then_some(target),
        ClusterEvent::Abstained { .. } | ClusterEvent::Peer { .. } => None,
    });
    assert_eq!(received.await, new);
    let ended = timeout(Duration::from_millis(300), agent.cluster.failed()).await;
    assert!(ended.is_err(), "a sender that was let go is no failure: {ended:?}");
}
