//! Receives several messages with one system call.

use std::cell::RefCell;
use std::io::{self, IoSliceMut};
use std::net::IpAddr;
use std::os::fd::RawFd;

use nix::sys::socket::{
    MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, SockaddrLike, recvfrom, recvmmsg,
};
use surge_ping::ICMP;

use super::send::{BatchCall, Manner};

/// Maximum number of messages in one call.
pub(super) const AT_ONCE: usize = 32;

/// Room for one message. An ICMP error quotes as much as fits into the least packet that every link
/// carries, 1,280 bytes.
const ROOM: usize = 2048;

/// The call that receives several messages.
static RECEIVING: BatchCall = BatchCall::new();

thread_local! {
    /// The buffers are used by one socket after the other.
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

struct Buffers {
    rooms: Vec<[u8; ROOM]>,
    /// Those of each family: a header keeps the length of the last address.
    v4: MultiHeaders<SockaddrIn>,
    v6: MultiHeaders<SockaddrIn6>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            rooms: vec![[0; ROOM]; AT_ONCE],
            v4: MultiHeaders::preallocate(AT_ONCE, None),
            v6: MultiHeaders::preallocate(AT_ONCE, None),
        }
    }
}

/// An address as the kernel writes it.
trait SourceAddress: SockaddrLike + Copy {
    fn address(&self) -> IpAddr;
}

impl SourceAddress for SockaddrIn {
    fn address(&self) -> IpAddr {
        self.ip().into()
    }
}

impl SourceAddress for SockaddrIn6 {
    fn address(&self) -> IpAddr {
        self.ip().into()
    }
}

/// Receives messages, without waiting for any, and passes each on with its sender. Returns their number:
/// if it is less than [`AT_ONCE`], no more were there.
///
/// # Errors
///
/// Fails if there is none, or if the socket has a pending error.
pub(super) fn receive(
    socket: RawFd,
    family: ICMP,
    handle: &mut dyn FnMut(&[u8], IpAddr),
) -> io::Result<usize> {
    BUFFERS.with_borrow_mut(|buffers| {
        let Buffers { rooms, v4, v6 } = buffers;
        match family {
            ICMP::V4 => receive_from(socket, (rooms, v4), handle),
            ICMP::V6 => receive_from(socket, (rooms, v6), handle),
        }
    })
}

fn receive_from<S: SourceAddress>(
    socket: RawFd,
    (rooms, headers): (&mut [[u8; ROOM]], &mut MultiHeaders<S>),
    handle: &mut dyn FnMut(&[u8], IpAddr),
) -> io::Result<usize> {
    RECEIVING.make("recvmmsg", |manner| match manner {
        Manner::Together => receive_together(socket, (&mut *rooms, &mut *headers), handle),
        Manner::Alone => receive_alone::<S>(socket, &mut rooms[0], handle),
    })
}

fn receive_together<S: SourceAddress>(
    socket: RawFd,
    (rooms, headers): (&mut [[u8; ROOM]], &mut MultiHeaders<S>),
    handle: &mut dyn FnMut(&[u8], IpAddr),
) -> io::Result<usize> {
    let mut slices: Vec<_> = rooms.iter_mut().map(|room| [IoSliceMut::new(room)]).collect();
    let mut count = 0;
    for message in recvmmsg(socket, headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)? {
        count += 1;
        if let (Some(bytes), Some(source)) = (message.iovs().next(), message.address) {
            handle(bytes, source.address());
        }
    }
    Ok(count)
}

fn receive_alone<S: SourceAddress>(
    socket: RawFd,
    room: &mut [u8],
    handle: &mut dyn FnMut(&[u8], IpAddr),
) -> io::Result<usize> {
    for count in 0..AT_ONCE {
        match recvfrom::<S>(socket, room) {
            Ok((length, Some(source))) => handle(&room[..length], source.address()),
            Ok((_, None)) => {}
            Err(error) if count == 0 => return Err(error.into()),
            // The next call reports it again, unless it is that there are no more.
            Err(_) => return Ok(count),
        }
    }
    Ok(AT_ONCE)
}
