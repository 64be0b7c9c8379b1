//! The `goavail` binary: the border where results become exit codes and errors are printed, once.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use goavail::cli::{self, Command, Invocation, Stop};
use goavail::commands::{self, CommandError, Ending, Order, Said};
use goavail::config::{self, Config, ConfigErrors, StatusConfig};
use goavail::monitor::{self, Ended};
use goavail::status::Drain;
use goavail::{log, panics, privilege};

/// The command line or the configuration is refused.
const REFUSED: u8 = 2;

/// Stopped by a failure while running.
const STOPPED: u8 = 1;

/// There is a difference; from `plan` alone.
const DIFFERENT: u8 = 3;

/// Why the program ends without having done what it was asked.
enum Failure {
    /// Exit code 2: the command line.
    Refused(String),
    /// Exit code 2: the configuration, a line for each thing that is wrong.
    Configuration(ConfigErrors),
    /// Exit code 1.
    Stopped(anyhow::Error),
    /// Exit code 3: nothing went wrong, and all was said.
    Different,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Stopped(error)
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::LongReason(_) => Self::Refused(goavail::chain(&error)),
            error => Self::Stopped(error.into()),
        }
    }
}

fn main() -> ExitCode {
    panics::end_on_panic();
    let code = run_and_tell();
    log::finish();
    code
}

/// Does what the command line asks, and says what went wrong.
fn run_and_tell() -> ExitCode {
    let ended = match cli::read(std::env::args_os()) {
        Ok(invocation) => run(&invocation),
        Err(Stop::Told(text)) => print(text.as_bytes()),
        Err(Stop::NoCommand(help)) => {
            log::last_words(&format!("no command given\n\n{help}"));
            return ExitCode::from(REFUSED);
        }
        Err(Stop::Refused(why)) => Err(Failure::Refused(why)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Refused(why)) => {
            log::last_words(&why);
            ExitCode::from(REFUSED)
        }
        Err(Failure::Configuration(errors)) => {
            errors.to_string().lines().for_each(log::last_words);
            ExitCode::from(REFUSED)
        }
        Err(Failure::Stopped(error)) => {
            log::last_words(&goavail::chain(error.as_ref()));
            ExitCode::from(STOPPED)
        }
        Err(Failure::Different) => ExitCode::from(DIFFERENT),
    }
}

fn run(invocation: &Invocation) -> Result<(), Failure> {
    match &invocation.command {
        Command::Check => print(configuration(invocation)?.in_words().as_bytes()),
        Command::Monitor(command) => {
            // First of all, while there is but one thread to give privileges up for.
            let settled = privilege::settle();
            let sighup = monitor::hold_sighup().map_err(anyhow::Error::from)?;
            start_log(invocation, log::start_beside)?;
            if let Err(error) = settled {
                tracing::warn!(
                    "goes on with all of its privileges, for giving up what is not needed failed: {error}"
                );
            }
            if let Err(error) = privilege::forbid_dumps() {
                tracing::warn!("a core dump of this process would hold its secrets: {error}");
            }
            let config = configuration(invocation)?;
            rehearsable(&config, command.rehearse)?;
            watch(invocation, config, command.rehearse, &sighup)
        }
        Command::Plan(asked) => {
            start_log(invocation, log::start)?;
            tell(commands::plan(&configuration(invocation)?, asked.json, may_colour())?)
        }
        Command::Status(asked) if asked.watch => {
            Ok(commands::watch(&status_places(invocation)?, may_colour())?)
        }
        Command::Status(asked) => {
            tell(commands::status(&status_places(invocation)?, asked.json, may_colour())?)
        }
        Command::Drain(asked) => {
            let (lasting, reason, force) = (asked.lasting, asked.reason.clone(), asked.force);
            let order = Order::drain(Drain { lasting, reason, force })?;
            tell(commands::order(&status_places(invocation)?, asked.address, &order)?)
        }
        Command::Undrain(asked) => {
            tell(commands::order(&status_places(invocation)?, asked.address, &Order::Undrain)?)
        }
        Command::Completions(asked) => print(&cli::completions(asked.shell)),
        Command::Man => print(&cli::manual().map_err(anyhow::Error::from)?),
    }
}

/// Watches until it is told to stop.
fn watch(
    invocation: &Invocation,
    config: Config,
    rehearse: Option<IpAddr>,
    sighup: &AtomicBool,
) -> Result<(), Failure> {
    let (file, asked) = (invocation.config_file.clone(), invocation.asked);
    let load = move || config::load(&file, &asked, &variable);
    monitor::run(config, rehearse, load, sighup).map_err(|ended| match ended {
        Ended::Refused(error) => Failure::Refused(goavail::chain(&error)),
        Ended::Stopped(error) => Failure::Stopped(error),
    })
}

/// The validated configuration.
fn configuration(invocation: &Invocation) -> Result<Config, Failure> {
    config::load(&invocation.config_file, &invocation.asked, &variable)
        .map_err(Failure::Configuration)
}

/// Where the running agent can be asked.
fn status_places(invocation: &Invocation) -> Result<StatusConfig, Failure> {
    config::load_status(&invocation.config_file).map_err(Failure::Configuration)
}

/// Prints what a command found, and ends as it does.
fn tell(said: Said) -> Result<(), Failure> {
    print(said.text.as_bytes())?;
    match said.ending {
        Ending::Fine => Ok(()),
        Ending::Different => Err(Failure::Different),
        Ending::Failed(error) => Err(error.into()),
    }
}

/// Whether stdout may be coloured.
fn may_colour() -> bool {
    commands::may_colour(variable("NO_COLOR").as_deref())
}

/// Only what is watched can be rehearsed.
fn rehearsable(config: &Config, address: Option<IpAddr>) -> Result<(), Failure> {
    match address {
        Some(address) if !config.targets.contains(&address) => {
            let file = config.path.display();
            Err(Failure::Refused(format!(
                "--rehearse: {address} is not among the addresses in {file}"
            )))
        }
        _ => Ok(()),
    }
}

fn start_log(
    invocation: &Invocation,
    start: fn(log::Options, Option<&str>) -> Result<(), log::BadFilter>,
) -> Result<(), Failure> {
    let colour = log::may_colour(variable("NO_COLOR").as_deref());
    let options = log::Options { format: invocation.log_format, debug: invocation.debug, colour };
    start(options, variable("RUST_LOG").as_deref()).map_err(|error| {
        let error = anyhow::Error::from(error);
        Failure::Refused(format!("{error:#}"))
    })
}

/// An environment variable. What is no UTF-8 is kept as far as it goes, so that it is refused
/// where it is looked at and not taken for absent.
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).as_deref().map(OsStr::to_string_lossy).map(String::from)
}

/// Prints a result. A reader that has had enough, as `head` has, is no failure.
fn print(text: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::from(error).context("cannot write to stdout").into())
        }
        _ => Ok(()),
    }
}
