//! The commands and their arguments.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};

use super::exits;
use crate::status::{CommandTarget, service_name};

/// Minimum duration on the command line.
const SECOND: Duration = Duration::from_secs(1);

/// The length of a day.
const DAY: Duration = Duration::from_hours(24);

/// Maximum duration on the command line: a year.
const YEAR: Duration = Duration::from_hours(366 * 24);

/// A command with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Monitor the addresses and keep DNS in step
    #[command(after_help = exits::MONITOR)]
    Monitor(MonitorOptions),
    /// Validate the configuration and describe the resulting agent
    #[command(after_help = exits::CHECK)]
    Check(CheckOptions),
    /// Show the records in DNS, the desired ones, and the difference; change nothing
    #[command(after_help = exits::PLAN)]
    Plan(PlanOptions),
    /// Show the status of the running agent
    #[command(after_help = exits::STATUS)]
    Status(StatusOptions),
    /// Say why an address is in DNS or not, guard by guard with the evidence
    #[command(after_help = exits::EXPLAIN)]
    Explain(ExplainOptions),
    /// Take an address out of service manually
    #[command(after_help = exits::ORDER)]
    Drain(DrainOptions),
    /// Return a drained address to the agent
    #[command(after_help = exits::ORDER)]
    Undrain(UndrainOptions),
    /// Put an address back at once that is up again and would be put back later
    #[command(after_help = exits::ORDER)]
    Return(ReturnOptions),
    /// Send one notice of each kind, marked as a test, to every channel and show the answers
    #[command(after_help = exits::NOTIFY)]
    Notify(NotifyOptions),
    /// Print alert rules for Prometheus about the metrics of this version
    #[command(after_help = exits::PRINT)]
    Rules(RulesOptions),
    /// Print a dashboard for Grafana about the metrics of this version
    #[command(after_help = exits::PRINT)]
    Dashboard,
    /// Replay the recorded past with other settings, beside the one as it was
    #[command(after_help = exits::REPLAY)]
    Replay(ReplayOptions),
    /// Find settings that would have noticed fast, with few false alarms, in the recorded past
    #[command(after_help = exits::REPLAY)]
    Tune(TuneOptions),
    /// Print completions for a shell
    #[command(hide = true)]
    Completions(CompletionsOptions),
    /// Print the manual page
    #[command(hide = true)]
    Man,
}

/// The arguments of `goavail monitor`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct MonitorOptions {
    /// In dry-run, treat this target as down a few seconds after the start, then as up again: in
    /// every service that has it, or with SERVICE/ADDRESS in one
    #[arg(long, value_name = "ADDRESS")]
    pub rehearse: Option<CommandTarget>,
}

/// The arguments of `goavail check`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct CheckOptions {
    /// List every value of the service with the line of the file that it comes from
    #[arg(long, conflicts_with = "json")]
    pub expanded: bool,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `goavail plan`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct PlanOptions {
    /// Show this service only
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `goavail status`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct StatusOptions {
    /// Show this service only, with all of its targets
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
    /// Keep running and redraw every second until interrupted
    #[arg(long, conflicts_with = "json")]
    pub watch: bool,
}

/// The arguments of `goavail explain`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct ExplainOptions {
    /// The address to explain in every service that has it, or SERVICE/ADDRESS
    pub address: CommandTarget,
    /// Explain it in this service only
    #[arg(long, value_name = "NAME", value_parser = service_name)]
    pub service: Option<String>,
    /// Explain it at this past time, from the history: such as 2026-12-01T03:04:05Z, or 90m before its end
    #[arg(long, value_name = "TIME", value_parser = past_time)]
    pub at: Option<PastTime>,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// A time in the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PastTime {
    /// A date and a time.
    At(SystemTime),
    /// So long before the end of the history.
    BeforeEnd(Duration),
}

/// The arguments of `goavail drain`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct DrainOptions {
    /// The address to take out of every service that has it, or SERVICE/ADDRESS
    pub address: CommandTarget,
    /// Take it out of this service only
    #[arg(long, value_name = "NAME", value_parser = service_name)]
    pub service: Option<String>,
    /// End the drain after this time, such as 2h or 90m
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub lasting: Option<Duration>,
    /// The reason, shown in the status
    #[arg(long)]
    pub reason: Option<String>,
    /// Drain even if the floor would be violated
    #[arg(long)]
    pub force: bool,
}

/// The arguments of `goavail undrain`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct UndrainOptions {
    /// The address to return to the agent in every service that has it, or SERVICE/ADDRESS
    pub address: CommandTarget,
    /// Return it in this service only
    #[arg(long, value_name = "NAME", value_parser = service_name)]
    pub service: Option<String>,
    /// Put it back at once, even if it has just come up
    #[arg(long)]
    pub now: bool,
}

/// The arguments of `goavail return`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct ReturnOptions {
    /// The address to put back in every service that has it, or SERVICE/ADDRESS
    pub address: CommandTarget,
    /// Put it back in this service only
    #[arg(long, value_name = "NAME", value_parser = service_name)]
    pub service: Option<String>,
}

/// The arguments of `goavail notify`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct NotifyOptions {
    /// Send test notices; each incident that they open is closed at once
    #[arg(long, required = true)]
    pub test: bool,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `goavail rules`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct RulesOptions {
    /// The job of Prometheus that scrapes the agents
    #[arg(long, value_name = "NAME", default_value = "goavail")]
    pub job: String,
}

/// Returns the target of a command with the value of `--service`.
///
/// # Errors
///
/// Fails if they name two services.
pub(crate) fn target_in(
    target: &CommandTarget,
    service: Option<&str>,
) -> Result<CommandTarget, String> {
    match (&target.service, service) {
        (Some(named), Some(service)) if named != service => {
            Err(format!("--service: {service} is not the service of {target}"))
        }
        (None, Some(service)) => {
            Ok(CommandTarget { service: Some(service.to_owned()), address: target.address })
        }
        _ => Ok(target.clone()),
    }
}

/// The arguments of `goavail replay`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct ReplayOptions {
    /// Count from this long before the end of the history on, such as 30d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub since: Option<Duration>,
    /// Another value of a key of the file, such as `failure_threshold=5`; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Set the values in this service only
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Draw the targets over time into this file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `goavail tune`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct TuneOptions {
    /// The most false alarms, such as 1/month, 2/week or 1/day
    #[arg(long, value_name = "N/PERIOD", value_parser = alarm_rate)]
    pub at_most: AlarmRate,
    /// Count from this long before the end of the history on, such as 30d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub since: Option<Duration>,
    /// Tune this service only
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// A number of false alarms in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AlarmRate {
    count: u32,
    days: u32,
}

impl AlarmRate {
    /// Returns the number of false alarms that are allowed in a time.
    pub(crate) fn within(self, time: Duration) -> u64 {
        let period = u128::from(self.days) * u128::from(DAY.as_secs());
        let allowed = u128::from(self.count) * u128::from(time.as_secs()) / period.max(1);
        u64::try_from(allowed).unwrap_or(u64::MAX)
    }
}

/// The form of a number of false alarms in a period.
const WANTED_RATE: &str = "a number and a period, such as 1/month, 2/week or 1/day";

/// Parses a number of false alarms in a period.
fn alarm_rate(text: &str) -> Result<AlarmRate, String> {
    let (count, period) = text.split_once('/').ok_or(WANTED_RATE)?;
    let days = match period.trim() {
        "day" => 1,
        "week" => 7,
        "month" => 30,
        _ => return Err(WANTED_RATE.to_owned()),
    };
    let count = count.trim().parse().map_err(|_| WANTED_RATE)?;
    Ok(AlarmRate { count, days })
}

/// The arguments of `goavail completions`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct CompletionsOptions {
    /// The shell to generate for
    pub shell: clap_complete::Shell,
}

/// Parses a duration on the command line: `2h`, `90m`, or a number of seconds.
fn past_time(text: &str) -> Result<PastTime, String> {
    let date = humantime::parse_rfc3339_weak(text).map(PastTime::At).ok();
    date.or_else(|| duration(text).map(PastTime::BeforeEnd).ok()).ok_or_else(|| {
        "a past time is written as 2026-12-01T03:04:05Z, in UTC, or as 90m, which is so long before the \
         end of the history"
            .to_owned()
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .or_else(|| humantime::parse_duration(text).ok())
        .filter(|duration| (SECOND..=YEAR).contains(duration))
        .ok_or_else(|| "a duration is written as 2h, 90m or 30s, from 1s to a year".to_owned())
}
