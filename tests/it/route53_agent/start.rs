//! A refusal of Route 53 at the start ends the agent, with one line that contains the reason.

use std::net::TcpListener;

use super::{Harness, QUICK, ZONE, anonymous, signed};
use crate::agent::{Ended, PATIENT, Setup, Within};
use crate::moto::set;
use crate::route53::{aws_error, reads};

/// A secret that opens nothing.
const WRONG: &str = "wrong/secret/with/forty/characters/of/it";

/// Runs an agent to its end; its one line of complaint.
fn complaint(name: &str, setup: Setup) -> String {
    let Ended { status, stderr, .. } =
        setup.args(["--no-dry-run", "monitor"]).start().wait_end(PATIENT);
    assert_eq!(status.code(), Some(2), "{name}: {stderr}");
    assert!(!stderr.contains(WRONG), "{name}: {stderr}");
    let lines: Vec<_> = stderr.lines().filter_map(|line| line.strip_prefix("goavail: ")).collect();
    let [line] = lines[..] else { panic!("{name}: {stderr}") };
    assert!(stderr.trim_end().ends_with(line), "{name}: it is the last word: {stderr}");
    line.to_owned()
}

async fn seeded() -> Option<Harness> {
    let harness = Harness::new().await?;
    let www = set("www.example.com", "A", &[&harness.text(0), &harness.text(1)]).build().unwrap();
    harness.zone.put([www]).await;
    Some(harness)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_refusal_at_the_start_ends_the_agent_with_one_clear_line() {
    let Some(harness) = seeded().await else { return };
    let good = harness.config("", &["www"]);
    let of_zone = |id: &str| good.replace(&format!("aws_zoneid = \"{}\"\n", harness.zone.id), id);
    let with = |key: &str, secret: &str, config: &str| {
        anonymous(config).env("AWS_ACCESS_KEY_ID", key).env("AWS_SECRET_ACCESS_KEY", secret)
    };
    let signed = |config: &str| signed(anonymous(config), harness.moto);
    let listing = "Route 53 refused to list the records of example.com: ";
    let finding = "Route 53 refused to find the hosted zone of ";
    let rows = [
        ("a wrong secret", with(&harness.moto.key, WRONG, &good), listing, "HTTP status 403"),
        ("an unknown key", with("AKIAWRONG", WRONG, &good), listing, "HTTP status 403"),
        ("a wrong zone id", signed(&of_zone("aws_zoneid = \"Z0\"\n")), listing, "NoSuchHostedZone"),
        (
            "an unknown zone",
            signed(&of_zone("").replace(ZONE, "nowhere.test")),
            finding,
            "nowhere.test: there is no hosted zone of that name in this account",
        ),
        ("no credentials", anonymous(&good), listing, "no AWS credentials: tried the environment"),
    ];
    for (name, setup, refused, why) in rows {
        let line = complaint(name, setup);
        assert!(line.starts_with(refused) && line.contains(why), "{name}: {line}");
    }
    // moto refuses a signature in fewer words than AWS does.
    let message = "The security token included in the request is invalid";
    harness.proxy.spoil_next(reads, aws_error(403, "InvalidClientTokenId", message));
    let line = complaint("in AWS's words", with("AKIAWRONG", WRONG, &good));
    assert_eq!(line, format!("{listing}InvalidClientTokenId: {message}"));
    assert_eq!(harness.written(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn of_several_zones_of_one_name_none_is_guessed() {
    let Some(harness) = seeded().await else { return };
    let name = "twice.test";
    let ids = [harness.moto.zone(name, false).await.id, harness.moto.zone(name, false).await.id];
    let text = harness.config("", &["www"]).replace(ZONE, name);
    let text = text.replace(&format!("aws_zoneid = \"{}\"\n", harness.zone.id), "");
    let line = complaint(name, signed(anonymous(&text), harness.moto));
    assert!(line.contains("2 public zones have that name: set aws_zoneid to one of"), "{line}");
    assert!(ids.iter().all(|id| line.contains(id)), "{line} does not list {ids:?}");
}

#[test]
fn a_key_missing_from_the_section_is_reported_without_a_request() {
    let text = format!("port = 1\n{QUICK}[Route53]\nhostnames = [\"www\"]\nip_addresses = []\n");
    let ended = anonymous(&text).args(["monitor"]).start().wait_end(PATIENT);
    assert_eq!(ended.status.code(), Some(2), "{}", ended.stderr);
    for key in ["Route53.aws_domain: missing", "Route53.ip_addresses: "] {
        assert!(ended.stderr.contains(key), "{key} is not told in {}", ended.stderr);
    }
}

#[test]
fn a_profile_that_is_not_there_is_named_with_its_file_whatever_became_of_asking_elsewhere() {
    let listener = || TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = |of: &TcpListener| format!("http://{}", of.local_addr().unwrap());
    let text = format!(
        "port = 1\n{QUICK}[Route53]\naws_domain = \"{ZONE}\"\naws_zoneid = \"Z1\"\n\
         hostnames = [\"www\"]\nip_addresses = [\"127.0.0.2\"]\n"
    );
    let closed = url(&listener());
    // It takes connections in and never answers.
    let silent = listener();
    let rows = [
        ("switched off", "AWS_EC2_METADATA_DISABLED", "true".to_owned(), "no AWS credentials"),
        ("nobody there", "AWS_EC2_METADATA_SERVICE_ENDPOINT", closed, "hop limit"),
        ("no answer", "AWS_EC2_METADATA_SERVICE_ENDPOINT", url(&silent), "hop limit"),
    ];
    for (name, variable, value, elsewhere) in rows {
        let setup = Setup::new(&text, Within::Here).env(variable, &value).env("AWS_PROFILE", "dns");
        std::fs::create_dir(setup.folder().join(".aws")).unwrap();
        setup.write(".aws/credentials", "[other]\naws_access_key_id = AKIA\n");
        let file = setup.folder().join(".aws/credentials");
        let setup = setup.args(["--type", "tcp", "--dns-provider", "route53", "plan"]);
        let Ended { stderr, .. } = setup.start().wait_end(PATIENT);
        let wants = ["profile dns", "AWS_PROFILE", file.to_str().unwrap(), elsewhere];
        for want in wants {
            assert!(stderr.contains(want), "{name}: {want}: {stderr}");
        }
    }
}
