//! The addresses of name servers: as the file has them, and looked up.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::failure::ServerFailure;
use crate::config::names;
use crate::config::value::Value;
use crate::dns::clock::now;
use crate::text::error_chain;

/// Description of the allowed servers.
const ALLOWED: &str = "a name server with its port, such as \"ns1.example.com:53\", \"192.0.2.53\" or \
                       \"[2001:db8::53]:53\"";

/// The port of name servers.
const PORT: u16 = 53;

/// Maximum time to look a name up and to connect to one of its addresses.
const MAX_CONNECT: Duration = Duration::from_secs(5);

/// The least time for one of several addresses.
const LEAST_CONNECT: Duration = Duration::from_secs(1);

/// A name server: its name or address, and its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    /// The name, or the address without brackets.
    pub host: String,
    /// The port of DNS over TCP.
    pub port: u16,
}

impl ServerAddress {
    /// Reads `host:port`, or a host alone with the port 53.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self { host: address.to_string(), port: PORT });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)),
            None => (text, Some(PORT)),
        };
        let port = port.ok_or(ALLOWED)?;
        if let Some(bare) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            let address: std::net::Ipv6Addr = bare.parse().map_err(|_| ALLOWED)?;
            return Ok(Self { host: address.to_string(), port });
        }
        // Only digits and dots: an address that is none.
        let is_number = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if is_number && host.parse::<IpAddr>().is_err() {
            return Err(ALLOWED.to_owned());
        }
        let host = names::domain(&Value::Text(host.to_owned())).map_err(|_| ALLOWED)?;
        Ok(Self { host, port })
    }

    /// Whether the server is on this machine. A name is not looked up.
    pub(super) fn is_on_loopback(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        address.map_or_else(|_| self.host == "localhost", |address| address.is_loopback())
    }

    /// Connects to the first of the server's addresses that accepts.
    ///
    /// # Errors
    ///
    /// Fails with the reasons. Nothing was sent.
    pub(super) async fn connect(&self) -> Result<TcpStream, ServerFailure> {
        let connected = self.connect_to_any(now() + MAX_CONNECT).await;
        connected.map_err(|why| ServerFailure::unreachable(why).at(self))
    }

    async fn connect_to_any(&self, until: Instant) -> Result<TcpStream, String> {
        let addresses = self.look_up(until).await?;
        let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let each = (MAX_CONNECT / count).max(LEAST_CONNECT);
        let mut reasons = Vec::new();
        let all = async {
            for address in addresses {
                match tokio::time::timeout(each, TcpStream::connect(address)).await {
                    Ok(Ok(stream)) => return Some(stream),
                    Ok(Err(error)) => reasons.push(self.reason(address, &error_chain(&error))),
                    Err(_) => reasons.push(self.reason(address, "no connection in time")),
                }
            }
            None
        };
        match tokio::time::timeout_at(until, all).await {
            Ok(Some(stream)) => {
                // A message is one piece, and waits for no other.
                let _ = stream.set_nodelay(true);
                Ok(stream)
            }
            Ok(None) | Err(_) if !reasons.is_empty() => Err(reasons.join("; ")),
            Ok(None) | Err(_) => Err("no connection in time".to_owned()),
        }
    }

    /// Returns why an address was not reached. It is named if the server is given by name.
    fn reason(&self, address: SocketAddr, why: &str) -> String {
        if self.host.parse::<IpAddr>().is_ok() {
            return why.to_owned();
        }
        format!("{address}: {why}")
    }

    /// Returns the addresses, by the resolver of the system.
    async fn look_up(&self, until: Instant) -> Result<Vec<SocketAddr>, String> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        let found = tokio::net::lookup_host((self.host.as_str(), self.port));
        match tokio::time::timeout_at(until, found).await {
            Ok(Ok(found)) => Ok(found.collect()),
            Ok(Err(error)) => Err(format!("its name was not found: {error}")),
            Err(_) => Err("its name was not found in time".to_owned()),
        }
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(out, "[{host}]:{port}")
        } else {
            write!(out, "{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_a_host_and_a_port() {
        for (text, want) in [
            ("ns1.Example.com", "ns1.example.com:53"),
            ("ns1.example.com:5353", "ns1.example.com:5353"),
            ("192.0.2.53", "192.0.2.53:53"),
            ("192.0.2.53:1053", "192.0.2.53:1053"),
            ("2001:DB8::53", "[2001:db8::53]:53"),
            ("[2001:db8::53]:1053", "[2001:db8::53]:1053"),
            ("localhost:1053", "localhost:1053"),
        ] {
            assert_eq!(ServerAddress::parse(text).unwrap().to_string(), want);
        }
        for text in [
            "",
            ":53",
            "ns1:0",
            "ns1:65536",
            "ns1:dns",
            "https://ns1",
            "192.0.2.999",
            "[ns1]:53",
            "192.0.2.53:",
            "ns 1:53",
        ] {
            assert!(ServerAddress::parse(text).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_server_out_of_reach_is_named_once() {
        // Nobody listens at the port of a socket that was closed.
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let server = ServerAddress::parse(&closed.to_string()).unwrap();
        let why = server.connect().await.unwrap_err().why;
        assert!(why.starts_with(&format!("{closed}: Connection refused")), "{why}");
        let named = ServerAddress { host: "localhost".to_owned(), ..server };
        let why = named.connect().await.unwrap_err().why;
        let want = format!("localhost:{}: ", closed.port());
        assert!(why.starts_with(&want) && why.contains(&format!("{closed}: Connection")), "{why}");
    }

    #[test]
    fn loopback_is_known_without_a_look_up() {
        for (text, want) in [
            ("127.0.0.1", true),
            ("127.8.8.8:1053", true),
            ("[::1]:53", true),
            ("localhost", true),
            ("192.0.2.1", false),
            ("localhost.example.com", false),
        ] {
            assert_eq!(ServerAddress::parse(text).unwrap().is_on_loopback(), want, "{text}");
        }
    }
}
