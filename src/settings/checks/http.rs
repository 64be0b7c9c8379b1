//! `type = "http"` and `type = "https"`: requests to the address of a target, for the host name of its
//! service.
//!
//! - `rules`: the values of a request; `headers`: `headers` and `header_files`
//! - `tls`: the keys of https alone, and their files
//! - `words`: the description

mod headers;
mod rules;
mod tls;
mod words;

use std::sync::Arc;

use self::headers::HeaderKeys;
use self::tls::TlsKeys;
use super::{Asker, CheckContext, CheckKeys, CheckMethod, CheckQuestion, HOME, ParsedKeys};
use crate::config::field::{Field, FieldReader, List};
use crate::config::keys::Key;
use crate::config::rule::{self, integer, text};
use crate::config::value::{Value, as_text};
use crate::probe::http::{
    BodyConditions, BodyPattern, DEFAULT_MAX_BODY, DEFAULT_STATUS, HttpMethod, HttpSettings,
    StatusRange, StatusRanges,
};
use crate::probe::requests::RequestSettings;

/// Maximum of `max_body` in bytes: 16 MiB.
const LARGEST_BODY: i64 = 16 * 1024 * 1024;

/// The values of a request, plain or encrypted.
struct RequestKeys {
    port: Field<u16>,
    host: Field<String>,
    path: Field<String>,
    method: Field<HttpMethod>,
    status: List<StatusRange>,
    drain_status: List<StatusRange>,
    body: Field<String>,
    body_not: Field<String>,
    body_regex: Field<BodyPattern>,
    max_body: Field<usize>,
    headers: HeaderKeys,
}

/// The values of `type = "http"`.
pub(super) struct PlainKeys {
    request: RequestKeys,
}

/// The values of `type = "https"`.
pub(super) struct EncryptedKeys {
    request: RequestKeys,
    tls: TlsKeys,
}

/// The keys of both types.
macro_rules! keys {
    ($($more:expr),*) => {
        &[
            Key::new("port"),
            Key::new("host"),
            Key::new("path"),
            Key::new("method"),
            Key::new("status"),
            Key::new("drain_status"),
            Key::new("body"),
            Key::new("body_not"),
            Key::new("body_regex"),
            Key::new("max_body"),
            Key::new("headers").secret().table(),
            Key::new("header_files").table(),
            $($more),*
        ]
    };
}

impl ParsedKeys for PlainKeys {
    const KEYS: &'static [Key] = keys!();

    fn parse(values: &mut FieldReader<'_>) -> Self {
        Self { request: RequestKeys::parse(values) }
    }
}

impl ParsedKeys for EncryptedKeys {
    const KEYS: &'static [Key] = keys!(
        Key::new("tls"),
        Key::new("ca_file"),
        Key::new("client_cert"),
        Key::new("client_key"),
        Key::new("cert_days")
    );

    fn parse(values: &mut FieldReader<'_>) -> Self {
        Self { request: RequestKeys::parse(values), tls: TlsKeys::parse(values) }
    }
}

impl RequestKeys {
    /// Takes the values out of a table.
    fn parse(values: &mut FieldReader<'_>) -> Self {
        Self {
            port: values.one(HOME, "port", rule::port),
            host: values.one(HOME, "host", rules::host),
            path: values.one(HOME, "path", rules::path),
            method: values.one(HOME, "method", text("\"GET\" or \"HEAD\"", method)),
            status: values.each(HOME, "status", "[\"200-299\"]", rules::statuses),
            drain_status: values.each(HOME, "drain_status", "[503]", rules::statuses),
            body: values.one(HOME, "body", part_of_body),
            body_not: values.one(HOME, "body_not", part_of_body),
            body_regex: values.one(HOME, "body_regex", expression),
            max_body: values.one(HOME, "max_body", integer(1, LARGEST_BODY)),
            headers: HeaderKeys::parse(values),
        }
    }

    /// Validates the values together.
    fn validate(&self, check: &mut CheckContext<'_, '_>) {
        self.headers.validate(check);
        for (list, key) in [(&self.status, "status"), (&self.drain_status, "drain_status")] {
            if let Some(at) = list.present().filter(|at| at.value.is_empty()) {
                check.refuse(
                    &at.spot,
                    format!("[] is not allowed; a list with at least one status, or no {key}"),
                );
            }
        }
        self.refuse_shared_statuses(check);
        self.refuse_bodies(check);
    }

    /// Refuses a status that means both an answer as asked for and a wish to be taken out.
    fn refuse_shared_statuses(&self, check: &mut CheckContext<'_, '_>) {
        let wanted = self.wanted();
        for drain in self.drain_status.items() {
            if wanted.0.iter().any(|wanted| wanted.overlaps(drain.value)) {
                let what = format!(
                    "{} is in status too ({wanted}); one status has one meaning",
                    drain.shown,
                );
                check.refuse(&drain.spot, what);
            }
        }
    }

    /// Refuses rules for a body that no body can follow.
    fn refuse_bodies(&self, check: &mut CheckContext<'_, '_>) {
        let spots = [self.body.spot(), self.body_not.spot(), self.body_regex.spot()];
        if self.method.value() == Some(&HttpMethod::Head) {
            for spot in spots.into_iter().flatten().chain(self.max_body.spot()) {
                check.refuse(spot, "the answer to HEAD has no body; method = \"GET\" has one");
            }
        }
        let most = self.max_body.or(DEFAULT_MAX_BODY);
        if let Some(at) = self.body.present().filter(|at| at.value.len() > most) {
            let what = format!(
                "a text of {} bytes is never found in the first {most} bytes, which are looked at \
                 (max_body)",
                at.value.len(),
            );
            check.refuse(&at.spot, what);
        }
        if let (Some(body), Some(not)) = (self.body.present(), self.body_not.present())
            && body.value.contains(&not.value)
        {
            let what =
                format!("{} is part of body, {}; no answer fits both", not.shown, body.shown);
            check.refuse(&not.spot, what);
        }
    }

    /// Returns the question to an address. `tls` has the keys of https.
    fn question(
        &self,
        tls: Option<&TlsKeys>,
        asker: &Asker<'_>,
        check: &mut CheckContext<'_, '_>,
    ) -> Option<CheckQuestion> {
        let host = match self.host.value() {
            Some(host) => host.clone(),
            None => asker.host("host", check)?.to_owned(),
        };
        let port = self.port.or(HttpSettings::default_port(tls.is_some()));
        let settings = HttpSettings {
            path: self.path.or("/".to_owned()),
            method: self.method.or(HttpMethod::Get),
            status: self.wanted(),
            drain_status: ranges(&self.drain_status),
            body: BodyConditions {
                contains: self.body.value().cloned(),
                lacks: self.body_not.value().cloned(),
                matches: self.body_regex.value().cloned(),
                max: self.max_body.or(DEFAULT_MAX_BODY),
            },
            headers: self.headers.headers(check),
            ..HttpSettings::new(host, port, tls.map(|tls| tls.settings(check)))
        };
        let mut values = words::values(self, &settings);
        values.extend(tls.into_iter().flat_map(TlsKeys::values));
        let words = words::in_words(&settings);
        let method = CheckMethod::Request(Arc::new(RequestSettings::Http(settings)));
        Some(CheckQuestion { method, words, values })
    }

    /// Returns the wanted statuses.
    fn wanted(&self) -> StatusRanges {
        let given = ranges(&self.status);
        if given.0.is_empty() { StatusRanges(vec![DEFAULT_STATUS]) } else { given }
    }
}

impl CheckKeys for PlainKeys {
    fn validate(&self, check: &mut CheckContext<'_, '_>) {
        self.request.validate(check);
        self.request.headers.warn_of_open_secrets(check);
    }

    fn question(
        &self,
        asker: &Asker<'_>,
        check: &mut CheckContext<'_, '_>,
    ) -> Option<CheckQuestion> {
        self.request.question(None, asker, check)
    }
}

impl CheckKeys for EncryptedKeys {
    fn validate(&self, check: &mut CheckContext<'_, '_>) {
        self.request.validate(check);
        self.tls.validate(check);
    }

    fn question(
        &self,
        asker: &Asker<'_>,
        check: &mut CheckContext<'_, '_>,
    ) -> Option<CheckQuestion> {
        self.request.question(Some(&self.tls), asker, check)
    }
}

fn ranges(list: &List<StatusRange>) -> StatusRanges {
    StatusRanges(list.items().iter().map(|at| at.value).collect())
}

fn method(text: &str) -> Option<HttpMethod> {
    match text {
        "GET" => Some(HttpMethod::Get),
        "HEAD" => Some(HttpMethod::Head),
        _ => None,
    }
}

/// Reads a text that is looked for in a body.
fn part_of_body(value: &Value) -> Result<String, String> {
    let allowed = "a text of at least one character, which is looked for in the body";
    let text = as_text(value).filter(|text| !text.is_empty()).ok_or(allowed)?;
    Ok(text.to_owned())
}

/// Reads an expression that is looked for in a body.
fn expression(value: &Value) -> Result<BodyPattern, String> {
    let allowed = "a regular expression, such as \"ready: (yes|true)\"";
    let text = as_text(value).filter(|text| !text.is_empty()).ok_or(allowed)?;
    BodyPattern::new(text).map_err(|why| format!("{allowed}; {why}"))
}
