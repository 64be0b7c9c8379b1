//! Certificates that end soon, over reloads and restarts.

mod watched;

use std::num::NonZeroUsize;

use super::scenes::{SERVICE, Scene, address, settings};
use crate::agent::observers::warnings::CertificateChange;
use crate::engine::ids::{EndpointId, RequestId, TargetRef};
use crate::engine::settings::Settings;
use crate::engine::types::Method;

const KEY: &str = "goavail/default/default/192.0.2.1/certificate";

/// Settings in which each target has a check for each of these requests.
fn asking(requests: &[usize]) -> Settings {
    let mut settings = settings();
    let its = settings.services.get_mut(&SERVICE).unwrap();
    let first = its.checks[0].clone();
    its.checks.clear();
    for request in requests {
        let mut check = first.clone();
        check.name = format!("https-{request}");
        check.check.method = Method::Request(RequestId::from(*request));
        its.checks.push(check);
    }
    its.require = NonZeroUsize::MIN;
    settings
}

/// Returns the endpoints of the checks of the first target.
fn endpoints(scene: &Scene) -> Vec<EndpointId> {
    let target = TargetRef { service: SERVICE, address: address(1) };
    scene.engine().checks_of(target).into_iter().map(|check| check.endpoint).collect()
}

fn ends(endpoint: EndpointId) -> CertificateChange {
    CertificateChange::Ends(endpoint, "the certificate ends in 13 days".to_owned())
}

async fn pauses(scene: &mut Scene) {
    for _ in 0..20 {
        scene.pause().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_changes_nothing_leaves_a_certificate_that_ends_soon_open() {
    let mut scene = Scene::with(asking(&[1]));
    let endpoint = endpoints(&scene)[0];
    scene.certificate_is(&ends(endpoint)).await;
    assert_eq!(scene.told(), [format!("opened certificate_ends {KEY}")]);
    scene.reload(asking(&[1]));
    pauses(&mut scene).await;
    assert_eq!(scene.told(), [format!("standing certificate_ends {KEY}")]);
    scene.certificate_is(&CertificateChange::Fine(endpoint)).await;
    assert_eq!(scene.told(), [format!("closed certificate_renewed {KEY}")]);
}

#[tokio::test(start_paused = true)]
async fn another_request_in_the_place_of_the_warned_one_has_to_be_answered_first() {
    let mut scene = Scene::with(asking(&[1]));
    scene.certificate_is(&ends(endpoints(&scene)[0])).await;
    scene.told();
    scene.reload(asking(&[2]));
    scene.certificate_is(&CertificateChange::Forgotten((RequestId::from(1), address(1)))).await;
    pauses(&mut scene).await;
    let stands = format!("standing certificate_ends {KEY}");
    assert_eq!(scene.told(), [stands], "nothing was asked yet");
    let endpoint = endpoints(&scene)[0];
    scene.certificate_is(&CertificateChange::Fine(endpoint)).await;
    assert_eq!(scene.told(), [format!("closed certificate_renewed {KEY}")]);
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_each_request_is_answered_before_the_incident_is_closed() {
    let mut scene = Scene::with(asking(&[1, 2]));
    let [first, second] = endpoints(&scene)[..] else { panic!() };
    scene.certificate_is(&ends(second)).await;
    scene.told();
    scene.restart();
    scene.told();
    scene.certificate_is(&CertificateChange::Forgotten((RequestId::from(9), address(1)))).await;
    pauses(&mut scene).await;
    assert!(scene.told().is_empty(), "neither was answered");
    scene.certificate_is(&ends(second)).await;
    scene.certificate_is(&CertificateChange::Fine(first)).await;
    pauses(&mut scene).await;
    assert!(scene.told().is_empty(), "one of the two still ends soon");
    scene.certificate_is(&CertificateChange::Fine(second)).await;
    assert_eq!(scene.told(), [format!("closed certificate_renewed {KEY}")]);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_no_longer_asked_has_no_certificate() {
    let mut scene = Scene::with(asking(&[1]));
    scene.certificate_is(&ends(endpoints(&scene)[0])).await;
    scene.told();
    scene.reload(settings());
    pauses(&mut scene).await;
    let want = [format!("standing certificate_ends {KEY}"), format!("closed over {KEY}")];
    assert_eq!(scene.told(), want);
}
