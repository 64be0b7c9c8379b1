//! A cluster in virtual time.

use super::*;

/// A cluster of agents 0, 1, … in virtual time. The seed determines delays and losses.
pub(super) struct Harness {
    pub(super) now: Duration,
    pub(super) seed: u64,
    pub(super) rng: SmallRng,
    pub(super) agents: Vec<Option<Gossip>>,
    /// Difference between each agent's clock and [`now`](Self::now), in milliseconds.
    pub(super) clocks: Vec<u64>,
    pub(super) key: Option<&'static str>,
    /// Datagrams in transit: `(arrival, order, from, to, datagram)`.
    pub(super) flying: BTreeSet<(Duration, u64, usize, SocketAddr, Vec<u8>)>,
    pub(super) sent: u64,
    /// The fraction of datagrams that is lost.
    pub(super) loss: f64,
    /// The cut links, one entry for each direction.
    pub(super) cut: BTreeSet<(usize, usize)>,
    /// `(time, observing agent, output)`, without datagrams and mere signs of life.
    pub(super) log: Vec<(Duration, usize, Output)>,
}

impl Harness {
    pub(super) fn new(agents: usize, seed: u64) -> Self {
        Self::with_key(agents, seed, Some("1234567891012345"))
    }

    pub(super) fn with_key(agents: usize, seed: u64, key: Option<&'static str>) -> Self {
        let mut harness = Self {
            now: Duration::ZERO,
            seed,
            rng: SmallRng::seed_from_u64(seed),
            agents: (0..agents).map(|_| None).collect(),
            clocks: vec![0; agents],
            key,
            flying: BTreeSet::new(),
            sent: 0,
            loss: 0.0,
            cut: BTreeSet::new(),
            log: Vec::new(),
        };
        for number in 0..agents {
            harness.start(number, 1_000_000);
        }
        harness
    }

    /// Starts an agent with a clock that shows `start` at the start of its process.
    pub(super) fn start(&mut self, number: usize, start: u64) {
        self.start_with(number, start, self.key);
    }

    pub(super) fn start_with(&mut self, number: usize, start: u64, key: Option<&str>) {
        let peers = (0..self.agents.len()).filter(|&other| other != number).map(vote);
        let seed = self.rng.random();
        let mut gossip = Gossip::new(own(number, start), peers, key.map(seal), seed);
        self.set_clock(number, start);
        gossip.next_join = self.now;
        self.agents[number] = Some(gossip);
    }

    /// Sets the clock of an agent to `millis` of Unix time.
    pub(super) fn set_clock(&mut self, number: usize, millis: u64) {
        self.clocks[number] = millis.wrapping_sub(u64::try_from(self.now.as_millis()).unwrap());
    }

    /// Passes its clock to every agent.
    fn show_clocks(&mut self) {
        let since = u64::try_from(self.now.as_millis()).unwrap();
        for (agent, clock) in self.agents.iter_mut().zip(&self.clocks) {
            if let Some(agent) = agent {
                agent.set_wall(self.now, clock.wrapping_add(since));
            }
        }
    }

    /// Stops an agent without a farewell.
    pub(super) fn kill(&mut self, number: usize) {
        self.agents[number] = None;
    }

    pub(super) fn cut(&mut self, one: usize, other: usize) {
        self.cut.extend([(one, other), (other, one)]);
    }

    /// Runs the cluster for `span`.
    pub(super) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            for number in 0..self.agents.len() {
                self.collect(number);
            }
            let wakes = self.agents.iter().flatten().map(Gossip::next_wake).min();
            let arrival = self.flying.first().map(|flying| flying.0);
            // Agents with an alarm in the past are woken now.
            let next = wakes.into_iter().chain(arrival).min().unwrap_or(end).max(self.now);
            if next >= end {
                self.now = end;
                return;
            }
            self.now = next;
            self.show_clocks();
            self.deliver();
            for agent in self.agents.iter_mut().flatten() {
                if agent.next_wake() <= next {
                    agent.wake(next);
                }
            }
        }
    }

    pub(super) fn deliver(&mut self) {
        while self.flying.first().is_some_and(|flying| flying.0 <= self.now) {
            let (_, _, _, to, datagram) = self.flying.pop_first().unwrap();
            let number = (0..self.agents.len()).find(|&number| vote(number).ip() == to.ip());
            if let Some(agent) = self.agents[number.unwrap()].as_mut() {
                let _ = agent.receive(self.now, &datagram);
            }
        }
    }

    pub(super) fn collect(&mut self, number: usize) {
        let Some(agent) = self.agents[number].as_mut() else { return };
        for output in agent.outputs() {
            match output {
                Output::Send(to, datagram) => {
                    let other = (0..self.agents.len()).find(|&n| vote(n).ip() == to.ip()).unwrap();
                    let lost =
                        self.rng.random_bool(self.loss) || self.cut.contains(&(number, other));
                    if !lost {
                        let arrival = self.now + ms(self.rng.random_range(20..150));
                        self.sent += 1;
                        self.flying.insert((arrival, self.sent, number, to, datagram));
                    }
                }
                Output::Received(_) => {}
                other => self.log.push((self.now, number, other)),
            }
        }
    }

    /// Returns the numbers of the agents that each agent sees alive, without its own.
    pub(super) fn views(&self) -> Vec<Option<Vec<usize>>> {
        self.agents.iter().map(|agent| agent.as_ref().map(|agent| self.view_of(agent))).collect()
    }

    fn view_of(&self, agent: &Gossip) -> Vec<usize> {
        (0..self.agents.len()).filter(|&n| agent.alive.contains_key(&vote(n))).collect()
    }

    pub(super) fn everybody_sees_everybody(&self) -> bool {
        let running: Vec<_> =
            (0..self.agents.len()).filter(|&n| self.agents[n].is_some()).collect();
        for (me, view) in self.views().into_iter().enumerate() {
            let others = running.iter().copied().filter(|&n| n != me);
            if view.is_some_and(|view| !others.eq(view)) {
                return false;
            }
        }
        true
    }

    /// Returns the time after `since` at which agent `who` reported `what`.
    pub(super) fn when(&self, who: usize, what: &Output, since: Duration) -> Option<Duration> {
        let found =
            self.log.iter().find(|(at, by, said)| *at >= since && *by == who && said == what);
        found.map(|(at, ..)| at.saturating_sub(since))
    }
}
