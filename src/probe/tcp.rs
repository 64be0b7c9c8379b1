//! A TCP connection that is opened and closed again without sending a byte.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;

use rustix::io::Errno;
use tokio::net::TcpStream;

use super::route::{Routes, Waited};
use super::{Check, Opens, Tools, now};
use crate::engine::event::ProbeRequest;
use crate::engine::types::{Answer, Endpoint};

/// Number of file descriptors reserved for everything except connects.
const SPARE_DESCRIPTORS: u64 = 256;

/// Maximum number of concurrent connects, even with more descriptors.
const MOST_CONNECTS: u64 = 4096;

/// The check by TCP connects.
#[derive(Debug)]
pub(crate) struct Connect;

impl Check for Connect {
    const NAME: &'static str = "tcp";
    const OPENS: Opens = Opens::Connection;

    fn covers(endpoint: Endpoint) -> bool {
        endpoint.method.port().is_some()
    }

    fn in_words(endpoint: Endpoint) -> String {
        format!("by TCP connects to port {}", endpoint.method.port().unwrap_or_default())
    }

    fn probe(tools: &Tools, request: &ProbeRequest) -> impl Future<Output = Answer> + Send {
        // Boxed: otherwise the task of each echo request would have room for a connect.
        Box::pin(connect(request, tools.icmp.routes()))
    }
}

/// Connects to the address and the port of `probe`. An accepted connection is a reply.
async fn connect(probe: &ProbeRequest, routes: &Routes) -> Answer {
    let began = now();
    match open(probe, routes).await {
        // Dropping the stream closes it in order.
        Ok(_stream) => Answer::Reply(began.elapsed()),
        Err(answer) => answer,
    }
}

/// Opens a connection to the address and the port of `probe`.
///
/// # Errors
///
/// The answer, if there is no connection. Every answer after the request has left this machine is
/// about the target: refused, reset, timed out, or a router on the path without a route. Anything
/// that keeps this machine from sending is a fault: no route, no descriptor, no local port, a
/// gateway that does not answer.
pub(super) async fn open(probe: &ProbeRequest, routes: &Routes) -> Result<TcpStream, Answer> {
    let Endpoint { address, method } = probe.endpoint;
    let (began, port) = (now(), method.port().unwrap_or_default());
    let mut attempt = pin!(TcpStream::connect(SocketAddr::new(address, port)));
    // The first poll makes the system call. An error at this point comes from this machine, except
    // for the refusal of a listener on this very machine.
    match poll_fn(|context| Poll::Ready(attempt.as_mut().poll(context))).await {
        Poll::Ready(Ok(stream)) => return Ok(stream),
        Poll::Ready(Err(error)) if is_about_the_target(&error) => return Err(refused(&error)),
        Poll::Ready(Err(error)) => return Err(Answer::Fault(error.to_string())),
        Poll::Pending => {}
    }
    match routes.wait(probe, began, attempt).await {
        Waited::Ended(Ok(stream)) => Ok(stream),
        Waited::Ended(Err(error)) => match routes.silent_gateway(probe.endpoint, now()) {
            Some(what) if !is_about_the_target(&error) => Err(Answer::Fault(what)),
            _ => Err(refused(&error)),
        },
        Waited::Fault(what) => Err(Answer::Fault(what)),
        Waited::Silence => Err(Answer::Silence),
    }
}

fn refused(error: &io::Error) -> Answer {
    Answer::Unreachable(error.to_string())
}

/// Whether an error returned by the system call itself may come from the target. "Host unreachable"
/// does not: this early it comes from this machine's own routes.
pub(super) fn is_about_the_target(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::CONNREFUSED | Errno::CONNRESET | Errno::CONNABORTED))
}

/// Returns the maximum number of concurrent connects. It follows from the limit of open files,
/// which is raised as far as possible.
pub(crate) fn room() -> std::num::NonZeroU32 {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If the limit cannot be raised, the current one is used.
    let _ = setrlimit(Resource::Nofile, limit);
    let open = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let room = open.saturating_sub(SPARE_DESCRIPTORS).clamp(16, MOST_CONNECTS);
    u32::try_from(room)
        .ok()
        .and_then(std::num::NonZeroU32::new)
        .unwrap_or(std::num::NonZeroU32::MIN)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use super::*;
    use crate::engine::ids::{FlowId, ProbeId};

    async fn asked(address: IpAddr, port: u16) -> Answer {
        let endpoint = Endpoint::connect(address, port);
        let timeout = Duration::from_secs(5);
        let probe = ProbeRequest {
            id: ProbeId { endpoint: 0.into(), seq: 0.into() },
            endpoint,
            nth: 0,
            flow: FlowId::default(),
            timeout,
            listen_for: timeout,
        };
        connect(&probe, &Routes::default()).await
    }

    #[tokio::test]
    async fn accepted_is_a_reply_and_the_other_side_sees_an_orderly_end() {
        use tokio::io::AsyncReadExt;
        for host in ["127.0.0.1", "::1"] {
            let address: IpAddr = host.parse().unwrap();
            let listener = tokio::net::TcpListener::bind((address, 0)).await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let answer = asked(address, port).await;
            assert!(matches!(answer, Answer::Reply(_)), "{host}: {answer:?}");
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut sent = Vec::new();
            assert_eq!(stream.read_to_end(&mut sent).await.unwrap(), 0, "{host}");
        }
    }

    #[tokio::test]
    async fn refused_is_about_the_target() {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let answer = asked(Ipv4Addr::LOCALHOST.into(), port).await;
        assert!(matches!(answer, Answer::Unreachable(_)), "{answer:?}");
    }

    #[test]
    fn a_local_error_is_a_fault_and_no_evidence_about_the_target() {
        let own = [
            Errno::NETUNREACH,
            Errno::HOSTUNREACH,
            Errno::MFILE,
            Errno::NFILE,
            Errno::ADDRNOTAVAIL,
            Errno::ACCESS,
            Errno::PERM,
            Errno::NOBUFS,
        ];
        for errno in own {
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            assert!(!is_about_the_target(&error), "{errno:?}");
        }
        for errno in [Errno::CONNREFUSED, Errno::CONNRESET] {
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            assert!(is_about_the_target(&error), "{errno:?}");
        }
    }

    #[test]
    fn there_is_always_room_for_some() {
        assert!(room().get() >= 16);
    }
}
