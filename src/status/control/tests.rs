use super::*;

#[test]
fn durations_are_read_as_people_write_them_and_refused_with_what_is_allowed() {
    let cases = [
        ("two hours", "2h", Ok(7_200)),
        ("a sum", "1h 30m", Ok(5_400)),
        ("no such unit", "2x", Err("`2x` is not a number and a unit, such as 90s, 2h or 3days")),
        ("no unit", "2", Err("`2` is not a number and a unit")),
        ("nothing", "", Err("`` is not a number and a unit")),
        ("negative", "-2h", Err("`-2h` is not a number and a unit")),
        ("no time at all", "0s", Err("`0s` is out of range; 1s to 366days")),
        ("a lifetime", "80years", Err("`80years` is out of range")),
        ("overflow", "99999999999999999999s", Err("is not a number and a unit")),
    ];
    for (name, text, want) in cases {
        match (parse_duration(text), want) {
            (Ok(got), Ok(want)) => assert_eq!(got.as_secs(), want, "{name}"),
            (Err(got), Err(want)) => assert!(got.contains(want), "{name}: {got}"),
            (got, want) => panic!("{name}: {got:?}, not {want:?}"),
        }
    }
}

#[test]
fn a_drain_is_read_from_json_and_written_back() {
    let drain = DrainRequest {
        lasting: Some(Duration::from_mins(90)),
        reason: Some("disk swap".into()),
        force: true,
    };
    let text = serde_json::to_string(&drain).unwrap();
    assert_eq!(text, r#"{"for":"1h 30m","reason":"disk swap","force":true}"#);
    assert_eq!(serde_json::from_str::<DrainRequest>(&text).unwrap(), drain);
    assert_eq!(serde_json::from_str::<DrainRequest>("{}").unwrap(), DrainRequest::default());
    for bad in [r#"{"for":"2x"}"#, r#"{"fro":"2h"}"#, r#"{"for":2}"#, "[1]", "null", ""] {
        assert!(serde_json::from_str::<DrainRequest>(bad).is_err(), "{bad}");
    }
    let long = format!(r#"{{"reason":"{}"}}"#, "x".repeat(REASON_CHARS + 1));
    assert!(serde_json::from_str::<DrainRequest>(&long).is_err());
}
#[test]
fn a_target_is_an_address_or_a_service_and_an_address() {
    for text in ["192.0.2.10", "2001:db8::1", "www/192.0.2.10", "mail-2/2001:db8::1"] {
        assert_eq!(text.parse::<CommandTarget>().unwrap().to_string(), text);
    }
    let target: CommandTarget = "www/192.0.2.10".parse().unwrap();
    assert_eq!(target.service.as_deref(), Some("www"));
    for bad in ["", "www", "www/", "/192.0.2.10", "WWW/192.0.2.10", "a b/192.0.2.10", "a/b/::1"] {
        assert!(bad.parse::<CommandTarget>().is_err(), "{bad}");
    }
    assert!(format!("{}/::1", "x".repeat(64)).parse::<CommandTarget>().is_err(), "64 characters");
}
