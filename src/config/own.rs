//! Detection of this machine's own addresses among targets and canaries.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use super::field::At;
use super::problem::Report;
use crate::text::first_few;

/// Maximum number of addresses named in one line.
const NAMED: usize = 3;

/// Warns of items that this machine answers itself, even with its cable pulled. `why` names the
/// harm of that. Loopback is reported elsewhere.
pub(crate) fn warn<T>(
    items: &[At<T>],
    address: impl Fn(&T) -> IpAddr,
    why: &str,
    report: &mut Report,
) {
    let kernel = Kernel::ask();
    let mut own = Vec::new();
    for item in items {
        if kernel.owns(address(&item.value)) {
            own.push(item);
        }
    }
    line(&own, why, report);
}

fn line<T>(items: &[&At<T>], why: &str, report: &mut Report) {
    let Some(first) = items.first() else { return };
    let named: Vec<&str> = items.iter().map(|item| item.shown.as_str()).collect();
    let named = first_few(&named, NAMED, ", ");
    let what = if items.len() == 1 {
        "this machine's own address, which answers"
    } else {
        "this machine's own addresses, which answer"
    };
    let are = if items.len() == 1 { "is" } else { "are" };
    let text = format!("{named} {are} {what} also when its network is cut off: {why}");
    report.warn(&first.spot, text);
}

/// Test for local addresses by the kernel's routes. Nothing is sent.
struct Kernel {
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
}

impl Kernel {
    fn ask() -> Self {
        let v4 = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok();
        Self { v4, v6: UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).ok() }
    }

    /// Whether `address` is one of this machine's own, except loopback: the kernel selects it as
    /// its own source address.
    fn owns(&self, address: IpAddr) -> bool {
        let socket = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        let Some(socket) = socket.as_ref().filter(|_| !address.is_loopback()) else { return false };
        // The port does not matter, because nothing is sent.
        let connected = socket.connect((address, 9)).and_then(|()| socket.local_addr());
        connected.is_ok_and(|own| own.ip() == address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_of_this_machine_is_its_own() {
        let kernel = Kernel::ask();
        let documentation: [IpAddr; 2] = [[192, 0, 2, 77].into(), "2001:db8::77".parse().unwrap()];
        assert!(documentation.into_iter().all(|address| !kernel.owns(address)));
        assert!(!kernel.owns(Ipv4Addr::LOCALHOST.into()), "told of elsewhere");
        // The source address of this machine, if it has a route out at all.
        let out = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
        if out.connect(("192.0.2.77", 9)).is_ok() {
            let own = out.local_addr().unwrap().ip();
            assert!(own.is_loopback() || kernel.owns(own), "{own}");
        }
    }
}
