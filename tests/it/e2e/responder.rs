//! A responder to echo requests in the kernel's place, by a script.

use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::lab::Lab;

/// An echo request that came in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    /// How many came before it.
    pub(super) nth: usize,
    /// The bytes that it carries. Our agent's carry some, the lab's own `ping` none.
    pub(super) payload: usize,
}

/// The answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Echo {
    /// The requested reply.
    Reply,
    /// A reply to somebody else's request: another identifier.
    OtherIdentifier,
    /// A reply to a request that was never made: another sequence number.
    OtherSequence,
    /// No reply, but a request with the same identifier and sequence number, and no payload.
    Request,
}

/// Hears every echo request to one IPv4 address of the world.
pub(super) struct Responder {
    heard: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Responder {
    /// Answers in the place of the world's kernel, which from now on answers nobody. The world must
    /// hold the address.
    pub(super) fn start(
        lab: &Lab,
        address: IpAddr,
        script: impl FnMut(Request) -> &'static [Echo] + Send + 'static,
    ) -> Self {
        lab.world().sysctl("net/ipv4/icmp_echo_ignore_all", "1");
        Self::listen(lab, address, script)
    }

    /// Counts, and leaves answering to the kernel.
    pub(super) fn counting(lab: &Lab, address: IpAddr) -> Self {
        Self::listen(lab, address, |_| &[])
    }

    fn listen(
        lab: &Lab,
        address: IpAddr,
        script: impl FnMut(Request) -> &'static [Echo] + Send + 'static,
    ) -> Self {
        let socket = lab.world().run(|| {
            let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).unwrap();
            socket.bind(&SocketAddr::new(address, 0).into()).unwrap();
            socket
        });
        // It looks up now and then, to see whether it is to stop.
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let (heard, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (counter, flag) = (Arc::clone(&heard), Arc::clone(&stop));
        let thread = thread::spawn(move || answer(socket, script, &counter, &flag));
        Self { heard, stop, thread: Some(thread) }
    }

    /// How many requests came in so far.
    pub(super) fn heard(&self) -> usize {
        self.heard.load(Ordering::SeqCst)
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the responder panicked");
        }
    }
}

fn answer(
    mut socket: Socket,
    mut script: impl FnMut(Request) -> &'static [Echo],
    heard: &AtomicUsize,
    stop: &AtomicBool,
) {
    let mut packet = [0; 2048];
    while !stop.load(Ordering::SeqCst) {
        let Ok(length) = socket.read(&mut packet) else { continue };
        let header = usize::from(packet[0] & 15) * 4;
        let (source, request) = (&packet[12..16], &packet[header..length]);
        if request[0] != 8 {
            continue;
        }
        let nth = heard.load(Ordering::SeqCst);
        let source: [u8; 4] = source.try_into().unwrap();
        let to = SocketAddr::new(IpAddr::from(source), 0).into();
        for echo in script(Request { nth, payload: request.len() - 8 }) {
            socket.send_to(&message(*echo, request), &to).unwrap();
        }
        heard.store(nth + 1, Ordering::SeqCst);
    }
}

/// The answer to an echo request (RFC 792).
fn message(echo: Echo, request: &[u8]) -> Vec<u8> {
    let mut message = request.to_vec();
    match echo {
        Echo::Reply => message[0] = 0,
        Echo::OtherIdentifier => (message[0], message[4]) = (0, !message[4]),
        Echo::OtherSequence => (message[0], message[6]) = (0, !message[6]),
        Echo::Request => message.truncate(8),
    }
    message[2..4].fill(0);
    let sum = checksum(&message).to_be_bytes();
    message[2..4].copy_from_slice(&sum);
    message
}

/// The Internet checksum (RFC 1071) of an even number of bytes.
pub(super) fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks_exact(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(pair[1]));
    let mut sum: u64 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded")
}
