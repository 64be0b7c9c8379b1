//! The keys of the configuration file that name the receivers of notices: those above the first section,
//! and the tables `[[notify]]`.

use secrecy::SecretString;

use super::channels::{CHANNELS, ChannelKind, Secret, TopKey};
use super::receiver::Receiver;
use super::tables::{self, ParsedChannel, ServiceZones};
use crate::config::field::{Field, FieldReader};
use crate::config::keys::{Key, Section};
use crate::config::section::{ConfigSection, Described, SectionContext};
use crate::config::url;

/// Receivers of notices. Their URLs, tokens and passwords are secrets: anybody in possession of one can
/// post there.
#[derive(Debug, Clone, Default)]
pub struct NotifyConfig {
    receivers: Vec<Receiver>,
}

impl NotifyConfig {
    /// Returns receivers with these URLs, each with the name of its channel, as the keys above the first
    /// section make them. An unknown name is left out.
    pub fn new<'a>(urls: impl IntoIterator<Item = (&'a str, SecretString)>) -> Self {
        let mut receivers = Vec::new();
        for (name, url) in urls {
            let kind = CHANNELS.into_iter().find(|kind| kind.word == name);
            let kind = kind.and_then(|kind| Some((kind, kind.top?)));
            receivers.extend(kind.map(|(kind, top)| Receiver::of_top(kind, &top, url)));
        }
        Self { receivers }
    }

    /// Returns the URL of the receiver for the channel with this name, if it is reached by HTTP.
    pub fn url(&self, channel: &str) -> Option<SecretString> {
        let receiver = self.receivers.iter().find(|receiver| &*receiver.label == channel)?;
        Some(receiver.settings.url()?.expose().to_owned().into())
    }

    /// Returns the receivers: those above the first section, and then those of the tables.
    pub(crate) fn receivers(&self) -> &[Receiver] {
        &self.receivers
    }

    /// Adds the receivers of the tables, each with a label of its own.
    pub(crate) fn with_tables(
        self,
        tables: &[ParsedChannel],
        services: &ServiceZones<'_>,
        context: &mut SectionContext<'_>,
    ) -> Self {
        let mut built = Vec::new();
        for table in tables {
            built.push((table, table.build(services, context)));
        }
        Self { receivers: tables::label_all(self.receivers, &built, context.report) }
    }

    /// Returns the URL of each receiver that is reached by HTTP, with the receiver's name in a sentence.
    pub(crate) fn parties(&self) -> Vec<(&'static str, String)> {
        let mut parties = Vec::new();
        for receiver in &self.receivers {
            let url = receiver.settings.url().map(Secret::expose);
            parties.extend(url.map(|url| (receiver.kind.party, url.to_owned())));
        }
        parties
    }

    /// Describes the receivers without secrets.
    pub(crate) fn in_words(&self) -> String {
        let receivers = self.receivers.iter();
        let parts: Vec<&str> = receivers.map(|receiver| receiver.kind.destination).collect();
        match parts.as_slice() {
            [] => "none but the log".to_owned(),
            [one] => (*one).to_owned(),
            [first @ .., last] => format!("{} and {last}", first.join(", ")),
        }
    }
}

/// The URLs in the file, by channel.
pub(crate) struct NoticesSection {
    urls: Vec<(ChannelKind, TopKey, Field<String>)>,
}

impl NoticesSection {
    /// Takes the URLs of these channels out of the file.
    fn parse_from(channels: &[ChannelKind], values: &mut FieldReader<'_>) -> Self {
        let mut urls = Vec::new();
        for kind in channels {
            let Some(top) = kind.top else { continue };
            urls.push((*kind, top, values.one(Self::SECTION, top.key.name, top.rule)));
        }
        Self { urls }
    }
}

impl ConfigSection for NoticesSection {
    type Settings = NotifyConfig;

    const SECTION: Section = Section::TOP;

    const KEYS: &'static [Key] = &keys_of::<{ top_keys(&CHANNELS) }>(&CHANNELS);

    fn parse(values: &mut FieldReader<'_>) -> Self {
        Self::parse_from(&CHANNELS, values)
    }

    fn build(&self, _: &mut SectionContext<'_>) -> NotifyConfig {
        let mut receivers = Vec::new();
        for (kind, top, url) in &self.urls {
            let url = url.value().map(|url| url.clone().into());
            receivers.extend(url.map(|url| Receiver::of_top(*kind, top, url)));
        }
        NotifyConfig { receivers }
    }

    fn advise(&self, _: &NotifyConfig, context: &mut SectionContext<'_>) {
        for at in self.urls.iter().filter_map(|(_, _, url)| url.present()) {
            if url::web(&at.value).is_some_and(|url| url::is_open(&url)) {
                let what = "plain http: notices can be read and forged on the way";
                context.report.warn(&at.spot, what);
            }
        }
    }

    fn describe(notices: &NotifyConfig) -> Vec<Described> {
        vec![("notices", notices.in_words())]
    }
}

/// Returns the number of these kinds that have a key above the first section.
const fn top_keys(kinds: &[ChannelKind]) -> usize {
    let (mut nth, mut count) = (0, 0);
    while nth < kinds.len() {
        if kinds[nth].top.is_some() {
            count += 1;
        }
        nth += 1;
    }
    count
}

/// Returns the keys of these kinds above the first section.
const fn keys_of<const COUNT: usize>(kinds: &[ChannelKind]) -> [Key; COUNT] {
    let mut keys = [Key::new(""); COUNT];
    let (mut nth, mut next) = (0, 0);
    while nth < kinds.len() {
        if let Some(top) = kinds[nth].top {
            keys[next] = top.key;
            next += 1;
        }
        nth += 1;
    }
    keys
}

#[cfg(test)]
mod tests;
