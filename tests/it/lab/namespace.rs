//! One private network namespace, and operations inside it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace, held by a process of its own until dropped.
///
/// The holder reads our pipe: should this process be killed, the pipe closes and the holder ends.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
    holder: Child,
    net: File,
}

impl Namespace {
    /// A new namespace with its `lo` up; `name` is for messages only.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let mut holder = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo ready; exec cat >/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run unshare for {name}: {error}"));
        let mut word = [0; 6];
        let ready = holder.stdout.as_mut().expect("piped").read_exact(&mut word);
        ready.unwrap_or_else(|error| panic!("no namespace for {name}: {error}"));
        let net = File::open(format!("/proc/{}/ns/net", holder.id())).expect("the holder runs");
        let namespace = Self { name, holder, net };
        namespace.sysctl("net/ipv6/conf/default/accept_dad", "0");
        namespace.ip("link set lo up\n");
        namespace
    }

    /// The holder's process id, by which other tools name this namespace.
    pub(crate) fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// `program`, to be run in here. The child's pid is the program's own.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.pid())).arg("--").arg(program);
        command
    }

    /// As [`Self::command`], for a program without any capability, for any user.
    pub(crate) fn powerless(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.command("setpriv");
        command.args(["--bounding-set=-all", "--inh-caps=-all", "--"]).arg(program);
        command
    }

    /// Runs a program in here to its end; its standard output.
    ///
    /// # Panics
    ///
    /// Panics if it fails, with its output.
    pub(crate) fn output(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = self.command(program);
        let output = command.args(arguments).output().expect("nsenter starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {program} {arguments:?}: {said}", self.name);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs lines of `ip` commands, such as `addr add 10.0.0.1 dev lo`, in one go. A line that
    /// begins with `-6` is about IPv6.
    ///
    /// # Panics
    ///
    /// Panics at the first line that fails, with the output of `ip`.
    pub(crate) fn ip(&self, lines: &str) {
        let of_family = |v6: bool| -> String {
            let chosen = lines.lines().filter(|line| line.starts_with("-6 ") == v6);
            chosen.flat_map(|line| [line.trim_start_matches("-6 "), "\n"]).collect()
        };
        self.ip_batch(&["-batch", "-"], &of_family(false));
        self.ip_batch(&["-6", "-batch", "-"], &of_family(true));
    }

    fn ip_batch(&self, arguments: &[&str], lines: &str) {
        if lines.is_empty() {
            return;
        }
        let mut child = self
            .command("ip")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nsenter starts");
        // A broken pipe means that ip gave up, and then it says why.
        let _ = child.stdin.take().expect("piped").write_all(lines.as_bytes());
        let output = child.wait_with_output().expect("ip ends");
        let said = String::from_utf8_lossy(&output.stderr);
        let start: String = lines.chars().take(500).collect();
        assert!(output.status.success(), "{}: ip: {said}while running\n{start}", self.name);
    }

    /// Sets a kernel setting of this namespace, such as `net/ipv4/ping_group_range`.
    pub(crate) fn sysctl(&self, key: &str, value: &str) {
        let path = format!("/proc/sys/{key}");
        let written = self.run(|| std::fs::write(&path, value));
        written.unwrap_or_else(|error| panic!("{}: {path} = {value}: {error}", self.name));
    }

    /// Runs `body` on a thread that is inside, and returns its result.
    ///
    /// A socket stays where it was made: bind one in here and use it from any thread.
    pub(crate) fn run<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        let enter = self.entering();
        let inside = || {
            enter();
            body()
        };
        thread::scope(|scope| match scope.spawn(inside).join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    /// Returns a function by which a thread enters, for as long as it runs.
    pub(crate) fn entering(&self) -> impl Fn() + Send + Sync + 'static {
        let net = self.net.try_clone().expect("a descriptor is free");
        move || {
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(net.as_fd(), network).expect("may enter the namespace");
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // It may have ended already; there is nobody to tell.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
