//! The settings of dns checks, and the words of the configuration for them.

use std::net::IpAddr;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::dns::message::rcode::RCODES;

/// The port of name servers.
pub const DEFAULT_PORT: u16 = 53;

/// Types that are no questions to a name server, or are answered by a whole zone.
const NO_QUESTIONS: [RecordType; 5] =
    [RecordType::AXFR, RecordType::IXFR, RecordType::OPT, RecordType::TSIG, RecordType::ZERO];

/// The settings of a dns check, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DnsSettings {
    /// The name that is asked for, absolute.
    pub query: Name,
    /// The type of the records that are asked for.
    pub query_type: RecordType,
    /// The rcode of a good answer.
    pub rcode: ResponseCode,
    /// A record that a good answer has among its own of that type.
    pub answer: Option<WantedRecord>,
    /// The port of the name server.
    pub port: u16,
    /// How the query travels.
    pub transport: DnsTransport,
}

/// How a query travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DnsTransport {
    /// By UDP, and by TCP once more if the answer was truncated.
    #[default]
    Udp,
    /// By TCP alone.
    Tcp,
}

/// The content of a record, in the one form in which contents are compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WantedRecord(String);

impl DnsTransport {
    /// All transports, with their words in the configuration.
    pub const WORDS: [(&str, Self); 2] = [("udp", Self::Udp), ("tcp", Self::Tcp)];
}

impl WantedRecord {
    /// Reads the content of a record of this type, as zone files have it: `203.0.113.10`, `10
    /// mail.example.com`. Names may end in a dot. A text may be in quotes.
    ///
    /// # Errors
    ///
    /// Fails in words if no record of this type has such a content.
    pub fn parse(text: &str, query_type: RecordType) -> Result<Self, String> {
        let parsed: Option<IpAddr> = text.parse().ok();
        match (query_type, parsed) {
            (RecordType::A, Some(IpAddr::V4(address))) => Ok(Self(address.to_string())),
            (RecordType::A, _) => Err(format!("{text:?} is not an IPv4 address")),
            (RecordType::AAAA, Some(IpAddr::V6(address))) => Ok(Self(address.to_string())),
            (RecordType::AAAA, _) => Err(format!("{text:?} is not an IPv6 address")),
            (RecordType::TXT, _) => Ok(Self(unquoted(text))),
            _ => Ok(Self(comparable(text))),
        }
    }

    /// Whether a record has this content.
    pub(super) fn is_in(&self, record: &Record) -> bool {
        match &record.data {
            RData::A(_) | RData::AAAA(_) | RData::TXT(_) => record.data.to_string() == self.0,
            data => comparable(&data.to_string()) == self.0,
        }
    }
}

impl std::fmt::Display for WantedRecord {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(out)
    }
}

/// Returns a content in the form in which names are compared: without regard to case and final dots,
/// and with one space between its parts.
fn comparable(text: &str) -> String {
    let parts = text.split_whitespace().map(|part| match part.trim_end_matches('.') {
        "" => ".".to_owned(),
        part => part.to_ascii_lowercase(),
    });
    parts.collect::<Vec<_>>().join(" ")
}

/// Returns a text without the quotes around its parts: `"v=spf1 " "-all"` is `v=spf1 -all`. Between
/// quotes, a backslash takes the next character as it is.
fn unquoted(text: &str) -> String {
    if !text.trim_start().starts_with('"') {
        return text.to_owned();
    }
    let (mut out, mut inside, mut chars) = (String::new(), false, text.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => inside = !inside,
            '\\' if inside => out.extend(chars.next()),
            c if inside => out.push(c),
            _ => {}
        }
    }
    out
}

/// Reads a name that is asked for. It is absolute, with or without its final dot.
///
/// # Errors
///
/// Fails in words if it cannot be the name of a record.
pub fn parse_query(text: &str) -> Result<Name, String> {
    if text.is_empty() {
        return Err("is empty; the root is \".\"".to_owned());
    }
    let name = Name::from_utf8(text).map_err(|error| format!("{text:?} is not a name: {error}"))?;
    let mut name = name.to_lowercase();
    name.set_fqdn(true);
    Ok(name)
}

/// Reads the type of the records that are asked for, in any case.
///
/// # Errors
///
/// Fails in words if there is no such type, or a name server cannot be asked for it.
pub fn parse_type(text: &str) -> Result<RecordType, String> {
    let upper = text.to_ascii_uppercase();
    match upper.parse() {
        Ok(found) if !NO_QUESTIONS.contains(&found) => Ok(found),
        _ => {
            Err(format!("{text:?} is not a type of records that can be asked for, such as A or MX"))
        }
    }
}

/// Reads an rcode, in any case.
///
/// # Errors
///
/// Fails in words if there is no such rcode. They are listed.
pub fn parse_rcode(text: &str) -> Result<ResponseCode, String> {
    let found = RCODES.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
    found.map(|(_, code)| *code).ok_or_else(|| {
        let words = RCODES.map(|(word, _)| word).join(", ");
        format!("{text:?} is not an rcode; they are {words}")
    })
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::{A, CNAME, MX, TXT};

    use super::*;

    fn name(text: &str) -> Name {
        parse_query(text).unwrap()
    }

    #[test]
    fn contents_are_compared_as_their_type_wants_it() {
        let mx = RData::MX(MX::new(10, name("Mail.Example.com")));
        let cname = RData::CNAME(CNAME(name("Web.example.com.")));
        let txt = RData::TXT(TXT::new(vec!["v=spf1 ".to_owned(), "-ALL".to_owned()]));
        let a = RData::A(A::new(203, 0, 113, 10));
        let aaaa = RData::AAAA("2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().into());
        let rows = [
            (&a, "203.0.113.10", true),
            (&a, "203.0.113.1", false),
            (&aaaa, "2001:DB8:0::0001", true),
            (&mx, "10 mail.example.com", true),
            (&mx, "10  MAIL.example.com.", true),
            (&mx, "20 mail.example.com", false),
            (&mx, "mail.example.com", false),
            (&cname, "web.EXAMPLE.com", true),
            (&txt, "v=spf1 -ALL", true),
            (&txt, "\"v=spf1 \" \"-ALL\"", true),
            (&txt, "v=spf1 -all", false),
        ];
        for (data, text, want) in rows {
            let record = Record::from_rdata(name("www.example.com"), 60, data.clone());
            let wanted = WantedRecord::parse(text, record.record_type()).unwrap();
            assert_eq!(wanted.is_in(&record), want, "{text} in {data}");
        }
    }

    #[test]
    fn an_address_of_the_other_family_is_no_content() {
        for (text, query_type) in [
            ("2001:db8::1", RecordType::A),
            ("203.0.113.10", RecordType::AAAA),
            ("web", RecordType::A),
        ] {
            assert!(WantedRecord::parse(text, query_type).unwrap_err().contains(text));
        }
    }

    #[test]
    fn names_are_absolute_and_in_one_case() {
        for text in ["WWW.example.com", "www.Example.com."] {
            assert_eq!(name(text).to_string(), "www.example.com.");
        }
        assert_eq!(name("_dmarc.example.com").to_string(), "_dmarc.example.com.");
        assert_eq!(name("bücher.example").to_string(), "bücher.example.");
        assert!(name(".").is_root());
        for text in ["", "a..b", &"x".repeat(64), &["abcdefg"; 40].join(".")] {
            assert!(parse_query(text).is_err(), "{text}");
        }
    }

    #[test]
    fn types_and_rcodes_are_words_in_any_case() {
        assert_eq!(parse_type("aaaa"), Ok(RecordType::AAAA));
        for text in ["AXFR", "ixfr", "OPT", "", "AAAAA", "TYPE65"] {
            assert!(parse_type(text).is_err(), "{text}");
        }
        assert_eq!(parse_rcode("NXDomain"), Ok(ResponseCode::NXDomain));
        assert!(parse_rcode("OK").unwrap_err().contains("NOERROR, FORMERR"));
    }
}
