//! The correct answer to a request.

use serde_json::{Value, json};

use super::rules::No;
use super::zone::{Record, Zone};
use super::{EMAIL, Entry, KEY, Setup, State, TOKEN};

/// Status and body of an answer.
pub(super) type Answer = (u16, Value);

/// The credentials in the three headers of a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Caller {
    pub(super) authorization: Option<String>,
    pub(super) key: Option<String>,
    pub(super) email: Option<String>,
}

impl Caller {
    /// Accepts the client, or returns the API's refusal.
    fn admit(&self, accepted: &str) -> Result<(), Answer> {
        if let Some(authorization) = &self.authorization {
            let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
            return match token {
                _ if token == accepted => Ok(()),
                _ if token.len() == TOKEN.len() => Err(refusal(403, 9109, "Invalid access token")),
                _ => Err(malformed()),
            };
        }
        match (&self.key, &self.email) {
            (Some(key), Some(email)) if key == KEY && email == EMAIL => Ok(()),
            (Some(_), Some(_)) => Err(refusal(403, 9103, "Unknown X-Auth-Key or X-Auth-Email")),
            _ => {
                Err(refusal(400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers"))
            }
        }
    }
}

fn malformed() -> Answer {
    let chain = [json!({"code": 6111, "message": "Invalid format for Authorization header"})];
    let error = json!({"code": 6003, "message": "Invalid request headers", "error_chain": chain});
    (400, envelope(&Value::Null, &[error]))
}

/// Handles a request, and changes the state if necessary.
pub(super) fn answer(state: &mut State, setup: &Setup, caller: &Caller, entry: &Entry) -> Answer {
    if let Err(refused) = caller.admit(setup.token) {
        return refused;
    }
    let (path, query) = entry.path.split_once('?').unwrap_or((&entry.path, ""));
    let segments: Vec<_> = path.trim_start_matches('/').split('/').collect();
    let (id, rest) = match segments.as_slice() {
        ["zones"] if entry.method == "GET" => return zones(state, &Query::parse(query)),
        ["zones", id, "dns_records", rest @ ..] => (*id, rest),
        _ => return refusal(404, 7000, "No route for that URI"),
    };
    let Some(zone) = state.zones.iter_mut().find(|zone| zone.id == id) else {
        return no_route(path);
    };
    let result = match (entry.method.as_str(), rest) {
        ("GET", []) => return records(zone, setup, &Query::parse(query)),
        ("GET", [id]) => {
            let found = zone.listed().iter().find(|record| record.id == *id);
            found.map(Record::json).ok_or_else(No::gone)
        }
        ("POST", []) => zone.create(&entry.body).map(|record| record.json()),
        ("POST", ["batch"]) if setup.batches => zone.batch(&entry.body, setup.largest_batch),
        ("DELETE", [id]) => zone.delete(id).map(|record| json!({ "id": record.id })),
        _ => return refusal(405, 10_405, "Method not allowed for this authentication scheme"),
    };
    match result {
        Ok(result) => (200, envelope(&result, &[])),
        Err(no) => no_in_its_words(&no),
    }
}

fn zones(state: &State, query: &Query) -> Answer {
    let wanted = |zone: &&Zone| query.get("name").is_none_or(|name| name == zone.name);
    let show = |zone: &Zone| json!({"id": zone.id, "name": zone.name, "status": zone.status});
    let found: Vec<_> = state.zones.iter().filter(wanted).map(show).collect();
    paged(&found, query, 20, 50)
}

fn records(zone: &Zone, setup: &Setup, query: &Query) -> Answer {
    let is = |key: &str, value: &str| query.get(key).is_none_or(|wanted| wanted == value);
    let wanted = |r: &&Record| {
        is("type", &r.kind)
            && is("name", &r.name)
            && is("name.exact", &r.name)
            && is("content", &r.content)
    };
    let mut found: Vec<_> = zone.listed().iter().filter(wanted).collect();
    if query.get("order").is_some_and(|order| order == "name") {
        found.sort_by(|a, b| a.name.cmp(&b.name));
    }
    let found: Vec<_> = found.into_iter().map(Record::json).collect();
    paged(&found, query, 100, setup.largest_page)
}

/// Returns one page of `all`, with at most `largest` records.
fn paged(all: &[Value], query: &Query, usual: usize, largest: usize) -> Answer {
    let number = |key| query.get(key).and_then(|text| text.parse::<usize>().ok());
    let per_page = number("per_page").unwrap_or(usual).clamp(1, largest);
    let page = number("page").unwrap_or(1).max(1);
    let shown: Vec<_> = all.iter().skip((page - 1) * per_page).take(per_page).cloned().collect();
    let info = json!({
        "page": page,
        "per_page": per_page,
        "count": shown.len(),
        "total_count": all.len(),
        "total_pages": all.len().div_ceil(per_page),
    });
    let mut body = envelope(&json!(shown), &[]);
    body["result_info"] = info;
    (200, body)
}

fn no_route(path: &str) -> Answer {
    let message =
        format!("Could not route to /client/v4{path}, perhaps your object identifier is invalid?");
    let errors = [
        json!({"code": 7003, "message": message}),
        json!({"code": 7000, "message": "No route for that URI"}),
    ];
    (404, envelope(&Value::Null, &errors))
}

fn no_in_its_words(no: &No) -> Answer {
    if !no.chained {
        return refusal(no.status, no.code, &no.message);
    }
    let chain = [json!({"code": no.code, "message": no.message})];
    let error = json!({"code": 1004, "message": "DNS Validation Error", "error_chain": chain});
    (no.status, envelope(&Value::Null, &[error]))
}

/// Returns a refusal in the API's format.
pub(super) fn refusal(status: u16, code: i64, message: &str) -> Answer {
    (status, envelope(&Value::Null, &[json!({"code": code, "message": message})]))
}

fn envelope(result: &Value, errors: &[Value]) -> Value {
    json!({"result": result, "success": errors.is_empty(), "errors": errors, "messages": []})
}

/// Returns the query of a request.
struct Query(Vec<(String, String)>);

impl Query {
    fn parse(text: &str) -> Self {
        let base = format!("http://localhost/?{text}");
        let url = reqwest::Url::parse(&base).unwrap();
        Self(url.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned())).collect())
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}
