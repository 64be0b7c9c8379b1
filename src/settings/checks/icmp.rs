//! `type = "icmp"`: echo requests.

use super::{Asker, CheckContext, CheckKeys, CheckMethod, CheckQuestion, HOME, ParsedKeys};
use crate::config::field::{Field, FieldReader};
use crate::config::keys::Key;
use crate::config::rule;

/// The values of a check by echo requests.
pub(super) struct EchoKeys {
    port: Field<u16>,
}

impl ParsedKeys for EchoKeys {
    // A port is the usual mistake, and has words of its own.
    const KEYS: &'static [Key] = &[Key::new("port")];

    fn parse(values: &mut FieldReader<'_>) -> Self {
        Self { port: values.one(HOME, "port", rule::port) }
    }
}

impl CheckKeys for EchoKeys {
    fn validate(&self, check: &mut CheckContext<'_, '_>) {
        if let Some(at) = self.port.present() {
            check.refuse(&at.spot, "an echo request has no port; type = \"tcp\" has one");
        }
    }

    fn question(&self, _: &Asker<'_>, _: &mut CheckContext<'_, '_>) -> Option<CheckQuestion> {
        let method = CheckMethod::Echo;
        Some(CheckQuestion { words: method.in_words(), method, values: Vec::new() })
    }
}
