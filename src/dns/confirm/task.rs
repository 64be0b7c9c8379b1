//! The task that asks name servers about confirmed changes. It decides nothing about DNS, and nothing
//! waits for it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::rr::Name;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::answer::{Sighting, record_type, sighting};
use super::change::{EffectSender, MadeChanges, Obstacle, ZoneChanges};
use super::effect::{EffectNews, NameServer, ZoneNews};
use super::open_change::Answered;
use super::section::ConfirmSettings;
use super::servers::{RESOLV_CONF, find};
use super::watch::{NextQuestion, Watch};
use crate::backoff::Backoff;
use crate::dns::BySet;
use crate::dns::clock::now;
use crate::dns::message::Question;
use crate::dns::message::exchange::{NoAnswer, ask};
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

/// Time for which the name servers of a zone are not looked up again.
const SERVERS_KEPT: Duration = Duration::from_mins(10);

/// Waits before the name servers of a zone are looked up again after a failure.
const LOOKUP_WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_mins(1)];

/// A zone of which changes are confirmed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ConfirmZone {
    /// The name of the zone in DNS.
    pub(crate) domain: String,
    /// The name of its provider for people.
    pub(crate) provider: &'static str,
    /// The settings of the proof of effect.
    pub(crate) settings: ConfirmSettings,
    /// Whether the provider answers with addresses of its own for new records.
    pub(crate) proxies: BySet<bool>,
}

/// The zones of which changes are confirmed.
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
        tokio::time::sleep(backoff.after(began.elapsed())).await;
    }
}

/// The result of a lookup of name servers.
#[derive(Debug)]
struct FoundServers {
    zone: ZoneId,
    /// The number of the lookup in its zone. The result of an older one is ignored.
    number: u64,
    result: Result<Vec<NameServer>, String>,
}

/// The waits of one zone, and the search for its name servers.
#[derive(Debug)]
struct ZoneWatch {
    config: ConfirmZone,
    watch: Watch,
    /// The number of lookups so far.
    lookups: u64,
    is_looking: bool,
    /// The time at which the name servers were found.
    found_at: Option<Instant>,
    /// The time of the next attempt after a failure.
    retry_at: Option<Instant>,
    backoff: Backoff,
    /// Whether the failure was reported.
    is_failing: bool,
}

impl ZoneWatch {
    fn new(config: ConfirmZone) -> Self {
        let [first, longest] = LOOKUP_WAITS;
        Self {
            watch: Watch::new(config.settings.timeout),
            config,
            lookups: 0,
            is_looking: false,
            found_at: None,
            retry_at: None,
            backoff: Backoff::new(first, longest),
            is_failing: false,
        }
    }

    /// Follows other settings. Returns whether the name servers have to be looked up again.
    fn follow(&mut self, config: &ConfirmZone) -> bool {
        self.watch.set_timeout(config.settings.timeout);
        let is_same = self.config.domain == config.domain
            && self.config.settings.servers == config.settings.servers;
        self.config = config.clone();
        !is_same
    }

    /// Returns the changes with the obstacles that follow from the configuration.
    fn completed(&self, mut made: MadeChanges) -> MadeChanges {
        for (set, proof) in made.changes.iter_mut().flat_map(|change| &mut change.sets) {
            if proof.is_by_configuration && self.config.proxies.at(set) {
                proof.obstacle = proof.obstacle.or(Some(Obstacle::Proxied));
            }
        }
        made
    }

    /// Whether the name servers are to be looked up for a change at `now`.
    fn is_outdated(&self, now: Instant) -> bool {
        let found = self.found_at.filter(|found| now.duration_since(*found) < SERVERS_KEPT);
        !self.is_looking && self.retry_at.is_none() && found.is_none()
    }

    /// Follows the result of a lookup.
    fn found(
        &mut self,
        result: Result<Vec<NameServer>, String>,
        now: Instant,
    ) -> Option<EffectNews> {
        self.is_looking = false;
        match result {
            Ok(servers) => {
                self.watch.set_servers(servers);
                (self.found_at, self.retry_at) = (Some(now), None);
                self.backoff.reset();
                std::mem::take(&mut self.is_failing).then_some(EffectNews::ServersFound)
            }
            Err(why) => {
                self.watch.set_trouble(why.clone());
                self.retry_at = Some(now + self.backoff.next_jittered());
                let is_news = !std::mem::replace(&mut self.is_failing, true);
                is_news.then_some(EffectNews::NoServers(why))
            }
        }
    }
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
                made = inbox.recv() => {
                    let Some((zone, made)) = made else { return };
                    if self.add(zone, made).await.is_err() {
                        return;
                    }
                }
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
        let due = |its: &ZoneWatch| its.retry_at.is_some_and(|retry_at| retry_at <= now);
        let zones: Vec<ZoneId> =
            self.zones.iter().filter(|(_, its)| due(its)).map(|(zone, _)| *zone).collect();
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
    let name = match Name::from_ascii(format!("{}.", set.name)) {
        Ok(name) => name,
        Err(error) => return Sighting::Nothing(format!("no question for that name: {error}")),
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
