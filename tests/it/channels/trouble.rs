//! Services that refuse, that are busy, and that are not there behind a portal. Of each is told the
//! reason, and nothing secret.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::hosted::{self, SECRETS};
use super::stand_in::{Reply, Request, StandIn};
use super::trial::all_channels;
use super::{Folder, Said};

/// Nothing that is said has a secret in it.
fn is_clean(said: &Said) {
    for secret in SECRETS.iter().flat_map(|secret| secret.split('/')) {
        for text in [&said.stdout, &said.stderr] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

/// The rows of the table about a channel.
fn rows<'a>(said: &'a Said, channel: &str) -> Vec<&'a str> {
    let lines = said.stdout.lines();
    lines.filter(|line| line.split_whitespace().next() == Some(channel)).collect()
}

/// A refusal of each service in its own words, which repeat the secret.
fn refusal(request: &Request) -> Reply {
    let said = format!("{} {}", request.path, request.body);
    match request.path.as_str() {
        path if path.starts_with("/services/") => Reply::new("404 Not Found", "no_service"),
        path if path.starts_with("/bot") => {
            let body = json!({ "ok": false, "error_code": 401, "description": "Unauthorized" });
            Reply::new("401 Unauthorized", body.to_string())
        }
        path if path.starts_with("/api/webhooks/") => {
            Reply::new("404 Not Found", json!({ "message": format!("Unknown {said}") }).to_string())
        }
        "/v2/enqueue" => {
            let body = json!({ "status": "invalid event", "message": "bad", "errors": [said] });
            Reply::new("400 Bad Request", body.to_string())
        }
        "/" => Reply::new("403 Forbidden", json!({ "error": format!("no {said}") }).to_string()),
        _ => Reply::new("401 Unauthorized", said),
    }
}

#[test]
fn a_wrong_token_is_told_in_the_words_of_the_service_unless_they_repeat_it() {
    let server = StandIn::start(refusal);
    let said = all_channels(&server).run(&["notify", "--test"]);
    assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("29 of 30 test notices were not accepted"), "{}", said.stderr);
    let wants = [
        ("slack", "it answered 404 Not Found: no_service"),
        ("telegram", "it answered 401 Unauthorized: Unauthorized"),
        ("discord", "it answered 404 Not Found"),
        ("pagerduty", "it answered 400 Bad Request"),
        ("ntfy", "it answered 403 Forbidden"),
        ("teams", "it answered 401 Unauthorized"),
    ];
    for (channel, want) in wants {
        let rows = rows(&said, channel);
        let failed: Vec<_> = rows.iter().filter(|row| row.contains("FAILED")).collect();
        assert!(failed.iter().all(|row| row.ends_with(want)), "{channel}: {rows:#?}");
        assert!(failed.len() >= 4, "{channel}: {rows:#?}");
    }
    is_clean(&said);
}

#[test]
fn the_page_of_a_portal_and_a_redirect_to_it_are_no_success() {
    let page = "<!DOCTYPE html><html><title>Please log in</title></html>";
    let elsewhere = StandIn::start(hosted::answer);
    let location = format!("Location: http://{}/\r\n", elsewhere.address);
    let location: &'static str = Box::leak(location.into_boxed_str());
    let answers = [
        ("200 OK", "Content-Type: text/html\r\n", "a web page that is not from the service"),
        ("302 Found", location, "which leads elsewhere and is not followed"),
        ("307 Temporary Redirect", location, "which leads elsewhere and is not followed"),
    ];
    // The ends of incidents are tried several times, so each takes some seconds.
    std::thread::scope(|threads| {
        for (status, headers, want) in answers {
            threads.spawn(move || {
                let server =
                    StandIn::start(move |_| Reply { status, headers, body: page.to_owned() });
                let said = all_channels(&server).run(&["notify", "--test"]);
                assert_eq!(said.code, Some(1), "{status}: {}{}", said.stdout, said.stderr);
                for channel in ["slack", "discord", "teams", "telegram", "ntfy", "pagerduty"] {
                    let rows = rows(&said, channel);
                    let failed = rows.iter().filter(|row| row.contains(want)).count();
                    assert!(failed >= 4, "{status}: {channel}: {rows:#?}");
                }
                is_clean(&said);
            });
        }
    });
    assert!(elsewhere.received().is_empty(), "nothing is sent elsewhere");
}

/// Slack and ntfy say in a header how long to wait, Discord and Telegram in the body too.
#[test]
fn a_busy_service_is_asked_again_after_the_pause_that_it_asks_for() {
    let busy = [
        ("Retry-After: 1\r\n", json!({})),
        ("", json!({ "message": "You are being rate limited.", "retry_after": 0.2 })),
        (
            "",
            json!({ "ok": false, "description": "Too Many Requests", "parameters": { "retry_after": 1 } }),
        ),
    ];
    let channels = ["slack", "discord", "telegram"];
    for ((headers, body), channel) in busy.into_iter().zip(channels) {
        let asked = AtomicUsize::new(0);
        let server = StandIn::start(move |request| {
            let is_of_channel = match channel {
                "slack" => request.path.starts_with("/services/"),
                "discord" => request.path.starts_with("/api/webhooks/"),
                _ => request.path.starts_with("/bot"),
            };
            if is_of_channel && asked.fetch_add(1, Ordering::SeqCst) == 0 {
                return Reply { status: "429 Too Many Requests", headers, body: body.to_string() };
            }
            hosted::answer(request)
        });
        let said = all_channels(&server).run(&["notify", "--test"]);
        assert_eq!(said.code, Some(0), "{channel}: {}{}", said.stdout, said.stderr);
        assert_eq!(server.received().len(), 30, "{channel}: one is sent twice");
    }
}

/// The lines of a section, and the words about it.
const UNUSABLE: [(&str, &str); 19] = [
    (
        "to = \"slack\"",
        "goavail.toml:2: notify[1].url_file: missing; the path of a file with the path of a Slack",
    ),
    (
        "to = \"slack\"\nurl_file = \"gone\"",
        "goavail.toml:4: notify[1].url_file: gone: cannot be read",
    ),
    ("to = \"slack\"\nurl_file = \"empty\"", "goavail.toml:4: notify[1].url_file: empty is empty"),
    ("to = \"slack\"\nurl_file = \"two\"", "goavail.toml:4: notify[1].url_file: two holds 2 lines"),
    (
        "to = \"slack\"\nurl_file = \"secret\"",
        "goavail.toml:4: notify[1].url_file: secret does not hold the path",
    ),
    (
        "to = \"discord\"\nurl_file = \"plain\"",
        "goavail.toml:4: notify[1].url_file: plain does not hold the URL",
    ),
    (
        "to = \"slack\"\nurl = \"https://s3cr3t.example\"",
        "goavail.toml:4: notify[1].url: not a known key; did you mean url_file?",
    ),
    (
        "to = \"telegram\"\ntoken_file = \"secret\"\nchat = 1",
        "goavail.toml:4: notify[1].token_file: secret does not hold a token",
    ),
    (
        "to = \"telegram\"\ntoken_file = \"secret\"\nchat = \"ops\"",
        "goavail.toml:5: notify[1].chat: \"ops\" is not allowed",
    ),
    (
        "to = \"pagerduty\"\ntoken_file = \"secret\"",
        "goavail.toml:4: notify[1].token_file: secret does not hold an integration key",
    ),
    ("to = \"ntfy\"", "goavail.toml:2: notify[1].topic: missing; a topic"),
    ("to = \"ntfy\"\ntopic = \"a b\"", "goavail.toml:4: notify[1].topic: \"a b\" is not allowed"),
    (
        "to = \"ntfy\"\ntopic = \"a\"\ntoken_file = \"secret\"\nserver = \"http://192.0.2.1\"",
        "goavail.toml:6: notify[1].server: plain http is allowed to this machine itself only",
    ),
    ("to = \"alertmanager\"", "goavail.toml:2: notify[1].server: missing; the URL of a server"),
    (
        "to = \"email\"\nserver = \"mail.test\"\nfrom = \"a@b.test\"",
        "goavail.toml:2: notify[1].recipients: missing; a list",
    ),
    (
        "to = \"email\"\nserver = \"mail.test\"\nfrom = \"a\"\nrecipients = [\"a@b.test\"]",
        "goavail.toml:5: notify[1].from: \"a\" is not allowed",
    ),
    (
        "to = \"email\"\nserver = \"mail.test\"\ntls = \"off\"\nfrom = \"a@b.test\"\nrecipients = [\"a@b.test\"]",
        "goavail.toml:5: notify[1].tls: off is allowed to a server on this machine only",
    ),
    (
        "to = \"email\"\nserver = \"mail.test\"\nuser = \"a\"\nfrom = \"a@b.test\"\nrecipients = [\"a@b.test\"]",
        "goavail.toml:5: notify[1].user: given without password_file",
    ),
    (
        "to = \"slack\"\nservices = [\"www\"]\nurl_file = \"good\"",
        "goavail.toml:4: notify[1].services: not used, because the file has no [[service]]",
    ),
];

#[test]
fn an_unusable_section_is_refused_with_its_line_and_without_its_secret() {
    for (lines, want) in UNUSABLE {
        let folder = Folder::new(&format!("[[notify]]\n{lines}"));
        folder.write("empty", "\n");
        folder.write("two", "s3cr3t\ns3cr3t\n");
        folder.write("secret", "s3cr3t-s3cr3t\n");
        folder.write("plain", "http://192.0.2.1/s3cr3t\n");
        folder.write("good", "T0/B0/s3cr3t\n");
        let said = folder.run(&["check"]);
        assert_eq!(said.code, Some(2), "{lines}: {}", said.stdout);
        assert!(said.stderr.contains(want), "{lines}:\n{}\nwanted: {want}", said.stderr);
        assert!(!said.stderr.contains("s3cr3t"), "{}", said.stderr);
    }
}
