//! The commands that are running, and the processes that they leave behind.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, set_child_subreaper, waitid,
};
use rustix::time::{ClockId, clock_gettime};

/// Number of clock ticks in a second, in which the kernel tells the start of a process. Source: the
/// manual page `proc_pid_stat(5)`; it is `USER_HZ`, which is 100 on every architecture of today.
const TICKS: u64 = 100;

/// Time that the processes left behind by a command get to end once they were killed.
const PATIENCE: Duration = Duration::from_secs(1);

/// Time between looks at processes that were killed.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Looks whether a child has ended, without reaping it.
const PEEK: WaitIdOptions =
    WaitIdOptions::EXITED.union(WaitIdOptions::NOHANG).union(WaitIdOptions::NOWAIT);

/// The commands that are running.
#[derive(Debug, Default)]
pub(super) struct Running {
    commands: Mutex<Commands>,
    none: Condvar,
    /// Whether this process looks after the remains of its commands.
    looks_after: bool,
    /// How it does so, from the first command on.
    adoption: OnceLock<Adoption>,
}

/// How this process treats its children that are no commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Adoption {
    /// They are not its own.
    None,
    /// They are reaped when they have ended. They may have been left behind by other processes than
    /// commands, so none is killed.
    Reap,
    /// They were left behind by commands, so they are killed and reaped.
    End,
}

#[derive(Debug, Default)]
struct Commands {
    next: u64,
    /// The time at which each of them was about to be started, in ticks since the boot.
    begun: BTreeMap<u64, u64>,
    /// The time of the last look at the processes that were left behind, in ticks since the boot.
    looked: u64,
    /// The number of those that have ended, while their remains are looked for.
    ended: usize,
}

/// A command that is running. It counts until this is dropped.
#[derive(Debug)]
pub(super) struct RunningCommand<'a> {
    running: &'a Running,
    number: u64,
}

impl Drop for RunningCommand<'_> {
    fn drop(&mut self) {
        let mut commands = self.running.lock();
        commands.begun.remove(&self.number);
        commands.ended += 1;
        drop(commands);
        self.running.end_strays();
        let mut commands = self.running.lock();
        commands.ended -= 1;
        if commands.are_gone() {
            self.running.none.notify_all();
        }
    }
}

impl Commands {
    fn are_gone(&self) -> bool {
        self.begun.is_empty() && self.ended == 0
    }
}

impl Running {
    /// Returns the state without any command, of a process that has no other children than commands and
    /// what these leave behind. From its first command on, it is the parent of the latter.
    pub(super) fn looking_after() -> Self {
        Self { looks_after: true, ..Self::default() }
    }

    /// Counts a command that is about to be started.
    pub(super) fn begin(&self) -> RunningCommand<'_> {
        self.adoption.get_or_init(|| if self.looks_after { adopt() } else { Adoption::None });
        let mut commands = self.lock();
        let number = commands.next;
        commands.next += 1;
        commands.begun.insert(number, ticks());
        RunningCommand { running: self, number }
    }

    /// Waits until no command is running, at most this long. Returns whether none is.
    pub(super) fn wait_for_none(&self, limit: Duration) -> bool {
        let commands = self.lock();
        let waited = self.none.wait_timeout_while(commands, limit, |it| !it.are_gone());
        waited.unwrap_or_else(PoisonError::into_inner).0.are_gone()
    }

    /// Ends the processes that were left behind by commands that have ended, in whichever group or
    /// session they are. A process belongs to no command that runs if it is older than all of them.
    ///
    /// A process that may belong to a command beside it is ended with the last
    /// of these.
    fn end_strays(&self) {
        let adoption = self.adoption.get().copied().unwrap_or(Adoption::None);
        if adoption == Adoption::None {
            return;
        }
        if !self.may_look() {
            return;
        }
        let mut left = PATIENCE;
        while !left.is_zero() && end_older_than(self.oldest(), adoption) {
            std::thread::sleep(LOOK_AGAIN);
            left = left.saturating_sub(LOOK_AGAIN);
        }
    }

    /// Whether to look for processes that were left behind now. While other commands run, that is once a
    /// second: the kernel lists the processes of the whole machine.
    fn may_look(&self) -> bool {
        let (mut commands, now) = (self.lock(), ticks());
        let may = commands.begun.is_empty() || now >= commands.looked + TICKS;
        if may {
            commands.looked = now;
        }
        may
    }

    /// Returns the start of the command that runs longest, or the present without any.
    fn oldest(&self) -> (u64, bool) {
        let commands = self.lock();
        let oldest = commands.begun.values().copied().min();
        (oldest.unwrap_or_else(ticks), oldest.is_none())
    }

    fn lock(&self) -> MutexGuard<'_, Commands> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins to adopt the remains of commands. A child that is there before is none of them. The first
/// process of a container gets the orphans of everybody in it. Descriptors that the starter of this
/// process has left open are closed, since commands would inherit them.
fn adopt() -> Adoption {
    for descriptor in inherited_descriptors() {
        // Nobody in here knows it.
        let _ = nix::unistd::close(descriptor);
    }
    let own = getpid();
    let kills = !own.is_init() && has_no_child();
    match set_child_subreaper(Some(own)) {
        Ok(()) if kills => Adoption::End,
        _ => Adoption::Reap,
    }
}

/// Returns the descriptors of this process that its commands inherit, besides the first three. Each one
/// of its own is closed at the start of another program.
pub(super) fn inherited_descriptors() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc/self/fdinfo") else { return Vec::new() };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|number| *number > 2 && is_inherited(*number)).collect()
}

/// Whether a descriptor stays open at the start of another program. Source: `proc_pid_fdinfo(5)`.
fn is_inherited(descriptor: i32) -> bool {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & OFlags::CLOEXEC.bits() == 0)
}

/// Kills and reaps the children of this process that are older than `limit`, in ticks since the boot.
/// Returns whether there may be more of them soon.
fn end_older_than((limit, alone): (u64, bool), adoption: Adoption) -> bool {
    if has_no_child() {
        return false;
    }
    let kills = adoption == Adoption::End;
    let mut found = false;
    for child in children().into_iter().filter(|child| child.started < limit) {
        found = true;
        if kills {
            // It may have ended by itself.
            let _ = kill_process(child.pid, Signal::KILL);
        }
        let _ = waitid(WaitId::Pid(child.pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
    }
    // Alone, each child is a stray, though it may have been started in this very tick.
    kills && (found || alone)
}

/// Whether this process has no child, not even one that has ended and was not reaped.
pub(super) fn has_no_child() -> bool {
    matches!(waitid(WaitId::All, PEEK), Err(Errno::CHILD))
}

/// A child of this process.
#[derive(Debug, PartialEq, Eq)]
struct ChildProcess {
    pid: Pid,
    /// The time of its start, in ticks since the boot.
    started: u64,
}

/// Returns the children of this process, ended ones included.
fn children() -> Vec<ChildProcess> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let own = getpid();
    let pids =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let (parent, started) = parent_and_start(&String::from_utf8_lossy(&stat))?;
        (Pid::from_raw(parent) == Some(own)).then_some(())?;
        Some(ChildProcess { pid: Pid::from_raw(pid)?, started })
    })
    .collect()
}

/// Reads the parent and the start of a process from its `stat`. The second field is a name in
/// parentheses, which may itself have spaces and parentheses. Source: `proc_pid_stat(5)`.
fn parent_and_start(stat: &str) -> Option<(i32, u64)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    Some((parent, started))
}

/// Returns the present in ticks since the boot.
fn ticks() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
    seconds * TICKS + nanos / (1_000_000_000 / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_and_the_start_are_read_behind_any_name() {
        let rest =
            " S 41 77 77 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 123456 9 9 18446744073709551615";
        for name in ["sh", "a b", "a) S 1 (b", "((", ") )"] {
            let stat = format!("77 ({name}){rest}");
            assert_eq!(parent_and_start(&stat), Some((41, 123_456)), "{name}");
        }
        for cut in ["", "77", "77 (sh)", "77 (sh) S 41 77"] {
            assert_eq!(parent_and_start(cut), None, "{cut}");
        }
    }

    #[test]
    fn a_child_is_found_with_a_start_that_its_beginning_precedes() {
        let before = ticks();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let after = ticks();
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).unwrap();
        let found = children().into_iter().find(|it| it.pid == pid).expect("it is a child");
        assert!((before..=after).contains(&found.started), "{found:?} in {before}..={after}");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn nothing_is_running_once_each_command_has_ended() {
        let running = Running::default();
        let commands = [running.begin(), running.begin()];
        assert!(!running.wait_for_none(Duration::ZERO));
        drop(commands);
        assert!(running.wait_for_none(Duration::ZERO));
    }
}
