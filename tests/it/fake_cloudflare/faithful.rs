//! What the fake itself promises to the tests that lean on it.

use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Entry, FakeCloudflare, Fault, Setup, TOKEN};

async fn post(fake: &FakeCloudflare, path: &str, body: &Value) -> (u16, Value) {
    let client = goavail::http::client().unwrap();
    let request = client.post(format!("{}{path}", fake.url())).bearer_auth(TOKEN).json(body);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
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
    fake.script(1, Entry::writes, Fault::Slow(Duration::from_millis(30)));
    let body = json!({"type": "A", "name": "a", "content": "192.0.2.1"});
    let path = fake.zone(|zone| format!("/zones/{}/dns_records", zone.id));
    let asked = async {
        fake.wait(|log| log.iter().any(Entry::writes)).await;
        assert!(fake.zone(|zone| zone.records.is_empty()), "it has arrived and nothing is done");
        fake.wait(|log| log.iter().any(|entry| entry.answered.is_some())).await;
        assert_eq!(fake.zone(|zone| zone.contents("A", "a.example.com")), ["192.0.2.1"]);
    };
    let ((status, _), ()) = tokio::join!(post(&fake, &path, &body), asked);
    assert_eq!(status, 200);
    let entry = &fake.log()[0];
    let (answered, status) = entry.answered.unwrap();
    assert_eq!((entry.body.clone(), status), (body, 200));
    assert!(answered - entry.arrived >= Duration::from_millis(30));
}
