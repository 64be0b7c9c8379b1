//! BIND on the loopback of an agent's namespace, behind a relay that notes each request.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};

use super::configuration::ZONE;
use super::provider::{Provider, Request};
use crate::lab::Namespace;

/// The program of Debian's `bind9`.
pub(crate) const NAMED: &str = "/usr/sbin/named";

/// The key of the agent, as its file has it.
pub(crate) const KEY: &str = "key \"goavail\" { algorithm hmac-sha256; secret \
                              \"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=\"; };\n";

/// The place of the server in its namespace, and that of the relay, at which the agent asks.
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5300);
pub(crate) const RELAY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 53);

/// A running name server with one zone. It ends when this is dropped, or with this process.
pub(crate) struct Bind {
    child: Child,
    enter: Arc<dyn Fn() + Send + Sync>,
    requests: Arc<Mutex<Vec<Request>>>,
    _folder: tempfile::TempDir,
}

impl Bind {
    /// Serves a zone in which every address is published at every name.
    pub(crate) fn start(agent: &Namespace, names: &[String], addresses: &[IpAddr]) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let mut zone = format!(
            "$ORIGIN {ZONE}.\n$TTL 60\n@ IN SOA ns.{ZONE}. admin.{ZONE}. 1 3600 600 86400 60\n\
             @ IN NS ns.{ZONE}.\nns IN A 192.0.2.1\n"
        );
        for name in names {
            for address in addresses {
                let _ = writeln!(zone, "{name}. IN A {address}");
            }
        }
        let options = format!(
            "{KEY}options {{ directory \"{}\"; pid-file none; session-keyfile none; recursion no;\n\
             listen-on port {} {{ {}; }}; listen-on-v6 {{ none; }}; dnssec-validation no;\n\
             allow-transfer {{ any; }}; notify no; }};\ncontrols {{ }};\n\
             zone \"{ZONE}\" {{ type primary; file \"zone\"; \
             update-policy {{ grant goavail. zonesub A AAAA; }}; }};\n",
            folder.path().display(),
            SERVER.port(),
            SERVER.ip()
        );
        let configuration = folder.path().join("named.conf");
        std::fs::write(folder.path().join("zone"), zone).expect("the scratch folder is writable");
        std::fs::write(&configuration, options).expect("the scratch folder is writable");
        let mut server = agent.command("setpriv");
        server.args(["--pdeathsig", "KILL", NAMED, "-g", "-n", "1", "-c"]).arg(configuration);
        let mut child = server.stderr(Stdio::piped()).spawn().expect("it starts");
        wait_until_it_runs(&mut child);
        let enter: Arc<dyn Fn() + Send + Sync> = Arc::new(agent.entering());
        let requests = Arc::default();
        let listener = agent.run(|| TcpListener::bind(RELAY)).expect("the namespace is new");
        let (noted, inside) = (Arc::clone(&requests), Arc::clone(&enter));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (noted, inside) = (Arc::clone(&noted), Arc::clone(&inside));
                std::thread::spawn(move || {
                    inside();
                    // The end of a connection is no concern of the relay.
                    let _ = pass_on(client, &noted);
                });
            }
        });
        Self { child, enter, requests, _folder: folder }
    }
}

impl Drop for Bind {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Provider for Bind {
    fn held(&self) -> usize {
        let enter = Arc::clone(&self.enter);
        let transfer = std::thread::spawn(move || {
            enter();
            addresses_held()
        });
        // The one of the name server itself.
        transfer.join().expect("it does not panic").expect("the zone is served") - 1
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn wait_until_it_runs(child: &mut Child) {
    let mut log = BufReader::new(child.stderr.take().expect("piped"));
    let mut all = String::new();
    while !all.ends_with(" running\n") {
        let length = log.read_line(&mut all).expect("a log is read");
        assert_ne!(length, 0, "named ended: {all}");
    }
    std::thread::spawn(move || io::copy(&mut log, &mut io::sink()));
}

/// Counts the address records of the zone, by a transfer.
fn addresses_held() -> io::Result<usize> {
    let mut stream = TcpStream::connect(SERVER)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut query = Message::query();
    let zone = Name::from_ascii(format!("{ZONE}.")).map_err(io::Error::other)?;
    query.add_query(Query::query(zone, RecordType::AXFR));
    write(&mut stream, &query.to_vec().map_err(io::Error::other)?)?;
    let (mut addresses, mut ends) = (0, 0);
    while ends < 2 {
        let message = Message::from_vec(&read(&mut stream)?).map_err(io::Error::other)?;
        for record in &message.answers {
            addresses += usize::from(record.record_type() == RecordType::A);
            ends += u8::from(record.record_type() == RecordType::SOA);
        }
    }
    Ok(addresses)
}

/// Passes the requests of a connection on, one by one, and notes each of them.
fn pass_on(mut client: TcpStream, requests: &Mutex<Vec<Request>>) -> io::Result<()> {
    let mut server = TcpStream::connect(SERVER)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    loop {
        let request = read(&mut client)?;
        let message = Message::from_vec(&request).map_err(io::Error::other)?;
        let (arrived, writes) = (Instant::now(), message.metadata.op_code == OpCode::Update);
        let noted = || requests.lock().unwrap_or_else(PoisonError::into_inner);
        let nth = {
            let mut requests = noted();
            requests.push(Request { arrived, answered: None, writes });
            requests.len() - 1
        };
        write(&mut server, &request)?;
        let answer = read(&mut server)?;
        // Before it is sent, so that it is noted once the agent has it.
        noted()[nth].answered = Some(Instant::now());
        write(&mut client, &answer)?;
    }
}

/// Reads a message with its length in front (RFC 1035, 4.2.2).
fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message)?;
    Ok(message)
}

fn write(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat())
}
