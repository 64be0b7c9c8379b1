//! With any orders, failures and concurrent changes, DNS finally matches the newest order, foreign
//! records are unchanged, and this reconciler breaks the floor no longer than it takes to detect
//! that.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use goavail::engine::plan::{Desired, Observed};
use goavail::testing::dns::Deadline;
use proptest::prelude::*;
use tokio::time::sleep;

use super::{API, Harness, Outcome, Remote, TTL, WWW, desired, ip, ms, s};
use crate::contract::{addresses, set_of};
use crate::lab::share;
use goavail::testing::dns::DnsProvider;

/// The managed addresses; those from 20 on are foreign.
const MANAGED: [u8; 4] = [10, 11, 12, 13];
const FOREIGN: [u8; 3] = [20, 21, 22];
const NAMES: [&str; 2] = [WWW, API];

/// One step of a run.
#[derive(Debug, Clone)]
enum Step {
    /// An order with a desired state for each managed address: `+`, `-`, `!` or none.
    Order(Vec<Option<char>>, bool),
    /// The outcomes of the next listings and writes.
    Faults(Vec<Outcome>, Vec<Outcome>),
    /// A request for a listing in advance.
    Reading,
    /// Another party adds or removes an address.
    Meddle { name: usize, last: u8, puts: bool },
}

fn fate() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        2 => Just(Outcome::Works),
        2 => (1u64..9000).prop_map(|time| Outcome::Takes(ms(time))),
        3 => Just(Outcome::Unavailable(None)),
        1 => (0u64..90).prop_map(|wait| Outcome::Unavailable(Some(s(wait)))),
        1 => Just(Outcome::Refused),
        2 => Just(Outcome::LostBefore),
        3 => Just(Outcome::LostAfter),
        2 => Just(Outcome::Changed),
        1 => Just(Outcome::Forgotten),
        1 => Just(Outcome::Never),
    ]
}

/// `by_hand`: orders may contain the operator's command.
fn order(by_hand: bool) -> impl Strategy<Value = Step> {
    let words = if by_hand { vec!['+', '-', '!'] } else { vec!['+', '-'] };
    let state = prop::option::weighted(0.8, prop::sample::select(words));
    (prop::collection::vec(state, MANAGED.len()), any::<bool>())
        .prop_map(|(desired, anew)| Step::Order(desired, anew))
}

fn step(by_hand: bool) -> impl Strategy<Value = Step> {
    let fates = || prop::collection::vec(fate(), 0..6);
    let everybody = prop::sample::select([&MANAGED[..], &FOREIGN[..]].concat());
    prop_oneof![
        4 => order(by_hand),
        3 => (fates(), fates()).prop_map(|(reads, writes)| Step::Faults(reads, writes)),
        2 => Just(Step::Reading),
        2 => (0..NAMES.len(), everybody, any::<bool>())
            .prop_map(|(name, last, puts)| Step::Meddle { name, last, puts }),
    ]
}

/// Steps with the pause before each: within one request, between two, or longer than any.
fn steps(by_hand: bool) -> impl Strategy<Value = Vec<(Duration, Step)>> {
    let pause = prop_oneof![0u64..60, 60u64..400, 400u64..5_000, 5_000u64..90_000];
    prop::collection::vec((pause.prop_map(ms), step(by_hand)), 1..25)
}

fn in_words(desired: &[Option<char>]) -> String {
    let words = desired.iter().zip(MANAGED);
    let words = words.filter_map(|(state, last)| state.map(|sign| format!("{sign}{last}")));
    words.collect::<Vec<_>>().join(" ")
}

/// The zone, and the changes of its foreign records by others.
struct JudgedZone {
    remote: Remote,
    foreign: BTreeSet<(usize, u8)>,
    /// Sets from which another party removed an address after the reconciler last did.
    robbed: BTreeSet<usize>,
    /// Addresses that the reconciler withdrew and no party restored.
    out: BTreeSet<(usize, IpAddr)>,
}

impl JudgedZone {
    fn new(seed: u64, swapping: bool, lasts: &[u8]) -> Self {
        let remote = Remote::new(&NAMES, lasts).diced(seed);
        let remote = if swapping { remote.swapping() } else { remote };
        let foreign = lasts.iter().filter(|last| FOREIGN.contains(last));
        let foreign = foreign.flat_map(|last| (0..NAMES.len()).map(|name| (name, *last)));
        let foreign = foreign.collect();
        Self { remote, foreign, robbed: BTreeSet::new(), out: BTreeSet::new() }
    }

    async fn observed(&self) -> Observed {
        self.remote.zone.list().await.unwrap().observed()
    }

    async fn meddle(&mut self, name: usize, last: u8, puts: bool) {
        let (address, owner) = (ip(last), NAMES[name]);
        let there = served(&self.observed().await, owner, address);
        if puts && !there {
            self.remote.zone.put(owner, address, TTL);
            self.out.remove(&(name, address));
        } else if !puts && there {
            self.remote.take(owner, last).await;
            self.robbed.insert(name);
        }
        if FOREIGN.contains(&last) {
            if puts {
                self.foreign.insert((name, last));
            } else {
                self.foreign.remove(&(name, last));
            }
        }
    }

    /// Checks the writes of the reconciler: the touched addresses and the remaining ones.
    fn check_writes(&mut self, floor: usize, by_hand: bool, swapping: bool) {
        for write in self.remote.carried() {
            for (name, owner) in NAMES.iter().enumerate() {
                let set = set_of(owner, ip(10));
                let (was, is) = (write.before.get(&set), write.after.get(&set));
                let all = |set: Option<&BTreeSet<IpAddr>>| set.cloned().unwrap_or_default();
                let (was, is) = (all(was), all(is));
                if !was.is_subset(&is) {
                    self.robbed.remove(&name);
                }
                self.out.extend(was.difference(&is).map(|address| (name, *address)));
                self.out.retain(|(at, address)| *at != name || !is.contains(address));
                let (was, is) = (was.len(), is.len());
                if swapping && !by_hand {
                    assert!(is >= was.min(floor), "{owner}: from {was} to {is} by {write:?}");
                }
            }
            let touched = write.changes.delete.iter().map(|(_, record)| record.address);
            for address in touched.chain(write.changes.create.iter().map(|new| new.address)) {
                assert!(MANAGED.map(ip).contains(&address), "{address} is foreign: {write:?}");
            }
        }
    }
}

fn served(observed: &Observed, name: &str, address: IpAddr) -> bool {
    observed.get(&set_of(name, address)).is_some_and(|there| there.contains(&address))
}

/// Runs the steps; then everything works, and the newest order stays until it is done.
async fn play(seed: u64, swapping: bool, floor: usize, lasts: &[u8], steps: &[(Duration, Step)]) {
    let by_hand = |step: &Step| matches!(step, Step::Order(w, _) if w.contains(&Some('!')));
    let by_hand = steps.iter().any(|(_, step)| by_hand(step));
    let mut judged = JudgedZone::new(seed, swapping, lasts);
    let mut harness = Harness::at(Deadline::new(Box::new(judged.remote.clone())), &NAMES);
    let mut newest = String::new();
    for (pause, step) in steps {
        sleep(*pause).await;
        harness.reported();
        match step {
            Step::Order(desired, anew) => {
                newest = in_words(desired);
                if *anew {
                    harness.order_with_listing(&newest, floor);
                } else {
                    harness.order(&newest, floor);
                }
            }
            Step::Faults(reads, writes) => {
                judged.remote.reads(reads.iter().copied());
                judged.remote.writes(writes.iter().copied());
            }
            Step::Reading => harness.request_listing(),
            Step::Meddle { name, last, puts } => {
                judged.check_writes(floor, by_hand, swapping);
                judged.meddle(*name, *last, *puts).await;
            }
        }
    }
    judged.remote.heals();
    // The event loop repeats the order for addresses that were held back.
    for _ in 0..12 {
        harness.order_with_listing(&newest, floor);
        for _ in 0..60 {
            sleep(s(15)).await;
            harness.reported();
        }
    }
    assert!(harness.is_running());
    judged.check_writes(floor, by_hand, swapping);
    check(&judged, &newest, floor, by_hand).await;
}

async fn check(judged: &JudgedZone, newest: &str, floor: usize, by_hand: bool) {
    let observed = judged.observed().await;
    for (name, owner) in NAMES.iter().enumerate() {
        let set = set_of(owner, ip(10));
        let left = observed.get(&set).map_or(0, BTreeSet::len);
        for (address, state) in desired(newest) {
            let there = served(&observed, owner, address);
            let right = match state {
                Desired::Serve => there,
                Desired::Withdraw => !there || left <= floor,
                Desired::WithdrawAnyway => !there,
                Desired::WithdrawFirst | Desired::StandBy(_) | Desired::Stay => {
                    unreachable!("no test orders it")
                }
            };
            assert!(
                right,
                "{address} at {owner} with {newest:?}: there is {there}, {left} are left"
            );
        }
        let own_doing = judged.out.iter().any(|(at, _)| *at == name);
        let excused = by_hand || judged.robbed.contains(&name) || !own_doing;
        assert!(
            left >= floor || excused,
            "{owner} is left with {left} under a floor of {floor}: {observed:?}, {:?} are out",
            judged.out
        );
        let foreign = FOREIGN.into_iter().filter(|last| served(&observed, owner, ip(*last)));
        let want = judged.foreign.iter().filter(|(at, _)| *at == name).map(|(_, last)| *last);
        assert_eq!(foreign.collect::<Vec<_>>(), want.collect::<Vec<_>>(), "foreign at {owner}");
        let listing = judged.remote.zone.list().await.unwrap();
        let distinct = addresses(&listing, &set).len();
        assert_eq!(listing.sets.get(&set).map_or(0, Vec::len), distinct, "doubled at {owner}");
    }
}

fn run(seed: u64, swapping: bool, floor: usize, lasts: &[u8], steps: &[(Duration, Step)]) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(play(seed, swapping, floor, lasts, steps));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: share(200), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_gets_there_and_never_breaks_the_floor(
        seed in any::<u64>(),
        swapping in any::<bool>(),
        floor in 0usize..4,
        lasts in prop::sample::subsequence([&MANAGED[..], &FOREIGN[..]].concat(), 0..=7),
        steps in steps(false),
    ) {
        run(seed, swapping, floor, &lasts, &steps);
    }

    #[test]
    fn it_gets_there_with_the_operators_word_too(
        seed in any::<u64>(),
        swapping in any::<bool>(),
        floor in 0usize..4,
        lasts in prop::sample::subsequence([&MANAGED[..], &FOREIGN[..]].concat(), 0..=7),
        steps in steps(true),
    ) {
        run(seed, swapping, floor, &lasts, &steps);
    }
}
