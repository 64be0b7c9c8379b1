//! The credentials for AWS are in nothing that the agent and its commands print, at the most
//! verbose level.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustix::process::Signal;

use super::{Harness, anonymous};
use crate::agent::{Agent, PATIENT, Setup};
use crate::moto::set;
use crate::proxy::Spoil;
use crate::route53::{aws_error, response, writes};

/// How the keys are given.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// In the environment: a role's keys with their session token.
    Variables,
    /// In a credentials file: the same.
    File,
    /// By instance metadata: the same, for a token of its own.
    Metadata,
}

/// The token that instance metadata gives out to be asked with.
const METADATA: &str = "m3t4d4t4t0k3nm4rk3r";

/// Instance metadata with a role that has these keys; the URL.
///
/// Source: "Use IMDS" and "Retrieve security credentials from instance metadata" in the EC2 user guide.
fn metadata([key, secret, token]: &[String; 3]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let keys = format!(
        "{{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"LastUpdated\":\"2026-01-01T00:00:00Z\",\
         \"AccessKeyId\":\"{key}\",\"SecretAccessKey\":\"{secret}\",\"Token\":\"{token}\",\
         \"Expiration\":\"2100-01-01T00:00:00Z\"}}"
    );
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (mut head, mut part) = (String::new(), [0; 4096]);
            while !head.contains("\r\n\r\n") {
                match stream.read(&mut part) {
                    Ok(length @ 1..) => head.push_str(&String::from_utf8_lossy(&part[..length])),
                    _ => break,
                }
            }
            let (status, body) = match head.lines().next().unwrap_or_default() {
                line if line.starts_with("PUT ") => ("200 OK", METADATA),
                line if line.contains("/security-credentials/role") => ("200 OK", keys.as_str()),
                line if line.contains("/security-credentials/") => ("200 OK", "role"),
                _ => ("404 Not Found", ""),
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\
                 X-Aws-Ec2-Metadata-Token-Ttl-Seconds: 21600\r\n\r\n{body}",
                body.len()
            );
            // The agent may have been killed by then.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    url
}

/// Asserts that no secret is in `text`, as it is or as it may stand in a header.
fn is_clean(of: &str, text: &str, secrets: &[String]) {
    for secret in secrets {
        for secret in [secret.clone(), BASE64_STANDARD.encode(secret)] {
            if let Some(line) = text.lines().find(|line| line.contains(&secret)) {
                panic!("{of} holds {secret}: {line}");
            }
        }
    }
}

/// The same agent or command, with the keys given so.
fn keyed(harness: &Harness, way: Way, place: &str, setup: Setup) -> Setup {
    let [key, secret, token] = &harness.moto.issued;
    let setup = setup.env("RUST_LOG", "trace").args(["--debug", "--no-dry-run"]);
    match way {
        Way::Variables => setup
            .env("AWS_ACCESS_KEY_ID", key)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .env("AWS_SESSION_TOKEN", token),
        Way::File => setup.env("AWS_SHARED_CREDENTIALS_FILE", place),
        Way::Metadata => setup
            .env("AWS_EC2_METADATA_DISABLED", "false")
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", place),
    }
}

/// The secrets of an agent, and the place from which it takes them.
struct SecretSource {
    way: Way,
    /// The credentials file or the URL of instance metadata.
    place: String,
    config: String,
    /// The credentials file, used or not.
    file: PathBuf,
    secrets: [String; 3],
}

impl SecretSource {
    /// Runs a command beside the agent; its output holds no secret.
    fn command(&self, harness: &Harness, arguments: &[&'static str]) {
        let setup = keyed(harness, self.way, &self.place, anonymous(&self.config));
        let ended = setup.args(arguments.iter().copied()).start().wait_end(PATIENT);
        let of = format!("{:?}: {arguments:?}", self.way);
        is_clean(&of, &(ended.stdout + &ended.stderr), &self.secrets);
    }
}

/// Reloads with files in which there is a problem beside a secret or in it, and with `good` ones.
fn reloads(source: &SecretSource, harness: &Harness, agent: &mut Agent, good: &str) {
    let [secret, token, _] = &source.secrets;
    // The problem beside a secret, or the secret itself.
    let broken = [
        good.replace("[default]", "[default"),
        good.replace("aws_secret_access_key = ", "aws_secret_access_key "),
        good.replace("aws_session_token = ", "aws_session_token = \u{e4}"),
    ];
    for broken in broken {
        std::fs::write(&source.file, broken).unwrap();
        agent.signal(Signal::HUP);
        agent.wait_for_words(&["reading the configuration again"]);
        source.command(harness, &["check"]);
        source.command(harness, &["plan"]);
    }
    std::fs::write(&source.file, good).unwrap();
    agent.rewrite(
        &source.config.replace("aws_zoneid = ", &format!("\"{secret}\" = \"{token}\"\nx = ")),
    );
    agent.signal(Signal::HUP);
    agent.wait_for_words(&["the old configuration stays in force"]);
    agent.rewrite(&source.config);
    agent.signal(Signal::HUP);
    agent.wait_for_words(&["configuration in force"]);
}

/// Runs an agent with credentials of this source, and everything that can fail with them.
async fn reveals_no_secret(way: Way) {
    let Some(mut harness) = Harness::new().await else { return };
    let www = set("www.example.com", "A", &[&harness.text(0), &harness.text(1)]).build().unwrap();
    harness.zone.put([www]).await;
    let [key, secret, token] = harness.moto.issued.clone();
    let secrets = [secret.clone(), token.clone(), METADATA.to_owned()];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let place = match way {
        Way::Variables | Way::File => file.display().to_string(),
        Way::Metadata => metadata(&harness.moto.issued),
    };
    let good = format!(
        "[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n\
         aws_session_token = {token}\n"
    );
    std::fs::write(&file, &good).unwrap();
    let config = harness.config("", &["www"]);
    let source = SecretSource { way, place, config, file, secrets };

    // Refused at the start; refused credentials are looked for anew once.
    for _ in 0..2 {
        let refused = aws_error(403, "InvalidClientTokenId", "The token is invalid");
        harness.proxy.spoil_next(|_| true, refused);
    }
    source.command(&harness, &["monitor"]);

    let mut agent =
        keyed(&harness, way, &source.place, anonymous(&source.config)).args(["monitor"]).start();
    agent.nth(2, &["target confirmed up"]);
    source.command(&harness, &["check"]);
    source.command(&harness, &["plan"]);
    source.command(&harness, &["plan", "--json"]);
    let page = "<html><title>Bad Gateway</title></html>";
    harness.proxy.spoil_next(writes, response(502, "text/html", page));
    harness.proxy.spoil_next(writes, aws_error(400, "Throttling", "Rate exceeded"));
    harness.proxy.spoil_next(writes, aws_error(403, "ExpiredToken", "The token is expired"));
    harness.proxy.spoil_next(writes, Spoil::CutBefore);
    harness.close(0);
    agent.nth(1, &["withdrew", &harness.target(0)]);

    reloads(&source, &harness, &mut agent, &good);
    harness.open(0);
    agent.nth(1, &["restored", &harness.target(0)]);
    agent.signal(Signal::TERM);
    let ended = agent.wait_end(PATIENT);
    assert_eq!(ended.status.code(), Some(0), "{way:?}");
    assert!(ended.stderr.contains("TRACE"), "it says everything");
    is_clean(&format!("{way:?}: the agent"), &(ended.stdout + &ended.stderr), &source.secrets);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn secrets_of_aws_from_variables_appear_in_no_output_of_an_agent_or_its_commands() {
    reveals_no_secret(Way::Variables).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn secrets_of_aws_from_files_appear_in_no_output_of_an_agent_or_its_commands() {
    reveals_no_secret(Way::File).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn secrets_of_aws_from_metadata_appear_in_no_output_of_an_agent_or_its_commands() {
    reveals_no_secret(Way::Metadata).await;
}
