//! The real binary, run as an operator would run it: in a scratch folder, with an environment that
//! the test chose, watched over its standard error. Belongs here: the harness and the proof that it
//! tells the truth. Proofs about the binary live in the files of their subjects.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;

use crate::lab::Namespace;

#[cfg(test)]
mod proofs;
mod unread;

pub(crate) use unread::Unread;

/// Generous: a bound that is met says that something is broken, not that the machine was busy.
pub(crate) const PATIENT: Duration = Duration::from_secs(90);

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_goavail");

/// The place and the user of the agent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Within<'a> {
    /// Here, as the user of the tests.
    Here,
    /// In a namespace of the lab, with all of its capabilities.
    Lab(&'a Namespace),
    /// In a namespace of the lab, without any capability.
    Powerless(&'a Namespace),
}

impl Within<'_> {
    /// A command in this place.
    fn command(self, program: &str) -> Command {
        match self {
            Self::Here => Command::new(program),
            Self::Lab(namespace) => namespace.command(program),
            Self::Powerless(namespace) => namespace.powerless(program),
        }
    }
}

/// An agent that is about to be started.
#[derive(Debug)]
pub(crate) struct Setup {
    scratch: TempDir,
    config: String,
    command: Command,
}

impl Setup {
    /// `goavail` with this configuration as `goavail.toml` in a folder of its own, which is also
    /// its working directory and `HOME`. Nothing of the tests' environment but `PATH` is passed on.
    pub(crate) fn new(config: &str, within: Within<'_>) -> Self {
        Self::of(BINARY, config, within)
    }

    /// As [`Self::new`], for a program that may become `goavail`, such as `prlimit`.
    pub(crate) fn of(program: &str, config: &str, within: Within<'_>) -> Self {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let mut command = within.command(program);
        command.current_dir(scratch.path()).env_clear().env("HOME", scratch.path());
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        let setup = Self { scratch, config: config.to_owned(), command };
        setup.write("goavail.toml", config);
        setup
    }

    /// Adds arguments, such as `["--no-dry-run", "monitor"]`.
    pub(crate) fn args<'a>(mut self, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Adds a variable to the environment.
    pub(crate) fn env(mut self, key: &str, value: &str) -> Self {
        self.command.env(key, value);
        self
    }

    /// The scratch folder.
    pub(crate) fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// Writes another file into the scratch folder.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder().join(name), text).expect("the scratch folder is writable");
    }

    /// Starts it and reads its output from then on.
    pub(crate) fn start(mut self) -> Agent {
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("the agent starts");
        let (sender, output) = channel();
        read(child.stdout.take().expect("piped"), Stream::Out, sender.clone());
        read(child.stderr.take().expect("piped"), Stream::Err, sender);
        let (seen, next) = (Vec::new(), 0);
        Agent {
            child,
            output,
            seen,
            next,
            config: self.config,
            command: self.command,
            scratch: self.scratch,
        }
    }
}

/// Which of a process's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

/// One line that the agent wrote, and when it was read here.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// The line, without its end.
    pub(crate) text: String,
    /// When it was read here: never before it was written, and hardly later.
    pub(crate) at: Instant,
}

impl Line {
    /// Whether the line holds all of `words`.
    pub(crate) fn has(&self, words: &[&str]) -> bool {
        words.iter().all(|word| self.text.contains(word))
    }

    /// The line as an object, with `--log-format json`.
    pub(crate) fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_str(&self.text).ok()
    }
}

/// Sends each line of `source` until it ends.
#[expect(clippy::disallowed_methods, reason = "tests measure when a line came")]
fn read(source: impl Read + Send + 'static, stream: Stream, sender: Sender<(Stream, Line)>) {
    thread::spawn(move || {
        let mut reader = BufReader::new(source);
        let mut bytes = Vec::new();
        while matches!(reader.read_until(b'\n', &mut bytes), Ok(1..)) {
            let text = String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned();
            if sender.send((stream, Line { text, at: Instant::now() })).is_err() {
                return;
            }
            bytes.clear();
        }
    });
}

/// A running agent. It is killed when dropped.
#[derive(Debug)]
pub(crate) struct Agent {
    child: Child,
    output: Receiver<(Stream, Line)>,
    seen: Vec<(Stream, Line)>,
    /// How many lines of `seen` earlier waits have gone past.
    next: usize,
    config: String,
    command: Command,
    scratch: TempDir,
}

/// The result of an agent that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// All of its standard output.
    pub(crate) stdout: String,
    /// All of its standard error.
    pub(crate) stderr: String,
}

impl Agent {
    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The scratch folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.scratch.path().to_owned()
    }

    /// The next line on standard error that satisfies `wanted`, which is asked about each line
    /// once: a later wait continues after the line that this one returned.
    ///
    /// # Panics
    ///
    /// If none comes within `bound` or before the agent ends, with all that is known of the agent.
    pub(crate) fn wait_for(
        &mut self,
        mut wanted: impl FnMut(&Line) -> bool,
        bound: Duration,
    ) -> Line {
        let deadline = now() + bound;
        loop {
            while let Some((stream, line)) = self.seen.get(self.next) {
                self.next += 1;
                if *stream == Stream::Err && wanted(line) {
                    return line.clone();
                }
            }
            match self.output.recv_timeout(deadline.saturating_duration_since(now())) {
                Ok(line) => self.seen.push(line),
                Err(why) => {
                    self.fail(&format!("the awaited line did not come in {bound:?}: {why}"))
                }
            }
        }
    }

    /// As [`Self::wait_for`], for a line that holds all of `words`.
    pub(crate) fn wait_for_words(&mut self, words: &[&str]) -> Line {
        self.wait_for(|line| line.has(words), PATIENT)
    }

    /// The `count`-th line on standard error that holds all of `words`, waited for if need be,
    /// regardless of other lines in between.
    pub(crate) fn nth(&mut self, count: usize, words: &[&str]) -> Line {
        loop {
            if let Some(line) = self.lines_with(words).get(count - 1) {
                return line.clone();
            }
            self.wait_for_words(words);
        }
    }

    /// Every line on standard error so far that holds all of `words`.
    pub(crate) fn lines_with(&mut self, words: &[&str]) -> Vec<Line> {
        self.seen.extend(self.output.try_iter());
        let said =
            self.seen.iter().filter(|(stream, line)| *stream == Stream::Err && line.has(words));
        said.map(|(_, line)| line.clone()).collect()
    }

    /// Replaces the configuration file; follow it with a SIGHUP.
    pub(crate) fn rewrite(&mut self, config: &str) {
        config.clone_into(&mut self.config);
        std::fs::write(self.scratch.path().join("goavail.toml"), config).expect("writable");
    }

    /// Puts another configuration in force by SIGHUP.
    pub(crate) fn reload(&mut self, config: &str) {
        let before = self.lines_with(&["configuration in force"]).len();
        self.rewrite(config);
        self.signal(Signal::HUP);
        self.nth(before + 1, &["configuration in force"]);
    }

    /// Runs a command of `goavail` in the agent's folder. Returns its exit code, and its output followed
    /// by its errors.
    pub(crate) fn command(&self, within: Within<'_>, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = within.command(BINARY);
        command.current_dir(self.folder()).args(arguments);
        let output = command.output().expect("the command runs");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).expect("the output is text"))
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.process(), signal)
            .expect("a process that was not waited for can be signalled");
    }

    /// Stops it (SIGSTOP), and waits until it stands still.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
        let changed = waitpid(Some(self.process()), WaitOptions::UNTRACED);
        let status = changed.expect("our own child can be waited for");
        assert!(status.is_some_and(|(_, status)| status.stopped()), "it ended instead: {status:?}");
    }

    /// Waits until it has ended of itself or by a signal.
    ///
    /// # Panics
    ///
    /// If it has not within `bound`, with all that is known of the agent.
    pub(crate) fn wait_end(mut self, bound: Duration) -> Ended {
        let deadline = now() + bound;
        // Both outputs are closed when it ends, and that is an event; its exit follows at once.
        loop {
            match self.output.recv_timeout(deadline.saturating_duration_since(now())) {
                Ok(line) => self.seen.push(line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(why) => self.fail(&format!("it did not end in {bound:?}: {why}")),
            }
        }
        let status = self.child.wait().expect("our own child can be waited for");
        Ended { status, stdout: self.text(Stream::Out), stderr: self.text(Stream::Err) }
    }

    /// Ends it as a crash would (SIGKILL), and waits for that.
    pub(crate) fn kill(self) -> Ended {
        self.signal(Signal::KILL);
        self.wait_end(PATIENT)
    }

    fn process(&self) -> Pid {
        i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a pid")
    }

    fn text(&self, wanted: Stream) -> String {
        let lines = self.seen.iter().filter(|(stream, _)| *stream == wanted);
        lines.fold(String::new(), |mut text, (_, line)| {
            let _ = writeln!(text, "{}", line.text);
            text
        })
    }

    fn fail(&mut self, why: &str) -> ! {
        self.seen.extend(self.output.try_iter());
        let status = self.child.try_wait();
        panic!(
            "{why}\n-- command: {:?}\n-- status: {status:?}\n-- goavail.toml:\n{}\n-- stdout:\n{}-- stderr:\n{}",
            self.command,
            self.config,
            self.text(Stream::Out),
            self.text(Stream::Err)
        );
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "bounds are real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
