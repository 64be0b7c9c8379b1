//! The open channels: a queue and a task each.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::counters::{ChannelCounters, NoticeCounters};
use super::delivery::{ChannelInput, Delivery, DeliveryPace};
use super::receiver::Receiver;
use super::section::NotifyConfig;
use super::{Notice, heartbeat};

/// Maximum number of notices in the queue of a channel: more than the targets of the largest agent,
/// so that all of them may go down at once.
const QUEUE: usize = 16_384;

/// Sends notices to all channels. Must be created inside a Tokio runtime.
#[derive(Debug)]
pub struct Notifier {
    channels: Vec<OpenChannel>,
    pace: DeliveryPace,
    counters: NoticeCounters,
}

/// One channel, with its queue and its task.
#[derive(Debug)]
struct OpenChannel {
    receiver: Receiver,
    counters: Arc<ChannelCounters>,
    queue: mpsc::Sender<ChannelInput>,
    /// Its result are the notices that were not delivered.
    task: JoinHandle<Vec<Notice>>,
    /// Set to `true` to drop the remaining notices.
    give_up: watch::Sender<bool>,
}

/// Channels that get no further notices, and deliver those that wait.
#[derive(Debug)]
#[must_use = "the notices that wait are delivered by `finish`"]
pub struct ClosedChannels(Vec<OpenChannel>);

impl Notifier {
    /// Opens the configured channels. An unusable channel is reported as an error in the log; the
    /// others work.
    pub fn start(config: &NotifyConfig) -> Self {
        Self::with_pace(config, DeliveryPace::default())
    }

    /// Like [`Self::start`], with another pace.
    pub fn with_pace(config: &NotifyConfig, pace: DeliveryPace) -> Self {
        let counters = NoticeCounters::default();
        let mut notifier = Self { channels: Vec::new(), pace, counters };
        for receiver in config.receivers() {
            notifier.open(receiver);
        }
        notifier
    }

    /// Follows another configuration. A channel to the same receiver keeps its queue and the incidents
    /// that are open there, with another route and name if need be. The others are closed, and new ones
    /// opened.
    pub fn reload(&mut self, config: &NotifyConfig) -> ClosedChannels {
        let mut before = std::mem::take(&mut self.channels);
        let mut kept: Vec<Option<OpenChannel>> = Vec::new();
        for receiver in config.receivers() {
            let same = before.iter().position(|channel| channel.receiver.is_same_as(receiver));
            kept.push(same.map(|same| before.swap_remove(same)));
        }
        for (receiver, kept) in config.receivers().iter().zip(&mut kept) {
            let reached = before.iter().position(|channel| channel.receiver.reaches(receiver));
            if kept.is_none() {
                *kept = reached.map(|same| before.swap_remove(same));
            }
        }
        let mut labels = vec![heartbeat::NAME];
        for (receiver, kept) in config.receivers().iter().zip(&mut kept) {
            if let Some(mut channel) =
                kept.take_if(|channel| channel.receiver.label != receiver.label)
            {
                channel.counters.retire();
                channel.counters = Arc::new(self.counters.channel(&receiver.label));
                *kept = Some(channel);
            }
            labels.extend(kept.as_ref().map(|channel| channel.counters.channel()));
        }
        for closed in &before {
            closed.counters.retire();
        }
        self.counters.keep_failing(&labels);
        for (receiver, kept) in config.receivers().iter().zip(kept) {
            match kept {
                Some(channel) => self.channels.push(channel.changed(receiver)),
                None => self.open(receiver),
            }
        }
        for closed in &before {
            // A task with a full queue ends with the notices that it has.
            let _ = closed.tell(ChannelInput::Removed);
        }
        ClosedChannels(before)
    }

    /// Returns the counters of notices.
    pub fn counters(&self) -> &NoticeCounters {
        &self.counters
    }

    /// Opens the channel to a receiver.
    fn open(&mut self, receiver: &Receiver) {
        let counters = Arc::new(self.counters.channel(&receiver.label));
        match receiver.settings.open() {
            Ok(channel) => {
                let (queue, inbox) = mpsc::channel(QUEUE);
                let give_up = watch::Sender::new(false);
                let route = receiver.route.clone();
                let delivery = Delivery::new(channel, self.pace, route, Arc::clone(&counters));
                let task = tokio::spawn(delivery.run(inbox, give_up.subscribe()));
                let receiver = receiver.clone();
                self.channels.push(OpenChannel { receiver, counters, queue, task, give_up });
            }
            Err(error) => {
                let channel = &*receiver.label;
                counters.unusable(&error.to_string());
                tracing::error!(channel, %error, "channel unusable; no notices are sent to it");
            }
        }
    }

    /// Queues a notice for every channel, which selects by its route, and returns at once. If the queue of a
    /// channel is full the notice is lost there, and a log line reports it.
    pub fn send(&self, notice: &Notice) {
        for channel in &self.channels {
            channel.send(notice);
        }
    }

    /// Lets the channels deliver waiting notices, for `limit` at most in total. The rest is
    /// dropped, with a log line for each, and returned.
    pub async fn close(self, limit: Duration) -> Vec<Notice> {
        ClosedChannels(self.channels).finish(limit).await
    }
}

impl OpenChannel {
    /// Queues a notice.
    fn send(&self, notice: &Notice) {
        if let Err(why) = self.tell(ChannelInput::Notice(Box::new(notice.clone()))) {
            self.counters.dropped(notice, why);
        }
    }

    /// Queues an input. Returns the reason if that is impossible.
    fn tell(&self, input: ChannelInput) -> Result<(), &'static str> {
        self.queue.try_send(input).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => "its queue is full",
            mpsc::error::TrySendError::Closed(_) => "its task has ended",
        })
    }

    /// Follows another route and name.
    fn changed(mut self, receiver: &Receiver) -> Self {
        let change = (receiver.route.clone(), Arc::clone(&self.counters));
        if let Err(why) = self.tell(ChannelInput::Changed(Box::new(change))) {
            let channel = self.counters.channel();
            tracing::error!(channel, why, "new route of a channel not in force");
        }
        self.receiver = receiver.clone();
        self
    }
}

impl ClosedChannels {
    /// Delivers the notices that wait, for `limit` at most in total. Drops the rest, and returns it.
    pub async fn finish(self, limit: Duration) -> Vec<Notice> {
        let (mut tasks, mut give_ups) = (Vec::new(), Vec::new());
        for OpenChannel { queue, task, give_up, .. } in self.0 {
            drop(queue); // so that the task ends when nothing waits any more
            tasks.push(task);
            give_ups.push(give_up);
        }
        let mut all = std::pin::pin!(futures_util::future::join_all(tasks));
        let ended = if let Ok(ended) = tokio::time::timeout(limit, &mut all).await {
            ended
        } else {
            for give_up in give_ups {
                give_up.send_replace(true);
            }
            all.await
        };
        ended.into_iter().filter_map(Result::ok).flatten().collect()
    }
}
