//! E-mail, by SMTP with TLS.
//!
//! - `message`: the notice as a message, threaded by its incident
//! - `session`: one connection to the server, and its answers

mod message;
mod session;

use std::any::Any;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use lettre::Address;
use lettre::message::Mailbox;

use self::session::{Failures, SmtpSession};
use super::poster::ChannelError;
use super::secret::{Secret, SecretFile, SecretForm};
use super::{ChannelKeys, ChannelKind, ChannelSettings};
use crate::config::field::{Field, FieldReader, List};
use crate::config::keys::{Key, Section};
use crate::config::rule::{path, text};
use crate::config::section::SectionContext;
use crate::http::roots;
use crate::notify::Notice;
use crate::notify::delivery::{Channel, PostError, Posting};

/// E-mail in the registry of channels.
pub(super) const KIND: ChannelKind = ChannelKind {
    word: "email",
    top: None,
    destination: "by e-mail",
    party: "the mail server",
    keys: &[
        Key::new("server"),
        Key::new("tls"),
        Key::new("from"),
        Key::new("recipients"),
        Key::new("user"),
        Key::new("password_file"),
        Key::new("ca_file"),
    ],
    parse: |section, values| Box::new(EmailKeys::parse(section, values)),
};

/// Description of the values of `server`.
const SERVER: &str =
    "the name of a mail server, such as \"mail.example.com\" or \"mail.example.com:587\"";

/// Description of the values of `tls`.
const TLS: &str = "\"starttls\", \"implicit\", or \"off\" to a server on this machine";

/// Description of an address.
const ADDRESS: &str = "an address, such as \"ops@example.com\" or \"Ops <ops@example.com>\"";

/// The values of a channel to people's mailboxes.
struct EmailKeys {
    section: Section,
    server: Field<(String, Option<u16>)>,
    tls: Field<TlsMode>,
    from: Field<Mailbox>,
    recipients: List<Mailbox>,
    user: Field<String>,
    password_file: SecretFile,
    ca_file: Field<PathBuf>,
}

/// How the connection to a server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsMode {
    /// By `STARTTLS`, and never without.
    StartTls,
    /// From its beginning.
    Implicit,
    /// Not at all, to this machine itself.
    Off,
}

impl TlsMode {
    fn from_word(word: &str) -> Option<Self> {
        match word {
            "starttls" => Some(Self::StartTls),
            "implicit" => Some(Self::Implicit),
            "off" => Some(Self::Off),
            _ => None,
        }
    }

    /// Returns the usual port.
    fn port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Implicit => 465,
            Self::Off => 25,
        }
    }
}

/// Reads a host with an optional port.
fn server(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, Some(port.parse().ok().filter(|port| *port > 0)?))
        }
        _ => (text, None),
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_plain = bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte));
    (!bare.is_empty() && is_plain).then(|| (bare.to_owned(), port))
}

/// Whether a server is this machine itself.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

impl EmailKeys {
    fn parse(section: Section, values: &mut FieldReader<'_>) -> Self {
        Self {
            section,
            server: values.one(section, "server", text(SERVER, server)),
            tls: values.one(section, "tls", text(TLS, TlsMode::from_word)),
            from: values.one(section, "from", text(ADDRESS, mailbox)),
            recipients: values.each(
                section,
                "recipients",
                "[\"ops@example.com\"]",
                text(ADDRESS, mailbox),
            ),
            user: values.one(section, "user", text("a name, in quotes", user)),
            password_file: SecretFile::parse("password_file", section, values),
            ca_file: values.one(section, "ca_file", path),
        }
    }

    /// Returns the mode of encryption, and refuses none on the way to another machine.
    fn mode(&self, host: &str, table: &mut SectionContext<'_>) -> Option<TlsMode> {
        let Some(at) = self.tls.present() else {
            return self.tls.is_absent().then_some(TlsMode::StartTls);
        };
        if at.value == TlsMode::Off && !is_here(host) {
            let what = "off is allowed to a server on this machine only";
            table.report.refuse(&at.spot, what);
            return None;
        }
        Some(at.value)
    }

    /// Returns the user and the password, if the server asks for them. Refuses one without the other.
    fn login(&self, table: &mut SectionContext<'_>) -> Option<(String, Secret)> {
        let password = self.password_file.read(SecretForm::Line, table);
        match (self.user.present(), self.password_file.at()) {
            (Some(user), None) if self.password_file.is_absent() => {
                table.report.refuse(&user.spot, "given without password_file");
            }
            (None, Some(file)) if self.user.is_absent() => {
                table.report.refuse(&file.spot, "given without user");
            }
            _ => {}
        }
        Some((self.user.value()?.clone(), password?))
    }

    /// Returns the certificate authorities of a file, besides those of the system.
    fn authorities(&self, table: &mut SectionContext<'_>) -> Vec<Vec<u8>> {
        let Some(at) = self.ca_file.present() else { return Vec::new() };
        match roots::bundle(&table.resolve(&at.value)) {
            Ok(found) => found.iter().map(|der| der.as_ref().to_vec()).collect(),
            Err(why) => {
                table.report.refuse(&at.spot, format!("{}: {why}", at.bare()));
                Vec::new()
            }
        }
    }
}

/// Reads an address, with or without a name. Not every server takes addresses beyond ASCII.
fn mailbox(text: &str) -> Option<Mailbox> {
    let mailbox: Mailbox = text.parse().ok()?;
    let address: &str = mailbox.email.as_ref();
    address.is_ascii().then_some(mailbox)
}

/// Reads the name of a user.
fn user(text: &str) -> Option<String> {
    (!text.is_empty() && !text.contains(char::is_control)).then(|| text.to_owned())
}

impl ChannelKeys for EmailKeys {
    fn build(&self, table: &mut SectionContext<'_>) -> Option<Arc<dyn ChannelSettings>> {
        for (key, is_absent, what) in
            [("server", self.server.is_absent(), SERVER), ("from", self.from.is_absent(), ADDRESS)]
        {
            if is_absent {
                let spot = table.missing(self.section, key);
                table.report.refuse(&spot, format!("missing; {what}"));
            }
        }
        table.require_items(&self.recipients, self.section, "recipients", "one address");
        let login = self.login(table);
        let authorities = self.authorities(table);
        let (host, port) = self.server.value()?.clone();
        let tls = self.mode(&host, table)?;
        let port = port.unwrap_or_else(|| tls.port());
        let recipients = self.recipients.items().iter().map(|at| at.value.clone()).collect();
        let from = self.from.value()?.clone();
        Some(Arc::new(Email { host, port, tls, from, recipients, login, authorities }))
    }
}

/// The mail server, and the people.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Email {
    host: String,
    port: u16,
    tls: TlsMode,
    from: Mailbox,
    recipients: Vec<Mailbox>,
    /// The user and the password, if the server asks for them.
    login: Option<(String, Secret)>,
    /// Certificate authorities besides those of the system.
    authorities: Vec<Vec<u8>>,
}

impl ChannelSettings for Email {
    fn open(&self) -> Result<Box<dyn Channel>, ChannelError> {
        let session = SmtpSession::new(self)?;
        Ok(Box::new(Mailer { settings: self.clone(), session, accepted: Mutex::default() }))
    }

    fn url(&self) -> Option<&Secret> {
        None
    }

    fn is_same_as(&self, other: &dyn ChannelSettings) -> bool {
        let other: &dyn Any = other;
        other.downcast_ref::<Self>() == Some(self)
    }
}

/// A channel to people's mailboxes.
struct Mailer {
    settings: Email,
    session: SmtpSession,
    /// The message that is being sent, by its identifier, and the recipients that it was accepted for.
    accepted: Mutex<(String, BTreeSet<Address>)>,
}

impl Mailer {
    /// Sends the notice to each recipient that it was not accepted for yet. The refusal of one does not
    /// keep it from the others.
    async fn send(&self, notice: &Notice) -> Result<(), PostError> {
        let id = message::id(notice, &self.settings.from);
        let message = message::build(&self.settings, notice, &id)
            .map_err(|error| PostError::Refused(format!("no message: {error}")))?;
        let done = self.accepted_for(&id);
        let recipients = self.settings.recipients.iter().map(|mailbox| &mailbox.email);
        let left: Vec<&Address> = recipients.filter(|address| !done.contains(address)).collect();
        let mut failures = Failures::default();
        let accepted = self.session.deliver(&message, &left, &mut failures).await;
        let mut state = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        state.1.extend(accepted);
        failures.into_result(self.settings.recipients.len())
    }

    /// Returns the recipients that the message with this identifier was accepted for.
    fn accepted_for(&self, id: &str) -> BTreeSet<Address> {
        let mut state = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0 != id {
            *state = (id.to_owned(), BTreeSet::new());
        }
        state.1.clone()
    }
}

impl Channel for Mailer {
    fn post<'a>(&'a self, notice: &'a Notice) -> Posting<'a> {
        Box::pin(self.send(notice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_with_an_optional_port() {
        let rows = [
            ("mail.example.com", Some(("mail.example.com", None))),
            ("mail.example.com:2525", Some(("mail.example.com", Some(2525)))),
            ("127.0.0.1:25", Some(("127.0.0.1", Some(25)))),
            ("[::1]:25", Some(("::1", Some(25)))),
            ("::1", Some(("::1", None))),
            ("mail.example.com:0", None),
            ("mail.example.com:smtp", None),
            ("smtp://mail.example.com", None),
            ("", None),
        ];
        for (text, want) in rows {
            let want = want.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(server(text), want, "{text}");
        }
        let here = ["localhost", "127.0.0.1", "::1", "mail.example.com", "192.0.2.1"].map(is_here);
        assert_eq!(here, [true, true, true, false, false]);
    }
}
