//! The short-lived commands: `check`, `plan`, `status`, `explain`, `drain`, `undrain`, `return`, `notify`,
//! `rules`, `dashboard`. Each returns the text to print, and most of them the ending; `program` prints it
//! and sets the exit code.
//!
//! `plan` lists the zone itself and queries the verdicts of a running agent; `status`, `explain`, `drain`,
//! `undrain` and `return` query the agent alone. `notify` sends test notices itself.

mod check;
mod drain;
mod explain;
mod monitoring;
mod notify;
pub(crate) mod plan;
mod replay;
mod status;

use std::future::Future;
use std::io;

use tokio::runtime::Builder;

use crate::file;
use crate::settings::{Config, ServiceConfig};
use crate::status::ClientError;
use crate::text::{listed, one_line};

pub(crate) use check::check;
pub(crate) use drain::{drain, put_back, undrain};
pub(crate) use explain::{explain, explain_past};
pub(crate) use monitoring::{dashboard, rules};
pub(crate) use notify::notify;
pub(crate) use plan::plan;
pub(crate) use replay::{Configurations, ReplayRefusal, replay, tune};
pub(crate) use status::{status, watch};

/// The result of a command.
#[derive(Debug)]
pub(crate) struct CommandReport {
    /// The text for stdout.
    pub text: String,
    /// The ending, after the text is printed.
    pub ending: Ending,
}

impl CommandReport {
    fn fine(text: String) -> Self {
        Self { text, ending: Ending::Fine }
    }
}

/// The ending of a command that did its work.
#[derive(Debug)]
pub(crate) enum Ending {
    /// No problem was found: exit code 0.
    Fine,
    /// DNS differs from its desired state: exit code 3.
    Different,
    /// The result is a failure: exit code 1.
    Failed(CommandError),
}

/// The reason why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The zone could not be listed.
    #[error("could not read the zone")]
    Unread(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// One of several zones could not be listed.
    #[error("could not read the zone {name}")]
    UnreadZone {
        /// The name of the zone in the configuration.
        name: String,
        /// The error of the provider.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Zones of several services could not be listed; the report has the errors.
    #[error("could not read {unread} of {all}")]
    UnreadZones {
        /// The number of these zones.
        unread: usize,
        /// The number of zones of the plan, in words.
        all: String,
    },
    /// There is no service of that name.
    #[error("{option}: there is no service called {name}; there is {known}")]
    NoService {
        /// The option that names the service.
        option: &'static str,
        /// The name on the command line.
        name: String,
        /// The names of the services.
        known: String,
    },
    /// The agent did not answer, or refused.
    #[error(transparent)]
    Agent(#[from] ClientError),
    /// The agent answers, but its event loop does not run.
    #[error("the agent's event loop has not run for {0:.0} s; restart it")]
    Stale(f64),
    /// The reason of a drain is too long.
    #[error("--reason: has at most {0} characters")]
    LongReason(usize),
    /// The configuration has no channels.
    #[error(
        "no channels: the file has no slack_addr, webhook_url, [[notify]] or heartbeat_url_file"
    )]
    NoChannels,
    /// Channels did not accept test notices; the report has the reasons.
    #[error("{failed} of {all} test notices were not accepted")]
    NoticesFailed {
        /// The number of these notices.
        failed: usize,
        /// The number of all test notices.
        all: usize,
    },
    /// The runtime or a signal handler could not be set up.
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    /// The screen cannot be drawn.
    #[error("cannot write to stdout")]
    Stdout(#[source] io::Error),
}

/// Returns the services of the configuration: the one that `option` names, or all.
///
/// # Errors
///
/// Fails if there is no service of that name.
pub(crate) fn services_named<'a>(
    config: &'a Config,
    option: &'static str,
    name: Option<&str>,
) -> Result<Vec<&'a ServiceConfig>, CommandError> {
    let Some(name) = name else { return Ok(config.services.iter().collect()) };
    let Some(service) = config.services.iter().find(|service| service.name == name) else {
        let names: Vec<_> = config.services.iter().map(|service| &service.name).collect();
        let (name, known) = (name.to_owned(), listed(&names));
        return Err(CommandError::NoService { option, name, known });
    };
    Ok(vec![service])
}

/// Waits for `work`, but not for its leftovers, such as the lookup of a name.
fn wait_for<T>(work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    file::room_for_a_runtime().map_err(CommandError::Runtime)?;
    let runtime =
        Builder::new_current_thread().enable_all().build().map_err(CommandError::Runtime)?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}

/// Returns external text for a terminal, without control characters.
fn printable(text: &str) -> String {
    one_line(text, '?')
}
