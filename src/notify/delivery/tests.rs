//! Tests in virtual time: the clock is paused and jumps to the next timer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::*;
use crate::notify::NoticeCounters;
use crate::notify::NoticeKind::{self, Isolated, Restored, Withdrawn};
use crate::notify::incident::IncidentStatus;
use crate::notify::tests::notice;

/// A channel that answers by a script and records each notice with its time.
#[derive(Clone)]
struct Scripted {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    posts: Arc<Mutex<Vec<(Duration, NoticeKind, usize)>>>,
    started: Instant,
}

#[derive(Clone)]
enum Answer {
    Fail(Option<u64>),
    Unreachable,
    Refuse,
    Hang,
    Panic,
}

impl Channel for Scripted {
    fn post<'a>(&'a self, notice: &'a Notice) -> Posting<'a> {
        Box::pin(self.answer(notice))
    }
}

impl Scripted {
    async fn answer(&self, notice: &Notice) -> Result<(), PostError> {
        let post = (self.started.elapsed(), notice.kind, notice.targets.len());
        self.posts.lock().unwrap().push(post);
        let answer = self.answers.lock().unwrap().pop_front();
        match answer {
            None => Ok(()),
            Some(Answer::Unreachable) => Err(PostError::Unreachable("no route".into())),
            Some(Answer::Refuse) => Err(PostError::Refused("no".into())),
            Some(Answer::Hang) => std::future::pending().await,
            Some(Answer::Panic) => panic!("a defect"),
            Some(Answer::Fail(seconds)) => {
                let retry_after = seconds.map(Duration::from_secs);
                Err(PostError::Later { why: "down".into(), retry_after })
            }
        }
    }
}

struct Harness {
    queue: mpsc::Sender<ChannelInput>,
    give_up: watch::Sender<bool>,
    scripted: Scripted,
    counters: NoticeCounters,
    task: tokio::task::JoinHandle<Vec<Notice>>,
}

fn harness(answers: impl IntoIterator<Item = Answer>) -> Harness {
    harness_with(answers, Route::default())
}

#[expect(clippy::disallowed_methods, reason = "the paused clock")]
fn harness_with(answers: impl IntoIterator<Item = Answer>, route: Route) -> Harness {
    let scripted = Scripted {
        answers: Arc::new(Mutex::new(answers.into_iter().collect())),
        posts: Arc::default(),
        started: Instant::now(),
    };
    let (queue, inbox) = mpsc::channel(1_000);
    let give_up = watch::Sender::new(false);
    let counters = NoticeCounters::default();
    let (told, channel_counters) =
        (give_up.subscribe(), Arc::new(counters.channel(&"scripted".into())));
    let channel = Box::new(scripted.clone());
    let delivery = Delivery::new(channel, DeliveryPace::default(), route, channel_counters);
    let task = tokio::spawn(delivery.run(inbox, told));
    Harness { queue, give_up, scripted, counters, task }
}

impl Harness {
    /// Queues a notice; waits if nobody receives.
    async fn send(&self, notice: Notice) {
        self.queue.send(ChannelInput::Notice(Box::new(notice))).await.ok().unwrap();
    }

    /// Closes the queue, lets the worker finish and returns the posted notices.
    async fn posts(self) -> Vec<(Duration, NoticeKind, usize)> {
        drop(self.queue);
        self.task.await.unwrap();
        self.scripted.posts.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn notices_within_a_second_are_one_message_in_their_order() {
    let harness = harness([]);
    for n in 0..100 {
        harness.send(notice(Withdrawn, &[n])).await;
        tokio::time::sleep(Duration::from_millis(9)).await;
    }
    harness.send(notice(Restored, &[7])).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let posts = harness.posts().await;
    let second = Duration::from_secs(1);
    assert_eq!(posts, [(second, Withdrawn, 100), (second, Restored, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_closed_queue_is_sent_at_once() {
    let harness = harness([]);
    harness.send(notice(Isolated, &[])).await;
    assert_eq!(harness.posts().await, [(Duration::ZERO, Isolated, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_failing_channel_is_tried_five_times_with_growing_waits_and_then_the_next_one_goes() {
    let harness = harness((0..5).map(|_| Answer::Fail(None)));
    harness.send(notice(Withdrawn, &[1])).await;
    harness.send(notice(Restored, &[2])).await;
    let posts = harness.posts().await;
    let kinds: Vec<NoticeKind> = posts.iter().map(|post| post.1).collect();
    assert_eq!(kinds, [Withdrawn, Withdrawn, Withdrawn, Withdrawn, Withdrawn, Restored]);
    for (step, expected) in [1.0, 2.0, 4.0, 8.0].into_iter().enumerate() {
        let wait = posts[step + 1].0.checked_sub(posts[step].0).unwrap().as_secs_f64();
        assert!((expected * 0.49..=expected * 1.51).contains(&wait), "wait {step}: {wait} s");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed_up_to_an_hour_and_costs_no_attempt() {
    for (seconds, tries) in [(30, 2), (300, 2), (3_599, 2), (3_601, 1)] {
        let harness = harness([Answer::Fail(Some(seconds))]);
        harness.send(notice(Withdrawn, &[1])).await;
        let posts = harness.posts().await;
        assert_eq!(posts.len(), tries, "Retry-After: {seconds}");
        let last = posts[tries - 1].0;
        let due = if tries == 2 { Duration::from_secs(seconds) } else { Duration::ZERO };
        assert!(last >= due && last < due + Duration::from_secs(1), "{seconds}: {last:?}");
    }
    let harness = harness((0..20).map(|_| Answer::Fail(Some(10))));
    harness.send(notice(Withdrawn, &[1])).await;
    assert_eq!(harness.posts().await.len(), 21);
}

/// One that is dropped does not make the next one break the pause.
#[tokio::test(start_paused = true)]
async fn the_pause_that_a_channel_asks_for_holds_for_the_next_notice_too() {
    let harness = harness([Answer::Fail(Some(7_200))]);
    harness.send(notice(Withdrawn, &[1])).await;
    harness.send(notice(Restored, &[2])).await;
    let posts = harness.posts().await;
    assert_eq!((posts[0].1, posts[1].1), (Withdrawn, Restored));
    assert_eq!(posts[1].0, Duration::from_hours(1));
}

/// The agent's own network is down: a time that somebody wants to know about.
#[tokio::test(start_paused = true)]
async fn a_message_waits_for_a_channel_that_cannot_be_reached() {
    let harness = harness((0..40).map(|_| Answer::Unreachable));
    harness.send(notice(Isolated, &[])).await;
    let counters = harness.counters.clone();
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(counters.failing().values().next().unwrap(), "no route");
    tokio::time::sleep(Duration::from_mins(50)).await;
    let posts = harness.posts().await;
    assert_eq!(posts.len(), 41);
    assert!(posts[40].0 > Duration::from_mins(15));
    assert_eq!(counters.counts()[&("scripted".into(), "delivered")], 1);
    assert!(counters.failing().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_cannot_be_reached_for_an_hour_loses_a_message_and_says_so() {
    let harness = harness((0..1_000).map(|_| Answer::Unreachable));
    harness.send(notice(Isolated, &[])).await;
    let counters = harness.counters.clone();
    tokio::time::sleep(Duration::from_hours(2)).await;
    let posts = harness.posts().await;
    assert!(posts.last().unwrap().0 > Duration::from_mins(57), "{:?}", posts.last());
    // The hour begins once the second is over in which it waits for others.
    assert!(posts.last().unwrap().0 < Duration::from_secs(3_601), "{:?}", posts.last());
    assert_eq!(counters.counts()[&("scripted".into(), "failed")], 1);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_ending_tries_five_times_in_all() {
    let harness = harness((0..1_000).map(|_| Answer::Unreachable));
    harness.send(notice(Isolated, &[])).await;
    assert_eq!(harness.posts().await.len(), 5);
}

/// A reload gives another selection while a message is being tried.
#[tokio::test(start_paused = true)]
async fn another_route_keeps_what_waits_and_the_ends_of_what_was_told() {
    let harness = harness([Answer::Fail(None)]);
    harness.send(notice(Withdrawn, &[1])).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let route = Route { min_severity: crate::notify::Severity::Critical, ..Route::default() };
    let counters = Arc::new(harness.counters.channel(&"pages".into()));
    let change = ChannelInput::Changed(Box::new((route, counters)));
    harness.queue.send(change).await.ok().unwrap();
    harness.send(notice(Withdrawn, &[2])).await;
    harness.send(notice(Restored, &[1])).await;
    let counters = harness.counters.clone();
    let kinds: Vec<_> = harness.posts().await.iter().map(|post| (post.1, post.2)).collect();
    assert_eq!(kinds, [(Withdrawn, 1), (Withdrawn, 1), (Restored, 1)]);
    assert_eq!(counters.counts()[&("pages".into(), "delivered")], 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_posting_costs_a_second_and_no_notice() {
    let harness = harness([Answer::Panic, Answer::Panic]);
    harness.send(notice(Withdrawn, &[1])).await;
    harness.send(notice(Restored, &[2])).await;
    let kinds: Vec<_> = harness.posts().await.iter().map(|post| post.1).collect();
    assert_eq!(kinds, [Withdrawn, Withdrawn, Withdrawn, Restored]);
}

#[tokio::test(start_paused = true)]
async fn outcomes_are_counted_and_a_channel_fails_until_it_accepts_a_notice() {
    type Case = (&'static str, Vec<Answer>, u8, [u64; 3], Option<&'static str>);

    // `(answers, notices, counts of delivered, failed and dropped, reason why the channel
    // fails)`
    let cases: [Case; 6] = [
        ("takes all", vec![], 2, [2, 0, 0], None),
        ("takes it late", vec![Answer::Fail(None); 4], 1, [1, 0, 0], None),
        ("does not take it", vec![Answer::Fail(None); 5], 1, [0, 1, 0], Some("down")),
        ("takes the next", vec![Answer::Fail(None); 5], 2, [1, 1, 0], None),
        ("refuses", vec![Answer::Refuse], 1, [0, 1, 0], Some("no")),
        ("hangs to the end", vec![Answer::Hang], 2, [0, 0, 2], Some("the agent is ending")),
    ];
    for (name, answers, notices, counts, why) in cases {
        let hangs = matches!(answers.first(), Some(Answer::Hang));
        let harness = harness(answers);
        for n in 0..notices {
            let kind = if n == 0 { Withdrawn } else { Restored };
            harness.send(notice(kind, &[n])).await;
        }
        let counters = harness.counters.clone();
        if hangs {
            tokio::time::sleep(Duration::from_secs(5)).await;
            harness.give_up.send_replace(true);
        }
        harness.posts().await;
        let found = counters.counts();
        let found =
            ["delivered", "failed", "dropped"].map(|word| found[&("scripted".into(), word)]);
        assert_eq!(found, counts, "{name}");
        let failing = counters.failing();
        assert_eq!(failing.get("scripted").map(String::as_str), why, "{name}");
    }
}

fn reminding() -> Route {
    Route { remind_after: Some(Duration::from_hours(1)), ..Route::default() }
}

#[tokio::test(start_paused = true)]
async fn an_incident_that_is_open_is_said_again_until_it_is_closed() {
    let harness = harness_with([], reminding());
    harness.send(notice(Withdrawn, &[1])).await;
    tokio::time::sleep(Duration::from_mins(150)).await;
    harness.send(notice(Restored, &[1])).await;
    tokio::time::sleep(Duration::from_hours(5)).await;
    let posts = harness.posts().await;
    let (second, hour) = (Duration::from_secs(1), Duration::from_hours(1));
    let last = Duration::from_mins(150) + second;
    let want = [
        (second, Withdrawn, 1),
        (hour + second, Withdrawn, 1),
        (2 * hour + second, Withdrawn, 1),
        (last, Restored, 1),
    ];
    assert_eq!(posts, want);
}

#[tokio::test(start_paused = true)]
async fn an_incident_that_stands_is_no_message_but_is_said_again() {
    let harness = harness_with([], reminding());
    let standing = Notice { status: IncidentStatus::Standing, ..notice(Withdrawn, &[1]) };
    harness.send(standing).await;
    tokio::time::sleep(Duration::from_mins(61)).await;
    let hour = Duration::from_hours(1);
    assert_eq!(harness.posts().await, [(hour + Duration::from_secs(1), Withdrawn, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_tried_again() {
    let harness = harness([Answer::Refuse]);
    harness.send(notice(Withdrawn, &[1])).await;
    assert_eq!(harness.posts().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn while_a_channel_hangs_its_queue_is_emptied_and_giving_up_ends_it() {
    let harness = harness([Answer::Hang]);
    harness.send(notice(Isolated, &[])).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    for n in 1..5_000 {
        let mut next = notice(Isolated, &[]);
        next.at += Duration::from_secs(n * 10);
        harness.send(next).await; // would wait for ever if nobody received
    }
    harness.give_up.send_replace(true);
    harness.task.await.unwrap();
    assert_eq!(harness.scripted.posts.lock().unwrap().len(), 1);
}
