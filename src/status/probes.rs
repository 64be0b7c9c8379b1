//! The probes on the board: each is made once, however many targets share it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use super::history::{History, Window};
use super::model::{Outcome, Streak};
use crate::engine::ids::EndpointId;

/// One probe as readers see it. Cheap to clone: the history is shared.
#[derive(Debug, Clone)]
pub(super) struct ProbeView {
    pub(super) judged: Option<Instant>,
    pub(super) streak: Streak,
    pub(super) last_rtt: Option<Duration>,
    /// Longest time until a failure is noticed, if the endpoint limits its answers.
    pub(super) limits: Option<Duration>,
    pub(super) last_reply: Option<Instant>,
    pub(super) loss_1m: Option<f64>,
    pub(super) history: Arc<History>,
    pub(super) counters: ProbeCounters,
}

/// The outcomes of one probe since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ProbeCounters {
    pub(super) replies: u64,
    pub(super) losses: u64,
    pub(super) faults: u64,
    pub(super) late: u64,
}

impl Default for ProbeView {
    fn default() -> Self {
        Self {
            judged: None,
            streak: Streak { outcome: Outcome::Reply, count: 0 },
            last_rtt: None,
            limits: None,
            last_reply: None,
            loss_1m: None,
            history: Arc::default(),
            counters: ProbeCounters::default(),
        }
    }
}

impl ProbeView {
    /// Returns the view of a probe that was never made.
    pub(super) fn unmade() -> &'static Self {
        static UNMADE: LazyLock<ProbeView> = LazyLock::new(ProbeView::default);
        &UNMADE
    }
}

/// One probe on the board, as the event loop updates it.
#[derive(Debug, Default)]
pub(super) struct ProbeRow {
    pub(super) view: ProbeView,
    window: Window,
    /// The endpoint that is probed, as far as it is known since the last reload.
    endpoint: Option<EndpointId>,
}

impl ProbeRow {
    pub(super) fn reply(&mut self, second: u64, at: Instant, rtt: Duration) {
        self.view.counters.replies += 1;
        self.view.last_rtt = Some(rtt);
        self.view.last_reply = Some(at);
        self.window.add(second, false);
        self.view.history.reply(second / 60, rtt);
    }

    pub(super) fn loss(&mut self, second: u64) {
        self.view.counters.losses += 1;
        self.window.add(second, true);
        self.view.history.loss(second / 60);
    }

    /// Returns the view of readers, `second` seconds after the board was made.
    fn view_at(&mut self, second: u64) -> ProbeView {
        self.view.loss_1m = self.window.loss(second);
        self.view.clone()
    }

    /// Returns a probe of another endpoint that continues with the figures of this one.
    fn fork(&self) -> Self {
        let history = Arc::new(self.view.history.duplicate());
        let view = ProbeView { history, ..self.view.clone() };
        Self { view, window: self.window, endpoint: None }
    }
}

/// The probes on the board.
#[derive(Debug, Default)]
pub(super) struct Probes {
    rows: Vec<ProbeRow>,
    by_endpoint: HashMap<EndpointId, usize>,
}

impl Probes {
    /// Adds a probe of an endpoint that is not known yet. Returns its place.
    pub(super) fn add(&mut self) -> usize {
        self.rows.push(ProbeRow::default());
        self.rows.len() - 1
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut ProbeRow> {
        self.rows.get_mut(place)
    }

    /// Returns the place of the probe of `endpoint`, for a target with a probe at the place
    /// `before`. The figures there are continued if the endpoint is another one than before.
    pub(super) fn bind(&mut self, endpoint: EndpointId, before: Option<usize>) -> usize {
        if let Some(place) = self.by_endpoint.get(&endpoint) {
            return *place;
        }
        let place = match before {
            Some(place) if self.rows[place].endpoint.is_none() => place,
            Some(place) => self.duplicate(place),
            None => self.add(),
        };
        self.rows[place].endpoint = Some(endpoint);
        self.by_endpoint.insert(endpoint, place);
        place
    }

    /// Adds a probe that continues with the figures of the one at `place`. Returns its place.
    pub(super) fn duplicate(&mut self, place: usize) -> usize {
        self.rows.push(self.rows[place].fork());
        self.rows.len() - 1
    }

    /// Drops all probes but those that `used` names, and returns their new places. Which endpoint
    /// each one is of is not known any more.
    pub(super) fn keep(&mut self, used: impl IntoIterator<Item = usize>) -> HashMap<usize, usize> {
        self.by_endpoint.clear();
        let mut old: Vec<Option<ProbeRow>> = self.rows.drain(..).map(Some).collect();
        let mut places = HashMap::new();
        for place in used {
            if let Some(row) = old.get_mut(place).and_then(Option::take) {
                places.insert(place, self.rows.len());
                self.rows.push(ProbeRow { endpoint: None, ..row });
            }
        }
        places
    }

    /// Returns the views of readers, `second` seconds after the board was made.
    pub(super) fn views(&mut self, second: u64) -> Vec<ProbeView> {
        self.rows.iter_mut().map(|row| row.view_at(second)).collect()
    }
}
