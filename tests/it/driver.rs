//! The driver with scripted probes and recorded effects, in virtual time: one queue, in its order,
//! that nothing slow holds up.

#![expect(clippy::unwrap_used, reason = "where a test unwraps, it asserts")]

mod stage;

use std::path::Path;
use std::time::Duration;

use goavail::agent::event_loop::{Input, Loaded};
use goavail::config::{Asked, Provider};
use goavail::engine::event::{Answer, Event, Fact, Settings};
use goavail::engine::plan::Wish;
use goavail::engine::service::health::Health;
use tokio::time::{advance, sleep};

use stage::{Stage, Way, ip, ms, settings};

/// What a reload came to, as far as the driver is concerned: what becomes of it is up to the
/// effects.
fn loaded() -> Input {
    let asked = Asked { tcp: false, provider: Provider::Cloudflare, dry_run: true };
    let config = goavail::config::parse("", Path::new("goavail.toml"), &asked, &|_| None);
    Input::Loaded(Box::new(Loaded { config, provider: Ok(None) }))
}

#[tokio::test(start_paused = true)]
async fn a_dead_target_leads_to_an_order_and_a_live_one_does_not() {
    let stage = Stage::new(settings(2));
    stage.set(ip(0), Way::Silent);
    let run = stage.start();
    sleep(ms(6000)).await;
    let end = run.stop().await;
    let orders = end.orders();
    let last = &orders.last().unwrap().wishes;
    assert_eq!(last.get(&ip(0)), Some(&Wish::Withdraw), "{orders:?}");
    assert!(orders.iter().all(|order| order.wishes.get(&ip(1)) != Some(&Wish::Withdraw)));
    assert_eq!(end.health(ip(1)), Health::Up);
}

/// Replies that were heard in time and wait in the queue while this process is held up: however
/// many there are, none of them is a loss.
#[tokio::test(start_paused = true)]
async fn answers_that_waited_in_the_queue_are_taken_before_time_is_told_to_have_passed() {
    const TARGETS: usize = 1000;
    let mut settings = settings(TARGETS);
    // All are probed within 50 ms, and one loss would be enough.
    settings.pace.interval = ms(50);
    settings.pace.timeout = ms(1000);
    settings.pace.retry_interval = ms(50);
    settings.thresholds.failure = std::num::NonZeroU32::MIN;
    let stage = Stage::new(settings);
    stage.set_all(Way::NeverEnds);
    let run = stage.start();
    sleep(ms(990)).await;
    let sent: Vec<_> = run.sent();
    assert!(sent.len() >= TARGETS);
    for (request, at) in sent {
        let rtt = run.since_start().saturating_sub(at);
        let answer = Answer::Reply(rtt);
        let event = Event::Answered { slot: request.slot, seq: request.seq, answer };
        run.try_send(Input::Event(event));
        if run.waiting() >= TARGETS {
            break;
        }
    }
    // Too short to be told from an ordinary delay.
    advance(ms(100)).await;
    sleep(ms(1)).await;
    let end = run.stop().await;
    let down = end
        .facts()
        .into_iter()
        .filter(|fact| matches!(fact, Fact::Flipped { to: Health::Down, .. }));
    assert_eq!(down.count(), 0, "of {TARGETS} targets that answered");
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_the_counters_of_the_targets_that_stay() {
    let stage = Stage::new(settings(2));
    stage.set(ip(0), Way::Silent);
    let run = stage.start();
    // Four probes are lost, two of them from the rehearsal of the retry pace, which do not count.
    run.until(|fact| matches!(fact, Fact::Judged { slot: 0, .. }), 4).await;
    run.will_take_over(Some(settings(3)));
    run.send(loaded()).await;
    run.until(|fact| matches!(fact, Fact::Flipped { to: Health::Down, .. }), 1).await;
    let end = run.stop().await;
    let lost = end
        .facts()
        .into_iter()
        .filter(|fact| matches!(fact, Fact::Judged { slot: 0, rtt: None, .. }));
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
    let stage = Stage::new(settings(2));
    let run = stage.start();
    sleep(ms(5000)).await;
    run.will_take_over(None);
    run.send(Input::Reload).await;
    run.send(loaded()).await;
    sleep(ms(5000)).await;
    let end = run.stop().await;
    assert_eq!(end.reloads(), 1, "the effects were asked to read it");
    assert_eq!(end.engine().targets().count(), 2);
    assert_eq!(end.health(ip(0)), Health::Up);
    let flips = end.facts().into_iter().filter(|fact| matches!(fact, Fact::Flipped { .. }));
    assert_eq!(flips.count(), 2, "each was confirmed once");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_reloads_a_second_are_one_a_second_and_the_last_one_counts() {
    let stage = Stage::new(settings(2));
    let run = stage.start();
    run.will_take_over(None);
    for _ in 0..500 {
        run.send(Input::Reload).await;
        run.send(loaded()).await;
        sleep(ms(10)).await;
    }
    sleep(ms(1100)).await;
    run.send(loaded()).await;
    let storm = run.reloads();
    assert!((6..=7).contains(&storm), "{storm} for five seconds");
    sleep(ms(1100)).await;
    assert_eq!(run.reloads(), storm, "and none that nobody asked for");
    // After a pause the next one is not held up; the one after it waits and is not lost.
    for (reloads, wait) in [(storm + 1, 1), (storm + 1, 1), (storm + 2, 1100)] {
        if wait == 1 {
            run.send(Input::Reload).await;
        }
        sleep(ms(wait)).await;
        assert_eq!(run.reloads(), reloads);
        run.send(loaded()).await;
    }
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn it_stops_at_once_whatever_is_on_its_way() {
    let stage = Stage::new(settings(50));
    stage.set_all(Way::NeverEnds);
    let run = stage.start();
    sleep(ms(300)).await;
    let before = run.since_start();
    let end = run.stop().await;
    assert_eq!(end.ended_at(), before);
}

#[tokio::test(start_paused = true)]
async fn what_came_in_before_the_stop_is_still_taken() {
    let stage = Stage::new(settings(1));
    let run = stage.start();
    run.will_take_over(Some(settings(4)));
    run.send(loaded()).await;
    let end = run.stop().await;
    assert_eq!(end.engine().targets().count(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_never_ends_holds_up_nobody_else_and_is_a_loss_in_time() {
    let stage = Stage::new(settings(3));
    stage.set(ip(0), Way::NeverEnds);
    let run = stage.start();
    sleep(ms(6000)).await;
    let end = run.stop().await;
    assert_eq!(end.health(ip(0)), Health::Down);
    assert_eq!([end.health(ip(1)), end.health(ip(2))], [Health::Up; 2]);
}

/// Ten thousand targets once a second, in one task.
#[tokio::test(start_paused = true)]
async fn ten_thousand_targets_do_not_starve_the_loop() {
    const TARGETS: usize = 10_000;
    let stage = Stage::new(Settings { ..settings(TARGETS) });
    stage.set_all(Way::Answers(ms(20)));
    stage.set(ip(7777), Way::Silent);
    let run = stage.start();
    sleep(ms(5500)).await;
    let sent = run.sent().len();
    let end = run.stop().await;
    // While the retry pace is rehearsed there are more, but the pace never doubles.
    let ordinary = TARGETS * 55 / 10;
    assert!((ordinary - 50..2 * ordinary).contains(&sent), "{sent} probes in 5.5 s");
    let down: Vec<_> = end.engine().targets().filter(|t| t.health == Health::Down).collect();
    assert_eq!(down.len(), 1, "{down:?}");
    assert_eq!(down[0].address, ip(7777));
    assert!(end.engine().targets().all(|target| target.health != Health::AssumedUp));
    assert_eq!(end.stalls(), 0, "it was never late");
    let pause = end.longest_pause();
    assert!(pause <= Duration::from_millis(25), "it did not turn for {pause:?}");
}
