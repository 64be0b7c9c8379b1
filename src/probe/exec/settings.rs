//! The settings of exec checks, and the words that are replaced in their arguments.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::Path;

use super::account::UserAccount;

/// The number of commands of one check that run at once, unless it says otherwise.
pub const DEFAULT_MAX_RUNNING: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

/// The settings of an exec check for one service, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExecSettings {
    /// The command and its arguments, as they are written.
    command: Vec<String>,
    /// The values of the words in the arguments. A word that does not occur has none, so that
    /// services share the probes of a command that does not depend on them.
    values: Replaced,
    /// The account that the command runs as; `None` for that of this process.
    user: Option<UserAccount>,
    /// The maximum number of commands of the check that run at once.
    max_running: NonZeroU32,
}

/// The values that the arguments of a command may ask for, besides the address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Replaced {
    /// The name of the service, for `{service}`.
    pub service: Option<String>,
    /// The host name of the check, for `{host}`.
    pub host: Option<String>,
    /// The port of the check, for `{port}`.
    pub port: Option<u16>,
}

/// A check as it is written. All of its services together run at most `max_running` commands at once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExecPool {
    command: Vec<String>,
    user: Option<u32>,
    max_running: NonZeroU32,
}

impl ExecPool {
    /// Returns the maximum number of commands that run at once.
    pub fn max_running(&self) -> NonZeroU32 {
        self.max_running
    }
}

impl ExecSettings {
    /// Returns the settings of a command, as it is written, with the values for its arguments. Those
    /// that no argument asks for are left out.
    pub fn new(
        command: Vec<String>,
        values: Replaced,
        user: Option<UserAccount>,
        max_running: NonZeroU32,
    ) -> Self {
        let values = Replaced {
            service: values.service.filter(|_| asks_for(&command, "{service}")),
            host: values.host.filter(|_| asks_for(&command, "{host}")),
            port: values.port.filter(|_| asks_for(&command, "{port}")),
        };
        Self { command, values, user, max_running }
    }

    /// Returns the path of the program.
    pub fn program(&self) -> &Path {
        Path::new(self.command.first().map_or("", String::as_str))
    }

    /// Returns the account that the command runs as; `None` for that of this process.
    pub fn user(&self) -> Option<&UserAccount> {
        self.user.as_ref()
    }

    /// Returns the command as it is written.
    pub fn command(&self) -> &[String] {
        &self.command
    }

    /// Returns the pool that its commands belong to.
    pub fn pool(&self) -> ExecPool {
        let (command, max_running) = (self.command.clone(), self.max_running);
        ExecPool { command, user: self.user.as_ref().map(|user| user.uid), max_running }
    }

    /// Returns the arguments for a target.
    pub(super) fn arguments(&self, address: IpAddr) -> Vec<String> {
        let arguments = self.command.get(1..).unwrap_or_default();
        arguments.iter().map(|argument| self.replaced(argument, address)).collect()
    }

    /// Returns an argument with each word in braces replaced by its value. Other braces stay.
    fn replaced(&self, argument: &str, address: IpAddr) -> String {
        let mut out = String::with_capacity(argument.len() + 16);
        let mut rest = argument;
        while let Some(start) = rest.find('{') {
            out.push_str(&rest[..start]);
            rest = &rest[start..];
            let word = rest.find('}').map_or("", |end| &rest[..=end]);
            if let Some(value) = self.value(word, address) {
                out.push_str(&value);
                rest = &rest[word.len()..];
            } else {
                out.push('{');
                rest = &rest[1..];
            }
        }
        out.push_str(rest);
        out
    }

    fn value(&self, word: &str, address: IpAddr) -> Option<String> {
        match word {
            "{address}" => Some(address.to_string()),
            "{service}" => self.values.service.clone(),
            "{host}" => self.values.host.clone(),
            "{port}" => self.values.port.map(|port| port.to_string()),
            _ => None,
        }
    }
}

/// Whether an argument of the command asks for a word, such as `{port}`.
fn asks_for(command: &[String], word: &str) -> bool {
    command.iter().skip(1).any(|argument| argument.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(command: &[&str], service: &str) -> ExecSettings {
        let values = Replaced {
            service: Some(service.to_owned()),
            host: Some("www.example.com".to_owned()),
            port: Some(443),
        };
        let command = command.iter().map(ToString::to_string).collect();
        ExecSettings::new(command, values, None, DEFAULT_MAX_RUNNING)
    }

    #[test]
    fn words_are_replaced_within_arguments_and_nothing_else_is() {
        let rows = [
            ("{address}", "2001:db8::1"),
            ("-H{address}", "-H2001:db8::1"),
            ("[{address}]:{port}", "[2001:db8::1]:443"),
            ("{service}/{host}", "www/www.example.com"),
            ("{\"ip\": \"{address}\"}", "{\"ip\": \"2001:db8::1\"}"),
            ("{{address}}", "{2001:db8::1}"),
            ("{name} {", "{name} {"),
            ("${address", "${address"),
            ("", ""),
            ("$(reboot); `id`", "$(reboot); `id`"),
        ];
        for (argument, want) in rows {
            let settings = settings(&["/bin/{address}", argument], "www");
            assert_eq!(settings.arguments("2001:db8::1".parse().unwrap()), [want]);
            assert_eq!(
                settings.program(),
                Path::new("/bin/{address}"),
                "the program is never made up"
            );
        }
    }

    #[test]
    fn a_value_is_not_read_for_words_once_more() {
        let settings = settings(&["/bin/x", "{service}"], "{address}");
        assert_eq!(settings.arguments("192.0.2.1".parse().unwrap()), ["{address}"]);
    }

    #[test]
    fn services_share_a_command_that_does_not_ask_for_them_and_always_its_pool() {
        let rows = [(["/bin/x", "{address}"], true), (["/bin/x", "{service}"], false)];
        for (command, shared) in rows {
            let [one, other] = ["one", "other"].map(|service| settings(&command, service));
            assert_eq!(one == other, shared, "{command:?}");
            assert_eq!(one.pool(), other.pool());
        }
    }
}
