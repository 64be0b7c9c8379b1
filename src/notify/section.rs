//! The keys of the configuration file that name the receivers of notices: one for each channel.

use secrecy::{ExposeSecret, SecretString};

use super::channels::{CHANNELS, ChannelKind};
use crate::config::environment::secret;
use crate::config::field::{Field, FieldReader};
use crate::config::keys::{Key, Section};
use crate::config::section::{ConfigSection, Described, SectionContext};
use crate::config::url;

/// Receivers of notices. Their URLs are secrets: anybody in possession of one can post there.
#[derive(Debug, Clone, Default)]
pub struct NotifyConfig {
    receivers: Vec<Receiver>,
}

/// The receiver of one channel's notices.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    /// The kind of the channel.
    pub(crate) channel: ChannelKind,
    /// The URL of the receiver.
    pub(crate) url: SecretString,
}

impl NotifyConfig {
    /// Returns receivers with these URLs, each with the name of its channel. An unknown name is
    /// left out.
    pub fn new<'a>(urls: impl IntoIterator<Item = (&'a str, SecretString)>) -> Self {
        let mut receivers = Vec::new();
        for (name, url) in urls {
            let channel = CHANNELS.into_iter().find(|channel| channel.name == name);
            receivers.extend(channel.map(|channel| Receiver { channel, url }));
        }
        Self { receivers }
    }

    /// Returns the URL of the receiver for the channel with this name.
    pub fn url(&self, channel: &str) -> Option<&SecretString> {
        let receiver = self.receivers.iter().find(|receiver| receiver.channel.name == channel);
        receiver.map(|receiver| &receiver.url)
    }

    /// Returns the receivers in the order of the registry.
    pub(crate) fn receivers(&self) -> &[Receiver] {
        &self.receivers
    }

    /// Returns the names of the channels that have the same receiver in `other`.
    pub(crate) fn unchanged_in(&self, other: &Self) -> Vec<&'static str> {
        let mut unchanged = Vec::new();
        for Receiver { channel, url } in &self.receivers {
            let after = other.url(channel.name).map(ExposeSecret::expose_secret);
            if after == Some(url.expose_secret()) {
                unchanged.push(channel.name);
            }
        }
        unchanged
    }

    /// Whether `other` has the same receivers.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        let unchanged = self.unchanged_in(other).len();
        unchanged == self.receivers.len() && unchanged == other.receivers.len()
    }
}

/// The URLs in the file, by channel.
pub(crate) struct NoticesSection {
    urls: Vec<(ChannelKind, Field<String>)>,
}

impl NoticesSection {
    /// Takes the URLs of these channels out of the file.
    fn parse_from(channels: &[ChannelKind], values: &mut FieldReader<'_>) -> Self {
        let mut urls = Vec::new();
        for channel in channels {
            urls.push((*channel, values.one(Self::SECTION, channel.key.name, channel.rule)));
        }
        Self { urls }
    }

    /// Returns the URL of each receiver, with the receiver's name in a sentence.
    pub(crate) fn parties(&self) -> Vec<(&'static str, String)> {
        let mut parties = Vec::new();
        for (channel, url) in &self.urls {
            parties.extend(url.value().map(|url| (channel.party, url.clone())));
        }
        parties
    }
}

impl ConfigSection for NoticesSection {
    type Settings = NotifyConfig;

    const SECTION: Section = Section::TOP;

    const KEYS: &'static [Key] = &keys_of(&CHANNELS);

    fn parse(values: &mut FieldReader<'_>) -> Self {
        Self::parse_from(&CHANNELS, values)
    }

    fn build(&self, _: &mut SectionContext<'_>) -> NotifyConfig {
        let mut receivers = Vec::new();
        for (channel, url) in &self.urls {
            let channel = *channel;
            receivers.extend(url.value().map(|url| Receiver { channel, url: secret(url) }));
        }
        NotifyConfig { receivers }
    }

    fn advise(&self, _: &NotifyConfig, context: &mut SectionContext<'_>) {
        for at in self.urls.iter().filter_map(|(_, url)| url.present()) {
            if url::web(&at.value).is_some_and(|url| url::is_open(&url)) {
                let what = "plain http: notices can be read and forged on the way";
                context.report.warn(&at.spot, what);
            }
        }
    }

    fn describe(notices: &NotifyConfig) -> Vec<Described> {
        let receivers = notices.receivers.iter();
        let parts: Vec<&str> = receivers.map(|receiver| receiver.channel.destination).collect();
        let words = match parts.as_slice() {
            [] => "none but the log".to_owned(),
            [one] => (*one).to_owned(),
            [first @ .., last] => format!("{} and {last}", first.join(", ")),
        };
        vec![("notices", words)]
    }
}

/// Returns the keys of these channels.
const fn keys_of<const COUNT: usize>(channels: &[ChannelKind; COUNT]) -> [Key; COUNT] {
    let mut keys = [Key::new(""); COUNT];
    let mut nth = 0;
    while nth < COUNT {
        keys[nth] = channels[nth].key;
        nth += 1;
    }
    keys
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::config::keys::Schema;
    use crate::config::section::testing;
    use crate::notify::delivery::{Channel, Posting};
    use crate::notify::tests::notice;
    use crate::notify::{DeliveryPace, Notice, NoticeKind, Notifier};

    /// Everything that a new channel needs beside its line in the registry.
    struct DummyChannel {
        url: String,
    }

    /// The texts that the channel received, each with the URL of the receiver.
    static RECEIVED: Mutex<Vec<String>> = Mutex::new(Vec::new());

    impl Channel for DummyChannel {
        fn name(&self) -> &'static str {
            DUMMY.name
        }

        fn post<'a>(&'a self, notice: &'a Notice) -> Posting<'a> {
            Box::pin(async {
                RECEIVED.lock().unwrap().push(format!("{}: {}", self.url, notice.text()));
                Ok(())
            })
        }
    }

    const DUMMY: ChannelKind = ChannelKind {
        name: "dummy",
        key: Key::new("dummy_url").secret(),
        rule: |value| {
            let url = crate::config::value::as_text(value).ok_or("a text")?;
            Ok(url.to_owned())
        },
        destination: "to a dummy",
        party: "the dummy",
        open: |url| Ok(Box::new(DummyChannel { url: url.expose_secret().to_owned() })),
    };

    /// The registry with one more line.
    const LONGER_REGISTRY: [ChannelKind; 3] = [CHANNELS[0], CHANNELS[1], DUMMY];

    const LONGER_KEYS: &[Key] = &keys_of(&LONGER_REGISTRY);

    /// Reads a file with the longer registry: its warnings and settings, or its problems.
    fn read(text: &str) -> Result<(Vec<String>, NotifyConfig), String> {
        let mut schema = Schema::default();
        schema.add(Section::TOP, LONGER_KEYS);
        testing::read(
            text,
            schema,
            |values| NoticesSection::parse_from(&LONGER_REGISTRY, values),
            |section, context| {
                let built = section.build(context);
                section.advise(&built, context);
                built
            },
        )
    }

    #[tokio::test]
    async fn a_channel_is_a_file_and_a_line_in_the_registry() {
        let text = "slack_addr = \"T0/B0/x\"\ndummy_url = \"http://example.com/secret\"\n";
        let (warnings, config) = read(text).unwrap();
        let warning = "x:2: dummy_url: plain http: notices can be read and forged on the way";
        assert_eq!(warnings, [warning]);
        let described = NoticesSection::describe(&config);
        assert_eq!(described, [("notices", "to Slack and to a dummy".to_owned())]);
        let problem = read("dummy_url = 1\n").unwrap_err();
        let want = "x:1: dummy_url: a value of type integer is not allowed; a text";
        assert_eq!(problem, want);

        let (_, config) = read("dummy_url = \"https://example.com/\"\n").unwrap();
        let pace = DeliveryPace { window: Duration::ZERO, ..DeliveryPace::default() };
        let notifier = Notifier::with_pace(&config, pace);
        notifier.send(&notice(NoticeKind::Isolated, &[]));
        let counters = notifier.counters().clone();
        notifier.close(Duration::from_secs(30)).await;
        assert_eq!(counters.counts()[&["dummy", "delivered"]], 1);
        let received = RECEIVED.lock().unwrap().join("\n");
        assert!(received.starts_with("https://example.com/: sfo-1: isolated"), "{received}");
    }

    fn slack_and_webhook(slack: &str, webhook: &str) -> NotifyConfig {
        NotifyConfig::new([("slack", slack.into()), ("webhook", webhook.into())])
    }

    #[test]
    fn a_reload_keeps_the_channels_with_the_same_receiver() {
        let before = slack_and_webhook("a", "b");
        let rows: [(NotifyConfig, &[&str], bool); 4] = [
            (slack_and_webhook("a", "b"), &["slack", "webhook"], true),
            (slack_and_webhook("a", "c"), &["slack"], false),
            (NotifyConfig::new([("webhook", "b".into())]), &["webhook"], false),
            (NotifyConfig::default(), &[], false),
        ];
        for (after, unchanged, is_same) in rows {
            assert_eq!(before.unchanged_in(&after), unchanged);
            assert_eq!((before.is_same_as(&after), after.is_same_as(&before)), (is_same, is_same));
        }
    }
}
