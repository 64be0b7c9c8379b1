//! `goavail explain`: every guard of the running agent about one address.

use super::{CommandError, CommandReport, wait_for};
use crate::status::{self, AgentAddress, CommandTarget, StatusConfig};
use crate::text::pretty_json;

/// Returns the explanation of an address by the running agent, as a table or in its JSON form.
///
/// # Errors
///
/// Fails if no agent answers, or it does not know the address.
pub(crate) fn explain(
    config: &StatusConfig,
    target: &CommandTarget,
    json: bool,
    colour: bool,
) -> Result<CommandReport, CommandError> {
    let address = AgentAddress::of(config)?;
    let answer = wait_for(async { Ok(address.explain(target).await?) })?;
    if json {
        let text = pretty_json(&answer).unwrap_or_default() + "\n";
        return Ok(CommandReport::fine(text));
    }
    Ok(CommandReport::fine(status::explain_table(&answer, colour)))
}
