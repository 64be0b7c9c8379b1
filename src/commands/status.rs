//! `goavail status`, once or with `--watch`.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

use super::{CommandError, CommandReport, Ending, wait_for};
use crate::cli::StatusOptions;
use crate::settings::DEFAULT;
use crate::status::StatusConfig;
use crate::status::model::Status;
use crate::status::{self, AgentAddress};
use crate::text::pretty_json;

/// Returns the status of the running agent, as a table or in its JSON form.
///
/// The status of an agent with a stalled event loop is shown too, and is a failure.
///
/// # Errors
///
/// Fails if no agent answers.
pub(crate) fn status(
    config: &StatusConfig,
    asked: &StatusOptions,
    colour: bool,
) -> Result<CommandReport, CommandError> {
    let address = AgentAddress::of(config)?;
    let mut status = wait_for(async { Ok(address.status().await?) })?;
    if let Some(service) = &asked.service {
        select(&mut status, service)?;
    }
    let text = if asked.json {
        let mut text = pretty_json(&status).unwrap_or_default();
        text.push('\n');
        text
    } else {
        status::table(&status, colour)
    };
    // The same measure as `/healthz`, from the same response as the text.
    let stale = status.is_stale().then_some(CommandError::Stale(status.silence_s));
    Ok(CommandReport { text, ending: stale.map_or(Ending::Fine, Ending::Failed) })
}

/// Draws the status of the running agent repeatedly, until SIGINT or SIGTERM, or until stdout is
/// closed.
///
/// # Errors
///
/// Fails if the configuration names neither a socket nor a listener, or stdout fails. An agent that
/// does not answer is no error, because it may come back.
pub(crate) fn watch(
    config: &StatusConfig,
    asked: &StatusOptions,
    colour: bool,
) -> Result<(), CommandError> {
    let address = AgentAddress::of(config)?;
    wait_for(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::Runtime)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::Runtime)?;
        let ended = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        let query = async || {
            let mut status = address.status().await?;
            if let Some(service) = &asked.service {
                // A reload may remove the service; then nothing is left to show of it.
                let _ = select(&mut status, service);
            }
            Ok(status)
        };
        match status::watch(query, &mut io::stdout(), colour, rows, ended).await {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(CommandError::Stdout(error))
            }
            _ => Ok(()),
        }
    })
}

/// Leaves one service in a status: its targets, its zone, its changes.
fn select(status: &mut Status, name: &str) -> Result<(), CommandError> {
    let all = std::mem::take(&mut status.services);
    status.targets.retain(|target| target.service == name);
    status.waiting_drains.retain(|drain| drain.service == name);
    let Some(service) = all.iter().find(|service| service.name == name).cloned() else {
        let names: Vec<&str> = all.iter().map(|service| service.name.as_str()).collect();
        let (name, known) = (name.to_owned(), crate::text::listed(&names));
        return Err(CommandError::NoService { option: "--service", name, known });
    };
    status.zones.retain(|zone| zone.name == service.zone);
    let is_named = name != DEFAULT;
    status.changes.retain(|change| !is_named || change.service.as_deref() == Some(name));
    status.last_change = status.changes.first().cloned();
    status.services = vec![service];
    Ok(())
}

/// Returns the number of lines of the screen.
fn rows() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    // 0 lines mean that the height is unknown.
    Some(usize::from(size.ws_row)).filter(|rows| *rows > 0)
}
