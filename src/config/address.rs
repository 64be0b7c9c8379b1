//! Rules for addresses: each must be the address of a single host, written as in DNS.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::value::{Value, as_text};

/// Reads the address of a target.
pub(crate) fn target(value: &Value) -> Result<IpAddr, String> {
    let allowed = "an IP address, such as \"192.0.2.10\"";
    let address = as_text(value).and_then(|text| text.parse().ok()).ok_or(allowed)?;
    one_host(address)
}

/// Reads an address that is probed to test this agent's own network, with a TCP port if it has one.
pub(crate) fn canary(value: &Value) -> Result<(IpAddr, Option<u16>), String> {
    let allowed = "an IP address, such as \"192.0.2.1\", or one with a TCP port, such as \
                   \"192.0.2.1:53\" or \"[2001:db8::1]:53\"";
    let text = as_text(value).ok_or(allowed)?;
    if let Ok(address) = text.parse() {
        return Ok((one_host(address)?, None));
    }
    let with_port: SocketAddr = text.parse().map_err(|_| allowed)?;
    let address = one_host(with_port.ip())?;
    Ok((address, Some(some_port(with_port)?)))
}

/// Reads the address at which an agent of the cluster receives votes, as its peers know it.
pub(crate) fn agent(value: &Value) -> Result<SocketAddr, String> {
    let address = host_port(value)?;
    one_host(address.ip())?;
    Ok(address)
}

/// Reads an address to listen on; the unspecified address is allowed.
pub(crate) fn listen(value: &Value) -> Result<SocketAddr, String> {
    let address = host_port(value)?;
    if !address.ip().is_unspecified() {
        one_host(address.ip())?;
    }
    Ok(address)
}

/// Reads an address with a port. Names are not looked up: their addresses may change while the
/// agent runs, or be unavailable exactly when DNS is broken.
fn host_port(value: &Value) -> Result<SocketAddr, String> {
    let allowed = "an IP address and a port, such as \"192.0.2.1:8081\" or \
                   \"[2001:db8::1]:8081\"; names are not looked up";
    let address: SocketAddr = as_text(value).and_then(|text| text.parse().ok()).ok_or(allowed)?;
    some_port(address)?;
    Ok(address)
}

fn some_port(address: SocketAddr) -> Result<u16, String> {
    match address.port() {
        0 => Err("the port is from 1 to 65535".to_owned()),
        port => Ok(port),
    }
}

/// Returns `address` if it can be the address of a single host.
///
/// An IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2) is refused and not rewritten: it would belong in
/// an A record although the file asks for an AAAA record.
pub(crate) fn one_host(address: IpAddr) -> Result<IpAddr, String> {
    if let IpAddr::V6(v6) = address
        && let Some(v4) = v6.to_ipv4_mapped()
    {
        return Err(format!("an IPv4 address is written as \"{v4}\""));
    }
    let kind = if address.is_unspecified() {
        "the unspecified address"
    } else if address.is_multicast() {
        "a multicast address"
    } else if address == IpAddr::V4(Ipv4Addr::BROADCAST) {
        "the broadcast address"
    } else {
        return Ok(address);
    };
    Err(format!("{kind} is not one host's"))
}

/// Returns the reason why an address cannot be reached from outside, if there is one (RFC 1918,
/// 6598, 3927, 4193, 4291). Loopback is not included: rehearsals use it.
pub(crate) fn private(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) if v4.is_private() => Some("a private address"),
        IpAddr::V4(v4) if v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64 => {
            Some("an address for carriers' own use")
        }
        IpAddr::V4(v4) if v4.is_link_local() => Some("a link-local address"),
        IpAddr::V6(v6) if v6.is_unique_local() => Some("a private address"),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some("a link-local address"),
        _ => None,
    }
}
