//! Votes on named services, on the wire: the path, the answers to any input, and the peers that
//! receive them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use goavail::engine::ids::{ServiceId, TargetRef};
use goavail::engine::types::{PeerKind, Vote};
use goavail::testing::cluster::wire::{OutgoingVote, VotePath};
use goavail::testing::cluster::{ClusterEvent, Form, Seal, WatchedService, unix_millis, wire};
use secrecy::SecretString;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::cluster_net::{
    Agent, KEY, Net, announce, announce_on, default_service, exchange, in_time, post, post_to,
    request, signed, status, target,
};

const WWW: usize = 1;
const MX: usize = 2;

fn named(id: usize, name: &str) -> WatchedService {
    let targets = [1, 2].map(target).into();
    WatchedService { id: id.into(), name: name.into(), targets }
}

/// `default` with a hundred targets, and two services with targets 1 and 2.
fn services() -> [WatchedService; 3] {
    [default_service(), named(WWW, "www"), named(MX, "mx")]
}

fn of(service: usize, number: u8) -> TargetRef {
    TargetRef { service: service.into(), address: target(number) }
}

fn seal() -> Seal {
    Seal::new(&SecretString::from(KEY)).expect("a key of 16 bytes")
}

fn body(peer: SocketAddr, service: &str, number: u8) -> Vec<u8> {
    OutgoingVote::new(peer, target(number), Vote::Down)
        .on(service)
        .encode(None)
        .expect("a vote can be encoded")
}

/// Waits for a vote of `peer`. Returns its target and whether the peer sees it as up.
async fn wait_vote(agent: &mut Agent, peer: SocketAddr) -> (TargetRef, Vote) {
    let vote = agent.wait(|event| match event {
        ClusterEvent::Vote { peer: from, service, target: address, vote, .. } => {
            (from == peer).then_some((TargetRef { service, address }, vote))
        }
        _ => None,
    });
    vote.await
}

/// Requests to agent 0, each with its name and the status of its answer.
fn requests(net: Net) -> Vec<(&'static str, Vec<u8>, u16)> {
    let peer = net.agent(1);
    let good = String::from_utf8(body(peer, "www", 1)).expect("it is text");
    let on_default =
        wire::encode(None, peer, target(1), Vote::Down).expect("a vote can be encoded");
    let vote = |body: &str| post_to("/votes", body.as_bytes(), "");
    let as_is = |head: &str, body: &str| {
        format!("{head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            .into_bytes()
    };
    let spaces =
        |length: usize| vote(&good.replace('{', &format!("{{{}", " ".repeat(length - good.len()))));
    let instead = |service: &str| vote(&good.replace("\"www\"", service));
    vec![
        ("a query", as_is("POST /votes?x=1 HTTP/1.1", &good), 200),
        ("the whole address", as_is("POST http://peer/votes HTTP/1.1", &good), 200),
        ("keys in lower case", vote(&good.replace("Service", "service")), 200),
        ("another key", vote(&good.replace('{', r#"{"More":[{}],"#)), 200),
        ("4 KiB", spaces(4096), 200),
        ("5 KiB", spaces(5000), 413),
        ("a vote on default", post_to("/votes", &on_default, ""), 400),
        ("at the path of default", post(good.as_bytes(), ""), 400),
        ("a slash more", as_is("POST /votes/ HTTP/1.1", &good), 404),
        ("a slash before", as_is("POST //votes HTTP/1.1", &good), 404),
        ("in capitals", as_is("POST /VOTES HTTP/1.1", &good), 404),
        ("in hex", as_is("POST /%76otes HTTP/1.1", &good), 404),
        ("up and down", as_is("POST /x/../votes HTTP/1.1", &good), 404),
        ("the service in the path", as_is("POST /votes/www HTTP/1.1", &good), 404),
        ("GET", as_is("GET /votes HTTP/1.1", ""), 405),
        ("PUT", as_is("PUT /votes HTTP/1.1", &good), 405),
        ("an unknown service", instead(r#""ftp""#), 404),
        ("a service in capitals", instead(r#""WWW""#), 404),
        ("default", instead(r#""default""#), 404),
        ("64 letters", instead(&format!("\"{}\"", "w".repeat(64))), 404),
        ("4,000 letters", instead(&format!("\"{}\"", "w".repeat(3900))), 404),
        ("no letter", instead(r#""""#), 404),
        ("an escape", instead(r#""\u0077ww""#), 200),
        ("a zero", instead(r#""www\u0000""#), 404),
        ("half a character", instead(r#""\ud800""#), 400),
        ("a list", instead(r#"["www"]"#), 400),
        ("a number", instead("1"), 400),
        ("null", instead("null"), 400),
        ("two of them", vote(&good.replace('{', r#"{"SERVICE":"mx","#)), 400),
        ("an address of default only", vote(&good.replace("113.1\"", "113.3\"")), 404),
        ("an unknown peer", vote(&good.replace(&peer.to_string(), "10.9.8.7:1")), 403),
        ("no body", vote(""), 400),
        ("deep nesting", vote(&"[".repeat(4000)), 400),
    ]
}

#[tokio::test]
async fn every_request_about_a_service_gets_its_status_and_the_agent_lives_on() {
    let net = Net::new();
    let mut agent = Agent::start_with(&net.config(0, 3, None), &services()).await;
    let peer = net.agent(1);
    for (name, request, want) in requests(net) {
        let answer = exchange(net.agent(0), &request).await;
        assert_eq!(status(&answer), want, "{name}: {answer}");
        let body_of_answer = answer.split_once("\r\n\r\n").unwrap_or_default().1;
        assert_eq!(body_of_answer, "", "{name}: an answer is empty");
        if want == 200 {
            assert_eq!(wait_vote(&mut agent, peer).await, (of(WWW, 1), Vote::Down), "{name}");
        }
        let good = post_to("/votes", &body(peer, "mx", 2), "");
        assert_eq!(status(&exchange(net.agent(0), &good).await), 200, "after {name}");
        assert_eq!(wait_vote(&mut agent, peer).await, (of(MX, 2), Vote::Down), "after {name}");
    }
}

/// An agent with a file of the old form answers in the same way.
#[tokio::test]
async fn an_agent_without_services_answers_404() {
    let net = Net::new();
    let _agent = Agent::start(&net.config(0, 3, None)).await;
    let ask =
        async |path, body: &[u8]| status(&exchange(net.agent(0), &post_to(path, body, "")).await);
    assert_eq!(ask("/votes", &body(net.agent(1), "www", 1)).await, 404);
    assert_eq!(ask("/votes", b"{}").await, 400);
    assert_eq!(ask("/", &body(net.agent(1), "www", 1)).await, 400);
}

/// A vote that was copied on its way counts neither at another path, nor at another agent, nor
/// once more, nor without its signature.
#[tokio::test]
async fn a_copied_vote_counts_nowhere_else_and_never_again() {
    let net = Net::new();
    let seal = seal();
    let mut agent = Agent::start_with(&net.config(0, 3, Some(KEY)), &services()).await;
    let other = Agent::start_with(&net.config(2, 3, Some(KEY)), &services()).await;
    let vote = |service: Option<&str>| {
        let outgoing = OutgoingVote::new(net.agent(1), target(1), Vote::Down);
        OutgoingVote { service, ..outgoing }.encode(Some(&seal)).unwrap()
    };
    let (www, default) = (vote(Some("www")), vote(None));
    let now = unix_millis() + 5;
    let header = |body: &[u8], after: u64| {
        let signature = seal.sign(Form::V2, net.agent(0), now + after, body);
        format!("Goavail-Signature: {signature}\r\n")
    };
    let ask = async |to: u8, path, body: &[u8], header: &str| {
        status(&exchange(net.agent(to), &post_to(path, body, header)).await)
    };
    assert_eq!(ask(0, "/", &www, &header(&www, 0)).await, 400);
    assert_eq!(ask(0, "/votes", &default, &header(&default, 0)).await, 400);
    assert_eq!(ask(0, "/votes", &www, "").await, 401);
    assert_eq!(ask(2, "/votes", &www, &header(&www, 0)).await, 401, "another receiver");
    assert_eq!(ask(0, "/votes", &vote(Some("mx")), &header(&www, 0)).await, 401);
    assert_eq!(ask(0, "/votes", &www, &header(&www, 0)).await, 200, "its own way");
    assert_eq!(wait_vote(&mut agent, net.agent(1)).await, (of(WWW, 1), Vote::Down));
    assert_eq!(ask(0, "/votes", &www, &header(&www, 0)).await, 401, "once more");
    assert_eq!(ask(0, "/", &default, &header(&default, 0)).await, 401, "of the same time");
    assert_eq!(ask(0, "/", &default, &header(&default, 1)).await, 200);
    drop(other);
}

/// The ids of a service differ between the agents, since their files list them in another order.
#[tokio::test]
async fn agents_understand_each_other_whatever_the_order_of_their_services() {
    let net = Net::new();
    let config = |number| net.config(number, 2, Some(KEY));
    let turned = [named(WWW, "mx"), default_service(), named(MX, "www")];
    let (mine, theirs) = (config(0), config(1));
    let all = services();
    let (one, mut other) =
        tokio::join!(Agent::start_with(&mine, &all), Agent::start_with(&theirs, &turned));
    other.wait_alive(net.agent(0)).await;
    announce_on(&one.cluster, WWW.into(), [(target(1), Vote::Down)]);
    assert_eq!(wait_vote(&mut other, net.agent(0)).await, (of(MX, 1), Vote::Down));
    announce_on(&one.cluster, MX.into(), [(target(1), Vote::Down), (target(2), Vote::Up)]);
    assert_eq!(wait_vote(&mut other, net.agent(0)).await, (of(WWW, 1), Vote::Down));
    assert_eq!(wait_vote(&mut other, net.agent(0)).await, (of(WWW, 2), Vote::Up));
    // A vote on a service without a name is not sent, least of all as one on `default`.
    announce_on(&one.cluster, 99.into(), [(target(2), Vote::Down)]);
    announce(&one.cluster, [(target(1), Vote::Down)]);
    assert_eq!(wait_vote(&mut other, net.agent(0)).await, (of(0, 1), Vote::Down));
    assert_eq!(one.cluster.counts().get(&(Some(net.agent(1)), "failed")), None);
    let counts = other.cluster.counts();
    assert_eq!(counts.get(&(Some(net.agent(0)), "refused")), None, "{counts:?}");
}

#[tokio::test]
async fn a_change_is_sent_at_once_and_a_removed_service_is_retracted() {
    let net = Net::new();
    let all = services();
    let (mine, theirs) = (net.config(0, 2, Some(KEY)), net.config(1, 2, Some(KEY)));
    let (mut one, mut other) =
        tokio::join!(Agent::start_with(&mine, &all), Agent::start_with(&theirs, &all));
    other.wait_alive(net.agent(0)).await;
    announce_on(&one.cluster, WWW.into(), [(target(1), Vote::Down), (target(2), Vote::Down)]);
    announce_on(&one.cluster, MX.into(), [(target(1), Vote::Down)]);
    for _ in 0..3 {
        wait_vote(&mut other, net.agent(0)).await;
    }
    announce_on(&one.cluster, WWW.into(), [(target(1), Vote::Up), (target(2), Vote::Down)]);
    let at_once = timeout(Duration::from_secs(5), wait_vote(&mut other, net.agent(0))).await;
    assert_eq!(at_once.expect("before any repetition"), (of(WWW, 1), Vote::Up));
    one.cluster.reload([net.agent(1)], &[default_service(), named(WWW, "www")]).await;
    let retracted = other.wait(|event| match event {
        ClusterEvent::Abstained { service, target: address, .. } => {
            Some(TargetRef { service, address })
        }
        _ => None,
    });
    assert_eq!(retracted.await, of(MX, 1));
}

#[tokio::test]
async fn a_reload_adds_and_removes_services() {
    let net = Net::new();
    let mut agent = Agent::start_with(&net.config(0, 2, None), &services()).await;
    let peer = net.agent(1);
    let ask = async |service: &str| {
        let vote = post_to("/votes", &body(peer, service, 1), "");
        status(&exchange(net.agent(0), &vote).await)
    };
    let all = async || [ask("www").await, ask("mx").await, ask("ftp").await];
    assert_eq!(all().await, [200, 200, 404]);
    agent.cluster.reload([peer], &[named(3, "ftp"), named(MX, "mx")]).await;
    assert_eq!(all().await, [404, 200, 200]);
    let on_default = wire::encode(None, peer, target(1), Vote::Down).unwrap();
    assert_eq!(status(&exchange(net.agent(0), &post(&on_default, "")).await), 404);
    let votes = [of(WWW, 1), of(MX, 1), of(MX, 1), of(3, 1)];
    for want in votes {
        assert_eq!(wait_vote(&mut agent, peer).await, (want, Vote::Down));
    }
}

/// Two hundred services of twenty addresses are four thousand votes, repeated every ten seconds.
#[tokio::test]
async fn the_votes_on_two_hundred_services_are_all_taken_and_soon() {
    let net = Net::new();
    let mut services = vec![];
    for id in 1..=200 {
        let targets = (0..20).map(target).collect();
        services.push(WatchedService { id: id.into(), name: format!("service-{id}"), targets });
    }
    let (mine, theirs) = (net.config(0, 2, Some(KEY)), net.config(1, 2, Some(KEY)));
    let (one, mut other) =
        tokio::join!(Agent::start_with(&mine, &services), Agent::start_with(&theirs, &services));
    other.wait_alive(net.agent(0)).await;
    for service in &services {
        let votes = service.targets.iter().map(|target| (*target, Vote::Down));
        announce_on(&one.cluster, service.id, votes);
    }
    let mut received = BTreeSet::new();
    while received.len() < 4000 {
        received.insert(wait_vote(&mut other, net.agent(0)).await.0);
    }
    // A change does not wait for the repetitions of all the others.
    for service in &services {
        let votes = service.targets.iter().map(|target| (*target, Vote::Down));
        announce_on(&one.cluster, service.id, votes);
    }
    announce_on(&one.cluster, 77.into(), [(target(7), Vote::Up)]);
    let changed =
        async { while wait_vote(&mut other, net.agent(0)).await != (of(77, 7), Vote::Up) {} };
    timeout(Duration::from_secs(5), changed).await.expect("at once");
    let counts = other.cluster.counts();
    assert!(counts.keys().all(|(_, outcome)| *outcome != "refused"), "{counts:?}");
}

/// A scripted peer that runs this program, as its signatures show. It answers 404 to `/votes`, as an
/// older version does.
#[tokio::test]
async fn a_peer_that_knows_no_services_receives_them_and_its_votes_on_default_count() {
    const KNOWN: &str = "HTTP/1.1 200 OK\r\ngoavail-signature: v2\r\ncontent-length: 0\r\n\r\n";
    const UNKNOWN: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    let net = Net::new();
    let seal = seal();
    let listener = TcpListener::bind(net.agent(1)).await.unwrap();
    let mut agent = Agent::start_with(&net.config(0, 2, Some(KEY)), &services()).await;
    announce_on(&agent.cluster, WWW.into(), [(target(1), Vote::Down)]);
    announce(&agent.cluster, [(target(1), Vote::Down)]);
    let (mut stream, _) = in_time(listener.accept()).await.unwrap();
    let (head, first) = in_time(request(&mut stream)).await.expect("a vote");
    assert!(head.starts_with("POST / HTTP/1.1\r\n"), "it may be a Go agent: {head}");
    assert!(wire::decode(VotePath::Default, Some(&seal), first.as_bytes()).is_ok());
    stream.write_all(KNOWN.as_bytes()).await.unwrap();
    // Its own vote shows that it runs this program.
    let vote = wire::encode(Some(&seal), net.agent(1), target(1), Vote::Down).unwrap();
    let signature = seal.sign(Form::V2, net.agent(0), unix_millis() + 5, &vote);
    let vote = post(&vote, &format!("Goavail-Signature: {signature}\r\n"));
    assert_eq!(status(&exchange(net.agent(0), &vote).await), 200);
    assert_eq!(wait_vote(&mut agent, net.agent(1)).await, (of(0, 1), Vote::Down));

    let (head, named) = in_time(request(&mut stream)).await.expect("on the same connection");
    assert!(head.starts_with("POST /votes HTTP/1.1\r\n"), "{head}");
    assert_eq!(signed(&seal, net.agent(1), &head, &named).form, Form::V2);
    let read = wire::decode(VotePath::Named, Some(&seal), named.as_bytes()).unwrap();
    assert_eq!((read.service.as_deref(), read.target.as_str()), (Some("www"), "203.0.113.1"));
    stream.write_all(UNKNOWN.as_bytes()).await.unwrap();
    // The connection and the votes on `default` are as good as before.
    announce(&agent.cluster, [(target(1), Vote::Up)]);
    let (head, later) = in_time(request(&mut stream)).await.expect("on the same connection");
    assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
    assert!(later.contains("\"Live\":true"), "{later}");
}

#[tokio::test]
async fn a_go_agent_receives_votes_on_default_only() {
    const GO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let net = Net::new();
    let listener = TcpListener::bind(net.agent(1)).await.unwrap();
    let mut agent = Agent::start_with(&net.config(0, 2, None), &services()).await;
    let vote = wire::encode(None, net.agent(1), target(1), Vote::Down).unwrap();
    assert_eq!(status(&exchange(net.agent(0), &post(&vote, "")).await), 200);
    assert_eq!(agent.wait_alive(net.agent(1)).await, PeerKind::Legacy);
    for vote in [Vote::Down, Vote::Up] {
        for service in [ServiceId::DEFAULT, WWW.into(), MX.into()] {
            announce_on(&agent.cluster, service, [(target(1), vote)]);
        }
        loop {
            let (mut stream, _) = in_time(listener.accept()).await.unwrap();
            // The port is also tried without a vote.
            let Some((head, body)) = in_time(request(&mut stream)).await else { continue };
            assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
            assert!(!body.contains("Service"), "{body}");
            stream.write_all(GO.as_bytes()).await.unwrap();
            break;
        }
    }
    let more = timeout(Duration::from_secs(2), listener.accept()).await;
    assert!(more.is_err(), "nothing else: {more:?}");
}
