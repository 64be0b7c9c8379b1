//! The notices after a reload: channels that are new do not know the open incidents, and those that
//! repeat them must not lose their content.

use super::scenes::{SERVICE, Scene, address, settings};
use crate::engine::event::{Fact, Reason};
use crate::notify::{IncidentStatus, Severity};

#[tokio::test(start_paused = true)]
async fn a_reload_says_again_with_its_reason_what_is_open() {
    let mut scene = Scene::new();
    let (service, target, reason) = (SERVICE, address(1), Reason::Floor);
    let detail = "web: connect 0.4 ms, then 503".to_owned();
    scene.happens(Fact::Refused { service, target, reason, detail: detail.clone() }).await;
    let [opened] = &scene.take_sent()[..] else { panic!() };
    scene.reload(settings());
    scene.pause().await;
    let [stands] = &scene.take_sent()[..] else { panic!() };
    assert_eq!(stands.status, IncidentStatus::Standing);
    assert_eq!((&stands.incident, stands.since), (&opened.incident, opened.since));
    assert_eq!((stands.severity, stands.worst), (Severity::Critical, Severity::Critical));
    assert_eq!(stands.detail.as_ref(), Some(&detail));
    assert_eq!((&stands.reason, &stands.targets), (&opened.reason, &opened.targets));
    assert_eq!(stands.advice, opened.advice);
}
