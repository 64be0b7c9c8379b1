//! Questions to BIND's name server.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::super::settings::parse_rcode;
use super::*;
use crate::probe::skip;

/// BIND's name server on a port of loopback, which ends with the thread that has started it.
struct NameServer {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

const ZONE: &str = "\
$TTL 60
@       IN SOA  ns.example.test. admin.example.test. 1 3600 600 86400 60
        IN NS   ns
        IN MX   10 Mail
        IN TXT  \"v=spf1 \" \"-all\"
        IN CAA  0 issue \"letsencrypt.org\"
        IN CAA  0 issue \"other.example\"
        IN CAA  0 issuewild \"letsencrypt.org\"
ns      IN A    127.0.0.1
mail    IN A    192.0.2.25
www     IN A    192.0.2.1
        IN A    192.0.2.2
        IN A    192.0.2.3
        IN A    192.0.2.4
        IN AAAA 2001:db8::1
alias   IN CNAME Www
v4only  IN A    192.0.2.1
toyonly IN CNAME v4only
_sip._tcp IN SRV 10 5 5060 sip
";

impl NameServer {
    /// Returns a running server, or `None`, loudly, without BIND.
    fn start() -> Option<Self> {
        if !Path::new("/usr/sbin/named").exists() {
            skip("there is no name server; install bind9");
            return None;
        }
        // Another process may take the port before named does.
        (0..10).find_map(|_| Self::try_start())
    }

    fn try_start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let at = folder.path().display();
        let many: Vec<_> = (0..90).map(|n| format!("many IN A 198.51.100.{n}\n")).collect();
        let many = many.concat();
        let files = [
            ("good.zone", format!("{ZONE}{many}")),
            ("broken.zone", "@ IN NONSENSE\n".to_owned()),
            (
                "named.conf",
                format!(
                    "options {{ directory \"{at}\"; pid-file none; session-keyfile none; \
                     listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 port {port} {{ ::1; }}; \
                     recursion no; dnssec-validation no; }};\n\
                     controls {{ }};\n\
                     zone \"example.test\" {{ type primary; file \"good.zone\"; }};\n\
                     zone \"broken.test\" {{ type primary; file \"broken.zone\"; }};\n"
                ),
            ),
        ];
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "/usr/sbin/named", "-g", "-c"])
            .arg(folder.path().join("named.conf"))
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut output = String::new();
        let running = loop {
            let before = output.len();
            let length = log.read_line(&mut output).unwrap();
            let line = &output[before..];
            if length == 0 || line.contains("address in use") {
                break false;
            }
            if line.trim_end().ends_with(" running") {
                break true;
            }
        };
        // Its log is read to its end, so that it is never held up.
        std::thread::spawn(move || log.read_to_end(&mut Vec::new()));
        let server = Self { child, port, _folder: folder };
        if !running {
            eprintln!("named did not start: {output}");
        }
        running.then_some(server)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The query and its type, the rcode and the record that are wanted, and the answer.
type Row = (&'static str, &'static str, &'static str, Option<&'static str>, &'static str);

const ROWS: &[Row] = &[
    ("www.example.test", "A", "NOERROR", None, "reply"),
    ("www.example.test", "A", "NOERROR", Some("192.0.2.3"), "reply"),
    ("WWW.Example.TEST.", "A", "NOERROR", Some("192.0.2.4"), "reply"),
    (
        "www.example.test",
        "A",
        "NOERROR",
        Some("192.0.2.9"),
        "answer: 192.0.2. … , 192.0.2. … , 192.0.2. …  and 1 more after  …  ms (wanted 192.0.2.9)",
    ),
    ("www.example.test", "AAAA", "NOERROR", Some("2001:DB8::0:1"), "reply"),
    ("alias.example.test", "A", "NOERROR", Some("192.0.2.1"), "reply"),
    ("alias.example.test", "CNAME", "NOERROR", Some("www.example.test"), "reply"),
    (
        "toyonly.example.test",
        "AAAA",
        "NOERROR",
        Some("2001:db8::1"),
        "answer: no AAAA record after",
    ),
    ("example.test", "MX", "NOERROR", Some("10 mail.EXAMPLE.test."), "reply"),
    (
        "example.test",
        "MX",
        "NOERROR",
        Some("20 mail.example.test"),
        "answer: 10 Mail.example.test.",
    ),
    ("example.test", "TXT", "NOERROR", Some("v=spf1 -all"), "reply"),
    ("example.test", "TXT", "NOERROR", Some("\"v=spf1 -all\""), "reply"),
    ("example.test", "TXT", "NOERROR", Some("v=spf1"), "answer: v=spf1 -all after"),
    ("example.test", "CAA", "NOERROR", Some("0 issuewild \"letsencrypt.org\""), "reply"),
    ("example.test", "CAA", "NOERROR", Some("0 issue \"other.example\""), "reply"),
    ("example.test", "NS", "NOERROR", Some("ns.example.test"), "reply"),
    ("example.test", "SOA", "NOERROR", None, "reply"),
    ("_sip._tcp.example.test", "SRV", "NOERROR", Some("10 5 5060 sip.example.test"), "reply"),
    ("absent.example.test", "A", "NXDOMAIN", None, "reply"),
    (
        "absent.example.test",
        "A",
        "NOERROR",
        None,
        "rcode NXDOMAIN: NXDOMAIN after  …  ms (wanted NOERROR)",
    ),
    ("www.elsewhere.test", "A", "NOERROR", None, "rcode REFUSED: REFUSED after"),
    ("www.elsewhere.test", "A", "REFUSED", None, "reply"),
    ("www.broken.test", "A", "NOERROR", None, "rcode SERVFAIL: SERVFAIL after"),
    ("www.broken.test", "A", "SERVFAIL", None, "reply"),
    ("www.example.test", "A", "NXDOMAIN", None, "rcode NOERROR: NOERROR after"),
];

/// Returns a reason without the phase that only TCP has.
fn without_connect(reason: &str) -> String {
    let parts = reason
        .split_once("connect ")
        .and_then(|(before, rest)| Some((before, rest.split_once(", then ")?.1)));
    parts.map_or_else(|| reason.to_owned(), |(before, after)| format!("{before}{after}"))
}

/// monitoring-plugins/monitoring-plugins#1392 (an alias for an answer), #1681, #1185 (case);
/// louislam/uptime-kuma#432, #1938, #2844 (contents), #6518, #6519 (the first record alone);
/// MichaCo/DnsClient.NET#190 (the final dot).
#[tokio::test]
async fn a_name_server_is_asked_and_its_answer_compared() {
    let Some(server) = NameServer::start() else { return };
    let addresses: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    for &(query, query_type, rcode, answer, want) in ROWS {
        for (transport, address) in DnsTransport::WORDS.map(|it| it.1).into_iter().zip(addresses) {
            let asks = question(query, query_type, server.port);
            let asks = DnsSettings { rcode: parse_rcode(rcode).unwrap(), transport, ..asks };
            let asks = answer.map_or(asks.clone(), |answer| wanting(asks, answer));
            let found = without_connect(&words(&asked(address, &asks, AMPLE).await));
            assert!(has(&found, want), "{query} {query_type} by {transport:?}: {found}");
        }
    }
    what_does_not_fit_is_asked_for_by_tcp(&server).await;
}

/// `prometheus/blackbox_exporter#1258`: a truncated answer looks like a missing record.
async fn what_does_not_fit_is_asked_for_by_tcp(server: &NameServer) {
    let asks = question("many.example.test", "A", server.port);
    for (answer, want) in [
        ("198.51.100.89", "reply"),
        (
            "198.51.100.200",
            "answer: truncated by UDP after  …  ms, connect  …  ms, then  …  and 87 more",
        ),
    ] {
        let found = words(&asked_here(&wanting(asks.clone(), answer), AMPLE).await);
        assert!(has(&found, want), "{found}");
    }
}
