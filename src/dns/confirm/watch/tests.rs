//! The waits, in virtual time: the servers that show a change, the questions, the news.

mod load;
mod scenes;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::*;
use crate::dns::confirm::answer::SeenSet;
use crate::dns::confirm::change::{ChangeKind, MadeChange, Proof};
use crate::dns::confirm::effect::{EffectState, ServerState};
use crate::engine::plan::Family;

/// The timeout of the tests.
const TIMEOUT: Duration = Duration::from_mins(2);

fn ip(last: u8) -> IpAddr {
    IpAddr::from([203, 0, 113, last])
}

fn set(name: &str) -> SetKey {
    SetKey { name: name.to_owned(), family: Family::A }
}

fn server(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 53))
}

/// Returns name servers with one address each.
fn servers(addresses: &[u8]) -> Vec<NameServer> {
    let servers = addresses.iter().map(|last| NameServer {
        name: format!("ns{last}"),
        addresses: vec![server(*last)],
        trouble: None,
    });
    servers.collect()
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A watch with its clock and with name servers that each have a state of their own.
struct Scene {
    watch: EffectWatch,
    now: Instant,
    start: Instant,
    /// The news so far, but for the states.
    news: Vec<(f64, String)>,
    /// The number of questions to each address.
    asked: BTreeMap<SocketAddr, usize>,
}

impl Scene {
    fn new(addresses: &[u8]) -> Self {
        let start = crate::dns::clock::now();
        let mut watch = EffectWatch::new(TIMEOUT);
        if !addresses.is_empty() {
            watch.set_servers(servers(addresses));
        }
        Self { watch, now: start, start, news: Vec::new(), asked: BTreeMap::new() }
    }

    /// The provider confirms a change of one address at these names.
    fn change(&mut self, kind: ChangeKind, last: u8, names: &[&str]) {
        let proof = Proof { ttl: Some(60), ..Proof::default() };
        self.change_with(kind, last, names, proof);
    }

    fn change_with(&mut self, kind: ChangeKind, last: u8, names: &[&str], proof: Proof) {
        let sets = names.iter().map(|name| (set(name), proof)).collect();
        let change = MadeChange { service: None, address: ip(last), kind, sets };
        let took = Duration::from_millis(200);
        let news = self.watch.add(&MadeChanges { at: self.now, took, changes: vec![change] });
        self.tell(news);
    }

    fn tell(&mut self, news: Vec<EffectNews>) {
        let at = self.now.duration_since(self.start).as_secs_f64();
        for news in news {
            let words = match news {
                EffectNews::Visible { effect, was_overdue } => {
                    let late = if was_overdue { " at last" } else { "" };
                    let names = effect.names.join(",");
                    format!("visible{late}: {} at {names} after {:?}", effect.address, effect.after)
                }
                EffectNews::NotVisible(effect) => {
                    let missing: Vec<String> = effect.missing().collect();
                    let why = effect.trouble.unwrap_or_else(|| missing.join("; "));
                    format!("not visible: {}: {why}", effect.address)
                }
                EffectNews::Unprovable(set, obstacle) => format!("{}: {obstacle:?}", set.name),
                EffectNews::GivenUp(_) => "given up".to_owned(),
                other => {
                    assert!(matches!(other, EffectNews::State(..)), "{other:?}");
                    continue;
                }
            };
            self.news.push((at, words));
        }
    }

    /// Runs for a while. Each question is answered by `answer` after 5 ms.
    fn run(&mut self, time: f64, answer: impl Fn(&NextQuestion, Duration) -> Sighting) {
        let end = self.now + seconds(time);
        let mut in_flight: Vec<(Instant, NextQuestion, Instant)> = Vec::new();
        loop {
            let news = self.watch.report(self.now);
            self.tell(news);
            for question in self.watch.take_questions(self.now, 256) {
                *self.asked.entry(question.server).or_default() += 1;
                in_flight.push((self.now + Duration::from_millis(5), question, self.now));
            }
            let next = in_flight.iter().map(|it| it.0).chain(self.watch.next_wake(self.now)).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            let due: Vec<_> = in_flight.extract_if(.., |it| it.0 <= self.now).collect();
            for (received, question, sent) in due {
                let sighting = answer(&question, sent.duration_since(self.start));
                let NextQuestion { server, set } = question;
                self.watch.answered(&Answered { server, set, sent, received, sighting });
            }
        }
        self.now = end;
        // The answers to the last questions get lost.
        for (_, NextQuestion { server, set }, sent) in in_flight {
            let (received, sighting) = (end, Sighting::Nothing("no answer".into()));
            self.watch.answered(&Answered { server, set, sent, received, sighting });
        }
    }

    /// Returns the news in words, without their times.
    fn words(&self) -> Vec<&str> {
        self.news.iter().map(|(_, words)| words.as_str()).collect()
    }
}

/// Returns an authoritative answer with these addresses.
fn holds(addresses: &[u8]) -> Sighting {
    let addresses = addresses.iter().map(|last| ip(*last)).collect();
    Sighting::Addresses(SeenSet { addresses, name_exists: true, negative_ttl: None })
}

/// Returns the state of the servers for the newest change.
fn states(watch: &mut EffectWatch, now: Instant) -> Vec<ServerState> {
    let state = watch.state(now);
    let newest = state.into_iter().next().map(|effect| effect.servers).unwrap_or_default();
    newest.into_iter().map(|server| server.state).collect()
}
