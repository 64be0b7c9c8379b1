//! The consequences of every way in which a request may end without success.

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::tsig::TsigError;

use super::PROVIDER;
use crate::dns::ProviderError;
use crate::dns::message::rcode::rcode_word;
use crate::engine::plan::SetKey;

/// The end of a request to one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerFailure {
    /// The consequence of the failure.
    pub(super) kind: FailureKind,
    /// The server, and its answer.
    pub(super) why: String,
}

/// The consequence of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// There was no connection. Nothing was sent.
    Unreachable,
    /// The server is not the primary of the zone. Nothing was done.
    NoPrimary,
    /// The server refuses the request. Nothing was done.
    Refused,
    /// The server refuses this content from this key, or has no such zone. Nothing was done.
    Denied,
    /// The server rejects the content of the message. Nothing was done.
    Rejected,
    /// A prerequisite does not hold. Nothing was done.
    Changed,
    /// The server could not do it.
    Unavailable,
    /// The request was sent, and no trustworthy answer came.
    Lost,
    /// The change was revoked before it was sent.
    Revoked,
}

/// Whether a request may have changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessagePurpose {
    /// A query changes nothing.
    Query,
    /// An UPDATE may have changed records.
    Update,
}

impl ServerFailure {
    /// Returns a failure of this kind.
    pub(super) fn new(kind: FailureKind, why: impl Into<String>) -> Self {
        Self { kind, why: why.into() }
    }

    /// Returns the failure of a server that was not reached.
    pub(super) fn unreachable(why: impl Into<String>) -> Self {
        Self::new(FailureKind::Unreachable, why)
    }

    /// Returns the failure of a request without a trustworthy answer.
    pub(super) fn lost(why: impl Into<String>) -> Self {
        Self::new(FailureKind::Lost, why)
    }

    /// Returns the failure of a request with an impossible content.
    pub(super) fn rejected(why: impl Into<String>) -> Self {
        Self::new(FailureKind::Rejected, why)
    }

    /// Returns the same failure with the server in front.
    pub(super) fn at(self, server: &impl std::fmt::Display) -> Self {
        Self { why: format!("{server}: {}", self.why), ..self }
    }

    /// Whether another server may do better. Nothing was done.
    pub(super) fn is_about_this_server(&self) -> bool {
        use FailureKind::{Denied, NoPrimary, Unreachable};
        matches!(self.kind, Unreachable | NoPrimary | Denied)
    }

    /// Whether another server may do better at a query, which changes nothing.
    pub(super) fn is_about_reading_here(&self) -> bool {
        self.is_about_this_server()
            || matches!(self.kind, FailureKind::Lost | FailureKind::Unavailable)
    }

    /// Combines the failures of several servers. None of them did anything. The primary may be the one
    /// that was not reached; an UPDATE that was denied reached it.
    pub(super) fn of_all(request: MessagePurpose, failures: Vec<Self>) -> Self {
        use FailureKind::{Denied, Lost, NoPrimary, Unavailable, Unreachable};
        let order: &[FailureKind] = match request {
            MessagePurpose::Query => &[Unreachable, Unavailable, Lost, Denied, NoPrimary],
            MessagePurpose::Update => &[Denied, Unreachable, NoPrimary],
        };
        let mut kinds = order.iter().copied();
        let kind = kinds.find(|kind| failures.iter().any(|failure| failure.kind == *kind));
        let reasons: Vec<String> = failures.into_iter().map(|failure| failure.why).collect();
        Self { kind: kind.unwrap_or(NoPrimary), why: reasons.join("; ") }
    }

    /// Converts it to an error about a request. `culprits` are the sets of the request.
    pub(super) fn into_error(
        self,
        request: MessagePurpose,
        what: String,
        culprits: Vec<SetKey>,
    ) -> ProviderError {
        let (provider, source, retry_after) = (PROVIDER, self.why.into(), None);
        match (self.kind, request) {
            (FailureKind::Revoked, _) => ProviderError::Revoked { provider, what },
            (FailureKind::NoPrimary | FailureKind::Refused, _)
            | (FailureKind::Denied, MessagePurpose::Query) => {
                ProviderError::Refused { provider, what, source }
            }
            // The same key reads the zone, so this is about what it may change.
            (FailureKind::Denied | FailureKind::Rejected, MessagePurpose::Update) => {
                ProviderError::Rejected { provider, what, culprits, source }
            }
            (FailureKind::Changed, MessagePurpose::Update) => {
                ProviderError::Changed { provider, what, source }
            }
            (FailureKind::Lost, MessagePurpose::Update) => {
                ProviderError::Unconfirmed { provider, what, retry_after, source }
            }
            (FailureKind::Unreachable | FailureKind::Unavailable, _)
            | (
                FailureKind::Rejected | FailureKind::Changed | FailureKind::Lost,
                MessagePurpose::Query,
            ) => ProviderError::Unavailable { provider, what, retry_after, source },
        }
    }
}

/// Returns the consequence of an rcode that is no success. The rcode is read before the signature is
/// judged: servers answer many refusals unsigned. `asked_at` is the time of the request.
pub(super) fn of_rcode(answer: &Message, has_key: bool, asked_at: u64) -> ServerFailure {
    let code = answer.metadata.response_code;
    let tsig = answer.signature().map(|record| &record.data);
    let error = tsig.and_then(|tsig| tsig.error);
    let is_signed = tsig.is_some_and(|tsig| !tsig.mac.is_empty());
    let mut why = rcode_word(code);
    if code == ResponseCode::NotAuth && error.is_none() {
        // Some servers do not say which.
        why.push_str(": the server is no primary of the zone, or does not know the key");
    }
    if let Some(error) = error {
        why = format!("{why}, {}", in_words(error));
    }
    if let (Some(TsigError::BadTime), Some(tsig)) = (error, tsig) {
        why = format!("{why}: {}", clocks(&tsig.other, tsig.time, asked_at));
    }
    if has_key && !is_signed {
        why.push_str(", in an unsigned answer");
        if code == ResponseCode::Refused {
            // The server did not look at names: it does not accept the key at all.
            return ServerFailure::new(FailureKind::NoPrimary, why);
        }
    }
    ServerFailure::new(kind_of(answer.metadata.op_code, code, error), why)
}

fn kind_of(op_code: OpCode, code: ResponseCode, error: Option<TsigError>) -> FailureKind {
    match code {
        // Knot answers so if the key is good, and may not change one of the names.
        _ if op_code == OpCode::Update && error == Some(TsigError::BadKey) => FailureKind::Denied,
        ResponseCode::YXDomain
        | ResponseCode::YXRRSet
        | ResponseCode::NXDomain
        | ResponseCode::NXRRSet => FailureKind::Changed,
        ResponseCode::NotAuth if error.is_none() => FailureKind::NoPrimary,
        ResponseCode::NotImp => FailureKind::NoPrimary,
        ResponseCode::Refused => FailureKind::Denied,
        ResponseCode::NotAuth | ResponseCode::NotZone => FailureKind::Refused,
        ResponseCode::FormErr => FailureKind::Rejected,
        _ => FailureKind::Unavailable,
    }
}

/// Describes an error of TSIG.
fn in_words(error: TsigError) -> String {
    match error {
        TsigError::BadSig => {
            "BADSIG: the server has a different secret or algorithm for this key".to_owned()
        }
        TsigError::BadKey => {
            "BADKEY: the server does not know the key, or grants it less".to_owned()
        }
        TsigError::BadTime => "BADTIME".to_owned(),
        TsigError::BadTrunc => "BADTRUNC".to_owned(),
        TsigError::Unknown(code) => format!("TSIG error {code}"),
    }
}

/// Describes by how much the clocks differ. The server's time is in the answer, or its signature has
/// it.
fn clocks(other: &[u8], signed_at: u64, asked_at: u64) -> String {
    let told = <[u8; 6]>::try_from(other).ok();
    let told = told.map(|it| it.into_iter().fold(0, |time, byte| time << 8 | u64::from(byte)));
    // Without a time of its own, the answer repeats the time of the request.
    let servers = told.or(Some(signed_at).filter(|time| *time != asked_at));
    match servers {
        Some(time) if time >= asked_at => {
            format!("the server's clock is {} s ahead of this machine's", time - asked_at)
        }
        Some(time) => {
            format!("the server's clock is {} s behind this machine's", asked_at - time)
        }
        None => "the clocks differ by more than 300 s".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::MessageType;
    use hickory_proto::rr::rdata::TSIG;
    use hickory_proto::rr::rdata::tsig::{TsigAlgorithm, make_tsig_record};

    use super::*;
    use crate::dns::message::set::owner;

    const ASKED_AT: u64 = 1_800_000_000;

    fn answer(code: ResponseCode, error: Option<TsigError>, other: &[u8]) -> Message {
        let mut message = Message::new(1, MessageType::Response, OpCode::Update);
        message.metadata.response_code = code;
        if let Some(error) = error {
            let (algorithm, other) = (TsigAlgorithm::HmacSha256, other.to_vec());
            let tsig = TSIG::new(algorithm, ASKED_AT, 300, Vec::new(), 1, Some(error), other);
            message.set_signature(Box::new(make_tsig_record(owner("key").unwrap(), tsig)));
        }
        message
    }

    fn of_update(failures: Vec<ServerFailure>) -> ServerFailure {
        ServerFailure::of_all(MessagePurpose::Update, failures)
    }

    #[test]
    fn every_rcode_has_its_consequence() {
        use FailureKind::*;
        for (code, kind) in [
            (ResponseCode::YXDomain, Changed),
            (ResponseCode::YXRRSet, Changed),
            (ResponseCode::NXDomain, Changed),
            (ResponseCode::NXRRSet, Changed),
            (ResponseCode::NotAuth, NoPrimary),
            (ResponseCode::NotImp, NoPrimary),
            (ResponseCode::Refused, Denied),
            (ResponseCode::NotZone, Refused),
            (ResponseCode::FormErr, Rejected),
            (ResponseCode::ServFail, Unavailable),
            (ResponseCode::Unknown(4000), Unavailable),
        ] {
            assert_eq!(of_rcode(&answer(code, None, &[]), false, ASKED_AT).kind, kind, "{code}");
        }
        for (error, kind) in [
            (TsigError::BadSig, Refused),
            (TsigError::BadTime, Refused),
            // Knot's answer to a key that is granted less.
            (TsigError::BadKey, Denied),
        ] {
            let answer = answer(ResponseCode::NotAuth, Some(error), &[]);
            assert_eq!(of_rcode(&answer, true, ASKED_AT).kind, kind);
        }
    }

    #[test]
    fn an_unsigned_refusal_says_so_and_badtime_by_how_much() {
        let refused = answer(ResponseCode::Refused, None, &[]);
        let refused = of_rcode(&refused, true, ASKED_AT).why;
        assert_eq!(refused, "REFUSED, in an unsigned answer");
        for (other, want) in [
            (
                (ASKED_AT + 3600).to_be_bytes()[2..].to_vec(),
                "the server's clock is 3600 s ahead of this machine's",
            ),
            (
                (ASKED_AT - 400).to_be_bytes()[2..].to_vec(),
                "the server's clock is 400 s behind this machine's",
            ),
            (vec![1, 2], "the clocks differ by more than 300 s"),
        ] {
            let badtime = answer(ResponseCode::NotAuth, Some(TsigError::BadTime), &other);
            let want = format!("NOTAUTH, BADTIME: {want}, in an unsigned answer");
            assert_eq!(of_rcode(&badtime, true, ASKED_AT).why, want);
        }
    }

    #[test]
    fn of_several_servers_one_that_was_not_reached_may_be_the_primary() {
        let no = ServerFailure::new(FailureKind::NoPrimary, "NOTAUTH").at(&"a:53");
        let gone = ServerFailure::new(FailureKind::Unreachable, "connection refused").at(&"b:53");
        let denied = ServerFailure::new(FailureKind::Denied, "REFUSED").at(&"c:53");
        let both = of_update(vec![no.clone(), gone.clone()]);
        assert_eq!(both.kind, FailureKind::Unreachable);
        assert_eq!(both.why, "a:53: NOTAUTH; b:53: connection refused");
        assert_eq!(of_update(vec![no]).kind, FailureKind::NoPrimary);
        assert_eq!(of_update(vec![gone.clone(), denied.clone()]).kind, FailureKind::Denied);
        let read = ServerFailure::of_all(MessagePurpose::Query, vec![gone, denied]);
        assert_eq!(read.kind, FailureKind::Unreachable);
    }
}
