//! Garbage on the listener and on the socket does not slow the agent down.

use std::io::Write;

use super::harness::{Harness, about, ask, count, first, one};
use crate::agent::{Agent, Line, PATIENT};
use crate::lab::{run, v4};

/// Connections that say nothing, on each of the two.
const IDLE: usize = 1000;

/// Input that is no request, or none that ends.
fn garbage() -> Vec<Vec<u8>> {
    let long = "x".repeat(100_000);
    let mut all = vec![
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"GET".to_vec(),
        b"\r\n\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"POST /drain/10.0.0.1 HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n{".to_vec(),
        b"POST /drain/10.0.0.1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n{\"f".to_vec(),
        b"POST /drain/%00%ff HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".to_vec(),
        format!("GET /{long} HTTP/1.1\r\n\r\n").into_bytes(),
        format!("GET / HTTP/1.1\r\nA: {long}\r\n\r\n").into_bytes(),
        long.into_bytes(),
    ];
    all.push((0..=255).cycle().take(10_000).collect());
    all
}

/// Waits for so many replies, each to a probe of somebody's.
fn replies(agent: &mut Agent, count: usize) {
    let mut heard = 0;
    let enough = |line: &Line| {
        heard += usize::from(line.has(&["outcome=Reply"]));
        heard >= count
    };
    agent.wait_for(enough, PATIENT);
}

#[test]
fn garbage_and_a_thousand_idle_connections_cost_no_reply_and_no_answer() {
    run(|| {
        let targets: Vec<_> = (1..=20).map(v4).collect();
        let harness = Harness::watching("", &targets);
        let mut agent = harness.confirmed();
        // Two rounds of probes of each target while it lasts.
        let rounds = 2 * targets.len();
        let mut open: Vec<Box<dyn Write>> = Vec::new();
        let to_listener = harness.lab.agent(0).run(|| {
            let connect = |_| std::net::TcpStream::connect(super::harness::LISTEN).unwrap();
            (0..IDLE).map(connect).collect::<Vec<_>>()
        });
        open.extend(to_listener.into_iter().map(|stream| Box::new(stream) as Box<dyn Write>));
        open.extend((0..IDLE).map(|_| Box::new(harness.connect_control()) as Box<dyn Write>));
        replies(&mut agent, rounds);
        for bytes in garbage() {
            // It may be hung up on before it has said all of it.
            let (mut tcp, mut unix) = (harness.connect(), harness.connect_control());
            let _ = tcp.write_all(&bytes);
            let _ = unix.write_all(&bytes);
            open.push(Box::new(tcp));
            open.push(Box::new(unix));
        }
        replies(&mut agent, rounds);
        // All of them are still open on this side.
        assert_eq!(harness.get("/healthz"), (200, "ok\n".into()));
        assert_eq!(ask(harness.connect_control(), "GET /healthz").0, 200);
        assert_eq!(ask(harness.connect_control(), "POST /drain/192.0.2.99").0, 404);
        assert_eq!(harness.get("/verdict/192.0.2.99").0, 404);
        assert_eq!(harness.status()["targets"].as_array().unwrap().len(), targets.len());
        drop(open);
        replies(&mut agent, rounds);
        assert_eq!(count(&mut agent, &["outcome=Loss"]), 0, "no false loss");
        assert_eq!(count(&mut agent, &["drained by operator"]), 0);
        assert_eq!(count(&mut agent, &["panicked"]), 0);
        harness.lab.remove(&[one()]);
        first(&mut agent, &["withdrew", &about(one())]);
        harness.done(&["status"]);
    });
}
