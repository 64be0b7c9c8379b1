//! The answers of the vote port to any input, byte for byte; and that the agent lives on.

use std::collections::BTreeSet;
use std::time::Duration;

use goavail::engine::types::Vote;
use goavail::testing::cluster::{ClusterEvent, Form, Seal, wire};
use secrecy::SecretString;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::cluster_net::{Agent, KEY, Net, exchange, in_time, post, status, target};

fn plain(peer: impl std::fmt::Display, target: &str, live: bool) -> String {
    format!(r#"{{"Peer":"{peer}","IPAddress":"{target}","Live":{live}}}"#)
}

/// Sends a good vote of `peer` and sees it arrive: the agent lives.
async fn lives(agent: &mut Agent, net: Net, body: &[u8], after: &str) {
    let answer = exchange(net.agent(0), &post(body, "")).await;
    assert_eq!(status(&answer), 200, "a good vote after {after}: {answer}");
    assert_eq!(agent.wait_vote(net.agent(1)).await.0, target(1), "after {after}");
}

/// Requests to agent 0, each with its name and the status of its answer. `good` is a vote of agent 1.
fn requests(net: Net, good: &str) -> Vec<(&'static str, Vec<u8>, u16)> {
    let peer = net.agent(1);
    let key = Seal::new(&SecretString::from(KEY)).expect("a key of 16 bytes");
    let hidden =
        wire::encode(Some(&key), peer, target(1), Vote::Down).expect("a vote can be encoded");
    let vote = |body: &str| post(body.as_bytes(), "");
    let as_is = |head: &str, body: &str| {
        format!("{head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            .into_bytes()
    };
    let spaces = good.replace('{', &format!("{{{}", " ".repeat(4096 - good.len())));
    vec![
        (
            "a Go agent's vote",
            as_is(
                "POST / HTTP/1.1\r\nHost: x\r\nUser-Agent: Go-http-client/1.1\r\nContent-Type: application/json\r\nAccept-Encoding: gzip",
                good,
            ),
            200,
        ),
        ("any content type", as_is("POST / HTTP/1.1\r\nContent-Type: text/html", good), 200),
        ("a query", as_is("POST /?x=1 HTTP/1.1", good), 200),
        ("keys in lower case", vote(&good.replace("Peer", "peer").replace("Live", "live")), 200),
        ("another key", vote(&good.replace('{', r#"{"More":[{}],"#)), 200),
        ("4 KiB", vote(&spaces), 200),
        ("HTTP/1.0", as_is("POST / HTTP/1.0", good), 200),
        ("junk after the object", vote(&format!("{good}junk")), 400),
        ("PUT", as_is("PUT / HTTP/1.1", good), 405),
        ("GET with a vote", as_is("GET / HTTP/1.1", good), 405),
        ("GET", as_is("GET / HTTP/1.1", ""), 405),
        ("HEAD", as_is("HEAD / HTTP/1.1", ""), 405),
        ("another path", as_is("POST /other HTTP/1.1", good), 404),
        ("two slashes", as_is("POST // HTTP/1.1", good), 404),
        ("no body", vote(""), 400),
        ("malformed JSON", vote(&good[..30]), 400),
        ("a text for the truth", vote(&good.replace("false", r#""false""#)), 400),
        ("an array", vote("[]"), 400),
        ("an empty object", vote("{}"), 400),
        ("null", vote("null"), 400),
        ("deep nesting", vote(&"[".repeat(4000)), 400),
        ("gzip", post(b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\x56", "Content-Encoding: gzip\r\n"), 400),
        ("not UTF-8", post(b"{\"Peer\":\"\xff\xfe\"}", ""), 400),
        ("an unknown address", vote(&plain(peer, "203.0.113.200", false)), 404),
        ("no address", vote(&plain(peer, "example.com", false)), 404),
        ("an unknown peer", vote(&plain("10.9.8.7:1", "203.0.113.1", false)), 403),
        ("our own name", vote(&plain(net.agent(0), "203.0.113.1", false)), 403),
        ("an encrypted vote, without a key", post(&hidden, ""), 403),
        ("5 KiB", vote(&good.replace('{', &format!("{{{}", " ".repeat(5000)))), 413),
        (
            "a gigabyte announced",
            b"POST / HTTP/1.1\r\nContent-Length: 1073741824\r\n\r\n".to_vec(),
            413,
        ),
        ("no HTTP", b"\x16\x03\x01\0\xa5\x01\0\0\xa1\r\n\r\n".to_vec(), 400),
    ]
}

/// Section 4.2 of the study of the Go agent, which ends or freezes at 8 of these.
#[tokio::test]
async fn every_request_gets_its_status_and_the_agent_lives_on() {
    let net = Net::new();
    let mut agent = Agent::start(&net.config(0, 3, None)).await;
    let peer = net.agent(1);
    let good = plain(peer, "203.0.113.1", false);
    for (name, request, want) in requests(net, &good) {
        let answer = exchange(net.agent(0), &request).await;
        assert_eq!(status(&answer), want, "{name}: {answer}");
        let body = answer.split_once("\r\n\r\n").unwrap_or_default().1;
        assert_eq!(body, "", "{name}: an answer is empty");
        if want == 200 {
            assert_eq!(agent.wait_vote(peer).await, (target(1), Vote::Down, false), "{name}");
        }
        lives(&mut agent, net, good.as_bytes(), name).await;
    }
}

#[tokio::test]
async fn with_a_key_only_votes_made_with_it_count() {
    let net = Net::new();
    let mut agent = Agent::start(&net.config(0, 3, Some(KEY))).await;
    let peer = net.agent(1);
    let seal = |key: &str| Seal::new(&SecretString::from(key)).unwrap();
    let (ours, theirs) = (seal(KEY), seal("another key here"));
    let vote =
        |seal, from, about| wire::encode(Some(seal), from, target(about), Vote::Down).unwrap();
    let good = vote(&ours, peer, 1);
    let text = String::from_utf8(good.clone()).unwrap();
    let go = r#"{"Peer":"short","IPAddress":"c2hvcnQ=","Live":false}"#;
    let sign = |seal: &Seal, body: &[u8]| {
        let header = seal.sign(Form::V2, net.agent(0), u64::MAX / 2, body);
        format!("Goavail-Signature: {header}\r\n")
    };
    let cases = [
        ("as a Go agent sends it", good.clone(), String::new(), 200),
        ("plain text", plain(peer, "203.0.113.1", false).into_bytes(), String::new(), 401),
        ("a short ciphertext", go.into(), String::new(), 401),
        ("another key", vote(&theirs, peer, 1), String::new(), 401),
        ("a stranger with the key", vote(&ours, net.agent(7), 1), String::new(), 401),
        ("an unknown address", vote(&ours, peer, 200), String::new(), 401),
        ("a signature of another key", good.clone(), sign(&theirs, &good), 401),
        ("a signature of another time", good.clone(), sign(&ours, &good), 401),
        ("a signature that is none", good.clone(), "Goavail-Signature: \u{e9}\r\n".into(), 401),
        ("malformed", text[..40].into(), String::new(), 400),
    ];
    let mut refusals = BTreeSet::new();
    for (name, body, header, want) in cases {
        let answer = exchange(net.agent(0), &post(&body, &header)).await;
        assert_eq!(status(&answer), want, "{name}: {answer}");
        if want == 200 {
            agent.wait_vote(peer).await;
        }
        if want == 401 {
            let lines = answer.lines().filter(|line| !line.to_lowercase().starts_with("date:"));
            refusals.insert(lines.map(str::to_owned).collect::<Vec<_>>());
        }
        lives(&mut agent, net, &good, name).await;
    }
    assert_eq!(refusals.len(), 1, "to a stranger all answers are alike: {refusals:?}");
    let counted = agent.cluster.counts().get(&(Some(peer), "refused")).copied();
    assert_eq!(counted, Some(1), "only what was signed with our key is counted under a name");
    let refused: u64 = agent
        .cluster
        .counts()
        .iter()
        .filter(|((_, what), _)| *what == "refused")
        .map(|(_, n)| n)
        .sum();
    assert_eq!(refused, 9, "{:?}", agent.cluster.counts());
}

#[tokio::test]
async fn a_signed_vote_is_accepted_once_and_its_sender_must_keep_signing() {
    let net = Net::new();
    let mut agent = Agent::start(&net.config(0, 3, Some(KEY))).await;
    let seal = Seal::new(&SecretString::from(KEY)).unwrap();
    let body = wire::encode(Some(&seal), net.agent(1), target(1), Vote::Up).unwrap();
    // A vote that was signed before the agent started gets another answer, and it started just now.
    let now = goavail::testing::cluster::unix_millis() + 5;
    let at = |millis: u64| {
        format!("Goavail-Signature: {}\r\n", seal.sign(Form::V2, net.agent(0), millis, &body))
    };
    let cases = [
        ("signed now", at(now), 200),
        ("sent again by somebody else", at(now), 401),
        ("signed before", at(now - 1), 401),
        ("its signature taken off", String::new(), 401),
        ("two signatures", [at(now + 1), at(now + 2)].concat(), 401),
        ("signed a minute ago", at(now - 60_000), 401),
        ("signed in a minute", at(now + 60_000), 401),
        ("signed later", at(now + 1), 200),
    ];
    for (name, header, want) in cases {
        let answer = exchange(net.agent(0), &post(&body, &header)).await;
        assert_eq!(status(&answer), want, "{name}: {answer}");
        if want == 200 {
            assert_eq!(agent.wait_vote(net.agent(1)).await, (target(1), Vote::Up, true), "{name}");
        }
    }
}

#[tokio::test]
async fn a_go_agents_vote_is_refused_if_signatures_are_required() {
    let net = Net::new();
    let mut config = net.config(0, 3, Some(KEY));
    config.require_signed = true;
    let _agent = Agent::start(&config).await;
    let seal = Seal::new(&SecretString::from(KEY)).unwrap();
    let body = wire::encode(Some(&seal), net.agent(1), target(1), Vote::Up).unwrap();
    assert_eq!(status(&exchange(net.agent(0), &post(&body, "")).await), 401);
}

/// Slow, endless and idle clients all at once, and votes get through as before.
#[tokio::test]
async fn a_slow_sender_delays_no_other() {
    let net = Net::new();
    let mut agent = Agent::start(&net.config(0, 3, None)).await;
    let good = plain(net.agent(1), "203.0.113.1", false);
    let mut idle = Vec::new();
    let beginnings: [&[u8]; 4] = [
        b"",
        b"POST / HT",
        b"POST / HTTP/1.1\r\nContent-Length: 62\r\n\r\n{\"Peer\"",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"Pe",
    ];
    for number in 0..1000 {
        let mut stream = TcpStream::connect(net.agent(0)).await.unwrap();
        stream.write_all(beginnings[number % 4]).await.unwrap();
        idle.push(stream);
        if number % 50 == 0 {
            let lives = lives(&mut agent, net, good.as_bytes(), "idle connections");
            // A peer waits for 2 s.
            let at_once = timeout(Duration::from_secs(2), lives).await;
            assert!(at_once.is_ok(), "with {number} connections held open");
        }
    }
    // One that sends without end is cut off, and its input is no vote.
    let endless = ["1000\r\n", &"x".repeat(4096), "\r\n"].concat();
    let mut stream = TcpStream::connect(net.agent(0)).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    let cut_off = async { while stream.write_all(endless.as_bytes()).await.is_ok() {} };
    in_time(cut_off).await;
    lives(&mut agent, net, good.as_bytes(), "an endless request").await;
}

/// The engine's queue is bounded; when it is full, votes wait instead of being lost or piling up.
#[tokio::test]
async fn a_busy_engine_slows_votes_down_and_loses_none() {
    let net = Net::new();
    let mut agent = Agent::start(&net.config(0, 3, None)).await;
    let senders: Vec<_> = (0..100)
        .map(|number| {
            let body = plain(net.agent(1), &target(number).to_string(), false);
            tokio::spawn(async move { exchange(net.agent(0), &post(body.as_bytes(), "")).await })
        })
        .collect();
    let mut heard = BTreeSet::new();
    while heard.len() < 100 {
        let event = in_time(agent.events.recv()).await.unwrap();
        if let ClusterEvent::Vote { target, .. } = event {
            heard.insert(target);
        }
    }
    for sender in senders {
        assert_eq!(status(&in_time(sender).await.unwrap()), 200);
    }
}
