//! The rules of the hosted services, as their documentation gives them and stricter: a field that is not
//! documented, or a text that is only nearly too long, is refused.

use serde_json::{Value, json};

use super::stand_in::{Reply, Request};

/// The secrets of the channels, as they stand in requests.
pub(super) const SECRETS: [&str; 7] = [
    "T0M4RK3R/B0M4RK3R/x0m4rk3rslackx0m4rk3r",
    "disc0rdm4rk3rt0ken",
    "te4msm4rk3rsign4ture",
    "123456:t3legramM4rk3r-token",
    "ntfy-m4rk3r-topic",
    "tk_ntfym4rk3rtoken",
    "p4gerdutym4rk3rp4gerdutym4rk3r00",
];

/// The keys of an object that are not among the documented ones.
fn undocumented(object: &Value, documented: &[&str]) -> Option<String> {
    let keys = object.as_object()?.keys();
    keys.filter(|key| !documented.contains(&key.as_str())).map(String::clone).next()
}

/// The requirements of every service.
fn common(request: &Request) -> Option<Reply> {
    let is_json = request.header("content-type") == "application/json";
    if request.method != "POST" || !is_json || !request.json().is_object() {
        return Some(Reply::new("400 Bad Request", "not a POST of a JSON object"));
    }
    if !request.header("user-agent").starts_with("goavail/") {
        return Some(Reply::new("403 Forbidden", "no user agent"));
    }
    None
}

/// Answers as the service that the path belongs to.
pub(super) fn answer(request: &Request) -> Reply {
    if let Some(refusal) = common(request) {
        return refusal;
    }
    let body = request.json();
    let path = request.path.as_str();
    match path {
        "/services/T0M4RK3R/B0M4RK3R/x0m4rk3rslackx0m4rk3r" => slack(&body),
        "/api/webhooks/4711/disc0rdm4rk3rt0ken" => discord(&body),
        "/bot123456:t3legramM4rk3r-token/sendMessage" => telegram(&body),
        "/v2/enqueue" => pagerduty(&body),
        "/" => ntfy(request, &body),
        _ if path.starts_with("/workflows/") && path.contains("sig=te4msm4rk3rsign4ture") => {
            teams(request, &body)
        }
        _ => Reply::new("404 Not Found", "no such service"),
    }
}

fn slack(body: &Value) -> Reply {
    let text = body["text"].as_str().unwrap_or_default();
    let raw = text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
    if text.is_empty() || undocumented(body, &["text", "mrkdwn"]).is_some() {
        return Reply::new("400 Bad Request", "invalid_payload");
    }
    if raw.contains(['&', '<', '>']) || text.len() > 4_000 {
        return Reply::new("400 Bad Request", "invalid_text");
    }
    Reply::new("200 OK", "ok")
}

fn discord(body: &Value) -> Reply {
    let content = body["content"].as_str().unwrap_or_default();
    let embed = &body["embeds"][0];
    let description = embed["description"].as_str().unwrap_or_default();
    let is_good = (1..=2_000).contains(&content.encode_utf16().count())
        && (1..=4_096).contains(&description.encode_utf16().count())
        && embed["color"].as_u64().is_some_and(|colour| colour <= 0x00ff_ffff)
        && undocumented(body, &["content", "embeds", "allowed_mentions"]).is_none()
        && undocumented(embed, &["description", "color"]).is_none()
        && body["allowed_mentions"] == json!({ "parse": [] });
    if is_good {
        return Reply::new("204 No Content", "");
    }
    Reply::new(
        "400 Bad Request",
        json!({ "message": "Invalid Form Body", "code": 50035 }).to_string(),
    )
}

fn telegram(body: &Value) -> Reply {
    let text = body["text"].as_str().unwrap_or_default();
    let documented =
        ["chat_id", "text", "message_thread_id", "link_preview_options", "disable_notification"];
    let is_good = (1..=4_096).contains(&text.encode_utf16().count())
        && (body["chat_id"].is_i64() || body["chat_id"].is_string())
        && undocumented(body, &documented).is_none();
    if is_good {
        let message = json!({ "ok": true, "result": { "message_id": 1 } });
        return Reply::new("200 OK", message.to_string());
    }
    let error =
        json!({ "ok": false, "error_code": 400, "description": "Bad Request: bad message" });
    Reply::new("400 Bad Request", error.to_string())
}

fn pagerduty(body: &Value) -> Reply {
    let payload = &body["payload"];
    let severities = ["critical", "error", "warning", "info"];
    let documented = ["routing_key", "event_action", "dedup_key", "client", "payload"];
    let of_payload = [
        "summary",
        "source",
        "severity",
        "timestamp",
        "component",
        "group",
        "class",
        "custom_details",
    ];
    let is_good = body["routing_key"] == SECRETS[6]
        && ["trigger", "resolve"].iter().any(|action| body["event_action"] == *action)
        && body["dedup_key"].as_str().is_some_and(|key| (1..=255).contains(&key.len()))
        && payload["summary"].as_str().is_some_and(|it| (1..=1_024).contains(&it.len()))
        && payload["source"].as_str().is_some_and(|source| !source.is_empty())
        && severities.iter().any(|severity| payload["severity"] == *severity)
        && payload["timestamp"].as_str().is_some_and(|time| time.ends_with('Z'))
        && payload["custom_details"].is_object()
        && undocumented(body, &documented).is_none()
        && undocumented(payload, &of_payload).is_none();
    if is_good {
        let success = json!({ "status": "success", "message": "Event processed", "dedup_key": body["dedup_key"] });
        return Reply::new("202 Accepted", success.to_string());
    }
    let error = json!({ "status": "invalid event", "message": "Event object is invalid", "errors": ["bad"] });
    Reply::new("400 Bad Request", error.to_string())
}

fn ntfy(request: &Request, body: &Value) -> Reply {
    if request.header("authorization") != "Bearer tk_ntfym4rk3rtoken" {
        let error = json!({ "code": 40101, "http": 401, "error": "unauthorized" });
        return Reply::new("401 Unauthorized", error.to_string());
    }
    let is_good = body["topic"] == SECRETS[4]
        && body["message"].as_str().is_some_and(|it| (1..=4_096).contains(&it.len()))
        && body["title"].as_str().is_some_and(|title| !title.contains('\n'))
        && body["priority"].as_u64().is_some_and(|priority| (1..=5).contains(&priority))
        && body["tags"].as_array().is_some_and(|tags| tags.iter().all(Value::is_string))
        && undocumented(body, &["topic", "title", "message", "priority", "tags"]).is_none();
    if is_good {
        let message = json!({ "id": "x", "time": 1, "event": "message", "topic": body["topic"] });
        return Reply::new("200 OK", message.to_string());
    }
    Reply::new("400 Bad Request", json!({ "code": 40001, "http": 400, "error": "bad" }).to_string())
}

fn teams(request: &Request, body: &Value) -> Reply {
    let attachment = &body["attachments"][0];
    let card = &attachment["content"];
    let blocks = card["body"].as_array().cloned().unwrap_or_default();
    let is_good = request.body.len() < 28_000
        && body["type"] == "message"
        && attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        && card["type"] == "AdaptiveCard"
        && card["version"] == "1.4"
        && !blocks.is_empty()
        && blocks
            .iter()
            .all(|block| block["type"] == "RichTextBlock" && block["inlines"].is_array());
    if is_good {
        return Reply::new("202 Accepted", "");
    }
    Reply::new("400 Bad Request", json!({ "error": { "code": "InvalidTemplate" } }).to_string())
}
