//! The program: the border at which results become exit codes and errors are printed, once.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use crate::agent::{self, Ended};
use crate::cli::{
    self, Command, DrainOptions, ExplainOptions, Invocation, ReturnOptions, Stop, UndrainOptions,
};
use crate::commands::{self, CommandError, CommandReport, Configurations, Ending, ReplayRefusal};
use crate::config::ConfigErrors;
use crate::settings::{self, Config};
use crate::status::{CommandTarget, DrainRequest, StatusConfig, UndrainRequest};
use crate::text::error_chain;
use crate::{log, panics, privilege, text};

/// Exit code for a rejected command line or configuration.
const REFUSED: u8 = 2;

/// Exit code for a failure while running.
const STOPPED: u8 = 1;

/// Exit code of `plan` if there is a difference.
const DIFFERENT: u8 = 3;

/// The reason why the program ends without having completed its task.
enum ProgramFailure {
    /// A rejected command line: exit code 2.
    Refused(String),
    /// A rejected configuration, with a line for each problem: exit code 2.
    Configuration(ConfigErrors),
    /// A failure while running: exit code 1.
    Stopped(anyhow::Error),
    /// A difference, reported in full, without any error: exit code 3.
    Different,
}

impl From<anyhow::Error> for ProgramFailure {
    fn from(error: anyhow::Error) -> Self {
        Self::Stopped(error)
    }
}

impl From<CommandError> for ProgramFailure {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::LongReason(_) | CommandError::NoService { .. } => {
                Self::Refused(error_chain(&error))
            }
            error => Self::Stopped(error.into()),
        }
    }
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    panics::end_on_panic();
    let code = run_and_report();
    log::finish();
    code
}

/// Runs the command and prints its error.
fn run_and_report() -> ExitCode {
    let ended = match cli::read(std::env::args_os()) {
        Ok(invocation) => run(&invocation),
        Err(Stop::Told(text)) => print(text.as_bytes()),
        Err(Stop::NoCommand(help)) => {
            log::write_final_message(&format!("no command given\n\n{help}"));
            return ExitCode::from(REFUSED);
        }
        Err(Stop::Refused(why)) => Err(ProgramFailure::Refused(why)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(ProgramFailure::Refused(why)) => {
            log::write_final_message(&why);
            ExitCode::from(REFUSED)
        }
        Err(ProgramFailure::Configuration(errors)) => {
            errors.to_string().lines().for_each(log::write_final_message);
            ExitCode::from(REFUSED)
        }
        Err(ProgramFailure::Stopped(error)) => {
            log::write_final_message(&error_chain(error.as_ref()));
            ExitCode::from(STOPPED)
        }
        Err(ProgramFailure::Different) => ExitCode::from(DIFFERENT),
    }
}

fn run(invocation: &Invocation) -> Result<(), ProgramFailure> {
    match &invocation.command {
        Command::Check(asked) => {
            let file = invocation.config_file.display().to_string();
            let checked = settings::load(&invocation.config_file, &invocation.asked, &variable);
            let text = commands::check(&file, &checked, asked).map_err(anyhow::Error::from)?;
            if let Some(text) = text {
                print(text.as_bytes())?;
            }
            checked.map(drop).map_err(ProgramFailure::Configuration)
        }
        Command::Monitor(command) => monitor(invocation, command.rehearse.clone()),
        Command::Plan(asked) => {
            start_log(invocation, log::start)?;
            report(commands::plan(&configuration(invocation)?, asked, may_colour())?)
        }
        Command::Status(asked) if asked.watch => {
            Ok(commands::watch(&status_places(invocation)?, asked, may_colour())?)
        }
        Command::Status(asked) => {
            report(commands::status(&status_places(invocation)?, asked, may_colour())?)
        }
        Command::Explain(asked) => explain(invocation, asked),
        Command::Drain(asked) => drain(invocation, asked),
        Command::Undrain(asked) => undrain(invocation, asked),
        Command::Return(asked) => put_back(invocation, asked),
        Command::Notify(asked) => {
            start_log(invocation, log::start)?;
            report(commands::notify(&configuration(invocation)?, asked, wall())?)
        }
        Command::Rules(asked) => {
            print(commands::rules(&asked.job).map_err(ProgramFailure::Refused)?.as_bytes())
        }
        Command::Dashboard => print(commands::dashboard().as_bytes()),
        Command::Replay(asked) => replayed(commands::replay(&configurations(invocation), asked)),
        Command::Tune(asked) => replayed(commands::tune(&configurations(invocation), asked)),
        Command::Completions(asked) => print(&cli::completions(asked.shell)),
        Command::Man => print(&cli::manual().map_err(anyhow::Error::from)?),
    }
}

fn monitor(invocation: &Invocation, rehearse: Option<CommandTarget>) -> Result<(), ProgramFailure> {
    // This comes first, while there is only one thread with privileges to drop.
    let reduced = privilege::reduce();
    let sighup = agent::hold_sighup().map_err(anyhow::Error::from)?;
    start_log(invocation, log::start_threaded)?;
    if let Err(error) = reduced {
        tracing::warn!("failed to drop unneeded privileges; continuing with all of them: {error}");
    }
    if let Err(error) = privilege::forbid_dumps() {
        tracing::warn!("cannot disable core dumps, which would contain secrets: {error}");
    }
    let config = configuration(invocation)?;
    if !config.runs_commands_as_others()
        && let Err(error) = privilege::give_up_switching()
    {
        tracing::warn!("failed to drop the right to change the user: {error}");
    }
    check_rehearsal(&config, rehearse.as_ref())?;
    watch(invocation, config, rehearse, &sighup)
}

#[expect(clippy::disallowed_methods, reason = "test notices are dated by the wall clock")]
fn wall() -> SystemTime {
    SystemTime::now()
}

fn explain(invocation: &Invocation, asked: &ExplainOptions) -> Result<(), ProgramFailure> {
    let target = target_in(&asked.address, asked.service.as_deref())?;
    if let Some(at) = asked.at {
        let (configurations, colour) = (configurations(invocation), may_colour());
        let past = commands::explain_past(&configurations, (&target, at), asked.json, colour);
        return replayed(past);
    }
    report(commands::explain(&status_places(invocation)?, &target, asked.json, may_colour())?)
}

fn drain(invocation: &Invocation, asked: &DrainOptions) -> Result<(), ProgramFailure> {
    let (lasting, reason, force) = (asked.lasting, asked.reason.clone(), asked.force);
    let drain = DrainRequest { lasting, reason, force };
    let target = target_in(&asked.address, asked.service.as_deref())?;
    report(commands::drain(&status_places(invocation)?, &target, &drain)?)
}

fn undrain(invocation: &Invocation, asked: &UndrainOptions) -> Result<(), ProgramFailure> {
    let target = target_in(&asked.address, asked.service.as_deref())?;
    let undrain = UndrainRequest { now: asked.now };
    report(commands::undrain(&status_places(invocation)?, &target, undrain)?)
}

fn put_back(invocation: &Invocation, asked: &ReturnOptions) -> Result<(), ProgramFailure> {
    let target = target_in(&asked.address, asked.service.as_deref())?;
    report(commands::put_back(&status_places(invocation)?, &target)?)
}

/// Returns the target of a command with the value of `--service`.
fn target_in(
    address: &CommandTarget,
    service: Option<&str>,
) -> Result<CommandTarget, ProgramFailure> {
    cli::target_in(address, service).map_err(ProgramFailure::Refused)
}

/// Monitors until a request to stop.
fn watch(
    invocation: &Invocation,
    config: Config,
    rehearse: Option<CommandTarget>,
    sighup: &AtomicBool,
) -> Result<(), ProgramFailure> {
    let (file, asked) = (invocation.config_file.clone(), invocation.asked);
    let ended =
        agent::run(config, rehearse, move || settings::load(&file, &asked, &variable), sighup);
    ended.map_err(|ended| match ended {
        Ended::Refused(error) => ProgramFailure::Refused(error_chain(&error)),
        Ended::Stopped(error) => ProgramFailure::Stopped(error),
    })
}

/// Returns the validated configuration.
fn configuration(invocation: &Invocation) -> Result<Config, ProgramFailure> {
    settings::load(&invocation.config_file, &invocation.asked, &variable)
        .map_err(ProgramFailure::Configuration)
}

/// Returns the way to the configuration, as it is and with other values.
fn configurations(invocation: &Invocation) -> Configurations<'_> {
    Configurations { path: &invocation.config_file, asked: &invocation.asked, env: &variable }
}

/// Prints the result of a replay.
fn replayed(replayed: Result<CommandReport, ReplayRefusal>) -> Result<(), ProgramFailure> {
    report(replayed.map_err(|refusal| match refusal {
        ReplayRefusal::Configuration(errors) => ProgramFailure::Configuration(errors),
        ReplayRefusal::Refused(why) => ProgramFailure::Refused(why),
        ReplayRefusal::Failed(why) => ProgramFailure::Stopped(anyhow::anyhow!(why)),
    })?)
}

/// Returns the addresses at which the running agent can be queried.
fn status_places(invocation: &Invocation) -> Result<StatusConfig, ProgramFailure> {
    settings::load_status(&invocation.config_file).map_err(ProgramFailure::Configuration)
}

/// Prints the result of a command, and ends with its exit code.
fn report(report: CommandReport) -> Result<(), ProgramFailure> {
    print(report.text.as_bytes())?;
    match report.ending {
        Ending::Fine => Ok(()),
        Ending::Different => Err(ProgramFailure::Different),
        Ending::Failed(error) => Err(error.into()),
    }
}

/// Whether stdout may be coloured.
fn may_colour() -> bool {
    text::may_colour(&io::stdout(), variable("NO_COLOR").as_deref())
}

/// Checks that the address to rehearse is a target of the service that is named, or of any.
fn check_rehearsal(config: &Config, target: Option<&CommandTarget>) -> Result<(), ProgramFailure> {
    let Some(target) = target else { return Ok(()) };
    let services = commands::services_named(config, "--rehearse", target.service.as_deref())?;
    if services.iter().any(|service| service.probed().contains(&target.address)) {
        return Ok(());
    }
    let file = config.path.display();
    if services.iter().any(|service| service.targets.contains(&target.address)) {
        return Err(ProgramFailure::Refused(format!(
            "--rehearse: {target} is a last_resort in {file}, which is not probed; rehearse the others"
        )));
    }
    Err(ProgramFailure::Refused(format!(
        "--rehearse: {target} is not among the addresses in {file}"
    )))
}

fn start_log(
    invocation: &Invocation,
    start: fn(log::LogOptions, Option<&str>) -> Result<(), log::BadFilter>,
) -> Result<(), ProgramFailure> {
    let colour = text::may_colour(&io::stderr(), variable("NO_COLOR").as_deref());
    let options =
        log::LogOptions { format: invocation.log_format, debug: invocation.debug, colour };
    start(options, variable("RUST_LOG").as_deref()).map_err(|error| {
        let error = anyhow::Error::from(error);
        ProgramFailure::Refused(format!("{error:#}"))
    })
}

/// Returns an environment variable. A value that is not UTF-8 is converted as far as possible, so
/// that it is rejected by its reader and not mistaken for absent.
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).as_deref().map(OsStr::to_string_lossy).map(String::from)
}

/// Prints a result. A reader that stops early, as `head` does, is not a failure.
fn print(text: &[u8]) -> Result<(), ProgramFailure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::from(error).context("cannot write to stdout").into())
        }
        _ => Ok(()),
    }
}
