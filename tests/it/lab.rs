//! The lab: private network namespaces with real links, addresses and echo replies, for
//! proofs against the kernel. Belongs here: the lab itself and the proof that it works as documented.
//! Proofs *with* it live in the files of their subjects.
//!
//! ```text
//!  agent 0 ──eth0══port0──┐
//!  agent 1 ──eth0══port1──┤ br0   world: holds the targets' addresses on its lo
//!  agent 2 ──eth0══port2──┘
//! ```
//!
//! Agents reach each other and the world over one switch (`10.255.0.0/24` and `fd00:ff::/64`), and any
//! other address through the world. An address that the world does not hold is silence: it forwards
//! nothing and sends no ICMP error. Nothing has a name outside the namespaces, and all of it goes
//! when the [`Lab`] is dropped or the test's process dies in any way.
//!
//! Needs `unshare` and `nsenter` (util-linux) and `ip` (iproute2), and a body inside [`run`].

mod ci;
mod namespace;
mod ping;
mod privilege;
#[cfg(test)]
mod proofs;

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant, SystemTime};

pub(crate) use ci::{is_ci, share};
pub(crate) use namespace::Namespace;
pub(crate) use ping::{Echo, ping};
pub(crate) use privilege::{run, skip};

/// A place in the lab that packets come from or go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The agent with this index, from 0.
    Agent(usize),
    /// The namespace of the targets' addresses, and the way to them.
    World,
}

/// When something was cut off: the last possible reply lies between `before` and `after`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CutOff {
    /// Just before the change was ordered.
    pub(crate) before: Instant,
    /// Just after it was in force: no reply is sent from here on.
    pub(crate) after: Instant,
    /// `after` on the wall clock, to compare with log lines.
    pub(crate) after_wall: SystemTime,
}

/// A world and the agents that look at it.
///
/// Field order is drop order.
#[derive(Debug)]
pub(crate) struct Lab {
    agents: Vec<Namespace>,
    world: Namespace,
}

/// The `n`-th IPv4 address for targets: 10.0.0.0 + n. Up to 10,000 do not meet the lab's own.
pub(crate) fn v4(n: u32) -> IpAddr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + n).into()
}

/// The `n`-th IPv6 address for targets: `fd00::` + n.
pub(crate) fn v6(n: u32) -> IpAddr {
    Ipv6Addr::from_bits(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0).to_bits() + u128::from(n)).into()
}

/// Nobody's link-layer address: frames to it are lost in silence.
const NOBODY: &str = "02:00:00:00:00:00";

impl Lab {
    /// One agent and the world.
    pub(crate) fn new() -> Self {
        Self::with_agents(1)
    }

    /// `count` agents (at most 250), each with a link of its own, and the world.
    pub(crate) fn with_agents(count: usize) -> Self {
        assert!((1..=250).contains(&count), "a lab has 1 to 250 agents, not {count}");
        let world = Namespace::new("world");
        for key in ["net/ipv4/ip_forward", "net/ipv4/icmp_ratelimit", "net/ipv6/icmp/ratelimit"] {
            world.sysctl(key, "0");
        }
        world.ip(&format!(
            "link add name br0 type bridge stp_state 0 mcast_snooping 0\n\
             link set br0 up\n\
             {}\
             route add blackhole default\n\
             -6 route add blackhole default\n",
            own_addresses(Place::World)
        ));
        let mut lab = Self { agents: Vec::new(), world };
        for index in 0..count {
            lab.add_agent(index);
        }
        lab
    }

    fn add_agent(&mut self, index: usize) {
        let agent = Namespace::new(format!("agent {index}"));
        self.world.ip(&format!(
            "link add name port{index} type veth peer name eth0 netns {}\n\
             link set port{index} master br0 up\n",
            agent.pid()
        ));
        self.agents.push(agent);
        self.plug(index);
    }

    /// The namespace of an agent, to run things in.
    pub(crate) fn agent(&self, index: usize) -> &Namespace {
        &self.agents[index]
    }

    /// The namespace of the world.
    pub(crate) fn world(&self) -> &Namespace {
        &self.world
    }

    /// Lets the world hold `addresses`, so that they answer. Thousands take a fraction of a second.
    pub(crate) fn add(&self, addresses: &[IpAddr]) {
        self.world.ip(&lines("add", addresses));
    }

    /// Takes `addresses` away from the world: from then on they are silent.
    pub(crate) fn remove(&self, addresses: &[IpAddr]) -> CutOff {
        timed(|| self.world.ip(&lines("del", addresses)))
    }

    /// Lets the world answer for `addresses`, which it does not hold, with an ICMP "unreachable".
    pub(crate) fn refuse(&self, addresses: &[IpAddr]) {
        self.world.sysctl("net/ipv4/ip_forward", "1");
        for address in addresses {
            let family = if address.is_ipv4() { "" } else { "-6 " };
            self.world.ip(&format!("{family}route replace unreachable {address}\n"));
        }
    }

    /// Brings an agent's link up, with its addresses and routes. It is up when a lab is made.
    pub(crate) fn plug(&self, index: usize) {
        let (v4, v6) = (link_v4(Place::World), link_v6(Place::World));
        self.agents[index].ip(&format!(
            "link set eth0 up\n\
             {}\
             route replace default via {v4}\n\
             -6 route replace default via {v6}\n",
            own_addresses(Place::Agent(index))
        ));
    }

    /// Takes an agent's link down: nothing can be sent, which is a fault of the agent's machine.
    pub(crate) fn unplug(&self, index: usize) -> CutOff {
        timed(|| self.agents[index].ip("link set eth0 down\n"))
    }

    /// Drops in silence the packets that `from` sends to `to` or, if that is the world, through it.
    pub(crate) fn cut_one_way(&self, from: Place, to: Place) -> CutOff {
        let device = device(from);
        // Both families in one go: `ip` tells them apart by the address.
        timed(|| {
            self.namespace(from).ip(&format!(
                "neigh replace {} lladdr {NOBODY} dev {device} nud permanent\n\
                 neigh replace {} lladdr {NOBODY} dev {device} nud permanent\n",
                link_v4(to),
                link_v6(to)
            ));
        })
    }

    /// Cuts the way between two places, in both directions and in silence. Other ways stay.
    pub(crate) fn cut(&self, one: Place, other: Place) -> CutOff {
        let first = self.cut_one_way(one, other);
        CutOff { before: first.before, ..self.cut_one_way(other, one) }
    }

    /// Connects both again after [`Self::cut`].
    pub(crate) fn mend(&self, one: Place, other: Place) {
        for (from, to) in [(one, other), (other, one)] {
            let device = device(from);
            self.namespace(from).ip(&format!(
                "neigh del {} dev {device}\nneigh del {} dev {device}\n",
                link_v4(to),
                link_v6(to)
            ));
        }
    }

    /// Holds back all that the world sends to an agent. False if this kernel has no netem.
    pub(crate) fn delay(&self, index: usize, delay: Duration) -> bool {
        let mut tc = self.world.command("tc");
        let port = format!("port{index}");
        tc.args(["qdisc", "replace", "dev", &port, "root", "netem", "delay"]);
        tc.arg(format!("{}us", delay.as_micros()));
        tc.output().is_ok_and(|output| output.status.success())
    }

    fn namespace(&self, place: Place) -> &Namespace {
        match place {
            Place::Agent(index) => self.agent(index),
            Place::World => self.world(),
        }
    }
}

/// A place's own IPv4 address on the switch.
pub(crate) fn link_v4(place: Place) -> IpAddr {
    Ipv4Addr::new(10, 255, 0, host(place)).into()
}

/// A place's own IPv6 address on the switch.
pub(crate) fn link_v6(place: Place) -> IpAddr {
    Ipv6Addr::new(0xfd00, 0xff, 0, 0, 0, 0, 0, host(place).into()).into()
}

fn host(place: Place) -> u8 {
    match place {
        Place::Agent(index) => u8::try_from(index + 1).expect("at most 250 agents"),
        Place::World => 254,
    }
}

fn device(place: Place) -> &'static str {
    match place {
        Place::Agent(_) => "eth0",
        Place::World => "br0",
    }
}

fn own_addresses(place: Place) -> String {
    let (v4, v6, device) = (link_v4(place), link_v6(place), device(place));
    format!("addr replace {v4}/24 dev {device}\naddr replace {v6}/64 dev {device} nodad\n")
}

/// One line of `ip` for each address. A local route makes the world answer as an address on `lo`
/// would, and unlike that (10,000 IPv6 addresses: 50 s to delete) it costs nothing to take away.
fn lines(verb: &str, addresses: &[IpAddr]) -> String {
    addresses.iter().fold(String::new(), |mut text, address| {
        let family = if address.is_ipv4() { "" } else { "-6 " };
        let _ = writeln!(text, "{family}route {verb} local {address} dev lo");
        text
    })
}

#[expect(clippy::disallowed_methods, reason = "tests measure from when the lab changed")]
fn timed(change: impl FnOnce()) -> CutOff {
    let before = Instant::now();
    change();
    CutOff { before, after: Instant::now(), after_wall: SystemTime::now() }
}
