//! Reads the configuration again on request, beside the event loop.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::ids::Ids;
use super::input::{Input, NewConfig, ReloadError};
use super::{settings, zones};
use crate::config::ConfigErrors;
use crate::engine::Moment;
use crate::panics::{caught, caught_in};
use crate::settings::Config;
use crate::systemd;

/// Reads the configuration from its file and the environment.
pub(super) type Load = Arc<dyn Fn() -> Result<Config, ConfigErrors> + Send + Sync>;

/// Minimum time between the starts of two readings. Each one has the reconcilers list their zones again,
/// and requests may come by the hundred.
const RELOAD_EVERY: Duration = Duration::from_secs(1);

/// Reads the configuration again on request, one reading at a time: the last request must win,
/// however long an earlier reading takes.
pub(super) struct Reloader {
    load: Load,
    talk: Handle,
    outbox: mpsc::Sender<Input>,
    ids: Ids,
    schedule: ReloadSchedule,
}

impl Reloader {
    /// Returns a reloader that reads with `load` in the runtime of `talk`, and sends the results to
    /// `outbox`. Services and zones have their `ids`.
    pub(super) fn new(load: Load, talk: Handle, outbox: mpsc::Sender<Input>, ids: Ids) -> Self {
        Self { load, talk, outbox, ids, schedule: ReloadSchedule::default() }
    }

    /// Requests a reading.
    pub(super) fn request(&mut self) {
        self.schedule.requested = true;
    }

    /// Returns the time at which the next reading starts, if one is due after the current one.
    pub(super) fn due(&self) -> Option<Moment> {
        self.schedule.due()
    }

    /// Notes that a reading has ended.
    pub(super) fn finished(&mut self) {
        self.schedule.in_progress = false;
    }

    /// Starts to read the configuration in `file` if that is due.
    pub(super) fn start_if_due(&mut self, now: Moment, file: &Path) {
        if !self.schedule.start_if_due(now) {
            return;
        }
        systemd::reloading();
        tracing::info!(file = %file.display(), "reading the configuration again");
        let (load, outbox, talk) = (Arc::clone(&self.load), self.outbox.clone(), self.talk.clone());
        let (file, ids) = (file.to_owned(), self.ids.clone());
        self.talk.spawn(async move {
            let reloaded = match read(load, &talk, &file).await {
                Ok(config) => with_providers(config, &ids).await,
                Err(errors) => Err(ReloadError::Config(errors)),
            };
            // After the end there is no receiver.
            let _ = outbox.send(Input::Reloaded(Box::new(reloaded))).await;
        });
    }
}

/// Reads the configuration on a thread for blocking work.
async fn read(load: Load, talk: &Handle, file: &Path) -> Result<Config, ConfigErrors> {
    let reading = talk.spawn_blocking(move || caught_in("the configuration", || load()));
    match reading.await {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(panicked)) => Err(ConfigErrors::unread(file, &panicked.to_string())),
        Err(gone) => Err(ConfigErrors::unread(file, &gone.to_string())),
    }
}

/// Builds the providers of a new configuration. Neither a panic nor a disk that hangs may prevent
/// later reloads.
async fn with_providers(config: Config, ids: &Ids) -> Result<NewConfig, ReloadError> {
    match caught("the DNS provider", zones::build(&settings::zones(&config, ids))).await {
        Ok(Ok(providers)) => Ok(NewConfig { config, providers }),
        Ok(Err(error)) => Err(ReloadError::Provider(error.into())),
        Err(panicked) => Err(ReloadError::Provider(panicked.into())),
    }
}

/// Decides when to read.
#[derive(Debug, Default)]
struct ReloadSchedule {
    in_progress: bool,
    /// Whether a reading was requested after the current one began; the file may have changed.
    requested: bool,
    not_before: Moment,
}

impl ReloadSchedule {
    fn due(&self) -> Option<Moment> {
        (self.requested && !self.in_progress).then_some(self.not_before)
    }

    /// Returns whether a reading starts now.
    fn start_if_due(&mut self, now: Moment) -> bool {
        if self.due().is_none_or(|due| now < due) {
            return false;
        }
        *self = Self { in_progress: true, requested: false, not_before: now + RELOAD_EVERY };
        true
    }
}
