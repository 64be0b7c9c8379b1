//! Decides which notices the facts make, and keeps the incidents that they belong to.

use std::collections::BTreeSet;
use std::time::Duration;

use super::causes::{self, Seen};
use super::draft::{self, NoticeDraft};
use super::hidden::HiddenChanges;
use super::incidents::{Incidents, OtherAgents, ShownIncident};
use super::{acts, events, found, keys, ranks, seeing};
use crate::agent::clock::{Clock, wall, wall_at};
use crate::agent::observers::warnings::CertificateChange;
use crate::dns::confirm::effect::{EffectNews, ZoneNews};
use crate::engine::event::{DnsProblem, DnsProblemKind, Fact, Reason};
use crate::engine::ids::{ServiceId, TargetRef, ZoneId};
use crate::engine::types::Health;
use crate::engine::{Engine, Moment};
use crate::notify::{IncidentProblem, IncidentStatus, Notice, NoticeKind, Severity};
use crate::settings::Config;
use crate::state::SavedIncidents;

/// Time between two looks at the causes of open incidents.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Decides which notices the facts make. The notices wait until they are taken.
pub(super) struct Reporter {
    agent: String,
    dry_run: bool,
    clock: Clock,
    incidents: Incidents,
    seen: Seen,
    found: found::FoundChanges,
    /// The services in which nothing was left at the last look.
    emptied: BTreeSet<ServiceId>,
    looked_at: Moment,
    hidden: HiddenChanges,
    /// The targets that stay because of the floor although they were ordered out, and are not dead.
    kept_alive: BTreeSet<TargetRef>,
    /// Whether a configuration came into force since the last look.
    is_reloaded: bool,
}

impl Reporter {
    /// Creates the reporter of an agent with this name.
    pub(super) fn new(agent: &str, dry_run: bool, clock: Clock) -> Self {
        Self {
            agent: agent.to_owned(),
            dry_run,
            clock,
            incidents: Incidents::default(),
            seen: Seen::default(),
            found: found::FoundChanges::default(),
            emptied: BTreeSet::new(),
            looked_at: Moment::START,
            hidden: HiddenChanges::default(),
            kept_alive: BTreeSet::new(),
            is_reloaded: false,
        }
    }

    /// Continues the incidents of an earlier run.
    pub(super) fn inherit(&mut self, saved: &SavedIncidents) {
        let author = self.author();
        self.incidents.inherit(saved, &author, self.clock.now());
    }

    /// Removes and returns the notices that are due.
    pub(super) fn take_due(&mut self) -> Vec<Notice> {
        self.incidents.take_outbox(self.clock.now())
    }

    /// Removes and returns all notices, also those that wait for others.
    pub(super) fn take_all(&mut self) -> Vec<Notice> {
        self.incidents.take_all(self.clock.now())
    }

    /// Follows that all notices were delivered but for these.
    pub(super) fn delivered_but(&mut self, lost: &[Notice]) {
        self.incidents.note_told_but(lost);
    }

    /// Returns the open incidents for the state file.
    pub(super) fn saved(&self) -> SavedIncidents {
        self.incidents.saved()
    }

    /// Returns the open incidents, if they changed since the last call.
    pub(super) fn changed(&mut self) -> Option<Vec<ShownIncident>> {
        self.incidents.take_changed().then(|| self.incidents.shown())
    }

    /// Returns a notice of this agent without content.
    fn author(&self) -> Notice {
        NoticeDraft::new(NoticeKind::Over).signed(wall(), &self.agent, self.dry_run)
    }

    /// Reports something that this agent alone reports.
    pub(super) fn report(&mut self, draft: NoticeDraft) {
        self.report_after(draft, OtherAgents::default());
    }

    /// Reports something that is left to other agents, if there are any.
    fn report_after(&mut self, draft: NoticeDraft, left_to: OtherAgents) {
        let notice = draft.signed(wall(), &self.agent, self.dry_run);
        self.incidents.report(notice, left_to, self.clock.now());
    }

    /// Follows another configuration.
    pub(super) fn follow(&mut self, config: &Config) {
        self.agent.clone_from(&config.name);
        self.dry_run = config.dry_run;
        self.seen.follow_config(config);
    }

    /// Reports that a configuration took the place of another one. Its new channels are told which
    /// incidents of this agent are open; the others know them.
    pub(super) fn reloaded(&mut self) {
        self.is_reloaded = true;
        self.incidents.stand(&self.author());
        self.report(NoticeDraft::new(NoticeKind::Reloaded));
    }

    /// Reports the consequences of a fact.
    pub(super) fn fact(&mut self, engine: &Engine, fact: &Fact) {
        match fact {
            Fact::Judged { .. } => {}
            Fact::Failing { zone, problem } => self.failing(engine, *zone, problem),
            Fact::FailingOver { zone } => self.recovered(engine, *zone),
            Fact::Applied { .. } => {
                let Fact::Applied { dry_run, .. } = fact else { return };
                for draft in acts::applied(engine, fact, &self.incidents) {
                    let notice = draft.signed(wall(), &self.agent, *dry_run);
                    self.incidents.report(notice, OtherAgents::default(), self.clock.now());
                }
            }
            Fact::Verdict { service, target, .. }
            | Fact::Flipped { service, target, .. }
            | Fact::Asked { service, target, .. } => {
                let target = TargetRef { service: *service, address: *target };
                self.found.add(engine, target, self.clock.now());
            }
            Fact::Peer { peer, alive: false } => {
                let author = self.author();
                self.incidents.peer_gone(*peer, &author);
            }
            Fact::Peer { alive: true, .. } => self.incidents.peer_returned(self.clock.now()),
            fact => self.event(engine, fact),
        }
    }

    /// Follows a listing of a zone.
    pub(super) fn zone_listed(&mut self, engine: &Engine, zone: ZoneId) {
        let Some(observed) = engine.observed(zone) else { return };
        self.seen.listed.insert(zone);
        let found = self.found.of_others(engine, zone, self.clock.now());
        self.report_found(engine, found);
        let settings = engine.settings();
        let key = keys::of_zone(settings, zone, None, IncidentProblem::ZoneInactive);
        let draft = match &observed.caution {
            Some(caution) => NoticeDraft::new(NoticeKind::ZoneInactive).detail(caution.as_str()),
            None if self.incidents.is_open(&key, None) => NoticeDraft::new(NoticeKind::ZoneActive),
            None => return,
        };
        self.report(draft.of(key).zone(settings.shown_zone(zone)));
    }

    /// Reports that name servers show a change, or do not.
    pub(super) fn effect(&mut self, engine: &Engine, news: &ZoneNews) {
        let (kind, effect) = match &news.news {
            EffectNews::Visible { effect, .. } => (NoticeKind::Visible, effect),
            EffectNews::NotVisible(effect) => (NoticeKind::NotVisible, effect),
            news_of_end => {
                let (ended, reason) = self.hidden.ended(news.zone, news_of_end);
                for (key, target) in ended {
                    let draft = NoticeDraft::new(NoticeKind::Over).targets(target).of(key);
                    self.report(draft.detail(reason));
                }
                return;
            }
        };
        let words = effect.in_words(news.provider, wall_at(effect.visible_at()));
        let mut draft = acts::effect(engine, kind, (news.zone, effect), &self.incidents);
        if kind == NoticeKind::NotVisible {
            self.hidden.add(news.zone, effect.id, draft.place());
        } else if let Some((key, target)) = self.hidden.remove(news.zone, effect.id)
            && self.incidents.is_open(&key, target.as_ref())
        {
            // Its service may be gone since.
            draft = draft.of(key).status(IncidentStatus::Closed);
        }
        self.report(draft.detail(words));
    }

    /// Looks at changes without a fact, and makes the notices that have waited long enough.
    pub(super) fn look(&mut self, engine: &Engine) {
        let now = self.clock.now();
        self.incidents.settle(now, |notice| ranks::ahead_of_notice(engine, notice));
        if now.since(self.looked_at) < LOOK_EVERY {
            return;
        }
        self.looked_at = now;
        self.seen.follow_isolation(engine, now);
        if self.incidents.has_inherited() {
            self.seen.follow(engine, now);
        }
        self.look_at_services(engine);
        self.follow_found(engine, now);
        self.follow_kept(engine, now);
        let (seen, author) = (&self.seen, self.author());
        self.incidents.note_told(now);
        self.incidents.keep_peers(&engine.live_peers(), &author, now);
        self.incidents.reconsider(
            |key, members| ranks::witnesses(engine, seen, key, members),
            &author,
            now,
        );
        self.incidents.look(|it| causes::judge(engine, seen, now, it), &author, now);
    }

    /// Reports trouble with a provider.
    fn failing(&mut self, engine: &Engine, zone: ZoneId, problem: &DnsProblem) {
        self.seen.failing.insert(zone);
        let settings = engine.settings();
        let waiting: Vec<_> =
            engine.waiting_for_dns(zone).map(|target| draft::named(settings, target)).collect();
        let is_refused = problem.kind == DnsProblemKind::Refused;
        let is_urgent = is_refused || !waiting.is_empty();
        let draft = match problem.kind {
            DnsProblemKind::Refused => NoticeDraft::new(NoticeKind::ProviderRefused),
            DnsProblemKind::Unconfirmed => {
                NoticeDraft::new(NoticeKind::Unconfirmed).targets(waiting)
            }
            DnsProblemKind::Unavailable | DnsProblemKind::Changed | DnsProblemKind::Defect => {
                NoticeDraft::new(NoticeKind::Failing).targets(waiting)
            }
        };
        let key = keys::of_zone(settings, zone, None, IncidentProblem::Provider);
        let severity = if is_urgent { Severity::Critical } else { Severity::Warning };
        let draft = draft.of(key).severity(severity).zone(settings.shown_zone(zone));
        self.report(draft.detail(problem.what.as_str()));
    }

    fn recovered(&mut self, engine: &Engine, zone: ZoneId) {
        self.seen.failing.remove(&zone);
        let settings = engine.settings();
        let key = keys::of_zone(settings, zone, None, IncidentProblem::Provider);
        let draft = NoticeDraft::new(NoticeKind::ProviderBack).of(key);
        self.report(draft.zone(settings.shown_zone(zone)));
    }

    /// Reports an event that changes nothing in DNS.
    fn event(&mut self, engine: &Engine, fact: &Fact) {
        let view = events::explained(fact).and_then(|it| engine.target_view(it));
        let failed = view.map(|view| view.failed).unwrap_or_default();
        let ahead = ranks::ahead_of(engine, fact);
        if let Some(others) = ranks::still_refusing(engine, fact) {
            for draft in events::events(fact, engine.settings()) {
                self.incidents.hand_over(&draft.place(), others.clone());
            }
            return;
        }
        let by_order = events::floor_by_order(engine, fact, self.clock.now());
        self.kept_alive.extend(by_order);
        let is_by_order = by_order.is_some();
        for draft in events::events(fact, engine.settings()) {
            let draft = if is_by_order { events::by_order(draft) } else { draft };
            let (key, target) = draft.place();
            let is_end = matches!(fact, Fact::RefusalOver { .. });
            let members: Vec<_> = target.into_iter().collect();
            if is_end && !seeing::still_seen(engine, &key, &members).is_empty() {
                // It is closed once no other agent sees it any more.
                continue;
            }
            self.report_after(draft.failed(&failed), ahead.clone());
        }
    }

    /// Follows the answers about a certificate.
    pub(super) fn certificate(&mut self, engine: &Engine, change: &CertificateChange) {
        let (endpoint, warning) = match change {
            CertificateChange::Ends(endpoint, warning) => (*endpoint, Some(warning.clone())),
            CertificateChange::Fine(endpoint) => (*endpoint, None),
            CertificateChange::Forgotten(asked) => {
                self.seen.certificates.remove(asked);
                return;
            }
        };
        self.seen
            .certificates
            .extend(causes::asked(engine, endpoint).map(|it| (it, warning.is_some())));
        let settings = engine.settings();
        for target in engine.targets_at(endpoint) {
            let (key, named) = (
                keys::of_target(settings, target, IncidentProblem::Certificate),
                draft::named(settings, target),
            );
            let kind = match &warning {
                Some(_) => NoticeKind::CertificateEnds,
                // Another check of the same target may have a certificate that ends soon.
                None if !self.seen.ends_soon(engine, target)
                    && self.incidents.is_open(&key, Some(&named)) =>
                {
                    NoticeKind::CertificateRenewed
                }
                None => continue,
            };
            let draft = NoticeDraft::new(kind).targets([named]).of(key);
            self.report_after(draft.explained(warning.clone()), ranks::ahead(engine, target));
        }
    }

    /// Reports targets that are out without a change by this agent, and have been for a while.
    fn follow_found(&mut self, engine: &Engine, now: Moment) {
        if std::mem::take(&mut self.is_reloaded) {
            self.found.add_all(engine, now);
        }
        let found = self.found.left_over(engine, now);
        self.report_found(engine, found);
    }

    /// Opens incidents for changes that this agent did not make, unless they are open.
    fn report_found(&mut self, engine: &Engine, found: Vec<found::FoundChange>) {
        let settings = engine.settings();
        for found::FoundChange { target, problem, left_to } in found {
            let key = keys::of_target(settings, target, problem);
            let shown = draft::named(settings, target);
            if self.incidents.is_open(&key, Some(&shown)) {
                continue;
            }
            let names = settings.service(target.service).map(|its| its.names.clone());
            let draft = match problem {
                IncidentProblem::StandbyIn => {
                    NoticeDraft::new(NoticeKind::Restored).status(IncidentStatus::Opened)
                }
                _ => NoticeDraft::new(NoticeKind::Withdrawn),
            };
            let draft = draft.targets([shown]).of(key).names(&names.unwrap_or_default());
            let view = engine.target_view(target).filter(|_| left_to == OtherAgents::default());
            let draft = match view {
                Some(view) => draft.detail("it was out of DNS already").failed(&view.failed),
                None => draft,
            };
            self.report_after(draft, left_to);
        }
    }

    /// Reports refusals again that became worse: a target that had to stay although it was to go out by
    /// order is dead now.
    fn follow_kept(&mut self, engine: &Engine, now: Moment) {
        for target in std::mem::take(&mut self.kept_alive) {
            let view = engine.target_view(target);
            let Some(view) = view.filter(|view| view.reason == Some(Reason::Floor)) else {
                continue;
            };
            if view.health != Health::Down || events::is_alive_by_order(engine, target, now) {
                self.kept_alive.insert(target);
                continue;
            }
            let TargetRef { service, address: target } = target;
            let detail = "it is dead, and still in service".to_owned();
            let reason = Reason::Floor;
            self.event(engine, &Fact::Refused { service, target, reason, detail });
        }
    }

    /// Reports services in which nothing is left.
    fn look_at_services(&mut self, engine: &Engine) {
        let settings = engine.settings();
        for (service, its) in settings.services() {
            let key = keys::of_service(settings, service, IncidentProblem::NoneLeft);
            let is_open = self.incidents.is_open(&key, None);
            let is_empty = !is_open && causes::is_none_left(engine, service);
            // The peers may be about to see it too, and one of them to report it.
            let is_none_left = is_empty && !self.emptied.insert(service);
            if !is_empty {
                self.emptied.remove(&service);
            }
            let is_over = is_open
                && causes::is_any_up(engine, service)
                && seeing::still_seen(engine, &key, &[]).is_empty();
            if !is_none_left && !is_over {
                continue;
            }
            let kind = if is_over { NoticeKind::SomeBack } else { NoticeKind::NoneLeft };
            let targets = its.targets.iter().map(|&address| TargetRef { service, address });
            let targets = targets.map(|target| draft::named(settings, target));
            let draft = NoticeDraft::new(kind).targets(targets).names(&its.names).of(key);
            self.report_after(draft, ranks::ahead_for(engine, service));
        }
    }
}
