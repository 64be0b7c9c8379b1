//! A command that is run for each probe: exit code 0 is a reply, 1 is a reply with a warning, and 2 is a
//! loss. Any other end says nothing about the target.
//!
//! A command runs in a process group of its own and is killed with it at the timeout. When it has
//! ended, everything that it left behind in its group is killed as well. The daemon also adopts
//! processes that have left the group and lost their parent (`setsid`, daemons), and ends them with
//! the command, or with the last of those that ran beside it. One thing remains that is out of reach of
//! any signal: a process that hangs in the kernel, as on a dead network file system. Its command
//! keeps its place among `max_running`. If this process is itself killed, its commands run on to
//! their own end, unless a supervisor ends them: systemd does.
//!
//! A command has no privileges besides those of its user, since `no_new_privs` is set for the whole
//! daemon: a program with the set-user-id bit runs as the user that started it.

pub(crate) mod account;
mod output;
mod pool;
pub(crate) mod refusals;
mod running;
pub(crate) mod settings;
mod supervisor;

use std::io::pipe;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::engine::event::ProbeRequest;
use crate::engine::types::{Answer, WrongAnswer};
use crate::text::{error_chain, milliseconds, seconds};
use pool::{PoolPlace, Pools};
use running::Running;
use settings::ExecSettings;
use supervisor::{CommandEnd, CommandOrder, OrderLines, supervise};

/// Stack of the thread of a command, which calls nothing deep.
const STACK: usize = 256 * 1024;

/// Time that the commands which still run get to end when this is dropped.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Runs the commands of all exec checks.
#[derive(Debug, Default)]
pub(crate) struct Exec {
    running: Arc<Running>,
    pools: Pools,
}

/// The result of one probe by a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExecAnswer {
    /// The answer that is counted.
    pub(crate) answer: Answer,
    /// The first line of the output, if the command has replied with a warning.
    pub(crate) warning: Option<String>,
}

impl Exec {
    /// Returns a runner for a process that has no other children than its commands and what these leave
    /// behind. The latter are ended.
    pub(crate) fn of_this_process() -> Self {
        Self { running: Arc::new(Running::looking_after()), pools: Pools::default() }
    }

    /// Runs the command of a check for the address of `probe`.
    ///
    /// The command has the timeout of the probe from its start. If it cannot start in as much time,
    /// since too many of its kind are running, the probe counts for nothing.
    ///
    /// To drop the future kills the command.
    pub(crate) async fn probe(&self, settings: &ExecSettings, probe: &ProbeRequest) -> ExecAnswer {
        let program = settings.program().display().to_string();
        let end = match self.pools.place(&settings.pool(), probe.timeout).await {
            Ok(place) => self.run(settings, probe, place).await,
            Err(answer) => return answer.into(),
        };
        match end {
            Ok(CommandEnd::Ended { status, after, line }) if after <= probe.timeout => {
                answer(&program, status, after, line)
            }
            Ok(CommandEnd::Ended { line, .. } | CommandEnd::TimedOut { line }) => {
                let line =
                    line.map(|line| format!(", after the line {line:?}")).unwrap_or_default();
                Answer::TimedOut(format!("no end within {}{line}", seconds(probe.timeout))).into()
            }
            Ok(CommandEnd::Failed(why)) | Err(why) => Answer::Fault(why).into(),
        }
    }

    /// Runs a command that has its place.
    ///
    /// # Errors
    ///
    /// Fails in words if this machine cannot do so.
    async fn run(
        &self,
        settings: &ExecSettings,
        probe: &ProbeRequest,
        place: PoolPlace,
    ) -> Result<CommandEnd, String> {
        let program = settings.program().display().to_string();
        let order = CommandOrder {
            program: program.clone(),
            arguments: settings.arguments(probe.endpoint.address),
            account: settings.user().filter(|user| user.is_another()).cloned(),
            timeout: probe.timeout,
        };
        let (started, has_started) = oneshot::channel();
        let (ended, has_ended) = oneshot::channel();
        // The writer is closed when this future is done or dropped.
        let (cancelled, _wanted) = pipe().map_err(|error| error_chain(&error))?;
        let lines = OrderLines { started, ended, cancelled, place };
        let running = Arc::clone(&self.running);
        std::thread::Builder::new()
            .name("exec".to_owned())
            .stack_size(STACK)
            .spawn(move || supervise(&order, lines, &running))
            .map_err(|error| {
                format!("cannot start a thread for {program}: {}", error_chain(&error))
            })?;
        // A program on a file system that hangs cannot even be started.
        if timeout(probe.timeout, has_started).await.is_err() {
            return Err(format!("{program} did not start within {}", seconds(probe.timeout)));
        }
        has_ended.await.map_err(|_| format!("the end of {program} is not known"))
    }
}

impl Drop for Exec {
    /// Waits for the end of the commands, which are killed by now.
    fn drop(&mut self) {
        self.running.wait_for_none(LAST_MOMENT);
    }
}

impl From<Answer> for ExecAnswer {
    fn from(answer: Answer) -> Self {
        Self { answer, warning: None }
    }
}

/// Returns the answer of a command that has ended in time. Source of the exit codes: the guidelines of
/// the monitoring plugins.
fn answer(program: &str, status: ExitStatus, after: Duration, line: Option<String>) -> ExecAnswer {
    let output = line.as_deref().unwrap_or("without output");
    match status.code() {
        Some(0) => Answer::Reply(after).into(),
        Some(1) => ExecAnswer {
            answer: Answer::Reply(after),
            warning: Some(line.unwrap_or_else(|| "exit code 1, without output".to_owned())),
        },
        Some(2) => {
            let reason = format!("exit code 2 after {}: {output}", milliseconds(after));
            Answer::Failed(WrongAnswer { kind: "exit code 2".to_owned(), reason }).into()
        }
        Some(code) => Answer::Fault(format!("{program}: exit code {code}: {output}")).into(),
        None => {
            let signal = status.signal().unwrap_or_default();
            Answer::Fault(format!("{program} was killed by signal {signal}: {output}")).into()
        }
    }
}

#[cfg(test)]
mod tests;
