//! The task that asks name servers about confirmed changes. It decides nothing about DNS, and nothing
//! waits for it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::answer::{Sighting, sighting};
use super::change::{EffectReport, EffectSender, MadeChanges, UndoneChanges, ZoneChanges};
use super::effect::{EffectNews, ZoneNews};
use super::question::{Answered, NextQuestion};
use super::servers::{RESOLV_CONF, find};
pub(crate) use super::zone_watch::ConfirmZone;
use super::zone_watch::{FoundServers, ZoneWatch};
use crate::dns::clock::now;
use crate::dns::message::Question;
use crate::dns::message::exchange::{NoAnswer, ask};
use crate::dns::message::set::{owner, record_type};
use crate::engine::ids::ZoneId;
use crate::engine::plan::SetKey;
use crate::panics::{RestartBackoff, caught};
use crate::text::error_chain;

/// The part of the program in reports of panics.
const PART: &str = "the proof of effect";

/// Maximum number of questions in flight in all zones.
const IN_FLIGHT: usize = 256;

/// Maximum time for one answer, TCP after a truncated one included.
const ANSWER_LIMIT: Duration = Duration::from_millis(1500);

/// The zones with changes that are confirmed.
pub(crate) type ConfirmZones = BTreeMap<ZoneId, ConfirmZone>;

/// Asks name servers about confirmed changes. Dropping it ends all waits.
#[derive(Debug)]
pub(crate) struct Confirmer {
    queue: mpsc::Sender<ZoneChanges>,
    zones: watch::Sender<ConfirmZones>,
    task: JoinHandle<()>,
}

impl Confirmer {
    /// Starts the task in `runtime`. It reports to `news`.
    pub(crate) fn start(
        runtime: &Handle,
        zones: ConfirmZones,
        news: mpsc::Sender<ZoneNews>,
    ) -> Self {
        let (queue, inbox) = EffectSender::queue();
        let (zones, settings) = watch::channel(zones);
        let task = runtime.spawn(supervise(inbox, settings, news));
        Self { queue, zones, task }
    }

    /// Returns a sender for the changes of a zone.
    pub(crate) fn sender(&self, zone: ZoneId) -> EffectSender {
        EffectSender::new(zone, &self.queue)
    }

    /// Follows another configuration. Waits in zones that stay go on; the others end.
    pub(crate) fn reload(&self, zones: ConfirmZones) {
        self.zones.send_replace(zones);
    }
}

impl Drop for Confirmer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Runs the task, again after a panic. The waits of a task that panicked are lost.
async fn supervise(
    mut inbox: mpsc::Receiver<ZoneChanges>,
    zones: watch::Receiver<ConfirmZones>,
    news: mpsc::Sender<ZoneNews>,
) {
    let mut backoff = RestartBackoff::default();
    loop {
        let began = now();
        let task = ConfirmTask::new(zones.clone(), news.clone());
        match caught(PART, task.run(&mut inbox)).await {
            Ok(()) => return,
            Err(panicked) => tracing::error!("the name servers are asked anew: {panicked}"),
        }
        if report_lost(&zones, &news).await.is_err() {
            return;
        }
        tokio::time::sleep(backoff.after(began.elapsed())).await;
    }
}

/// Reports that the waits of all zones are lost.
async fn report_lost(
    zones: &watch::Receiver<ConfirmZones>,
    news: &mpsc::Sender<ZoneNews>,
) -> Result<(), NoReceiver> {
    let zones = zones.borrow().clone();
    for (zone, ConfirmZone { provider, .. }) in zones {
        let lost = ZoneNews { zone, provider, news: EffectNews::Lost };
        news.send(lost).await.map_err(|_| NoReceiver)?;
    }
    Ok(())
}

/// The state of the task.
struct ConfirmTask {
    settings: watch::Receiver<ConfirmZones>,
    news: mpsc::Sender<ZoneNews>,
    zones: BTreeMap<ZoneId, ZoneWatch>,
    questions: JoinSet<(ZoneId, Answered)>,
    lookups: JoinSet<FoundServers>,
    resolv_conf: Arc<PathBuf>,
}

impl ConfirmTask {
    fn new(mut settings: watch::Receiver<ConfirmZones>, news: mpsc::Sender<ZoneNews>) -> Self {
        settings.mark_changed();
        Self {
            settings,
            news,
            zones: BTreeMap::new(),
            questions: JoinSet::new(),
            lookups: JoinSet::new(),
            resolv_conf: Arc::new(PathBuf::from(RESOLV_CONF)),
        }
    }

    /// Runs until there is no sender of changes any more, or no receiver of news.
    async fn run(mut self, inbox: &mut mpsc::Receiver<ZoneChanges>) {
        loop {
            if self.settings.has_changed().unwrap_or(false) {
                self.follow_settings();
            }
            self.retry_lookups();
            if self.report().await.is_err() {
                return;
            }
            self.ask();
            let wake = self.next_wake();
            tokio::select! {
                biased;
                changed = self.settings.changed() => match changed {
                    Ok(()) => self.settings.mark_changed(),
                    Err(_) => return,
                },
                Some(answered) = self.questions.join_next() => self.answered(answered.ok()),
                Some(Ok(found)) = self.lookups.join_next() => {
                    if self.found(found).await.is_err() {
                        return;
                    }
                }
                told = inbox.recv() => match told {
                    Some((zone, EffectReport::Made(made))) => {
                        if self.add(zone, made).await.is_err() {
                            return;
                        }
                    }
                    Some((zone, EffectReport::Undone(undone))) => self.undone(zone, &undone),
                    None => return,
                },
                () = until(wake) => {}
            }
        }
    }

    /// Follows the newest configuration.
    fn follow_settings(&mut self) {
        let settings = self.settings.borrow_and_update().clone();
        self.zones.retain(|zone, _| settings.contains_key(zone));
        for (zone, config) in settings {
            let has_new_servers = if let Some(watch) = self.zones.get_mut(&zone) {
                watch.follow(&config)
            } else {
                self.zones.insert(zone, ZoneWatch::new(config));
                true
            };
            if has_new_servers {
                self.look_up(zone);
            }
        }
    }

    /// Looks the name servers of a zone up. The result of an earlier lookup is ignored.
    fn look_up(&mut self, zone: ZoneId) {
        let Some(its) = self.zones.get_mut(&zone) else { return };
        its.lookups += 1;
        (its.is_looking, its.retry_at) = (true, None);
        let (number, path) = (its.lookups, Arc::clone(&self.resolv_conf));
        let ConfirmZone { domain, settings, .. } = its.config.clone();
        self.lookups.spawn(async move {
            let found = caught(PART, find(&domain, &settings.servers, &path)).await;
            let result = found.unwrap_or_else(|panicked| Err(panicked.to_string()));
            FoundServers { zone, number, result }
        });
    }

    /// Looks the name servers up again where that failed a while ago.
    fn retry_lookups(&mut self) {
        let now = now();
        let mut zones = Vec::new();
        for (zone, its) in &self.zones {
            if its.retry_at.is_some_and(|retry_at| retry_at <= now) {
                zones.push(*zone);
            }
        }
        for zone in zones {
            self.look_up(zone);
        }
    }

    async fn found(&mut self, found: FoundServers) -> Result<(), NoReceiver> {
        let FoundServers { zone, number, result } = found;
        let Some(its) = self.zones.get_mut(&zone).filter(|its| its.lookups == number) else {
            return Ok(());
        };
        let news = its.found(result, now());
        self.send(zone, news).await
    }

    /// Waits for changes of a zone. Those of other zones are ignored.
    async fn add(&mut self, zone: ZoneId, made: MadeChanges) -> Result<(), NoReceiver> {
        let Some(its) = self.zones.get_mut(&zone) else { return Ok(()) };
        let made = its.completed(made);
        let news = its.watch.add(&made);
        if its.watch.is_waiting() && its.is_outdated(now()) {
            self.look_up(zone);
        }
        self.send(zone, news).await
    }

    /// Ends the waits for changes of a zone that were undone.
    fn undone(&mut self, zone: ZoneId, undone: &UndoneChanges) {
        if let Some(its) = self.zones.get_mut(&zone) {
            its.watch.undone(undone);
        }
    }

    fn answered(&mut self, answered: Option<(ZoneId, Answered)>) {
        let Some((zone, answered)) = answered else { return };
        if let Some(its) = self.zones.get_mut(&zone) {
            its.watch.answered(&answered);
        }
    }

    /// Sends the news of all zones.
    async fn report(&mut self) -> Result<(), NoReceiver> {
        let now = now();
        let mut news = Vec::new();
        for (zone, its) in &mut self.zones {
            news.extend(its.watch.report(now).into_iter().map(|news| (*zone, news)));
        }
        for (zone, news) in news {
            self.send(zone, [news]).await?;
        }
        Ok(())
    }

    async fn send(
        &self,
        zone: ZoneId,
        news: impl IntoIterator<Item = EffectNews>,
    ) -> Result<(), NoReceiver> {
        let Some(provider) = self.zones.get(&zone).map(|its| its.config.provider) else {
            return Ok(());
        };
        for news in news {
            self.news.send(ZoneNews { zone, provider, news }).await.map_err(|_| NoReceiver)?;
        }
        Ok(())
    }

    /// Asks all questions that are due and have room.
    fn ask(&mut self) {
        let now = now();
        for (zone, its) in &mut self.zones {
            let room = IN_FLIGHT.saturating_sub(self.questions.len());
            for question in its.watch.take_questions(now, room) {
                let zone = *zone;
                self.questions.spawn(async move { (zone, asked(question).await) });
            }
        }
    }

    /// Returns the time of the next work without any input.
    fn next_wake(&self) -> Option<Instant> {
        let now = now();
        let has_room = self.questions.len() < IN_FLIGHT;
        let questions = self.zones.values().filter(|_| has_room);
        let questions = questions.filter_map(|its| its.watch.next_wake(now));
        let lookups = self.zones.values().filter_map(|its| its.retry_at);
        questions.chain(lookups).min()
    }
}

/// The receiver of news is gone, so the agent ends.
#[derive(Debug)]
struct NoReceiver;

/// Waits until a time; for ever without one.
async fn until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

/// Asks a name server about a set.
async fn asked(question: NextQuestion) -> Answered {
    let NextQuestion { server, set } = question;
    let sent = now();
    let sighting = caught(PART, asked_once(server, &set)).await;
    let sighting = sighting.unwrap_or_else(|panicked| Sighting::Nothing(panicked.to_string()));
    Answered { server, set, sent, received: now(), sighting }
}

/// Asks a name server about a set, and reads its answer.
pub(super) async fn asked_once(server: SocketAddr, set: &SetKey) -> Sighting {
    let name = match owner(&set.name) {
        Ok(name) => name,
        Err(why) => return Sighting::Nothing(why),
    };
    let query_type = record_type(set.family);
    let question = Question { name: name.clone(), query_type, recursion: false };
    match ask(server, &question, ANSWER_LIMIT).await {
        Ok(message) => sighting(&name, set.family, &message),
        Err(error) => unanswered(&error),
    }
}

/// Describes a question without an answer. Without a route, this machine is the cause.
fn unanswered(error: &NoAnswer) -> Sighting {
    let words = error_chain(error);
    let is_fault = matches!(error, NoAnswer::NotConnected(cause) if matches!(
        cause.kind(),
        ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable | ErrorKind::Unsupported
    ));
    if is_fault { Sighting::Fault(words) } else { Sighting::Nothing(words) }
}
