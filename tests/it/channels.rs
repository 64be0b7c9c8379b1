//! Channels against the services that they are for: real ones where there are any, and otherwise stand-ins
//! that are stricter than these. Belongs here: the requests of each kind of channel, and its answers.
//! Queueing, merging and retrying are proved in `notify` and beside the code.
//!
//! - `stand_in`: a server in the place of the hosted services; `hosted`: their rules
//! - `trial`: `goavail notify --test` against them, and Apprise as an oracle; `trouble`: bad answers
//! - `alertmanager`, `email`: Debian's Alertmanager, and aiosmtpd
//! - `heartbeats`: the whole agent and a service that expects to hear from it

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

mod alertmanager;
mod email;
mod heartbeats;
mod hosted;
mod stand_in;
mod trial;
mod trouble;

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::agent::BINARY;

/// A folder with a configuration and its secrets.
struct Folder(TempDir);

/// The end of a command: its exit code, and all that it said.
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Folder {
    /// A folder with these channels in the configuration.
    fn new(channels: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let zone = "[Cloudflare]\ndns_domain = \"example.com\"\nhostnames = [\"www\"]\n\
                    ip_addresses = [\"192.0.2.10\"]\n";
        folder.write("goavail.toml", &format!("name = \"probe-1\"\n{channels}\n{zone}"));
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file that nobody else may read.
    fn write(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(self.path(name), text).unwrap();
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(self.path(name), private).unwrap();
    }

    /// Runs a command with the configuration.
    fn run(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(BINARY);
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        let output = command.args(arguments).arg("-f").arg(self.path("goavail.toml")).output();
        let output = output.unwrap();
        let [stdout, stderr] =
            [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
        Said { code: output.status.code(), stdout, stderr }
    }
}
