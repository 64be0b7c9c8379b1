//! The route of drawings of the last day, which change nothing.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::Semaphore;

use super::service::{now, parse};

/// Draws the last day of targets. It may block, and is asked for one drawing at a time.
pub(crate) trait DayDrawings: Send + Sync + std::fmt::Debug {
    /// Returns the drawing of a target as an SVG document.
    ///
    /// # Errors
    ///
    /// Fails if the target is not recorded, or the record cannot be read.
    fn draw(&self, service: &str, address: IpAddr) -> Result<String, NoDrawing>;
}

/// The reason why there is no drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoDrawing {
    /// The target is not recorded.
    NotRecorded,
    /// The record cannot be read, with the error.
    Failed(String),
}

/// Maximum time for which a request waits for the drawings before it, and for its own.
const DRAWN_WITHIN: Duration = Duration::from_secs(10);

/// Seconds after which a refused request may be sent again.
const AGAIN_AFTER: HeaderValue = HeaderValue::from_static("10");

/// The rights of a drawing in a browser: its own style.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");

/// The drawings, and the turn to draw.
#[derive(Debug, Clone)]
struct DrawingDesk {
    drawings: Arc<dyn DayDrawings>,
    turn: Arc<Semaphore>,
}

/// Returns the route of the drawings.
pub(crate) fn drawing_days(drawings: Arc<dyn DayDrawings>) -> Router {
    let desk = DrawingDesk { drawings, turn: Arc::new(Semaphore::new(1)) };
    Router::new().route("/history/{service}/{address}", get(draw)).with_state(desk)
}

/// Draws beside the runtime, so that neither a large file nor a disk that hangs holds up other readers.
/// A drawing that hangs keeps its turn: no second one begins.
async fn draw(
    State(desk): State<DrawingDesk>,
    Path((service, address)): Path<(String, String)>,
) -> Response {
    let Some(address) = parse(&address) else {
        return (StatusCode::NOT_FOUND, format!("`{address}` is not an address\n")).into_response();
    };
    let until = tokio::time::Instant::from_std(now()) + DRAWN_WITHIN;
    let turn = tokio::time::timeout_at(until, Arc::clone(&desk.turn).acquire_owned()).await;
    let Ok(Ok(turn)) = turn else {
        return later("another drawing takes too long; try again later\n".to_owned());
    };
    let drawn = tokio::task::spawn_blocking(move || {
        let drawn = desk.drawings.draw(&service, address);
        drop(turn);
        drawn
    });
    match tokio::time::timeout_at(until, drawn).await {
        Ok(Ok(Ok(svg))) => drawing(svg),
        Ok(Ok(Err(NoDrawing::NotRecorded))) => {
            let body = "the history does not have this target of this service\n";
            (StatusCode::NOT_FOUND, body).into_response()
        }
        Ok(Ok(Err(NoDrawing::Failed(why)))) => later(format!("{why}\n")),
        Ok(Err(_)) => later("the drawing failed; the log of the agent says why\n".to_owned()),
        Err(_) => later("the history is not read in time; try again later\n".to_owned()),
    }
}

fn later(body: String) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, AGAIN_AFTER)], body).into_response()
}

fn drawing(svg: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, svg).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;

    /// Drawings that wait until they are told to go on.
    #[derive(Debug)]
    struct HeldDrawings {
        begun: Mutex<Sender<()>>,
        go_on: Mutex<Receiver<()>>,
    }

    impl DayDrawings for HeldDrawings {
        fn draw(&self, service: &str, address: IpAddr) -> Result<String, NoDrawing> {
            match service {
                "gone" => return Err(NoDrawing::NotRecorded),
                "broken" => return Err(NoDrawing::Failed("cannot read it".to_owned())),
                "held" => {
                    self.begun.lock().unwrap().send(()).unwrap();
                    self.go_on.lock().unwrap().recv().unwrap();
                }
                _ => {}
            }
            Ok(format!("<svg>{service}/{address}</svg>"))
        }
    }

    async fn ask(router: &Router, path: &str) -> (StatusCode, Response, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let mut response = router.clone().oneshot(request).await.unwrap();
        let body = std::mem::replace(response.body_mut(), Body::empty());
        let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        (response.status(), response, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn one_drawing_at_a_time_and_one_that_hangs_holds_up_nobody_for_long() {
        let (begun, has_begun) = channel();
        let (go_on, may_go_on) = channel();
        let held = HeldDrawings { begun: Mutex::new(begun), go_on: Mutex::new(may_go_on) };
        let router = drawing_days(Arc::new(held));
        let (status, response, body) = ask(&router, "/history/www/192.0.2.1").await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "<svg>www/192.0.2.1</svg>"));
        let headers = response.headers();
        assert_eq!(headers[header::CONTENT_TYPE], "image/svg+xml");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("sandbox"));
        let rows = [
            ("/history/gone/192.0.2.1", StatusCode::NOT_FOUND, "does not have this target"),
            ("/history/www/one", StatusCode::NOT_FOUND, "`one` is not an address"),
            ("/history/broken/192.0.2.1", StatusCode::SERVICE_UNAVAILABLE, "cannot read it"),
        ];
        for (path, wanted, words) in rows {
            let (status, _, body) = ask(&router, path).await;
            assert_eq!(status, wanted, "{path}");
            assert!(body.contains(words), "{path}: {body}");
        }

        let first = tokio::spawn({
            let router = router.clone();
            async move { ask(&router, "/history/held/192.0.2.1").await }
        });
        // The paused clock moves on only once nothing else is left to do, and a blocking task counts.
        tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
        tokio::time::advance(DRAWN_WITHIN).await;
        let (status, response, body) = first.await.unwrap();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("not read in time"), "{body}");
        assert_eq!(response.headers()[header::RETRY_AFTER], "10");
        let second = tokio::spawn({
            let router = router.clone();
            async move { ask(&router, "/history/www/192.0.2.1").await }
        });
        tokio::task::yield_now().await;
        tokio::time::advance(DRAWN_WITHIN).await;
        let (status, _, body) = second.await.unwrap();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("another drawing"), "{body}");
        go_on.send(()).unwrap();
        let (status, ..) = ask(&router, "/history/www/192.0.2.1").await;
        assert_eq!(status, StatusCode::OK, "its turn is over");
    }
}
