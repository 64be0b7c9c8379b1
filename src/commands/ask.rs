//! Asking the running agent: `status`, `drain`, `undrain`.

use std::io;
use std::net::IpAddr;

use tokio::signal::unix::{SignalKind, signal};

use super::{CommandError, Ending, Said, printable, wait_for};
use crate::config::StatusConfig;
use crate::status::{self, Done, Drain, Place, REASON_CHARS};
use crate::text::pretty_json;

/// What an agent is told to do with a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Take it out and keep it out.
    Drain(Drain),
    /// Give it back to the agent.
    Undrain,
}

/// What the agent sees, as a table or as the JSON object that it answers with.
///
/// An agent whose loop does not turn is shown too, and is a failure.
///
/// # Errors
///
/// If no agent answers.
pub fn status(config: &StatusConfig, json: bool, colour: bool) -> Result<Said, CommandError> {
    let place = Place::of(config)?;
    let status = wait_for(async { Ok(place.status().await?) })?;
    let text = if json {
        let mut text = pretty_json(&status).unwrap_or_default();
        text.push('\n');
        text
    } else {
        status::table(&status, colour)
    };
    // The same measure as `/healthz`, taken from the same answer as the text.
    let stale = status.is_stale().then_some(CommandError::Stale(status.silence_s));
    Ok(Said { text, ending: stale.map_or(Ending::Fine, Ending::Failed) })
}

/// Draws what the agent sees again and again, until SIGINT or SIGTERM, or until nobody reads it.
///
/// # Errors
///
/// If the configuration names no place where an agent could be asked, or stdout fails. That no
/// agent answers is drawn and is no error: it may come back.
pub fn watch(config: &StatusConfig, colour: bool) -> Result<(), CommandError> {
    let place = Place::of(config)?;
    wait_for(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::Runtime)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::Runtime)?;
        let ended = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        match status::watch(&place, &mut io::stdout(), colour, rows, ended).await {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(CommandError::Stdout(error))
            }
            _ => Ok(()),
        }
    })
}

/// How many lines the screen has.
fn rows() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    // Nothing is said about a screen of 0 lines but that its height is not known.
    Some(usize::from(size.ws_row)).filter(|rows| *rows > 0)
}

/// Orders a target out of DNS, or gives it back to the agent, and waits for what becomes of it.
///
/// # Errors
///
/// If no agent answers, or it refuses.
pub fn order(config: &StatusConfig, target: IpAddr, order: &Order) -> Result<Said, CommandError> {
    let place = Place::of(config)?;
    let done = wait_for(async {
        Ok(match order {
            Order::Drain(drain) => place.drain(target, drain).await?,
            Order::Undrain => place.undrain(target).await?,
        })
    })?;
    Ok(Said::fine(in_words(&done)))
}

impl Order {
    /// A drain for so long, if it is to end by itself.
    ///
    /// # Errors
    ///
    /// If more is said than an agent takes.
    pub fn drain(drain: Drain) -> Result<Self, CommandError> {
        let said = drain.reason.as_deref().unwrap_or_default();
        if said.chars().count() > REASON_CHARS {
            return Err(CommandError::LongReason(REASON_CHARS));
        }
        Ok(Self::Drain(drain))
    }
}

/// What was done, and below it what the operator should know.
fn in_words(done: &Done) -> String {
    let warnings = done.warnings.iter().map(|warning| format!("warning: {}\n", printable(warning)));
    warnings.fold(format!("{}\n", printable(&done.message)), |text, warning| text + &warning)
}
