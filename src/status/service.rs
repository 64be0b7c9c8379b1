//! Who may ask what: the routes of the status listener and of the control socket.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::control::{Answer, Command, Drain, Order, Refused};
use super::metrics::{Format, encode};
use super::model::{Health, Status, Target};
use super::page;
use super::reader::Reader;
use crate::text::json;

/// The driver's loop turns at least once a second; after this long without, something is wrong.
pub const MAX_SILENCE: Duration = Duration::from_secs(10);

/// How long an order may take: a read of the zone, and some.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// The routes that change nothing: what `[Status] listen` serves.
pub fn read_only(reader: Reader) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/healthz", get(healthz))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .route("/verdict/{address}", get(verdict))
        .with_state(reader)
}

/// The same and the orders: what the control socket serves. Orders arrive at the other end of
/// `orders`; that the channel is bounded is what keeps the driver from being flooded.
pub fn control(reader: Reader, orders: mpsc::Sender<Command>) -> Router {
    let ordering = Router::new()
        .route("/drain/{address}", post(drain))
        .route("/undrain/{address}", post(undrain))
        .with_state(orders);
    read_only(reader).merge(ordering)
}

async fn healthz(State(reader): State<Reader>) -> (StatusCode, String) {
    let silence = reader.silence(now());
    if silence < MAX_SILENCE {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let seconds = silence.as_secs();
    let body = format!("the agent's loop has not turned for {seconds} s\n");
    (StatusCode::SERVICE_UNAVAILABLE, body)
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long the driver has been silent is measured here"
)]
fn now() -> Instant {
    tokio::time::Instant::now().into_std() // tokio's, so that a paused test moves it
}

async fn status(State(reader): State<Reader>) -> Response {
    let silence_s = (reader.silence(now()).as_secs_f64() * 10.0).round() / 10.0;
    let body = reader.renderings().status.body(&reader.snapshot(), now(), |snapshot| {
        let status = Status { silence_s, ..snapshot.status() };
        json(&status).expect("a status has string keys only").into_bytes()
    });
    shared("application/json", body)
}

async fn metrics(State(reader): State<Reader>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::wanted(accept.unwrap_or_default());
    let rendering = match format {
        Format::Text => &reader.renderings().metrics,
        Format::OpenMetrics => &reader.renderings().open_metrics,
    };
    let body =
        rendering.body(&reader.snapshot(), now(), |snapshot| encode(snapshot, format).into_bytes());
    shared(format.content_type(), body)
}

/// An answer that others get too.
fn shared(content_type: &'static str, body: Bytes) -> Response {
    let kind = (header::CONTENT_TYPE, content_type);
    ([kind, (header::CACHE_CONTROL, "no-store")], body).into_response()
}

/// What the page's address may ask for.
#[derive(Debug, Deserialize)]
struct PageQuery {
    /// More targets than the worst few hundred.
    all: Option<String>,
}

async fn page(State(reader): State<Reader>, Query(query): Query<PageQuery>) -> Response {
    let (rendering, shown) = match query.all {
        None => (&reader.renderings().page, page::ROWS_SHOWN),
        Some(_) => (&reader.renderings().whole_page, page::MOST_ROWS),
    };
    let silence_s = reader.silence(now()).as_secs_f64();
    let body = rendering.body(&reader.snapshot(), now(), |snapshot| {
        let status = Status { silence_s, ..snapshot.status() };
        page::render(&status, &snapshot.hours(), shown).into_bytes()
    });
    let mut response = shared("text/html; charset=utf-8", body);
    let headers = response.headers_mut();
    if let Ok(policy) = page::policy().parse() {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, header::HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, header::HeaderValue::from_static("no-referrer"));
    response
}

async fn verdict(
    State(reader): State<Reader>,
    Path(address): Path<String>,
) -> (StatusCode, String) {
    let target = parse(&address).and_then(|address| reader.snapshot().find(address));
    let Some(target) = target else {
        return (StatusCode::NOT_FOUND, "unknown not a target of this agent\n".to_owned());
    };
    let status = if target.serves() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, judgement(&target))
}

/// One word and the reason: `down floor`.
fn judgement(target: &Target) -> String {
    let word = match (target.serves(), target.health) {
        (false, _) if target.drained.is_some() => "drained",
        (false, _) => "down",
        (true, Health::AssumedUp) => "assumed_up",
        (true, _) => "up",
    };
    let because = match (target.reason, target.health) {
        (_, Health::Unknown) if word != "drained" => "unknown",
        (Some(reason), _) if reason.as_str() != word => reason.as_str(),
        (_, Health::Down) if target.serves() => "verdict pending",
        _ => "",
    };
    format!("{word} {because}").trim_end().to_owned() + "\n"
}

/// An address as a path has it; brackets around IPv6 do no harm.
fn parse(address: &str) -> Option<IpAddr> {
    address.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

async fn drain(
    State(orders): State<mpsc::Sender<Command>>,
    Path(address): Path<String>,
    query: Result<Query<Drain>, axum::extract::rejection::QueryRejection>,
    body: Bytes,
) -> Response {
    let read = if body.is_empty() {
        query.map(|Query(drain)| drain).map_err(|bad| bad.body_text())
    } else {
        serde_json::from_slice(&body).map_err(|bad| bad.to_string())
    };
    match read {
        Ok(drain) => order(&orders, &address, Order::Drain(drain)).await,
        Err(message) => problem(StatusCode::BAD_REQUEST, "bad_request", message),
    }
}

async fn undrain(
    State(orders): State<mpsc::Sender<Command>>,
    Path(address): Path<String>,
) -> Response {
    order(&orders, &address, Order::Undrain).await
}

/// Hands an order to the driver and waits for what becomes of it.
async fn order(orders: &mpsc::Sender<Command>, address: &str, order: Order) -> Response {
    let Some(target) = parse(address) else {
        let message = format!("`{address}` is not an address");
        return problem(StatusCode::NOT_FOUND, "not_a_target", message);
    };
    let (reply, answer) = oneshot::channel();
    let command = Command { target, order, reply };
    let until = tokio::time::Instant::from_std(now()) + ANSWER_WITHIN;
    match tokio::time::timeout_at(until, orders.send(command)).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => return problem(StatusCode::SERVICE_UNAVAILABLE, "stopping", STOPPING),
        Err(_) => return problem(StatusCode::SERVICE_UNAVAILABLE, "timeout", NOT_TAKEN),
    }
    match tokio::time::timeout_at(until, answer).await {
        Ok(Ok(answer)) => answered(answer),
        Ok(Err(_)) => problem(StatusCode::SERVICE_UNAVAILABLE, "stopping", STOPPING),
        Err(_) => problem(StatusCode::GATEWAY_TIMEOUT, "timeout", NOT_CONFIRMED),
    }
}

const STOPPING: &str = "the agent is stopping";
const NOT_TAKEN: &str = "the agent is too busy to take the order; nothing was done";
const NOT_CONFIRMED: &str =
    "the agent took the order but could not confirm it in time; ask `goavail status`";

fn answered(answer: Answer) -> Response {
    match answer {
        Ok(done) => told(&done).into_response(),
        Err(refused) => {
            let (status, error) = match &refused {
                Refused::NotATarget(_) => (StatusCode::NOT_FOUND, "not_a_target"),
                Refused::Guard { reason, .. } => (StatusCode::CONFLICT, reason.as_str()),
                Refused::Unknown { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unknown"),
            };
            problem(status, error, refused.to_string())
        }
    }
}

/// What an order that was not carried out is answered with.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Problem {
    /// One word, for machines: a reason's, or `not_a_target`, `bad_request`, `timeout` …
    pub(super) error: String,
    /// For people.
    pub(super) message: String,
}

fn problem(status: StatusCode, error: &str, message: impl Into<String>) -> Response {
    let problem = Problem { error: error.to_owned(), message: message.into() };
    (status, told(&problem)).into_response()
}

/// An answer to one reader.
fn told(what: &impl Serialize) -> impl IntoResponse {
    let text = json(what).expect("an answer has string keys only");
    ([(header::CONTENT_TYPE, "application/json")], text)
}
