//! The routes of explanations, which change nothing.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::{mpsc, oneshot};

use super::{EXPLAINED_WITHIN, ExplainRefused, ExplainRequest};
use crate::status::service::{CommandPath, json_body, now, parse, refusal};

/// Returns the routes that explain a target. Questions are sent to `questions`; its bound protects the
/// event loop, and a question that finds no room is refused at once.
pub fn explaining(questions: mpsc::Sender<ExplainRequest>) -> Router {
    Router::new()
        .route("/explain/{address}", get(explain))
        .route("/explain/{service}/{address}", get(explain))
        .with_state(questions)
}

const BUSY: &str = "the agent is answering too many questions; ask again in a moment";
const SILENT: &str =
    "the agent's event loop did not answer within 5 s; check `goavail status` for STALE";
const STOPPING: &str = "the agent is stopping";

/// Sends a question to the event loop, and waits for the answer.
async fn explain(
    State(questions): State<mpsc::Sender<ExplainRequest>>,
    Path(CommandPath { service, address }): Path<CommandPath>,
) -> Response {
    let Some(target) = parse(&address) else {
        let message = format!("`{address}` is not an address");
        return refusal(StatusCode::NOT_FOUND, "not_a_target", message);
    };
    let (reply, answer) = oneshot::channel();
    match questions.try_send(ExplainRequest { target, service, reply }) {
        Ok(()) => {}
        Err(mpsc::error::TrySendError::Full(_)) => {
            return refusal(StatusCode::SERVICE_UNAVAILABLE, "busy", BUSY);
        }
        Err(mpsc::error::TrySendError::Closed(_)) => {
            return refusal(StatusCode::SERVICE_UNAVAILABLE, "stopping", STOPPING);
        }
    }
    let until = tokio::time::Instant::from_std(now()) + EXPLAINED_WITHIN;
    match tokio::time::timeout_at(until, answer).await {
        Ok(Ok(Ok(answer))) => json_body(&answer).into_response(),
        Ok(Ok(Err(refused))) => {
            let error = match &refused {
                ExplainRefused::NotATarget { .. } => "not_a_target",
                ExplainRefused::NoService { .. } => "not_a_service",
            };
            refusal(StatusCode::NOT_FOUND, error, refused.to_string())
        }
        Ok(Err(_)) => refusal(StatusCode::SERVICE_UNAVAILABLE, "stopping", STOPPING),
        Err(_) => refusal(StatusCode::GATEWAY_TIMEOUT, "timeout", SILENT),
    }
}
