//! `type = "dns"`: a query to a target that is a name server.

use std::sync::Arc;

use crate::config::field::{Field, FieldReader, not_allowed};
use crate::config::in_force::ValueInForce;
use crate::config::keys::Key;
use crate::config::names;
use crate::config::rule::{self, text};
use crate::config::value::{Value, as_text};
use crate::probe::dns::settings::{
    DEFAULT_PORT, DnsSettings, DnsTransport, WantedRecord, parse_query, parse_rcode, parse_type,
};
use crate::probe::requests::RequestSettings;
use crate::text::disclosure;

use super::{Asker, CheckContext, CheckKeys, CheckMethod, CheckQuestion, HOME, ParsedKeys};

/// The values of a check by a query.
pub(super) struct DnsKeys {
    query: Field<String>,
    query_type: Field<String>,
    rcode: Field<String>,
    answer: Field<String>,
    port: Field<u16>,
    transport: Field<DnsTransport>,
}

/// Description of the types of records.
const TYPES: &str =
    "a type of records, such as \"A\", \"AAAA\", \"MX\", \"NS\", \"SOA\" or \"TXT\"";

/// Description of the rcodes.
const RCODES: &str = "an rcode: \"NOERROR\", \"NXDOMAIN\", \"REFUSED\", \"SERVFAIL\", \"NOTIMP\", \"FORMERR\" or \"NOTAUTH\"";

impl ParsedKeys for DnsKeys {
    const KEYS: &'static [Key] = &[
        Key::new("query"),
        Key::new("query_type"),
        Key::new("rcode"),
        Key::new("answer"),
        Key::new("port"),
        Key::new("transport"),
    ];

    fn parse(values: &mut FieldReader<'_>) -> Self {
        Self {
            query: values.one(HOME, "query", name),
            query_type: values.one(HOME, "query_type", text(TYPES, query_type)),
            rcode: values.one(HOME, "rcode", text(RCODES, rcode)),
            answer: values.one(HOME, "answer", text("the data of a record, in quotes", answer)),
            port: values.one(HOME, "port", rule::port),
            transport: values.one(HOME, "transport", text("\"udp\" or \"tcp\"", transport)),
        }
    }
}

impl CheckKeys for DnsKeys {
    fn validate(&self, check: &mut CheckContext<'_, '_>) {
        let Some(answer) = self.answer.present() else { return };
        if let Some(rcode) = self.rcode.present().filter(|at| at.value != "NOERROR") {
            let what = format!("not used with rcode = {}, where there is no answer", rcode.shown);
            check.refuse(&answer.spot, what);
        }
        let kind = self.query_type.or("A".to_owned());
        let fits =
            parse_type(&kind).is_ok_and(|kind| WantedRecord::parse(&answer.value, kind).is_ok());
        if !fits && !self.query_type.is_refused() {
            let allowed = match kind.as_str() {
                "A" => "an IPv4 address, as query_type is A",
                "AAAA" => "an IPv6 address, as query_type is AAAA",
                _ => "the data of a record of that type",
            };
            check.refuse(&answer.spot, not_allowed(&answer.shown, allowed));
        }
    }

    fn question(
        &self,
        asker: &Asker<'_>,
        check: &mut CheckContext<'_, '_>,
    ) -> Option<CheckQuestion> {
        let query = match self.query.value() {
            Some(query) => query.clone(),
            None => asker.host("query", check)?.to_owned(),
        };
        let kind = parse_type(&self.query_type.or("A".to_owned())).ok()?;
        let answer = self.answer.value().map(|answer| WantedRecord::parse(answer, kind));
        let settings = DnsSettings {
            query: parse_query(&query).ok()?,
            query_type: kind,
            rcode: parse_rcode(&self.rcode.or("NOERROR".to_owned())).ok()?,
            answer: answer.and_then(Result::ok),
            port: self.port.or(DEFAULT_PORT),
            transport: self.transport.value().copied().unwrap_or_default(),
        };
        let method = CheckMethod::Request(Arc::new(RequestSettings::Dns(settings)));
        Some(CheckQuestion { method, words: self.in_words(&query), values: self.values(query) })
    }
}

impl DnsKeys {
    /// Describes the check of a name.
    fn in_words(&self, query: &str) -> String {
        let answer =
            self.answer.value().map(|answer| format!(" with {}", disclosure::shown(answer)));
        format!(
            "by DNS queries for {} of {query} by {} to port {}, wanted {}{}",
            self.query_type.or("A".to_owned()),
            self.transport().to_ascii_uppercase(),
            self.port.or(DEFAULT_PORT),
            self.rcode.or("NOERROR".to_owned()),
            answer.unwrap_or_default(),
        )
    }

    /// Returns the word of the transport.
    fn transport(&self) -> &'static str {
        let given = self.transport.value().copied().unwrap_or_default();
        let found = DnsTransport::WORDS.iter().find(|(_, transport)| *transport == given);
        found.map_or("udp", |(word, _)| word)
    }

    /// Returns the values in force.
    fn values(&self, query: String) -> Vec<ValueInForce> {
        let (kind, rcode) =
            (self.query_type.or("A".to_owned()), self.rcode.or("NOERROR".to_owned()));
        let (answer, port) = (self.answer.or("none".to_owned()), self.port.or(DEFAULT_PORT));
        vec![
            ValueInForce::new("query", query, self.query.spot()),
            ValueInForce::new("query_type", kind, self.query_type.spot()),
            ValueInForce::new("rcode", rcode, self.rcode.spot()),
            ValueInForce::new("answer", answer, self.answer.spot()),
            ValueInForce::new("port", port.to_string(), self.port.spot()),
            ValueInForce::new("transport", self.transport().to_owned(), self.transport.spot()),
        ]
    }
}

/// Reads the name that is asked for: a whole name, or `.` for the root.
fn name(value: &Value) -> Result<String, String> {
    match as_text(value) {
        Some(".") => Ok(".".to_owned()),
        Some(name) if name.starts_with("*.") => {
            Err("a wildcard is no name to ask for; give one of the names that it stands for"
                .to_owned())
        }
        _ => names::domain(value),
    }
}

fn answer(text: &str) -> Option<String> {
    let fits = (1..=255).contains(&text.len()) && !text.contains(char::is_control);
    fits.then(|| text.to_owned())
}

fn query_type(text: &str) -> Option<String> {
    parse_type(text).is_ok().then(|| text.to_ascii_uppercase())
}

fn rcode(text: &str) -> Option<String> {
    parse_rcode(text).is_ok().then(|| text.to_ascii_uppercase())
}

fn transport(text: &str) -> Option<DnsTransport> {
    let found = DnsTransport::WORDS.iter().find(|(word, _)| *word == text);
    found.map(|(_, transport)| *transport)
}
