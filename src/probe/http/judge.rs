//! Compares an answer with the one that is asked for.

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, LOCATION, TRANSFER_ENCODING};
use hyper::{HeaderMap, Response};
use tokio::time::{Instant, timeout_at};

use super::failure::{AnswerPart, ExchangeEnd, of_http};
use super::prepared::Prepared;
use super::progress::Progress;
use super::words::external;
use crate::probe::now;

/// Maximum length of the word by which a body asks for a drain, with its white space.
const LONGEST_WORD: usize = 16;

/// Compares an answer with the one that is asked for, and reads its body as far as that needs it.
/// `until` is the time at which the probe is given up.
pub(super) async fn judge(
    response: Response<Incoming>,
    prepared: &Prepared,
    progress: &mut Progress,
    until: Instant,
) -> ExchangeEnd {
    let (head, body) = response.into_parts();
    let status = head.status.as_u16();
    progress.status = Some(status);
    let settings = &prepared.settings;
    if settings.drain_status.contains(status) {
        return ExchangeEnd::Drain(format!("{status}, which is a drain_status"));
    }
    let mut received = Received::new(body, &head.headers, prepared);
    if settings.status.contains(status) {
        return match received.read(progress, false).await {
            ReadEnd::Whole => received.compare(prepared, status).await,
            ReadEnd::Drain(word) => drain(word),
            ReadEnd::Broken(end) => end.after(status),
        };
    }
    // Its body does not change the status, unless it asks for a drain. It is given a part of the
    // time that is left: the loss has to be known before the timeout.
    let patience = until.saturating_duration_since(now()).mul_f64(PATIENCE);
    let read = timeout_at(now() + patience, received.read(progress, true)).await;
    if let Ok(ReadEnd::Drain(word)) = read {
        return drain(word);
    }
    let to = head.headers.get(LOCATION).map_or(String::new(), |location| {
        format!(" to {}", without_secrets(&String::from_utf8_lossy(location.as_bytes())))
    });
    ExchangeEnd::Otherwise {
        kind: format!("status {status}"),
        words: format!("{status}{to} (wanted {})", settings.status),
    }
}

/// Part of the remaining time for which the body of an unwanted status is awaited.
const PATIENCE: f64 = 0.25;

fn drain(word: &str) -> ExchangeEnd {
    ExchangeEnd::Drain(format!("a body with {word:?} as its first line"))
}

impl ExchangeEnd {
    /// Returns this end of a body, with the status before it.
    fn after(self, status: u16) -> Self {
        match self {
            Self::Otherwise { kind, words } => {
                Self::Otherwise { kind, words: format!("{status}, but {words}") }
            }
            other => other,
        }
    }
}

/// Returns a location without its query and its user, which may have a secret.
fn without_secrets(location: &str) -> String {
    let (path, query) = match location.split_once(['?', '#']) {
        Some((path, _)) => (path, "?…"),
        None => (location, ""),
    };
    let start = path.find("//").map_or(path.len(), |slashes| slashes + 2);
    let authority = path[start..].split('/').next().unwrap_or_default();
    let shown = match authority.rfind('@') {
        Some(at) => external(&format!("{}…{}", &path[..start], &path[start + at..])),
        None => external(path),
    };
    format!("{shown}{query}")
}

/// The end of reading a body.
enum ReadEnd {
    /// Everything that is compared has arrived.
    Whole,
    /// The first line asks for a drain, with this word.
    Drain(&'static str),
    /// The body broke off.
    Broken(ExchangeEnd),
}

/// The body of an answer, as far as it was read.
struct Received {
    body: Incoming,
    /// Whether the body ends with the connection.
    ends_by_closing: bool,
    bytes: Vec<u8>,
    /// The number of bytes to keep.
    keep: usize,
    /// The number of bytes to read.
    most: usize,
    was_cut: bool,
}

impl Received {
    fn new(body: Incoming, headers: &HeaderMap, prepared: &Prepared) -> Self {
        let most = prepared.settings.body.max;
        let keep = if prepared.settings.wants_body() { most } else { LONGEST_WORD };
        let ends_by_closing =
            !headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING);
        Self { body, ends_by_closing, bytes: Vec::new(), keep, most, was_cut: false }
    }

    /// Reads the body up to its end or its limit, or until its first line asks for a drain. With
    /// `only_first_line`, stops as soon as that line does not.
    async fn read(&mut self, progress: &mut Progress, only_first_line: bool) -> ReadEnd {
        loop {
            match first_line(&self.bytes, false) {
                FirstLine::Drain(word) => return ReadEnd::Drain(word),
                FirstLine::Other if only_first_line => return ReadEnd::Whole,
                FirstLine::Other | FirstLine::Open => {}
            }
            if progress.received >= self.most {
                self.was_cut = true;
                break;
            }
            let frame = match self.body.frame().await {
                None => break,
                Some(Ok(frame)) => frame,
                Some(Err(error)) => match of_http(&error, AnswerPart::Body, &progress.first) {
                    _ if self.ends_by_closing && is_end(&error) => break,
                    end => return ReadEnd::Broken(end),
                },
            };
            if let Some(data) = frame.data_ref() {
                let room = self.keep.saturating_sub(self.bytes.len()).min(data.len());
                self.bytes.extend_from_slice(&data[..room]);
                progress.received += data.len();
            }
        }
        progress.ended(now());
        match first_line(&self.bytes, true) {
            FirstLine::Drain(word) => ReadEnd::Drain(word),
            FirstLine::Other | FirstLine::Open => ReadEnd::Whole,
        }
    }

    /// Compares the whole body with the conditions on it.
    async fn compare(&self, prepared: &Prepared, status: u16) -> ExchangeEnd {
        let conditions = &prepared.settings.body;
        let text = String::from_utf8_lossy(&self.bytes);
        let unmet = match (&conditions.contains, &conditions.lacks) {
            (Some(wanted), _) if !text.contains(wanted) => Some(format!("body without {wanted:?}")),
            (_, Some(unwanted)) if text.contains(unwanted) => {
                Some(format!("body with {unwanted:?}"))
            }
            _ => match prepared.mismatch(&text).await {
                Ok(unmet) => unmet,
                Err(reason) => return ExchangeEnd::Fault(reason),
            },
        };
        let Some(kind) = unmet else { return ExchangeEnd::AsAsked };
        let cut = if self.was_cut {
            format!(" in its first {} bytes", self.bytes.len())
        } else {
            String::new()
        };
        ExchangeEnd::Otherwise { words: format!("{status} with a {kind}{cut}"), kind }
    }
}

/// Whether a stream ended without the message by which TLS ends. Old servers leave it out after a
/// body that ends with the connection.
fn is_end(error: &hyper::Error) -> bool {
    crate::text::causes(error)
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::UnexpectedEof)
}

/// The meaning of the first line of a body.
#[derive(Debug, PartialEq, Eq)]
enum FirstLine {
    /// It asks for a drain, with this word.
    Drain(&'static str),
    /// It may still become any line.
    Open,
    /// It says anything else.
    Other,
}

/// Reads the first line of a body that has begun with `bytes`. `has_ended` if no more follow.
fn first_line(bytes: &[u8], has_ended: bool) -> FirstLine {
    let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    let line = match end {
        Some(end) => &bytes[..end],
        None if has_ended => bytes,
        None if bytes.len() < LONGEST_WORD => return FirstLine::Open,
        None => return FirstLine::Other,
    };
    let line = line.trim_ascii();
    ["drain", "maint"]
        .into_iter()
        .find(|word| line.eq_ignore_ascii_case(word.as_bytes()))
        .map_or(FirstLine::Other, FirstLine::Drain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_asks_for_a_drain_by_one_of_two_words() {
        let rows = [
            ("drain", true, FirstLine::Drain("drain")),
            ("drain", false, FirstLine::Open),
            ("MAINT\nuntil ten", false, FirstLine::Drain("maint")),
            (" drain \r\n", false, FirstLine::Drain("drain")),
            ("drainage\n", false, FirstLine::Other),
            ("ok\ndrain\n", false, FirstLine::Other),
            ("drain the pool at ten", false, FirstLine::Other),
            ("", true, FirstLine::Other),
        ];
        for (body, has_ended, found) in rows {
            assert_eq!(first_line(body.as_bytes(), has_ended), found, "{body:?}");
        }
    }

    #[test]
    fn a_location_is_shown_without_its_query_and_its_user() {
        let rows = [
            ("https://sso.example/login?token=hunter2", "https://sso.example/login?…"),
            ("https://me:hunter2@sso.example/login", "https://…@sso.example/login"),
            ("//me:hunt@er2@sso.example#top", "//…@sso.example?…"),
            ("https://sso.example/@me", "https://sso.example/@me"),
            ("/elsewhere", "/elsewhere"),
            ("//", "//"),
            ("", ""),
        ];
        for (location, want) in rows {
            assert_eq!(without_secrets(location), want);
        }
    }
}
