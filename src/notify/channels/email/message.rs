//! A notice as a message. All messages of an incident refer to one identifier, which follows from the
//! key of the incident, so that mailers show them as one thread, whichever agent sent them.

use std::fmt::Write as _;

use lettre::Message;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};
use sha2::{Digest as _, Sha256};

use super::Email;
use crate::notify::channels::fitting::{Unit, fitted, plain};
use crate::notify::message::printable;
use crate::notify::{IncidentStatus, Notice, Severity};

/// Maximum length in bytes of a subject.
const LONGEST_SUBJECT: usize = 200;

/// Maximum number of incidents that a message refers to.
const MOST_THREADS: usize = 10;

/// Returns the identifier of a notice's message: the same for each attempt to send it, so that a
/// mailer can drop one that arrives twice.
pub(super) fn id(notice: &Notice, from: &Mailbox) -> String {
    let Notice { agent, at, kind, mark, status, targets, .. } = notice;
    let text =
        format!("{} {agent} {at:?} {kind:?} {mark:?} {status:?} {targets:?}", notice.incident);
    identifier(&text, from)
}

/// Returns the message; `id` is its identifier.
pub(super) fn build(
    settings: &Email,
    notice: &Notice,
    id: &str,
) -> Result<Message, lettre::error::Error> {
    let rendering = notice.rendering();
    let subject = fitted(&rendering.title, LONGEST_SUBJECT, Unit::Bytes, plain);
    let mut message = Message::builder()
        .from(settings.from.clone())
        .date(printable(notice.at))
        .message_id(Some(id.to_owned()))
        .subject(format!("[goavail] {subject}"));
    for recipient in &settings.recipients {
        message = message.to(recipient.clone());
    }
    if notice.status != IncidentStatus::Event {
        let keys = std::iter::once(&notice.incident).chain(&notice.joined).take(MOST_THREADS);
        let threads: Vec<String> =
            keys.map(|key| identifier(&key.to_string(), &settings.from)).collect();
        message = message.in_reply_to(threads[0].clone()).references(threads.join(" "));
    }
    message = with_header(message, "Auto-Submitted", "auto-generated");
    message = with_header(message, "X-Goavail-Incident", &notice.incident.to_string());
    if notice.severity == Severity::Critical {
        message = with_header(message, "Importance", "high");
    }
    let body = format!("{}\n\n{}\n", rendering.title, rendering.body());
    message.header(ContentType::TEXT_PLAIN).body(body)
}

fn with_header(message: MessageBuilder, name: &'static str, value: &str) -> MessageBuilder {
    let name = HeaderName::new_from_ascii_str(name);
    message.raw_header(HeaderValue::new(name, value.to_owned()))
}

/// Returns an identifier that follows from a text.
fn identifier(text: &str, from: &Mailbox) -> String {
    let mut hash = String::new();
    for byte in &Sha256::digest(text.as_bytes())[..16] {
        _ = write!(hash, "{byte:02x}");
    }
    format!("<{hash}@{}>", from.email.domain())
}

#[cfg(test)]
mod tests {
    use super::super::TlsMode;
    use super::*;
    use crate::notify::NoticeKind::{Restored, Withdrawn};
    use crate::notify::tests::{examples, hold_against_page, notice};

    fn settings() -> Email {
        Email {
            host: "localhost".into(),
            port: 25,
            tls: TlsMode::Off,
            from: "goavail <goavail@example.com>".parse().unwrap(),
            recipients: vec![
                "Ops <ops@example.com>".parse().unwrap(),
                "b@example.org".parse().unwrap(),
            ],
            login: None,
            authorities: vec![],
        }
    }

    fn text(notice: &Notice) -> String {
        let settings = settings();
        let id = id(notice, &settings.from);
        String::from_utf8(build(&settings, notice, &id).unwrap().formatted()).unwrap()
    }

    /// Returns the value of a header, unfolded.
    fn header(text: &str, name: &str) -> Option<String> {
        let head = text.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
        let line = head.lines().find(|line| line.starts_with(&format!("{name}: ")))?.to_owned();
        line.split_once(": ").map(|(_, value)| value.to_owned())
    }

    #[test]
    fn the_messages_of_an_incident_are_one_thread_whoever_sends_them() {
        let opened = text(&notice(Withdrawn, &[1]));
        let mut closed = notice(Restored, &[1]);
        closed.agent = "eu-1".into();
        let closed = text(&closed);
        assert!(header(&opened, "References").is_some());
        assert_eq!(header(&opened, "References"), header(&closed, "References"));
        assert_eq!(header(&closed, "In-Reply-To"), header(&closed, "References"));
        assert_ne!(header(&opened, "Message-ID"), header(&closed, "Message-ID"));
        assert_eq!(opened, text(&notice(Withdrawn, &[1])), "an attempt is as the one before");
        let other = text(&notice(Withdrawn, &[2]));
        assert_ne!(header(&opened, "References"), header(&other, "References"));
    }

    #[test]
    fn headers_are_ascii_and_nothing_in_a_notice_begins_another_one() {
        let mut notice = notice(Withdrawn, &[1]);
        notice.names = vec!["bücher.example\r\nBcc: evil@example.com".into()];
        let message = text(&notice);
        let head = message.split("\r\n\r\n").next().unwrap();
        assert!(head.is_ascii(), "{head}");
        assert!(header(&message, "Subject").unwrap().contains("=?utf-8?"), "{head}");
        assert_eq!(header(&message, "Bcc"), None);
        assert_eq!(header(&message, "To").unwrap(), "Ops <ops@example.com>, b@example.org");
        assert_eq!(header(&message, "Auto-Submitted").unwrap(), "auto-generated");
    }

    #[test]
    fn the_page_about_channels_has_a_mail() {
        let mail = text(&examples()[0]);
        let (_, body) = mail.split_once("\r\n\r\n").unwrap();
        // Long lines are folded on the way.
        let body = body.replace("=\r\n", "").replace("=3D", "=");
        let mut shown = String::new();
        for name in ["From", "Subject", "Importance", "X-Goavail-Incident"] {
            _ = writeln!(shown, "{name}: {}", header(&mail, name).unwrap());
        }
        hold_against_page("a mail reader", &format!("{shown}\n{}", body.replace("\r\n", "\n")));
    }
}
