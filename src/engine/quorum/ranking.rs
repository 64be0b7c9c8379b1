//! The rank of an agent among the agents that agree: which of them acts first, and how long the others
//! wait.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Additional wait of each rank, compared to the rank before it.
const RANK_STEP: Duration = Duration::from_secs(5);

/// Returns the time that the agent of `rank` waits before it checks whether anything is left to do.
pub(crate) fn wait_of(rank: usize) -> Duration {
    RANK_STEP.saturating_mul(u32::try_from(rank).unwrap_or(u32::MAX))
}

/// A target as all agents know it. The ids of services differ between agents, so its service is
/// known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetName<'a> {
    /// The name of the service; `None` for `default`.
    pub service: Option<&'a str>,
    /// The address of the target.
    pub address: IpAddr,
}

impl From<IpAddr> for TargetName<'_> {
    /// Returns the target of `default` at an address.
    fn from(address: IpAddr) -> Self {
        Self { service: None, address }
    }
}

/// Returns the place of the agent at `local` among itself and `others`, for `target`: the number of
/// agents that come before it.
///
/// Rendezvous hashing: each agent's [`weight`] is a function of target and agent alone, and the
/// heavier agent comes first; among equals, the one with the lower address. All agents thus
/// determine the same first one without communicating, each target has another one, and the loss of
/// an agent moves no other.
pub fn rank(target: TargetName<'_>, local: SocketAddr, others: &[SocketAddr]) -> usize {
    let own = weight(target, local);
    let mut before = 0;
    for other in others {
        let its = weight(target, *other);
        if its > own || its == own && *other < local {
            before += 1;
        }
    }
    before
}

/// Returns the weight of `agent` for `target`. All versions of the program must agree on it.
///
/// FNV-1a (64 bits; offset basis `cbf29ce484222325`, prime `100000001b3`) over the name of the
/// service and a zero byte, both left out for `default`; the target's address as 16 bytes (IPv4 as
/// `::ffff:a.b.c.d`, RFC 4291 section 2.5.5.2), the agent's address likewise and its port, big
/// endian; then the finaliser of `MurmurHash3`, since FNV alone hardly mixes its last bytes into the
/// high ones, and agents often differ in the last byte only.
pub(crate) fn weight(target: TargetName<'_>, agent: SocketAddr) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let name = target.service.map(|service| [service.as_bytes(), b"\0"].concat());
    let addresses = [octets(target.address), octets(agent.ip())].concat();
    let bytes = name.into_iter().flatten().chain(addresses);
    for byte in bytes.chain(agent.port().to_be_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by another program from the description in [`weight`]'s documentation.
    #[test]
    fn weights_are_the_same_in_all_versions() {
        let cases = [
            ("203.0.113.1", "192.0.2.1:8081", 0xc7e3_e0c1_f2a9_58c1),
            ("203.0.113.1", "192.0.2.2:8081", 0x06e8_bbb2_263d_edce),
            ("203.0.113.1", "192.0.2.1:8082", 0xbb76_1f93_2ca7_e0d3),
            ("203.0.113.2", "192.0.2.1:8081", 0x223b_70f0_e160_12f0),
            ("2001:db8::1", "192.0.2.1:8081", 0x672d_cf3b_c8c6_d1f5),
            ("2001:db8::1", "[2001:db8:1::1]:8081", 0x2d7e_5547_03e5_2157),
        ];
        for (target, agent, want) in cases {
            let target = target.parse::<IpAddr>().unwrap();
            let got = weight(target.into(), agent.parse().unwrap());
            assert_eq!(got, want, "{target} {agent}: {got:016x}");
        }
    }

    /// Computed by another program from the description in [`weight`]'s documentation.
    #[test]
    fn the_name_of_a_service_changes_the_weights() {
        let cases = [
            ("www", "203.0.113.1", "192.0.2.1:8081", 0xecdc_62ff_10ac_1943),
            ("www", "203.0.113.1", "192.0.2.2:8081", 0x766c_fa73_f824_4ad0),
            ("mx", "203.0.113.1", "192.0.2.1:8081", 0x6e4a_c7d8_919f_c4c1),
            ("www", "2001:db8::1", "[2001:db8:1::1]:8081", 0x6ebe_845f_da19_89c4),
            ("a-very-long-name-0123456789", "203.0.113.2", "192.0.2.1:8082", 0xec9c_db55_c912_d8bb),
        ];
        for (service, target, agent, want) in cases {
            let target = TargetName { service: Some(service), address: target.parse().unwrap() };
            let got = weight(target, agent.parse().unwrap());
            assert_eq!(got, want, "{target:?} {agent}: {got:016x}");
        }
    }

    /// Many services at one address share their agents' work.
    #[test]
    fn each_agent_is_first_for_its_share_of_the_services_at_one_address() {
        let agents = [1, 2, 3].map(|last| SocketAddr::from(([192, 0, 2, last], 8081)));
        let mut first = [0; 3];
        for number in 0..3000 {
            let service = format!("service-{number}");
            let address = [203, 0, 113, 1].into();
            let target = TargetName { service: Some(&service), address };
            for (agent, first) in agents.iter().zip(&mut first) {
                let others: Vec<_> =
                    agents.iter().copied().filter(|other| other != agent).collect();
                *first += u32::from(rank(target, *agent, &others) == 0);
            }
        }
        assert!(first.iter().all(|share| (850..1150).contains(share)), "{first:?} of 3000");
    }

    #[test]
    fn each_agent_is_first_for_its_share_of_the_targets() {
        let agents = [0, 1, 2, 3, 4].map(|last| SocketAddr::from(([192, 0, 2, last], 8081)));
        let mut first = [0; 5];
        for number in 0..5000_u32 {
            let target = IpAddr::from((0xCB00_7100 + number).to_be_bytes());
            for (agent, first) in agents.iter().zip(&mut first) {
                let others: Vec<_> =
                    agents.iter().copied().filter(|other| other != agent).collect();
                *first += u32::from(rank(target.into(), *agent, &others) == 0);
            }
        }
        assert!(first.iter().all(|share| (850..1150).contains(share)), "{first:?} of 5000");
    }

    #[test]
    fn each_rank_waits_five_seconds_longer() {
        assert_eq!([0, 1, 6].map(wait_of), [0, 5, 30].map(Duration::from_secs));
        assert!(wait_of(usize::MAX) > Duration::from_secs(1_000_000), "and never wraps around");
    }
}
