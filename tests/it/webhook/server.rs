//! The server of `serve.py`, one for the process of the tests, with any number of zones.

use std::path::Path;
use std::process::Child;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Map, Value, json};

use crate::lab::is_ci;
use crate::python;

/// The packages, with their hashes.
const REQUIREMENTS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/webhook/requirements.txt");

/// The running server. It ends when the process of the tests does, since its standard input ends then.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

static SERVER: LazyLock<Option<Server>> = LazyLock::new(start);

/// Whether the server runs. If not, that was said.
pub(crate) fn is_here() -> bool {
    SERVER.is_some()
}

#[expect(clippy::print_stderr, reason = "a skip has to be seen")]
fn start() -> Option<Server> {
    let packages = ["--require-hashes", "-r", REQUIREMENTS];
    let started =
        python::environment("openapi-core-0.23.1", &packages).and_then(|python| serve(&python));
    match started {
        Ok(server) => Some(server),
        Err(why) if is_ci() => {
            panic!("there is no openapi-core, and in CI there has to be: {why}")
        }
        Err(why) => {
            eprintln!("SKIPPED: there is no openapi-core to test the webhook against: {why}");
            None
        }
    }
}

fn serve(python: &Path) -> Result<Server, String> {
    let (child, line) = python::serve(python, "webhook/serve.py", &[])?;
    let port = line.trim().parse().map_err(|_| format!("no port: {line}"))?;
    Ok(Server { child, port })
}

/// A zone of its own on the server. It may be used only where the server runs.
pub(crate) struct ServedZone {
    /// The first part of the webhook's path.
    pub(crate) name: String,
    port: u16,
    http: reqwest::Client,
}

/// Serves an empty zone.
pub(crate) fn served_zone(zone: &str) -> ServedZone {
    static NTH: AtomicU32 = AtomicU32::new(0);
    let nth = NTH.fetch_add(1, Ordering::Relaxed);
    let port = SERVER.as_ref().unwrap().port;
    ServedZone {
        name: format!("z{nth}.{zone}"),
        port,
        http: goavail::testing::http::client().unwrap(),
    }
}

impl ServedZone {
    /// Returns `host:port` of the server.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn control(&self) -> String {
        format!("http://{}/control/{}", self.host(), self.name)
    }

    /// Replaces a part of the zone, or of its provider's ways.
    pub(crate) async fn set(&self, part: &str, value: &Value) {
        let body = json!({ part: value }).to_string();
        let answer = self.http.put(self.control()).body(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    /// Gives the provider these ways, and no others.
    pub(crate) async fn behave(&self, traits: &[(&str, &str)]) {
        let traits: Map<String, Value> =
            traits.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        self.set("traits", &traits.into()).await;
    }

    /// Returns the endpoints. No request and no answer may have differed from the description so far.
    pub(crate) async fn endpoints(&self) -> Vec<Value> {
        let answer = self.http.get(self.control()).send().await.unwrap();
        let shown: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(shown["violations"], json!([]), "not as the protocol is described");
        shown["endpoints"].as_array().unwrap().clone()
    }
}
