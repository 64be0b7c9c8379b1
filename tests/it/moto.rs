//! moto, an independent Route 53, as a server on loopback.
//!
//! It is taken from the machine's Python if that has it, or else installed into a virtual
//! environment under `target/`, once. Without either, tests that need it print SKIPPED and pass,
//! except with `CI=true`: there they fail. `moto/serve.py` describes its differences from the
//! original moto.

#![expect(clippy::unwrap_used, reason = "where a test unwraps, it asserts")]

use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::LazyLock;

use aws_config::{BehaviorVersion, ConfigLoader};
use aws_sdk_route53::Client;
use aws_sdk_route53::config::Region;
use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, HealthCheckConfig, HealthCheckType, HostedZoneConfig,
    ResourceRecord, ResourceRecordSet, RrType,
};
use aws_types::os_shim_internal::{Env, Fs};

use crate::lab::is_ci;
use crate::python;

/// The packages that are installed if the machine has no moto.
const PACKAGE: &str = "moto[server]==5.2.5";

/// A running moto. It ends when this is dropped, and when the test's process ends in any way,
/// because its standard input ends then.
pub(crate) struct Moto {
    child: Child,
    /// The address of the server, with the host as an IP address.
    pub(crate) host: String,
    /// A user's access key.
    pub(crate) key: String,
    /// The key's secret.
    pub(crate) secret: String,
    /// The credentials issued to a role: key, secret and session token.
    pub(crate) issued: [String; 3],
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the moto of this process, with Route 53's rules. `None` is a loud skip.
pub(crate) fn moto() -> Option<&'static Moto> {
    static MOTO: LazyLock<Option<Moto>> = LazyLock::new(|| start(&[]));
    MOTO.as_ref()
}

/// Returns an original moto.
pub(crate) fn plain_moto() -> Option<Moto> {
    start(&["--plain"])
}

#[expect(clippy::print_stderr, reason = "a skip has to be seen")]
fn start(options: &[&str]) -> Option<Moto> {
    // The machine's own Python first: it answers in less than a second, or not at all.
    let started = serve(Path::new("python3"), options)
        .or_else(|_| installed().and_then(|python| serve(&python, options)));
    match started {
        Ok(moto) => Some(moto),
        Err(why) if is_ci() => {
            panic!("there is no moto, and in CI there has to be: {why}")
        }
        Err(why) => {
            eprintln!("SKIPPED: there is no moto to test Route 53 against: {why}");
            None
        }
    }
}

/// Returns the Python of a virtual environment that has moto.
fn installed() -> Result<PathBuf, String> {
    python::environment("moto-5.2.5", &[PACKAGE])
}

fn serve(python: &Path, options: &[&str]) -> Result<Moto, String> {
    let (child, line) = python::serve(python, "moto/serve.py", options)?;
    let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
    let Ok([port, key, secret, issued @ ..]) = <[String; 6]>::try_from(words) else {
        return Err(format!("no port and keys: {line}"));
    };
    Ok(Moto { child, host: format!("127.0.0.1:{port}"), key, secret, issued })
}

impl Moto {
    /// Returns the credential chain of an environment with this moto's access key in it.
    pub(crate) fn loader(&self) -> ConfigLoader {
        loader(&[("AWS_ACCESS_KEY_ID", &self.key), ("AWS_SECRET_ACCESS_KEY", &self.secret)])
    }

    /// Returns a client of the test's own, which bypasses the provider.
    pub(crate) async fn client(&self) -> Client {
        let config = self
            .loader()
            .region(Region::from_static("us-east-1"))
            .endpoint_url(format!("http://{}", self.host))
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        Client::new(&config.load().await)
    }

    /// Creates a health check and returns its id.
    pub(crate) async fn health_check(&self) -> String {
        let what = HealthCheckConfig::builder()
            .r#type(HealthCheckType::Tcp)
            .ip_address("192.0.2.1")
            .port(80)
            .build()
            .unwrap();
        let client = self.client().await;
        let made = client.create_health_check().caller_reference(nth()).health_check_config(what);
        made.send().await.unwrap().health_check.unwrap().id
    }

    /// Deletes a health check, even if sets have it.
    pub(crate) async fn delete_health_check(&self, id: &str) {
        self.client().await.delete_health_check().health_check_id(id).send().await.unwrap();
    }

    /// Creates an empty zone and returns its id.
    pub(crate) async fn zone(&self, name: &str, private: bool) -> Zone {
        let client = self.client().await;
        let made = client
            .create_hosted_zone()
            .name(name)
            .caller_reference(nth())
            .hosted_zone_config(HostedZoneConfig::builder().private_zone(private).build())
            .send();
        let id = made.await.unwrap().hosted_zone.unwrap().id;
        Zone { client, id: id.rsplit('/').next().unwrap().to_owned() }
    }
}

/// Returns a number that was not returned before.
fn nth() -> String {
    static NTH: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    NTH.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string()
}

/// Returns a credential chain that finds nothing but `variables`. It reads no file, and never
/// queries instance metadata.
pub(crate) fn loader(variables: &[(&str, &str)]) -> ConfigLoader {
    loader_with_files(variables, &[])
}

/// Returns a chain as [`loader`] does, with these files, by path.
pub(crate) fn loader_with_files(
    variables: &[(&str, &str)],
    files: &[(&str, &str)],
) -> ConfigLoader {
    let no_metadata = ("AWS_EC2_METADATA_DISABLED", "true");
    let set = variables.iter().any(|(name, _)| name.starts_with("AWS_EC2_METADATA_"));
    let mut variables = variables.to_vec();
    variables.extend(Some(no_metadata).filter(|_| !set));
    aws_config::defaults(BehaviorVersion::latest())
        .env(Env::from_slice(&variables))
        .fs(Fs::from_slice(files))
}

/// A zone, accessed without the provider under test.
pub(crate) struct Zone {
    client: Client,
    pub(crate) id: String,
}

impl Zone {
    /// Carries out changes in one batch.
    pub(crate) async fn change(&self, changes: Vec<(ChangeAction, ResourceRecordSet)>) {
        self.try_change(changes).await.unwrap();
    }

    /// Carries out changes as [`Zone::change`] does. Returns the error if it fails.
    pub(crate) async fn try_change(
        &self,
        changes: Vec<(ChangeAction, ResourceRecordSet)>,
    ) -> Result<(), String> {
        let changes = changes.into_iter().map(|(action, set)| {
            Change::builder().action(action).resource_record_set(set).build().unwrap()
        });
        let batch = ChangeBatch::builder().set_changes(Some(changes.collect())).build().unwrap();
        let request = self.client.change_resource_record_sets().hosted_zone_id(&self.id);
        let answer = request.change_batch(batch).send().await;
        answer.map(|_| ()).map_err(|error| format!("{:?}", error.into_service_error()))
    }

    /// Puts sets as they are, in as many batches as necessary: with `UPSERT` each value counts
    /// twice.
    pub(crate) async fn put(&self, sets: impl IntoIterator<Item = ResourceRecordSet>) {
        let mut batch: Vec<(ChangeAction, ResourceRecordSet)> = Vec::new();
        let mut values = 0;
        for set in sets {
            values += 2 * set.resource_records().len();
            if values > 1_000 && !batch.is_empty() {
                values = 2 * set.resource_records().len();
                self.change(std::mem::take(&mut batch)).await;
            }
            batch.push((ChangeAction::Upsert, set));
        }
        if !batch.is_empty() {
            self.change(batch).await;
        }
    }

    /// Returns every set of the zone but SOA and NS.
    pub(crate) async fn sets(&self) -> Vec<ResourceRecordSet> {
        let request = self.client.list_resource_record_sets().hosted_zone_id(&self.id);
        let mut pages = Vec::new();
        let mut from = (None, None, None);
        loop {
            let page = request
                .clone()
                .set_start_record_name(from.0)
                .set_start_record_type(from.1)
                .set_start_record_identifier(from.2);
            let page = page.send().await.unwrap();
            pages.extend(page.resource_record_sets);
            if !page.is_truncated {
                break;
            }
            from = (page.next_record_name, page.next_record_type, page.next_record_identifier);
        }
        pages.retain(|set| !matches!(set.r#type(), RrType::Soa | RrType::Ns));
        pages
    }

    /// Deletes the zone itself.
    pub(crate) async fn delete(self) {
        self.client.delete_hosted_zone().id(&self.id).send().await.unwrap();
    }
}

/// Returns a builder of a set with these values and a TTL of 120 s.
pub(crate) fn set(
    name: &str,
    kind: &str,
    values: &[&str],
) -> aws_sdk_route53::types::builders::ResourceRecordSetBuilder {
    let values = values.iter().map(|v| ResourceRecord::builder().value(*v).build().unwrap());
    ResourceRecordSet::builder()
        .name(name)
        .r#type(kind.into())
        .ttl(120)
        .set_resource_records(Some(values.collect()))
}
