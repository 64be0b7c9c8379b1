//! The registry of channels.
//!
//! A kind of channel is a module here with a type that implements [`ChannelKeys`], and a line in
//! [`CHANNELS`]. Queueing, routing, merging, reminding and retrying are the same for all of them.
//!
//! - `hook`: the channels that are one `POST` of JSON for each notice; `poster`: the requests and their
//!   answers
//! - `secret`: the secrets, and the files that have them; `server`: the key `server`
//! - `fitting`: texts within the limits of a service, and without markup
//! - the others: one kind of channel each

mod alertmanager;
mod discord;
mod email;
mod fitting;
mod hook;
mod ntfy;
mod pagerduty;
mod poster;
mod secret;
mod server;
mod slack;
mod teams;
mod telegram;
mod webhook;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use secrecy::SecretString;

use super::delivery::Channel;
use crate::config::field::FieldReader;
use crate::config::keys::{Key, Section};
use crate::config::section::SectionContext;
use crate::config::value::Value;

pub(crate) use poster::{AnswerRules, ChannelError, Poster, text_at};
pub(crate) use secret::{Secret, SecretFile};

/// All kinds of channels, in the order of their documentation.
pub(crate) const CHANNELS: [ChannelKind; 9] = [
    slack::KIND,
    webhook::KIND,
    discord::KIND,
    teams::KIND,
    telegram::KIND,
    ntfy::KIND,
    pagerduty::KIND,
    alertmanager::KIND,
    email::KIND,
];

/// A kind of channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChannelKind {
    /// The value of `to`, and the label of the first channel of this kind in the log, the metrics and
    /// the status.
    pub(crate) word: &'static str,
    /// The key above the first section with the URL of the receiver, if the kind has one.
    pub(crate) top: Option<TopKey>,
    /// The receiver in the description by `check`, as in `to Slack`.
    pub(crate) destination: &'static str,
    /// The receiver as the subject of a sentence, as in `the webhook`.
    pub(crate) party: &'static str,
    /// Its keys, besides those of every `[[notify]]`.
    pub(crate) keys: &'static [Key],
    /// Takes the values of these keys out of a table.
    pub(crate) parse: fn(Section, &mut FieldReader<'_>) -> Box<dyn ChannelKeys>,
}

/// A key above the first section that opens a channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TopKey {
    /// The key with the URL of the receiver.
    pub(crate) key: Key,
    /// Reads the value of the key.
    pub(crate) rule: fn(&Value) -> Result<String, String>,
    /// Returns the settings of a channel to the receiver at this URL.
    pub(crate) settings: fn(SecretString) -> Arc<dyn ChannelSettings>,
}

impl ChannelKind {
    /// Returns the section under which the keys of a channel of this kind are kept.
    pub(crate) const fn home(&self) -> Section {
        Section::new(self.word)
    }
}

/// The values of a channel, validated alone.
pub(crate) trait ChannelKeys {
    /// Returns the settings, with the values validated together and the secrets read from their files.
    /// `None` if a value is missing or refused, which was reported.
    fn build(&self, table: &mut SectionContext<'_>) -> Option<Arc<dyn ChannelSettings>>;
}

/// Everything that a channel needs to reach its receiver.
pub(crate) trait ChannelSettings: fmt::Debug + Any + Send + Sync {
    /// Opens the channel.
    fn open(&self) -> Result<Box<dyn Channel>, ChannelError>;

    /// Returns the URL of the receiver, which is a secret; `None` if it is not reached by HTTP.
    fn url(&self) -> Option<&Secret>;

    /// Whether `other` reaches the same receiver in the same way.
    fn is_same_as(&self, other: &dyn ChannelSettings) -> bool;
}
