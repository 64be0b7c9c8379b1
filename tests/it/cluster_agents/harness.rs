//! A cluster of real agents in a lab, each with a way to one Cloudflare of their own.
//!
//! Plain http is for loopback only, so each agent finds Cloudflare on its own loopback, behind a
//! gate that passes everything on to the one service, which sits on the world's loopback. A gate
//! can be shut without touching any other way.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::time::{Duration, Instant};

use goavail::testing::engine::quorum;
use goavail::testing::status::model::{self, Health, Status};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::agent::{Agent, Setup, Within};
use crate::fake_cloudflare::{self, Entry, FakeCloudflare, TOKEN};
use crate::lab::{Lab, Place, link_v4, v4};

pub(crate) use crate::agent::PATIENT;

pub(crate) use super::log_lines::{about, alive, back, count, first, gone, next, withdrawn_by};

/// The name of the zone.
pub(crate) const ZONE: &str = "example.com";

/// The managed name.
pub(crate) const WWW: &str = "www.example.com";

/// The key of most clusters here.
pub(crate) const KEY: &str = "1234567891012345";

/// A death is noticed within a second; a machine that is busy for a tenth of one does no harm.
pub(crate) const QUICK: &str =
    "interval = 0.2\ntimeout = 0.5\nretry_interval = 0.1\nfailure_threshold = 3\n";

/// Where each agent finds Cloudflare.
const CLOUDFLARE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8053);

/// Where each agent tells its status.
const STATUS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Where agent `index` takes votes, and so its name.
pub(crate) fn name(index: usize) -> SocketAddr {
    SocketAddr::new(link_v4(Place::Agent(index)), 8081)
}

/// `count` targets for which agents of a cluster of `agents` rank as `order` says, the first being
/// the one that acts at once. `order` may leave the last ones open.
pub(crate) fn ranked(order: &[usize], agents: usize, count: usize) -> Vec<IpAddr> {
    let fits = |target: &IpAddr| {
        order.iter().enumerate().all(|(rank, &agent)| {
            let others: Vec<_> = (0..agents).filter(|&n| n != agent).map(name).collect();
            quorum::rank((*target).into(), name(agent), &others) == rank
        })
    };
    (1..10_000).map(v4).filter(fits).take(count).collect()
}

/// One target that is ranked so.
pub(crate) fn ranked_one(order: &[usize], agents: usize) -> IpAddr {
    ranked(order, agents, 1)[0]
}

/// The settings of an agent.
#[derive(Debug, Clone)]
pub(crate) struct Members {
    /// All agents of the cluster, this one included.
    pub(crate) names: Vec<SocketAddr>,
    /// The value of `min_peers_agree`.
    pub(crate) min: usize,
    /// `crypto_key`; with it `require_signed` is on.
    pub(crate) key: Option<&'static str>,
    /// Further lines of `[Members]`.
    pub(crate) more: &'static str,
    /// Lines before the first section.
    pub(crate) top: String,
    /// The value of `ip_addresses`.
    pub(crate) targets: Vec<IpAddr>,
}

impl Members {
    /// A cluster of `agents` agents with a key; two of them must agree.
    pub(crate) fn new(agents: usize, targets: &[IpAddr]) -> Self {
        Self {
            names: (0..agents).map(name).collect(),
            min: 1,
            key: Some(KEY),
            more: "",
            top: QUICK.to_owned(),
            targets: targets.to_vec(),
        }
    }

    /// The configuration of the agent that votes as `local`.
    pub(crate) fn config(&self, local: SocketAddr) -> String {
        self.config_with(local, &cloudflare_section(&self.targets))
    }

    /// The configuration of the agent that votes as `local`, with other sections about the zone and
    /// its targets.
    pub(crate) fn config_with(&self, local: SocketAddr, sections: &str) -> String {
        let text = |name: &SocketAddr| name.to_string();
        let peers: Vec<_> = self.names.iter().filter(|&name| *name != local).map(text).collect();
        let signed = "require_signed = true\n";
        let key = self.key.map(|key| format!("crypto_key = \"{key}\"\n{signed}"));
        format!(
            "{}\n{sections}[Status]\nlisten = \"{STATUS}\"\n[Members]\nlocal_addr = \"{local}\"\n\
             peers = {peers:?}\nmin_peers_agree = {}\n{}{}",
            self.top,
            self.min,
            key.unwrap_or_default(),
            self.more,
        )
    }
}

/// The section about Cloudflare.
pub(crate) fn cloudflare_section(targets: &[IpAddr]) -> String {
    let targets: Vec<_> = targets.iter().map(ToString::to_string).collect();
    format!(
        "[Cloudflare]\ndns_domain = \"{ZONE}\"\nhostnames = [\"www\"]\n\
         ip_addresses = {targets:?}\napi_url = \"http://{CLOUDFLARE}/client/v4\"\n"
    )
}

/// The section about the zone of all services.
pub(crate) fn zone_section() -> String {
    format!(
        "[zone.main]\nprovider = \"cloudflare\"\ndomain = \"{ZONE}\"\n\
         api_url = \"http://{CLOUDFLARE}/client/v4\"\n"
    )
}

/// A lab, a Cloudflare, and a gate between that and each agent's place.
///
/// Field order is drop order.
pub(crate) struct Harness {
    runtime: Option<Runtime>,
    gates: Vec<watch::Sender<bool>>,
    pub(crate) cloudflare: FakeCloudflare,
    pub(crate) lab: Lab,
}

impl Harness {
    /// With places for `agents` agents, and `targets` alive and in the zone.
    pub(crate) fn new(agents: usize, targets: &[IpAddr]) -> Self {
        let lab = Lab::with_agents(agents);
        let setup = fake_cloudflare::Setup::default();
        let cloudflare = FakeCloudflare::start_with(ZONE, setup, lab.world().entering());
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .on_thread_start(lab.world().entering())
            .build()
            .expect("a runtime");
        let mut harness = Self { runtime: Some(runtime), gates: Vec::new(), cloudflare, lab };
        harness.gates = (0..agents).map(|index| harness.gate(index)).collect();
        harness.publish(targets);
        harness
    }

    /// Lets `targets` answer, and puts them into the zone.
    pub(crate) fn publish(&self, targets: &[IpAddr]) {
        self.lab.add(targets);
        for target in targets {
            self.cloudflare.zone(|zone| _ = zone.seed("A", WWW, &target.to_string()));
        }
    }

    /// The servers beside the test, in the world's namespace.
    pub(crate) fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("it is there until the end")
    }

    /// A listener in the place of agent `index`, to be served by [`Self::runtime`].
    pub(crate) fn listen(&self, index: usize, address: SocketAddr) -> TcpListener {
        let bound = self.lab.agent(index).run(|| StdListener::bind(address)).expect("it is free");
        bound.set_nonblocking(true).expect("a socket can be non-blocking");
        let _inside = self.runtime().enter();
        TcpListener::from_std(bound).expect("the runtime is there")
    }

    fn gate(&self, index: usize) -> watch::Sender<bool> {
        let (gate, open) = watch::channel(true);
        let (listener, to) = (self.listen(index, CLOUDFLARE), self.cloudflare.address());
        self.runtime().spawn(pass(listener, to, open));
        gate
    }

    /// Cuts agent `index` off from Cloudflare: open connections end, new ones are closed.
    pub(crate) fn shut_gate(&self, index: usize) {
        self.gates[index].send_replace(false);
    }

    /// Opens the gate again after [`Self::shut_gate`].
    pub(crate) fn open_gate(&self, index: usize) {
        self.gates[index].send_replace(true);
    }

    /// An agent that is about to be started in place `index`.
    pub(crate) fn setup(&self, index: usize, config: &str) -> Setup {
        let setup = Setup::new(config, Within::Lab(self.lab.agent(index)));
        setup.env("CF_API_TOKEN", TOKEN).args(["--no-dry-run", "monitor"])
    }

    /// Starts agent `index`.
    pub(crate) fn start(&self, index: usize, members: &Members) -> Agent {
        self.setup(index, &members.config(name(index))).start()
    }

    /// Starts the agents `indices` and waits until each has confirmed all targets, and each of them
    /// is alive to each other.
    pub(crate) fn start_all(&self, indices: &[usize], members: &Members) -> Vec<Agent> {
        let mut agents: Vec<_> = indices.iter().map(|&n| self.start(n, members)).collect();
        for (agent, &index) in agents.iter_mut().zip(indices) {
            for target in &members.targets {
                first(agent, &["target confirmed up", &about(*target)]);
            }
            for &peer in indices.iter().filter(|&&peer| peer != index) {
                alive(agent, peer);
            }
        }
        agents
    }

    /// The status of agent `index`.
    pub(crate) fn status(&self, index: usize) -> Status {
        let asking = goavail::testing::status::AgentAddress::Listener(STATUS);
        self.lab.agent(index).run(|| {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(asking.status()).unwrap_or_else(|error| panic!("{error:?}"))
        })
    }

    /// Waits until the status of agent `index` is as wanted.
    pub(crate) fn until_status(&self, index: usize, wanted: impl Fn(&Status) -> bool) -> Status {
        let begun = now();
        loop {
            let status = self.status(index);
            if wanted(&status) {
                return status;
            }
            assert!(
                begun.elapsed() < PATIENT,
                "agent {index} never had such a status: {status:#?}"
            );
            // A status is published once a second, and nothing announces it.
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until agent `index` has read that `target` is in DNS or not, and wishes it so.
    pub(crate) fn until_settled(&self, index: usize, target: IpAddr, in_service: bool) {
        self.until_status(index, |status| {
            let target = shown(status, target);
            let read = target.records.iter().all(|record| record.present == Some(in_service));
            target.in_service == in_service && read
        });
    }

    /// Waits until Cloudflare's log is as `enough` wants it.
    pub(crate) fn until(&self, enough: impl Fn(&[Entry]) -> bool) {
        let waiting = async { timeout(PATIENT, self.cloudflare.wait(enough)).await };
        let came = self.runtime().block_on(waiting).is_ok();
        assert!(came, "the requests did not arrive: {:#?}", self.cloudflare.log());
    }

    /// Waits until `times` changes have been made; returns the request that made the last of them.
    pub(crate) fn until_written(&self, times: usize) -> Entry {
        self.until(|log| log.iter().filter(|entry| changed(entry)).count() >= times);
        self.cloudflare.log().into_iter().filter(changed).nth(times - 1).expect("just seen")
    }

    /// The requests to write so far.
    pub(crate) fn writes(&self) -> Vec<Entry> {
        self.cloudflare.log().into_iter().filter(Entry::writes).collect()
    }

    /// The number of changes made so far. Two agents whose votes cross may both be first in rank;
    /// the later request is then refused as a whole and is no change.
    pub(crate) fn changes(&self) -> usize {
        self.writes().iter().filter(|entry| changed(entry)).count()
    }

    /// The addresses of the zone at [`WWW`], sorted.
    pub(crate) fn in_service(&self) -> Vec<String> {
        self.cloudflare.zone(|zone| zone.contents("A", WWW))
    }

    /// Asserts that the zone holds exactly `targets`, after exactly so many changes.
    ///
    /// A request that Cloudflare refused as a whole, because another agent had made the same change
    /// a moment before, is no change.
    pub(crate) fn holds(&self, targets: &[IpAddr], changes: usize) {
        let mut wanted: Vec<_> = targets.iter().map(ToString::to_string).collect();
        wanted.sort();
        assert_eq!(self.in_service(), wanted);
        let writes = self.writes();
        let made = self.changes();
        for late in writes.iter().filter(|entry| !changed(entry)) {
            let mut before =
                writes.iter().filter(|entry| changed(entry) && entry.arrived <= late.arrived);
            let after = before.next_back().map(|entry| late.arrived - entry.arrived);
            let _ = writeln!(
                std::io::stderr(),
                "a request was refused, {after:?} after the same change by another agent"
            );
        }
        assert_eq!(made, changes, "{writes:#?}");
    }

    /// Waits until agent `index` shows that `voter` sees `target` so.
    pub(crate) fn until_vote(&self, index: usize, voter: usize, target: IpAddr, seen: Health) {
        let voter = name(voter).to_string();
        self.until_status(index, |status| {
            let heard = &shown(status, target).votes;
            heard.iter().any(|vote| vote.peer == voter && vote.health == seen)
        });
    }

    /// Undoes [`Lab::cut`] and also [`Lab::cut_one_way`].
    pub(crate) fn mend(&self, one: Place, other: Place) {
        self.lab.cut(one, other);
        self.lab.mend(one, other);
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Whether a request has changed the zone.
fn changed(entry: &Entry) -> bool {
    entry.writes() && entry.answered.is_some_and(|(_, status)| status == 200)
}

/// Forwards connections to `listener` to `to` while the gate is open.
pub(crate) async fn pass(listener: TcpListener, to: SocketAddr, open: watch::Receiver<bool>) {
    while let Ok((mut from, _)) = listener.accept().await {
        let mut open = open.clone();
        tokio::spawn(async move {
            let both = async {
                let Ok(mut service) = TcpStream::connect(to).await else { return };
                // However it ends, both sides are told by its end.
                let _ = copy_bidirectional(&mut from, &mut service).await;
            };
            tokio::select! {
                biased;
                _ = open.wait_for(|open| !open) => {}
                () = both => {}
            }
        });
    }
}

/// `target` in a status.
pub(crate) fn shown(status: &Status, target: IpAddr) -> &model::Target {
    status.targets.iter().find(|shown| shown.address == target).expect("it is watched")
}

/// Agent `peer` in a status.
pub(crate) fn peer(status: &Status, peer: usize) -> &model::Peer {
    let name = name(peer).to_string();
    status.peers.iter().find(|shown| shown.address == name).expect("it is listed")
}

/// An event, reported in real time.
#[expect(clippy::disallowed_methods, reason = "bounds are real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
