//! `goavail replay` and `goavail tune`: the recorded past with other settings.

mod overrides;
mod picture;
mod progress;
mod text;
mod tune;

use std::path::Path;
use std::time::Duration;

use super::CommandReport;
use crate::cli::{ReplayOptions, TuneOptions};
use crate::config::ConfigErrors;
use crate::engine::settings::ReturnSettings;
use crate::engine::types::Thresholds;
use crate::file;
use crate::history::reader::HistoryFiles;
use crate::history::section::HistoryConfig;
use crate::replay::change::{CheckChange, MostOut, ServiceChange, SettingChanges};
use crate::replay::observed::PastChecks;
use crate::replay::run::{Was, as_asked, as_it_was};
use crate::settings::{self, Asked, Config, Probing};
use progress::ProgressBar;

/// The most bytes of a configuration file.
const LARGEST_FILE: u64 = 16 << 20;

/// The reason why nothing can be replayed.
#[derive(Debug)]
pub(crate) enum ReplayRefusal {
    /// The configuration is not valid, or is not with `--set`.
    Configuration(ConfigErrors),
    /// The command line asks for something that does not exist or was not observed.
    Refused(String),
    /// The history cannot be read.
    Failed(String),
}

/// The configuration in force, and the one with other settings.
pub(crate) struct Configurations<'a> {
    /// The path of the file.
    pub path: &'a Path,
    /// The options that affect the configuration.
    pub asked: &'a Asked,
    /// The environment variables.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

impl Configurations<'_> {
    /// Returns the configuration of the file, with these values in the place of its own.
    fn load(&self, sets: &[String], service: Option<&str>) -> Result<Config, ReplayRefusal> {
        let text = file::read_text(self.path, LARGEST_FILE)
            .map_err(|why| ReplayRefusal::Failed(format!("{}: {why}", self.path.display())))?;
        let text = overrides::apply(&text, sets, service).map_err(ReplayRefusal::Refused)?;
        settings::parse(&text, self.path, self.asked, self.env)
            .map_err(ReplayRefusal::Configuration)
    }
}

/// Returns the configuration in force, and its history.
///
/// # Errors
///
/// Fails if the configuration is not valid or has no history, or that cannot be read.
pub(super) fn history(
    configurations: &Configurations<'_>,
) -> Result<(Config, HistoryFiles), ReplayRefusal> {
    let config = configurations.load(&[], None)?;
    let files = read(history_of(&config)?)?;
    Ok((config, files))
}

fn history_of(config: &Config) -> Result<&HistoryConfig, ReplayRefusal> {
    let Some(history) = &config.sections.history else {
        let why = format!("{} has no history_file", config.path.display());
        return Err(ReplayRefusal::Refused(why));
    };
    Ok(history)
}

/// A history, and the checks that it observed.
struct Past {
    files: HistoryFiles,
    observations: PastChecks,
    items: u64,
    since: Duration,
}

impl Past {
    fn open(config: &Config, since: Option<Duration>) -> Result<Self, ReplayRefusal> {
        let history = history_of(config)?;
        let files = read(history)?;
        let observations = PastChecks::of(&files);
        let items = u64::try_from(files.read().count()).unwrap_or_default();
        let Some(from) = observations.from else {
            let file = history.file.display();
            return Err(ReplayRefusal::Failed(format!("there is no history in {file} yet")));
        };
        let since = since.map_or(from, |since| observations.to.saturating_sub(since).max(from));
        Ok(Self { files, observations, items, since })
    }

    fn as_it_was(&self) -> Was {
        let progress = ProgressBar::new("as it was", self.items);
        as_it_was(&self.files, self.since, |read| progress.at(read))
    }
}

fn read(history: &HistoryConfig) -> Result<HistoryFiles, ReplayRefusal> {
    let files = crate::history::file::read(history).map_err(ReplayRefusal::Failed)?;
    Ok(HistoryFiles { files })
}

/// Replays the recorded past with other settings, beside the one as it was.
///
/// # Errors
///
/// Fails if the configuration is not valid, the history cannot be read, or the changes were not
/// observed.
pub(crate) fn replay(
    configurations: &Configurations<'_>,
    asked: &ReplayOptions,
) -> Result<CommandReport, ReplayRefusal> {
    let before = configurations.load(&[], None)?;
    let after = configurations.load(&asked.set, asked.service.as_deref())?;
    let changes = changes(&before, &after, asked.service.as_deref());
    let past = Past::open(&before, asked.since)?;
    let objections = past.observations.objections(&changes);
    if !objections.is_empty() {
        return Err(ReplayRefusal::Refused(objections.join("\n")));
    }
    let was = past.as_it_was();
    let tally = if asked.set.is_empty() {
        None
    } else {
        let progress = ProgressBar::new("as asked", past.items);
        Some(as_asked(&past.files, &changes, past.since, |read| progress.at(read)))
    };
    let summary = tally.as_ref().map(|tally| was.summary_of(tally));
    if let Some(file) = &asked.svg {
        let drawn = picture::draw(&past, &was, tally.as_ref());
        std::fs::write(file, drawn)
            .map_err(|error| ReplayRefusal::Failed(format!("{}: {error}", file.display())))?;
    }
    let shown = text::ShownReplay { past: &past, was: &was, asked: summary.as_ref() };
    let text = if asked.json { shown.json() } else { shown.table() };
    Ok(CommandReport::fine(text))
}

/// Finds the settings that notice fastest with at most so many false alarms.
///
/// # Errors
///
/// As those of [`replay`].
pub(crate) fn tune(
    configurations: &Configurations<'_>,
    asked: &TuneOptions,
) -> Result<CommandReport, ReplayRefusal> {
    let config = configurations.load(&[], None)?;
    let past = Past::open(&config, asked.since)?;
    let text = tune::tune(&past, asked).map_err(ReplayRefusal::Refused)?;
    Ok(CommandReport::fine(text))
}

/// Returns the changes from one configuration to another, of one service or of all.
fn changes(before: &Config, after: &Config, only: Option<&str>) -> SettingChanges {
    let mut changes = SettingChanges {
        canaries: check_change(&before.canary_probing, &after.canary_probing),
        ..SettingChanges::default()
    };
    for (was, is) in before.services.iter().zip(&after.services) {
        if only.is_some_and(|only| only != was.name) {
            continue;
        }
        let mut change = ServiceChange::default();
        for (was, is) in was.checks.iter().zip(&is.checks) {
            let its = check_change(&was.probing, &is.probing);
            if its != CheckChange::default() {
                change.checks.insert(was.name.clone(), its);
            }
        }
        let [returned, returns] =
            [was, is].map(|its| ReturnSettings { delay: its.returns.delay, max: its.returns.max });
        change.returns = (returned != returns).then_some(returns);
        change.floor = (was.min_in_service != is.min_in_service).then_some(is.min_in_service);
        change.max_out = (was.most_out() != is.most_out()).then(|| MostOut(is.most_out()));
        change.below = (was.standby.below != is.standby.below).then_some(is.standby.below);
        change.require =
            std::num::NonZeroUsize::new(is.require).filter(|_| was.require != is.require);
        if change != ServiceChange::default() {
            changes.services.insert(was.name.clone(), change);
        }
    }
    let [before, after] =
        [before, after].map(|its| its.sections.cluster.as_ref().map(|its| its.min_peers_agree));
    changes.min_peers_agree = after.filter(|_| before != after);
    changes
}

fn check_change(was: &Probing, is: &Probing) -> CheckChange {
    let [was, is] = [was, is].map(|its| crate::engine::settings::CheckSettings {
        method: crate::engine::types::Method::Echo,
        pace: crate::engine::types::Pace {
            interval: its.interval,
            timeout: its.timeout,
            retry_interval: its.retry_interval,
        },
        thresholds: Thresholds { failure: its.failure_threshold, recovery: its.recovery_threshold },
    });
    CheckChange::between(&was, &is)
}
