//! Signatures of votes.
//!
//! There are two forms. The first covers the time and the body, so a vote to one agent is also a
//! valid vote to any other. The second also covers the receiver's vote address. Agents of version
//! 0.1 know the first form only. Every answer of an agent that knows the second form announces it
//! in [`KNOWN_FORM`].

use std::fmt::{self, Write as _};
use std::net::SocketAddr;

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Name of the header that carries a vote's signature.
pub(crate) const SIGNATURE_HEADER: &str = "goavail-signature";

/// Value of [`SIGNATURE_HEADER`] in the answers of an agent that knows [`Form::V2`].
pub(crate) const KNOWN_FORM: &str = "v2";

/// A signature that is invalid: not of a known form, or not made with our key for this body, time
/// and receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not signed with this cluster's key")]
pub struct BadSignature;

/// The data covered by a signature besides its time and the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Nothing else is covered.
    V1,
    /// The `local_addr` of the receiving agent.
    V2,
}

impl fmt::Display for Form {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        })
    }
}

/// The content of a valid signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// The time of signing, in milliseconds of Unix time by the sender's clock.
    pub at: u64,
    /// The data that the signature covers.
    pub form: Form,
}

/// Signs votes and verifies signatures.
pub(super) struct Signer(Hmac<Sha256>);

impl Signer {
    /// Creates a signer with `key`.
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key);
        Self(mac.expect("HMAC takes a key of any length"))
    }

    /// Returns the value of [`SIGNATURE_HEADER`] for `body` to the agent at `to`, at `millis` of
    /// Unix time: `<form>,<millis>,<hex>`, where `hex` is, in lower case, the HMAC-SHA256 of
    /// `v1\n<millis>\n<body>` or of `v2\n<to>\n<millis>\n<body>`.
    pub(super) fn sign(&self, form: Form, to: SocketAddr, millis: u64, body: &[u8]) -> String {
        let mut value = format!("{form},{millis},");
        for byte in self.mac(form, to, millis, body).finalize().into_bytes() {
            write!(value, "{byte:02x}").expect("writing to a String cannot fail");
        }
        value
    }

    /// Returns the content of `header` if it is our signature of `body` to the agent at `to`.
    pub(super) fn verify(
        &self,
        header: &str,
        to: SocketAddr,
        body: &[u8],
    ) -> Result<Signed, BadSignature> {
        let (form, rest) = header.split_once(',').ok_or(BadSignature)?;
        let form = match form {
            "v1" => Form::V1,
            "v2" => Form::V2,
            _ => return Err(BadSignature),
        };
        let (millis, tag) = rest.split_once(',').ok_or(BadSignature)?;
        let plain = !millis.is_empty() && millis.bytes().all(|byte| byte.is_ascii_digit());
        let at: u64 = plain.then(|| millis.parse().ok()).flatten().ok_or(BadSignature)?;
        let tag = from_hex(tag).ok_or(BadSignature)?;
        // Compares in constant time.
        self.mac(form, to, at, body).verify_slice(&tag).map_err(|_| BadSignature)?;
        Ok(Signed { at, form })
    }

    fn mac(&self, form: Form, to: SocketAddr, millis: u64, body: &[u8]) -> Hmac<Sha256> {
        let covered = match form {
            Form::V1 => format!("v1\n{millis}\n"),
            Form::V2 => format!("v2\n{to}\n{millis}\n"),
        };
        self.0.clone().chain_update(covered).chain_update(body)
    }
}

/// Decodes 64 lower-case hex digits.
fn from_hex(text: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut bytes = [0; 32];
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, &[high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = hex_digit(high)? << 4 | hex_digit(low)?;
    }
    Some(bytes)
}

/// Decodes a lower-case hex digit.
fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::seal::Seal;
    use proptest::prelude::*;
    use secrecy::SecretString;

    const KEYS: [&str; 3] =
        ["1234567891012345", "0123456789abcdef01234567", "0123456789abcdef0123456789abcdef"];

    fn seal(key: &str) -> Seal {
        Seal::new(&SecretString::from(key)).unwrap()
    }

    fn to(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// Key, form, receiver, signature.
    const SIGNED: [(&str, Form, &str, &str); 9] = [
        (
            KEYS[0],
            Form::V1,
            "10.0.0.2:8081",
            "a8daaa5bbd424fcb0076297387d6f951090622e765409107a3b33ac76e417e26",
        ),
        (
            KEYS[0],
            Form::V2,
            "10.0.0.2:8081",
            "f654f0f1a9872c52e02d1c98cdf0cfa87ffe293dbf911b5b0b2d43d046361fd1",
        ),
        (
            KEYS[0],
            Form::V2,
            "[2001:db8::2]:8081",
            "0056a4eef41bdf82ecb0028c70bd122206e7f442bce774cd0faf4cf7462cb20d",
        ),
        (
            KEYS[1],
            Form::V1,
            "10.0.0.2:8081",
            "30b98bb6c66fe4d6982a4095cc46a59e428a1a9345f0513f225f37de90ccb3b3",
        ),
        (
            KEYS[1],
            Form::V2,
            "10.0.0.2:8081",
            "5969ac10b521658773d762ea901d6ad6177faa8a99e1183898f502f609442b6f",
        ),
        (
            KEYS[1],
            Form::V2,
            "[2001:db8::2]:8081",
            "f4f7bf7bb0998b63bb9f6a1c32f70a165f33b8129044ede8fe5fb879cf53c888",
        ),
        (
            KEYS[2],
            Form::V1,
            "10.0.0.2:8081",
            "c6750c7447783a7796b323f462bb27a80683525239ec4a0bad8aae28f2533ef6",
        ),
        (
            KEYS[2],
            Form::V2,
            "10.0.0.2:8081",
            "66484f9c85bb102c016f056c37c7a6ead28f5156478f0de7fbe85b79a32fe5e4",
        ),
        (
            KEYS[2],
            Form::V2,
            "[2001:db8::2]:8081",
            "14d2c3f065f018493ecbe1db2888aa1ea69a1fb5856a3e41b0927acd0a420a33",
        ),
    ];

    /// The expected values were computed by another program (Python's `hmac`, with HKDF by hand as
    /// in RFC 5869).
    #[test]
    fn signatures_are_the_same_in_all_versions() {
        let body = br#"{"Peer":"a","IPAddress":"b","Live":false}"#;
        for (key, form, receiver, want) in SIGNED {
            let to = to(receiver);
            let header = seal(key).sign(form, to, 1_700_000_000_123, body);
            assert_eq!(header, format!("{form},1700000000123,{want}"));
            let signed = Signed { at: 1_700_000_000_123, form };
            assert_eq!(seal(key).verify(&header, to, body), Ok(signed));
        }
    }

    #[test]
    fn a_signature_holds_for_its_body_time_and_key_only() {
        let (ours, theirs) = (seal(KEYS[0]), seal(KEYS[1]));
        let us = to("10.0.0.2:8081");
        for (form, other) in [(Form::V1, Form::V2), (Form::V2, Form::V1)] {
            let good = ours.sign(form, us, 1000, b"body");
            let tag = good.rsplit(',').next().unwrap();
            let cases = [
                ("another body", good.clone(), &b"b0dy"[..]),
                ("another time", format!("{form},1001,{tag}"), b"body"),
                ("a time written otherwise", format!("{form},+1000,{tag}"), b"body"),
                ("no time", format!("{form},,{tag}"), b"body"),
                ("a time past all bounds", format!("{form},99999999999999999999,{tag}"), b"body"),
                ("the other form", format!("{other},1000,{tag}"), b"body"),
                ("a form that nobody knows", format!("v3,1000,{tag}"), b"body"),
                ("no form", format!("1000,{tag}"), b"body"),
                ("upper-case digits", format!("{form},1000,{}", tag.to_uppercase()), b"body"),
                ("cut short", good[..good.len() - 1].to_owned(), b"body"),
                ("too long", format!("{good}0"), b"body"),
                ("empty", String::new(), b"body"),
                ("another key", theirs.sign(form, us, 1000, b"body"), b"body"),
            ];
            assert_eq!(ours.verify(&good, us, b"body"), Ok(Signed { at: 1000, form }));
            for (name, header, body) in cases {
                assert_eq!(ours.verify(&header, us, body), Err(BadSignature), "{name}: {header}");
            }
        }
    }

    #[test]
    fn a_signature_of_the_second_form_holds_at_its_receiver_only() {
        let seal = seal(KEYS[0]);
        let us = to("10.0.0.2:8081");
        let elsewhere = ["10.0.0.3:8081", "10.0.0.2:8082", "[::ffff:10.0.0.2]:8081"];
        for (form, want) in [(Form::V1, true), (Form::V2, false)] {
            let header = seal.sign(form, us, 1000, b"body");
            for other in elsewhere {
                let holds = seal.verify(&header, to(other), b"body").is_ok();
                assert_eq!(holds, want, "{form} at {other}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_header_is_verified_without_a_panic(text in any::<String>(), bytes in any::<Vec<u8>>()) {
            let (seal, us) = (seal(KEYS[0]), to("10.0.0.2:8081"));
            for header in [text.clone(), format!("v1,{text}"), format!("v2,{text}")] {
                prop_assert!(seal.verify(&header, us, &bytes).is_err());
            }
        }
    }
}
