//! `type = "tcp"`: TCP connects.

use super::{Asker, CheckContext, CheckKeys, CheckMethod, CheckQuestion, HOME, ParsedKeys};
use crate::config::field::{Field, FieldReader};
use crate::config::in_force::ValueInForce;
use crate::config::keys::Key;
use crate::config::rule;

/// The values of a check by TCP connects.
pub(super) struct ConnectKeys {
    port: Field<u16>,
}

impl ParsedKeys for ConnectKeys {
    const KEYS: &'static [Key] = &[Key::new("port")];

    fn parse(values: &mut FieldReader<'_>) -> Self {
        Self { port: values.one(HOME, "port", rule::port) }
    }
}

impl CheckKeys for ConnectKeys {
    fn validate(&self, check: &mut CheckContext<'_, '_>) {
        if self.port.is_absent() {
            check.refuse_missing("port", "the TCP port, an integer from 1 to 65535");
        }
    }

    fn question(&self, _: &Asker<'_>, _: &mut CheckContext<'_, '_>) -> Option<CheckQuestion> {
        let port = self.port.value().copied()?;
        let method = CheckMethod::Connect(port);
        let values = vec![ValueInForce::new("port", port.to_string(), self.port.spot())];
        Some(CheckQuestion { words: method.in_words(), method, values })
    }
}
