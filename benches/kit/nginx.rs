//! nginx at every address of a namespace.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use super::capture::PORT;
use crate::it::authority::Identity;
use crate::lab::Namespace;

/// A running nginx. It ends when it is dropped, or with this process.
pub(crate) struct Nginx {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Nginx {
    /// Starts one that answers each request by https with this certificate.
    pub(crate) fn start(place: &Namespace, identity: &Identity) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let configuration = format!(
            "daemon off; master_process off; pid nginx.pid; error_log stderr notice;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log off; {} server {{ listen {PORT} ssl backlog=4096;\n\
             ssl_certificate {}; ssl_certificate_key {}; return 200 ok; }} }}\n",
            paths.map(|path| format!("{path}_temp_path {path};")).join(" "),
            identity.certificate.display(),
            identity.key.display()
        );
        let path = folder.path().join("nginx.conf");
        std::fs::write(&path, configuration).expect("the scratch folder is writable");
        let mut nginx = place.command("setpriv");
        nginx.args(["--pdeathsig", "KILL", "nginx", "-e", "stderr", "-p"]).arg(folder.path());
        let mut child =
            nginx.arg("-c").arg(path).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut log = BufReader::new(child.stderr.take().expect("piped"));
        let mut all = String::new();
        // Its socket is open by then.
        while !all.contains("event method") {
            let length = log.read_line(&mut all).expect("a log is read");
            assert_ne!(length, 0, "nginx ended: {all}");
        }
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, _folder: folder }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
