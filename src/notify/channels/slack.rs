//! Messages to a Slack channel, by an incoming webhook.

use serde_json::{Value, json};

use super::ChannelKind;
use super::hook::Hook;
use crate::notify::Notice;

/// Slack in the registry of channels.
pub(super) const KIND: ChannelKind =
    ChannelKind { name: "slack", open: |url| Ok(Box::new(Hook::new("slack", url, body)?)) };

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
