//! `goavail explain`: every guard about one address, of the running agent or at a past moment.

use std::time::{Duration, SystemTime};

use super::replay::{self, Configurations, ReplayRefusal};
use super::{CommandError, CommandReport, wait_for};
use crate::agent::questions::{self, Dates};
use crate::cli::PastTime;
use crate::replay::moment::{NotRecorded, state_at};
use crate::replay::observed::PastChecks;
use crate::status::{self, AgentAddress, CommandTarget, ExplainAnswer, StatusConfig, Time};
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
    Ok(shown(&answer, json, colour))
}

/// Returns the explanation of an address at a past moment, from the history.
///
/// # Errors
///
/// Fails if the configuration is not valid, the history cannot be read, or it does not have the moment or
/// the address.
pub(crate) fn explain_past(
    configurations: &Configurations<'_>,
    (target, at): (&CommandTarget, PastTime),
    json: bool,
    colour: bool,
) -> Result<CommandReport, ReplayRefusal> {
    let (config, files) = replay::history(configurations)?;
    let time = match at {
        PastTime::At(time) => time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
        PastTime::BeforeEnd(before) => PastChecks::of(&files).to.saturating_sub(before),
    };
    let past = state_at(&files, time).map_err(|why| ReplayRefusal::Refused(refusal(why)))?;
    let dates = Dates { now: past.at, wall: date(past.wall).wall() };
    let which = (target.address, target.service.as_deref());
    let answer = questions::explain(&past.engine, which, &config.name, dates);
    let mut answer = answer.map_err(|refused| ReplayRefusal::Failed(refused.to_string()))?;
    answer.asked_for = Some(date(time));
    Ok(shown(&answer, json, colour))
}

fn date(since_the_epoch: Duration) -> Time {
    Time::new(SystemTime::UNIX_EPOCH + since_the_epoch.min(Duration::from_secs(1 << 37)))
}

/// Returns the reason why nothing can be said, with the nearest time.
fn refusal(why: NotRecorded) -> String {
    match why {
        NotRecorded::Nothing => "the history has nothing that can be explained yet".to_owned(),
        NotRecorded::Before(begin) => {
            let begin = date(begin);
            format!("--at: the history begins later; the nearest time is {begin}")
        }
        NotRecorded::After(end) => {
            let end = date(end);
            format!("--at: the history ends before; the nearest time is {end}")
        }
        NotRecorded::Between(end, begin) => {
            let (end, begin) = (date(end), date(begin));
            format!(
                "--at: no agent recorded anything at that time; the nearest times are {end} and {begin}"
            )
        }
    }
}

fn shown(answer: &ExplainAnswer, json: bool, colour: bool) -> CommandReport {
    if json {
        return CommandReport::fine(pretty_json(answer).unwrap_or_default() + "\n");
    }
    CommandReport::fine(status::explain_table(answer, colour))
}
