//! An agent without a reader of its log.

use std::io::Write as _;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::Setup;

/// An agent without a reader of its standard error. It is killed when dropped.
#[derive(Debug)]
pub(crate) struct Unread {
    child: Child,
    /// Its standard error, if it is read after all.
    pub(crate) stderr: std::io::PipeReader,
    _scratch: TempDir,
}

impl Setup {
    /// Starts it with standard error in a pipe that is full from the start.
    pub(crate) fn start_unread(mut self) -> Unread {
        let (stderr, mut writer) = std::io::pipe().expect("a pipe");
        let room = rustix::pipe::fcntl_setpipe_size(&writer, 4096).expect("a smaller pipe");
        writer.write_all(&vec![b'\n'; room]).expect("it has room for that");
        self.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(writer);
        let child = self.command.spawn().expect("the agent starts");
        // Its copy of the writing end must not keep the pipe open.
        self.command.stderr(Stdio::null());
        Unread { child, stderr, _scratch: self.scratch }
    }
}

impl Unread {
    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it was not waited for");
    }

    /// Waits until it has ended.
    pub(crate) fn wait_end(&mut self, bound: Duration) -> ExitStatus {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        use rustix::process::{PidfdFlags, pidfd_open};
        let process = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty()).expect("ours");
        let bound = Timespec::try_from(bound).expect("a bound");
        let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&bound));
        assert_eq!(ended.expect("a process can be waited for"), 1, "it did not end");
        self.child.wait().expect("our own child can be waited for")
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
