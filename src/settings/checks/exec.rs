//! `type = "exec"`: a command of the operator's.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use crate::config::field::{At, Field, FieldReader, List};
use crate::config::in_force::ValueInForce;
use crate::config::keys::{Key, nearest};
use crate::config::rule::{self, integer, text};
use crate::config::value::{Value, as_text};
use crate::probe::exec::account::UserAccount;
use crate::probe::exec::refusals::refusal;
use crate::probe::exec::settings::{DEFAULT_MAX_RUNNING, ExecSettings, Replaced};
use crate::probe::requests::RequestSettings;
use crate::text::{disclosure, without_line_breaks};

use super::{Asker, CheckContext, CheckKeys, CheckMethod, CheckQuestion, HOME, ParsedKeys};

/// An example of a command.
const COMMAND: &str = "[\"/usr/lib/nagios/plugins/check_smtp\", \"-H\", \"{address}\"]";

/// The words in braces that a command may have, which are replaced for each target.
const PLACEHOLDERS: [&str; 4] = ["address", "service", "host", "port"];

/// Maximum number of arguments, and of the bytes of one.
const LARGEST: (usize, usize) = (256, 4096);

/// The values of a check by a command.
pub(super) struct ExecKeys {
    command: List<String>,
    user: Field<String>,
    max_running: Field<u32>,
    port: Field<u16>,
}

impl ParsedKeys for ExecKeys {
    const KEYS: &'static [Key] =
        &[Key::new("command"), Key::new("user"), Key::new("max_running"), Key::new("port")];

    fn parse(values: &mut FieldReader<'_>) -> Self {
        Self {
            command: values.each(HOME, "command", COMMAND, argument),
            user: values.one(HOME, "user", text("the name of a user of this machine", user)),
            max_running: values.one(HOME, "max_running", integer(1, 1000)),
            port: values.one(HOME, "port", rule::port),
        }
    }
}

impl CheckKeys for ExecKeys {
    fn validate(&self, check: &mut CheckContext<'_, '_>) {
        if self.command.is_absent() {
            check.refuse_missing(
                "command",
                &format!("a list with a program and its arguments, such as {COMMAND}"),
            );
        }
        if let Some(at) = self.command.present() {
            match at.value.split_first() {
                None => {
                    check.refuse(&at.spot, format!("[] is not allowed; a list, such as {COMMAND}"));
                }
                Some(_) if at.value.len() > LARGEST.0 => {
                    check.refuse(&at.spot, format!("at most {} arguments", LARGEST.0 - 1));
                }
                Some((program, arguments)) => {
                    self.validate_program(program, check);
                    self.validate_arguments(program, arguments, check);
                }
            }
        }
    }

    fn question(
        &self,
        asker: &Asker<'_>,
        check: &mut CheckContext<'_, '_>,
    ) -> Option<CheckQuestion> {
        let spot = self.command.spot()?;
        if asker.host.is_none() && self.has("host") {
            check.refuse(spot, format!("{{host}} is not known: {}", asker.why_no_host()));
            return None;
        }
        if asker.service.is_none() && self.has("service") {
            check.refuse(spot, "{service} is not known: a canary belongs to no service");
            return None;
        }
        let values = Replaced {
            service: asker.service.map(str::to_owned),
            host: asker.host.map(str::to_owned),
            port: self.port.value().copied(),
        };
        // An unknown user was refused.
        let user = self.user.value().and_then(|user| UserAccount::find(user).ok());
        let settings = ExecSettings::new(self.command()?, values, user, self.max_running());
        let method = CheckMethod::Request(Arc::new(RequestSettings::Exec(settings)));
        Some(CheckQuestion { method, words: self.in_words(), values: self.values() })
    }
}

impl ExecKeys {
    /// Refuses a program that is not named by its absolute path, or that others may change.
    fn validate_program(&self, program: &At<String>, check: &mut CheckContext<'_, '_>) {
        if !program.value.starts_with('/') {
            let what = format!(
                "{} is not allowed; the absolute path of a program, which is started without a shell",
                program.shown
            );
            check.refuse(&program.spot, what);
        } else if placeholders(&program.value).next().is_some() {
            let what =
                "the same program is started for all targets; placeholders stand in its arguments";
            check.refuse(&program.spot, what);
        } else {
            self.validate_on_this_machine(program, check);
        }
    }

    /// Refuses a user that this machine does not have, and a program that others may change.
    fn validate_on_this_machine(&self, program: &At<String>, check: &mut CheckContext<'_, '_>) {
        let account = match self.user.present() {
            // A user that was refused is no reason to refuse the program.
            None if self.user.is_refused() => return,
            None => None,
            Some(at) => match UserAccount::find(&at.value) {
                Ok(account) => Some(account),
                Err(why) => return check.refuse(&at.spot, why),
            },
        };
        let Some(command) = self.command() else { return };
        if let Some(why) = refusal(&command, account.as_ref()) {
            let is_line = program.value.contains(' ') && !Path::new(&program.value).exists();
            let hint = if is_line { "; each argument is an item of its own" } else { "" };
            check.refuse(&program.spot, format!("{}{hint}", without_line_breaks(&why)));
        }
    }

    /// Returns the command; `None` if it is missing or was refused.
    fn command(&self) -> Option<Vec<String>> {
        let command: Vec<String> = self.command.items().iter().map(|at| at.value.clone()).collect();
        (!command.is_empty()).then_some(command)
    }

    fn max_running(&self) -> NonZeroU32 {
        let given = self.max_running.value().copied();
        given.and_then(NonZeroU32::new).unwrap_or(DEFAULT_MAX_RUNNING)
    }

    /// Refuses unknown placeholders, and the port where none is given.
    fn validate_arguments(
        &self,
        program: &At<String>,
        arguments: &[At<String>],
        check: &mut CheckContext<'_, '_>,
    ) {
        for argument in arguments {
            for name in placeholders(&argument.value) {
                let braced = format!("{{{name}}}");
                if name == "port" && self.port.is_absent() {
                    check.refuse(&argument.spot, "{port} is not known: give port");
                } else if !PLACEHOLDERS.contains(&name) {
                    // Other words in braces are left as they are, such as those of a template.
                    if let Some(near) = nearest(name, PLACEHOLDERS.into_iter()) {
                        let what = format!("{braced} is not replaced; did you mean {{{near}}}?");
                        check.refuse(&argument.spot, what);
                    }
                }
            }
        }
        if let Some(at) = self.port.present().filter(|_| !self.has("port")) {
            check.refuse(&at.spot, "not used: no argument of command has {port}");
        }
        if !self.has("address") {
            let what = "has no {address}: it gives the same answer about every target";
            check.file.report.warn(&program.spot, what);
        }
    }

    /// Whether an argument has this placeholder.
    fn has(&self, placeholder: &str) -> bool {
        let mut arguments = self.command.items().iter().skip(1);
        arguments.any(|at| placeholders(&at.value).any(|name| name == placeholder))
    }

    /// Returns the values in force.
    fn values(&self) -> Vec<ValueInForce> {
        let most = self.max_running().to_string();
        let user = self.user.or("the agent's own".to_owned());
        let mut values = vec![
            ValueInForce::new("command", self.command_in_words(), self.command.spot()),
            ValueInForce::new("user", user, self.user.spot()),
            ValueInForce::new("max_running", most, self.max_running.spot()),
        ];
        if let Some(at) = self.port.present() {
            values.push(ValueInForce::new("port", at.value.to_string(), Some(&at.spot)));
        }
        values
    }

    /// Returns the command with its arguments, without any that may be a secret.
    fn command_in_words(&self) -> String {
        let words = self.command.items().iter().map(|at| {
            let text = &at.value;
            let is_secret = !text.starts_with('/') && disclosure::may_be_secret(text);
            let text = if is_secret { disclosure::hidden(text) } else { disclosure::shown(text) };
            if text.contains(' ') || text.is_empty() { format!("\"{text}\"") } else { text }
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// Describes the check.
    fn in_words(&self) -> String {
        let user = self.user.value().map(|user| format!(" as {user}")).unwrap_or_default();
        let most = self.max_running();
        format!("by the command {}{user}, at most {most} at once", self.command_in_words())
    }
}

/// Returns the words in braces, of lower-case letters, in an argument.
fn placeholders(argument: &str) -> impl Iterator<Item = &str> {
    argument.split('{').skip(1).filter_map(|rest| {
        let (name, _) = rest.split_once('}')?;
        let is_word = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
        is_word.then_some(name)
    })
}

/// Reads a program or an argument.
fn argument(value: &Value) -> Result<String, String> {
    let allowed = "a text without NUL, of 4096 bytes at most";
    let text = as_text(value).filter(|text| text.len() <= LARGEST.1 && !text.contains('\0'));
    Ok(text.ok_or(allowed)?.to_owned())
}

/// Reads the name of a user.
fn user(name: &str) -> Option<String> {
    let fits = (1..=64).contains(&name.len()) && !name.starts_with('-');
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.$".contains(&byte));
    (fits && is_name).then(|| name.to_owned())
}
