//! Dry-run that is switched off or on while a target is out.

use super::scenes::{Scene, settings};

const KEY: &str = "goavail/default/default/192.0.2.1/withdrawn";

/// Lets the configuration come into force in a reload, or in another run with the same state file.
async fn next_run(scene: &mut Scene, restarts: bool) {
    if restarts {
        scene.restart();
    } else {
        scene.reload(settings());
    }
    scene.pause().await;
    assert!(scene.told().iter().all(|line| line == &format!("standing withdrawn {KEY}")));
}

#[tokio::test(start_paused = true)]
async fn the_first_real_withdrawal_after_a_rehearsal_is_said() {
    for restarts in [false, true] {
        let mut scene = Scene::new();
        scene.first_goes(true).await;
        assert_eq!(scene.told(), [format!("opened withdrawn {KEY}")]);
        next_run(&mut scene, restarts).await;
        scene.first_goes(false).await;
        let [notice] = &scene.take_sent()[..] else { panic!("{restarts}") };
        assert!(!notice.dry_run && notice.status.word() == "updated", "{notice:#?}");
        scene.first_goes(false).await;
        assert!(scene.told().is_empty(), "it is real already");
        scene.first_returns(false).await;
        assert_eq!(scene.told(), [format!("closed restored {KEY}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_simulated_restoration_does_not_close_a_real_withdrawal() {
    for restarts in [false, true] {
        let mut scene = Scene::new();
        scene.first_goes(false).await;
        scene.told();
        next_run(&mut scene, restarts).await;
        scene.first_returns(true).await;
        let [notice] = &scene.take_sent()[..] else { panic!("{restarts}") };
        assert!(notice.dry_run && notice.status.word() == "updated", "{notice:#?}");
        next_run(&mut scene, restarts).await;
        scene.first_returns(false).await;
        assert_eq!(scene.told(), [format!("closed restored {KEY}")]);
    }
}
