//! The words for rcodes.

use hickory_proto::op::ResponseCode;

/// The rcodes with a word of their own. Source: the registry of DNS rcodes at IANA.
pub(crate) const RCODES: [(&str, ResponseCode); 11] = [
    ("NOERROR", ResponseCode::NoError),
    ("FORMERR", ResponseCode::FormErr),
    ("SERVFAIL", ResponseCode::ServFail),
    ("NXDOMAIN", ResponseCode::NXDomain),
    ("NOTIMP", ResponseCode::NotImp),
    ("REFUSED", ResponseCode::Refused),
    ("YXDOMAIN", ResponseCode::YXDomain),
    ("YXRRSET", ResponseCode::YXRRSet),
    ("NXRRSET", ResponseCode::NXRRSet),
    ("NOTAUTH", ResponseCode::NotAuth),
    ("NOTZONE", ResponseCode::NotZone),
];

/// Returns the word for an rcode.
pub(crate) fn rcode_word(code: ResponseCode) -> String {
    let found = RCODES.iter().find(|(_, other)| *other == code);
    found.map_or_else(|| format!("RCODE{}", u16::from(code)), |(word, _)| (*word).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_rcode_without_a_word_is_a_number() {
        assert_eq!(rcode_word(ResponseCode::from(0, 9)), "NOTAUTH");
        assert_eq!(rcode_word(ResponseCode::from(1, 7)), "RCODE23");
    }
}
