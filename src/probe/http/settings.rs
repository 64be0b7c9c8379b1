//! The settings of http and https checks.

use std::fmt;
use std::path::{Path, PathBuf};

use hyper::header::{
    self, ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use regex_lite::{Regex, RegexBuilder};

/// Default of `max_body` in bytes.
pub const DEFAULT_MAX_BODY: usize = 64 * 1024;

/// Default of `status`.
pub(crate) const DEFAULT_STATUS: StatusRange = StatusRange { first: 200, last: 299 };

/// Default of `cert_days`.
pub const DEFAULT_CERT_DAYS: u16 = 14;

/// Maximum size of a compiled expression in bytes. Together with `max_body` it bounds the time of a
/// search.
const LARGEST_PATTERN: usize = 128 * 1024;

/// The settings of an http or https check, with every default filled in. Equal settings are the same
/// request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpSettings {
    /// The port that is connected to.
    pub port: u16,
    /// The name in the `Host` header and the SNI: a host name, or an IP address without brackets.
    pub host: String,
    /// The path, with its query: `/healthz?deep=1`.
    pub path: String,
    /// The method of the request.
    pub method: HttpMethod,
    /// The status codes that are as asked for.
    pub status: StatusRanges,
    /// The status codes by which a target asks to be taken out of service.
    pub drain_status: StatusRanges,
    /// The conditions on the body.
    pub body: BodyConditions,
    /// Additional headers, in the order of the file.
    pub headers: Vec<RequestHeader>,
    /// The settings of TLS; `None` for http.
    pub tls: Option<TlsSettings>,
}

impl HttpSettings {
    /// Returns a `GET` of `/` that wants a status from 200 to 299.
    pub fn new(host: impl Into<String>, port: u16, tls: Option<TlsSettings>) -> Self {
        Self {
            port,
            host: host.into(),
            path: "/".to_owned(),
            method: HttpMethod::Get,
            status: StatusRanges(vec![DEFAULT_STATUS]),
            drain_status: StatusRanges::default(),
            body: BodyConditions::default(),
            headers: Vec::new(),
            tls,
        }
    }

    /// Returns the default port of http or https.
    pub const fn default_port(is_https: bool) -> u16 {
        if is_https { 443 } else { 80 }
    }

    /// Returns the value of the `Host` header: with the port unless it is the default one.
    pub fn authority(&self) -> String {
        let host = if self.host.parse::<std::net::Ipv6Addr>().is_ok() {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == Self::default_port(self.tls.is_some()) {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// Returns the URL that is asked for: `https://www.example.com/healthz`.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority(), self.path)
    }

    /// Returns the files that are read, each with the key that names it.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let headers = self.headers.iter().filter_map(|header| match &header.value {
            HeaderSource::File(path) => Some(("header_files", path.as_path())),
            HeaderSource::Value(_) => None,
        });
        let tls = self.tls.iter().flat_map(TlsSettings::files);
        headers.chain(tls)
    }

    /// Whether the body is compared with anything.
    pub(crate) fn wants_body(&self) -> bool {
        let BodyConditions { contains, lacks, matches, .. } = &self.body;
        contains.is_some() || lacks.is_some() || matches.is_some()
    }
}

/// The method of a request. Neither changes anything at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HttpMethod {
    /// `GET`: the answer has a body.
    Get,
    /// `HEAD`: the answer has none.
    Head,
}

/// A range of status codes, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatusRange {
    first: u16,
    last: u16,
}

impl StatusRange {
    /// Whether a status is in both ranges.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl std::str::FromStr for StatusRange {
    type Err = &'static str;

    /// Reads `200` or `200-299`.
    ///
    /// # Errors
    ///
    /// The rule, if the text is neither.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "must be a status from 100 to 599, or a range such as \"200-299\"";
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let [first, last] = [first.trim(), last.trim()].map(|code| match code.parse::<u16>() {
            Ok(code @ 100..=599) => Some(code),
            _ => None,
        });
        let (Some(first), Some(last)) = (first, last) else { return Err(RULE) };
        if first <= last { Ok(Self { first, last }) } else { Err(RULE) }
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            self.first.fmt(out)
        } else {
            write!(out, "{}-{}", self.first, self.last)
        }
    }
}

/// Status codes, as ranges.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct StatusRanges(pub Vec<StatusRange>);

impl StatusRanges {
    /// Whether `status` is one of them.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| (range.first..=range.last).contains(&status))
    }
}

impl fmt::Display for StatusRanges {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::text::join_or_none(&self.0, ", ").fmt(out)
    }
}

/// The conditions on a body. All of them have to hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BodyConditions {
    /// The text that has to be in it.
    pub contains: Option<String>,
    /// The text that may not be in it.
    pub lacks: Option<String>,
    /// The expression that has to match somewhere in it.
    pub matches: Option<BodyPattern>,
    /// The number of bytes after which it is cut and judged as far as it goes.
    pub max: usize,
}

impl Default for BodyConditions {
    fn default() -> Self {
        Self { contains: None, lacks: None, matches: None, max: DEFAULT_MAX_BODY }
    }
}

/// A regular expression that compiles.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BodyPattern(String);

impl BodyPattern {
    /// Checks an expression in the syntax of the `regex` crate.
    ///
    /// # Errors
    ///
    /// The reason why it does not compile.
    pub fn new(expression: impl Into<String>) -> Result<Self, String> {
        let pattern = Self(expression.into());
        pattern.compile().map(|_| pattern)
    }

    /// Returns the expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compiles the expression.
    pub(crate) fn compile(&self) -> Result<Regex, String> {
        let mut builder = RegexBuilder::new(&self.0);
        builder.size_limit(LARGEST_PATTERN).build().map_err(|error| error.to_string())
    }
}

/// An additional header of the request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestHeader {
    name: HeaderName,
    value: HeaderSource,
}

/// The source of a header's value. A value is not printed: it may be a password.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum HeaderSource {
    /// A value in the configuration.
    Value(HeaderValue),
    /// A file that has the value.
    File(PathBuf),
}

/// The headers that belong to the exchange itself, or have a key of their own.
const RESERVED: [HeaderName; 9] = [
    HOST,
    CONNECTION,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    ACCEPT_ENCODING,
    EXPECT,
    UPGRADE,
    TE,
    TRAILER,
];

impl RequestHeader {
    /// Returns a header with a value.
    ///
    /// # Errors
    ///
    /// The rule that the name or the value breaks. It does not quote the value.
    pub fn with_value(name: &str, value: &str) -> Result<Self, String> {
        Ok(Self { name: header_name(name)?, value: HeaderSource::Value(header_value(value)?) })
    }

    /// Returns a header whose value is the first line of a file.
    ///
    /// # Errors
    ///
    /// The rule that the name breaks.
    pub fn from_file(name: &str, path: impl Into<PathBuf>) -> Result<Self, String> {
        Ok(Self { name: header_name(name)?, value: HeaderSource::File(path.into()) })
    }

    /// Returns the name in lower case.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Returns the source of the value.
    pub(crate) fn source(&self) -> &HeaderSource {
        &self.value
    }
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    let Ok(name) = header::HeaderName::from_bytes(name.as_bytes()) else {
        return Err("is not the name of a header".to_owned());
    };
    if name == HOST {
        return Err("has a key of its own: `host`".to_owned());
    }
    if RESERVED.contains(&name) {
        return Err("belongs to the exchange itself and cannot be set".to_owned());
    }
    Ok(name)
}

/// Returns a header's value, which is printed nowhere.
pub(crate) fn header_value(value: &str) -> Result<HeaderValue, String> {
    let Ok(mut value) = HeaderValue::from_str(value) else {
        return Err("is not the value of a header: it has line breaks or other control characters"
            .to_owned());
    };
    value.set_sensitive(true);
    Ok(value)
}

/// The settings of TLS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TlsSettings {
    /// The extent to which the certificate is verified.
    pub verification: Verification,
    /// The certificate authorities to trust in place of the system's and the bundled ones.
    pub ca_file: Option<PathBuf>,
    /// The certificate that the request presents.
    pub client: Option<ClientFiles>,
    /// The number of days before the end of the certificate from which on there is a warning.
    pub cert_days: u16,
}

impl Default for TlsSettings {
    fn default() -> Self {
        let (verification, cert_days) = (Verification::Full, DEFAULT_CERT_DAYS);
        Self { verification, ca_file: None, client: None, cert_days }
    }
}

impl TlsSettings {
    fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let ca = self.ca_file.iter().map(|path| ("ca_file", path.as_path()));
        let client = self.client.iter().flat_map(|files| {
            [("client_cert", files.certificate.as_path()), ("client_key", files.key.as_path())]
        });
        ca.chain(client)
    }
}

/// The extent to which a certificate is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verification {
    /// The chain of issuers, the dates and the name: `verify`.
    Full,
    /// The chain of issuers and the dates, with any name: `chain`.
    Chain,
    /// Nothing is verified: `off`.
    Off,
}

/// The files of a client certificate, in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientFiles {
    /// The certificate, with the chain of its issuers.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

#[cfg(test)]
mod tests;
