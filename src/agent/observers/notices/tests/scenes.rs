//! A scene for each problem: it begins, changes, and ends.

pub(super) mod crew;
mod engine;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::super::draft::NoticeDraft;
use super::super::reporter::Reporter;
use crate::agent::clock::Clock;
use crate::agent::observers::warnings::CertificateChange;
use crate::dns::confirm::change::{ChangeId, ChangeKind};
use crate::dns::confirm::effect::{ChangeEffect, EffectNews, EffectState, ZoneNews};
use crate::engine::event::{
    Action, DnsProblem, DnsProblemKind, DnsReport, Drain, Event, Fact, Reason, Withdrawal,
};
use crate::engine::ids::{ServiceId, TargetRef, ZoneId};
use crate::engine::plan::Observed;
use crate::engine::settings::{ServiceSettings, Settings};
use crate::engine::types::{Answer, IsolationCause};
use crate::engine::{Engine, Moment};
use crate::notify::{IncidentProblem as Problem, Notice, NoticeKind};

pub(super) const SERVICE: ServiceId = ServiceId::DEFAULT;
pub(super) const ZONE: ZoneId = ZoneId::DEFAULT;

/// Two primaries, and a standby behind them.
pub(super) fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

pub(super) fn settings() -> Settings {
    let mut service =
        ServiceSettings::new(vec![address(1), address(2), address(3)], "www.example.com");
    service.names.push("api.example.com".to_owned());
    service.standby.tiers.insert(address(3), 1);
    service.standby.below = 1;
    Settings::new(service)
}

/// An agent, as far as its notices are concerned.
pub(super) struct Scene {
    engine: Engine,
    reporter: Reporter,
    clock: Clock,
    sent: Vec<Notice>,
    /// Whether no address can be taken out.
    is_at_floor: bool,
}

impl Scene {
    pub(super) fn new() -> Self {
        Self::with(settings())
    }

    /// Creates an agent with these settings.
    pub(super) fn with(settings: Settings) -> Self {
        Self::named("sfo-1", settings)
    }

    /// Creates an agent with this name and these settings.
    fn named(name: &str, settings: Settings) -> Self {
        let clock = Clock::start();
        let engine = Engine::new(settings, BTreeMap::new(), Moment::START);
        let reporter = Reporter::new(name, false, clock);
        Self { engine, reporter, clock, sent: vec![], is_at_floor: false }
    }

    /// Returns the notices so far.
    pub(super) fn sent(self) -> Vec<Notice> {
        self.sent
    }

    /// Returns the state of the targets.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether an incident with this problem is open.
    pub(super) fn has_open(&self, problem: Problem) -> bool {
        self.reporter.saved().all().iter().any(|incident| incident.key.problem == problem)
    }

    /// Lets a fact happen.
    pub(super) async fn happens(&mut self, fact: Fact) {
        self.fact(fact).await;
    }

    /// Follows other settings.
    pub(super) fn reload(&mut self, settings: Settings) {
        self.engine.handle(Moment::START, Event::Reloaded(Box::new(settings)));
        self.reporter.reloaded();
    }

    /// Removes and returns the notices so far, in words: status, kind and key.
    pub(super) fn told(&mut self) -> Vec<String> {
        let told = std::mem::take(&mut self.sent).into_iter();
        let told =
            told.map(|it| format!("{} {} {}", it.status.word(), it.kind.word(), it.incident));
        told.collect()
    }

    /// Starts again with the incidents in the state file.
    pub(super) fn restart(&mut self) {
        self.sent.extend(self.reporter.take_all());
        self.reporter.delivered_but(&[]);
        let saved = self.reporter.saved();
        self.reporter = Reporter::new("sfo-1", false, self.clock);
        self.reporter.inherit(&saved);
        self.sent.extend(self.reporter.take_due());
    }

    /// Lets time go by until notices are due.
    pub(super) async fn pause(&mut self) {
        tokio::time::advance(Duration::from_secs(12)).await;
        self.reporter.look(&self.engine);
        self.sent.extend(self.reporter.take_due());
    }

    async fn fact(&mut self, fact: Fact) {
        self.reporter.fact(&self.engine, &fact);
        self.pause().await;
    }

    async fn facts(&mut self, facts: impl IntoIterator<Item = Fact>) {
        for fact in facts {
            self.fact(fact).await;
        }
    }

    /// Plays the whole course of a problem.
    pub(super) async fn play(&mut self, problem: Problem) {
        match problem {
            Problem::Withdrawn | Problem::Asked | Problem::StandbyIn | Problem::Created => {
                self.change_of_dns(problem).await;
            }
            Problem::Floor => self.refusal(Reason::Floor).await,
            Problem::MaxOut => self.refusal(Reason::MaxOut).await,
            Problem::NoQuorum => self.refusal(Reason::NoQuorum).await,
            Problem::Contested => self.refusal(Reason::Contested).await,
            Problem::Standby => self.refusal(Reason::Standby).await,
            Problem::NotVisible => {
                self.effect(EffectState::NotVisible);
                self.effect(EffectState::Visible);
            }
            Problem::Visible => self.effect(EffectState::Visible),
            Problem::Certificate => self.certificate().await,
            Problem::Provider => self.provider().await,
            Problem::ZoneInactive => self.zone().await,
            Problem::NoneLeft => self.none_left().await,
            Problem::Reload => {
                for line in ["line 1", "line 2"] {
                    let draft = NoticeDraft::new(NoticeKind::ReloadRefused);
                    self.reporter.report(draft.detail(line));
                }
                self.reporter.reloaded();
                self.pause().await;
            }
            Problem::Stopped => self.stopped().await,
            Problem::Drained
            | Problem::Alike
            | Problem::Unknown
            | Problem::NameFailing
            | Problem::Isolated => self.facts(course(problem)).await,
        }
    }

    async fn change_of_dns(&mut self, problem: Problem) {
        let gone = Withdrawal { asked: problem == Problem::Asked, ..Withdrawal::default() };
        let [www, api] = ["www.example.com", "api.example.com"];
        match problem {
            Problem::Created => self.fact(applied(1, [], [], [www])).await,
            Problem::StandbyIn => {
                self.fact(applied(3, [], [www], [])).await;
                self.fact(applied(3, [], [api], [])).await;
                let gone = Withdrawal { standing_by: true, ..gone };
                let names = vec![www.to_owned(), api.to_owned()];
                self.fact(applied(3, [Withdrawal { names, ..gone }], [], [])).await;
            }
            _ => {
                for name in [www, api] {
                    let gone = Withdrawal { names: vec![name.to_owned()], ..gone.clone() };
                    self.fact(applied(1, [gone], [], [])).await;
                }
                if problem == Problem::Withdrawn {
                    self.effect(EffectState::Visible);
                    self.fact(applied(1, [], [www], [])).await;
                    self.fact(applied(1, [], [api], [])).await;
                } else {
                    self.fact(applied(1, [], [www, api], [])).await;
                }
            }
        }
    }

    async fn refusal(&mut self, reason: Reason) {
        let (service, target) = (SERVICE, address(1));
        let detail = "the evidence".to_owned();
        self.fact(Fact::Refused { service, target, reason, detail }).await;
        self.fact(Fact::RefusalOver { service, target, reason }).await;
    }

    fn effect(&mut self, state: EffectState) {
        self.effect_of(Some(SERVICE), state);
    }

    /// Lets name servers show the withdrawal of the first target, or not.
    pub(super) fn effect_of(&mut self, service: Option<ServiceId>, state: EffectState) {
        let effect = ChangeEffect {
            id: ChangeId::FIRST,
            service,
            address: address(1),
            kind: ChangeKind::Withdrawn,
            names: vec!["www.example.com".to_owned()],
            at: self.clock.started(),
            took: Duration::from_millis(200),
            state,
            after: Duration::from_secs(3),
            ttl: Some(60),
            servers: vec![],
            trouble: None,
        };
        let news = match state {
            EffectState::Visible => EffectNews::Visible { effect, was_overdue: false },
            _ => EffectNews::NotVisible(effect),
        };
        let news = ZoneNews { zone: ZONE, provider: "Cloudflare", news };
        self.reporter.effect(&self.engine, &news);
        // So that the incident has something to be asked about.
        self.sent.extend(self.reporter.take_due());
    }

    /// A withdrawal of the first target is confirmed.
    pub(super) async fn is_withdrawn(&mut self) {
        let names = vec!["www.example.com".to_owned()];
        let gone = Withdrawal { names, ..Withdrawal::default() };
        self.fact(applied(1, [gone], [], [])).await;
    }

    /// A change is not visible, and is undone.
    pub(super) fn give_up(&mut self) {
        self.effect(EffectState::NotVisible);
        let news = EffectNews::GivenUp(ChangeId::FIRST);
        let news = ZoneNews { zone: ZONE, provider: "Cloudflare", news };
        self.reporter.effect(&self.engine, &news);
        self.sent.extend(self.reporter.take_all());
    }

    async fn certificate(&mut self) {
        let target = TargetRef { service: SERVICE, address: address(1) };
        let endpoint = self.engine.target_view(target).unwrap().endpoint;
        let warning = "the certificate ends in 13 days".to_owned();
        for change in
            [CertificateChange::Ends(endpoint, warning), CertificateChange::Fine(endpoint)]
        {
            self.certificate_is(&change).await;
        }
    }

    /// Lets something become known about a certificate.
    pub(super) async fn certificate_is(&mut self, change: &CertificateChange) {
        self.reporter.certificate(&self.engine, change);
        self.pause().await;
    }

    async fn provider(&mut self) {
        for kind in
            [DnsProblemKind::Refused, DnsProblemKind::Unavailable, DnsProblemKind::Unconfirmed]
        {
            let problem = DnsProblem { kind, what: "403 Forbidden".to_owned(), retry_in: None };
            self.fact(Fact::Failing { zone: ZONE, problem }).await;
        }
        self.fact(Fact::FailingOver { zone: ZONE }).await;
    }

    async fn zone(&mut self) {
        for caution in [Some("pending"), Some("moved"), None] {
            let caution = caution.map(str::to_owned);
            let listed = DnsReport::Listed(Observed { caution, ..Observed::default() });
            self.engine.handle(Moment::START, Event::Dns(ZONE, listed));
            self.reporter.zone_listed(&self.engine, ZONE);
            self.pause().await;
        }
    }

    async fn none_left(&mut self) {
        let all = [1, 2, 3].map(|last| TargetRef { service: SERVICE, address: address(last) });
        let drains = all.map(|target| (target, Drain::default())).into();
        self.engine = Engine::new(settings(), drains, Moment::START);
        self.engine.handle(Moment::START, Event::Tick);
        // A first look is not enough: a peer may be about to report it.
        self.pause().await;
        self.pause().await;
        self.engine = Engine::new(settings(), BTreeMap::new(), Moment::START);
        let mut now = Moment::START;
        for _ in 0..200 {
            now += Duration::from_millis(50);
            let mut actions: VecDeque<Action> = self.engine.handle(now, Event::Tick).into();
            while let Some(action) = actions.pop_front() {
                let Action::Probe(request) = action else { continue };
                let answer = Answer::Reply(Duration::from_millis(1));
                let event = Event::Answered { probe: request.id, answer };
                actions.extend(self.engine.handle(now, event));
            }
        }
        self.pause().await;
    }

    async fn stopped(&mut self) {
        self.reporter.report(NoticeDraft::new(NoticeKind::Stopped).detail("a defect"));
        self.restart();
        self.pause().await;
    }
}

/// Returns the fact that an address was withdrawn, restored to these names, or created at them.
fn applied<const W: usize, const R: usize, const C: usize>(
    last: u8,
    withdrawn: [Withdrawal; W],
    restored: [&str; R],
    created: [&str; C],
) -> Fact {
    let [restored, created] = [restored.to_vec(), created.to_vec()].map(|names| {
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let mut by_address = BTreeMap::new();
        if !names.is_empty() {
            by_address.insert(address(last), names);
        }
        by_address
    });
    Fact::Applied {
        zone: ZONE,
        service: SERVICE,
        withdrawn: withdrawn.into_iter().map(|gone| (address(last), gone)).collect(),
        restored,
        created,
        took: Duration::from_millis(200),
        dry_run: false,
    }
}

/// Returns the facts of a problem that needs nothing else.
fn course(problem: Problem) -> Vec<Fact> {
    let (service, target, targets) = (SERVICE, address(1), vec![address(1), address(2)]);
    let lasted = Duration::from_mins(2);
    let name = "www.example.com".to_owned();
    match problem {
        Problem::Drained => {
            let drain = Drain::default();
            let again = Drain { reason: Some("reboot".to_owned()), ..Drain::default() };
            let gone = Withdrawal { by_hand: true, names: vec![name], ..Withdrawal::default() };
            vec![
                Fact::Drained { service, target, drain },
                applied(1, [gone], [], []),
                Fact::Drained { service, target, drain: again },
                Fact::Undrained { service, target, expired: false },
            ]
        }
        Problem::Alike => vec![
            Fact::Alike { service, targets, kind: "status 503".to_owned() },
            Fact::AlikeOver { service },
        ],
        Problem::Unknown => vec![
            Fact::StillUnknown { service, targets: vec![target] },
            Fact::EvidenceBack { service, target, lasted, notified: true },
        ],
        Problem::NameFailing => vec![
            Fact::NameFailing { zone: ZONE, name: name.clone(), what: "an alias".to_owned() },
            Fact::NameFailing { zone: ZONE, name: name.clone(), what: "a CNAME".to_owned() },
            Fact::NameFailingOver { zone: ZONE, name },
        ],
        _ => vec![
            Fact::Isolated { missing: vec![], cause: IsolationCause::NoCanary },
            Fact::IsolationOver { lasted },
        ],
    }
}
