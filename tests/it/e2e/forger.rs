//! Senders of ICMP errors about the agent's requests: a target that answers only after one, and an
//! adversary off the path that sees the requests to one target.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::responder::checksum;
use crate::lab::{Lab, Namespace, Place, link_v4, link_v6};

/// A thread that runs until it is dropped, with a counter.
pub(super) struct Worker {
    count: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(super) fn start(body: impl FnOnce(&AtomicUsize, &AtomicBool) + Send + 'static) -> Self {
        let (count, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (counter, flag) = (Arc::clone(&count), Arc::clone(&stop));
        let thread = thread::spawn(move || body(&counter, &flag));
        Self { count, stop, thread: Some(thread) }
    }

    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "a forger panicked");
        }
    }
}

/// A target that answers each request after a delay, and may send an "unreachable" about it first.
pub(super) struct Hesitant(Worker);

impl Hesitant {
    /// Keeps the kernel of the world from answering.
    pub(super) fn hush(lab: &Lab) {
        for (key, value) in [
            ("net/ipv4/icmp_echo_ignore_all", "1"),
            ("net/ipv6/icmp/echo_ignore_all", "1"),
            ("net/ipv6/ip_nonlocal_bind", "1"),
        ] {
            lab.world().sysctl(key, value);
        }
    }

    pub(super) fn start(lab: &Lab, address: IpAddr, errs: bool, after: Duration) -> Self {
        let socket = socket(lab.world(), address);
        let agent = agent(address);
        Self(Worker::start(move |answers, stop| {
            while !stop.load(Ordering::SeqCst) {
                let Some(request) = next_request(&socket, address) else { continue };
                if errs {
                    let unreachable = unreachable(address);
                    send(&socket, agent, error(unreachable, agent, address, &request));
                }
                // This target exists for the delay of its answers.
                thread::sleep(after);
                let mut reply = request;
                reply[0] = reply_kind(address);
                send(&socket, agent, reply);
                answers.fetch_add(1, Ordering::SeqCst);
            }
        }))
    }

    /// Returns the number of requests that were answered.
    pub(super) fn answers(&self) -> usize {
        self.0.count()
    }
}

/// A NAT before a target. While it is broken, it makes entries that lead nowhere, and keeps them.
pub(super) struct Nat {
    worker: Worker,
    broken: Arc<AtomicBool>,
}

impl Nat {
    pub(super) fn start(lab: &Lab, address: IpAddr) -> Self {
        let socket = socket(lab.world(), address);
        let agent = agent(address);
        let broken = Arc::<AtomicBool>::default();
        let is_broken = Arc::clone(&broken);
        let worker = Worker::start(move |answers, stop| {
            let mut wrong = BTreeSet::new();
            while !stop.load(Ordering::SeqCst) {
                let Some(mut message) = next_request(&socket, address) else { continue };
                let identifier = [message[4], message[5]];
                if is_broken.load(Ordering::SeqCst) {
                    wrong.insert(identifier);
                }
                if !wrong.contains(&identifier) {
                    message[0] = reply_kind(address);
                    send(&socket, agent, message);
                    answers.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Self { worker, broken }
    }

    /// Breaks it, or repairs it.
    pub(super) fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    /// Returns the number of requests that were answered.
    pub(super) fn answers(&self) -> usize {
        self.worker.count()
    }
}

/// Sees the requests to one target, and sends errors that quote the same about others.
pub(super) struct Forger(Worker);

impl Forger {
    pub(super) fn start(lab: &Lab, seen: IpAddr, others: &[IpAddr]) -> Self {
        let socket = socket(lab.world(), seen);
        socket.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        let elsewhere = lab.world().run(|| raw(seen));
        let (agent, others) = (agent(seen), others.to_vec());
        Self(Worker::start(move |sent, stop| {
            let mut known = None;
            while !stop.load(Ordering::SeqCst) {
                known = next_request(&socket, seen).or(known);
                let Some(known) = &known else { continue };
                let sequence = u16::from_be_bytes([known[6], known[7]]);
                for other in &others {
                    for (kind, ahead) in
                        [3, 11].into_iter().flat_map(|k| (0..4).map(move |n| (k, n)))
                    {
                        let mut request = known.clone();
                        let guess = sequence.wrapping_add(ahead).wrapping_sub(1);
                        request[6..8].copy_from_slice(&guess.to_be_bytes());
                        send(&elsewhere, agent, error((kind, 1), agent, *other, &request));
                        sent.fetch_add(1, Ordering::SeqCst);
                    }
                }
            }
        }))
    }

    /// Returns the number of errors that were sent.
    pub(super) fn sent(&self) -> usize {
        self.0.count()
    }
}

/// Returns the type of an echo reply to an address.
pub(super) fn reply_kind(address: IpAddr) -> u8 {
    if address.is_ipv4() { 0 } else { 129 }
}

/// Returns the type and code of a router's "unreachable" about an address.
pub(super) fn unreachable(address: IpAddr) -> (u8, u8) {
    if address.is_ipv4() { (3, 1) } else { (1, 0) }
}

/// Returns the agent's own address of the same family.
pub(super) fn agent(like: IpAddr) -> IpAddr {
    let place = Place::Agent(0);
    if like.is_ipv4() { link_v4(place) } else { link_v6(place) }
}

pub(super) fn raw(like: IpAddr) -> Socket {
    let (domain, protocol) = match like {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    Socket::new(domain, Type::RAW, Some(protocol)).unwrap()
}

/// A raw socket that receives the packets to `address`, and sends from there.
pub(super) fn socket(place: &Namespace, address: IpAddr) -> Socket {
    let socket = place.run(|| {
        let socket = raw(address);
        socket.bind(&SocketAddr::new(address, 0).into()).unwrap();
        socket
    });
    // The worker checks now and then whether it has to stop.
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    socket
}

/// Returns the next echo request, without its IP header.
pub(super) fn next_request(mut socket: &Socket, address: IpAddr) -> Option<Vec<u8>> {
    let mut packet = [0; 2048];
    let length = socket.read(&mut packet).ok()?;
    let header = if address.is_ipv4() { usize::from(packet[0] & 15) * 4 } else { 0 };
    let request = packet.get(header..length)?;
    let kind = if address.is_ipv4() { 8 } else { 128 };
    (request.first() == Some(&kind)).then(|| request.to_vec())
}

/// Sends a message. The checksum is computed here for IPv4 and by the kernel for IPv6.
pub(super) fn send(socket: &Socket, to: IpAddr, mut message: Vec<u8>) {
    message[2..4].fill(0);
    if to.is_ipv4() {
        let sum = checksum(&message).to_be_bytes();
        message[2..4].copy_from_slice(&sum);
    }
    socket.send_to(&message, &SocketAddr::new(to, 0).into()).unwrap();
}

/// Returns an ICMP error that quotes a request from `agent` to `address` (RFC 792, RFC 4443).
pub(super) fn error(
    (kind, code): (u8, u8),
    agent: IpAddr,
    address: IpAddr,
    request: &[u8],
) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
    let length = u8::try_from(request.len()).unwrap();
    match (agent, address) {
        (IpAddr::V4(agent), IpAddr::V4(address)) => {
            message.extend([0x45, 0, 0, 20 + length, 0, 0, 0x40, 0, 64, 1, 0, 0]);
            message.extend(agent.octets().into_iter().chain(address.octets()));
        }
        (IpAddr::V6(agent), IpAddr::V6(address)) => {
            message.extend([0x60, 0, 0, 0, 0, length, 58, 64]);
            message.extend(agent.octets().into_iter().chain(address.octets()));
        }
        _ => panic!("{agent} and {address} are of different families"),
    }
    message.extend(request);
    message
}
