//! Wire format of a vote: `{"Peer":"…","IPAddress":"…","Live":true|false}`.
//!
//! The format is fixed by the Go agents. With a key, `Peer` and `IPAddress` are encrypted
//! separately, and `Live` is not encrypted. The signature, in a header of its own, covers the body
//! as it is sent.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::seal::Seal;
use crate::engine::types::Vote;

/// The fields of a vote before its peer and target are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawVote {
    /// The claimed name of the sender.
    pub peer: String,
    /// The target, as written by the sender.
    pub target: String,
    /// The sender's view of the target.
    pub declaration: Declaration,
}

/// A sender's view of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declaration {
    /// The sender has evidence.
    Vote {
        /// The view that the evidence supports.
        vote: Vote,
        /// The age of the evidence when the vote was sent; absent in votes of Go agents.
        age: Option<Duration>,
    },
    /// The sender has no evidence any more and retracts its vote.
    Abstains,
}

/// A field sent only to agents of this program. A Go agent would ignore it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extension {
    /// The age of the evidence.
    Age(Duration),
    /// The vote is retracted.
    Abstains,
}

/// The reason why a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON, or not a vote.
    #[error("not a vote in JSON")]
    Malformed,
    /// Plain text although we have a key, or encrypted with another key.
    #[error("not encrypted with this cluster's key")]
    NotOurs,
}

/// Encodes a vote of `local` on `target`.
///
/// # Errors
///
/// Fails if the vote is to be encrypted and the system has no random bytes.
pub fn encode(
    seal: Option<&Seal>,
    local: SocketAddr,
    target: IpAddr,
    vote: Vote,
) -> io::Result<Vec<u8>> {
    encode_extended(seal, local, target, vote, None)
}

/// Encodes a vote together with an `extension`.
///
/// # Errors
///
/// Fails as [`encode`] does.
pub(crate) fn encode_extended(
    seal: Option<&Seal>,
    local: SocketAddr,
    target: IpAddr,
    vote: Vote,
    extension: Option<Extension>,
) -> io::Result<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Body {
        peer: String,
        #[serde(rename = "IPAddress")]
        ip_address: String,
        live: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        evidence_age: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        abstain: Option<bool>,
    }
    let (evidence_age, abstain) = match extension {
        None => (None, None),
        Some(Extension::Age(age)) => {
            (Some(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)), None)
        }
        Some(Extension::Abstains) => (None, Some(true)),
    };
    let (mut peer, mut ip_address) = (local.to_string(), target.to_string());
    if let Some(seal) = seal {
        peer = seal.encrypt(&peer)?;
        ip_address = seal.encrypt(&ip_address)?;
    }
    let body = Body { peer, ip_address, live: vote == Vote::Up, evidence_age, abstain };
    serde_json::to_vec(&body).map_err(io::Error::from)
}

/// Decodes a body. As in the Go agents, keys are matched case-insensitively and unknown keys are
/// ignored. Unlike there, each of the three keys must occur once, and nothing may follow. A
/// retraction may omit `Live`.
pub fn decode(seal: Option<&Seal>, body: &[u8]) -> Result<RawVote, Unreadable> {
    let value: Value = serde_json::from_slice(body).map_err(|_| Unreadable::Malformed)?;
    let fields = Fields(value.as_object().ok_or(Unreadable::Malformed)?);
    let (peer, target) = (fields.text("Peer")?, fields.text("IPAddress")?);
    let age = fields.typed("EvidenceAge", Value::as_u64)?.map(Duration::from_millis);
    let abstains = fields.typed("Abstain", Value::as_bool)?.unwrap_or_default();
    let declaration = match fields.typed("Live", Value::as_bool)? {
        _ if abstains => Declaration::Abstains,
        Some(true) => Declaration::Vote { vote: Vote::Up, age },
        Some(false) => Declaration::Vote { vote: Vote::Down, age },
        None => return Err(Unreadable::Malformed),
    };
    Ok(RawVote { peer: readable(seal, peer)?, target: readable(seal, target)?, declaration })
}

/// Returns `text` as it was before its encryption, if there is a key.
fn readable(seal: Option<&Seal>, text: &str) -> Result<String, Unreadable> {
    let Some(seal) = seal else { return Ok(text.to_owned()) };
    // Under another key the text is arbitrary bytes. Those that happen to be UTF-8 are hardly ever
    // all printable, and an address has no other characters.
    match seal.decrypt(text) {
        Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(text),
        _ => Err(Unreadable::NotOurs),
    }
}

/// The fields of a body. Their names are matched case-insensitively.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// Returns the value of a field, if there is one.
    ///
    /// # Errors
    ///
    /// Fails if the field occurs more than once.
    fn get(self, name: &str) -> Result<Option<&'a Value>, Unreadable> {
        let mut found = self.0.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        match (found.next(), found.next()) {
            (first, None) => Ok(first.map(|(_, value)| value)),
            _ => Err(Unreadable::Malformed),
        }
    }

    /// Returns the value of a field by its type, if there is one.
    ///
    /// # Errors
    ///
    /// Fails if the field occurs more than once or has another type.
    fn typed<T>(
        self,
        name: &str,
        read: fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Unreadable> {
        match self.get(name)? {
            None => Ok(None),
            Some(value) => read(value).map(Some).ok_or(Unreadable::Malformed),
        }
    }

    /// Returns the text of a field that must be present.
    fn text(self, name: &str) -> Result<&'a str, Unreadable> {
        self.typed(name, Value::as_str)?.ok_or(Unreadable::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use secrecy::SecretString;

    fn seal() -> Seal {
        Seal::new(&SecretString::from("1234567891012345")).unwrap()
    }

    #[test]
    fn the_body_is_a_go_agents_to_the_byte() {
        let local = "10.99.0.1:8081".parse().unwrap();
        let target = "10.99.0.2".parse().unwrap();
        let plain = encode(None, local, target, Vote::Down).unwrap();
        let want = r#"{"Peer":"10.99.0.1:8081","IPAddress":"10.99.0.2","Live":false}"#;
        assert_eq!(String::from_utf8(plain).unwrap(), want);
        // With a key each word has a random IV, so only shape and length are compared.
        let hidden =
            String::from_utf8(encode(Some(&seal()), local, target, Vote::Up).unwrap()).unwrap();
        let theirs = r#"{"Peer":"fjA5ZXxsrsmexoTtnUU67wksRtRFy-bpYe2HZK2X","IPAddress":"YOclWon1CpY1JRtY0Cy0bmUVUjcnqjhU9g==","Live":true}"#;
        assert_eq!(hidden.len(), theirs.len(), "{hidden}");
        assert!(hidden.starts_with(r#"{"Peer":""#) && hidden.ends_with(r#","Live":true}"#));
        let vote = decode(Some(&seal()), hidden.as_bytes()).unwrap();
        assert_eq!((vote.peer.as_str(), vote.target.as_str()), ("10.99.0.1:8081", "10.99.0.2"));
    }

    #[test]
    fn a_vote_of_a_go_agent_is_read() {
        let sent = r#"{"Peer":"fjA5ZXxsrsmexoTtnUU67wksRtRFy-bpYe2HZK2X","IPAddress":"YOclWon1CpY1JRtY0Cy0bmUVUjcnqjhU9g==","Live":false}"#;
        let want = RawVote {
            peer: "10.99.0.1:8081".into(),
            target: "10.99.0.2".into(),
            declaration: Declaration::Vote { vote: Vote::Down, age: None },
        };
        assert_eq!(decode(Some(&seal()), sent.as_bytes()), Ok(want));
    }

    #[test]
    fn only_three_words_of_the_right_kind_are_a_vote() {
        let good = r#"{"Peer":"p","IPAddress":"t","Live":true}"#;
        let cases = [
            ("as it is made", good, true),
            ("keys in lower case", r#"{"peer":"p","ipaddress":"t","live":true}"#, true),
            ("another key", r#"{"Peer":"p","IPAddress":"t","Live":true,"More":[1]}"#, true),
            ("space around", " {\n\"Peer\":\"p\",\"IPAddress\":\"t\",\"Live\":true}\n", true),
            (
                "the age of what it saw",
                r#"{"Peer":"p","IPAddress":"t","Live":true,"EvidenceAge":0}"#,
                true,
            ),
            ("taken back", r#"{"Peer":"p","IPAddress":"t","Live":true,"Abstain":true}"#, true),
            ("only taken back", r#"{"Peer":"p","IPAddress":"t","Abstain":true}"#, true),
            ("not taken back", r#"{"Peer":"p","IPAddress":"t","Abstain":false}"#, false),
            (
                "a text for the age",
                r#"{"Peer":"p","IPAddress":"t","Live":true,"EvidenceAge":"1"}"#,
                false,
            ),
            (
                "seen in the future",
                r#"{"Peer":"p","IPAddress":"t","Live":true,"EvidenceAge":-1}"#,
                false,
            ),
            (
                "two ages",
                r#"{"Peer":"p","IPAddress":"t","Live":true,"EvidenceAge":1,"evidenceage":2}"#,
                false,
            ),
            (
                "a number for taken back",
                r#"{"Peer":"p","IPAddress":"t","Live":true,"Abstain":1}"#,
                false,
            ),
            ("nothing", "", false),
            ("half of it", &good[..20], false),
            ("junk behind", r#"{"Peer":"p","IPAddress":"t","Live":true}x"#, false),
            ("two votes", &[good, good].concat(), false),
            ("a text for the truth", r#"{"Peer":"p","IPAddress":"t","Live":"false"}"#, false),
            ("a number for a name", r#"{"Peer":1,"IPAddress":"t","Live":true}"#, false),
            ("no word on whether it lives", r#"{"Peer":"p","IPAddress":"t"}"#, false),
            ("null for it", r#"{"Peer":"p","IPAddress":"t","Live":null}"#, false),
            ("one key twice", r#"{"Peer":"p","peer":"q","IPAddress":"t","Live":true}"#, false),
            ("an empty object", "{}", false),
            ("an array", "[]", false),
            ("null", "null", false),
            ("a form", "Peer=p&IPAddress=t&Live=true", false),
            ("gzip", "\u{1f}\u{8b}\u{8}\0\0\0\0\0", false),
        ];
        for (name, body, want) in cases {
            assert_eq!(decode(None, body.as_bytes()).is_ok(), want, "{name}: {body}");
        }
    }

    #[test]
    fn a_vote_made_with_another_key_or_none_is_not_ours() {
        let other = Seal::new(&SecretString::from("another key here")).unwrap();
        let (local, target) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        for theirs in [None, Some(&other)] {
            let body = encode(theirs, local, target, Vote::Up).unwrap();
            assert_eq!(decode(Some(&seal()), &body), Err(Unreadable::NotOurs));
        }
    }

    #[test]
    fn an_extension_is_added_behind_the_vote() {
        let (local, target) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let age = Duration::from_millis(1234);
        let with_age = Declaration::Vote { vote: Vote::Up, age: Some(age) };
        let cases = [
            (Extension::Age(age), r#","EvidenceAge":1234}"#, with_age),
            (Extension::Abstains, r#","Abstain":true}"#, Declaration::Abstains),
        ];
        for (extension, want, declaration) in cases {
            let body = encode_extended(None, local, target, Vote::Up, Some(extension)).unwrap();
            let plain = String::from_utf8(encode(None, local, target, Vote::Up).unwrap()).unwrap();
            let body = String::from_utf8(body).unwrap();
            assert_eq!(body, plain.trim_end_matches('}').to_owned() + want);
            let vote = decode(None, body.as_bytes()).unwrap();
            assert_eq!(vote.declaration, declaration);
        }
    }

    proptest! {
        #[test]
        fn any_body_is_decoded_without_a_panic(bytes in any::<Vec<u8>>(), text in any::<String>()) {
            for seal in [None, Some(&seal())] {
                let _ = decode(seal, &bytes);
                let quoted = serde_json::to_string(&text).unwrap();
                let body = format!(r#"{{"Peer":{quoted},"IPAddress":{quoted},"Live":true}}"#);
                let _ = decode(seal, body.as_bytes());
                let _ = decode(seal, &body.as_bytes()[..body.len() / 2]);
            }
        }

        #[test]
        fn an_encoded_vote_decodes_to_itself(
            local in any::<SocketAddr>(), target in any::<IpAddr>(), up in any::<bool>(),
        ) {
            let vote = if up { Vote::Up } else { Vote::Down };
            for seal in [None, Some(&seal())] {
                let read = decode(seal, &encode(seal, local, target, vote).unwrap()).unwrap();
                prop_assert_eq!(read.peer, local.to_string());
                prop_assert_eq!(read.target, target.to_string());
                prop_assert_eq!(read.declaration, Declaration::Vote { vote, age: None });
            }
        }
    }
}
