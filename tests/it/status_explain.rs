//! The route of explanations without an event loop that answers.

use goavail::testing::status::explaining;
use tokio::sync::mpsc;

#[tokio::test(start_paused = true)]
async fn an_unanswered_question_ends_and_no_more_of_them_wait_than_there_is_room_for() {
    let (questions, mut asked) = mpsc::channel(1);
    let router = explaining(questions);
    let question = || {
        let request = axum::http::Request::get("/explain/www/198.51.100.10");
        let request = request.body(axum::body::Body::empty()).unwrap();
        tower::ServiceExt::oneshot(router.clone(), request)
    };
    let (first, second) = tokio::join!(question(), question());
    let status = |answer: Result<axum::response::Response, _>| answer.unwrap().status().as_u16();
    assert_eq!([status(first), status(second)], [504, 503]);
    assert_eq!(asked.try_recv().unwrap().service.as_deref(), Some("www"));
    drop(asked);
    assert_eq!(status(question().await), 503, "the agent is stopping");
}
