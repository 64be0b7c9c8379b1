//! `goavail drain`, `goavail undrain` and `goavail return`.

use super::{CommandError, CommandReport, printable, wait_for};
use crate::status::StatusConfig;
use crate::status::{
    AgentAddress, CommandDone, CommandTarget, DrainRequest, REASON_CHARS, UndrainRequest,
};

/// Drains an address at the running agent: in one service, or in all that have it.
///
/// # Errors
///
/// Fails if the reason is too long, no agent answers, or it refuses.
pub(crate) fn drain(
    config: &StatusConfig,
    target: &CommandTarget,
    drain: &DrainRequest,
) -> Result<CommandReport, CommandError> {
    let reason = drain.reason.as_deref().unwrap_or_default();
    if reason.chars().count() > REASON_CHARS {
        return Err(CommandError::LongReason(REASON_CHARS));
    }
    let address = AgentAddress::of(config)?;
    let done = wait_for(async { Ok(address.drain(target, drain).await?) })?;
    Ok(CommandReport::fine(in_words(&done)))
}

/// Gives an address back to the running agent.
///
/// # Errors
///
/// Fails if no agent answers, or it refuses.
pub(crate) fn undrain(
    config: &StatusConfig,
    target: &CommandTarget,
    undrain: UndrainRequest,
) -> Result<CommandReport, CommandError> {
    let address = AgentAddress::of(config)?;
    let done = wait_for(async { Ok(address.undrain(target, undrain).await?) })?;
    Ok(CommandReport::fine(in_words(&done)))
}

/// Has the running agent put an address back that waits.
///
/// # Errors
///
/// Fails if no agent answers, or it refuses.
pub(crate) fn put_back(
    config: &StatusConfig,
    target: &CommandTarget,
) -> Result<CommandReport, CommandError> {
    let address = AgentAddress::of(config)?;
    let done = wait_for(async { Ok(address.put_back(target).await?) })?;
    Ok(CommandReport::fine(in_words(&done)))
}

/// Returns the message of the agent, and its warnings below it.
fn in_words(done: &CommandDone) -> String {
    let mut lines = vec![printable(&done.message)];
    for warning in &done.warnings {
        lines.push(format!("warning: {}", printable(warning)));
    }
    lines.join("\n") + "\n"
}
