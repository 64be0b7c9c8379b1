use super::*;

#[test]
fn a_status_is_a_number_or_a_range() {
    for (text, first, last) in [("200", 200, 200), ("200-299", 200, 299), (" 301 - 302 ", 301, 302)]
    {
        assert_eq!(text.parse(), Ok(StatusRange { first, last }), "{text}");
    }
    for text in ["", "2xx", "-", "99", "600", "299-200", "200-", "-200", "200-299-300", "+200-x"] {
        assert!(text.parse::<StatusRange>().is_err(), "{text}");
    }
    let ranges = StatusRanges(["200-299", "401"].map(|text| text.parse().unwrap()).to_vec());
    assert_eq!(ranges.to_string(), "200-299, 401");
    let found = [199, 200, 299, 300, 401].map(|status| ranges.contains(status));
    assert_eq!(found, [false, true, true, false, true]);
}

#[test]
fn the_host_has_its_port_unless_it_is_the_default_one() {
    let rows = [
        ("www.example.com", 443, true, "https://www.example.com/"),
        ("www.example.com", 8443, true, "https://www.example.com:8443/"),
        ("www.example.com", 443, false, "http://www.example.com:443/"),
        ("www.example.com", 80, false, "http://www.example.com/"),
        ("2001:db8::1", 8080, false, "http://[2001:db8::1]:8080/"),
    ];
    for (host, port, is_https, url) in rows {
        let settings = HttpSettings::new(host, port, is_https.then(TlsSettings::default));
        assert_eq!(settings.url(), url);
    }
}

#[test]
fn no_secret_is_printed() {
    let mut settings = HttpSettings::new("www.example.com", 80, None);
    settings.headers = vec![
        RequestHeader::with_value("Authorization", "Bearer hunter2").unwrap(),
        RequestHeader::from_file("X-Key", "/run/key").unwrap(),
    ];
    let printed = format!("{settings:?}");
    assert!(printed.contains("authorization") && printed.contains("/run/key"), "{printed}");
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn headers_of_the_exchange_cannot_be_set() {
    for name in ["Host", "content-length", "Connection", "Accept-Encoding", "a b", ""] {
        assert!(RequestHeader::with_value(name, "x").is_err(), "{name}");
    }
    let refused = RequestHeader::with_value("X-Token", "hunter2\r\nX-Other: 1").unwrap_err();
    assert!(!refused.contains("hunter2"), "{refused}");
}

#[test]
fn an_expression_compiles_within_a_bound() {
    assert_eq!(BodyPattern::new("ok|fine").unwrap().as_str(), "ok|fine");
    for bad in ["(", "a{1000}{1000}", "[z-a]"] {
        assert!(BodyPattern::new(bad).is_err(), "{bad}");
    }
}
