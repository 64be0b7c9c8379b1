//! Wire format of a vote: `{"Peer":"…","IPAddress":"…","Live":true|false}`.
//!
//! The format is fixed by the Go agents, which know one service only. A vote on any other service
//! than `default` has a `Service` behind `Peer`, and a path of its own. With a key, `Peer`,
//! `Service` and `IPAddress` are encrypted separately, and `Live` is not encrypted. The signature,
//! in a header of its own, covers the body as it is sent. It does not cover the path, so the body
//! alone has to say which path it is for: a body with a service is no vote at `/`, and one without
//! is none at `/votes`.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::seal::Seal;
use crate::engine::types::Vote;

/// The path that a vote is posted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VotePath {
    /// `/`, for votes on the service `default`.
    Default,
    /// `/votes`, for votes on all other services.
    Named,
}

impl VotePath {
    /// Returns the path as it stands in a request.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "/",
            Self::Named => "/votes",
        }
    }
}

/// The fields of a vote before its peer and target are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawVote {
    /// The claimed name of the sender.
    pub peer: String,
    /// The name of the service; absent in votes on `default`.
    pub service: Option<String>,
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
pub enum Extension {
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

/// Encodes a vote of `peer` on a target of `default`, as a Go agent sends it.
///
/// # Errors
///
/// Fails as [`OutgoingVote::encode`] does.
pub fn encode(
    seal: Option<&Seal>,
    peer: SocketAddr,
    target: IpAddr,
    vote: Vote,
) -> io::Result<Vec<u8>> {
    OutgoingVote::new(peer, target, vote).encode(seal)
}

/// A vote that is to be sent.
#[derive(Debug, Clone, Copy)]
pub struct OutgoingVote<'a> {
    /// The name of this agent: its vote address.
    pub peer: SocketAddr,
    /// The name of the service; `None` for `default`.
    pub service: Option<&'a str>,
    /// The target of the vote.
    pub target: IpAddr,
    /// This agent's view of the target.
    pub vote: Vote,
    /// A further field.
    pub extension: Option<Extension>,
}

impl<'a> OutgoingVote<'a> {
    /// Returns a vote of `peer` on a target of `default`, as a Go agent sends it.
    pub const fn new(peer: SocketAddr, target: IpAddr, vote: Vote) -> Self {
        Self { peer, service: None, target, vote, extension: None }
    }

    /// Returns the same vote on a target of `service`.
    #[must_use]
    pub const fn on(self, service: &'a str) -> Self {
        Self { service: Some(service), ..self }
    }

    /// Returns the path that the vote is posted to.
    pub const fn path(&self) -> VotePath {
        if self.service.is_some() { VotePath::Named } else { VotePath::Default }
    }

    /// Encodes the vote, with encrypted words if there is a key.
    ///
    /// # Errors
    ///
    /// Fails if the vote is to be encrypted and the system has no random bytes.
    pub fn encode(&self, seal: Option<&Seal>) -> io::Result<Vec<u8>> {
        let (evidence_age, abstain) = match self.extension {
            None => (None, None),
            Some(Extension::Age(age)) => {
                (Some(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)), None)
            }
            Some(Extension::Abstains) => (None, Some(true)),
        };
        let body = Body {
            peer: word(seal, self.peer.to_string())?,
            service: self.service.map(|service| word(seal, service.to_owned())).transpose()?,
            ip_address: word(seal, self.target.to_string())?,
            live: self.vote == Vote::Up,
            evidence_age,
            abstain,
        };
        serde_json::to_vec(&body).map_err(io::Error::from)
    }
}

/// The fields of a body, in the order in which they are sent.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body {
    peer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(rename = "IPAddress")]
    ip_address: String,
    live: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence_age: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    abstain: Option<bool>,
}

/// Returns a word as it is sent: encrypted, if there is a key.
fn word(seal: Option<&Seal>, text: String) -> io::Result<String> {
    match seal {
        Some(seal) => seal.encrypt(&text),
        None => Ok(text),
    }
}

/// Decodes a body that was posted to `path`. As in the Go agents, keys are matched
/// case-insensitively and unknown keys are ignored. Unlike there, each key must occur once, and
/// nothing may follow. `Service` must be present at `/votes` and absent at `/`. A retraction may
/// omit `Live`.
pub fn decode(path: VotePath, seal: Option<&Seal>, body: &[u8]) -> Result<RawVote, Unreadable> {
    let value: Value = serde_json::from_slice(body).map_err(|_| Unreadable::Malformed)?;
    let fields = Fields(value.as_object().ok_or(Unreadable::Malformed)?);
    let (peer, target) = (fields.text("Peer")?, fields.text("IPAddress")?);
    let service = match (path, fields.get("Service")?) {
        (VotePath::Default, None) => None,
        (VotePath::Default, Some(_)) => return Err(Unreadable::Malformed),
        (VotePath::Named, _) => Some(fields.text("Service")?),
    };
    let age = fields.typed("EvidenceAge", Value::as_u64)?.map(Duration::from_millis);
    let abstains = fields.typed("Abstain", Value::as_bool)?.unwrap_or_default();
    let declaration = match fields.typed("Live", Value::as_bool)? {
        _ if abstains => Declaration::Abstains,
        Some(true) => Declaration::Vote { vote: Vote::Up, age },
        Some(false) => Declaration::Vote { vote: Vote::Down, age },
        None => return Err(Unreadable::Malformed),
    };
    let service = service.map(|service| readable(seal, service)).transpose()?;
    let (peer, target) = (readable(seal, peer)?, readable(seal, target)?);
    Ok(RawVote { peer, service, target, declaration })
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
mod tests;
