//! Real servers for the whole agent: nginx, HAProxy and BIND, each at addresses of its own.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::IpAddr;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::agent::PATIENT;
use crate::http_probe::authority::Identity;
use crate::lab::Namespace;
use crate::tcp_services::loopback_addresses;

/// The domain of all services.
pub(super) const DOMAIN: &str = "example.com";

/// A running server. It ends when it is dropped, or with the thread of its test at the latest.
pub(crate) struct Server {
    child: Child,
    /// The folder of its files.
    pub(crate) folder: tempfile::TempDir,
}

impl Server {
    /// Starts a server with its configuration in the file of this name, and waits for these words in
    /// its log. `setpriv` is run in the server's place.
    pub(crate) fn start(
        mut setpriv: Command,
        words: &[&str],
        (folder, file): (tempfile::TempDir, &str),
        ready: &str,
    ) -> Self {
        setpriv.args(["--pdeathsig", "KILL"]).args(words).arg(folder.path().join(file));
        let mut child = setpriv.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut all = String::new();
        while !all.contains(ready) {
            assert_ne!(log.read_line(&mut all).unwrap(), 0, "{words:?} ended: {all}");
        }
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, folder }
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Writes a file into the folder.
    pub(super) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A host of a service at three addresses, with a certificate at each, and the directives of its answer
/// at each.
pub(super) struct Host<'a> {
    pub(super) name: &'a str,
    pub(super) identities: [&'a Identity; 3],
    pub(super) answers: [String; 3],
}

/// nginx by https at three addresses.
pub(super) struct Nginx {
    pub(super) server: Server,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) port: u16,
}

impl Nginx {
    /// Starts one with these hosts. A request for any other name meets the `stranger`.
    pub(super) fn start(stranger: &Identity, hosts: &[Host<'_>]) -> Self {
        Self::at(loopback_addresses(3), stranger, hosts)
    }

    /// Ends it, and starts another one in its place. A reload is no choice: in its mode of one process
    /// nginx answers nobody after it.
    pub(super) fn restarted(self, stranger: &Identity, hosts: &[Host<'_>]) -> Self {
        let Self { server, addresses, port } = self;
        drop(server);
        Self::at((addresses, port), stranger, hosts)
    }

    fn at((addresses, port): (Vec<IpAddr>, u16), stranger: &Identity, hosts: &[Host<'_>]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut servers = String::new();
        for (nth, address) in addresses.iter().enumerate() {
            let listen = format!("{address}:{port}");
            servers.push_str(&virtual_host(&listen, "_", stranger, "return 421;"));
            for Host { name, identities, answers } in hosts {
                let name = format!("{name}.{DOMAIN}");
                servers.push_str(&virtual_host(&listen, &name, identities[nth], &answers[nth]));
            }
        }
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let paths = paths.map(|path| format!("{path}_temp_path {path};")).join(" ");
        let text = format!(
            "daemon off; master_process off; pid nginx.pid; error_log stderr notice;\n\
             events {{ worker_connections 512; }}\n\
             http {{ access_log off; server_names_hash_bucket_size 128; {paths} {servers} }}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), text).unwrap();
        let prefix = folder.path().display().to_string();
        let words = ["nginx", "-e", "stderr", "-p", &prefix, "-c"];
        let server =
            Server::start(Command::new("setpriv"), &words, (folder, "nginx.conf"), "event method");
        Self { server, addresses, port }
    }
}

/// A virtual host of nginx.
fn virtual_host(listen: &str, name: &str, identity: &Identity, answer: &str) -> String {
    let (certificate, key) = (identity.certificate.display(), identity.key.display());
    format!(
        "server {{ listen {listen} ssl; server_name {name};\n\
         ssl_certificate {certificate}; ssl_certificate_key {key};\n\
         location / {{ {answer} }} }}\n"
    )
}

/// Starts HAProxy at three addresses, with a certificate that it shows to no other name. Behind the
/// second address no server is left.
pub(super) fn haproxy(identity: &Identity) -> (Server, Vec<IpAddr>, u16) {
    let (addresses, port) = loopback_addresses(3);
    let folder = tempfile::tempdir().unwrap();
    let mut text = "global\n ssl-server-verify none\n\
                    defaults\n mode http\n timeout client 60s\n timeout connect 60s\n \
                    timeout server 60s\n\
                    backend empty\n server gone 127.0.0.1:9 disabled\n"
        .to_owned();
    let ok = "http-request return status 200 content-type text/plain string ok";
    for (address, rule) in addresses.iter().zip([ok, "default_backend empty", ok]) {
        let certificate = identity.both.display();
        let _ = write!(
            text,
            "frontend f{address}\n bind {address}:{port} ssl crt {certificate} strict-sni\n {rule}\n"
        );
    }
    std::fs::write(folder.path().join("haproxy.cfg"), text).unwrap();
    let notify = folder.path().join("notify");
    let systemd = UnixDatagram::bind(&notify).unwrap();
    systemd.set_read_timeout(Some(PATIENT)).unwrap();
    let mut setpriv = Command::new("setpriv");
    setpriv.env("NOTIFY_SOCKET", &notify);
    let server = Server::start(setpriv, &["haproxy", "-Ws", "-f"], (folder, "haproxy.cfg"), "");
    // It tells systemd, and nobody else, that it listens.
    let mut said = String::new();
    while !said.contains("READY=1") {
        let mut message = [0; 256];
        let length = systemd.recv(&mut message).expect("HAProxy listens in time");
        said.push_str(&String::from_utf8_lossy(&message[..length]));
    }
    (server, addresses, port)
}

/// A zone in the view of one address: its name and its file.
pub(crate) type ZoneOfView<'a> = (&'a str, &'a str);

/// The configuration of BIND with a view for each address.
pub(crate) fn views(folder: &Path, views: &[(IpAddr, &[ZoneOfView<'_>])]) -> String {
    let listen: Vec<String> = views.iter().map(|(address, _)| format!("{address};")).collect();
    let mut text = format!(
        "options {{ directory \"{}\"; pid-file none; session-keyfile none;\n\
         listen-on {{ {} }}; listen-on-v6 {{ none; }};\n\
         recursion no; dnssec-validation no; }};\ncontrols {{ }};\n",
        folder.display(),
        listen.join(" ")
    );
    for (address, zones) in views {
        let _ = writeln!(text, "view \"{address}\" {{ match-destinations {{ {address}; }};");
        for (zone, file) in *zones {
            let _ = writeln!(text, " zone \"{zone}\" {{ type primary; file \"{file}\"; }};");
        }
        text.push_str("};\n");
    }
    text
}

/// Starts BIND in a namespace, since it listens at addresses of interfaces only, with the files that
/// `files` returns for its folder. One of them is `named.conf`.
pub(crate) fn bind(
    place: &Namespace,
    files: impl FnOnce(&Path) -> Vec<(&'static str, String)>,
) -> Server {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files(folder.path()) {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    Server::start(
        place.command("setpriv"),
        &[NAMED, "-g", "-c"],
        (folder, "named.conf"),
        " running\n",
    )
}

/// The name server of BIND.
pub(crate) const NAMED: &str = "/usr/sbin/named";

/// Whether all of these programs are installed. False is a loud skip.
pub(crate) fn are_installed(programs: &[&str]) -> bool {
    let folders = ["/usr/sbin", "/usr/bin", "/"].map(Path::new);
    let mut missing = programs.to_vec();
    missing.retain(|program| !folders.iter().any(|folder| folder.join(program).exists()));
    if !missing.is_empty() {
        crate::lab::skip(&format!("not installed: {missing:?}"));
    }
    missing.is_empty()
}
