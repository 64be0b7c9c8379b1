//! Services that expect heartbeats, and their requests.
//!
//! | service | known by | heartbeat | failure |
//! |---|---|---|---|
//! | Healthchecks.io, its own installations too | host `hc-ping.com`, or a path with `/ping/` | `POST`, answered `OK` | `POST` to `/fail` |
//! | Uptime Kuma, monitor of type push | a path with `/api/push/` | `GET` with `status=up`, answered `{"ok":true}` | `status=down` with `msg` |
//! | any other | | `GET` | none: the silence is the sign |

use reqwest::{StatusCode, Url};
use serde_json::Value;

use crate::http::page::is_html;
use crate::notify::channels::{AnswerRules, ChannelError, Poster, Secret, text_at};
use crate::notify::delivery::PostError;

/// A sign for a service.
#[derive(Debug, Clone, Copy)]
pub(super) enum Beat<'a> {
    /// The agent watches.
    Up {
        /// The name of the agent.
        agent: &'a str,
    },
    /// The agent does not watch.
    Down {
        /// The name of the agent.
        agent: &'a str,
        /// The reason, in words.
        reason: &'a str,
    },
}

impl Beat<'_> {
    /// Returns the text that the service shows.
    fn text(&self) -> String {
        match self {
            Self::Up { agent } => format!("{agent}: watching"),
            Self::Down { agent, reason } => format!("{agent}: {reason}"),
        }
    }
}

/// The kind of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeartbeatKind {
    Healthchecks,
    UptimeKuma,
    Other,
}

impl HeartbeatKind {
    fn of(url: &Url) -> Self {
        let (host, path) = (url.host_str().unwrap_or_default(), url.path());
        if path.contains("/api/push/") {
            Self::UptimeKuma
        } else if host == "hc-ping.com" || path.contains("/ping/") {
            Self::Healthchecks
        } else {
            Self::Other
        }
    }
}

impl AnswerRules for HeartbeatKind {
    /// Healthchecks.io answers 200 also for a check that it does not have, with other words.
    fn is_own(&self, _: StatusCode, body: &[u8]) -> bool {
        match self {
            Self::Healthchecks => body.trim_ascii() == b"OK",
            Self::UptimeKuma => {
                serde_json::from_slice(body).is_ok_and(|body: Value| body["ok"] == true)
            }
            Self::Other => !is_html(&String::from_utf8_lossy(body)),
        }
    }

    fn reason(&self, body: &[u8]) -> Option<String> {
        text_at(body, "/msg")
    }
}

/// A service that expects heartbeats.
pub(super) struct HeartbeatService {
    kind: HeartbeatKind,
    url: Url,
    poster: Poster,
}

impl HeartbeatService {
    /// Prepares requests to `url`.
    pub(super) fn open(url: &Secret) -> Result<Self, ChannelError> {
        let poster = Poster::new(url, None)?;
        let url = Url::parse(url.expose()).map_err(|_| ChannelError::NotUrl)?;
        Ok(Self { kind: HeartbeatKind::of(&url), url, poster })
    }

    /// Makes one attempt. Returns whether the service accepts a sign of this kind.
    pub(super) async fn send(&self, beat: &Beat<'_>) -> Result<bool, PostError> {
        let Some(url) = request_url(self.kind, &self.url, beat) else { return Ok(false) };
        if self.kind == HeartbeatKind::Healthchecks {
            self.poster.post_text(url, beat.text(), &self.kind).await?;
        } else {
            self.poster.get(url, &self.kind).await?;
        }
        Ok(true)
    }
}

/// Returns the URL of a request; `None` if the service accepts no such sign.
fn request_url(kind: HeartbeatKind, url: &Url, beat: &Beat<'_>) -> Option<Url> {
    let mut url = url.clone();
    match (kind, beat) {
        (HeartbeatKind::Healthchecks, Beat::Down { .. }) => {
            url.path_segments_mut().ok()?.pop_if_empty().push("fail");
        }
        (HeartbeatKind::UptimeKuma, beat) => {
            // The page of Uptime Kuma shows the URL with these, as an example.
            let own = ["status", "msg", "ping"];
            let pairs = url.query_pairs().filter(|(name, _)| !own.contains(&&**name));
            let pairs: Vec<_> =
                pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
            let status = if matches!(beat, Beat::Up { .. }) { "up" } else { "down" };
            url.query_pairs_mut()
                .clear()
                .extend_pairs(pairs)
                .append_pair("status", status)
                .append_pair("msg", &beat.text());
        }
        (HeartbeatKind::Other, Beat::Down { .. }) => return None,
        (HeartbeatKind::Healthchecks | HeartbeatKind::Other, Beat::Up { .. }) => {}
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_gets_its_own_request() {
        let up = Beat::Up { agent: "sfo-1" };
        let down = Beat::Down { agent: "sfo-1", reason: "isolated & alone" };
        let rows = [
            ("https://hc-ping.com/uuid", up, "https://hc-ping.com/uuid"),
            ("https://hc-ping.com/uuid", down, "https://hc-ping.com/uuid/fail"),
            (
                "https://hc.test/ping/key/slug?create=1",
                down,
                "https://hc.test/ping/key/slug/fail?create=1",
            ),
            (
                "https://kuma.test/api/push/tok?status=up&msg=OK&ping=",
                up,
                "https://kuma.test/api/push/tok?status=up&msg=sfo-1%3A+watching",
            ),
            (
                "https://kuma.test/api/push/tok",
                down,
                "https://kuma.test/api/push/tok?status=down&msg=sfo-1%3A+isolated+%26+alone",
            ),
            ("https://cronitor.test/p/key", up, "https://cronitor.test/p/key"),
            ("https://cronitor.test/p/key", down, "-"),
        ];
        for (url, beat, want) in rows {
            let url = Url::parse(url).unwrap();
            let found = request_url(HeartbeatKind::of(&url), &url, &beat);
            assert_eq!(found.map_or("-".to_owned(), String::from), want, "{beat:?}");
        }
    }

    #[test]
    fn only_the_words_of_the_service_are_a_success() {
        let rows: [(HeartbeatKind, &[u8], bool); 8] = [
            (HeartbeatKind::Healthchecks, b"OK", true),
            (HeartbeatKind::Healthchecks, b"OK (not found)", false),
            (HeartbeatKind::Healthchecks, b"<html>log in</html>", false),
            (HeartbeatKind::UptimeKuma, b"{\"ok\":true}", true),
            (HeartbeatKind::UptimeKuma, b"{\"ok\":false,\"msg\":\"Monitor not found\"}", false),
            (HeartbeatKind::UptimeKuma, b"<html>log in</html>", false),
            (HeartbeatKind::Other, b"anything", true),
            (HeartbeatKind::Other, b"<!doctype html><p>log in", false),
        ];
        for (kind, body, want) in rows {
            assert_eq!(kind.is_own(StatusCode::OK, body), want, "{kind:?}");
        }
    }
}
