//! E-mail, to aiosmtpd: a server of another author, with STARTTLS and authentication.

use std::io::Read as _;
use std::process::Child;

use goavail::testing::notify::IncidentStatus;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use serde_json::Value;

use super::Folder;
use crate::{lab, python};

/// The password of the mail account.
const PASSWORD: &str = "m4ilm4rk3r pässword";

/// A running mail server.
struct MailServer {
    child: Child,
    address: String,
    mails: std::path::PathBuf,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl MailServer {
    /// A server with a certificate for localhost, which is also its own authority; `None` is a loud skip.
    fn start(folder: &Folder, mode: &str) -> Option<Self> {
        let python = match python::environment("aiosmtpd", &["aiosmtpd==1.4.6"]) {
            Ok(python) => python,
            Err(why) => {
                lab::skip(&format!("no aiosmtpd: {why}"));
                return None;
            }
        };
        let key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let issuer = rcgen::Issuer::new(authority.clone(), &authority_key);
        let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &issuer).unwrap();
        folder.write("ca.pem", &authority.self_signed(&authority_key).unwrap().pem());
        folder.write("cert.pem", &leaf.pem());
        folder.write("key.pem", &key.serialize_pem());
        folder.write("password", &format!("{PASSWORD}\n"));
        let path = folder.0.path().display().to_string();
        let options = [mode, path.as_str(), PASSWORD];
        match python::serve(&python, "channels/mail_server.py", &options) {
            Ok((child, line)) => {
                let address = line.trim().to_owned();
                Some(Self { child, address, mails: folder.path("mails") })
            }
            Err(why) => panic!("{why}"),
        }
    }

    /// The accepted mails, in order.
    fn mails(&self) -> Vec<Value> {
        let mut text = String::new();
        let file = std::fs::File::open(&self.mails);
        file.unwrap().read_to_string(&mut text).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn channels(server: &str, tls: &str, more: &str) -> String {
    format!(
        "[[notify]]\nto = \"email\"\nserver = \"{server}\"\ntls = \"{tls}\"\n\
         from = \"goavail <goavail@example.com>\"\n{more}\n"
    )
}

/// The configuration is written once the port of the server is known.
fn folder_and_server(mode: &str, tls: &str, keys: &str) -> Option<(Folder, MailServer)> {
    let folder = Folder::new("");
    let server = MailServer::start(&folder, mode)?;
    let config = Folder::new(&channels(&server.address, tls, keys));
    folder.write("goavail.toml", &std::fs::read_to_string(config.path("goavail.toml")).unwrap());
    Some((folder, server))
}

#[test]
fn mail_is_sent_by_starttls_and_by_tls_with_a_password_and_is_one_thread_an_incident() {
    for (mode, tls) in [("starttls", "starttls"), ("implicit", "implicit")] {
        let more = "recipients = [\"Ops <ops@example.com>\", \"boss@example.org\"]\nuser = \"goavail\"\n\
                    password_file = \"password\"\nca_file = \"ca.pem\"\n";
        let Some((folder, server)) = folder_and_server(mode, tls, more) else { return };
        let said = folder.run(&["notify", "--test"]);
        assert_eq!(said.code, Some(0), "{mode}: {}{}", said.stdout, said.stderr);
        assert!(!(said.stdout + &said.stderr).contains("m4ilm4rk3r"));
        let mails = server.mails();
        assert_eq!(mails.len(), 5, "{mode}: one mail for both recipients");
        let [opened, warning, event, closed, restored] = [0, 1, 2, 3, 4].map(|nth| &mails[nth]);
        for mail in &mails {
            assert_eq!(
                mail["recipients"],
                serde_json::json!(["ops@example.com", "boss@example.org"])
            );
            assert_eq!((&mail["tls"], &mail["user"]), (&true.into(), &"goavail".into()));
        }
        assert!(
            opened["subject"]
                .as_str()
                .unwrap()
                .starts_with("[goavail] TEST, critical: keeps in DNS")
        );
        assert_eq!(opened["references"], closed["references"]);
        assert_eq!(warning["references"], restored["references"]);
        assert_ne!(opened["references"], warning["references"]);
        assert_eq!(event["references"], Value::Null);
        assert_eq!(opened["importance"], "high");
    }
}

#[test]
fn a_recipient_that_is_refused_keeps_the_mail_from_nobody_else() {
    let more =
        "recipients = [\"refused@example.com\", \"ops@example.com\"]\nca_file = \"ca.pem\"\n";
    let Some((folder, server)) = folder_and_server("open", "starttls", more) else { return };
    let said = folder.run(&["notify", "--test"]);
    assert_eq!(said.code, Some(1), "{}", said.stdout);
    let want = "1 of 2 recipients: permanent error (550): no such mailbox";
    assert_eq!(said.stdout.matches(want).count(), 5, "{}", said.stdout);
    let mails = server.mails();
    assert_eq!(mails.len(), 5);
    assert!(mails.iter().all(|mail| mail["recipients"] == serde_json::json!(["ops@example.com"])));
}

#[test]
fn a_wrong_password_a_stranger_s_certificate_and_a_server_without_tls_are_refused() {
    let recipients = "recipients = [\"ops@example.com\"]\n";
    let login = "user = \"goavail\"\npassword_file = \"wrong\"\nca_file = \"ca.pem\"\n";
    let rows = [
        ("starttls", "starttls", format!("{recipients}{login}"), "permanent error (535)"),
        ("starttls", "starttls", recipients.to_owned(), "invalid peer certificate"),
        (
            "open-plain",
            "starttls",
            recipients.to_owned(),
            "STARTTLS is not supported on this server",
        ),
    ];
    for (mode, tls, more, want) in rows {
        let Some((folder, server)) = folder_and_server(mode, tls, &more) else { return };
        folder.write("wrong", "wr0ngm4rk3r\n");
        let said = folder.run(&["notify", "--test"]);
        assert_eq!(said.code, Some(1), "{mode}: {}", said.stdout);
        assert!(said.stdout.contains(want), "{mode}: {}", said.stdout);
        assert!(!said.stdout.contains("wr0ngm4rk3r"), "{}", said.stdout);
        assert!(server.mails().is_empty(), "{mode}");
    }
}

/// Of two recipients one is put off, as servers do with strangers. Another program sends to both again.
#[tokio::test]
async fn a_recipient_that_is_put_off_is_tried_again_alone() {
    let more = "recipients = [\"grey@example.com\", \"ops@example.com\"]\nca_file = \"ca.pem\"\n";
    let Some((folder, server)) = folder_and_server("open", "starttls", more) else { return };
    let notifier = super::alertmanager::notifier(&folder);
    notifier.send(&super::alertmanager::notice(1, IncidentStatus::Opened, "sfo-1"));
    let counters = notifier.counters().clone();
    notifier.close(std::time::Duration::from_secs(30)).await;
    assert_eq!(counters.counts()[&("email".into(), "delivered")], 1);
    let mails = server.mails();
    let recipients: Vec<_> = mails.iter().map(|mail| mail["recipients"].to_string()).collect();
    assert_eq!(recipients, ["[\"ops@example.com\"]", "[\"grey@example.com\"]"]);
    assert_eq!(mails[0]["id"], mails[1]["id"], "it is the same mail");
}
