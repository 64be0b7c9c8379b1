//! Delivery of notices to one channel: merged for a moment, sent in order, retried, and finally
//! dropped.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::Notice;
use super::counters::ChannelCounters;
use super::grouping::NoticeQueue;
use super::incident::IncidentStatus;
use super::reminders::Reminders;
use crate::backoff::Backoff;
use crate::panics::{RestartBackoff, caught};
use crate::text::seconds;

/// Maximum pause that a channel may ask for. A notice that would have to wait longer is dropped,
/// because it would be outdated by then.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// Maximum backoff without jitter. Even half of it exceeds [`LONGEST_WAIT`], so a notice is dropped
/// before.
const LONGEST_BACKOFF: Duration = LONGEST_WAIT.saturating_mul(4);

/// Timing of merging and retrying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryPace {
    /// Time from the first notice of a message until it is sent. Others may join it during that
    /// time.
    pub window: Duration,
    /// Maximum number of attempts for a message; at least one.
    pub tries: u32,
    /// Wait before the second attempt. Each further wait is twice as long, and each is jittered by
    /// ± 50 %, so that agents do not retry in step.
    pub first_wait: Duration,
    /// Time between two repetitions of all open incidents, to a receiver that forgets them.
    pub repeat_every: Duration,
}

impl Default for DeliveryPace {
    /// Returns one second, five attempts, about 1 + 2 + 4 + 8 s between them, and a minute.
    fn default() -> Self {
        let second = Duration::from_secs(1);
        let repeat_every = Duration::from_mins(1);
        Self { window: second, tries: 5, first_wait: second, repeat_every }
    }
}

/// The reason why a channel did not accept a notice. It never contains the channel's URL.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
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

/// An attempt to send a notice.
pub(crate) type Posting<'a> = Pin<Box<dyn Future<Output = Result<(), PostError>> + Send + 'a>>;

/// A receiver of notices, one at a time.
pub(crate) trait Channel: Send + Sync + 'static {
    /// Whether the receiver knows incidents by their keys. It then gets each notice by itself, and none
    /// that belongs to no incident.
    fn knows_incidents(&self) -> bool {
        false
    }

    /// Makes one attempt, which always completes.
    fn post<'a>(&'a self, notice: &'a Notice) -> Posting<'a>;

    /// Whether the receiver forgets the open incidents, so that they are repeated.
    fn forgets(&self) -> bool {
        false
    }

    /// Follows a notice that is no message: an incident that was open before this channel was.
    fn stand(&self, _notice: &Notice) {}

    /// Sends all open incidents again.
    fn repeat(&self) -> Posting<'_> {
        Box::pin(async { Ok(()) })
    }

    /// Rebuilds the client after a panic.
    fn renew(&self) {}
}

/// Delivers notices to one channel.
pub(super) struct Delivery {
    channel: Box<dyn Channel>,
    pace: DeliveryPace,
    counters: Arc<ChannelCounters>,
    remind_after: Option<Duration>,
}

/// The notices that were received and are not delivered yet.
struct Backlog {
    /// The notices that later ones may still join.
    waiting: NoticeQueue,
    /// The notices that are being sent, oldest first.
    unsent: VecDeque<Notice>,
    /// The incidents that are open.
    reminders: Reminders,
}

impl Backlog {
    /// Removes and returns all notices, oldest first.
    fn take(&mut self) -> impl Iterator<Item = Notice> {
        std::mem::take(&mut self.unsent).into_iter().chain(self.waiting.take())
    }
}

/// The next thing to do while no notice waits.
enum Wakeup {
    /// A notice arrived.
    Notice(Box<Notice>),
    /// The queue is closed.
    Closed,
    /// Reminders are due.
    Remind,
    /// The open incidents are to be repeated.
    Repeat,
}

impl Delivery {
    /// Prepares the delivery to `channel`.
    pub(super) fn new(
        channel: Box<dyn Channel>,
        pace: DeliveryPace,
        counters: Arc<ChannelCounters>,
    ) -> Self {
        Self { channel, pace, counters, remind_after: None }
    }

    /// Says incidents again that are open for this time; `None` is never.
    pub(super) fn reminding(self, remind_after: Option<Duration>) -> Self {
        Self { remind_after, ..self }
    }

    /// Delivers the notices from `inbox` until that is closed and empty, or until `give_up` is set.
    #[expect(clippy::disallowed_methods, reason = "how long it worked between two panics")]
    pub(super) async fn run(
        self,
        mut inbox: mpsc::Receiver<Notice>,
        mut give_up: watch::Receiver<bool>,
    ) {
        let waiting = NoticeQueue::new(self.pace.window, !self.channel.knows_incidents());
        let reminders = Reminders::new(self.remind_after);
        let mut backlog = Backlog { waiting, unsent: VecDeque::new(), reminders };
        let mut rest = RestartBackoff::default();
        loop {
            let began = Instant::now();
            let panicked = tokio::select! {
                biased;
                // An error means that the sender is gone, so there is nothing to wait for.
                Ok(_) = give_up.wait_for(|set| *set) => break,
                done = caught("notices", self.deliver(&mut inbox, &mut backlog)) => match done {
                    Ok(()) => break,
                    Err(panicked) => panicked,
                },
            };
            let wait = rest.after(began.elapsed());
            let (channel, shown) = (self.counters.channel(), seconds(wait));
            tracing::error!(channel, wait = shown, "{panicked}; begins anew");
            for notice in backlog.take() {
                self.counters.dropped(&notice, "a defect");
            }
            if let Ok(Ok(_)) = tokio::time::timeout(wait, give_up.wait_for(|set| *set)).await {
                break;
            }
            self.channel.renew();
        }
        while let Ok(notice) = inbox.try_recv() {
            self.admit(&mut backlog.waiting, notice);
        }
        for notice in backlog.take() {
            self.counters.dropped(&notice, "the agent is ending");
        }
    }

    /// Runs the loop of [`Self::run`]. If it is dropped, the remaining notices are in `backlog`.
    #[expect(clippy::disallowed_methods, reason = "reminders and repetitions have their own time")]
    async fn deliver(&self, inbox: &mut mpsc::Receiver<Notice>, backlog: &mut Backlog) {
        let Backlog { waiting, unsent, reminders } = backlog;
        let mut repeat_at = self.channel.forgets().then(|| Instant::now() + self.pace.repeat_every);
        loop {
            if waiting.is_empty() {
                match next(inbox, reminders.next(), repeat_at).await {
                    Wakeup::Closed => return,
                    Wakeup::Notice(notice) => self.follow(waiting, reminders, *notice),
                    Wakeup::Remind => {
                        for reminder in reminders.due(Instant::now()) {
                            self.admit(waiting, reminder);
                        }
                    }
                    Wakeup::Repeat => {
                        while_receiving(self.repeat(), inbox, |late| {
                            self.follow(waiting, reminders, late);
                        })
                        .await;
                        repeat_at =
                            self.channel.forgets().then(|| Instant::now() + self.pace.repeat_every);
                    }
                }
                continue;
            }
            // While the inbox is open this is the whole window. Once it is closed nothing can join.
            let joining = async {
                while let Some(notice) = inbox.recv().await {
                    self.follow(waiting, reminders, notice);
                }
            };
            let _ = tokio::time::timeout(self.pace.window, joining).await;
            *unsent = waiting.take();
            while let Some(notice) = unsent.front() {
                let sending = self.send(notice);
                while_receiving(sending, inbox, |late| self.follow(waiting, reminders, late)).await;
                unsent.pop_front();
            }
        }
    }

    /// Takes a notice from the queue. One that is no message, or that belongs to no incident where the
    /// receiver knows nothing else, is not sent.
    #[expect(clippy::disallowed_methods, reason = "reminders have their own time")]
    fn follow(&self, waiting: &mut NoticeQueue, reminders: &mut Reminders, notice: Notice) {
        // Another agent has sent the message, and reminds of it.
        let is_quiet = notice.quiet && !self.channel.knows_incidents();
        if !is_quiet || notice.status == IncidentStatus::Closed {
            reminders.follow(&notice, Instant::now());
        }
        match notice.status {
            _ if is_quiet => {}
            IncidentStatus::Standing => self.channel.stand(&notice),
            IncidentStatus::Event if self.channel.knows_incidents() => {}
            _ => self.admit(waiting, notice),
        }
    }

    /// Adds a notice to those that wait, which may be too many.
    fn admit(&self, waiting: &mut NoticeQueue, notice: Notice) {
        if let Some(gone) = waiting.add(notice) {
            self.counters.dropped(&gone, "too many wait to be sent");
        }
    }

    /// Sends all open incidents again. A panic counts as a failure that may pass.
    async fn repeat(&self) {
        match caught("a notice", self.channel.repeat()).await {
            Ok(Ok(())) => self.counters.repeated(None),
            Ok(Err(error)) => self.counters.repeated(Some(&error.to_string())),
            Err(panicked) => {
                self.channel.renew();
                self.counters.repeated(Some(&panicked.to_string()));
            }
        }
    }

    /// Retries until the channel accepts the notice or further attempts are pointless.
    async fn send(&self, notice: &Notice) {
        let channel = self.counters.channel();
        let mut backoff = Backoff::new(self.pace.first_wait, LONGEST_BACKOFF);
        let mut tries_left = self.pace.tries;
        loop {
            tries_left = tries_left.saturating_sub(1);
            let (why, retry_after) = match self.post(notice).await {
                Ok(()) => {
                    self.counters.delivered();
                    return tracing::debug!(channel, "notice sent");
                }
                Err(PostError::Refused(why)) => return self.counters.failed(notice, &why),
                Err(PostError::Later { why, retry_after }) => (why, retry_after),
            };
            let wait = backoff.next_jittered().max(retry_after.unwrap_or_default());
            if tries_left == 0 || wait > LONGEST_WAIT {
                return self.counters.failed(notice, &why);
            }
            tracing::info!(channel, why, wait = seconds(wait), "notice not sent yet");
            tokio::time::sleep(wait).await;
        }
    }

    /// Makes one attempt. A panic counts as a failure that may pass.
    async fn post(&self, notice: &Notice) -> Result<(), PostError> {
        match caught("a notice", self.channel.post(notice)).await {
            Ok(posted) => posted,
            Err(panicked) => {
                let channel = self.counters.channel();
                tracing::error!(channel, "{panicked}; it is tried again");
                self.channel.renew();
                Err(PostError::Later { why: panicked.to_string(), retry_after: None })
            }
        }
    }
}

/// Waits for the next thing to do.
async fn next(
    inbox: &mut mpsc::Receiver<Notice>,
    remind_at: Option<Instant>,
    repeat_at: Option<Instant>,
) -> Wakeup {
    tokio::select! {
        biased;
        notice = inbox.recv() => notice.map_or(Wakeup::Closed, |notice| Wakeup::Notice(Box::new(notice))),
        () = at(remind_at) => Wakeup::Remind,
        () = at(repeat_at) => Wakeup::Repeat,
    }
}

/// Waits until a time; for ever if there is none.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
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

#[cfg(test)]
mod tests;
