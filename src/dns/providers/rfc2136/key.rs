//! TSIG: the key, the signature of a request, and the check of an answer's. Source: RFC 8945.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hickory_proto::op::Message;
use hickory_proto::rr::TSigner;
use hickory_proto::rr::rdata::tsig::TsigAlgorithm;
use secrecy::{ExposeSecret, SecretString};

use crate::dns::message::set::owner;

/// The seconds by which the clocks of both sides may differ. Source: RFC 8945, 10.
const FUDGE: u16 = 300;

/// The algorithm of a key. HMAC-MD5 and HMAC-SHA1 are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyAlgorithm {
    /// `hmac-sha256`, which every server has.
    #[default]
    Sha256,
    /// `hmac-sha384`, for longer keys.
    Sha384,
    /// `hmac-sha512`, for longer keys.
    Sha512,
}

/// A key that a server shares with this agent.
#[derive(Clone)]
pub struct TsigKey {
    /// The name of the key, in lower case, without the final dot.
    pub name: String,
    /// The algorithm of its signatures.
    pub algorithm: KeyAlgorithm,
    /// The secret in base64, checked.
    secret: SecretString,
}

/// The reason why an answer is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Untrusted {
    /// The answer has no signature.
    #[error("the answer is not signed")]
    Unsigned,
    /// The signature is of another key, or wrong.
    #[error("the signature of the answer is wrong")]
    Wrong,
    /// The signature is right, and of another time.
    #[error("the answer was signed at a time {0} s from this machine's clock")]
    OfAnotherTime(u64),
}

impl KeyAlgorithm {
    /// All algorithms, with their words.
    const WORDS: [(&str, Self); 3] = [
        ("hmac-sha256", Self::Sha256),
        ("hmac-sha384", Self::Sha384),
        ("hmac-sha512", Self::Sha512),
    ];

    /// Reads the word of an algorithm, in any case.
    ///
    /// # Errors
    ///
    /// Returns a description of the allowed words.
    pub(super) fn parse(word: &str) -> Result<Self, String> {
        let folded = word.to_ascii_lowercase();
        let found = Self::WORDS.iter().find(|(known, _)| *known == folded.trim_end_matches('.'));
        let weak = if folded.contains("md5") || folded.contains("sha1") {
            "; HMAC-MD5 and HMAC-SHA1 are too weak"
        } else {
            ""
        };
        let allowed = format!("hmac-sha256, hmac-sha384 or hmac-sha512{weak}");
        found.map(|(_, algorithm)| *algorithm).ok_or(allowed)
    }

    fn tsig(self) -> TsigAlgorithm {
        match self {
            Self::Sha256 => TsigAlgorithm::HmacSha256,
            Self::Sha384 => TsigAlgorithm::HmacSha384,
            Self::Sha512 => TsigAlgorithm::HmacSha512,
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::WORDS.iter().find(|(_, algorithm)| algorithm == self);
        out.write_str(found.map_or("", |(word, _)| word))
    }
}

impl TsigKey {
    /// Returns a key with a secret in base64.
    ///
    /// # Errors
    ///
    /// Fails in words, without any of the secret.
    pub fn new(name: &str, algorithm: KeyAlgorithm, secret: &str) -> Result<Self, String> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if owner(&name).is_err() || name.is_empty() {
            return Err("its name is no domain name".to_owned());
        }
        match BASE64_STANDARD.decode(secret) {
            Ok(bytes) if bytes.is_empty() => Err("its secret is empty".to_owned()),
            Ok(_) => Ok(Self { name, algorithm, secret: secret.to_owned().into() }),
            Err(_) => Err("its secret is not in base64".to_owned()),
        }
    }

    /// Signs a request at a time of Unix. Returns its signature, which the answer's depends on.
    ///
    /// # Errors
    ///
    /// Fails in words if the message cannot be written.
    pub(super) fn sign(&self, message: &mut Message, now: u64) -> Result<Vec<u8>, String> {
        let signed = message.finalize(&self.signer()?, now);
        signed.map_err(|error| format!("cannot sign the request: {error}"))?;
        Ok(message.signature().map(|record| record.data.mac.clone()).unwrap_or_default())
    }

    /// Checks the signature of an answer, which was read as `message`, to a request with the signature
    /// `request_mac`.
    pub(super) fn verify(
        &self,
        bytes: &[u8],
        message: &Message,
        request_mac: &[u8],
        now: u64,
    ) -> Result<(), Untrusted> {
        let tsig = &message.signature().ok_or(Untrusted::Unsigned)?.data;
        if tsig.mac.is_empty() {
            return Err(Untrusted::Unsigned);
        }
        let apart = tsig.time.abs_diff(now);
        // The library subtracts the one from the other.
        if tsig.time < tsig.fudge.into() {
            return Err(Untrusted::OfAnotherTime(apart));
        }
        let signer = self.signer().map_err(|_| Untrusted::Wrong)?;
        signer.verify_message_byte(bytes, Some(request_mac), true).map_err(|_| Untrusted::Wrong)?;
        if apart > u64::from(FUDGE) { Err(Untrusted::OfAnotherTime(apart)) } else { Ok(()) }
    }

    fn signer(&self) -> Result<TSigner, String> {
        let secret = BASE64_STANDARD.decode(self.secret.expose_secret());
        let secret = secret.map_err(|_| "the key's secret is not in base64".to_owned())?;
        let signer = TSigner::new(secret, self.algorithm.tsig(), owner(&self.name)?, FUDGE);
        signer.map_err(|error| format!("cannot use the key: {error}"))
    }
}

impl fmt::Debug for TsigKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "TsigKey({} {})", self.name, self.algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_shows_no_secret_and_its_faults_are_words() {
        let key = TsigKey::new("Key.Example.", KeyAlgorithm::Sha512, "c2VjcmV0").unwrap();
        assert_eq!(format!("{key:?}"), "TsigKey(key.example hmac-sha512)");
        for (name, secret, want) in [
            ("a", "", "its secret is empty"),
            ("a", "c2Vj cmV0", "its secret is not in base64"),
            ("", "c2VjcmV0", "its name is no domain name"),
            ("a..b", "c2VjcmV0", "its name is no domain name"),
        ] {
            let why = TsigKey::new(name, KeyAlgorithm::Sha256, secret).unwrap_err();
            assert_eq!(why, want);
        }
    }

    #[test]
    fn weak_algorithms_are_refused() {
        assert_eq!(KeyAlgorithm::parse("HMAC-SHA384."), Ok(KeyAlgorithm::Sha384));
        for weak in ["hmac-md5", "hmac-sha1", "HMAC-MD5.SIG-ALG.REG.INT"] {
            assert!(KeyAlgorithm::parse(weak).unwrap_err().ends_with("too weak"), "{weak}");
        }
        assert!(KeyAlgorithm::parse("gss-tsig").unwrap_err().ends_with("or hmac-sha512"));
    }
}
