//! Answers and changes as pure functions, without a webhook.

use serde_json::json;

use super::changes;
use super::listing::{ListedEndpoints, ManagedNames, for_each_element};
use crate::dns::{BySet, Listing, NewRecord, RecordChanges};
use crate::engine::plan::{Family, SetKey};

fn names() -> ManagedNames {
    ManagedNames::new("example.com", &["www.example.com".to_owned(), "example.com".to_owned()])
}

fn set(family: Family) -> SetKey {
    SetKey { name: "www.example.com".to_owned(), family }
}

fn listing(body: &str) -> Result<Listing, String> {
    let listed = ListedEndpoints::read(body.as_bytes(), &names());
    listed.map(|listed| listed.listing()).map_err(|error| error.to_string())
}

#[test]
fn an_array_is_split_into_its_elements_whatever_they_contain() {
    let cases: [(&str, Option<&[&str]>); 12] = [
        ("null", Some(&[])),
        (" [ ] ", Some(&[])),
        ("[1]", Some(&["1"])),
        ("[1, 2]", Some(&["1", "2"])),
        (r#"["a,b","c]"]"#, Some(&[r#""a,b""#, r#""c]""#])),
        (r#"["\",",{"a":[1,2]}]"#, Some(&[r#""\",""#, r#"{"a":[1,2]}"#])),
        (r#"["\\",1]"#, Some(&[r#""\\""#, "1"])),
        ("[1,]", Some(&["1", ""])),
        ("", None),
        ("{}", None),
        ("[{]", None),
        ("[1]]", None),
    ];
    for (body, want) in cases {
        let mut found = Vec::new();
        let split = for_each_element(body.as_bytes(), |element| {
            found.push(String::from_utf8(element.to_vec()).unwrap());
            Ok(())
        });
        let found = split.is_ok().then_some(found);
        let want = want.map(|want| want.iter().map(|&text| text.to_owned()).collect::<Vec<_>>());
        assert_eq!(found, want, "{body}");
    }
}

#[test]
fn an_element_that_may_be_a_managed_one_is_not_passed_over() {
    let good = r#"{"dnsName":"www.example.com","recordType":"A","targets":["192.0.2.1"]}"#;
    let cases = [
        (r#"[{"dnsName":"other.example.com"}]"#, true),
        (r#"[{"dnsName":"other.example.com","recordType":"A","targets":7}]"#, true),
        (r#"[{"dnsName":"www.example.com","recordType":"MX","targets":7}]"#, true),
        (r#"[{"recordType":"A"}]"#, false),
        (r#"[{"dnsName":null}]"#, false),
        (r#"[{"dnsName":"x","recordType":"TXT","targets":7}]"#, false),
        (r#"[{"dnsName":"www.example.com","recordType":"CNAME","targets":7}]"#, false),
        ("[7]", false),
        (r#"[["other.example.com","A"]]"#, false),
        ("[{},]", false),
    ];
    for (body, want) in cases {
        let body = format!("[{good},{}", &body[1..]);
        assert_eq!(listing(&body).is_ok(), want, "{body}");
    }
    let long = format!(r#"[{{"dnsName":"{}","recordType":"A"}}]"#, "x".repeat(1024 * 1024));
    assert!(listing(&long).unwrap_err().contains("it is longer than"), "too long to be one");
}

#[test]
fn targets_that_are_null_or_absent_are_an_empty_set() {
    for targets in ["", r#","targets":null"#, r#","targets":[]"#] {
        let body = format!(r#"[{{"dnsName":"WWW.example.com.","recordType":"a"{targets}}}]"#);
        let listing = listing(&body).unwrap();
        assert!(listing.sets[&set(Family::A)].is_empty() && listing.unfit.is_empty(), "{body}");
    }
}

#[test]
fn an_edit_keeps_spellings_and_foreign_targets() {
    let body = json!([{
        "dnsName": "WWW.example.com.", "recordType": "AAAA",
        "targets": ["2001:DB8:0::1", "2001:db8::2", "2001:db8::1"], "recordTTL": 60
    }]);
    let listed = ListedEndpoints::read(body.to_string().as_bytes(), &names()).unwrap();
    let listing = listed.listing();
    let set = set(Family::Aaaa);
    let record = listing.sets[&set].iter().find(|it| it.address.to_string() == "2001:db8::2");
    let new =
        NewRecord { set: set.clone(), address: "2001:db8::3".parse().unwrap(), attributes: None };
    let delete = vec![(set, record.unwrap().clone())];
    let changes = RecordChanges { create: vec![new], delete };
    let edits = changes::edits(&changes, &listed.sets, &BySet::new(300)).unwrap();
    let request = changes::body(&edits);
    assert_eq!(request["updateOld"], body);
    let after = json!([{
        "dnsName": "WWW.example.com.", "recordType": "AAAA",
        "targets": ["2001:DB8:0::1", "2001:db8::3"], "recordTTL": 60
    }]);
    assert_eq!(request["updateNew"], after);
}
