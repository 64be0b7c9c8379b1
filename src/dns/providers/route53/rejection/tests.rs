//! The sets that Route 53's messages concern.

use super::*;
use crate::dns::providers::route53::sets::RecordSet;
use crate::dns::{Route53Set, Routing};
use crate::engine::plan::Family;

fn key(name: &str, family: Family) -> SetKey {
    SetKey { name: name.to_owned(), family }
}

fn edit(name: &str, family: Family, check: Option<&str>) -> Edit {
    let settings = Route53Set {
        routing: Routing::Simple,
        health_check_id: check.map(str::to_owned),
        ..Route53Set::default()
    };
    let addresses = vec!["192.0.2.1".parse().unwrap()];
    Edit {
        before: None,
        after: Some(RecordSet { key: key(name, family), ttl: 60, settings, addresses }),
    }
}

fn rejection(code: &str, reasons: &[&str]) -> Rejection {
    Rejection { code: code.into(), reasons: reasons.iter().map(|&r| r.to_owned()).collect() }
}

#[test]
fn the_sets_that_a_reason_names_are_the_culprits() {
    let batch = [
        edit("example.com", Family::A, None),
        edit("*.example.com", Family::A, None),
        edit("www.example.com", Family::A, None),
        edit("www.example.com", Family::Aaaa, None),
    ];
    let (apex, star) = (key("example.com", Family::A), key("*.example.com", Family::A));
    let four = key("www.example.com", Family::A);
    let six = key("www.example.com", Family::Aaaa);
    let cases: [(&str, &[&str], Vec<SetKey>); 7] = [
        (
            "a CNAME",
            &[
                "RRSet of type A with DNS name www.example.com. is not permitted because a conflicting \
               RRSet of type CNAME with the same DNS name already exists in zone example.com.",
            ],
            vec![four.clone()],
        ),
        (
            "an escaped name",
            &["Tried to create resource record set [name='\\052.example.com.', type='A'] but it \
               already exists"],
            vec![star.clone()],
        ),
        (
            "as the API reference words it",
            &[
                "Tried to delete resource record set www.example.com. type AAAA, but it was not found",
            ],
            vec![six.clone()],
        ),
        (
            "two of them",
            &[
                "Tried to delete resource record set [name='example.com.', type='A'] but it was not \
               found, Tried to delete resource record set [name='*.example.com.', type='A'] but it \
               was not found",
            ],
            vec![star, apex],
        ),
        (
            "without a type",
            &["RRSet with DNS name www.example.com. is not permitted in zone example.net."],
            vec![four, six],
        ),
        ("another name", &["a.www.example.com., type A, is not permitted"], vec![]),
        ("nobody", &["Duplicate Resource Record: '192.0.2.1'"], vec![]),
    ];
    for (name, reasons, want) in cases {
        assert_eq!(rejection("InvalidChangeBatch", reasons).culprits(&batch), want, "{name}");
    }
}

#[test]
fn only_a_set_that_differs_from_its_listing_is_planned_again() {
    let cases = [
        ("InvalidChangeBatch", "Tried to delete x, but it was not found", true),
        ("InvalidChangeBatch", "Tried to create x but it already exists", true),
        (
            "InvalidChangeBatch",
            "Tried to create an alias that targets x. but it was not found",
            false,
        ),
        ("InvalidChangeBatch", "Duplicate Resource Record: '192.0.2.1'", false),
        ("InvalidInput", "Tried to delete x", false),
    ];
    for (code, reason, want) in cases {
        assert_eq!(rejection(code, &[reason]).is_conflict(), want, "{code}: {reason}");
    }
}

/// Returns the health checks that are gone by a rejection with these words.
fn gone(said: &str, batch: &[Edit]) -> Vec<String> {
    rejection("NoSuchHealthCheck", &[said]).gone_checks(batch).into_iter().collect()
}

#[test]
fn a_health_check_is_gone_only_where_that_is_certain() {
    let www = edit("www.example.com", Family::A, Some("one"));
    let six = edit("www.example.com", Family::Aaaa, Some("two"));
    let api = edit("api.example.com", Family::A, Some("three"));
    let all = [www.clone(), six.clone(), api.clone()];
    assert_eq!(gone("A health check with id two does not exist", &all), ["two"], "it is named");
    assert_eq!(gone("No health check", &all), [""; 0], "any of three names' may be meant");
    assert_eq!(gone("No health check", &all[..2]), ["one", "two"], "of one name");
    assert_eq!(gone("No health check", &[api]), ["three"]);
    let other = rejection("InvalidChangeBatch", &["one"]);
    assert_eq!(other.gone_checks(&all), BTreeSet::new());
}

#[test]
fn messages_are_read_in_every_form() {
    let documented = "<?xml version=\"1.0\"?><InvalidChangeBatch xmlns=\"https://route53.amazonaws.com/\
        doc/2013-04-01/\"><Messages><Message>Tried to delete &apos;a&apos;</Message><Message>and \
        &lt;b&gt;</Message></Messages></InvalidChangeBatch>";
    assert_eq!(messages(documented), ["Tried to delete 'a'", "and <b>"]);
    let wrapped = "<ErrorResponse><Error><Code>InvalidChangeBatch</Code><Message>[one &amp; other]\
        </Message></Error></ErrorResponse>";
    assert_eq!(messages(wrapped), ["[one & other]"]);
    for nothing in ["", "<html>no</html>", "<Message>cut off", "<Message></Message>"] {
        assert_eq!(messages(nothing), [""; 0], "{nothing}");
    }
}
