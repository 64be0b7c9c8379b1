//! Options of every command, given before the command, after it, or both.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use super::{Command, Invocation};
use crate::dns::providers::PROVIDERS;
use crate::log;
use crate::settings::Asked;

/// The kind of probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Echo requests (ping)
    Ip,
    /// TCP connects to `port`
    Tcp,
}

// The options before or after the command; an absent one was not given there. This is not a doc
// comment, because clap would use it as the description of each command.
#[derive(Debug, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags and their opposites, as clap reads them")]
pub(super) struct Options {
    /// The configuration file [default: goavail.toml]
    #[arg(short = 'f', long, value_name = "FILE")]
    config_file: Option<PathBuf>,
    /// Write nothing at the DNS provider; this is the default, the last one given wins
    #[arg(short = 'd', long, overrides_with = "no_dry_run")]
    dry_run: bool,
    /// Change records for real
    #[arg(long, overrides_with = "dry_run")]
    no_dry_run: bool,
    #[arg(
        short = 'b',
        long,
        overrides_with = "no_debug",
        help = "Log more; RUST_LOG overrides it"
    )]
    debug: bool,
    /// Do not log more; this is the default, the last one given wins
    #[arg(long, overrides_with = "debug")]
    no_debug: bool,
    /// Kind of probes, in place of the checks in the file; a file with services has it in its checks
    /// [default: those of the file, or ip]
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    kind: Option<Kind>,
    /// DNS provider of the records; a file with services has it in its zones [default: cloudflare]
    #[arg(short = 'p', long, value_name = "PROVIDER", value_parser = provider())]
    dns_provider: Option<&'static str>,
    /// Format of log lines; coloured only on a terminal [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<log::Format>,
}

impl Options {
    /// Merges these options with `later` ones, which win.
    pub(super) fn then(self, later: Self) -> Self {
        let (dry_run, no_dry_run) =
            last((self.dry_run, self.no_dry_run), (later.dry_run, later.no_dry_run));
        let (debug, no_debug) = last((self.debug, self.no_debug), (later.debug, later.no_debug));
        Self {
            config_file: later.config_file.or(self.config_file),
            dry_run,
            no_dry_run,
            debug,
            no_debug,
            kind: later.kind.or(self.kind),
            dns_provider: later.dns_provider.or(self.dns_provider),
            log_format: later.log_format.or(self.log_format),
        }
    }

    pub(super) fn complete(self, command: Command) -> Invocation {
        Invocation {
            command,
            config_file: self.config_file.unwrap_or_else(|| "goavail.toml".into()),
            asked: Asked {
                tcp: self.kind.map(|kind| kind == Kind::Tcp),
                provider: self.dns_provider,
                dry_run: !self.no_dry_run,
            },
            debug: self.debug,
            log_format: self.log_format.unwrap_or_default(),
        }
    }
}

/// Returns the pair of a flag and its opposite that was given last, if it was given at all.
fn last(earlier: (bool, bool), later: (bool, bool)) -> (bool, bool) {
    if later == (false, false) { earlier } else { later }
}

/// Returns the parser for the kinds of providers, which the registry lists.
fn provider() -> impl TypedValueParser<Value = &'static str> {
    let values = PROVIDERS.map(|kind| PossibleValue::new(kind.kind).help(kind.about));
    PossibleValuesParser::new(values).map(|word| {
        let known = PROVIDERS.iter().find(|kind| kind.kind == word);
        known.map_or(PROVIDERS[0].kind, |kind| kind.kind)
    })
}
