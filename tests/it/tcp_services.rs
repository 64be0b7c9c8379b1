//! TCP listeners that a test opens and closes, in the place of services that an agent monitors with
//! `--type tcp`. Belongs here: the listeners, and addresses of loopback for them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// How a connection that was taken came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndedConnection {
    /// How many bytes the other side sent.
    pub(crate) bytes: usize,
    /// In order, or by which error.
    pub(crate) end: Result<(), std::io::ErrorKind>,
}

/// A listener that takes every connection. It is closed when dropped, and then refuses.
#[derive(Debug)]
pub(crate) struct TcpService {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    connections: Receiver<EndedConnection>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TcpService {
    /// Opens one here.
    ///
    /// # Panics
    ///
    /// If the address is taken.
    pub(crate) fn open(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address);
        Self::at(listener.unwrap_or_else(|error| panic!("cannot listen at {address}: {error}")))
    }

    /// Opens one at the address of `listener`, in its namespace.
    pub(crate) fn at(listener: TcpListener) -> Self {
        let address = listener.local_addr().expect("it is bound");
        listener.set_nonblocking(true).expect("a listener can be asked without waiting");
        let (stop, stopped) = oneshot::channel();
        let (sender, connections) = channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            let runtime = runtime.expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, sender) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, connections, stop: Some(stop), thread: Some(thread) }
    }

    /// The next connection that ended, waited for if need be.
    pub(crate) fn next_ended(&self) -> EndedConnection {
        self.connections.recv_timeout(crate::agent::PATIENT).expect("a connection comes and ends")
    }
}

async fn serve(listener: TcpListener, ended: Sender<EndedConnection>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("inside a runtime");
    let mut connections = JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(receive(stream, ended.clone()));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn receive(mut stream: TcpStream, ended: Sender<EndedConnection>) {
    let mut sent = Vec::new();
    let end = stream.read_to_end(&mut sent).await.map(|_| ()).map_err(|error| error.kind());
    // Most tests do not ask.
    let _ = ended.send(EndedConnection { bytes: sent.len(), end });
}

impl Drop for TcpService {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || std::thread::panicking(), "a tcp_service failed");
        }
    }
}

/// `count` addresses of loopback that no other test uses, and one port that is free at all of them.
///
/// A listener there is reached without any privilege. None of them is where connections of this
/// machine come from, so that a connect to a closed TCP service can never meet itself.
pub(crate) fn loopback_addresses(count: u8) -> (Vec<IpAddr>, u16) {
    static THIRD_OCTET: AtomicU8 = AtomicU8::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    loop {
        let third = low.wrapping_add(THIRD_OCTET.fetch_add(1, Ordering::Relaxed));
        let addresses: Vec<IpAddr> =
            (1..=count).map(|last| Ipv4Addr::new(127, high | 1, third, last).into()).collect();
        if let Some(port) = free_port(&addresses) {
            return (addresses, port);
        }
    }
}

/// A port at which all of `addresses` can be listened at.
fn free_port(addresses: &[IpAddr]) -> Option<u16> {
    let port = TcpListener::bind((addresses[0], 0)).ok()?.local_addr().ok()?.port();
    let free = |address: &IpAddr| TcpListener::bind((*address, port)).is_ok();
    addresses.iter().all(free).then_some(port)
}
