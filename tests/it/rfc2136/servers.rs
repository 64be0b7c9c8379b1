//! Real name servers on loopback: BIND, Knot, PowerDNS, each with one zone and two keys.
//!
//! Each server has an address of its own in 127.0.0.0/8, so that no two tests want one port.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::contract::{NAMES, ZONE};

/// The key of the agent. In base64: 32 bytes.
pub(crate) const SECRET: &str = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=";

/// The key of the test, which may change everything.
pub(crate) const ADMIN_SECRET: &str = "YWRtaW5hZG1pbmFkbWluYWRtaW5hZG1pbmFkbWluYWQ=";

/// The kind of a name server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Software {
    /// The server BIND 9.
    Bind,
    /// The server Knot DNS.
    Knot,
    /// PowerDNS with a database of `SQLite`.
    PowerDns,
}

/// A running name server. It ends when this is dropped, and with the thread that started it.
pub(crate) struct Server {
    command: Command,
    child: Child,
    /// The address and port for DNS.
    pub(crate) address: SocketAddr,
    /// The folder of its files.
    pub(crate) folder: tempfile::TempDir,
    log: Arc<Mutex<String>>,
}

impl Software {
    /// The program, and Debian's package with it.
    fn program(self) -> (&'static str, &'static str) {
        match self {
            Self::Bind => ("/usr/sbin/named", "bind9"),
            Self::Knot => ("/usr/sbin/knotd", "knot"),
            Self::PowerDns => ("/usr/sbin/pdns_server", "pdns-server pdns-backend-sqlite3 sqlite3"),
        }
    }

    /// Whether this machine has the server. If not, that is printed, and in CI it is a failure.
    #[expect(clippy::print_stderr, reason = "a skip has to be seen")]
    pub(crate) fn is_here(self) -> bool {
        let (program, package) = self.program();
        let is_here = Path::new(program).exists();
        if !is_here {
            let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!in_ci, "there is no {program}, and in CI there has to be: install {package}");
            eprintln!("SKIPPED: there is no {program}; install {package}");
        }
        is_here
    }

    /// Starts a primary of the zone with `zone_lines` in it, besides SOA and NS.
    pub(crate) fn start(self, options: &Options<'_>) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let address = match self {
            // It listens on addresses of interfaces alone.
            Self::Bind => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), own_port()),
            Self::Knot | Self::PowerDns => own_address(),
        };
        let at = folder.path();
        fs::write(at.join("zone"), zone_file(options.zone_lines)).unwrap();
        let mut command = match self {
            Self::Bind => bind(at, address, options),
            Self::Knot => knot(at, address, options),
            Self::PowerDns => powerdns(at, address, options),
        };
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let log = Arc::new(Mutex::new(String::new()));
        let child = spawn(&mut command, &log);
        let mut server = Server { command, child, address, folder, log };
        server.wait_until_it_answers();
        server
    }
}

/// Starts the program, and keeps its log.
fn spawn(command: &mut Command, log: &Arc<Mutex<String>>) -> Child {
    let mut child = command.spawn().unwrap();
    let (mut lines, kept) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(log));
    std::thread::spawn(move || {
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            kept.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
    child
}

/// The settings of a server beside those that all have.
#[derive(Debug, Default)]
pub(crate) struct Options<'a> {
    /// Lines of the zone file.
    pub(crate) zone_lines: &'a str,
    /// The primary, if this server is a secondary (BIND and Knot).
    pub(crate) primary: Option<SocketAddr>,
    /// The names that the agent's key may change; all managed ones if empty (BIND and Knot).
    pub(crate) granted: &'a [&'a str],
}

impl Options<'_> {
    fn granted(&self) -> Vec<&str> {
        if self.granted.is_empty() { NAMES.to_vec() } else { self.granted.to_vec() }
    }
}

impl Server {
    /// Returns the log so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Ends the server at once.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts the server again, with its files as they are.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(&mut self.command, &self.log);
        self.wait_until_it_answers();
    }

    fn wait_until_it_answers(&mut self) {
        for _ in 0..3000 {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "the name server ended: {}", self.log());
            if TcpStream::connect(self.address).is_ok() && self.has_the_zone() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the name server does not answer: {}", self.log());
    }

    /// Whether it answers for the zone.
    fn has_the_zone(&self) -> bool {
        super::client::soa(self.address).is_some()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Returns an address that no other test has.
pub(crate) fn own_address() -> SocketAddr {
    let [a, b, c] = rand::random::<[u8; 3]>();
    let host = Ipv4Addr::new(127, a.max(1), b, c.clamp(1, 254));
    SocketAddr::new(host.into(), own_port())
}

/// Returns a port below those that the system gives out, and that no other test of this process has.
fn own_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let of_process = u16::try_from(std::process::id() % 150).unwrap() * 128;
    10_000 + of_process + NEXT.fetch_add(2, Ordering::Relaxed) % 800
}

fn zone_file(lines: &str) -> String {
    format!(
        "$ORIGIN {ZONE}.\n$TTL 120\n@ IN SOA ns.example.net. admin.example.net. 1 3600 600 86400 60\n\
         @ IN NS ns.example.net.\n{lines}"
    )
}

/// Returns a command that ends with the thread that starts it.
fn program(path: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", path]);
    command
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

fn bind(at: &Path, address: SocketAddr, options: &Options<'_>) -> Command {
    let (host, port, folder) = (address.ip(), address.port(), at.display());
    let grants: Vec<String> = options
        .granted()
        .iter()
        .map(|name| format!("grant goavail. name {name}. A AAAA; "))
        .collect();
    let grants = grants.concat();
    let zone = match options.primary {
        None => format!("type primary; update-policy {{ grant admin. zonesub ANY; {grants}}};"),
        Some(primary) => {
            format!("type secondary; primaries {{ {} port {}; }};", primary.ip(), primary.port())
        }
    };
    let text = format!(
        "options {{ directory \"{folder}\"; pid-file none; session-keyfile none; \
         listen-on port {port} {{ {host}; }}; listen-on-v6 {{ none; }}; recursion no; \
         dnssec-validation no; check-integrity no; allow-transfer {{ any; }}; notify no; \
         transfer-source {host}; }};\n\
         key \"goavail\" {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n\
         key \"admin\" {{ algorithm hmac-sha256; secret \"{ADMIN_SECRET}\"; }};\n\
         controls {{ inet {host} port {} allow {{ any; }} keys {{ admin; }}; }};\n\
         zone \"{ZONE}\" {{ file \"zone\"; {zone} }};\n",
        port + 1
    );
    if options.primary.is_some() {
        fs::remove_file(at.join("zone")).unwrap();
    }
    let mut command = program(Software::Bind.program().0);
    command.args(["-g", "-n", "1", "-c"]).arg(write(at, "named.conf", &text));
    command
}

fn knot(at: &Path, address: SocketAddr, options: &Options<'_>) -> Command {
    let folder = at.display();
    let granted: Vec<String> = options.granted().iter().map(|name| format!("{name}.")).collect();
    // Very many names do not fit.
    let owners = if granted.len() > 50 {
        format!("update-owner-match: sub\n    update-owner-name: [{ZONE}.]")
    } else {
        format!("update-owner-match: equal\n    update-owner-name: [{}]", granted.join(", "))
    };
    let (remote, master) = match options.primary {
        Some(primary) => (
            format!("remote:\n  - id: primary\n    address: {}@{}\n", primary.ip(), primary.port()),
            "    master: primary\n",
        ),
        None => (String::new(), ""),
    };
    let text = format!(
        "server:\n    rundir: {folder}\n    listen: {}@{}\n    background-workers: 1\n    \
         udp-workers: 1\n    tcp-workers: 2\n\
         database:\n    storage: {folder}\n\
         control:\n    listen: {folder}/knot.sock\n\
         log:\n  - target: stderr\n    any: info\n\
         key:\n  - id: goavail\n    algorithm: hmac-sha256\n    secret: {SECRET}\n  \
         - id: admin\n    algorithm: hmac-sha256\n    secret: {ADMIN_SECRET}\n{remote}\
         acl:\n  - id: read\n    address: 127.0.0.0/8\n    action: transfer\n  \
         - id: admin\n    key: admin\n    action: update\n  \
         - id: goavail\n    key: goavail\n    action: update\n    update-type: [A, AAAA]\n    \
         update-owner: name\n    {}\n\
         zone:\n  - domain: {ZONE}\n    storage: {folder}\n    file: zone\n    \
         acl: [goavail, admin, read]\n{master}",
        address.ip(),
        address.port(),
        owners
    );
    if options.primary.is_some() {
        fs::remove_file(at.join("zone")).unwrap();
    }
    let mut command = program(Software::Knot.program().0);
    command.arg("-c").arg(write(at, "knot.conf", &text)).stdout(Stdio::null());
    command
}

fn powerdns(at: &Path, address: SocketAddr, options: &Options<'_>) -> Command {
    assert!(options.primary.is_none() && options.granted.is_empty());
    let folder = at.display();
    let database = at.join("db");
    let schema = fs::read_to_string("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql");
    let text = format!(
        "{}\
         insert into domains (id, name, type) values (1, '{ZONE}', 'NATIVE');\n\
         insert into tsigkeys (name, algorithm, secret) values \
         ('goavail', 'hmac-sha256', '{SECRET}'), ('admin', 'hmac-sha256', '{ADMIN_SECRET}');\n\
         insert into domainmetadata (domain_id, kind, content) values \
         (1, 'TSIG-ALLOW-DNSUPDATE', 'goavail'), (1, 'TSIG-ALLOW-DNSUPDATE', 'admin');\n\
         insert into records (domain_id, name, type, content, ttl, prio, disabled, auth) values \
         (1, '{ZONE}', 'SOA', 'ns.example.net admin.example.net 1 3600 600 86400 60', 120, 0, 0, 1), \
         (1, '{ZONE}', 'NS', 'ns.example.net', 120, 0, 0, 1);\n",
        schema.unwrap()
    );
    let sql = write(at, "zone.sql", &text);
    let made = Command::new("sqlite3").arg(&database).stdin(fs::File::open(sql).unwrap()).status();
    assert!(made.unwrap().success());
    let config = format!(
        "launch=gsqlite3\ngsqlite3-database={}\ngsqlite3-pragma-synchronous=0\n\
         local-address={}\nlocal-port={}\nsocket-dir={folder}\ndnsupdate=yes\n\
         allow-dnsupdate-from=127.0.0.0/8\nallow-axfr-ips=127.0.0.0/8\ndaemon=no\nguardian=no\n\
         security-poll-suffix=\nwrite-pid=no\nreceiver-threads=1\ndistributor-threads=1\n",
        database.display(),
        address.ip(),
        address.port()
    );
    write(at, "pdns.conf", &config);
    let mut command = program(Software::PowerDns.program().0);
    command.arg(format!("--config-dir={folder}")).stdout(Stdio::null());
    command
}
