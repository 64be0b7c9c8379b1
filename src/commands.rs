//! The commands that ask and end: `plan`, `status`, `drain`, `undrain`. Each hands back what is to
//! be printed and how it ends; printing and exit codes are `main`'s.
//!
//! `plan` reads the zone itself and asks a running agent for its verdicts; the others only ask.

mod ask;
pub mod plan;

use std::future::Future;
use std::io::{self, IsTerminal};

use tokio::runtime::Builder;

use crate::file;
use crate::status::ClientError;
use crate::text::visible;

pub use ask::{Order, order, status, watch};
pub use plan::plan;

/// What a command found.
#[derive(Debug)]
pub struct Said {
    /// For stdout.
    pub text: String,
    /// How it ends, once the text is printed.
    pub ending: Ending,
}

impl Said {
    fn fine(text: String) -> Self {
        Self { text, ending: Ending::Fine }
    }
}

/// How a command ends that did what it was asked.
#[derive(Debug)]
pub enum Ending {
    /// All is as asked: exit code 0.
    Fine,
    /// DNS is not as it should be: exit code 3.
    Different,
    /// What was found is a failure: exit code 1.
    Failed(CommandError),
}

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Nothing can be said of the zone.
    #[error("could not read the zone")]
    Unread(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The agent could not be asked, or refused.
    #[error(transparent)]
    Agent(#[from] ClientError),
    /// The agent answers and does nothing else any more.
    #[error("the agent's loop has not turned for {0:.0} s; restart it")]
    Stale(f64),
    /// More was said than an agent takes.
    #[error("--reason: has at most {0} characters")]
    LongReason(usize),
    /// This process cannot wait for answers or signals.
    #[error("cannot set up waiting for answers")]
    Runtime(#[source] io::Error),
    /// What was drawn does not reach the screen.
    #[error("cannot write to stdout")]
    Stdout(#[source] io::Error),
}

/// Whether stdout may be coloured: it is a terminal and `NO_COLOR`, whose value is given, is not
/// set (no-color.org: to nothing counts as not set).
pub fn may_colour(no_color: Option<&str>) -> bool {
    no_color.is_none_or(str::is_empty) && io::stdout().is_terminal()
}

/// Waits for `work`, and for nothing that it left behind, such as a name that is being looked up.
fn wait_for<T>(work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    file::room_for_a_runtime().map_err(CommandError::Runtime)?;
    let runtime =
        Builder::new_current_thread().enable_all().build().map_err(CommandError::Runtime)?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}

/// As a terminal shows it: what comes from elsewhere must not steer it.
fn printable(text: &str) -> String {
    visible(text).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
