//! Rows of bodies that are a vote and bodies that are not.

use super::*;
use proptest::prelude::*;
use secrecy::SecretString;

fn seal() -> Seal {
    Seal::new(&SecretString::from("1234567891012345")).unwrap()
}

#[test]
fn the_body_is_a_go_agents_to_the_byte() {
    let local = "10.99.0.1:8081".parse().unwrap();
    let target = "10.99.0.2".parse().unwrap();
    let plain = encode(None, local, target, Vote::Down).unwrap();
    let want = r#"{"Peer":"10.99.0.1:8081","IPAddress":"10.99.0.2","Live":false}"#;
    assert_eq!(String::from_utf8(plain).unwrap(), want);
    // With a key each word has a random IV, so only shape and length are compared.
    let hidden =
        String::from_utf8(encode(Some(&seal()), local, target, Vote::Up).unwrap()).unwrap();
    let theirs = r#"{"Peer":"fjA5ZXxsrsmexoTtnUU67wksRtRFy-bpYe2HZK2X","IPAddress":"YOclWon1CpY1JRtY0Cy0bmUVUjcnqjhU9g==","Live":true}"#;
    assert_eq!(hidden.len(), theirs.len(), "{hidden}");
    assert!(hidden.starts_with(r#"{"Peer":""#) && hidden.ends_with(r#","Live":true}"#));
    let vote = decode(VotePath::Default, Some(&seal()), hidden.as_bytes()).unwrap();
    assert_eq!((vote.peer.as_str(), vote.target.as_str()), ("10.99.0.1:8081", "10.99.0.2"));
}

#[test]
fn a_vote_of_a_go_agent_is_read() {
    let sent = r#"{"Peer":"fjA5ZXxsrsmexoTtnUU67wksRtRFy-bpYe2HZK2X","IPAddress":"YOclWon1CpY1JRtY0Cy0bmUVUjcnqjhU9g==","Live":false}"#;
    let want = RawVote {
        peer: "10.99.0.1:8081".into(),
        service: None,
        target: "10.99.0.2".into(),
        declaration: Declaration::Vote { vote: Vote::Down, age: None },
    };
    assert_eq!(decode(VotePath::Default, Some(&seal()), sent.as_bytes()), Ok(want));
}

#[test]
fn only_three_words_of_the_right_kind_are_a_vote() {
    let good = r#"{"Peer":"p","IPAddress":"t","Live":true}"#;
    let cases = [
        ("as it is made", good, true),
        ("keys in lower case", r#"{"peer":"p","ipaddress":"t","live":true}"#, true),
        ("another key", r#"{"Peer":"p","IPAddress":"t","Live":true,"More":[1]}"#, true),
        ("space around", " {\n\"Peer\":\"p\",\"IPAddress\":\"t\",\"Live\":true}\n", true),
        (
            "the age of what it saw",
            r#"{"Peer":"p","IPAddress":"t","Live":true,"EvidenceAge":0}"#,
            true,
        ),
        ("taken back", r#"{"Peer":"p","IPAddress":"t","Live":true,"Abstain":true}"#, true),
        ("only taken back", r#"{"Peer":"p","IPAddress":"t","Abstain":true}"#, true),
        ("not taken back", r#"{"Peer":"p","IPAddress":"t","Abstain":false}"#, false),
        (
            "a text for the age",
            r#"{"Peer":"p","IPAddress":"t","Live":true,"EvidenceAge":"1"}"#,
            false,
        ),
        (
            "seen in the future",
            r#"{"Peer":"p","IPAddress":"t","Live":true,"EvidenceAge":-1}"#,
            false,
        ),
        (
            "two ages",
            r#"{"Peer":"p","IPAddress":"t","Live":true,"EvidenceAge":1,"evidenceage":2}"#,
            false,
        ),
        (
            "a number for taken back",
            r#"{"Peer":"p","IPAddress":"t","Live":true,"Abstain":1}"#,
            false,
        ),
        ("nothing", "", false),
        ("half of it", &good[..20], false),
        ("junk behind", r#"{"Peer":"p","IPAddress":"t","Live":true}x"#, false),
        ("two votes", &[good, good].concat(), false),
        ("a text for the truth", r#"{"Peer":"p","IPAddress":"t","Live":"false"}"#, false),
        ("a number for a name", r#"{"Peer":1,"IPAddress":"t","Live":true}"#, false),
        ("no word on whether it lives", r#"{"Peer":"p","IPAddress":"t"}"#, false),
        ("null for it", r#"{"Peer":"p","IPAddress":"t","Live":null}"#, false),
        ("one key twice", r#"{"Peer":"p","peer":"q","IPAddress":"t","Live":true}"#, false),
        ("an empty object", "{}", false),
        ("an array", "[]", false),
        ("null", "null", false),
        ("a form", "Peer=p&IPAddress=t&Live=true", false),
        ("gzip", "\u{1f}\u{8b}\u{8}\0\0\0\0\0", false),
    ];
    for (name, body, want) in cases {
        assert_eq!(
            decode(VotePath::Default, None, body.as_bytes()).is_ok(),
            want,
            "{name}: {body}"
        );
    }
}

/// The path is not signed, so no body may be a vote at both paths.
#[test]
fn a_vote_on_a_named_service_needs_the_name_once_and_as_a_text() {
    let good = r#"{"Peer":"p","Service":"www","IPAddress":"t","Live":true}"#;
    let cases = [
        ("as it is made", good.to_owned(), Some("www")),
        ("keys in lower case", good.to_lowercase(), Some("www")),
        ("a name that no service can have", good.replace("www", "W W/"), Some("W W/")),
        ("an empty name", good.replace("www", ""), Some("")),
        ("taken back", good.replace(r#""Live""#, r#""Abstain""#), Some("www")),
        ("no service", good.replace(r#""Service":"www","#, ""), None),
        ("the key of another field", good.replace("Service", "Services"), None),
        ("a number", good.replace(r#""www""#, "1"), None),
        ("null", good.replace(r#""www""#, "null"), None),
        ("a list", good.replace(r#""www""#, r#"["www"]"#), None),
        ("two of them", good.replace('{', r#"{"service":"mx","#), None),
        ("no address", good.replace("IPAddress", "Address"), None),
    ];
    for (name, body, want) in cases {
        let got = decode(VotePath::Named, None, body.as_bytes());
        assert_eq!(got.ok().and_then(|vote| vote.service).as_deref(), want, "{name}: {body}");
        let is_on_default = ["no service", "the key of another field"].contains(&name);
        let elsewhere = decode(VotePath::Default, None, body.as_bytes());
        assert_eq!(elsewhere.is_ok(), is_on_default, "{name}, at the other path");
    }
}

#[test]
fn the_name_of_a_service_is_encrypted_like_the_other_words() {
    let (local, target) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    let outgoing = OutgoingVote::new(local, target, Vote::Down).on("www");
    let want = r#"{"Peer":"10.0.0.1:1","Service":"www","IPAddress":"10.0.0.2","Live":false}"#;
    let plain = String::from_utf8(outgoing.encode(None).unwrap()).unwrap();
    assert_eq!((plain.as_str(), outgoing.path().as_str()), (want, "/votes"));
    let hidden = String::from_utf8(outgoing.encode(Some(&seal())).unwrap()).unwrap();
    assert!(!hidden.contains("www"), "{hidden}");
    let read = decode(VotePath::Named, Some(&seal()), hidden.as_bytes()).unwrap();
    assert_eq!(read, decode(VotePath::Named, None, plain.as_bytes()).unwrap());
    let other = Seal::new(&SecretString::from("another key here")).unwrap();
    // A short name may turn out printable by chance.
    let long = other.encrypt(&"w".repeat(63)).unwrap();
    for word in ["www".to_owned(), "d3d3".to_owned(), long] {
        let (peer, address) = (seal().encrypt("p").unwrap(), seal().encrypt("t").unwrap());
        let body = format!(
            r#"{{"Peer":"{peer}","Service":"{word}","IPAddress":"{address}","Live":true}}"#
        );
        let read = decode(VotePath::Named, Some(&seal()), body.as_bytes());
        assert_eq!(read, Err(Unreadable::NotOurs), "{word}");
    }
}

#[test]
fn a_vote_made_with_another_key_or_none_is_not_ours() {
    let other = Seal::new(&SecretString::from("another key here")).unwrap();
    let (local, target) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    for theirs in [None, Some(&other)] {
        let body = encode(theirs, local, target, Vote::Up).unwrap();
        assert_eq!(decode(VotePath::Default, Some(&seal()), &body), Err(Unreadable::NotOurs));
    }
}

#[test]
fn an_extension_is_added_behind_the_vote() {
    let (local, target) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    let age = Duration::from_millis(1234);
    let with_age = Declaration::Vote { vote: Vote::Up, age: Some(age) };
    let cases = [
        (Extension::Age(age), r#","EvidenceAge":1234}"#, with_age),
        (Extension::Abstains, r#","Abstain":true}"#, Declaration::Abstains),
    ];
    for (extension, want, declaration) in cases {
        let extended = OutgoingVote {
            extension: Some(extension),
            ..OutgoingVote::new(local, target, Vote::Up)
        };
        let body = extended.encode(None).unwrap();
        let plain = String::from_utf8(encode(None, local, target, Vote::Up).unwrap()).unwrap();
        let body = String::from_utf8(body).unwrap();
        assert_eq!(body, plain.trim_end_matches('}').to_owned() + want);
        let vote = decode(VotePath::Default, None, body.as_bytes()).unwrap();
        assert_eq!(vote.declaration, declaration);
    }
}

proptest! {
    #[test]
    fn any_body_is_decoded_without_a_panic(bytes in any::<Vec<u8>>(), text in any::<String>()) {
        for seal in [None, Some(&seal())] {
            for path in [VotePath::Default, VotePath::Named] {
                let _ = decode(path, seal, &bytes);
                let quoted = serde_json::to_string(&text).unwrap();
                let body = format!(
                    r#"{{"Peer":{quoted},"Service":{quoted},"IPAddress":{quoted},"Live":true}}"#
                );
                let _ = decode(path, seal, body.as_bytes());
                let _ = decode(path, seal, &body.as_bytes()[..body.len() / 2]);
            }
        }
    }

    #[test]
    fn an_encoded_vote_decodes_to_itself_at_its_own_path_only(
        local in any::<SocketAddr>(), target in any::<IpAddr>(), up in any::<bool>(),
        service in proptest::option::of("[a-z0-9-]{1,63}"),
    ) {
        let vote = if up { Vote::Up } else { Vote::Down };
        let outgoing = OutgoingVote { service: service.as_deref(), ..OutgoingVote::new(local, target, vote) };
        for seal in [None, Some(&seal())] {
            let body = outgoing.encode(seal).unwrap();
            let read = decode(outgoing.path(), seal, &body).unwrap();
            for path in [VotePath::Default, VotePath::Named] {
                prop_assert_eq!(decode(path, seal, &body).is_ok(), path == outgoing.path());
            }
            prop_assert_eq!(&read.service, &service);
            prop_assert_eq!(read.peer, local.to_string());
            prop_assert_eq!(read.target, target.to_string());
            prop_assert_eq!(read.declaration, Declaration::Vote { vote, age: None });
        }
    }
}
