//! Checks: how the addresses of a service are asked. `check`, `checks` and `require` at the top of the
//! file and in a service, and `[check.NAME]`.
//!
//! A type of check is a file below this one with a type that implements [`CheckKeys`], and a line in
//! [`CHECK_TYPES`].
//!
//! - `icmp`, `tcp`, `http`, `exec`, `dns`: the types, each with its keys
//! - `parsed`: a check in the file; `selection`: the keys that choose checks
//! - `building`: the checks of a service, from both; `canary`: the canaries
//! - `config`: the checks of a service, as the agent has them

mod building;
mod canary;
mod config;
mod dns;
mod exec;
mod http;
mod icmp;
mod parsed;
mod selection;
mod tcp;
#[cfg(test)]
mod tests;

use crate::config::field::FieldReader;
use crate::config::in_force::ValueInForce;
use crate::config::keys::{Key, Section};
use crate::config::problem::Spot;
use crate::config::section::SectionContext;

pub(super) use building::{BuiltChecks, CheckLayers};
pub(super) use canary::{ParsedCanary, canaries, list as canary_list};
pub(super) use config::nth_of;
pub(crate) use config::{CanaryConfig, CheckConfig, CheckMethod};
pub(super) use parsed::{ParsedCheck, ParsedChecks, group};
pub(super) use selection::{ChosenChecks, KEYS};

/// The name of the group of tables, and of the key that has one check.
pub(super) const GROUP: &str = "check";

/// The section under which the keys of a check are kept.
const HOME: Section = Section::new(GROUP);

/// One type of check.
#[derive(Clone, Copy)]
pub(crate) struct CheckType {
    /// The value of `type`.
    word: &'static str,
    /// Its keys, besides those of every check.
    keys: &'static [Key],
    /// Takes the values of these keys out of a table.
    parse: fn(&mut FieldReader<'_>) -> Box<dyn CheckKeys>,
}

impl CheckType {
    /// Returns the type of check with the keys `K`.
    const fn new<K: CheckKeys + ParsedKeys + 'static>(word: &'static str) -> Self {
        Self { word, keys: K::KEYS, parse: |values| Box::new(K::parse(values)) }
    }
}

/// All types of checks, in the order of their documentation.
pub(super) const CHECK_TYPES: [CheckType; 6] = [
    CheckType::new::<icmp::EchoKeys>("icmp"),
    CheckType::new::<tcp::ConnectKeys>("tcp"),
    CheckType::new::<http::PlainKeys>("http"),
    CheckType::new::<http::EncryptedKeys>("https"),
    CheckType::new::<exec::ExecKeys>("exec"),
    CheckType::new::<dns::DnsKeys>("dns"),
];

/// The keys of a type of check, as they are taken out of a table.
trait ParsedKeys: Sized {
    /// The keys, besides those of every check.
    const KEYS: &'static [Key];

    /// Takes the values out of a table, each validated alone.
    fn parse(values: &mut FieldReader<'_>) -> Self;
}

/// The values of a check, validated alone.
trait CheckKeys {
    /// Validates the values together. It is called once, also for a check that nothing uses.
    fn validate(&self, check: &mut CheckContext<'_, '_>);

    /// Returns the question to an address. A refused value is replaced by its default, and the settings
    /// are then discarded. `None` if a value that has no default is missing.
    fn question(
        &self,
        asker: &Asker<'_>,
        check: &mut CheckContext<'_, '_>,
    ) -> Option<CheckQuestion>;
}

/// The surroundings in which the values of a check are validated together.
struct CheckContext<'c, 'f> {
    /// The place of the check, where it has a header or is a value.
    spot: &'c Spot,
    /// The surroundings of the file.
    file: &'c mut SectionContext<'f>,
}

impl CheckContext<'_, '_> {
    /// Returns the place of an absent key.
    fn missing(&self, key: &str) -> Spot {
        let key = format!("{}.{key}", self.spot.key);
        self.spot.line.map_or_else(|| Spot::missing(&key), |line| Spot::line(line, &key))
    }

    /// Refuses a value.
    fn refuse(&mut self, spot: &Spot, what: impl Into<String>) {
        self.file.report.refuse(spot, what);
    }

    /// Refuses a check without a key.
    fn refuse_missing(&mut self, key: &str, what: &str) {
        let spot = self.missing(key);
        self.refuse(&spot, format!("missing; {what}"));
    }
}

/// The user of a check: a service, or the agent with its canaries.
struct Asker<'a> {
    /// The name of the service; `None` for a canary.
    service: Option<&'a str>,
    /// The first host name of the service that is no wildcard.
    host: Option<&'a str>,
}

impl<'a> Asker<'a> {
    /// Returns a service with these owner names.
    fn service(name: &'a str, names: &'a [String]) -> Self {
        let host = names.iter().find(|name| !name.starts_with('*')).map(String::as_str);
        Self { service: Some(name), host }
    }

    /// Returns the agent, which asks its canaries.
    fn canary() -> Self {
        Self { service: None, host: None }
    }

    /// Returns the host name, and refuses a check without `key` if there is none.
    fn host(&self, key: &str, check: &mut CheckContext<'_, '_>) -> Option<&'a str> {
        if self.host.is_none() {
            let why = self.why_no_host();
            check.refuse_missing(key, &format!("a name such as \"www.example.com\": {why}"));
        }
        self.host
    }

    /// Returns the reason why there is no host name.
    fn why_no_host(&self) -> String {
        match self.service {
            Some(name) => format!("all host names of service {name} are wildcards"),
            None => "a canary belongs to no service".to_owned(),
        }
    }
}

/// The question to an address.
struct CheckQuestion {
    /// How it is asked.
    method: CheckMethod,
    /// Description, as in `by echo requests`.
    words: String,
    /// The values in force of the keys of its type.
    values: Vec<ValueInForce>,
}
