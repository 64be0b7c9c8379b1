//! The promises of the fake to the tests that rely on it.

use std::net::TcpListener;
use std::sync::mpsc;

use serde_json::{Value, json};

use super::{Entry, FakeCloudflare, Fault, Limits, Setup, TOKEN};

async fn post(fake: &FakeCloudflare, path: &str, body: &Value) -> (u16, Value) {
    let client = goavail::testing::http::client().unwrap();
    let request = client.post(format!("{}{path}", fake.url())).bearer_auth(TOKEN).json(body);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn get(fake: &FakeCloudflare, path: &str) -> (u16, Value) {
    let client = goavail::testing::http::client().unwrap();
    let request = client.get(format!("{}{path}", fake.url())).bearer_auth(TOKEN);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn records_of(fake: &FakeCloudflare) -> String {
    fake.zone(|zone| format!("/zones/{}/dns_records", zone.id))
}

#[tokio::test]
async fn a_batch_is_carried_out_in_its_order_or_not_at_all() {
    let fake = FakeCloudflare::start("example.com");
    let old = fake.zone(|zone| zone.seed("A", "a.example.com", "192.0.2.1").id.clone());
    let kept = fake.zone(|zone| zone.seed("A", "b.example.com", "192.0.2.1").id.clone());
    let path = fake.zone(|zone| format!("/zones/{}/dns_records/batch", zone.id));
    let new = json!({"type": "A", "name": "a", "content": "192.0.2.1", "ttl": 60});
    let before = fake.zone(|zone| zone.records.clone());

    let twice = json!({"deletes": [{"id": old}], "posts": [new, new]});
    let (status, answer) = post(&fake, &path, &twice).await;
    assert_eq!((status, &answer["errors"][0]["code"]), (400, &json!(81_058)));
    assert_eq!(fake.zone(|zone| zone.records.clone()), before, "rolled back");

    // Deletes come first, so the same record can be made anew; a relative name is completed.
    let comment = json!({"id": kept, "comment": "patched"});
    let proxy = json!({"id": kept, "proxied": true});
    let all =
        json!({"deletes": [{"id": old}], "patches": [comment], "puts": [proxy], "posts": [new]});
    let (status, answer) = post(&fake, &path, &all).await;
    assert_eq!((status, &answer["success"]), (200, &json!(true)), "{answer}");
    let records = fake.zone(|zone| zone.records.clone());
    assert_eq!(records[1].name, "a.example.com");
    assert_eq!((records[1].ttl, records[1].id == old), (60, false));
    let patched = (records[0].comment.as_deref(), records[0].proxied, records[0].ttl);
    assert_eq!(patched, (Some("patched"), true, 1));
}

#[tokio::test]
async fn it_listens_where_it_is_told_from_a_thread_that_a_test_prepares() {
    // Taken and given back, so that the address is free and known beforehand.
    let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (sender, receiver) = mpsc::channel();
    let setup = Setup { listen, ..Setup::default() };
    let first = move || sender.send(std::thread::current().id()).unwrap();
    let fake = FakeCloudflare::start_with("example.com", setup, first);
    assert_eq!(fake.address(), listen);
    assert_ne!(receiver.recv().unwrap(), std::thread::current().id());
}

#[tokio::test]
async fn a_test_can_await_a_request_and_its_answer() {
    let fake = FakeCloudflare::start("example.com");
    let gate = fake.hold(1, Entry::writes);
    let body = json!({"type": "A", "name": "a", "content": "192.0.2.1"});
    let path = fake.zone(|zone| format!("/zones/{}/dns_records", zone.id));
    let asked = async {
        fake.wait(|log| log.iter().any(Entry::writes)).await;
        assert!(fake.zone(|zone| zone.records.is_empty()), "it has arrived and nothing is done");
        gate.open();
        fake.wait(|log| log.iter().any(|entry| entry.answered.is_some())).await;
        assert_eq!(fake.zone(|zone| zone.contents("A", "a.example.com")), ["192.0.2.1"]);
    };
    let ((status, _), ()) = tokio::join!(post(&fake, &path, &body), asked);
    assert_eq!(status, 200);
    let entry = &fake.log()[0];
    let (answered, status) = entry.answered.unwrap();
    assert_eq!((entry.body.clone(), status), (body, 200));
    assert!(answered > entry.arrived);
}

#[tokio::test]
async fn a_record_that_may_not_be_so_is_refused_by_its_code() {
    let record = |content: &str, more: Value| {
        let mut record = json!({"type": "A", "name": "a", "content": content, "ttl": 60});
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record
    };
    let public = |more| record("192.0.2.1", more);
    let cases = [
        ("a TTL that is too short", public(json!({"ttl": 59})), 9021),
        ("a TTL that is no number", public(json!({"ttl": "60"})), 9021),
        ("a private address that is proxied", record("10.0.0.1", json!({"proxied": true})), 9003),
        ("too many tags", public(json!({"tags": ["a:1", "a:2"]})), 9300),
        ("a comment that is too long", public(json!({"comment": "12345"})), 9313),
        ("no address", record("a", json!({})), 9005),
        ("a setting of another type", public(json!({"settings": {"flatten_cname": true}})), 9207),
        ("a field that only the API sets", public(json!({"created_on": "2026"})), 9207),
        ("a field that the API does not have", public(json!({"colour": "red"})), 9207),
    ];
    for chained in [false, true] {
        let fake = FakeCloudflare::start("example.com");
        fake.zone(|zone| {
            zone.limits = Limits { tags: 1, comment: 4, chained, ..Limits::default() }
        });
        for (name, body, code) in &cases {
            let (status, answer) = post(&fake, &records_of(&fake), body).await;
            let error = &answer["errors"][0];
            let error = if chained { &error["error_chain"][0] } else { error };
            assert_eq!((status, &error["code"]), (400, &json!(code)), "{name}: {answer}");
        }
        assert!(fake.zone(|zone| zone.records.is_empty()));
    }
}

#[tokio::test]
async fn the_settings_of_a_record_are_kept_and_listed() {
    let fake = FakeCloudflare::start("example.com");
    let body = json!({
        "type": "A", "name": "a.example.com", "content": "10.0.0.1", "ttl": 1, "proxied": true,
        "settings": {"ipv4_only": true}, "private_routing": true, "tags": ["a:1"], "comment": "c",
    });
    let (status, answer) = post(&fake, &records_of(&fake), &body).await;
    assert_eq!(status, 200, "private routing is what lets a private address be proxied: {answer}");
    let id = answer["result"]["id"].as_str().unwrap();
    let (_, one) = get(&fake, &format!("{}/{id}", records_of(&fake))).await;
    let (_, all) = get(&fake, &records_of(&fake)).await;
    assert_eq!(one["result"], all["result"][0]);
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(&one["result"][field], value, "{field}");
    }
    let (status, answer) = get(&fake, &format!("{}/nobody", records_of(&fake))).await;
    assert_eq!((status, &answer["errors"][0]["code"]), (404, &json!(81_044)));
}

#[tokio::test]
async fn a_listing_may_lag_behind_what_is_there() {
    let fake = FakeCloudflare::start("example.com");
    fake.zone(super::Zone::freeze_listing);
    let body = json!({"type": "A", "name": "a.example.com", "content": "192.0.2.1"});
    let (created, _) = post(&fake, &records_of(&fake), &body).await;
    let (again, answer) = post(&fake, &records_of(&fake), &body).await;
    assert_eq!((created, again), (200, 400), "writes meet what is there: {answer}");
    let (_, stale) = get(&fake, &records_of(&fake)).await;
    assert_eq!(stale["result_info"]["total_count"], json!(0));
    fake.zone(super::Zone::thaw_listing);
    let (_, fresh) = get(&fake, &records_of(&fake)).await;
    assert_eq!(fresh["result_info"]["total_count"], json!(1));
}

#[tokio::test]
async fn a_write_may_be_carried_out_after_its_sender_gave_up() {
    let fake = FakeCloudflare::start("example.com");
    let met = fake.script(1, Entry::writes, Fault::Late);
    let body = json!({"type": "A", "name": "a.example.com", "content": "192.0.2.1"});
    {
        let path = records_of(&fake);
        let sent = std::pin::pin!(post(&fake, &path, &body));
        tokio::select! {
            answer = sent => panic!("nobody answers: {answer:?}"),
            () = met.wait() => {}
        }
    }
    fake.wait(|log| log.len() == 1).await;
    assert!(fake.zone(|zone| zone.records.is_empty()));
    assert_eq!(fake.carry_out_late(), [200]);
    assert_eq!(fake.zone(|zone| zone.contents("A", "a.example.com")), ["192.0.2.1"]);
    assert_eq!(fake.carry_out_late(), [0_u16; 0], "once");
}

#[tokio::test]
async fn something_on_the_way_may_answer_instead() {
    let fake = FakeCloudflare::start("example.com");
    let page = "<html><title>Blocked</title></html>";
    fake.script(1, |_| true, Fault::Filtered(403, page, "1.1 filter"));
    let client = goavail::testing::http::client().unwrap();
    let answer = client.get(fake.url()).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["via"]),
        (403, &"1.1 filter".parse().unwrap())
    );
    assert_eq!(answer.text().await.unwrap(), page);
}

#[tokio::test]
async fn a_record_that_is_edited_in_place_keeps_its_id() {
    let fake = FakeCloudflare::start("example.com");
    let id = fake.zone(|zone| zone.seed("A", "a.example.com", "192.0.2.1").id.clone());
    fake.zone(|zone| {
        "192.0.2.2".clone_into(&mut zone.record("A", "a.example.com", "192.0.2.1").content);
    });
    let path = format!("{}/batch", records_of(&fake));
    let (_, answer) = post(&fake, &path, &json!({"deletes": [{"id": id}]})).await;
    let deleted = &answer["result"]["deletes"][0];
    assert_eq!(deleted["content"], json!("192.0.2.2"), "a batch says what it deleted: {answer}");
}
