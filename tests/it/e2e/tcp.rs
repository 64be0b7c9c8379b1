//! `--type tcp`.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::thread::JoinHandle;

use rustix::process::Signal;
use tokio::sync::oneshot;

use super::icmp_errors::{is_a_fault, kill_gateway};
use super::{Harness, QUICK, config, count, first, nth, target};
use crate::agent::Agent;
use crate::lab::{Lab, run, v4, v6};

pub(super) const PORT: u16 = 8443;

/// Takes connections at [`PORT`] of an address of the world until it is dropped.
pub(super) struct Listener {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    pub(super) fn at(lab: &Lab, address: IpAddr) -> Self {
        // The world holds its addresses by routes, which IPv6 does not take for its own.
        lab.world().sysctl("net/ipv6/ip_nonlocal_bind", "1");
        let listener = lab.world().run(|| TcpListener::bind(SocketAddr::new(address, PORT)));
        let listener = listener.unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stop, mut stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            runtime.unwrap().block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                loop {
                    tokio::select! {
                        _ = listener.accept() => {}
                        _ = &mut stopped => return,
                    }
                }
            });
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || std::thread::panicking());
        }
    }
}

fn start(harness: &Harness, addresses: &[IpAddr]) -> (Agent, String) {
    let top = format!("{QUICK}port = {PORT}\n");
    let text = config(&top, &["www"], addresses, &harness.cloudflare);
    let setup = harness.setup(&text).args(["--type", "tcp", "--no-dry-run", "monitor"]);
    let mut agent = setup.start();
    nth(&mut agent, addresses.len(), &["target confirmed up"]);
    (agent, text)
}

#[test]
fn a_closed_port_and_a_black_hole_are_noticed_by_the_timeout_that_is_set() {
    run(|| {
        let addresses = [v4(1), v4(2), v6(1)];
        let harness = Harness::serving(&addresses);
        let mut listeners: Vec<_> =
            addresses.iter().map(|address| Listener::at(&harness.lab, *address)).collect();
        let (mut agent, _) = start(&harness, &addresses);
        listeners.remove(0);
        let line = first(&mut agent, &["target down", &target(v4(1))]);
        assert!(line.has(&["losses=3"]), "{}", line.text);
        harness.lab.remove(&[v4(2), v6(1)]);
        for address in [v4(2), v6(1)] {
            let down = first(&mut agent, &["target down", &target(address)]);
            // With a timeout of 10 s, as once was, it would have been silent for over 30 s.
            let silent = down.text.split("silent_for=").nth(1).unwrap();
            assert!(!silent.contains('m') || silent.contains("ms"), "{}", down.text);
        }
        nth(&mut agent, 3, &["withdrew"]);
        harness.lab.add(&[v4(2), v6(1)]);
        first(&mut agent, &["restored", &target(v4(2))]);
        first(&mut agent, &["restored", &target(v6(1))]);
        listeners.push(Listener::at(&harness.lab, v4(1)));
        first(&mut agent, &["restored", &target(v4(1))]);
    });
}

#[test]
fn a_reload_in_tcp_mode_keeps_monitoring() {
    run(|| {
        let addresses = [v4(1), v4(2)];
        let harness = Harness::serving(&addresses);
        let mut listeners: Vec<_> =
            addresses.iter().map(|address| Listener::at(&harness.lab, *address)).collect();
        let (mut agent, text) = start(&harness, &addresses[..1]);
        let both = format!("\"{}\", \"{}\"", v4(1), v4(2));
        agent.rewrite(&text.replace(&format!("\"{}\"", v4(1)), &both));
        agent.signal(Signal::HUP);
        first(&mut agent, &["configuration in force", "targets=2"]);
        first(&mut agent, &["target confirmed up", &target(v4(2))]);
        assert_eq!(count(&mut agent, &["outcome=Loss"]), 0);
        listeners.remove(0);
        first(&mut agent, &["withdrew", &target(v4(1))]);
        agent.signal(Signal::TERM);
        assert_eq!(agent.wait_end(super::PATIENT).status.code(), Some(0));
    });
}

#[test]
fn a_gateway_that_does_not_answer_is_a_fault_and_no_word_about_the_targets() {
    run(|| {
        let addresses = [v4(1), v6(1)];
        let harness = Harness::serving(&addresses);
        let _listeners = addresses.map(|address| Listener::at(&harness.lab, address));
        let (mut agent, _) = start(&harness, &addresses);
        kill_gateway(&harness);
        is_a_fault(&harness, &mut agent, &addresses, "tcp");
    });
}
