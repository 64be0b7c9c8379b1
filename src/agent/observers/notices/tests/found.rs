//! Targets that are out of DNS without a change by this agent, and severities by their health.

use super::scenes::crew::{CANARY, Crew, guarded};
use super::scenes::{SERVICE, Scene, address, settings};
use crate::engine::event::{Fact, Reason};
use crate::engine::settings::Settings;
use crate::notify::{IncidentStatus, Notice, Severity};

/// A target is out by its drain, dies, and is given back: nobody withdraws it, and it is dead.
#[tokio::test(start_paused = true)]
async fn a_target_that_dies_while_it_is_out_by_order_is_reported_as_withdrawn() {
    let mut scene = Scene::with(settings());
    scene.lists(&[1, 2], &[1, 2, 3]);
    scene.run(30, &[1, 2, 3]).await;
    scene.drain(true, &[1, 2, 3]);
    scene.lists(&[2], &[1, 2, 3]);
    scene.run(30, &[2, 3]).await;
    scene.told();
    scene.lists(&[2], &[2, 3]);
    scene.run(30, &[2, 3]).await;
    assert!(scene.told().is_empty(), "it is out by order");
    scene.drain(false, &[2, 3]);
    scene.run(30, &[2, 3]).await;
    let told = scene.told();
    let want = "opened withdrawn goavail/default/default/192.0.2.1/withdrawn";
    assert!(told.iter().any(|line| line == want), "{told:?}");
}

/// Plays that the first target has to stay because of the floor, and returns the notice.
async fn kept(is_drained: bool) -> Notice {
    let mut scene = Scene::with(settings());
    if is_drained {
        scene.drain(true, &[1, 2, 3]);
    }
    let (service, target, reason) = (SERVICE, address(1), Reason::Floor);
    let detail = "still in service".to_owned();
    scene.happens(Fact::Refused { service, target, reason, detail }).await;
    let mut notices = scene.sent().into_iter();
    notices.find(|notice| notice.reason.as_deref() == Some("floor")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_live_target_that_was_ordered_out_and_has_to_stay_is_no_dead_address() {
    let notice = kept(true).await;
    assert_eq!(notice.severity, Severity::Warning);
    assert!(!notice.advice.unwrap().contains("a dead address"));
    let notice = kept(false).await;
    assert_eq!(notice.severity, Severity::Critical);
    assert!(notice.advice.unwrap().contains("a dead address"));
}

#[tokio::test(start_paused = true)]
async fn a_drained_target_that_has_to_stay_is_critical_once_it_is_dead() {
    let mut scene = Scene::with(settings());
    scene.lists(&[1, 2], &[1, 2, 3]);
    scene.run(30, &[1, 2, 3]).await;
    scene.reach_floor();
    scene.drain(true, &[1, 2, 3]);
    scene.run(30, &[1, 2, 3]).await;
    scene.run(30, &[2, 3]).await;
    let notices = scene.sent().into_iter();
    let refused = notices.filter(|notice| notice.reason.as_deref() == Some("floor"));
    let severities: Vec<_> = refused.map(|notice| (notice.status, notice.severity)).collect();
    let want = [
        (IncidentStatus::Opened, Severity::Warning),
        (IncidentStatus::Updated, Severity::Critical),
    ];
    assert_eq!(severities, want);
}

/// Returns the status and the severity of each notice about the floor since the last call.
fn of_floor(crew: &mut Crew) -> Vec<(IncidentStatus, Severity)> {
    let notices = crew.notices().into_iter();
    let its = notices.filter(|(_, notice)| notice.reason.as_deref() == Some("floor"));
    its.map(|(_, notice)| (notice.status, notice.severity)).collect()
}

/// A target asks to be out, has to stay because of the floor, and dies then.
#[tokio::test(start_paused = true)]
async fn a_target_that_asked_and_has_to_stay_is_critical_once_it_is_dead() {
    let mut base = Settings { cluster: None, ..guarded(0) };
    base.services.get_mut(&SERVICE).unwrap().floor = 2;
    let mut crew = Crew::start(1, &base).await;
    crew.ask(&[1]);
    crew.run(120).await;
    assert_eq!(of_floor(&mut crew), [(IncidentStatus::Opened, Severity::Warning)]);
    crew.ask(&[]);
    crew.reach(&[0], &[2, CANARY]);
    crew.run(60).await;
    assert_eq!(of_floor(&mut crew), [(IncidentStatus::Updated, Severity::Critical)]);
}
