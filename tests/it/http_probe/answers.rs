//! Statuses, bodies, and answers that are none.

use goavail::testing::probe::{BodyPattern, HttpMethod, HttpSettings, RequestHeader};
use tokio::io::AsyncWriteExt as _;

use super::scripted::{answering, ok, recording, request, server};
use super::{ask, http, place, shown};

/// A change of the settings, and the answer in one line.
type Row = (&'static str, fn(&mut HttpSettings), &'static str);

/// Asks once for each row, by the settings of the row, a server that answers with its text.
async fn hold(rows: &[Row]) {
    for (answer, change, expected) in rows {
        let address = answering(*answer).await;
        let mut settings = http(address.port());
        change(&mut settings);
        let answer = ask(address.ip(), &settings).await;
        assert_eq!(shown(&answer), *expected, "{:?}", settings.status);
    }
}

#[tokio::test]
async fn a_status_is_as_asked_for_or_its_reason_says_which_are() {
    hold(&[
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", |_| {}, "reply"),
        ("HTTP/1.0 204 No Content\r\n\r\n", |_| {}, "reply"),
        (
            "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy",
            |_| {},
            "failed (status 503): then 503 (wanted 200-299)",
        ),
        (
            "HTTP/1.1 301 Moved\r\nLocation: https://elsewhere.example/?token=1\r\n\r\n",
            |_| {},
            "failed (status 301): then 301 to https://elsewhere.example/?… (wanted 200-299)",
        ),
        (
            "HTTP/1.1 401 No\r\n\r\n",
            |it| it.status.0 = ["200-299", "401"].map(|text| text.parse().unwrap()).to_vec(),
            "reply",
        ),
        // Informational answers come before the one that counts.
        (
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            |_| {},
            "reply",
        ),
        ("HTTP/1.1 999 Odd\r\n\r\n", |_| {}, "failed (status 999): then 999 (wanted 200-299)"),
    ])
    .await;
}

#[tokio::test]
async fn a_body_has_what_it_is_asked_for() {
    hold(&[
        ("HTTP/1.1 200 OK\r\n\r\nall is ok", |it| it.body.contains = Some("is ok".into()), "reply"),
        (
            "HTTP/1.1 200 OK\r\n\r\nall is lost",
            |it| it.body.contains = Some("is ok".into()),
            "failed (body without \"is ok\"): then 200 with a body without \"is ok\"",
        ),
        (
            "HTTP/1.1 200 OK\r\n\r\nall is lost",
            |it| it.body.lacks = Some("lost".into()),
            "failed (body with \"lost\"): then 200 with a body with \"lost\"",
        ),
        (
            "HTTP/1.1 200 OK\r\n\r\npool: 3 of 4",
            |it| it.body.matches = BodyPattern::new("pool: [1-9]").ok(),
            "reply",
        ),
        (
            "HTTP/1.1 200 OK\r\n\r\npool: 0 of 4",
            |it| it.body.matches = BodyPattern::new("pool: [1-9]").ok(),
            "failed (body that does not match \"pool: [1-9]\"): then 200 with a body that does not \
             match \"pool: [1-9]\"",
        ),
        // Chunks are put together, without their sizes and extensions.
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nis \r\n2;x=y\r\nok\r\n0\r\n\r\n",
            |it| it.body.contains = Some("is ok".into()),
            "reply",
        ),
        // A body beyond the limit is judged as far as it goes.
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n12345678ok",
            |it| (it.body.max, it.body.contains) = (4, Some("ok".into())),
            "failed (body without \"ok\"): then 200 with a body without \"ok\" in its first 4 bytes",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nok and no more",
            |it| (it.body.max, it.body.contains) = (4, Some("ok".into())),
            "reply",
        ),
        // Bytes that are no text do no harm.
        ("HTTP/1.1 200 OK\r\n\r\n\u{1}\u{0}ok", |it| it.body.contains = Some("ok".into()), "reply"),
    ])
    .await;
}

#[tokio::test]
async fn a_target_asks_to_be_taken_out() {
    hold(&[
        (
            "HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n",
            |it| it.drain_status.0 = vec!["404".parse().unwrap()],
            "asked: then 404, which is a drain_status",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ndrain",
            |_| {},
            "asked: then a body with \"drain\" as its first line",
        ),
        (
            "HTTP/1.1 503 Busy\r\nContent-Length: 19\r\n\r\nmaint\nback at seven",
            |_| {},
            "asked: then a body with \"maint\" as its first line",
        ),
        // Its words do not wait for a body that never ends.
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nDRAIN\r\n",
            |_| {},
            "asked: then a body with \"drain\" as its first line",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nok\ndrain", |_| {}, "reply"),
    ])
    .await;
}

#[tokio::test]
async fn a_broken_answer_is_an_answer_that_was_not_asked_for() {
    hold(&[
        (
            "",
            |_| {},
            "failed (the connection was closed without an answer): then the connection was closed \
             without an answer",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Le",
            |_| {},
            "failed (the connection was closed within the head of the answer): then the connection \
             was closed within the head of the answer",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok",
            |_| {},
            "failed (the body was cut short): then 200, but the body was cut short",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok",
            |_| {},
            "failed (the body was cut short): then 200, but the body was cut short",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n",
            |_| {},
            "failed (the body is not as HTTP/1 has it): then 200, but the body is not as HTTP/1 has \
             it",
        ),
        (
            "SSH-2.0-OpenSSH_9.2\r\n",
            |_| {},
            "failed (the answer is not HTTP/1 but SSH): then the answer is not HTTP/1 but SSH",
        ),
        (
            "\u{0}\u{0}\u{12}\u{4}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{3}",
            |_| {},
            "failed (the answer is not HTTP/1 but HTTP/2): then the answer is not HTTP/1 but HTTP/2",
        ),
        (
            "\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}\u{50}",
            |_| {},
            "failed (the answer is not HTTP/1 but TLS): then the answer is not HTTP/1 but TLS",
        ),
        (
            "<html>an answer of HTTP/0.9</html>\r\n\r\n",
            |_| {},
            "failed (the answer is not HTTP/1): then the answer is not HTTP/1",
        ),
    ])
    .await;
}

#[tokio::test]
async fn heads_without_an_end_and_with_too_many_lines_are_refused() {
    for count in [4_000, 200] {
        let line = "X-Header: and its value\r\n".repeat(count);
        let address = answering(format!("HTTP/1.1 200 OK\r\n{line}\r\n")).await;
        let answer = ask(address.ip(), &http(address.port())).await;
        let reason = "the head of the answer is too large";
        assert_eq!(shown(&answer), format!("failed ({reason}): then {reason}"), "{count}");
    }
}

#[tokio::test]
async fn a_refused_connect_is_not_reachable_and_a_reset_is_an_answer() {
    let free = place();
    let answer = ask(free.ip(), &http(free.port())).await;
    assert!(shown(&answer).starts_with("unreachable: Connection refused"), "{answer:?}");
    let address = server(|mut stream| async move {
        request(&mut stream).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    let answer = ask(address.ip(), &http(address.port())).await;
    let reason = "a reset in place of the answer";
    assert_eq!(shown(&answer), format!("failed ({reason}): then {reason}"));
}

#[tokio::test]
async fn the_request_names_the_host_and_asks_for_nothing_that_is_not_judged() {
    let (address, mut heads) = recording().await;
    let mut settings = http(address.port());
    settings.path = "/healthz?deep=1".to_owned();
    settings.headers = vec![
        RequestHeader::with_value("X-Token", "one").unwrap(),
        RequestHeader::with_value("X-Token", "two").unwrap(),
        RequestHeader::with_value("User-Agent", "ours/1").unwrap(),
    ];
    assert_eq!(shown(&ask(address.ip(), &settings).await), "reply");
    let head = heads.recv().await.unwrap();
    let mut lines: Vec<_> = head.trim_end().split("\r\n").collect();
    assert_eq!(lines.remove(0), "GET /healthz?deep=1 HTTP/1.1");
    lines.sort_unstable();
    let host = format!("host: www.example.com:{}", address.port());
    let expected = [
        "accept-encoding: identity",
        "accept: */*",
        "connection: close",
        &host,
        "user-agent: ours/1",
        "x-token: one",
        "x-token: two",
    ];
    assert_eq!(lines, expected);

    settings.method = HttpMethod::Head;
    settings.headers.clear();
    assert_eq!(shown(&ask(address.ip(), &settings).await), "reply");
    let head = heads.recv().await.unwrap();
    let agent = concat!("user-agent: goavail/", env!("CARGO_PKG_VERSION"), "\r\n");
    assert!(head.starts_with("HEAD /healthz?deep=1 ") && head.contains(agent), "{head}");
}

#[tokio::test]
async fn a_half_closed_connection_is_judged_by_what_was_sent() {
    let address = server(|mut stream| async move {
        let answer = ok("ok");
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
        // Its other half stays open: the request is read, and nothing follows.
        while !request(&mut stream).await.is_empty() {}
    })
    .await;
    let mut settings = http(address.port());
    settings.body.contains = Some("ok".to_owned());
    assert_eq!(shown(&ask(address.ip(), &settings).await), "reply");
}
