//! Messages to a Slack channel, by an incoming webhook.

use serde_json::{Value, json};

use super::ChannelKind;
use super::hook::Hook;
use crate::config::keys::Key;
use crate::config::url::{is_open, web};
use crate::config::value::{self, as_text};
use crate::notify::Notice;
use crate::text::disclosure::is_slack_path;

/// Slack in the registry of channels.
pub(super) const KIND: ChannelKind = ChannelKind {
    name: "slack",
    key: Key::new("slack_addr").secret(),
    rule: webhook_url,
    destination: "to Slack",
    party: "Slack",
    open: |url| Ok(Box::new(Hook::new("slack", url, body)?)),
};

/// The URL that the path of a Slack webhook is appended to.
const SLACK: &str = "https://hooks.slack.com/services/";

/// Reads a Slack webhook: its path, as in the old files, or a whole URL.
fn webhook_url(value: &value::Value) -> Result<String, String> {
    let allowed = "the path of a Slack webhook, T…/B…/X…, or its whole URL, which begins with \
                   https://";
    let text = as_text(value).ok_or(allowed)?;
    let path = text.strip_prefix('/').unwrap_or(text);
    if is_slack_path(path) {
        return Ok(format!("{SLACK}{path}"));
    }
    let url = web(text).filter(|url| !is_open(url)).ok_or(allowed)?;
    Ok(url.into())
}

/// Returns the body for Slack's incoming webhooks.
///
/// Source: `&`, `<` and `>` are escaped as Slack's page on formatting text asks.
fn body(notice: &Notice) -> Value {
    let text = notice.text().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({ "text": text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::NoticeKind::Withdrawn;
    use crate::notify::tests::notice;

    #[test]
    fn slack_gets_its_three_characters_escaped_and_no_markup_from_us() {
        let mut notice = notice(Withdrawn, &[1]);
        notice.detail = Some("<!channel> a & b".into());
        let text = "sfo-1: withdrew 192.0.2.1 from www.example.com; &lt;!channel&gt; a &amp; b; \
                    2001-09-09T01:46:40Z";
        assert_eq!(body(&notice), json!({ "text": text }));
    }
}
