//! Binding of the address by which peers know this agent, even if no local interface has it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::{TcpListener, UdpSocket};

use super::ClusterError;

/// Binds the vote port of `local`. If `local` is not on this machine, as behind an EIP or another
/// NAT, the same port of every address is bound.
pub(crate) async fn votes(local: SocketAddr) -> Result<TcpListener, ClusterError> {
    let bound = match TcpListener::bind(local).await {
        Err(cause) if is_elsewhere(&cause) => TcpListener::bind(everywhere(local)).await,
        bound => bound,
    };
    bound.map_err(|source| ClusterError::Bind { what: "votes", address: local, source })
}

/// Binds the gossip socket of `local` in the same way.
pub(crate) async fn gossip(local: SocketAddr) -> Result<UdpSocket, ClusterError> {
    let bound = match UdpSocket::bind(local).await {
        Err(cause) if is_elsewhere(&cause) => UdpSocket::bind(everywhere(local)).await,
        bound => bound,
    };
    bound.map_err(|source| ClusterError::Bind { what: "gossip", address: local, source })
}

fn is_elsewhere(cause: &io::Error) -> bool {
    cause.kind() == io::ErrorKind::AddrNotAvailable
}

fn everywhere(local: SocketAddr) -> SocketAddr {
    let any: IpAddr = match local {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(any, local.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_of_another_machine_is_listened_for_on_all_of_ours() {
        // Reserved for documentation (RFC 5737), so no machine has it. Port 0 selects any free
        // port.
        let elsewhere: SocketAddr = "192.0.2.1:0".parse().unwrap();
        let http = votes(elsewhere).await.unwrap().local_addr().unwrap();
        let udp = gossip(elsewhere).await.unwrap().local_addr().unwrap();
        assert!(http.ip().is_unspecified() && udp.ip().is_unspecified(), "{http} {udp}");
        let here = votes("127.0.0.1:0".parse().unwrap()).await.unwrap();
        assert!(here.local_addr().unwrap().ip().is_loopback());
    }

    #[tokio::test]
    async fn an_address_that_another_process_holds_is_one_clear_error() {
        let held = votes("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = held.local_addr().unwrap();
        let refused = votes(address).await.unwrap_err();
        assert_eq!(refused.to_string(), format!("cannot listen for votes on {address}"));
        let cause = std::error::Error::source(&refused).unwrap().to_string();
        assert!(cause.contains("in use"), "{cause}");
    }
}
