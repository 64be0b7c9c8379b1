//! What to do next, and when to leave the provider alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use tokio::time::Instant;

use super::round::Round;
use super::wished::Wished;
use super::{Desk, Estate, Known, Remember, Worker, now};
use crate::dns::backoff::{Backoff, Rest, asked_for};
use crate::dns::{DnsProvider, ProviderError};
use crate::engine::event::{DnsProblem, DnsProblemKind, DnsReport, Order};
use crate::engine::plan::{Plan, SetKey, Wish};

/// How often in a row the zone may turn out to be other than expected before it is left alone for
/// a while.
const MOST_ROUNDS: u32 = 5;

/// How many rounds more there may be while a set is changed one record at a time.
const MOST_CAREFUL_ROUNDS: u32 = 100;

/// The worker at work: what it was given, and what it keeps in mind from one order to the next.
#[derive(Debug)]
pub(super) struct Shift<P, R> {
    pub(super) given: Worker<P, R>,
    /// What it works on.
    pub(super) order: Order,
    /// The order's number.
    pub(super) number: u64,
    pub(super) wished: Wished,
    /// When the oldest order came that wants the zone read anew and that no such reading has served.
    pub(super) unserved: Option<Instant>,
    /// The newest request for a reading that was answered.
    pub(super) answered: u64,
    backoff: Backoff,
    /// The zone was just found to be other than listed, and is read once more before anything is
    /// made of that.
    pub(super) surprised: bool,
    /// What of the last write is in force though it broke off.
    pub(super) done: Plan,
    /// What was reported last, while it still holds.
    pub(super) settled: Option<Settled>,
    /// The sets that were last reported to have trouble of their own.
    pub(super) problems: BTreeMap<SetKey, String>,
}

/// As [`DnsReport::Settled`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) number: u64,
    pub(super) wishes: BTreeMap<IpAddr, Wish>,
    pub(super) held: BTreeMap<IpAddr, Vec<String>>,
    pub(super) open: BTreeSet<IpAddr>,
}

/// The last failure.
#[derive(Debug)]
pub(in crate::dns) struct Trouble {
    kind: DnsProblemKind,
    what: String,
    /// The provider itself asked to be left alone.
    imposed: bool,
    /// Nothing is asked of the provider before that.
    least: Instant,
    /// The same is not tried again before that.
    until: Instant,
}

/// Why work did not go on.
#[derive(Debug)]
pub(super) enum Halt {
    /// A newer order came in.
    Replaced,
    /// The worker was told to stop, or the driver is gone.
    Ended,
    /// The provider did not do as it was asked.
    Failed(ProviderError),
}

impl From<ProviderError> for Halt {
    fn from(error: ProviderError) -> Self {
        Self::Failed(error)
    }
}

impl<P, R> Shift<P, R>
where
    P: DnsProvider,
    R: Remember,
{
    pub(super) fn new(mut given: Worker<P, R>) -> Self {
        let unserved = given.known.unserved.take();
        Self {
            given,
            order: Order::default(),
            number: 0,
            wished: Wished::default(),
            unserved,
            answered: 0,
            backoff: Backoff::default(),
            surprised: false,
            done: Plan::default(),
            settled: None,
            problems: BTreeMap::new(),
        }
    }

    pub(super) async fn run(mut self) -> Estate<P> {
        if !std::mem::replace(&mut self.given.known.begun, true) {
            // Whatever the last agent was about to do may still be done.
            let remembered = self.given.memory.places();
            let back = self.given.memory.came_back();
            self.given.known.doubts.expect(back, true);
            if self.doubt(remembered).await.is_err() {
                return self.hand_on();
            }
        }
        loop {
            let desk = self.given.desk.borrow_and_update().clone();
            let step = if desk.stop {
                Err(Halt::Ended)
            } else if desk.number != self.number {
                self.carry_out(desk).await
            } else if desk.readings > self.answered {
                self.read_in_advance(desk.readings).await
            } else {
                self.idle().await
            };
            if let Err(Halt::Ended) = step {
                self.leave().await;
                return self.hand_on();
            }
        }
    }

    /// What the next one may go on with: of a failure only that the provider is to be left alone,
    /// since whatever else was wrong may have been mended by the reload.
    fn hand_on(self) -> Estate<P> {
        let Worker { provider, names, memory, known, .. } = self.given;
        let trouble = known.trouble.filter(|trouble| trouble.imposed);
        let known = Known { trouble, unserved: self.unserved, ..known };
        Estate { provider, names, memory, known }
    }

    /// Waits for news, or until something is to be looked at again.
    async fn idle(&mut self) -> Result<(), Halt> {
        let Some(next) = self.next_look() else {
            return self.given.desk.changed().await.map_err(|_| Halt::Ended);
        };
        if let Ok(news) = tokio::time::timeout_at(next, self.given.desk.changed()).await {
            return news.map_err(|_| Halt::Ended);
        }
        self.given.known.reading = None;
        self.work().await
    }

    /// When the zone is to be looked at again though nothing new is asked for.
    fn next_look(&self) -> Option<Instant> {
        let known = &self.given.known;
        [known.apart.next(), known.doubts.next(), known.look_at_unfit].into_iter().flatten().min()
    }

    /// Reads the zone before it is needed. A failure is reported and not retried: nothing is due.
    async fn read_in_advance(&mut self, readings: u64) -> Result<(), Halt> {
        if self.must_rest() {
            return self.answer_with_trouble(readings).await;
        }
        match self.read().await {
            Err(Halt::Failed(error)) => {
                let wait = asked_for(&error);
                let problem = self.keep_trouble(&error, Rest { wait, least: wait });
                self.report(DnsReport::Failing(DnsProblem { retry_in: None, ..problem })).await
            }
            other => other.map(drop),
        }
    }

    /// Works on one order until DNS is as it wants it, or until it is replaced.
    async fn carry_out(&mut self, desk: Desk) -> Result<(), Halt> {
        (self.order, self.number) = (desk.order, desk.number);
        let placed = desk.placed.unwrap_or_else(now);
        if self.order.read_again {
            self.unserved.get_or_insert(placed);
        }
        // What was read for an order that this one replaced serves this one: were it read again
        // each time, orders that come faster than a reading would have nothing done at all.
        let is_older = |(asked, _): &mut (Instant, _)| self.unserved.is_some_and(|at| *asked < at);
        self.given.known.reading.take_if(is_older);
        self.wished.take_up(&self.order.wishes, placed);
        if self.order.wishes.is_empty() && !self.given.known.aftermath.is_open() {
            return Ok(());
        }
        (self.surprised, self.settled) = (false, None);
        self.work().await
    }

    /// Works on the order in hand until DNS is as it wants it, or until it is replaced.
    async fn work(&mut self) -> Result<(), Halt> {
        if let Some(least) = self.given.known.trouble.as_ref().map(|trouble| trouble.least) {
            self.wait(least).await?;
        }
        let (mut rounds, mut careful) = (0, 0);
        loop {
            rounds += 1;
            if !self.given.known.apart.cautious().is_empty() && careful < MOST_CAREFUL_ROUNDS {
                // One record at a time takes as many rounds as there are records.
                (rounds, careful) = (rounds - 1, careful + 1);
            }
            let error = match self.round().await {
                Ok(Round::Settled) => {
                    self.backoff.reset();
                    return Ok(());
                }
                Ok(Round::Again) => continue,
                Ok(Round::Applied)
                | Err(Halt::Failed(
                    ProviderError::Changed { .. } | ProviderError::Already { .. },
                )) if rounds < MOST_ROUNDS => {
                    continue;
                }
                Ok(Round::Applied) => self.unshown(),
                Err(Halt::Failed(error)) => error,
                Err(halt) => return Err(halt),
            };
            rounds = 0;
            self.given.known.reading = None;
            let until = self.fail(&error).await?;
            self.wait(until).await?;
        }
    }

    /// Reports a failure; says until when to wait.
    async fn fail(&mut self, error: &ProviderError) -> Result<Instant, Halt> {
        self.settled = None;
        // It answers whoever waits for a reading, too.
        self.answered = self.given.desk.borrow().readings;
        let rest = self.backoff.next(error);
        let problem = self.keep_trouble(error, rest);
        self.report(DnsReport::Failing(problem)).await?;
        Ok(now() + rest.wait)
    }

    fn keep_trouble(&mut self, error: &ProviderError, rest: Rest) -> DnsProblem {
        let (kind, what) = (kind(error), crate::chain(error));
        self.given.known.trouble = Some(Trouble {
            kind,
            what: what.clone(),
            imposed: !asked_for(error).is_zero(),
            least: now() + rest.least,
            until: now() + rest.wait,
        });
        DnsProblem { kind, what, retry_in: Some(rest.wait) }
    }

    /// Waits before trying again. The end breaks it off, and so does a newer order; a request to
    /// read the zone makes it try at once, unless the provider must be left alone.
    async fn wait(&mut self, until: Instant) -> Result<(), Halt> {
        while now() < until {
            let (number, answered) = (self.number, self.answered);
            let news = self
                .given
                .desk
                .wait_for(|desk| desk.stop || desk.number != number || desk.readings > answered);
            let Ok(news) = tokio::time::timeout_at(until, news).await else { break };
            let readings = news.map_err(|_| Halt::Ended)?.readings;
            self.stands()?;
            if !self.must_rest() {
                break;
            }
            self.answer_with_trouble(readings).await?;
        }
        Ok(())
    }

    fn must_rest(&self) -> bool {
        self.given.known.trouble.as_ref().is_some_and(|trouble| now() < trouble.least)
    }

    /// Whether the provider itself asked to be left alone for now.
    pub(super) fn is_shut_out(&self) -> bool {
        self.given
            .known
            .trouble
            .as_ref()
            .is_some_and(|trouble| trouble.imposed && now() < trouble.least)
    }

    /// Answers a request to read the zone while the provider must be left alone.
    async fn answer_with_trouble(&mut self, readings: u64) -> Result<(), Halt> {
        self.answered = readings;
        let Some(Trouble { kind, what, until, .. }) = &self.given.known.trouble else {
            return Ok(());
        };
        let retry_in = Some(until.saturating_duration_since(now())).filter(|wait| !wait.is_zero());
        let problem = DnsProblem { kind: *kind, what: what.clone(), retry_in };
        self.report(DnsReport::Failing(problem)).await
    }

    /// Whether the order in hand still stands and is to be worked on.
    pub(super) fn stands(&self) -> Result<(), Halt> {
        let gone = self.given.desk.has_changed().is_err();
        let desk = self.given.desk.borrow();
        if desk.stop || gone {
            Err(Halt::Ended)
        } else if desk.number != self.number {
            Err(Halt::Replaced)
        } else {
            Ok(())
        }
    }

    pub(super) async fn report(&self, report: DnsReport) -> Result<(), Halt> {
        self.given.reports.send(report).await.map_err(|_| Halt::Ended)
    }

    /// The provider confirms changes that its listing does not show.
    pub(super) fn unshown(&self) -> ProviderError {
        ProviderError::Unconfirmed {
            provider: self.given.provider.name(),
            what: "what it confirmed".into(),
            source: "its listing does not show the change".into(),
        }
    }
}

fn kind(error: &ProviderError) -> DnsProblemKind {
    match error {
        ProviderError::Refused { .. } | ProviderError::Rejected { .. } => DnsProblemKind::Refused,
        ProviderError::Partly { rest, .. } => kind(rest),
        ProviderError::Unavailable { .. } => DnsProblemKind::Unavailable,
        ProviderError::Unconfirmed { .. } => DnsProblemKind::Unconfirmed,
        ProviderError::Changed { .. }
        | ProviderError::Already { .. }
        | ProviderError::Revoked { .. } => DnsProblemKind::Changed,
    }
}
