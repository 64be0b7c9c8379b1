//! The routes of the status listener and of the control socket.

use std::net::IpAddr;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::control::{
    ANSWER_WITHIN, CommandKind, CommandRefused, CommandResult, DrainRequest, ErrorBody,
    OperatorCommand, UndrainRequest,
};
use super::metrics::{MetricsFormat, encode};
use super::model::{Health, MAX_SILENCE, Reason, StatedReason, Status, Target};
use super::page;
use super::reader::Reader;
use crate::text::{json, json_into};

/// Returns the routes that change nothing, for `[Status] listen`.
pub fn read_only(reader: Reader) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/healthz", get(healthz))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .route("/verdict/{address}", get(verdict))
        .route("/verdict/{service}/{address}", get(verdict_of_service))
        .with_state(reader)
}

/// Returns the same routes and those of commands, for the control socket. Commands are sent to
/// `commands`; its bound protects the event loop.
pub fn control(reader: Reader, commands: mpsc::Sender<OperatorCommand>) -> Router {
    let routes = Router::new()
        .route("/drain/{address}", post(drain))
        .route("/drain/{service}/{address}", post(drain))
        .route("/undrain/{address}", post(undrain))
        .route("/undrain/{service}/{address}", post(undrain))
        .route("/return/{address}", post(put_back))
        .route("/return/{service}/{address}", post(put_back))
        .with_state(commands);
    read_only(reader).merge(routes)
}

async fn healthz(State(reader): State<Reader>) -> (StatusCode, String) {
    let silence = reader.silence(now());
    if silence < MAX_SILENCE {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let seconds = silence.as_secs();
    let body = format!("the agent's event loop has not run for {seconds} s\n");
    (StatusCode::SERVICE_UNAVAILABLE, body)
}

#[expect(clippy::disallowed_methods, reason = "the time since the last iteration is measured here")]
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std() // tokio's, so that a paused test moves it
}

async fn status(State(reader): State<Reader>) -> Response {
    let silence_s = (reader.silence(now()).as_secs_f64() * 10.0).round() / 10.0;
    let body =
        reader.renderings().status.body(&reader.snapshot(), now(), |snapshot, mut buffer| {
            let status = Status { silence_s, ..snapshot.status_view() };
            buffer.reserve(snapshot.status_bytes());
            json_into(buffer, &status).expect("a status has string keys only")
        });
    shared("application/json", body)
}

async fn metrics(State(reader): State<Reader>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = MetricsFormat::wanted(accept.unwrap_or_default());
    let rendering = match format {
        MetricsFormat::Text => &reader.renderings().metrics,
        MetricsFormat::OpenMetrics => &reader.renderings().open_metrics,
    };
    let body = rendering.body(&reader.snapshot(), now(), |snapshot, buffer| {
        let buffer = String::from_utf8(buffer).unwrap_or_default();
        encode(snapshot, format, buffer).into_bytes()
    });
    shared(format.content_type(), body)
}

/// Returns a response with a body that is shared with other readers.
fn shared(content_type: &'static str, body: Bytes) -> Response {
    let kind = (header::CONTENT_TYPE, content_type);
    ([kind, (header::CACHE_CONTROL, "no-store")], body).into_response()
}

/// The query of the page.
#[derive(Debug, Deserialize)]
struct PageQuery {
    /// Present for more targets than the worst few hundred.
    all: Option<String>,
}

async fn page(State(reader): State<Reader>, Query(query): Query<PageQuery>) -> Response {
    let (rendering, shown) = match query.all {
        None => (&reader.renderings().page, page::ROWS_SHOWN),
        Some(_) => (&reader.renderings().whole_page, page::MOST_ROWS),
    };
    let silence_s = reader.silence(now()).as_secs_f64();
    let body = rendering.body(&reader.snapshot(), now(), |snapshot, _| {
        let status = Status { silence_s, ..snapshot.status() };
        let hours = &|target| snapshot.hour(target);
        let past = page::ShownPast { hours, has_days: reader.has_days() };
        page::render(&status, past, shown).into_bytes()
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

/// Returns the verdict on an address, if all services that have it agree.
async fn verdict(
    State(reader): State<Reader>,
    Path(address): Path<String>,
) -> (StatusCode, String) {
    let found = parse(&address).map(|address| reader.snapshot().find(None, address));
    let found = found.unwrap_or_default();
    match found.as_slice() {
        [first, others @ ..] if others.iter().all(|other| other.serves() == first.serves()) => {
            verdict_on(first)
        }
        [] => unknown(),
        several => {
            let each = several.iter().take(MOST_NAMED).map(|target| {
                let line = verdict_line(target);
                format!("{}: {line}", target.service)
            });
            let body =
                format!("ambiguous ask for /verdict/SERVICE/ADDRESS\n{}", each.collect::<String>());
            (StatusCode::CONFLICT, body)
        }
    }
}

/// Maximum number of services that an ambiguous verdict names.
const MOST_NAMED: usize = 20;

async fn verdict_of_service(
    State(reader): State<Reader>,
    Path((service, address)): Path<(String, String)>,
) -> (StatusCode, String) {
    let snapshot = reader.snapshot();
    if !snapshot.has_service(&service) {
        return (StatusCode::NOT_FOUND, "unknown not a service of this agent\n".to_owned());
    }
    let found = parse(&address).map(|address| snapshot.find(Some(&service), address));
    found.unwrap_or_default().first().map_or_else(unknown, verdict_on)
}

fn unknown() -> (StatusCode, String) {
    (StatusCode::NOT_FOUND, "unknown not a target of this agent\n".to_owned())
}

fn verdict_on(target: &Target) -> (StatusCode, String) {
    let status = if target.serves() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    // Programs read the first line.
    let failed = target.failed.iter().map(|failed| format!("{failed}\n"));
    (status, verdict_line(target) + &failed.collect::<String>())
}

/// Returns the verdict in one word, with the reason: `down floor`.
fn verdict_line(target: &Target) -> String {
    let out_by_hand = !target.serves() && target.drained.is_some();
    let word = match (target.serves(), target.health) {
        (false, _) if out_by_hand => "drained",
        (false, _) => "down",
        (true, Health::AssumedUp) => "assumed_up",
        (true, _) => "up",
    };
    let reason = match (&target.reason, target.health) {
        (None, Health::Up | Health::AssumedUp) if let Some(standby) = &target.standby => {
            let state = if target.in_service { "in service" } else { "standby" };
            return format!("{word} {state}: {}\n", standby.why);
        }
        (_, Health::Unknown) if !out_by_hand => "unknown",
        (Some(StatedReason::Known(Reason::Drained)), _) if out_by_hand => "",
        (Some(reason), _) => reason.as_label(),
        (_, Health::Down) if target.serves() => "verdict pending",
        _ => "",
    };
    format!("{word} {reason}").trim_end().to_owned() + "\n"
}

/// Parses an address in a path. IPv6 addresses may have brackets.
pub(super) fn parse(address: &str) -> Option<IpAddr> {
    address.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// The target in the path of a command.
#[derive(Debug, Deserialize)]
pub(super) struct CommandPath {
    /// The service; all that have the address if it is absent.
    pub(super) service: Option<String>,
    /// The address, as it was written.
    pub(super) address: String,
}

async fn drain(
    State(commands): State<mpsc::Sender<OperatorCommand>>,
    Path(path): Path<CommandPath>,
    query: Result<Query<DrainRequest>, QueryRejection>,
    body: Bytes,
) -> Response {
    match options(query, &body) {
        Ok(drain) => send(&commands, path, CommandKind::Drain(drain)).await,
        Err(message) => refusal(StatusCode::BAD_REQUEST, "bad_request", message),
    }
}

/// Returns the options of a command: those of its body, or of its query if it has none.
fn options<T: DeserializeOwned>(
    query: Result<Query<T>, QueryRejection>,
    body: &Bytes,
) -> Result<T, String> {
    if body.is_empty() {
        query.map(|Query(options)| options).map_err(|error| error.body_text())
    } else {
        serde_json::from_slice(body).map_err(|error| error.to_string())
    }
}

async fn undrain(
    State(commands): State<mpsc::Sender<OperatorCommand>>,
    Path(path): Path<CommandPath>,
    query: Result<Query<UndrainRequest>, QueryRejection>,
    body: Bytes,
) -> Response {
    match options(query, &body) {
        Ok(undrain) => send(&commands, path, undrain.kind()).await,
        Err(message) => refusal(StatusCode::BAD_REQUEST, "bad_request", message),
    }
}

async fn put_back(
    State(commands): State<mpsc::Sender<OperatorCommand>>,
    Path(path): Path<CommandPath>,
) -> Response {
    send(&commands, path, CommandKind::Return).await
}

/// Sends a command to the event loop, and waits for the result.
async fn send(
    commands: &mpsc::Sender<OperatorCommand>,
    CommandPath { service, address }: CommandPath,
    kind: CommandKind,
) -> Response {
    let Some(target) = parse(&address) else {
        let message = format!("`{address}` is not an address");
        return refusal(StatusCode::NOT_FOUND, "not_a_target", message);
    };
    let (reply, result) = oneshot::channel();
    let command = OperatorCommand { target, service, kind, reply };
    let until = tokio::time::Instant::from_std(now()) + ANSWER_WITHIN;
    match tokio::time::timeout_at(until, commands.send(command)).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => return refusal(StatusCode::SERVICE_UNAVAILABLE, "stopping", STOPPING),
        Err(_) => return refusal(StatusCode::SERVICE_UNAVAILABLE, "timeout", NOT_ACCEPTED),
    }
    match tokio::time::timeout_at(until, result).await {
        Ok(Ok(result)) => answer(result),
        Ok(Err(_)) => refusal(StatusCode::SERVICE_UNAVAILABLE, "stopping", STOPPING),
        Err(_) => refusal(StatusCode::GATEWAY_TIMEOUT, "timeout", NOT_CONFIRMED),
    }
}

const STOPPING: &str = "the agent is stopping";
const NOT_ACCEPTED: &str = "the agent is too busy to accept the command; nothing was done";
const NOT_CONFIRMED: &str =
    "the agent accepted the command but could not confirm it in time; check `goavail status`";

/// Returns the response to the result of a command.
fn answer(result: CommandResult) -> Response {
    match result {
        Ok(done) => json_body(&done).into_response(),
        Err(refused) => {
            let (status, error) = match &refused {
                CommandRefused::NotATarget(_) | CommandRefused::NotInService { .. } => {
                    (StatusCode::NOT_FOUND, "not_a_target")
                }
                CommandRefused::NoService { .. } => (StatusCode::NOT_FOUND, "not_a_service"),
                CommandRefused::Guard { reason, .. } => (StatusCode::CONFLICT, reason.as_label()),
                CommandRefused::Unknown { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unknown"),
            };
            refusal(status, error, refused.to_string())
        }
    }
}

/// Returns the response to a request that was not carried out.
pub(super) fn refusal(status: StatusCode, error: &str, message: impl Into<String>) -> Response {
    let body = ErrorBody { error: error.to_owned(), message: message.into() };
    (status, json_body(&body)).into_response()
}

/// Returns a JSON body for one reader.
pub(super) fn json_body(value: &impl Serialize) -> impl IntoResponse {
    let text = json(value).expect("a response has string keys only");
    ([(header::CONTENT_TYPE, "application/json")], text)
}
