//! Domain names in the canonical form, in which they can be compared.

/// Converts `name` to lower-case ASCII without the final dot, with labels beyond ASCII in Punycode
/// (RFC 5891).
///
/// A name without such a form is only converted to lower case: it is equal to itself and nothing
/// else.
pub(crate) fn canonical(name: &str) -> String {
    let bare = name.trim().trim_end_matches('.');
    idna::domain_to_ascii(bare).unwrap_or_else(|_| bare.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_dns_holds_for_the_same_are_the_same() {
        let cases = [
            ("as it is", "www.example.com", "www.example.com"),
            ("case says nothing", "WWW.Example.COM", "www.example.com"),
            ("the final dot says nothing", "www.example.com.", "www.example.com"),
            ("an IDN in Unicode", "www.bücher.example", "www.xn--bcher-kva.example"),
            ("an IDN in upper case", "www.BÜCHER.example", "www.xn--bcher-kva.example"),
            ("an IDN in Punycode", "www.xn--bcher-kva.example", "www.xn--bcher-kva.example"),
            ("underscores and wildcards stay", "*._tcp.example.com", "*._tcp.example.com"),
        ];
        for (name, given, want) in cases {
            assert_eq!(canonical(given), want, "{name}");
        }
    }
}
