//! The reasons why a vote does not count, and the answers to its sender.

/// The reason why a vote does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum VoteRefusal {
    /// Not JSON, or not a vote. Detected before anything is decrypted.
    #[error("it is not a vote in JSON")]
    Malformed,
    /// Sent to an agent with a key, but neither signed with it nor, once decrypted with it, from a
    /// peer and on a target. The cause cannot be determined and is not revealed.
    #[error("it is not encrypted with our crypto_key, or its sender or target is unknown")]
    NotOurs,
    /// The signature is invalid.
    #[error("it is not signed with our crypto_key")]
    BadSignature,
    /// The signature is from another time: the clocks differ, or somebody replays an old vote.
    #[error("its signature is more than 30 s off our clock; are the clocks apart?")]
    OtherTime,
    /// The signature is no later than the last one accepted.
    #[error("it is no newer than the last vote of its sender")]
    Replayed,
    /// The signature is from before this agent started.
    #[error("it was signed before this agent started")]
    BeforeStart,
    /// The signature may be from just before or just after this agent started.
    #[error("it may have been signed before this agent started")]
    JustStarted,
    /// The signature has the first form, but its sender has already used the second.
    #[error("its signature has the old form, but its sender has used the new one before")]
    OldForm,
    /// The signature of a vote on a named service has the first form, although its sender knows the
    /// second.
    #[error("its signature has the old form, which is for votes on `default` only")]
    OldFormNamed,
    /// A vote on a named service is not signed, although its sender does so whenever it has a key.
    #[error("it is on a named service, and not signed")]
    UnsignedNamed,
    /// A signature is missing although one is required, by `require_signed` or because the sender
    /// has signed before.
    #[error("it is not signed")]
    Unsigned,
    /// The sender has this agent's own name. Only without a key, or for a signed vote.
    #[error("its sender uses our own local_addr; each agent needs its own")]
    OurName,
    /// The sender is not in `peers`. Only without a key, or for a signed vote.
    #[error("its sender is not in peers")]
    Stranger,
    /// The service does not exist here. Only without a key, or for a signed vote.
    #[error("its service is not watched here")]
    UnknownService,
    /// The vote is on `default`, which does not exist here. Only without a key, or for a signed
    /// vote.
    #[error("it is on the service `default`, which is not watched here")]
    NoDefault,
    /// The vote is not signed and on `default`, which does not exist here. Its sender cannot be
    /// told that.
    #[error("it is on the service `default`, which is not watched here, and not signed")]
    UnsignedNoDefault,
    /// The address is not a target here. Only without a key, or for a signed vote.
    #[error("its address is not watched here")]
    UnknownTarget,
}

impl VoteRefusal {
    /// Returns the HTTP status of the answer.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::NotOurs
            | Self::BadSignature
            | Self::OtherTime
            | Self::Replayed
            | Self::BeforeStart
            | Self::OldForm
            | Self::OldFormNamed
            | Self::UnsignedNamed
            | Self::UnsignedNoDefault
            | Self::Unsigned => 401,
            Self::OurName | Self::Stranger => 403,
            Self::UnknownService | Self::NoDefault | Self::UnknownTarget => 404,
            Self::JustStarted => 503,
        }
    }

    /// Whether the vote may be from anybody, although it names a peer. Such a vote is not counted
    /// under the name of the peer: a reader of the counters must not learn more about a vote than
    /// its sender does.
    pub(crate) fn is_anonymous(self) -> bool {
        matches!(self, Self::Unsigned | Self::UnsignedNoDefault)
    }

    /// Whether the services of the sender and of this agent differ.
    pub(crate) fn is_about_services(self) -> bool {
        matches!(self, Self::UnknownService | Self::NoDefault | Self::UnsignedNoDefault)
    }
}
