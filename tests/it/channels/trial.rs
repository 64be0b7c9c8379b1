//! `goavail notify --test` against strict stand-ins, and its requests beside those of Apprise.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::Folder;
use super::hosted::{self, SECRETS};
use super::stand_in::{Request, StandIn};
use crate::{lab, python};

/// A folder with a channel to each hosted service, all at this server.
pub(super) fn all_channels(server: &StandIn) -> Folder {
    let base = format!("http://{}", server.address);
    let channels = format!(
        "[[notify]]\nto = \"slack\"\nurl_file = \"slack\"\n\
         [[notify]]\nto = \"discord\"\nurl_file = \"discord\"\n\
         [[notify]]\nto = \"teams\"\nurl_file = \"teams\"\n\
         [[notify]]\nto = \"telegram\"\ntoken_file = \"telegram\"\nchat = -1001\nserver = \"{base}\"\n\
         [[notify]]\nto = \"ntfy\"\ntopic_file = \"topic\"\ntoken_file = \"ntfy\"\nserver = \"{base}\"\n\
         [[notify]]\nto = \"pagerduty\"\ntoken_file = \"pagerduty\"\nserver = \"{base}\"\n"
    );
    let folder = Folder::new(&channels);
    let [slack, discord, teams, telegram, topic, ntfy, pagerduty] = SECRETS;
    folder.write("slack", &format!("{base}/services/{slack}\n"));
    folder.write("discord", &format!("{base}/api/webhooks/4711/{discord}\n"));
    let path = "workflows/abc/triggers/manual/paths/invoke?api-version=2016-06-01&sp=x&sv=1.0&sig=";
    folder.write("teams", &format!("{base}/{path}{teams}\n"));
    for (name, secret) in
        [("telegram", telegram), ("topic", topic), ("ntfy", ntfy), ("pagerduty", pagerduty)]
    {
        folder.write(name, &format!("{secret}\n"));
    }
    folder
}

/// The rows of `notify --test --json`: channel, notice and outcome.
fn rows(stdout: &str) -> Vec<(String, String, String)> {
    let rows: Value = serde_json::from_str(stdout).unwrap();
    let mut found = Vec::new();
    for row in rows.as_array().unwrap() {
        let [channel, notice, outcome] =
            ["channel", "notice", "outcome"].map(|key| row[key].as_str().unwrap().to_owned());
        found.push((channel, notice, outcome));
    }
    found
}

#[test]
fn a_test_notice_of_each_kind_is_accepted_by_every_hosted_service() {
    let server = StandIn::start(hosted::answer);
    let folder = all_channels(&server);
    let said = folder.run(&["notify", "--test", "--json"]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    let rows = rows(&said.stdout);
    assert_eq!(rows.len(), 6 * 5);
    for (channel, notice, outcome) in &rows {
        let is_event_of_a_pager = channel == "pagerduty" && notice == "info, event";
        let want = if is_event_of_a_pager { "not_sent" } else { "accepted" };
        assert_eq!(outcome, want, "{channel}: {notice}");
    }
    let requests = server.received();
    assert_eq!(requests.len(), 6 * 5 - 1);
    for request in &requests {
        assert!(request.body.contains("TEST") || request.body.contains("(test)"), "{request:?}");
    }
    let pages: Vec<Value> =
        requests.iter().filter(|it| it.path == "/v2/enqueue").map(Request::json).collect();
    let actions: Vec<_> = pages.iter().map(|page| page["event_action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["trigger", "trigger", "resolve", "resolve"], "nothing stays open");
    let keys: BTreeSet<_> = pages.iter().map(|page| page["dedup_key"].to_string()).collect();
    assert_eq!(keys.len(), 2);
    let check = folder.run(&["check"]);
    assert_eq!(check.code, Some(0), "{}", check.stderr);
    for text in [said.stdout, said.stderr, check.stdout, check.stderr] {
        for secret in SECRETS.iter().flat_map(|secret| secret.split('/')) {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

/// The requests of Apprise for the same receivers, which it does not send.
fn apprise() -> Option<Vec<Value>> {
    let python = match python::environment("apprise", &["apprise==2.3.0"]) {
        Ok(python) => python,
        Err(why) => {
            lab::skip(&format!("no Apprise: {why}"));
            return None;
        }
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/channels/apprise_requests.py");
    let output = Command::new(python).arg(script).args(SECRETS).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(said.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Whether our body has each key of theirs that the service needs, with a value of the same type.
fn has_the_shape(ours: &Value, theirs: &Value, keys: &[&str]) -> bool {
    keys.iter().all(|pointer| {
        let (Some(ours), Some(theirs)) = (ours.pointer(pointer), theirs.pointer(pointer)) else {
            return false;
        };
        std::mem::discriminant(ours) == std::mem::discriminant(theirs)
    })
}

/// A service, the host of its requests unless that is the customer's own, and the fields of its bodies.
type Shape = (&'static str, &'static str, &'static [&'static str]);

const SHAPES: [Shape; 6] = [
    ("slack", "hooks.slack.com", &[]),
    ("discord", "discord.com", &["/embeds", "/embeds/0/description", "/embeds/0/color"]),
    (
        "teams",
        "",
        &[
            "/type",
            "/attachments/0/contentType",
            "/attachments/0/content/type",
            "/attachments/0/content/body",
        ],
    ),
    ("telegram", "api.telegram.org", &["/text", "/chat_id"]),
    ("ntfy", "ntfy.sh", &["/topic", "/title", "/message"]),
    (
        "pagerduty",
        "events.pagerduty.com",
        &[
            "/routing_key",
            "/event_action",
            "/payload/summary",
            "/payload/severity",
            "/payload/source",
        ],
    ),
];

/// The fields that have one value.
const CONSTANT: [&str; 6] = [
    "/attachments/0/contentType",
    "/attachments/0/content/type",
    "/type",
    "/topic",
    "/routing_key",
    "/chat_id",
];

/// Compares our request to a service with that of Apprise.
fn compare((service, host, keys): Shape, ours: &[Request], theirs: &Value) {
    let [path, method, their_host, content_type, authorization] =
        ["path", "method", "host", "content_type", "authorization"]
            .map(|key| theirs[key].as_str().unwrap_or_default());
    let path = path.trim_end_matches('/');
    let request = ours.iter().find(|request| {
        let bare = request.path.split('?').next().unwrap_or_default();
        bare.trim_end_matches('/') == path
    });
    let request = request.unwrap_or_else(|| panic!("{service}: no request to {path}"));
    assert_eq!(request.method, method, "{service}");
    assert!(host.is_empty() || their_host == host, "{service}: {their_host}");
    assert!(content_type.starts_with("application/json"), "{service}");
    // The token that Apprise sends to PagerDuty belongs to an older interface of it.
    let authorization = if service == "pagerduty" { "" } else { authorization };
    assert_eq!(request.header("authorization"), authorization, "{service}");
    let (our_body, their_body) = (request.json(), &theirs["body"]);
    assert!(has_the_shape(&our_body, their_body, keys), "{service}:\n{our_body:#}\n{their_body:#}");
    for key in keys.iter().filter(|key| CONSTANT.contains(key)) {
        assert_eq!(our_body.pointer(key), their_body.pointer(key), "{service}: {key}");
    }
}

#[test]
fn the_requests_are_those_of_apprise_in_method_path_headers_and_shape() {
    let Some(theirs) = apprise() else { return };
    let server = StandIn::start(hosted::answer);
    let said = all_channels(&server).run(&["notify", "--test"]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    let ours = server.received();
    for shape in SHAPES {
        let theirs = theirs.iter().find(|it| it["service"] == shape.0).unwrap();
        compare(shape, &ours, theirs);
    }
}
