//! The `goavail` binary: the border where results become exit codes and errors are printed, once.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use goavail::cli::{self, Command, Invocation, Stop};
use goavail::config::{self, Config, ConfigErrors};
use goavail::log;
use goavail::monitor::{self, Ended};

/// The command line or the configuration is refused.
const REFUSED: u8 = 2;

/// Stopped by a failure while running.
const STOPPED: u8 = 1;

/// Why the program ends without having done what it was asked.
enum Failure {
    /// Exit code 2: the command line.
    Refused(String),
    /// Exit code 2: the configuration, a line for each thing that is wrong.
    Configuration(ConfigErrors),
    /// Exit code 1.
    Stopped(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Stopped(error)
    }
}

fn main() -> ExitCode {
    let ended = match cli::read(std::env::args_os()) {
        Ok(invocation) => run(&invocation),
        Err(Stop::Told(text)) => print(text.as_bytes()),
        Err(Stop::NoCommand(help)) => {
            complain(&format!("no command given\n\n{help}"));
            return ExitCode::from(REFUSED);
        }
        Err(Stop::Refused(why)) => Err(Failure::Refused(why)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Refused(why)) => {
            complain(&why);
            ExitCode::from(REFUSED)
        }
        Err(Failure::Configuration(errors)) => {
            errors.to_string().lines().for_each(complain);
            ExitCode::from(REFUSED)
        }
        Err(Failure::Stopped(error)) => {
            complain(&format!("{error:#}"));
            ExitCode::from(STOPPED)
        }
    }
}

fn run(invocation: &Invocation) -> Result<(), Failure> {
    match &invocation.command {
        Command::Check => print(configuration(invocation)?.in_words().as_bytes()),
        Command::Monitor(command) => {
            let sighup = monitor::hold_sighup().map_err(anyhow::Error::from)?;
            start_log(invocation)?;
            let config = configuration(invocation)?;
            rehearsable(&config, command.rehearse)?;
            watch(invocation, config, command.rehearse, &sighup)
        }
        Command::Plan(_) | Command::Status(_) | Command::Drain(_) | Command::Undrain(_) => {
            Err(anyhow::anyhow!("this command is not wired").into())
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

fn start_log(invocation: &Invocation) -> Result<(), Failure> {
    let colour = log::may_colour(variable("NO_COLOR").as_deref());
    let options = log::Options { format: invocation.log_format, debug: invocation.debug, colour };
    log::start(options, variable("RUST_LOG").as_deref()).map_err(|error| {
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

/// Says on stderr what is wrong.
fn complain(why: &str) {
    // If nobody listens there, the exit code still tells.
    let _ = writeln!(io::stderr().lock(), "goavail: {why}");
}
