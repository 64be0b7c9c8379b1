//! Sends several packets with one system call.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::net::addr::SocketAddrArg as _;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg, sendto};

use super::message::LENGTH;

/// A packet and its destination.
pub(super) type Packet = (IpAddr, [u8; LENGTH]);

/// Maximum number of packets in one call.
pub(super) const AT_ONCE: usize = 32;

/// The knowledge about a system call that takes several messages at once.
///
/// Old kernels do not have it (`ENOSYS`), and a filter of system calls may forbid it (`EPERM`). A firewall
/// reports `EPERM` as well for a packet that it drops, so this alone proves nothing: the call is given up
/// only if it has never worked and the plain one does.
#[derive(Debug)]
pub(super) struct BatchCall(AtomicU8);

/// How an attempt is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// By the call for several messages.
    Together,
    /// By the plain call for one message.
    Alone,
}

const UNTRIED: u8 = 0;
const WORKS: u8 = 1;
const MISSING: u8 = 2;

/// The call that sends several messages.
static SENDING: BatchCall = BatchCall::new();

impl BatchCall {
    /// Returns a call that was never tried.
    pub(super) const fn new() -> Self {
        Self(AtomicU8::new(UNTRIED))
    }

    /// Makes an attempt with several messages, or with one alone where there is no such call. `name` is
    /// that of the call in the log.
    pub(super) fn make<T>(
        &self,
        name: &str,
        mut attempt: impl FnMut(Manner) -> io::Result<T>,
    ) -> io::Result<T> {
        let known = self.0.load(Ordering::Relaxed);
        if known == MISSING {
            return attempt(Manner::Alone);
        }
        let together = attempt(Manner::Together);
        if known == WORKS {
            return together;
        }
        if !together.as_ref().err().is_some_and(is_refusal) {
            if together.is_ok() {
                self.0.store(WORKS, Ordering::Relaxed);
            }
            return together;
        }
        let alone = attempt(Manner::Alone);
        // A plain call that finds nothing to receive works, too.
        if alone.as_ref().err().is_none_or(|it| it.kind() == io::ErrorKind::WouldBlock) {
            self.0.store(MISSING, Ordering::Relaxed);
            tracing::debug!(call = name, "this kernel refuses to handle several messages at once");
        }
        alone
    }
}

/// Whether the kernel may have refused the call itself.
fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported)
}

/// Sends packets, at most [`AT_ONCE`] of them, without waiting for room. Returns the number that has left:
/// the first ones.
///
/// # Errors
///
/// Fails if the first packet cannot be sent.
pub(super) fn send(socket: BorrowedFd<'_>, packets: &[Packet]) -> io::Result<usize> {
    match packets {
        [] => Ok(0),
        [packet] => send_one(socket, packet),
        [first, ..] => {
            let packets = &packets[..packets.len().min(AT_ONCE)];
            SENDING.make("sendmmsg", |manner| match manner {
                Manner::Together => send_several(socket, packets),
                Manner::Alone => send_one(socket, first),
            })
        }
    }
}

fn send_one(socket: BorrowedFd<'_>, (to, bytes): &Packet) -> io::Result<usize> {
    sendto(socket, bytes, SendFlags::DONTWAIT, &SocketAddr::new(*to, 0))?;
    Ok(1)
}

fn send_several(socket: BorrowedFd<'_>, packets: &[Packet]) -> io::Result<usize> {
    let addresses: Vec<SocketAddrAny> =
        packets.iter().map(|(to, _)| SocketAddr::new(*to, 0).as_any()).collect();
    let slices: Vec<_> = packets.iter().map(|(_, bytes)| [IoSlice::new(bytes)]).collect();
    let mut controls: Vec<_> = packets.iter().map(|_| SendAncillaryBuffer::default()).collect();
    let parts = addresses.iter().zip(&slices).zip(&mut controls);
    let mut messages: Vec<_> =
        parts.map(|((to, slices), control)| MMsgHdr::new_with_addr(to, slices, control)).collect();
    Ok(sendmmsg(socket, &mut messages, SendFlags::DONTWAIT)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a call that answers so in each manner.
    fn made(call: &BatchCall, together: Option<i32>, alone: Option<i32>) -> Result<Manner, i32> {
        let made = call.make("it", |manner| {
            let error = if manner == Manner::Together { together } else { alone };
            error.map_or(Ok(manner), |number| Err(io::Error::from_raw_os_error(number)))
        });
        made.map_err(|error| error.raw_os_error().unwrap())
    }

    const EPERM: Option<i32> = Some(1);
    const EAGAIN: Option<i32> = Some(11);
    const ENOSYS: Option<i32> = Some(38);
    const ENOBUFS: Option<i32> = Some(105);

    #[test]
    fn a_call_that_never_worked_is_given_up_if_the_plain_one_works() {
        for (together, alone) in [(EPERM, None), (ENOSYS, None), (EPERM, EAGAIN), (ENOSYS, EAGAIN)]
        {
            let call = BatchCall::new();
            assert_eq!(made(&call, together, alone), alone.map_or(Ok(Manner::Alone), Err));
            assert_eq!(made(&call, None, None), Ok(Manner::Alone), "it is not tried again");
        }
    }

    #[test]
    fn a_refusal_of_both_is_about_the_packet() {
        let call = BatchCall::new();
        assert_eq!(made(&call, EPERM, EPERM), Err(1));
        assert_eq!(made(&call, None, None), Ok(Manner::Together));
        assert_eq!(made(&call, EPERM, None), Err(1), "it has worked once");
    }

    #[test]
    fn any_other_error_is_about_the_packet() {
        let call = BatchCall::new();
        assert_eq!(made(&call, ENOBUFS, None), Err(105));
        assert_eq!(made(&call, EAGAIN, None), Err(11));
        assert_eq!(made(&call, None, None), Ok(Manner::Together));
    }
}
