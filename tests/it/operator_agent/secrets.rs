//! No secret that the agent is given is in anything that it or its commands say, at the most verbose
//! level, in any failure; nor in the state file, nor in its notices.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustix::process::Signal;

use super::harness::{Harness, STATE_FILE, about, ask, first, nth, one, two};
use crate::agent::{Agent, BINARY, PATIENT, Setup, Within};
use crate::fake_cloudflare::{EMAIL, Entry, Fault, KEY, TOKEN};
use crate::lab::{Place, link_v4, run};

/// The key of the cluster's agents.
const CLUSTER: &str = "cl5st3r-m4rk3r-1";

/// The path of a Slack webhook.
const SLACK: [&str; 3] = ["T0M4RK3RSLACK", "B0M4RK3RSLACK", "x0m4rk3rslackx0m4rk3rslack"];

/// The secrets in the other webhook: a part of its path, a part of its query.
const HOOK: [&str; 2] = ["h00kp4thm4rk3r", "h00kqu3rym4rk3r"];

/// The credentials for the proxy.
const PROXY: [&str; 2] = ["pr0xyus3r", "pr0xyp4ssw0rd"];

/// The secrets of channels, each in a file: of Telegram, of ntfy (its topic, its token), of PagerDuty, of a
/// webhook.
const CHANNELS: [&str; 5] = [
    "424242:t3l3gr4mm4rk3r",
    "ntfyt0picm4rk3r",
    "ntfyt0kenm4rk3r",
    "p4g3rdutym4rk3rp4g3rdutym4rk3r42",
    "w3bh00kt0kenm4rk3r",
];

/// Nobody listens there.
const NOBODY: &str = "127.0.0.1:9";

/// How the secrets are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// In the environment's variables.
    Variables,
    /// In files that variables name.
    Files,
    /// In the configuration, as far as that may hold them; and the global key.
    Configuration,
}

/// Asserts that nothing secret is in `text`, as it is or as it may stand in a header.
fn is_clean(of: &str, text: &str) {
    let coded = [CLUSTER, TOKEN, KEY, &PROXY.join(":")];
    let coded = coded.map(|secret| BASE64_STANDARD.encode(secret));
    let plain = [TOKEN, KEY, CLUSTER].into_iter().chain(SLACK).chain(HOOK).chain(PROXY);
    let plain = plain.chain(CHANNELS);
    for secret in plain.chain(coded.iter().map(String::as_str)) {
        if let Some(line) = text.lines().find(|line| line.contains(secret)) {
            panic!("{of} holds {secret}: {line}");
        }
    }
}

/// Takes posts at `address` in the agent's namespace and repeats in its answer all that it was sent:
/// the first one gets `refusal`, the others 200. Returns the received posts.
fn post_office(harness: &Harness, refusal: &'static str) -> (SocketAddr, Receiver<String>) {
    let listener = harness.lab.agent(0).run(|| TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, posts) = channel();
    std::thread::spawn(move || {
        let mut refusals = std::iter::once(refusal);
        while let Ok((mut stream, _)) = listener.accept() {
            let Some((head, body)) = request(&mut stream) else { continue };
            let status = refusals.next().unwrap_or("200 OK");
            let said = format!("{head}\r\n\r\n{body}");
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{said}",
                said.len()
            );
            // The agent may have been killed by then.
            let _ = stream.write_all(answer.as_bytes());
            if sender.send(body).is_err() {
                return;
            }
        }
    });
    (address, posts)
}

/// The head and the JSON body of a request.
fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    let (mut request, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let length = stream.read(&mut part).ok().filter(|length| *length > 0)?;
        request.extend_from_slice(&part[..length]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        if serde_json::from_str::<serde_json::Value>(body).is_ok() {
            return Some((head.to_owned(), body.to_owned()));
        }
    }
}

/// Channels to a receiver that repeats in its answers all that it was sent, and refuses the first notice.
fn channels(harness: &Harness) -> String {
    let (address, posts) = post_office(harness, "403 Forbidden");
    std::thread::spawn(move || posts.iter().for_each(drop));
    for (nth, secret) in CHANNELS.iter().enumerate() {
        harness.write(&format!("channel{nth}"), &format!("{secret}\n"));
    }
    harness.write("channel-url", &format!("http://{address}/hook\n"));
    let server = format!("server = \"http://{address}\"");
    format!(
        "[[notify]]\nto = \"telegram\"\ntoken_file = \"channel0\"\nchat = 1\n{server}\n\
         [[notify]]\nto = \"ntfy\"\ntopic_file = \"channel1\"\ntoken_file = \"channel2\"\n{server}\n\
         [[notify]]\nto = \"pagerduty\"\ntoken_file = \"channel3\"\n{server}\n\
         [[notify]]\nto = \"webhook\"\nurl_file = \"channel-url\"\ntoken_file = \"channel4\"\n"
    )
}

/// A harness, and how its agent is given its secrets.
struct SecretSource {
    harness: Harness,
    way: Way,
    /// The environment of the agent.
    env: Vec<(&'static str, String)>,
    config: String,
}

impl SecretSource {
    /// `slack` and `proxy` listen for posts; the webhook is reached through the proxy.
    fn new(way: Way, slack: impl FnOnce(&Harness) -> (SocketAddr, SocketAddr)) -> Self {
        let harness = Harness::new("");
        let (slack, proxy) = slack(&harness);
        let far = link_v4(Place::World);
        let ([team, app, hook], [path, query]) = (SLACK, HOOK);
        let top = format!(
            "{STATE_FILE}min_in_service = 1\nname = \"sfo-1\"\n\
             slack_addr = \"http://{slack}/services/{team}/{app}/{hook}\"\n\
             webhook_url = \"http://{far}/{path}?token={query}\"\n"
        );
        let key = match way {
            Way::Configuration => format!("crypto_key = \"{CLUSTER}\"\n"),
            Way::Variables | Way::Files => String::new(),
        };
        let config = harness.config(&top)
            + &format!(
                "[Members]\nlocal_addr = \"{}:8081\"\npeers = [\"{far}:8081\"]\n\
                 min_peers_agree = 0\nrequire_signed = true\n{key}",
                link_v4(Place::Agent(0))
            );
        let config = config + &channels(&harness);
        harness.write("goavail.toml", &config);
        harness.write("token", &format!("{TOKEN}\n"));
        harness.write("key", CLUSTER);
        let file = |name: &str| harness.path(name).display().to_string();
        let [user, password] = PROXY;
        let mut env = vec![("HTTP_PROXY", format!("http://{user}:{password}@{proxy}"))];
        env.extend(match way {
            Way::Variables => {
                [("CF_API_TOKEN", TOKEN.into()), ("GOAVAIL_CRYPTO_KEY", CLUSTER.into())]
            }
            Way::Files => {
                [("CF_API_TOKEN_FILE", file("token")), ("GOAVAIL_CRYPTO_KEY_FILE", file("key"))]
            }
            Way::Configuration => [("CF_API_KEY", KEY.into()), ("CF_API_EMAIL", EMAIL.into())],
        });
        env.push(("RUST_LOG", "trace".into()));
        Self { harness, way, env, config }
    }

    /// An agent that says everything that anything in it has to say.
    fn setup(&self) -> Setup {
        let file = self.harness.path("goavail.toml").display().to_string();
        let setup = Setup::new("", Within::Lab(self.harness.lab.agent(0)));
        let setup = self.env.iter().fold(setup, |setup, (name, value)| setup.env(name, value));
        setup.args(["--debug", "-f", file.as_str(), "--no-dry-run", "monitor"])
    }

    /// Runs a command beside the agent; its output holds no secret. Returns its exit code.
    fn runs(&self, arguments: &[&str]) -> Option<i32> {
        let mut command = self.harness.lab.agent(0).command(BINARY);
        command.env_clear().envs(self.env.iter().map(|(name, value)| (name, value)));
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.args(["--debug", "--no-dry-run", "-f"]).arg(self.harness.path("goavail.toml"));
        let output = command.args(arguments).output().unwrap();
        for said in [output.stdout, output.stderr] {
            is_clean(&format!("{:?}: {arguments:?}", self.way), &String::from_utf8_lossy(&said));
        }
        output.status.code()
    }

    /// An agent that is refused at the start.
    fn ends_at_once(&self, fault: Fault) {
        let name = format!("{:?}: refused at the start", self.way);
        let refusals = self.harness.cloudflare.script(100, |_| true, fault);
        let ended = self.setup().start().wait_end(PATIENT);
        drop(refusals);
        self.harness.cloudflare.forget_scripts();
        assert_eq!(ended.status.code(), Some(2), "{name}: {}", ended.stderr);
        is_clean(&name, &(ended.stdout + &ended.stderr));
    }

    /// Each command, while all is well or not.
    fn all_commands(&self) {
        for command in [
            &["check"][..],
            &["plan"],
            &["plan", "--json"],
            &["notify", "--test"],
            &["notify", "--test", "--json"],
            &["status"],
            &["status", "--json"],
            &["drain", "10.0.0.2", "--force", "--reason", "disk swap"],
            &["status"],
            &["undrain", "10.0.0.2"],
            &["drain", "10.0.0.99"],
        ] {
            self.runs(command);
        }
        for path in ["/", "/?all", "/status", "/metrics", "/healthz", "/verdict/10.0.0.1"] {
            let (_, body) = self.harness.get(path);
            is_clean(&format!("{:?}: {path}", self.way), &body);
            let (_, body) = ask(self.harness.connect_control(), &format!("GET {path}"));
            is_clean(&format!("{:?}: {path} of the socket", self.way), &body);
        }
        let (_, head) = ask(self.harness.connect_control(), "POST /drain/10.0.0.1?reason=x&bad=1");
        is_clean("an order", &head);
    }

    /// Files in which something is wrong beside a secret, or the secret itself is.
    fn broken(&self) -> [String; 5] {
        let all = &self.config;
        [
            all.replace("slack_addr = \"", "slack_addr = "),
            all.replace(
                "webhook_url = \"http://",
                &format!("webhook_url = \"http://{}@", PROXY.join(":")),
            ),
            all.replace("webhook_url", "webhook_urll"),
            all.replace("[Members]", &format!("[Members]\ncrypto_key = \"{CLUSTER}")),
            all.replace("[Members]", &format!("[Members]\ncrypto_key = \"{CLUSTER}{CLUSTER}x\"")),
        ]
    }
}

/// A response of the API, or of a machine on the way, that repeats the request.
fn echo(way: Way) -> String {
    let secret = if way == Way::Configuration { KEY } else { TOKEN };
    format!("Bearer {secret}")
}

fn refusal(status: u16, message: &str) -> Fault {
    let error = format!("{{\"code\":10000,\"message\":\"Authentication error: {message}\"}}");
    Fault::Answer(status, format!("{{\"success\":false,\"errors\":[{error}],\"result\":null}}"))
}

#[test]
fn secrets_from_variables_appear_in_no_output_of_an_agent_or_its_commands() {
    run(|| reveals_no_secret(Way::Variables));
}

#[test]
fn secrets_from_files_appear_in_no_output_of_an_agent_or_its_commands() {
    run(|| reveals_no_secret(Way::Files));
}

#[test]
fn secrets_from_the_configuration_appear_in_no_output_of_an_agent_or_its_commands() {
    run(|| reveals_no_secret(Way::Configuration));
}

/// A failover on which everything goes wrong once.
fn failover(source: &SecretSource, agent: &mut Agent) {
    let (harness, way) = (&source.harness, source.way);
    let page = format!("<html><title>{}</title>{}</html>", echo(way), echo(way));
    let faults = [refusal(403, &echo(way)), Fault::Answer(500, page), Fault::CutBefore];
    for fault in faults {
        harness.cloudflare.script(1, Entry::writes, fault);
    }
    harness.lab.remove(&[one()]);
    first(agent, &["withdrew", &about(one())]);
    is_clean("the state file", &std::fs::read_to_string(harness.path("state.json")).unwrap());
}

/// Reloads of files with a problem beside a secret or in it, and of the good one.
fn reloads(source: &SecretSource, agent: &mut Agent) {
    let harness = &source.harness;
    for (round, broken) in source.broken().iter().enumerate() {
        harness.write("goavail.toml", broken);
        agent.signal(Signal::HUP);
        nth(agent, round + 1, &["the old configuration stays in force"]);
        assert_eq!(source.runs(&["check"]), Some(2), "{broken}");
        source.runs(&["plan"]);
        source.runs(&["status"]);
    }
    harness.write("goavail.toml", &source.config);
    agent.signal(Signal::HUP);
    first(agent, &["configuration in force"]);
    harness.lab.add(&[one()]);
    first(agent, &["restored", &about(one())]);
}

fn reveals_no_secret(way: Way) {
    let (mut slack, mut hook) = (None, None);
    let source = SecretSource::new(way, |harness| {
        let (slack_at, slack_posts) = post_office(harness, "500 Oops");
        let (proxy_at, hook_posts) = post_office(harness, "407 Proxy Authentication Required");
        (slack, hook) = (Some(slack_posts), Some(hook_posts));
        (slack_at, proxy_at)
    });
    let (slack, hook) = (slack.unwrap(), hook.unwrap());
    let harness = &source.harness;
    for status in [401, 403] {
        source.ends_at_once(refusal(status, &echo(way)));
    }

    let mut agent = source.setup().start();
    for target in [one(), two()] {
        first(&mut agent, &["target confirmed up", &about(target)]);
    }
    source.all_commands();

    failover(&source, &mut agent);
    reloads(&source, &mut agent);

    // Commands that get no answer, or a bad one.
    for fault in [refusal(403, &echo(way)), Fault::Answer(502, echo(way)), Fault::CutBefore] {
        harness.cloudflare.script(1, |_| true, fault);
        source.all_commands();
    }
    harness.write(
        "goavail.toml",
        &source.config.replace(&harness.cloudflare.address().to_string(), NOBODY),
    );
    source.runs(&["plan"]);

    agent.signal(Signal::TERM);
    let ended = agent.wait_end(PATIENT);
    assert_eq!(ended.status.code(), Some(0), "{way:?}");
    assert!(ended.stderr.contains("TRACE"), "it says everything");
    is_clean(&format!("{way:?}: the agent"), &(ended.stdout + &ended.stderr));
    for command in [&["status"][..], &["drain", "10.0.0.1"]] {
        assert_eq!(source.runs(command), Some(1), "nobody answers");
    }
    is_clean("the state file", &std::fs::read_to_string(harness.path("state.json")).unwrap());
    for (channel, posts) in [("slack", slack), ("the webhook", hook)] {
        let posts: Vec<_> = posts.try_iter().collect();
        assert!(posts.len() > 1, "{channel} was told: {posts:?}");
        is_clean(channel, &posts.concat());
    }
}
