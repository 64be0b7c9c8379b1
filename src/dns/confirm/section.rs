//! The keys of a zone that turn the proof of effect on.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::effect::PORT;
use crate::config::address::one_host;
use crate::config::field::{Field, FieldReader, List};
use crate::config::keys::{Key, Section};
use crate::config::names;
use crate::config::rule::{duration, truth};
use crate::config::section::SectionContext;
use crate::config::value::{Value, as_text};
use crate::text::seconds;

/// Default time for which name servers may lag.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Allowed times for which name servers may lag.
const TIMEOUTS: [Duration; 2] = [Duration::from_secs(1), Duration::from_hours(1)];

/// The settings of the proof of effect in one zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfirmSettings {
    /// The name servers that are asked; empty for those that the system's resolver names.
    pub(crate) servers: Vec<ConfirmServer>,
    /// Time after which a change that is not visible is reported.
    pub(crate) timeout: Duration,
}

/// A name server of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ConfirmServer {
    /// Its address or name.
    pub(crate) host: ServerHost,
    /// The port that is asked.
    pub(crate) port: u16,
}

/// The address or the name of a name server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum ServerHost {
    /// One address that is asked.
    Address(IpAddr),
    /// A name with addresses that are all asked.
    Name(String),
}

impl fmt::Display for ConfirmServer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, self.port) {
            (ServerHost::Address(address), PORT) => address.fmt(out),
            (ServerHost::Address(address), port) => SocketAddr::new(*address, port).fmt(out),
            (ServerHost::Name(name), PORT) => out.write_str(name),
            (ServerHost::Name(name), port) => write!(out, "{name}:{port}"),
        }
    }
}

impl ConfirmSettings {
    /// Describes the settings, as `goavail check` prints them.
    pub(crate) fn in_words(&self) -> String {
        let servers: Vec<String> = self.servers.iter().map(ToString::to_string).collect();
        let asked = match servers.as_slice() {
            [] => "each name server of the zone is asked".to_owned(),
            servers => format!("asked: {}", servers.join(", ")),
        };
        format!("{asked} until it shows a change, for {}", seconds(self.timeout))
    }
}

/// The values of a zone about the proof of effect, each validated alone.
pub(crate) struct ConfirmKeys {
    confirm: Field<bool>,
    servers: List<ConfirmServer>,
    timeout: Field<Duration>,
}

impl ConfirmKeys {
    /// The keys, in the order of the documentation.
    pub(crate) const KEYS: &'static [Key] =
        &[Key::new("confirm"), Key::new("confirm_servers"), Key::new("confirm_timeout")];

    /// Takes the values out of a provider's section, or of a `[zone.NAME]` table.
    pub(crate) fn parse(section: Section, values: &mut FieldReader<'_>) -> Self {
        let [least, most] = TIMEOUTS;
        Self {
            confirm: values.one(section, "confirm", truth),
            servers: values.each(
                section,
                "confirm_servers",
                "[\"192.0.2.53\", \"ns2.example.net\"]",
                server,
            ),
            timeout: values.one(section, "confirm_timeout", duration(least, most)),
        }
    }

    /// Builds the settings; `None` if the proof of effect is off.
    pub(crate) fn build(&self, context: &mut SectionContext<'_>) -> Option<ConfirmSettings> {
        if !self.confirm.or(false) {
            for spot in self.servers.spot().into_iter().chain(self.timeout.spot()) {
                if !self.confirm.is_refused() {
                    context.report.warn(spot, "not used without confirm = true");
                }
            }
            return None;
        }
        if let Some(at) = self.servers.present().filter(|at| at.value.is_empty()) {
            let what =
                "[] is not allowed; a list with at least a name server, such as \"192.0.2.53\"";
            context.report.refuse(&at.spot, what);
        }
        let servers = context.distinct(self.servers.items());
        Some(ConfirmSettings { servers, timeout: self.timeout.or(TIMEOUT) })
    }
}

/// Reads a name server: an address or a name, with a port if it is not 53.
fn server(value: &Value) -> Result<ConfirmServer, String> {
    let allowed = "an IP address or a host name, with a port if it is not 53, such as \"192.0.2.53\", \
                   \"[2001:db8::53]:5353\" or \"ns1.example.net\"";
    let text = as_text(value).ok_or(allowed)?;
    if let Ok(address) = text.parse::<IpAddr>() {
        let host = ServerHost::Address(one_host(address)?);
        return Ok(ConfirmServer { host, port: PORT });
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        let host = ServerHost::Address(one_host(address.ip())?);
        return Ok(ConfirmServer { host, port: some_port(address.port())? });
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => {
            let port = port.parse().map_err(|_| allowed.to_owned())?;
            (name, some_port(port)?)
        }
        None => (text, PORT),
    };
    // A bare number or a half-written address is no name.
    let is_name = name.rsplit('.').find(|label| !label.is_empty()).is_some_and(has_letter);
    if !is_name {
        return Err(allowed.to_owned());
    }
    let name = names::domain(&Value::Text(name.to_owned()))?;
    Ok(ConfirmServer { host: ServerHost::Name(name), port })
}

/// Whether a label has a letter.
fn has_letter(label: &str) -> bool {
    label.bytes().any(|byte| byte.is_ascii_alphabetic())
}

fn some_port(port: u16) -> Result<u16, String> {
    if port == 0 { Err("the port is from 1 to 65535".to_owned()) } else { Ok(port) }
}

#[cfg(test)]
mod tests;
