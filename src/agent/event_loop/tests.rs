//! The event loop in virtual time: inputs are handled in order, and nothing slow delays them.

mod harness;

use std::time::Duration;

use tokio::time::{advance, sleep};

use super::Input;
use crate::engine::event::{Event, Fact};
use crate::engine::ids::{EndpointId, ZoneId};
use crate::engine::settings::{Settings, ZoneSettings};
use crate::engine::types::{Answer, Health, Pace, Thresholds};
use harness::{Behaviour, Harness, ip, ms, settings};

/// Returns the event that puts settings for `count` targets in force.
fn reloaded(count: usize) -> Input {
    Input::Event(Event::Reloaded(Box::new(settings(count))))
}

#[tokio::test(start_paused = true)]
async fn a_dead_target_is_withdrawn_and_a_live_one_is_not() {
    let mut harness = Harness::new(settings(2));
    harness.publish(ZoneId::DEFAULT, &[ip(0), ip(1)]);
    harness.set(ip(0), Behaviour::Silent);
    let running = harness.start();
    sleep(ms(6000)).await;
    let end = running.stop().await;
    assert_eq!(end.published(ZoneId::DEFAULT), [ip(1)]);
    assert_eq!(end.health(ip(1)), Health::Up);
}

/// The provider of the first zone never answers.
#[tokio::test(start_paused = true)]
async fn a_zone_with_a_provider_that_hangs_does_not_delay_another() {
    let mut settings = settings(2);
    let other = ZoneId::from(1);
    settings.zones.insert(other, ZoneSettings::new("other", "example.net"));
    let mut second = settings.default_service().clone();
    (second.zone, second.targets) = (other, [ip(2), ip(3)].into());
    settings.services.insert(1.into(), second);
    let mut harness = Harness::new(settings);
    harness.publish(other, &[ip(2), ip(3)]);
    harness.set(ip(0), Behaviour::Silent);
    harness.set(ip(2), Behaviour::Silent);
    let running = harness.start();
    sleep(ms(6000)).await;
    let end = running.stop().await;
    assert_eq!([end.health(ip(0)), end.health(ip(2))], [Health::Down; 2]);
    assert_eq!(end.published(other), [ip(3)]);
    let mut changed = vec![];
    for fact in end.facts() {
        if let Fact::Applied { service, withdrawn, .. } = fact {
            changed.push((usize::from(service), withdrawn.into_keys().collect::<Vec<_>>()));
        }
    }
    assert_eq!(changed, [(1, vec![ip(2)])], "only the service in the zone that answers");
}

/// Replies that were received in time and wait in the queue while this process is suspended: none of
/// them is a loss, however many there are.
#[tokio::test(start_paused = true)]
async fn answers_that_waited_in_the_queue_are_handled_before_time_advances() {
    const TARGETS: usize = 1000;
    // All are probed within 50 ms, and one loss would be enough.
    let pace = Pace { interval: ms(50), timeout: ms(1000), retry_interval: ms(50) };
    let thresholds = Thresholds { failure: std::num::NonZeroU32::MIN, ..Thresholds::default() };
    let harness = Harness::new(settings(TARGETS).checked(pace, thresholds));
    harness.set_default(Behaviour::NeverEnds);
    let running = harness.start();
    sleep(ms(990)).await;
    let sent: Vec<_> = running.sent();
    assert!(sent.len() >= TARGETS);
    for (request, at) in sent {
        let rtt = running.now().since(at);
        let answer = Answer::Reply(rtt);
        let event = Event::Answered { probe: request.id, answer };
        running.try_send(Input::Event(event));
        if running.queued() >= TARGETS {
            break;
        }
    }
    // Too short to differ from an ordinary delay.
    advance(ms(100)).await;
    sleep(ms(1)).await;
    let end = running.stop().await;
    let down = end
        .facts()
        .into_iter()
        .filter(|fact| matches!(fact, Fact::Flipped { to: Health::Down, .. }));
    assert_eq!(down.count(), 0, "of {TARGETS} targets that answered");
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_the_counters_of_the_targets_that_stay() {
    let harness = Harness::new(settings(2));
    harness.set(ip(0), Behaviour::Silent);
    let running = harness.start();
    // Four probes are lost, two of them from the rehearsal of the retry pace, which do not count.
    let first = EndpointId::from(0);
    let is_judged =
        |fact: &Fact| matches!(fact, Fact::Judged { endpoint, .. } if *endpoint == first);
    running.until(is_judged, 4).await;
    running.send(reloaded(3)).await;
    running.until(|fact| matches!(fact, Fact::Flipped { to: Health::Down, .. }), 1).await;
    let end = running.stop().await;
    let lost = end
        .facts()
        .into_iter()
        .filter(|fact| is_judged(fact) && matches!(fact, Fact::Judged { rtt: None, .. }));
    assert_eq!(lost.count(), 5, "the losses before the reload count");
    let flip = end.facts().into_iter().find_map(|fact| match fact {
        Fact::Flipped { to: Health::Down, count, .. } => Some(count),
        _ => None,
    });
    assert_eq!(flip, Some(3));
    assert_eq!(end.engine().targets().count(), 3, "the new one is watched");
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_is_refused_changes_nothing() {
    let harness = Harness::new(settings(2));
    let running = harness.start();
    sleep(ms(5000)).await;
    running.send(Input::Reload).await;
    sleep(ms(5000)).await;
    let end = running.stop().await;
    assert_eq!([end.loads(), end.refused_reloads()], [1, 1]);
    assert_eq!(end.engine().targets().count(), 2);
    assert_eq!(end.health(ip(0)), Health::Up);
    let flips = end.facts().into_iter().filter(|fact| matches!(fact, Fact::Flipped { .. }));
    assert_eq!(flips.count(), 2, "each was confirmed once");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_reloads_a_second_are_one_a_second_and_the_last_one_counts() {
    let harness = Harness::new(settings(2));
    let running = harness.start();
    for _ in 0..500 {
        running.send(Input::Reload).await;
        sleep(ms(10)).await;
    }
    sleep(ms(1100)).await;
    let storm = running.loads();
    assert!((6..=7).contains(&storm), "{storm} for five seconds");
    sleep(ms(1100)).await;
    assert_eq!(running.loads(), storm, "and none without a request");
    // After a pause the next one starts at once; the one after it waits and is not lost.
    for (loads, wait) in [(storm + 1, 1), (storm + 1, 1), (storm + 2, 1100)] {
        if wait == 1 {
            running.send(Input::Reload).await;
        }
        sleep(ms(wait)).await;
        assert_eq!(running.loads(), loads);
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn it_stops_at_once_while_probes_are_outstanding() {
    let harness = Harness::new(settings(50));
    harness.set_default(Behaviour::NeverEnds);
    let running = harness.start();
    sleep(ms(300)).await;
    let before = running.now();
    let end = running.stop().await;
    assert_eq!(end.ended_at(), before);
}

#[tokio::test(start_paused = true)]
async fn inputs_received_before_the_stop_are_handled() {
    let harness = Harness::new(settings(1));
    let running = harness.start();
    running.send(reloaded(4)).await;
    let end = running.stop().await;
    assert_eq!(end.engine().targets().count(), 4);
}

/// They may hold the confirmation of a change, which is still logged.
#[tokio::test(start_paused = true)]
async fn inputs_received_together_with_the_stop_are_kept() {
    let running = Harness::new(settings(1)).start();
    running.try_send(Input::Stop);
    running.try_send(Input::Event(Event::Tick));
    running.try_send(Input::Reload);
    let end = running.stop().await;
    let kept = &end.unhandled;
    assert!(
        matches!(kept[..], [Input::Event(Event::Tick), Input::Reload, Input::Stop]),
        "{kept:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_never_ends_delays_no_other_and_becomes_a_loss() {
    let harness = Harness::new(settings(3));
    harness.set(ip(0), Behaviour::NeverEnds);
    let running = harness.start();
    sleep(ms(6000)).await;
    let end = running.stop().await;
    assert_eq!(end.health(ip(0)), Health::Down);
    assert_eq!([end.health(ip(1)), end.health(ip(2))], [Health::Up; 2]);
}

/// Ten thousand targets once a second, in one task.
#[tokio::test(start_paused = true)]
async fn ten_thousand_targets_do_not_starve_the_loop() {
    const TARGETS: usize = 10_000;
    let harness = Harness::new(Settings { ..settings(TARGETS) });
    harness.set_default(Behaviour::Answers(ms(20)));
    harness.set(ip(7777), Behaviour::Silent);
    let running = harness.start();
    sleep(ms(5500)).await;
    let sent = running.sent().len();
    let end = running.stop().await;
    // While the retry pace is rehearsed there are more, but the pace never doubles.
    let ordinary = TARGETS * 55 / 10;
    assert!((ordinary - 50..2 * ordinary).contains(&sent), "{sent} probes in 5.5 s");
    let down: Vec<_> = end.engine().targets().filter(|t| t.health == Health::Down).collect();
    assert_eq!(down.len(), 1, "{down:?}");
    assert_eq!(down[0].address, ip(7777));
    assert!(end.engine().targets().all(|target| target.health != Health::AssumedUp));
    assert_eq!(end.stalls(), 0, "it was never late");
    let pause = end.longest_pause();
    assert!(pause <= Duration::from_millis(25), "no iteration for {pause:?}");
}
