//! One connection to a mail server for each message. A recipient that the server refuses does not keep
//! the message from the others.

use std::time::Duration;

use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::commands::{Data, Mail, Quit, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};

use super::{Email, TlsMode};
use crate::http::CONNECT_TIMEOUT;
use crate::notify::channels::poster::ChannelError;
use crate::notify::delivery::PostError;
use crate::text::{error_chain, one_line};

/// Maximum time to deliver a message to all recipients.
const LIMIT: Duration = Duration::from_secs(30);

/// Maximum time for the answer to the last command.
const GOODBYE: Duration = Duration::from_secs(1);

/// Maximum length in characters of an answer that is logged.
const LONGEST_ANSWER: usize = 160;

/// The way to the server.
pub(super) struct SmtpSession {
    host: String,
    port: u16,
    mode: TlsMode,
    tls: Option<TlsParameters>,
    from: Address,
    login: Option<Credentials>,
    /// Texts that an answer must not repeat.
    secrets: Vec<String>,
}

/// The recipients that a message did not reach, with the reasons.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// The number of recipients that were refused for good, and the first reason.
    refused: (usize, Option<String>),
    /// The number of recipients to try again, and the first reason.
    later: (usize, Option<String>),
    /// Whether the server could not be reached at all.
    is_unreachable: bool,
}

impl Failures {
    /// Adds a failure that concerns this number of recipients.
    fn add(&mut self, recipients: usize, is_permanent: bool, why: String) {
        let (count, first) = if is_permanent { &mut self.refused } else { &mut self.later };
        *count += recipients;
        first.get_or_insert(why);
    }

    /// Returns success if nothing failed, and otherwise the failure that may pass before one that will
    /// not.
    pub(super) fn into_result(self, recipients: usize) -> Result<(), PostError> {
        match (self.later, self.refused) {
            ((_, Some(why)), _) if self.is_unreachable => Err(PostError::Unreachable(why)),
            ((count, Some(why)), _) => {
                Err(PostError::Later { why: counted(count, recipients, &why), retry_after: None })
            }
            ((_, None), (count, Some(why))) => {
                Err(PostError::Refused(counted(count, recipients, &why)))
            }
            _ => Ok(()),
        }
    }
}

/// Formats a reason with the number of recipients, unless it concerns all of them.
fn counted(count: usize, recipients: usize, why: &str) -> String {
    if count == recipients {
        why.to_owned()
    } else {
        format!("{count} of {recipients} recipients: {why}")
    }
}

impl SmtpSession {
    /// Prepares connections to the server.
    pub(super) fn new(settings: &Email) -> Result<Self, ChannelError> {
        let tls = match settings.tls {
            TlsMode::Off => None,
            TlsMode::StartTls | TlsMode::Implicit => Some(parameters(settings)?),
        };
        let (mut login, mut secrets) = (None, Vec::new());
        if let Some((user, password)) = &settings.login {
            login = Some(Credentials::new(user.clone(), password.expose().to_owned()));
            secrets.push(password.expose().to_owned());
        }
        Ok(Self {
            host: settings.host.clone(),
            port: settings.port,
            mode: settings.tls,
            tls,
            from: settings.from.email.clone(),
            login,
            secrets,
        })
    }

    /// Delivers a message to these recipients. Returns those for which the server accepted it.
    pub(super) async fn deliver(
        &self,
        message: &Message,
        recipients: &[&Address],
        failures: &mut Failures,
    ) -> Vec<Address> {
        let mut accepted = Vec::new();
        let attempt = self.transact(message, recipients, failures, &mut accepted);
        if tokio::time::timeout(LIMIT, attempt).await.is_err() {
            let left = recipients.len() - accepted.len() - failures.refused.0 - failures.later.0;
            // Without anybody left the server has the message, and was slow to say goodbye.
            if left > 0 {
                let why = format!("no answer from {} within {} s", self.host, LIMIT.as_secs());
                failures.add(left, false, why);
            }
        }
        accepted
    }

    /// Makes the attempt of [`Self::deliver`].
    async fn transact(
        &self,
        message: &Message,
        recipients: &[&Address],
        failures: &mut Failures,
        accepted: &mut Vec<Address>,
    ) {
        let mut connection = match self.connect().await {
            Ok(connection) => connection,
            Err(error) => {
                let is_permanent = error.is_permanent();
                failures.is_unreachable = !is_permanent && error.status().is_none();
                return failures.add(recipients.len(), is_permanent, self.why(&error));
            }
        };
        let done = self.transaction(&mut connection, message, recipients, failures).await;
        accepted.extend(done);
        // The server has the message: its last word does not matter.
        let _ = tokio::time::timeout(GOODBYE, connection.command(Quit)).await;
    }

    /// Connects, encrypts and logs in.
    async fn connect(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        let server = (self.host.as_str(), self.port);
        let name = ClientId::default();
        let wrapped = self.tls.clone().filter(|_| self.mode == TlsMode::Implicit);
        let connecting = AsyncSmtpConnection::connect_tokio1(
            server,
            Some(CONNECT_TIMEOUT),
            &name,
            wrapped,
            None,
        );
        let mut connection = connecting.await?;
        if let Some(tls) = self.tls.clone().filter(|_| self.mode == TlsMode::StartTls) {
            connection.starttls(tls, &name).await?;
        }
        if let Some(login) = &self.login {
            connection.auth(DEFAULT_MECHANISMS, login).await?;
        }
        Ok(connection)
    }

    /// Sends the message to all recipients that the server does not refuse, and returns these.
    async fn transaction(
        &self,
        connection: &mut AsyncSmtpConnection,
        message: &Message,
        recipients: &[&Address],
        failures: &mut Failures,
    ) -> Vec<Address> {
        if let Err(error) = connection.command(Mail::new(Some(self.from.clone()), vec![])).await {
            failures.add(recipients.len(), error.is_permanent(), self.why(&error));
            return Vec::new();
        }
        let mut taken = Vec::new();
        for (nth, recipient) in recipients.iter().enumerate() {
            match connection.command(Rcpt::new((*recipient).clone(), vec![])).await {
                Ok(_) => taken.push((*recipient).clone()),
                Err(error) if error.status().is_some() => {
                    failures.add(1, error.is_permanent(), self.why(&error));
                }
                Err(error) => {
                    failures.add(recipients.len() - nth + taken.len(), false, self.why(&error));
                    return Vec::new();
                }
            }
        }
        if taken.is_empty() {
            return taken;
        }
        let sent = async {
            connection.command(Data).await?;
            connection.message(&message.formatted()).await
        };
        if let Err(error) = sent.await {
            failures.add(taken.len(), error.is_permanent(), self.why(&error));
            return Vec::new();
        }
        taken
    }

    /// Formats an error without secrets.
    fn why(&self, error: &SmtpError) -> String {
        // Its text has that of its source.
        let text = one_line(&error.to_string(), ' ');
        let is_secret = self.secrets.iter().any(|secret| text.contains(secret));
        match error.status() {
            Some(code) if is_secret => format!("it answered {code}"),
            None if is_secret => "it failed".to_owned(),
            _ => text.chars().take(LONGEST_ANSWER).collect(),
        }
    }
}

/// Returns the parameters of TLS: the authorities of the system, the bundled ones, and those of the
/// configuration.
fn parameters(settings: &Email) -> Result<TlsParameters, ChannelError> {
    let mut builder = TlsParametersBuilder::new(settings.host.clone());
    let bundled = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|der| der.as_ref().to_vec());
    for der in bundled.chain(settings.authorities.iter().cloned()) {
        builder = builder
            .add_root_certificate(Certificate::from_der(der).map_err(|error| unusable(&error))?);
    }
    builder.build().map_err(|error| unusable(&error))
}

/// Returns an error that leaves no way to the server.
fn unusable(error: &SmtpError) -> ChannelError {
    ChannelError::Client(error_chain(error))
}
