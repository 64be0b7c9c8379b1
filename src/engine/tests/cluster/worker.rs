//! A model of `dns::worker`: list, plan, apply, list again, until the zone matches. Before each
//! request it checks whether the order still stands.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::chance::Chance;
use super::zone::{Reading, key};
use crate::engine::event::{DnsProblem, DnsProblemKind, DnsReport, Order};
use crate::engine::plan::{self, Desired, Plan};
use crate::engine::tests::world::{NAME, ms};

const FRESH_FOR: Duration = Duration::from_secs(30);
const MOST_ROUNDS: u32 = 5;

/// An input of the worker.
#[derive(Debug)]
pub(super) enum Input {
    /// The answer to [`Doing::List`].
    Listed(Option<Reading>),
    /// The answer to [`Doing::Write`].
    Written(Fate),
    /// The time of [`Doing::Rest`] has passed.
    Rested(u64),
}

/// The outcome of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Done,
    /// The zone was not as it was listed.
    Changed,
    /// The request did not arrive.
    Failed,
    /// The answer was lost.
    Unconfirmed,
}

/// A request of the worker.
#[derive(Debug)]
pub(super) enum Doing {
    List,
    Write { reading: Reading, create: Vec<IpAddr>, delete: Vec<IpAddr> },
    Rest(Duration, u64),
    Report(DnsReport),
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Idle,
    /// Listing for an order, or in advance.
    Listing {
        asked: Duration,
        in_advance: bool,
    },
    /// Writing the plan, with the floor it was made with: a reload in between must not make it
    /// forgotten.
    Writing(Plan, usize),
    Resting,
}

#[derive(Debug, Default)]
pub(super) struct Worker {
    /// The newest order, and the number of orders so far.
    mailbox: (Order, u64),
    /// The recalled part of the newest order.
    recalled: BTreeSet<IpAddr>,
    /// The order in progress.
    order: Order,
    number: u64,
    phase: Phase,
    reading: Option<(Duration, Reading)>,
    rounds: u32,
    failures: u32,
    rests: u64,
    /// Addresses withdrawn without the operator's command, and not listed since.
    owed: BTreeSet<IpAddr>,
    /// Addresses restored for the floor, and the time until which they stay in.
    back: BTreeMap<IpAddr, Duration>,
}

/// A write that has come to its end.
struct Write {
    plan: Plan,
    floor: usize,
    fate: Fate,
}

impl Worker {
    pub(super) fn order(&mut self, now: Duration, order: Order, chance: &mut Chance) -> Vec<Doing> {
        self.mailbox = (order, self.mailbox.1 + 1);
        self.recalled.clear();
        let mut out = vec![];
        if matches!(self.phase, Phase::Idle | Phase::Resting) {
            self.begin_order(now, chance, &mut out);
        }
        out
    }

    pub(super) fn recall(&mut self, address: IpAddr) {
        self.recalled.insert(address);
    }

    pub(super) fn prepare(&mut self, now: Duration) -> Vec<Doing> {
        if !matches!(self.phase, Phase::Idle) {
            return vec![];
        }
        self.phase = Phase::Listing { asked: now, in_advance: true };
        vec![Doing::List]
    }

    /// Replaces the worker once the call in progress is finished.
    pub(super) fn replaced(&mut self) {
        self.mailbox = (Order::default(), self.mailbox.1 + 1);
        self.recalled.clear();
        self.order = Order::default();
        self.reading = None;
        self.failures = 0;
        if matches!(self.phase, Phase::Resting) {
            self.phase = Phase::Idle;
        }
    }

    /// Returns the desired state of the newest order about `address`.
    pub(super) fn desired(&self, address: IpAddr) -> Option<Desired> {
        self.mailbox.0.desired.get(&address).copied().filter(|_| !self.recalled.contains(&address))
    }

    pub(super) fn receive(
        &mut self,
        now: Duration,
        input: Input,
        chance: &mut Chance,
    ) -> Vec<Doing> {
        let mut out = vec![];
        match (std::mem::take(&mut self.phase), input) {
            (Phase::Listing { asked, in_advance }, Input::Listed(Some(reading))) => {
                out.push(Doing::Report(DnsReport::Listed(reading.observed())));
                self.reading = Some((asked, reading));
                if in_advance || !self.stands() {
                    self.begin_order(now, chance, &mut out);
                } else {
                    self.proceed(now, chance, &mut out);
                }
            }
            (Phase::Listing { in_advance: true, .. }, Input::Listed(None)) => {
                let (kind, what) = (DnsProblemKind::Unavailable, "no connection".into());
                let problem = DnsProblem { kind, what, retry_in: None };
                out.push(Doing::Report(DnsReport::Failing(problem)));
                self.begin_order(now, chance, &mut out);
            }
            (Phase::Listing { .. }, Input::Listed(None)) => {
                self.fail(DnsProblemKind::Unavailable, now, chance, &mut out);
            }
            (Phase::Writing(plan, floor), Input::Written(fate)) => {
                self.written(Write { plan, floor, fate }, now, chance, &mut out);
            }
            (Phase::Resting, Input::Rested(rest)) if rest == self.rests => {
                self.rounds = 0;
                self.round(now, chance, &mut out);
            }
            (phase, _) => self.phase = phase,
        }
        out
    }

    fn stands(&self) -> bool {
        self.number == self.mailbox.1
    }

    /// Begins the newest order, if it is not done.
    fn begin_order(&mut self, now: Duration, chance: &mut Chance, out: &mut Vec<Doing>) {
        self.phase = Phase::Idle;
        if self.stands() {
            return;
        }
        (self.order, self.number) = self.mailbox.clone();
        if self.order.read_again {
            self.reading = None;
        }
        self.rounds = 0;
        if !self.order.desired.is_empty() || !self.owed.is_empty() {
            self.round(now, chance, out);
        }
    }

    fn round(&mut self, now: Duration, chance: &mut Chance, out: &mut Vec<Doing>) {
        self.rounds += 1;
        if !self.stands() {
            self.begin_order(now, chance, out);
        } else if self.reading.as_ref().is_some_and(|(at, _)| now < *at + FRESH_FOR) {
            self.proceed(now, chance, out);
        } else {
            self.phase = Phase::Listing { asked: now, in_advance: false };
            out.push(Doing::List);
        }
    }

    /// Plans and writes after a listing, or finishes.
    fn proceed(&mut self, now: Duration, chance: &mut Chance, out: &mut Vec<Doing>) {
        let Some((_, reading)) = self.reading.clone() else { return };
        let plan = self.plan(&reading, now, chance);
        if plan.is_empty() {
            self.owed.clear();
            self.failures = 0;
            let (service, number) = (self.order.service, self.order.number);
            let desired = self.order.desired.clone();
            let held = plan.held.iter().map(|(key, address)| (*address, vec![key.name.clone()]));
            let held = held.collect();
            out.push(Doing::Report(DnsReport::Confirmed {
                service,
                number,
                desired,
                held,
                open: BTreeSet::new(),
            }));
            self.begin_order(now, chance, out);
            return;
        }
        if plan.delete.iter().chain(&plan.create).any(|(_, it)| self.recalled.contains(it)) {
            // The next order contains the rest of it.
            self.phase = Phase::Idle;
            return;
        }
        let [create, delete] = [&plan.create, &plan.delete]
            .map(|entries| entries.iter().map(|(_, address)| *address).collect());
        self.phase = Phase::Writing(plan, self.order.floor);
        out.push(Doing::Write { reading, create, delete });
    }

    fn plan(&mut self, reading: &Reading, now: Duration, chance: &mut Chance) -> Plan {
        let (desired, floor) = (&self.order.desired, self.order.floor);
        let mut after = reading.observed();
        let mut plan = plan::plan(&[NAME.into()], &after, desired, floor);
        let stays = plan.delete.extract_if(.., |(_, address)| {
            self.back.get(address).is_some_and(|until| *until > now)
        });
        plan.held.extend(stays);
        after
            .sets
            .entry(key())
            .or_default()
            .extend(plan.create.iter().map(|(_, address)| *address));
        let owed: Vec<_> = self.owed.iter().map(|address| (key(), *address)).collect();
        let back = plan::repair(&after, &owed, &BTreeMap::new(), floor);
        let stay = chance.between(5_000, 65_000);
        self.back.extend(back.iter().map(|(_, address)| (*address, now + stay)));
        plan.create.extend(back);
        plan
    }

    fn written(&mut self, write: Write, now: Duration, chance: &mut Chance, out: &mut Vec<Doing>) {
        let Write { plan, floor, fate } = write;
        self.reading = None;
        if matches!(fate, Fate::Done | Fate::Unconfirmed) && floor > 0 {
            self.owed.extend(plan.delete.iter().map(|(_, address)| *address));
        }
        match fate {
            Fate::Done => {
                let (withdrawn, restored) = (plan.delete, plan.create);
                let report = DnsReport::Applied {
                    withdrawn,
                    restored,
                    created: vec![],
                    took: ms(1),
                    is_part: false,
                };
                out.push(Doing::Report(report));
            }
            Fate::Changed => {}
            Fate::Failed => return self.fail(DnsProblemKind::Unavailable, now, chance, out),
            Fate::Unconfirmed => return self.fail(DnsProblemKind::Unconfirmed, now, chance, out),
        }
        if self.rounds < MOST_ROUNDS {
            self.round(now, chance, out);
        } else {
            self.fail(DnsProblemKind::Unconfirmed, now, chance, out);
        }
    }

    fn fail(
        &mut self,
        kind: DnsProblemKind,
        now: Duration,
        chance: &mut Chance,
        out: &mut Vec<Doing>,
    ) {
        self.reading = None;
        let doubled = 1_000 * 2_u64.pow(self.failures.min(6)).min(60);
        let wait = chance.between(doubled / 2, doubled + doubled / 2);
        self.failures += 1;
        self.rests += 1;
        let problem = DnsProblem { kind, what: "no connection".into(), retry_in: Some(wait) };
        out.push(Doing::Report(DnsReport::Failing(problem)));
        if self.stands() {
            self.phase = Phase::Resting;
            out.push(Doing::Rest(wait, self.rests));
        } else {
            self.begin_order(now, chance, out);
        }
    }
}
