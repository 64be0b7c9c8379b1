//! Debian's Prometheus beside the whole agent: it scrapes a failover, loads the rules that the binary
//! prints, and is asked each query of the rules and of the dashboard.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::https::{OK, unless};
use super::servers::{DOMAIN, Host, Nginx, are_installed};
use crate::agent::{Agent, BINARY, Setup, Within};
use crate::cluster_net::in_time;
use crate::fake_cloudflare::{FakeCloudflare, TOKEN};
use crate::http_probe::authority::{Authority, VALID};
use crate::name_server::{Manner, NameServer};
use crate::notify;
use crate::tcp_services::loopback_addresses;

/// The only managed name.
const WWW: &str = "www.example.com";

/// Returns the output of the binary for this command.
fn printed(command: &str) -> String {
    let output = Command::new(BINARY).arg(command).output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs promtool with this text as its standard input. Returns its output.
fn promtool(arguments: &[&str], input: &str) -> String {
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(output.status.success(), "promtool {arguments:?}: {text}");
    text
}

/// Each alert fires and stops on made-up series.
#[test]
fn each_rule_is_good_and_each_alert_fires_and_stops() {
    if !are_installed(&["promtool"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let rules = printed("rules");
    std::fs::write(file("rules.yml"), &rules).unwrap();
    let cases = include_str!("alerts.yml");
    std::fs::write(file("alerts.yml"), cases).unwrap();
    let said = promtool(&["check", "rules", "--lint-fatal", &file("rules.yml")], "");
    assert!(said.contains("19 rules found"), "{said}");
    promtool(&["test", "rules", &file("alerts.yml")], "");
    for alert in alerts(&rules) {
        let its = format!("alertname: {alert}\n");
        let tests: Vec<&str> = cases.split("- eval_time:").filter(|it| it.contains(&its)).collect();
        let silent = tests.iter().filter(|it| it.contains("exp_alerts: []")).count();
        assert!(silent > 0 && silent < tests.len(), "{alert} fires and is silent in a test");
    }
}

/// Returns the names of the alerts in these rules.
fn alerts(rules: &str) -> Vec<&str> {
    rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect()
}

#[test]
fn each_alert_stands_on_the_page_about_monitoring() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/monitoring.md")).unwrap();
    let rules = printed("rules");
    for alert in alerts(&rules) {
        assert!(page.contains(&format!("| `{alert}` |")), "{alert}");
    }
}

/// A running Prometheus.
struct Prometheus {
    child: Child,
    url: String,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// Starts one that scrapes an agent all the time, with the rules of the binary.
    fn start(folder: &Path, agent: &str) -> Self {
        std::fs::write(folder.join("rules.yml"), printed("rules")).unwrap();
        let config = format!(
            "global: {{ scrape_interval: 300ms, scrape_timeout: 300ms, evaluation_interval: 300ms }}\n\
             rule_files: [ rules.yml ]\n\
             scrape_configs:\n- job_name: goavail\n  static_configs: [ {{ targets: [ \"{agent}\" ] }} ]\n"
        );
        std::fs::write(folder.join("prometheus.yml"), config).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "prometheus", "--log.level=error"])
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, url: format!("http://{address}/api/v1") }
    }

    /// Asks the API. Null while it does not answer.
    async fn ask(&self, path: &str) -> Value {
        let client = goavail::testing::http::client().unwrap();
        let Ok(answer) = client.get(format!("{}{path}", self.url)).send().await else {
            return Value::Null;
        };
        answer.json().await.unwrap_or_default()
    }

    /// Returns the number of series that a query has now.
    async fn series(&self, query: &str) -> usize {
        let mut path = String::from("/query?query=");
        for byte in query.bytes() {
            let _ = write!(path, "%{byte:02X}");
        }
        let answer = self.ask(&path).await;
        if !answer.is_null() {
            assert_eq!(answer["status"], "success", "{query}: {answer}");
        }
        answer["data"]["result"].as_array().map_or(0, Vec::len)
    }

    /// Waits until a query has series. Prometheus does not announce its scrapes.
    async fn has(&self, query: &str) {
        in_time(async {
            while self.series(query).await == 0 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
        .await;
    }
}

/// Three addresses behind nginx, a provider, a name server and a receiver of notices.
struct Scene {
    authority: Authority,
    nginx: Nginx,
    cloudflare: FakeCloudflare,
    name_server: NameServer,
    receiver: notify::Server,
    listen: String,
}

impl Scene {
    async fn new() -> Self {
        let authority = Authority::new("Ours");
        let identity = authority.issue(&[WWW], VALID);
        let answers = ["one", "two", "three"].map(|file| unless(&authority, file, "return 503;"));
        assert!(answers[0].ends_with(OK), "{answers:?}");
        let host = Host { name: "www", identities: [&identity; 3], answers };
        let nginx = Nginx::start(&identity, &[host]);
        let cloudflare = FakeCloudflare::start(DOMAIN);
        let primaries = &nginx.addresses[..2];
        for target in primaries {
            cloudflare.zone(|zone| _ = zone.seed("A", WWW, &target.to_string()));
        }
        let name_server = NameServer::start(primaries, Manner::Well);
        let receiver = notify::Server::start(&[]).await;
        let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        Self { authority, nginx, cloudflare, name_server, receiver, listen }
    }

    /// A file that uses every part with metrics of its own.
    fn config(&self) -> String {
        let addresses: Vec<String> = self.nginx.addresses.iter().map(IpAddr::to_string).collect();
        let (hosts, port) = loopback_addresses(2);
        let (_, gossip) = loopback_addresses(1);
        format!(
            "interval = 0.5\ntimeout = 5\nretry_interval = 0.2\nfailure_threshold = 3\nreturn_delay = 600\n\
             webhook_url = \"{}\"\n[Status]\nlisten = \"{}\"\nsocket = \"control.sock\"\n\
             [Members]\nlocal_addr = \"{}:{port}\"\npeers = [\"{}:{port}\"]\nmembers_port = {gossip}\n\
             [zone.main]\nprovider = \"cloudflare\"\ndomain = \"{DOMAIN}\"\napi_url = \"{}\"\nttl = 60\n\
             confirm = true\nconfirm_servers = [\"{}\"]\n\
             [check.web]\ntype = \"https\"\nport = {}\nca_file = \"{}\"\n\
             [[service]]\nname = \"www\"\nhostnames = [\"www\"]\ncheck = \"web\"\n\
             ip_addresses = {:?}\nstandby = {:?}\n",
            self.receiver.url,
            self.listen,
            hosts[0],
            hosts[1],
            self.cloudflare.url(),
            self.name_server.text(),
            self.nginx.port,
            self.authority.file().display(),
            &addresses[..2],
            &addresses[2..],
        )
    }

    /// Plays a failover: the second address answers 503, is withdrawn, and answers again.
    fn fail_over(&self, agent: &mut Agent) {
        let target = self.nginx.addresses[1].to_string();
        let file = self.authority.folder().join("two");
        std::fs::write(&file, "").unwrap();
        agent.wait_for_words(&["withdrew", &target]);
        self.name_server.hold(&self.nginx.addresses[..1]);
        agent.wait_for_words(&["change is visible"]);
        std::fs::remove_file(&file).unwrap();
        agent.wait_for_words(&["target up", &target]);
    }
}

/// Returns the expressions of the rules, each as one line.
fn expressions(rules: &str) -> Vec<String> {
    let mut lines = rules.lines().map(str::trim);
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        match line.strip_prefix("expr: ") {
            Some(">-") => found.extend(lines.next().map(str::to_owned)),
            Some(expression) => found.push(expression.to_owned()),
            None => {}
        }
    }
    found
}

/// Returns a query that has the series of a condition whether it holds or not.
fn unconditional(query: &str) -> String {
    let inner = query.strip_prefix("absent(").and_then(|rest| rest.strip_suffix(')'));
    let mut query = inner.unwrap_or(query).to_owned();
    for comparison in [" == ", " > ", " < "] {
        query = query.replace(comparison, &format!("{comparison}bool "));
    }
    query
}

/// Returns the queries of the dashboard, with all chosen.
fn dashboard_queries(dashboard: &str) -> Vec<String> {
    let dashboard: Value = serde_json::from_str(dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let mut targets: Vec<&Value> =
        panels.filter_map(|panel| panel["targets"].as_array()).flatten().collect();
    targets.extend(dashboard["annotations"]["list"].as_array().unwrap());
    let mut queries = Vec::new();
    for target in targets {
        let mut query = target["expr"].as_str().unwrap().replace("$__rate_interval", "1m");
        for variable in ["$job", "$instance", "$service"] {
            query = query.replace(variable, ".*");
        }
        assert!(!query.contains('$'), "{query}");
        queries.push(query);
    }
    queries
}

/// Returns the metrics that a query names.
fn named(query: &str) -> Vec<&str> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("goavail_")).collect()
}

async fn metrics(listen: &str) -> String {
    let client = goavail::testing::http::client().unwrap();
    let answer = client.get(format!("http://{listen}/metrics")).send().await.unwrap();
    answer.text().await.unwrap()
}

/// The alert about a refused reload fires at the first one. kyverno/kyverno#6962: a counter that begins
/// with 1 has no increase.
async fn the_first_refused_reload_is_noticed(agent: &mut Agent, prometheus: &Prometheus) {
    prometheus.has("goavail_reloads_total{outcome=\"refused\"} == 0").await;
    agent.rewrite("interval = 0\n");
    agent.signal(Signal::HUP);
    prometheus.has("ALERTS{alertname=\"GoavailReloadRefused\",alertstate=\"firing\"}").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_query_of_rules_and_dashboard_has_data_in_a_prometheus_that_scraped_a_failover() {
    if !are_installed(&["nginx", "prometheus", "promtool"]) {
        return;
    }
    let scene = Scene::new().await;
    let setup = Setup::new(&scene.config(), Within::Here).env("CF_API_TOKEN", TOKEN);
    let mut agent = setup.args(["--no-dry-run", "monitor"]).start();
    agent.nth(3, &["target confirmed up"]);
    let folder = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::start(folder.path(), &scene.listen);
    prometheus.has("goavail_failover_seconds_count == 0").await;
    scene.fail_over(&mut agent);
    let text = metrics(&scene.listen).await;
    promtool(&["check", "metrics"], &text);

    let done = "increase(goavail_dns_changes_total{action=\"withdraw\"}[1d]) > 0 \
                and on () goavail_target_return_timestamp_seconds";
    prometheus.has(done).await;
    let rules = printed("rules");
    let dashboard = printed("dashboard");
    let queries = [expressions(&rules), dashboard_queries(&dashboard)].concat();
    assert!(queries.len() > 50, "{}", queries.len());
    let mut empty = Vec::new();
    for query in &queries {
        for name in named(query) {
            let family = ["_sum", "_count", "_bucket"].iter().find_map(|it| name.strip_suffix(it));
            let line = format!("# TYPE {} ", family.unwrap_or(name));
            assert!(text.contains(&line), "{query}: there is no {name}");
        }
        if prometheus.series(&unconditional(query)).await == 0 {
            empty.push(query);
        }
    }
    assert!(empty.is_empty(), "{empty:#?}\n{text}");
    // Each family is shown or watched by at least one query.
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap_or_default();
        assert!(queries.iter().any(|query| query.contains(name)), "nothing shows {name}");
    }
    let loaded = prometheus.ask("/rules").await.to_string();
    assert_eq!(loaded.matches("\"type\":\"alerting\"").count(), alerts(&rules).len());
    assert!(!loaded.contains("\"health\":\"err\""), "{loaded}");
    the_first_refused_reload_is_noticed(&mut agent, &prometheus).await;
}
