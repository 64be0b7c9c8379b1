//! Lookup of peers and targets by their spellings.
//!
//! The words come from anybody able to reach the vote port, decrypted with a key that only peers
//! should have. Parsing a word as an address stops at the first character that does not fit, so its
//! duration reveals how far the word fits. Here words are looked up by a keyed hash, with a
//! duration that depends on their length alone.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A value that has a text form in votes.
pub(super) trait Spelled: Copy {
    /// Returns all its text forms, as written by programs and by hand.
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

/// Returns the form of RFC 5952, the form with all eight groups, and the form with all digits, each
/// in lower and upper case.
fn spellings_of_v6(address: Ipv6Addr) -> Vec<String> {
    let groups = address.segments();
    let short = groups.map(|group| format!("{group:x}")).join(":");
    let long = groups.map(|group| format!("{group:04x}")).join(":");
    let small = [address.to_string(), short, long];
    let capitals = small.clone().map(|text| text.to_uppercase());
    small.into_iter().chain(capitals).collect()
}

/// Map from each text form to its value.
#[derive(Debug)]
pub(super) struct Spellings<T>(HashMap<Vec<u8>, T>);

impl<T> Default for Spellings<T> {
    /// Returns an empty map.
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Spelled> FromIterator<T> for Spellings<T> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        let mut spellings = HashMap::new();
        for value in all {
            for text in value.spellings() {
                spellings.insert(text.into(), value);
            }
        }
        Self(spellings)
    }
}

impl<T: Copy> Spellings<T> {
    /// Returns the value with the text form `text`.
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
