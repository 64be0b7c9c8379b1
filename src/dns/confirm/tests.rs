//! The lag of a real secondary: BIND as the primary, Knot as the secondary with NOTIFY off.
//!
//! By default the order of events is compared. `GOAVAIL_LAG=20` measures as many changes, prints each
//! beside the lag by questions at short intervals, and fails above 20 ms.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::answer::{Sighting, sighting};
use super::change::{ChangeKind, MadeChange, MadeChanges, Proof};
use super::effect::{ChangeEffect, EffectNews, EffectState, ServerState, ZoneNews};
use super::section::{ConfirmServer, ConfirmSettings, ServerHost};
use super::task::{ConfirmZone, ConfirmZones, Confirmer};
use crate::dns::BySet;
use crate::dns::clock::now;
use crate::dns::message::Question;
use crate::dns::message::exchange::ask;
use crate::dns::message::set::{owner, record_type};
use crate::engine::ids::ZoneId;
use crate::engine::plan::{Family, SetKey};
use crate::probe::skip;

const NAMED: &str = "/usr/sbin/named";
const KNOTD: &str = "/usr/sbin/knotd";

/// The name that changes.
const WWW: &str = "www.example.test";

/// Long enough for anything on a busy machine.
const AMPLE: Duration = Duration::from_mins(1);

/// A process that ends when it is dropped, or with the thread of its test at the latest.
struct Server(Child);

impl Server {
    /// Starts a program, and waits for these words in its log.
    fn start(words: &[&str], ready: &str) -> Self {
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut all = String::new();
        while !all.contains(ready) {
            assert_ne!(log.read_line(&mut all).unwrap(), 0, "{words:?} ended: {all}");
        }
        // Its log is read to its end, so that it is never held up.
        std::thread::spawn(move || log.read_to_end(&mut Vec::new()));
        Self(child)
    }

    /// Has the server read its zone again.
    fn reload(&self) {
        let pid = i32::try_from(self.0.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::HUP).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A primary and its secondary, which looks for changes every two seconds.
struct Pair {
    primary: Server,
    _secondary: Server,
    ports: [u16; 2],
    serial: u32,
    folder: tempfile::TempDir,
}

impl Pair {
    fn start() -> Self {
        let listeners = [0; 2].map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let ports = [0, 1].map(|nth: usize| listeners[nth].local_addr().unwrap().port());
        drop(listeners);
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display().to_string();
        write_zone(folder.path(), 1, &[1, 2]);
        let [first, second] = ports;
        let named = format!(
            "options {{ directory \"{at}\"; pid-file none; session-keyfile none; notify no;\n\
             listen-on port {first} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n\
             allow-transfer {{ any; }}; recursion no; dnssec-validation no; }};\ncontrols {{ }};\n\
             zone \"example.test\" {{ type primary; file \"zone\"; }};\n"
        );
        std::fs::write(folder.path().join("named.conf"), named).unwrap();
        let knot = format!(
            "server:\n    rundir: \"{at}\"\n    listen: 127.0.0.1@{second}\n\
             log:\n  - target: stderr\n    any: info\n\
             database:\n    storage: \"{at}/db\"\n\
             remote:\n  - id: primary\n    address: 127.0.0.1@{first}\n\
             zone:\n  - domain: example.test\n    storage: \"{at}\"\n    master: primary\n    \
             refresh-min-interval: 2\n    refresh-max-interval: 2\n"
        );
        std::fs::write(folder.path().join("knot.conf"), knot).unwrap();
        std::fs::create_dir(folder.path().join("db")).unwrap();
        let conf = folder.path().join("named.conf").display().to_string();
        let primary = Server::start(&[NAMED, "-g", "-c", &conf], " running\n");
        let conf = folder.path().join("knot.conf").display().to_string();
        let secondary = Server::start(&[KNOTD, "-c", &conf], "zone updated");
        Self { primary, _secondary: secondary, ports, serial: 1, folder }
    }

    fn addresses(&self) -> [SocketAddr; 2] {
        self.ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// Changes the zone at the primary to these addresses of `www`.
    fn change(&mut self, addresses: &[u8]) {
        self.serial += 1;
        write_zone(self.folder.path(), self.serial, addresses);
        self.primary.reload();
    }
}

fn write_zone(folder: &Path, serial: u32, addresses: &[u8]) {
    let mut text = format!(
        "$TTL 60\n@ IN SOA ns admin {serial} 2 2 86400 60\n@ IN NS ns\nns IN A 127.0.0.1\n"
    );
    for last in addresses {
        let _ = writeln!(text, "www IN A 192.0.2.{last}");
    }
    // The server must not read half of it.
    std::fs::write(folder.join("zone.new"), text).unwrap();
    std::fs::rename(folder.join("zone.new"), folder.join("zone")).unwrap();
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// The times at which asking at short intervals shows a change.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// The last question with an answer that did not show it.
    last_unshown: Instant,
    /// The first answer that showed it.
    shown: Instant,
}

/// Asks a server every three milliseconds until it shows a change.
async fn watch_by_asking(server: SocketAddr, kind: ChangeKind) -> Seen {
    let name = owner(WWW).unwrap();
    let query_type = record_type(Family::A);
    let question = Question { name: name.clone(), query_type, recursion: false };
    let mut last_unshown = now();
    loop {
        let sent = now();
        let message = ask(server, &question, AMPLE).await.unwrap();
        if sighting(&name, Family::A, &message).shows(ip(1), kind) {
            return Seen { last_unshown, shown: now() };
        }
        last_unshown = sent;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// The confirmer with the news about its only zone.
struct Harness {
    confirmer: Confirmer,
    news: mpsc::Receiver<ZoneNews>,
}

impl Harness {
    fn start(servers: [SocketAddr; 2]) -> Self {
        let servers = servers.map(|server| ConfirmServer {
            host: ServerHost::Address(server.ip()),
            port: server.port(),
        });
        let settings = ConfirmSettings { servers: servers.into(), timeout: AMPLE };
        let zone = ConfirmZone {
            domain: "example.test".into(),
            provider: "BIND",
            addresses: [ip(1)].into(),
            settings,
            proxies: BySet::new(false),
        };
        let (sender, news) = mpsc::channel(64);
        let zones = ConfirmZones::from([(ZoneId::DEFAULT, zone)]);
        Self { confirmer: Confirmer::start(&Handle::current(), zones, sender), news }
    }

    /// Reports a change of 192.0.2.1, and returns its effect once it is visible, after the states before.
    async fn follow(&mut self, at: Instant, kind: ChangeKind) -> (Vec<ChangeEffect>, ChangeEffect) {
        let set = SetKey { name: WWW.into(), family: Family::A };
        let sets = vec![(set, Proof { ttl: Some(60), ..Proof::default() })];
        let change = MadeChange { service: None, address: ip(1), kind, sets };
        let made = MadeChanges { at, took: Duration::ZERO, changes: vec![change] };
        self.confirmer.sender(ZoneId::DEFAULT).send(made);
        let mut states = Vec::new();
        loop {
            let news = tokio::time::timeout(AMPLE, self.news.recv()).await.unwrap().unwrap();
            match news.news {
                EffectNews::Visible { effect, was_overdue: false } => return (states, effect),
                EffectNews::State(state, _) => states.extend(state),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Whether the primary shows the change while the secondary does not.
fn shows_the_primary_alone(effect: &ChangeEffect) -> bool {
    let states: Vec<&ServerState> = effect.servers.iter().map(|server| &server.state).collect();
    matches!(states[..], [ServerState::Shows(_), ServerState::Waiting(_)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lag_of_a_secondary_without_notify_is_measured() {
    if ![NAMED, KNOTD].iter().all(|program| Path::new(program).exists()) {
        return skip("there is no primary or no secondary; install bind9 and knot");
    }
    let rounds = std::env::var("GOAVAIL_LAG").ok().and_then(|text| text.parse().ok());
    let mut pair = Pair::start();
    let mut harness = Harness::start(pair.addresses());
    let mut kind = ChangeKind::Withdrawn;
    for _ in 0..rounds.unwrap_or(2) {
        let at = now();
        pair.change(if kind == ChangeKind::Withdrawn { &[2] } else { &[1, 2] });
        let [first, second] = pair.addresses().map(|it| tokio::spawn(watch_by_asking(it, kind)));
        let (states, effect) = harness.follow(at, kind).await;
        let seen = [first.await.unwrap(), second.await.unwrap()];
        assert_eq!(effect.state, EffectState::Visible);
        assert!(states.iter().any(shows_the_primary_alone), "{states:?}");
        // The servers changed after the last answer that did not show it.
        let last_unshown = seen.iter().map(|seen| seen.last_unshown).max().unwrap();
        assert!(at + effect.after > last_unshown, "{effect:?}: {seen:?}");
        let asked = seen.iter().map(|seen| seen.shown).max().unwrap().duration_since(at);
        if rounds.is_some() {
            let off = effect.after.abs_diff(asked);
            eprintln!("measured {:?}, asking shows {asked:?}, off by {off:?}", effect.after);
            assert!(off <= Duration::from_millis(20), "{effect:?}: {seen:?}");
        }
        kind = match kind {
            ChangeKind::Withdrawn => ChangeKind::Restored,
            _ => ChangeKind::Withdrawn,
        };
    }
}

/// A name server that is not there: the port is closed.
#[tokio::test]
async fn a_closed_port_is_no_answer_and_not_a_fault_of_this_machine() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let server = listener.local_addr().unwrap();
    drop(listener);
    let set = SetKey { name: WWW.into(), family: Family::A };
    let found = super::task::asked_once(server, &set).await;
    assert!(matches!(&found, Sighting::Nothing(why) if why.contains("refused")), "{found:?}");
}
