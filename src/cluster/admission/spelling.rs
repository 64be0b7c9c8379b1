//! Peers and targets by the words that stand for them.
//!
//! These words come from whoever reaches the vote port, decrypted with a key that only peers should
//! have. Reading them as an address ends at the first letter that does not fit, and so takes a time
//! that tells how far they fit. Here they are looked up by a keyed hash, whose time depends on their
//! length alone.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Something with a text that stands for it in a vote.
pub(super) trait Spelled: Copy {
    /// All the ways in which it is written, by programs and by hand.
    fn spellings(self) -> Vec<String>;
}

impl Spelled for IpAddr {
    fn spellings(self) -> Vec<String> {
        match self {
            Self::V4(address) => vec![address.to_string()],
            Self::V6(address) => spellings_of_v6(address),
        }
    }
}

impl Spelled for SocketAddr {
    fn spellings(self) -> Vec<String> {
        match self {
            Self::V4(address) => vec![address.to_string()],
            Self::V6(address) => {
                let hosts = spellings_of_v6(*address.ip());
                hosts.into_iter().map(|host| format!("[{host}]:{}", address.port())).collect()
            }
        }
    }
}

/// As RFC 5952 wants it, with all eight groups, and with all digits; in small letters and capitals.
fn spellings_of_v6(address: Ipv6Addr) -> Vec<String> {
    let groups = address.segments();
    let short = groups.map(|group| format!("{group:x}")).join(":");
    let long = groups.map(|group| format!("{group:04x}")).join(":");
    let small = [address.to_string(), short, long];
    let capitals = small.clone().map(|text| text.to_uppercase());
    small.into_iter().chain(capitals).collect()
}

/// What each text stands for.
#[derive(Debug)]
pub(super) struct Spellings<T>(HashMap<Vec<u8>, T>);

impl<T> Default for Spellings<T> {
    /// No text stands for anything.
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Spelled> FromIterator<T> for Spellings<T> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        let spelled = |one: T| one.spellings().into_iter().map(move |text| (text.into(), one));
        Self(all.into_iter().flat_map(spelled).collect())
    }
}

impl<T: Copy> Spellings<T> {
    /// What `text` stands for.
    pub(super) fn find(&self, text: &[u8]) -> Option<T> {
        self.0.get(text).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_is_found_however_it_is_written() {
        let peers = ["10.0.0.1:8081", "[2001:db8::a]:8081"];
        let peers: Spellings<SocketAddr> =
            peers.map(|peer| peer.parse().unwrap()).into_iter().collect();
        let cases = [
            ("as it is", "10.0.0.1:8081", true),
            ("as RFC 5952 wants it", "[2001:db8::a]:8081", true),
            ("in capitals", "[2001:DB8::A]:8081", true),
            ("with all groups", "[2001:db8:0:0:0:0:0:a]:8081", true),
            ("with all digits", "[2001:0db8:0000:0000:0000:0000:0000:000a]:8081", true),
            ("another port", "10.0.0.1:8082", false),
            ("nothing", "", false),
            ("half of it", "10.0.0.1", false),
        ];
        for (name, text, want) in cases {
            assert_eq!(peers.find(text.as_bytes()).is_some(), want, "{name}: {text}");
        }
    }

    proptest! {
        #[test]
        fn each_spelling_is_the_address(address in any::<IpAddr>(), port in any::<u16>()) {
            for text in address.spellings() {
                prop_assert_eq!(text.parse::<IpAddr>().unwrap(), address);
            }
            let address = SocketAddr::new(address, port);
            for text in address.spellings() {
                prop_assert_eq!(text.parse::<SocketAddr>().unwrap(), address);
            }
        }
    }
}
