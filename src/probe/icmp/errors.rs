//! The queue of ICMP errors that the kernel keeps for a datagram socket.

use std::io::{self, IoSliceMut};
use std::net::IpAddr;
use std::os::fd::RawFd;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};

use super::message::{self, Request, Response};

/// An ICMP error from the queue of a datagram socket.
pub(super) struct QueuedError {
    /// The quoted request, without its identifier.
    pub(super) request: Request,
    /// The type and code of the error.
    pub(super) response: Response,
    /// The payload of the request, as far as it is quoted.
    pub(super) payload: Vec<u8>,
    /// The sender of the error.
    pub(super) source: IpAddr,
}

/// Returns the next error from the queue. `None` if it quotes no echo request or is not an ICMP
/// error.
pub(super) fn next_error(socket: RawFd) -> io::Result<Option<QueuedError>> {
    let mut quoted = [0; 64];
    let mut control = nix::cmsg_space!([u8; 64]);
    let mut slices = [IoSliceMut::new(&mut quoted)];
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let read = recvmsg::<SockaddrStorage>(socket, &mut slices, Some(&mut control), flags)?;
    let about = read.address.and_then(|to| address(&to));
    let error = read.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::Ipv4RecvErr(error, Some(source)) => {
            let source = u32::from_be(source.sin_addr.s_addr);
            Some((error, IpAddr::V4(source.into())))
        }
        ControlMessageOwned::Ipv6RecvErr(error, Some(source)) => {
            Some((error, IpAddr::V6(source.sin6_addr.s6_addr.into())))
        }
        _ => None,
    });
    let length = read.bytes;
    Ok(about.zip(error).and_then(|(address, (error, source))| {
        let quoted = quoted.get(..length)?;
        let sequence = u16::from_be_bytes([*quoted.get(6)?, *quoted.get(7)?]);
        let from_icmp = [2, 3].contains(&error.ee_origin);
        if !from_icmp || !message::is_echo_request(address, *quoted.first()?) {
            return None;
        }
        let request = Request { address, identifier: 0, sequence };
        let response = Response::Error { kind: error.ee_type, code: error.ee_code };
        let payload = quoted.get(8..)?.to_vec();
        Some(QueuedError { request, response, payload, source })
    }))
}

fn address(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}
