//! Delivery of notices to one channel: a task each, and nothing waits for it.
//!
//! - `filter`: the notices that the channel is to get
//! - `messages`: the notices that are still due to people, message by message
//! - `ledger`: the notices that are still due to a receiver that knows incidents, key by key
//!
//! Both decide on the next notice and its time, with the present time as a parameter. The loop here waits, sends, and
//! receives at the same time.

mod filter;
mod ledger;
mod messages;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use self::filter::IncidentFilter;
use self::ledger::IncidentLedger;
use self::messages::MessageBacklog;
use super::Notice;
use super::counters::ChannelCounters;
use super::route::Route;
use crate::panics::{RestartBackoff, caught};
use crate::text::seconds;

/// Timing of merging and retrying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryPace {
    /// Time from the first notice of a message until it is sent. Others may join it during that
    /// time.
    pub window: Duration,
    /// Maximum number of attempts for a message that the channel answers with a failure; at least one.
    pub tries: u32,
    /// Wait before the second attempt. Each further wait is twice as long, and each is jittered by
    /// ± 50 %, so that agents do not retry in step.
    pub first_wait: Duration,
    /// Time between two repetitions of all open incidents, to a receiver that forgets them, and the
    /// longest wait without jitter between two attempts.
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
    /// The channel cannot be reached: nothing was sent. The network of this agent may be the cause.
    #[error("{0}")]
    Unreachable(String),
}

impl PostError {
    /// Returns the pause that the channel asks for.
    fn pause(&self) -> Option<Duration> {
        match self {
            Self::Later { retry_after, .. } => *retry_after,
            Self::Refused(_) | Self::Unreachable(_) => None,
        }
    }
}

/// An attempt to send a notice.
pub(crate) type Posting<'a> = Pin<Box<dyn Future<Output = Result<(), PostError>> + Send + 'a>>;

/// The memory that a receiver has of incidents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IncidentMemory {
    /// None: each notice is a message to people.
    Messages,
    /// It keeps incidents by their keys. It gets each notice by itself, and none that belongs to no
    /// incident.
    ByKey,
    /// It keeps incidents by their keys for as long as they are repeated. It gets all of them at once.
    Forgetful,
}

/// A receiver of notices, one at a time.
pub(crate) trait Channel: Send + Sync + 'static {
    /// Returns the memory that the receiver has of incidents.
    fn memory(&self) -> IncidentMemory {
        IncidentMemory::Messages
    }

    /// Makes one attempt, which always completes.
    fn post<'a>(&'a self, notice: &'a Notice) -> Posting<'a>;

    /// Follows a notice, for [`Self::repeat`].
    fn follow(&self, _notice: &Notice) {}

    /// Sends all incidents that were followed. Only a receiver that forgets them needs this.
    fn repeat(&self) -> Posting<'_> {
        Box::pin(async { Ok(()) })
    }

    /// Rebuilds the client after a panic.
    fn renew(&self) {}
}

/// An input of a channel's task.
pub(super) enum ChannelInput {
    /// A notice; the route decides whether the channel gets it.
    Notice(Box<Notice>),
    /// Another selection of notices, and another name. The notices that wait stay.
    Changed(Box<(Route, Arc<ChannelCounters>)>),
    /// The configuration has the channel no more.
    Removed,
}

/// The surroundings of a decision about one channel.
struct ChannelContext<'a> {
    channel: &'a dyn Channel,
    counters: &'a ChannelCounters,
    now: Instant,
}

/// The next thing to send.
enum DueNotice {
    /// One notice to post.
    Post(Box<Notice>),
    /// All incidents that were followed.
    Repeat,
}

/// Everything that a channel has still to be told.
trait Backlog: Send {
    /// Adds a notice that the channel is to get.
    fn follow(&mut self, notice: Notice, context: &ChannelContext<'_>);

    /// Says incidents again that are open for this time; `None` is never.
    fn remind_after(&mut self, after: Option<Duration>);

    /// Ends the open incidents at a receiver that the configuration has no more.
    fn remove(&mut self, _context: &ChannelContext<'_>) {}

    /// Waits for no further notice, and repeats nothing.
    fn close(&mut self, now: Instant);

    /// Returns the time of the next attempt; `None` if nothing is to be sent.
    fn next_at(&self) -> Option<Instant>;

    /// Returns the attempt that is due.
    fn take(&mut self, context: &ChannelContext<'_>) -> Option<DueNotice>;

    /// Follows the result of the attempt that was taken last.
    fn finish(&mut self, result: Result<(), PostError>, context: &ChannelContext<'_>);

    /// Removes and returns all notices that were not delivered, oldest first.
    fn abandon(&mut self) -> Vec<Notice>;
}

/// Delivers notices to one channel.
pub(super) struct Delivery {
    channel: Box<dyn Channel>,
    intake: Intake,
}

/// The receiving half of a delivery.
struct Intake {
    counters: Arc<ChannelCounters>,
    filter: IncidentFilter,
    backlog: Box<dyn Backlog>,
    /// Whether no further input can come.
    is_closed: bool,
}

impl Intake {
    /// Takes an input; `None` means that there will be no further one.
    fn receive(&mut self, channel: &dyn Channel, input: Option<ChannelInput>) {
        let context = ChannelContext { channel, counters: &self.counters, now: now() };
        match input {
            Some(ChannelInput::Notice(notice)) => {
                if self.filter.admits(&notice) {
                    self.backlog.follow(*notice, &context);
                }
            }
            Some(ChannelInput::Changed(change)) => {
                let (route, counters) = *change;
                self.backlog.remind_after(route.remind_after);
                self.filter.set_route(route);
                self.counters = counters;
            }
            Some(ChannelInput::Removed) => self.backlog.remove(&context),
            None => {
                self.is_closed = true;
                self.backlog.close(context.now);
            }
        }
    }

    /// Returns the attempt that is due.
    fn take(&mut self, channel: &dyn Channel) -> Option<DueNotice> {
        let context = ChannelContext { channel, counters: &self.counters, now: now() };
        self.backlog.take(&context)
    }

    /// Follows the result of an attempt.
    fn finish(&mut self, channel: &dyn Channel, result: Result<(), PostError>) {
        let context = ChannelContext { channel, counters: &self.counters, now: now() };
        self.backlog.finish(result, &context);
    }

    /// Drops everything that was not delivered, and returns it.
    fn abandon(&mut self, why: &str) -> Vec<Notice> {
        let left = self.backlog.abandon();
        for notice in &left {
            self.counters.dropped(notice, why);
        }
        left
    }
}

impl Delivery {
    /// Prepares the delivery to `channel`.
    pub(super) fn new(
        channel: Box<dyn Channel>,
        pace: DeliveryPace,
        route: Route,
        counters: Arc<ChannelCounters>,
    ) -> Self {
        let mut backlog: Box<dyn Backlog> = match channel.memory() {
            IncidentMemory::Messages => Box::new(MessageBacklog::new(pace)),
            memory => Box::new(IncidentLedger::new(pace, memory)),
        };
        backlog.remind_after(route.remind_after);
        let filter = IncidentFilter::new(route);
        let intake = Intake { counters, filter, backlog, is_closed: false };
        Self { channel, intake }
    }

    /// Delivers the notices from `inbox` until that is closed and empty, or until `give_up` is set.
    /// Returns the notices that were not delivered.
    #[expect(clippy::disallowed_methods, reason = "how long it worked between two panics")]
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<ChannelInput>,
        mut give_up: watch::Receiver<bool>,
    ) -> Vec<Notice> {
        let mut rest = RestartBackoff::default();
        loop {
            let began = Instant::now();
            let panicked = tokio::select! {
                biased;
                // An error means that the sender is gone, so there is nothing to wait for.
                Ok(_) = give_up.wait_for(|set| *set) => break,
                done = caught("notices", deliver(&*self.channel, &mut self.intake, &mut inbox)) => {
                    match done {
                        Ok(()) => break,
                        Err(panicked) => panicked,
                    }
                }
            };
            let wait = rest.after(began.elapsed());
            let (channel, shown) = (self.intake.counters.channel(), seconds(wait));
            tracing::error!(channel, wait = shown, "{panicked}; begins anew");
            self.intake.abandon("a defect");
            if let Ok(Ok(_)) = tokio::time::timeout(wait, give_up.wait_for(|set| *set)).await {
                break;
            }
            self.channel.renew();
        }
        while let Ok(input) = inbox.try_recv() {
            self.intake.receive(&*self.channel, Some(input));
        }
        self.intake.abandon("the agent is ending")
    }
}

/// Sends due notices and receives others at the same time, until the inbox is closed and nothing is left.
async fn deliver(
    channel: &dyn Channel,
    intake: &mut Intake,
    inbox: &mut mpsc::Receiver<ChannelInput>,
) {
    loop {
        if let Some(attempt) = intake.take(channel) {
            let posting = post(channel, attempt, Arc::clone(&intake.counters));
            let result = while_receiving(posting, channel, intake, inbox).await;
            intake.finish(channel, result);
            continue;
        }
        let next_at = intake.backlog.next_at();
        if intake.is_closed && next_at.is_none() {
            return;
        }
        tokio::select! {
            biased;
            input = inbox.recv(), if !intake.is_closed => intake.receive(channel, input),
            () = at(next_at) => {}
        }
    }
}

/// Makes one attempt. A panic counts as a failure that may pass.
async fn post(
    channel: &dyn Channel,
    attempt: DueNotice,
    counters: Arc<ChannelCounters>,
) -> Result<(), PostError> {
    let posting = match &attempt {
        DueNotice::Post(notice) => channel.post(notice),
        DueNotice::Repeat => channel.repeat(),
    };
    match caught("a notice", posting).await {
        Ok(posted) => posted,
        Err(panicked) => {
            tracing::error!(channel = counters.channel(), "{panicked}; it is tried again");
            channel.renew();
            Err(PostError::Later { why: panicked.to_string(), retry_after: None })
        }
    }
}

/// Runs `work` to its end and keeps draining the inbox at the same time, so that the queue does not
/// fill up.
async fn while_receiving<T>(
    work: impl Future<Output = T>,
    channel: &dyn Channel,
    intake: &mut Intake,
    inbox: &mut mpsc::Receiver<ChannelInput>,
) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            input = inbox.recv(), if !intake.is_closed => intake.receive(channel, input),
        }
    }
}

/// Waits until a time; for ever if there is none.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[expect(clippy::disallowed_methods, reason = "notices have their own time")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests;
