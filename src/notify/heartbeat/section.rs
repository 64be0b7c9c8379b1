//! The keys of the configuration file about heartbeats.

use std::time::Duration;

use crate::config::field::{Field, FieldReader};
use crate::config::keys::{Key, Section};
use crate::config::rule::duration;
use crate::config::section::{ConfigSection, Described, SectionContext};
use crate::config::url::web;
use crate::notify::channels::{Secret, SecretFile};
use crate::text::seconds;

/// The key with the file that has the URL.
const URL_FILE: &str = "heartbeat_url_file";

/// The key with the time between heartbeats.
const INTERVAL: &str = "heartbeat_interval";

/// Time between heartbeats, if the file sets none.
const EVERY: Duration = Duration::from_mins(1);

/// Least and most time between heartbeats.
const RANGE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_hours(1));

/// The service that expects heartbeats.
#[derive(Debug, Clone, PartialEq)]
pub struct HeartbeatConfig {
    /// The URL of the check there.
    pub(crate) url: Secret,
    /// Time between two heartbeats.
    pub(crate) interval: Duration,
}

/// The values about heartbeats.
pub(crate) struct HeartbeatSection {
    url_file: SecretFile,
    interval: Field<Duration>,
}

impl ConfigSection for HeartbeatSection {
    /// The service; `None` if no heartbeats are sent.
    type Settings = Option<HeartbeatConfig>;

    const SECTION: Section = Section::TOP;

    const KEYS: &'static [Key] = &[Key::new(URL_FILE), Key::new(INTERVAL)];

    fn parse(values: &mut FieldReader<'_>) -> Self {
        Self {
            url_file: SecretFile::parse(URL_FILE, Self::SECTION, values),
            interval: values.one(Self::SECTION, INTERVAL, duration(RANGE.0, RANGE.1)),
        }
    }

    fn build(&self, context: &mut SectionContext<'_>) -> Option<HeartbeatConfig> {
        if let (Some(at), true) = (self.interval.present(), self.url_file.is_absent()) {
            context.report.warn(&at.spot, "not used without heartbeat_url_file");
        }
        self.url_file.at()?;
        let allowed = "the URL of a check, which begins with https:// or http://";
        let url = self.url_file.require_url(allowed, web, context)?;
        Some(HeartbeatConfig { url, interval: self.interval.or(EVERY) })
    }

    fn describe(heartbeat: &Option<HeartbeatConfig>) -> Vec<Described> {
        let Some(heartbeat) = heartbeat else { return Vec::new() };
        vec![(
            "heartbeat",
            format!("every {}, while this agent watches", seconds(heartbeat.interval)),
        )]
    }
}
