//! Delivery of notices to one channel: merged for a moment, sent in order, retried, and finally
//! dropped.

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::Notice;
use super::counters::ChannelCounters;
use super::grouping::NoticeQueue;
use crate::backoff::Backoff;
use crate::config::seconds;
use crate::panics::{RestartBackoff, caught};

/// Maximum pause that a channel may ask for. A notice that would have to wait longer is dropped,
/// because it would be outdated by then.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// Maximum backoff without jitter. Even half of it exceeds [`LONGEST_WAIT`], so a notice is dropped
/// before.
const LONGEST_BACKOFF: Duration = LONGEST_WAIT.saturating_mul(4);

/// Timing of merging and retrying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Time from the first notice of a message until it is sent. Others may join it during that
    /// time.
    pub window: Duration,
    /// Maximum number of attempts for a message; at least one.
    pub tries: u32,
    /// Wait before the second attempt. Each further wait is twice as long, and each is jittered by
    /// ± 50 %, so that agents do not retry in step.
    pub first_wait: Duration,
}

impl Default for Pace {
    /// Returns one second, five attempts, and about 1 + 2 + 4 + 8 s between them.
    fn default() -> Self {
        let second = Duration::from_secs(1);
        Self { window: second, tries: 5, first_wait: second }
    }
}

/// The reason why a channel did not accept a notice. It never contains the channel's URL.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    /// The channel rejected the notice, and would reject it again.
    #[error("{0}")]
    Refused(String),
    /// The channel may accept the notice later.
    #[error("{why}")]
    Later {
        /// The cause of the failure.
        why: String,
        /// The pause that the channel asks for.
        retry_after: Option<Duration>,
    },
}

/// A receiver of notices, one at a time.
pub(super) trait Channel: Send + Sync + 'static {
    /// Returns the name of the channel for the log.
    fn name(&self) -> &'static str;

    /// Makes one attempt, which always completes.
    fn post(&self, notice: &Notice) -> impl Future<Output = Result<(), PostError>> + Send;

    /// Rebuilds the client after a panic.
    fn renew(&self) {}
}

/// Delivers the notices from `inbox` until that is closed and empty, or until `give_up` is set.
#[expect(clippy::disallowed_methods, reason = "how long it worked between two panics")]
pub(super) async fn work(
    channel: impl Channel,
    mut inbox: mpsc::Receiver<Notice>,
    mut give_up: watch::Receiver<bool>,
    pace: Pace,
    counters: ChannelCounters,
) {
    let mut waiting = NoticeQueue::new(pace.window);
    let mut unsent = VecDeque::new();
    let mut rest = RestartBackoff::default();
    loop {
        let began = Instant::now();
        let delivering = deliver(&channel, &mut inbox, &mut waiting, &mut unsent, pace, &counters);
        let panicked = tokio::select! {
            biased;
            // An error means that the sender is gone, so there is nothing to wait for.
            Ok(_) = give_up.wait_for(|set| *set) => break,
            done = caught("notices", delivering) => match done {
                Ok(()) => break,
                Err(panicked) => panicked,
            },
        };
        let wait = rest.after(began.elapsed());
        tracing::error!(channel = channel.name(), wait = seconds(wait), "{panicked}; begins anew");
        for notice in unsent.drain(..).chain(waiting.take()) {
            counters.dropped(&notice, "a defect");
        }
        if let Ok(Ok(_)) = tokio::time::timeout(wait, give_up.wait_for(|set| *set)).await {
            break;
        }
        channel.renew();
    }
    while let Ok(notice) = inbox.try_recv() {
        admit(&counters, &mut waiting, notice);
    }
    for notice in unsent.into_iter().chain(waiting.take()) {
        counters.dropped(&notice, "the agent is ending");
    }
}

/// Runs the loop of [`work`]. If it is dropped, the remaining notices are in `unsent` and
/// `waiting`.
async fn deliver(
    channel: &impl Channel,
    inbox: &mut mpsc::Receiver<Notice>,
    waiting: &mut NoticeQueue,
    unsent: &mut VecDeque<Notice>,
    pace: Pace,
    counters: &ChannelCounters,
) {
    loop {
        if waiting.is_empty() {
            let Some(notice) = inbox.recv().await else { return };
            admit(counters, waiting, notice);
        }
        // While the inbox is open this is the whole window. Once it is closed nothing can join.
        let joining = async {
            while let Some(notice) = inbox.recv().await {
                admit(counters, waiting, notice);
            }
        };
        let _ = tokio::time::timeout(pace.window, joining).await;
        *unsent = waiting.take();
        while let Some(notice) = unsent.front() {
            let sending = send(channel, notice, pace, counters);
            while_receiving(sending, inbox, |late| admit(counters, waiting, late)).await;
            unsent.pop_front();
        }
    }
}

/// Runs `work` to its end and keeps draining the inbox at the same time, so that the queue does not
/// fill up.
async fn while_receiving<T>(
    work: impl Future<Output = T>,
    inbox: &mut mpsc::Receiver<Notice>,
    mut take: impl FnMut(Notice),
) -> T {
    let mut work = std::pin::pin!(work);
    let mut open = true;
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            notice = inbox.recv(), if open => match notice {
                Some(notice) => take(notice),
                None => open = false,
            },
        }
    }
}

fn admit(counters: &ChannelCounters, waiting: &mut NoticeQueue, notice: Notice) {
    if let Some(gone) = waiting.add(notice) {
        counters.dropped(&gone, "too many wait to be sent");
    }
}

/// Retries until the channel accepts the notice or further attempts are pointless.
async fn send(channel: &impl Channel, notice: &Notice, pace: Pace, counters: &ChannelCounters) {
    let mut backoff = Backoff::new(pace.first_wait, LONGEST_BACKOFF);
    let mut tries_left = pace.tries;
    loop {
        tries_left = tries_left.saturating_sub(1);
        let posted = caught("a notice", channel.post(notice)).await.unwrap_or_else(|panicked| {
            tracing::error!(channel = channel.name(), "{panicked}; it is tried again");
            channel.renew();
            Err(PostError::Later { why: panicked.to_string(), retry_after: None })
        });
        let (why, retry_after) = match posted {
            Ok(()) => {
                counters.delivered();
                return tracing::debug!(channel = channel.name(), "notice sent");
            }
            Err(PostError::Refused(why)) => return counters.failed(notice, &why),
            Err(PostError::Later { why, retry_after }) => (why, retry_after),
        };
        let wait = backoff.next_jittered().max(retry_after.unwrap_or_default());
        if tries_left == 0 || wait > LONGEST_WAIT {
            return counters.failed(notice, &why);
        }
        tracing::info!(channel = channel.name(), why, wait = seconds(wait), "notice not sent yet");
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    //! Tests in virtual time: the clock is paused and jumps to the next timer.

    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::notify::NoticeCounters;
    use crate::notify::NoticeKind::{self, Isolated, Restored, Withdrawn};
    use crate::notify::tests::notice;

    /// A channel that answers by a script and records each notice with its time.
    #[derive(Clone)]
    struct Scripted {
        answers: Arc<Mutex<VecDeque<Answer>>>,
        posts: Arc<Mutex<Vec<(Duration, NoticeKind, usize)>>>,
        started: Instant,
    }

    enum Answer {
        Fail(Option<u64>),
        Refuse,
        Hang,
        Panic,
    }

    impl Channel for Scripted {
        fn name(&self) -> &'static str {
            "scripted"
        }

        async fn post(&self, notice: &Notice) -> Result<(), PostError> {
            let post = (self.started.elapsed(), notice.kind, notice.targets.len());
            self.posts.lock().unwrap().push(post);
            let answer = self.answers.lock().unwrap().pop_front();
            match answer {
                None => Ok(()),
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

    struct Bench {
        queue: mpsc::Sender<Notice>,
        give_up: watch::Sender<bool>,
        scripted: Scripted,
        counters: NoticeCounters,
        task: tokio::task::JoinHandle<()>,
    }

    #[expect(clippy::disallowed_methods, reason = "the paused clock")]
    fn bench(answers: impl IntoIterator<Item = Answer>) -> Bench {
        let scripted = Scripted {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            posts: Arc::default(),
            started: Instant::now(),
        };
        let (queue, inbox) = mpsc::channel(1_000);
        let give_up = watch::Sender::new(false);
        let counters = NoticeCounters::default();
        let (told, channel_counters) = (give_up.subscribe(), counters.channel("scripted"));
        let worker = work(scripted.clone(), inbox, told, Pace::default(), channel_counters);
        Bench { queue, give_up, scripted, counters, task: tokio::spawn(worker) }
    }

    impl Bench {
        /// Closes the queue, lets the worker finish and returns the posted notices.
        async fn posts(self) -> Vec<(Duration, NoticeKind, usize)> {
            drop(self.queue);
            self.task.await.unwrap();
            self.scripted.posts.lock().unwrap().clone()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_within_a_second_is_one_message_and_order_is_kept() {
        let bench = bench([]);
        for n in 0..100 {
            bench.queue.send(notice(Withdrawn, &[n])).await.unwrap();
            tokio::time::sleep(Duration::from_millis(9)).await;
        }
        bench.queue.send(notice(Restored, &[7])).await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        let posts = bench.posts().await;
        let second = Duration::from_secs(1);
        assert_eq!(posts, [(second, Withdrawn, 100), (second, Restored, 1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_queue_is_sent_at_once() {
        let bench = bench([]);
        bench.queue.send(notice(Isolated, &[])).await.unwrap();
        assert_eq!(bench.posts().await, [(Duration::ZERO, Isolated, 0)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_channel_is_tried_five_times_with_growing_waits_and_then_the_next_one_goes() {
        let bench = bench((0..5).map(|_| Answer::Fail(None)));
        bench.queue.send(notice(Withdrawn, &[1])).await.unwrap();
        bench.queue.send(notice(Restored, &[2])).await.unwrap();
        let posts = bench.posts().await;
        let kinds: Vec<NoticeKind> = posts.iter().map(|post| post.1).collect();
        assert_eq!(kinds, [Withdrawn, Withdrawn, Withdrawn, Withdrawn, Withdrawn, Restored]);
        for (step, expected) in [1.0, 2.0, 4.0, 8.0].into_iter().enumerate() {
            let wait = posts[step + 1].0.checked_sub(posts[step].0).unwrap().as_secs_f64();
            assert!((expected * 0.49..=expected * 1.51).contains(&wait), "wait {step}: {wait} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_obeyed_up_to_five_minutes() {
        for (seconds, tries) in [(30, 2), (300, 2), (301, 1)] {
            let bench = bench([Answer::Fail(Some(seconds))]);
            bench.queue.send(notice(Withdrawn, &[1])).await.unwrap();
            let posts = bench.posts().await;
            assert_eq!(posts.len(), tries, "Retry-After: {seconds}");
            let last = posts[tries - 1].0;
            let due = if tries == 2 { Duration::from_secs(seconds) } else { Duration::ZERO };
            assert!(last >= due && last < due + Duration::from_secs(1), "{seconds}: {last:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_while_posting_costs_a_second_and_no_notice() {
        let bench = bench([Answer::Panic, Answer::Panic]);
        bench.queue.send(notice(Withdrawn, &[1])).await.unwrap();
        bench.queue.send(notice(Restored, &[2])).await.unwrap();
        let kinds: Vec<_> = bench.posts().await.iter().map(|post| post.1).collect();
        assert_eq!(kinds, [Withdrawn, Withdrawn, Withdrawn, Restored]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_became_of_notices_is_counted_and_a_channel_fails_until_it_takes_one() {
        type Case = (&'static str, Vec<Answer>, u8, [u64; 3], Option<&'static str>);

        let fails = || (0..5).map(|_| Answer::Fail(None));
        let hangs = || [Answer::Hang].into_iter();
        // `(answers, notices, counts of delivered, failed and dropped, reason why the channel
        // fails)`
        let cases: [Case; 6] = [
            ("takes all", vec![], 2, [2, 0, 0], None),
            ("takes it late", fails().take(4).collect(), 1, [1, 0, 0], None),
            ("does not take it", fails().collect(), 1, [0, 1, 0], Some("down")),
            ("takes the next", fails().collect(), 2, [1, 1, 0], None),
            ("refuses", vec![Answer::Refuse], 1, [0, 1, 0], Some("no")),
            ("hangs to the end", hangs().collect(), 2, [0, 0, 2], Some("the agent is ending")),
        ];
        for (name, answers, notices, counts, why) in cases {
            let hangs = matches!(answers.first(), Some(Answer::Hang));
            let bench = bench(answers);
            for n in 0..notices {
                let kind = if n == 0 { Withdrawn } else { Restored };
                bench.queue.send(notice(kind, &[n])).await.unwrap();
            }
            let counters = bench.counters.clone();
            if hangs {
                tokio::time::sleep(Duration::from_secs(5)).await;
                bench.give_up.send_replace(true);
            }
            bench.posts().await;
            let found = counters.counts();
            let found = ["delivered", "failed", "dropped"].map(|word| found[&["scripted", word]]);
            assert_eq!(found, counts, "{name}");
            let failing = counters.failing();
            assert_eq!(failing.get("scripted").map(String::as_str), why, "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_not_tried_again() {
        let bench = bench([Answer::Refuse]);
        bench.queue.send(notice(Withdrawn, &[1])).await.unwrap();
        assert_eq!(bench.posts().await.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_channel_hangs_its_queue_is_emptied_and_giving_up_ends_it() {
        let bench = bench([Answer::Hang]);
        bench.queue.send(notice(Isolated, &[])).await.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        for n in 1..5_000 {
            let mut next = notice(Isolated, &[]);
            next.at += Duration::from_secs(n * 10);
            bench.queue.send(next).await.unwrap(); // would wait for ever if nobody received
        }
        bench.give_up.send_replace(true);
        bench.task.await.unwrap();
        assert_eq!(bench.scripted.posts.lock().unwrap().len(), 1);
    }
}
