//! A thread for each command: starts it, waits for its end or its timeout, and leaves nothing behind.

use std::io::{self, PipeReader};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getrlimit,
    kill_process_group, pidfd_open, prlimit, waitid,
};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::account::UserAccount;
use super::output::{Chunk, OutputPipe};
use super::pool::PoolPlace;
use super::running::Running;
use crate::probe::now;
use crate::text::error_chain;

/// The whole environment of a command: the directories in which its own commands are looked up.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The number of files that a command may open, unless it raises that itself. This process has raised
/// its own, and programs that look at each possible descriptor take long with so many.
const OPEN_FILES: u64 = 1024;

/// Upper bound on the time between looks at the command where its end wakes nobody: Linux before 5.3.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Time that killed processes of a command's group get to end.
const PATIENCE: Duration = Duration::from_secs(1);

/// A command to be started.
#[derive(Debug)]
pub(super) struct CommandOrder {
    /// The path of the program.
    pub(super) program: String,
    /// The arguments of the program.
    pub(super) arguments: Vec<String>,
    /// The account that it runs as, if that is another one.
    pub(super) account: Option<UserAccount>,
    /// The time that it may take, from its start.
    pub(super) timeout: Duration,
}

/// The ends of the lines to the task that has ordered a command.
#[derive(Debug)]
pub(super) struct OrderLines {
    /// Receives a message when the command has started.
    pub(super) started: oneshot::Sender<()>,
    /// Receives its end.
    pub(super) ended: oneshot::Sender<CommandEnd>,
    /// Closed by the task if the answer is not wanted any more.
    pub(super) cancelled: PipeReader,
    /// The place among those that may run at once. It is free when the command is gone for good.
    pub(super) place: PoolPlace,
}

/// The end of a command.
#[derive(Debug)]
pub(super) enum CommandEnd {
    /// It ended by itself.
    Ended {
        /// Its exit code or signal.
        status: ExitStatus,
        /// The time that it took.
        after: Duration,
        /// The first line of its output.
        line: Option<String>,
    },
    /// It ran longer than allowed, and is killed.
    TimedOut {
        /// The first line of its output until then.
        line: Option<String>,
    },
    /// It could not be started, or not be watched, for this reason.
    Failed(String),
}

/// The limits of the time that a command may take.
#[derive(Debug)]
struct CommandLimits {
    began: Instant,
    timeout: Duration,
    /// Closed if the answer is not wanted any more.
    cancelled: PipeReader,
}

/// The reason to stop waiting for a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WaitEnd {
    Ended,
    TimeIsUp,
    Cancelled,
}

/// Runs a command to its end on this thread, which is its own.
pub(super) fn supervise(order: &CommandOrder, lines: OrderLines, running: &Running) {
    let OrderLines { started, ended, cancelled, mut place } = lines;
    let command = running.begin();
    place.set_stuck(true);
    let child = start(order);
    place.set_stuck(false);
    match child {
        Ok(mut child) => {
            let began = now();
            // Without a receiver the pipe is closed as well.
            let _ = started.send(());
            let limits = CommandLimits { began, timeout: order.timeout, cancelled };
            watch(&mut child, &limits, ended, &mut place);
        }
        Err(why) => {
            let _ = ended.send(CommandEnd::Failed(why));
        }
    }
    drop(command);
    drop(place);
}

/// Starts a command in a process group of its own.
fn start(order: &CommandOrder) -> Result<Child, String> {
    let mut command = Command::new(&order.program);
    command
        .args(&order.arguments)
        .env_clear()
        .env("PATH", PATH)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if let Some(account) = &order.account {
        account.take_groups().map_err(|error| cannot_change_to(account, &error))?;
        command.uid(account.uid);
    }
    let child = command.spawn().map_err(|error| cannot_start(&order.program, &error))?;
    if let Some(pid) = pid_of(&child) {
        // The program has its new limit a moment after its start. One of another user keeps the old one.
        let maximum = getrlimit(Resource::Nofile).maximum;
        let current = maximum.map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
        let limit = Rlimit { current: Some(current), maximum };
        let _ = prlimit(Some(pid), Resource::Nofile, limit);
    }
    Ok(child)
}

fn cannot_change_to(account: &UserAccount, error: &io::Error) -> String {
    let UserAccount { name, .. } = account;
    format!(
        "cannot run a command as {name}: {error}; that needs CAP_SETUID, CAP_SETGID and CAP_KILL since \
         the start of this process"
    )
}

fn cannot_start(program: &str, error: &io::Error) -> String {
    let text = format!("cannot start {program}: {}", error_chain(error));
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::AGAIN) => format!(
            "{text}; too many processes: raise the limit (TasksMax= in a systemd unit, ulimit -u)"
        ),
        _ => text,
    }
}

/// Waits for the end of a command, reports it, and ends its whole group.
fn watch(
    child: &mut Child,
    limits: &CommandLimits,
    ended: oneshot::Sender<CommandEnd>,
    place: &mut PoolPlace,
) {
    let outputs = [
        OutputPipe::new(child.stdout.take().map(OwnedFd::from)),
        OutputPipe::new(child.stderr.take().map(OwnedFd::from)),
    ];
    let [Ok(stdout), Ok(stderr)] = outputs else {
        kill_and_reap(child);
        let _ = ended.send(CommandEnd::Failed("cannot read the output of a command".to_owned()));
        return;
    };
    let mut outputs = [stdout, stderr];
    let stop = wait(child, &mut outputs, limits);
    let line = outputs.iter().find_map(OutputPipe::first_line);
    let after = limits.began.elapsed();
    drop(outputs);
    if stop == WaitEnd::Ended {
        // The ended command still holds its number, so its group cannot be that of another one.
        let end = match kill_and_reap(child) {
            Some(status) => CommandEnd::Ended { status, after, line },
            None => CommandEnd::Failed("the end of a command is not known".to_owned()),
        };
        let _ = ended.send(end);
    } else {
        // The answer does not wait for a process that cannot be killed, as on a dead file system.
        place.set_stuck(true);
        let _ = ended.send(CommandEnd::TimedOut { line });
        kill_and_reap(child);
    }
    wait_for_group(child);
}

/// Waits until the command has ended, its time is up, or nobody wants to know. Reads its outputs.
fn wait(child: &Child, outputs: &mut [OutputPipe; 2], limits: &CommandLimits) -> WaitEnd {
    let deadline = limits.began + limits.timeout;
    let Some(pid) = pid_of(child) else { return WaitEnd::TimeIsUp };
    let end = pidfd_open(pid, PidfdFlags::empty()).ok();
    let mut chunk = Chunk::new();
    loop {
        if has_ended(pid) {
            for output in outputs.iter_mut() {
                output.read_rest(&mut chunk);
            }
            return WaitEnd::Ended;
        }
        let mut left = deadline.saturating_duration_since(now());
        if left.is_zero() {
            return WaitEnd::TimeIsUp;
        }
        if end.is_none() {
            left = left.min(LOOK_AGAIN);
        }
        let mut waiting = vec![PollFd::new(&limits.cancelled, PollFlags::IN)];
        waiting.extend(end.as_ref().map(|end| PollFd::new(end, PollFlags::IN)));
        let pipes = outputs.iter().filter_map(OutputPipe::open).collect::<Vec<_>>();
        waiting.extend(pipes.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        let left = Timespec::try_from(left).ok();
        // An interruption is a wake-up like any other.
        let _ = poll(&mut waiting, left.as_ref());
        if !waiting[0].revents().is_empty() {
            return WaitEnd::Cancelled;
        }
        for output in outputs.iter_mut() {
            output.read(&mut chunk);
        }
    }
}

/// Whether a command has ended. It is not reaped by that.
fn has_ended(pid: Pid) -> bool {
    let peek = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    // An error means that there is no such child.
    waitid(WaitId::Pid(pid), peek).is_ok_and(|ended| ended.is_some())
}

/// Kills the group of a command, and reaps the command. Returns its exit code or signal.
fn kill_and_reap(child: &mut Child) -> Option<ExitStatus> {
    if let Some(pid) = pid_of(child) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
    child.wait().ok()
}

/// Waits until the group of a command that was reaped is empty. A process that was being forked as the
/// others were killed is killed, too.
fn wait_for_group(child: &Child) {
    let Some(group) = pid_of(child) else { return };
    let mut left = PATIENCE;
    while !left.is_zero() {
        // Its processes are children of this one if it adopts what is left behind.
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        while waitid(WaitId::Pgid(Some(group)), ended).is_ok_and(|ended| ended.is_some()) {}
        if kill_process_group(group, Signal::KILL) == Err(Errno::SRCH) {
            return;
        }
        std::thread::sleep(LOOK_AGAIN / 10);
        left = left.saturating_sub(LOOK_AGAIN / 10);
    }
}

fn pid_of(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}
