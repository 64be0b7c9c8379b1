//! The items that the integration tests and the benches use of modules that are private otherwise.
//!
//! Each one is named here: an item that is missing from this list and has no caller in the crate is
//! reported as dead code by the compiler. The list is no interface, and changes with the tests.

/// Items of `crate::cluster`: the votes of peers.
pub mod cluster {
    pub use crate::cluster::clock::unix_millis;
    pub use crate::cluster::seal::Seal;
    pub use crate::cluster::signature::{Form, Signed};
    pub use crate::cluster::{
        Cluster, ClusterConfig, ClusterError, ClusterEvent, VotesOnService, WatchedService,
    };

    /// The votes as they are sent.
    pub mod wire {
        pub use crate::cluster::wire::{Declaration, OutgoingVote, VotePath, decode, encode};
    }
}

/// Items of `crate::dns`: the providers, and the reconciler.
pub mod dns {
    pub use crate::dns::account::Account;
    pub use crate::dns::clock::now;
    pub use crate::dns::confirm::change::EffectSender;
    pub use crate::dns::deadline::Deadline;
    pub use crate::dns::dry_run::DryRun;
    pub use crate::dns::providers::cloudflare::{
        CAPABILITIES as CLOUDFLARE_CAPABILITIES, Cloudflare, CloudflareConfig,
        CloudflareCredentials, NewRecordSettings,
    };
    pub use crate::dns::providers::rfc2136::{
        CAPABILITIES as RFC2136_CAPABILITIES, KeyAlgorithm, Rfc2136, Rfc2136Config, ServerAddress,
        TsigKey,
    };
    pub use crate::dns::providers::route53::{
        CAPABILITIES as ROUTE53_CAPABILITIES, Route53, Route53Config,
    };
    pub use crate::dns::providers::webhook::{
        CAPABILITIES as WEBHOOK_CAPABILITIES, Webhook, WebhookConfig,
    };
    pub use crate::dns::reconciler::record_memory::{RecordMemory, Remembered};
    pub use crate::dns::reconciler::{
        Handover, Mailbox, Reconciler, ReconcilerSetup, RecordStore, ZoneKnowledge,
    };
    pub use crate::dns::{
        Attributes, BySet, Call, Capabilities, Capability, ChangeRequest, DnsProvider, Extra,
        Listing, NewRecord, Permit, ProviderError, Record, RecordChanges, ServiceNames, downcast,
    };
}

/// Items of [`crate::engine`] that are below its border.
pub mod engine {
    pub use crate::engine::phase;

    /// The agreement of peers.
    pub mod quorum {
        pub use crate::engine::quorum::{TargetName, VOTE_TTL, rank};
    }
}

/// Items of `crate::heart`: the liveness of the event loop.
pub mod heart {
    pub use crate::heart::Heart;
}

/// Items of `crate::http`: the client for all requests.
pub mod http {
    pub use crate::http::client;
}

/// Items of `crate::notify`: the notices for people.
pub mod notify {
    pub use crate::notify::{
        DeliveryPace, IncidentKey, IncidentProblem, IncidentStatus, NO_PART, Notice,
        NoticeEvidence, NoticeKind, NoticeMark, NoticeTarget, Notifier, NotifyConfig, Severity,
    };
}

/// Items of `crate::panics`: the caught panics.
pub mod panics {
    pub use crate::panics::{PARTS, counts};
}

/// Items of `crate::probe`: requests to a target, and their answers.
pub mod probe {
    pub use crate::probe::details::{Details, PhaseDurations, ProbeDetails};
    pub use crate::probe::dns::settings::{
        DEFAULT_PORT, DnsSettings, DnsTransport, WantedRecord, parse_query, parse_rcode, parse_type,
    };
    pub use crate::probe::exec::account::UserAccount;
    pub use crate::probe::exec::refusals::refusal;
    pub use crate::probe::exec::settings::{DEFAULT_MAX_RUNNING, ExecPool, ExecSettings, Replaced};
    pub use crate::probe::http::{
        BodyConditions, BodyPattern, ClientFiles, DEFAULT_CERT_DAYS, DEFAULT_MAX_BODY, HttpMethod,
        HttpSettings, RequestHeader, StatusRange, StatusRanges, TlsSettings, Verification,
    };
    pub use crate::probe::requests::{RequestSettings, Requests};
    pub use crate::probe::{NetworkProber, Probe};
}

/// Items of `crate::serve`: the accept loop of HTTP servers.
pub mod serve {
    pub use crate::serve::{Accept, ServeLimits, serve};
}

/// Items of `crate::settings`: the configuration of the whole agent.
pub mod settings {
    pub use crate::settings::{Asked, Config, known_keys, known_table_keys, load_status, parse};
}

/// Items of `crate::state`: the state file.
pub mod state {
    pub use crate::state::{LoadError, Memory, SavedDrain, StateFile, Withdrawn};
}

/// Items of `crate::status`: the board, its readers, and the operator's commands.
pub mod status {
    pub use crate::status::{
        ANSWER_WITHIN, AgentAddress, Board, CHANGES_KEPT, CheckState, ClientError, ClockReading,
        CommandDone, CommandKind, CommandRefused, CommandTarget, DrainRequest, ExplainRequest,
        ListenError, MAX_SILENCE, MINUTES, MetricsFormat, OperatorCommand, PUBLISH_EVERY,
        PUBLISH_SOON, PeerStatus, ReceivedVote, ServiceSetup, Setup, SocketFile, StatusConfig,
        TargetChecks, TargetState, Time, UndrainRequest, WIDTH, ZoneSetup, control, encode,
        explaining, listen, open_control, read_only, watch,
    };

    /// The status as JSON has it.
    pub mod model {
        pub use crate::status::model::{
            Agent, CheckFailure, CheckStatus, CountedMode, Drained, EffectProgress, EffectStatus,
            Health, Mode, OpenIncidentStatus, Outcome, Peer, PhaseTimes, Reason, Returning,
            ServerStatus, Standby, Status, Streak, Target, WaitingDrain,
        };
    }
}

/// Items of `crate::systemd`: the messages to the service manager.
pub mod systemd {
    pub use crate::systemd::{Watchdog, ready, reloading, stopping};
}

/// Items of `crate::text`: messages for people.
pub mod text {
    pub use crate::text::error_chain;
}

/// Everything that reads bytes from outside, for the fuzzer in `fuzz/` and for its corpus.
pub mod fuzz {
    use std::path::Path;

    use secrecy::SecretString;

    use crate::cluster::seal::Seal;
    use crate::cluster::wire::{VotePath, decode};
    use crate::settings::Asked;

    /// The name of an entry, which is also that of its corpus, and its function.
    pub type FuzzEntry = (&'static str, fn(&[u8]));

    /// All entries of the fuzzer.
    pub const ENTRIES: [FuzzEntry; 10] = [
        ("votes", votes),
        ("gossip", crate::cluster::gossip::sieve::read_any),
        ("dns", crate::dns::providers::rfc2136::reading::read_any),
        ("cloudflare", crate::dns::providers::cloudflare::listing::read_any),
        ("webhook", crate::dns::providers::webhook::listing::read_any),
        ("icmp", crate::probe::icmp::message::read_any),
        ("configuration", configuration),
        ("state", crate::state::read_any),
        ("control", control),
        ("history", crate::replay::untrusted::read_any),
    ];

    /// Reads a vote of any content, with and without a key.
    fn votes(body: &[u8]) {
        let seal = Seal::new(&SecretString::from("0123456789abcdef".to_owned())).ok();
        for path in [VotePath::Default, VotePath::Named] {
            let _ = decode(path, None, body);
            let _ = decode(path, seal.as_ref(), body);
        }
    }

    /// Reads a configuration of any content.
    fn configuration(text: &[u8]) {
        let Ok(text) = std::str::from_utf8(text) else { return };
        for provider in [None, Some("route53")] {
            let asked = Asked { tcp: None, provider, dry_run: true };
            let _ = crate::settings::parse(text, Path::new("goavail.toml"), &asked, &|_| None);
        }
    }

    /// Reads an order of any content.
    fn control(text: &[u8]) {
        if let Ok(text) = std::str::from_utf8(text) {
            crate::status::control::read_any(text);
        }
    }
}
