//! Where the person on call sits: a lab with one agent's place, a Cloudflare on that place's
//! loopback, and a folder with the configuration, the control socket and the state file, which
//! outlives each agent.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::agent::{Agent, Line, PATIENT, Setup, Within};
use crate::fake_cloudflare::{self, Entry, FakeCloudflare, Record, TOKEN};
use crate::lab::{Lab, Namespace, v4};

/// The name of the zone.
pub(super) const ZONE: &str = "example.com";

/// The managed names.
pub(super) const WWW: &str = "www.example.com";
pub(super) const API: &str = "api.example.com";

/// The two targets.
pub(super) fn one() -> IpAddr {
    v4(1)
}

/// The other one.
pub(super) fn two() -> IpAddr {
    v4(2)
}

/// Where the agent listens, in its own namespace.
pub(super) const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);

/// A state file beside the configuration.
pub(super) const STATE_FILE: &str = "state_file = \"state.json\"\n";

/// Field order is drop order.
pub(super) struct Harness {
    pub(super) cloudflare: FakeCloudflare,
    pub(super) lab: Lab,
    folder: TempDir,
    targets: Vec<IpAddr>,
}

/// The output of a command.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) complaint: String,
}

impl Harness {
    /// With [`one`] and [`two`] alive and in the zone at [`WWW`] and [`API`], each record with
    /// settings that the configuration does not know of. `top` goes before the sections.
    pub(super) fn new(top: &str) -> Self {
        Self::watching(top, &[one(), two()])
    }

    pub(super) fn watching(top: &str, targets: &[IpAddr]) -> Self {
        let lab = Lab::new();
        let setup = fake_cloudflare::Setup::default();
        let cloudflare = FakeCloudflare::start_with(ZONE, setup, lab.agent(0).entering());
        let folder = tempfile::tempdir().unwrap();
        let harness = Self { cloudflare, lab, folder, targets: targets.to_vec() };
        harness.lab.add(targets);
        for target in targets {
            harness.cloudflare.zone(|zone| {
                let www = zone.seed("A", WWW, &target.to_string());
                (www.ttl, www.comment) = (4321, Some("rack 7".into()));
                let api = zone.seed("A", API, &target.to_string());
                (api.ttl, api.proxied) = (1, true);
                // Without it no private address can be proxied.
                api.more.insert("private_routing".to_owned(), true.into());
            });
        }
        harness.write("goavail.toml", &harness.config(top));
        harness
    }

    /// A configuration; `top` goes before the sections.
    pub(super) fn config(&self, top: &str) -> String {
        let status = format!("listen = \"{LISTEN}\"\nsocket = \"control.sock\"\n");
        self.config_with(top, &status)
    }

    /// The same with another `[Status]`.
    pub(super) fn config_with(&self, top: &str, status: &str) -> String {
        let targets: Vec<_> = self.targets.iter().map(ToString::to_string).collect();
        // A death is noticed within a second; a machine that is busy for a tenth of one does no
        // harm.
        format!(
            "interval = 0.2\ntimeout = 0.5\nretry_interval = 0.1\nfailure_threshold = 3\n{top}\n\
             [Status]\n{status}[Cloudflare]\ndns_domain = \"{ZONE}\"\nttl = 300\n\
             hostnames = [\"www\", \"api\"]\nip_addresses = {targets:?}\napi_url = \"{}\"\n",
            self.cloudflare.url()
        )
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// An agent of the file `name` in the folder, that is about to be started.
    pub(super) fn setup(&self, name: &str) -> Setup {
        let file = self.path(name).display().to_string();
        let setup = Setup::new("", Within::Lab(self.lab.agent(0)));
        let setup = setup.env("CF_API_TOKEN", TOKEN).env("RUST_LOG", "info,goavail=trace");
        setup.args(["-f", file.as_str(), "--no-dry-run", "monitor"])
    }

    pub(super) fn start(&self) -> Agent {
        self.setup("goavail.toml").start()
    }

    /// An agent that has confirmed that its targets are alive.
    pub(super) fn confirmed(&self) -> Agent {
        let mut agent = self.start();
        for target in &self.targets {
            first(&mut agent, &["target confirmed up", &about(*target)]);
        }
        agent
    }

    /// Puts `config` into force by SIGHUP.
    pub(super) fn reload(&self, agent: &mut Agent, config: &str) {
        self.write("goavail.toml", config);
        agent.signal(Signal::HUP);
        agent.wait_for_words(&["configuration in force"]);
    }

    /// Runs `goavail` beside the agent, with the agent's file.
    pub(super) fn goavail(&self, arguments: &[&str]) -> Said {
        let mut command = self.lab.agent(0).command(env!("CARGO_BIN_EXE_goavail"));
        command.env_clear().env("CF_API_TOKEN", TOKEN);
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        let output = command.arg("-f").arg(self.path("goavail.toml")).args(arguments).output();
        let output = output.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said {
            code: output.status.code(),
            out: text(output.stdout),
            complaint: text(output.stderr),
        }
    }

    /// Runs it, and expects that it ends as asked; its output.
    pub(super) fn done(&self, arguments: &[&str]) -> String {
        let said = self.goavail(arguments);
        assert_eq!((said.code, said.complaint.as_str()), (Some(0), ""), "{arguments:?}: {said:?}");
        said.out
    }

    /// A connection to the status listener.
    pub(super) fn connect(&self) -> TcpStream {
        let stream = self.lab.agent(0).run(|| TcpStream::connect_timeout(&LISTEN, PATIENT));
        let stream = stream.unwrap();
        stream.set_read_timeout(Some(PATIENT)).unwrap();
        stream
    }

    /// A connection to the control socket.
    pub(super) fn connect_control(&self) -> UnixStream {
        let stream = UnixStream::connect(self.path("control.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENT)).unwrap();
        stream
    }

    /// Asks the status listener for `path`: status and body.
    pub(super) fn get(&self, path: &str) -> (u16, String) {
        ask(self.connect(), &format!("GET {path}"))
    }

    /// The agent's own view.
    pub(super) fn status(&self) -> Value {
        let (code, body) = self.get("/status");
        assert_eq!(code, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Its view of one target.
    pub(super) fn shown(&self, target: IpAddr) -> Value {
        let address = target.to_string();
        let targets = self.status()["targets"].take();
        let targets = targets.as_array().unwrap().iter();
        targets.clone().find(|shown| shown["address"] == address).expect("watched").clone()
    }

    /// Waits until the view of `target` is as wanted. Each probe is an occasion to look again.
    pub(super) fn until_shown(
        &self,
        agent: &mut Agent,
        target: IpAddr,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let begun = now();
        loop {
            let shown = self.shown(target);
            if wanted(&shown) {
                return shown;
            }
            assert!(begun.elapsed() < PATIENT, "it was never shown so: {shown:#}");
            agent.wait_for_words(&["outcome="]);
        }
    }

    /// The records that hold `target`, by name.
    pub(super) fn records(&self, target: IpAddr) -> Vec<Record> {
        let content = target.to_string();
        let mut records = self.cloudflare.zone(|zone| zone.records.clone());
        records.retain(|record| record.content == content);
        records.sort_by(|one, next| one.name.cmp(&next.name));
        records
    }

    /// Asserts that the records of `target` are as they were before anybody touched them.
    pub(super) fn assert_untouched(&self, target: IpAddr) {
        let records = self.records(target);
        let settings: Vec<_> = records
            .iter()
            .map(|record| {
                (record.name.as_str(), record.ttl, record.proxied, record.comment.clone())
            })
            .collect();
        let want = [(API, 1, true, None), (WWW, 4321, false, Some("rack 7".to_owned()))];
        assert_eq!(settings, want);
    }

    /// How many requests to write have come in.
    pub(super) fn writes(&self) -> usize {
        self.cloudflare.count(Entry::writes)
    }

    /// Takes webhook posts in the agent's namespace. Returns their address and the received posts.
    pub(super) fn inbox(&self) -> (String, Receiver<Value>) {
        inbox_in(self.lab.agent(0))
    }
}

/// Takes webhook posts in `place`. Returns their address and the received posts.
pub(crate) fn inbox_in(place: &Namespace) -> (String, Receiver<Value>) {
    let listener = place.run(|| TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, notices) = channel();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let Some(notice) = posted(&mut stream) else { continue };
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            // The agent may have been killed in between.
            let _ = stream.write_all(answer);
            if sender.send(notice).is_err() {
                return;
            }
        }
    });
    (format!("http://{address}/"), notices)
}

/// The JSON body of a request.
fn posted(stream: &mut TcpStream) -> Option<Value> {
    let (mut request, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let length = stream.read(&mut part).ok().filter(|length| *length > 0)?;
        request.extend_from_slice(&part[..length]);
        let text = String::from_utf8_lossy(&request);
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body);
        if let Some(notice) = body.and_then(|body| serde_json::from_str(body).ok()) {
            return Some(notice);
        }
    }
}

/// The next notice of this kind.
pub(crate) fn notice(notices: &Receiver<Value>, kind: &str) -> Value {
    loop {
        let notice = notices.recv_timeout(PATIENT).unwrap_or_else(|_| panic!("no {kind} came"));
        if notice["kind"] == kind {
            return notice;
        }
    }
}

/// Sends one request without a body; status and body of the answer.
pub(super) fn ask(mut stream: impl Read + Write, line: &str) -> (u16, String) {
    let request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    (head[9..12].parse().unwrap(), body.to_owned())
}

/// `target=address`, so that one address is not taken for a longer one.
pub(super) fn about(target: IpAddr) -> String {
    format!("target={target} ")
}

/// The first line that holds all of `words`, waited for if need be.
pub(super) fn first(agent: &mut Agent, words: &[&str]) -> Line {
    nth(agent, 1, words)
}

/// The `count`-th one.
pub(super) fn nth(agent: &mut Agent, count: usize, words: &[&str]) -> Line {
    loop {
        if let Some(line) = agent.lines_with(words).get(count - 1) {
            return line.clone();
        }
        agent.wait_for_words(words);
    }
}

/// How many there are by now.
pub(super) fn count(agent: &mut Agent, words: &[&str]) -> usize {
    agent.lines_with(words).len()
}

#[expect(clippy::disallowed_methods, reason = "bounds are real time")]
fn now() -> Instant {
    Instant::now()
}
