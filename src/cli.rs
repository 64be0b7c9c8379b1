//! The command line.
//!
//! Options are accepted before and after the command. They are declared once and read at both
//! places. An option after the command was given later, so it wins.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, FromArgMatches, Subcommand};

use crate::log;
use crate::settings::Asked;

mod command;
mod exits;
mod options;

pub(crate) use command::{
    CheckOptions, Command, DrainOptions, ExplainOptions, MonitorOptions, NotifyOptions, PastTime,
    PlanOptions, ReplayOptions, ReturnOptions, StatusOptions, TuneOptions, UndrainOptions,
    target_in,
};
use options::Options;

/// A complete, parsed command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invocation {
    /// The command to run.
    pub command: Command,
    /// The value of `--config-file`.
    pub config_file: PathBuf,
    /// The options that affect the configuration.
    pub asked: Asked,
    /// Whether `--debug` was given.
    pub debug: bool,
    /// The value of `--log-format`.
    pub log_format: log::Format,
}

/// The reason why there is no command to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The text of `--help` or `--version`, for stdout. Not an error.
    Told(String),
    /// The help, for stderr: the command line was rejected because it has no command.
    NoCommand(String),
    /// An error in the command line, without the program's name in front.
    Refused(String),
}

/// Parses a command line that begins with the program's name.
///
/// # Errors
///
/// Fails if it asks for help or for the version, has no command, or is invalid.
pub(crate) fn read<I>(arguments: I) -> Result<Invocation, Stop>
where
    I: IntoIterator,
    I::Item: Into<OsString> + Clone,
{
    let matches = definition().try_get_matches_from(arguments).map_err(|error| stop(&error))?;
    let options = Options::from_arg_matches(&matches).map_err(|error| stop(&error))?;
    let Some((_, after)) = matches.subcommand() else {
        return Err(Stop::NoCommand(definition().render_help().to_string()));
    };
    let later = Options::from_arg_matches(after).map_err(|error| stop(&error))?;
    let command = Command::from_arg_matches(&matches).map_err(|error| stop(&error))?;
    let invocation = options.then(later).complete(command);
    match &invocation.command {
        Command::Monitor(MonitorOptions { rehearse: Some(_) }) if !invocation.asked.dry_run => {
            Err(Stop::Refused("--rehearse works in dry-run only; omit --no-dry-run".to_owned()))
        }
        _ => Ok(invocation),
    }
}

/// Generates completions for `shell`, from the same definitions as `--help`.
pub(crate) fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut definition(), "goavail", &mut script);
    script
}

/// Generates the manual page in roff, from the same definitions as `--help`.
///
/// # Errors
///
/// Never fails in practice, because the page is written to memory.
pub(crate) fn manual() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(definition()).render(&mut page)?;
    Ok(page)
}

/// Returns the definition of the command line: the options stand before the command and again after
/// each command.
fn definition() -> clap::Command {
    let line = clap::Command::new("goavail")
        .version(env!("CARGO_PKG_VERSION"))
        .override_usage("goavail [OPTIONS] <COMMAND>")
        .args_override_self(true);
    Command::augment_subcommands(Options::augment_args(line))
        .about("Monitors public addresses from outside and takes dead ones out of DNS")
        .after_help(exits::ALL)
        .mut_subcommands(Options::augment_args)
}

/// Converts an error of clap to the form of all other errors here.
fn stop(error: &clap::Error) -> Stop {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Stop::Told(text),
        _ => {
            let bare = text.strip_prefix("error: ").unwrap_or(&text);
            Stop::Refused(bare.trim_end().to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use std::time::Duration;

    use super::*;

    fn invocation_of(line: &str) -> Invocation {
        read(line.split_whitespace()).unwrap_or_else(|stop| panic!("{line}: {stop:?}"))
    }

    fn refused(line: &str) -> String {
        match read(line.split_whitespace()) {
            Err(Stop::Refused(why)) => why,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }

    #[test]
    fn without_options_it_is_a_dry_run_of_echo_requests_at_cloudflare() {
        let want = Invocation {
            command: Command::Check(CheckOptions::default()),
            config_file: "goavail.toml".into(),
            asked: Asked { tcp: None, provider: None, dry_run: true },
            debug: false,
            log_format: log::Format::Text,
        };
        assert_eq!(invocation_of("goavail check"), want);
    }

    #[test]
    fn options_mean_the_same_before_and_after_the_command() {
        let options = "-f x.toml --no-dry-run -b -t tcp -p route53 --log-format json";
        let want = Invocation {
            command: Command::Check(CheckOptions::default()),
            config_file: "x.toml".into(),
            asked: Asked { tcp: Some(true), provider: Some("route53"), dry_run: false },
            debug: true,
            log_format: log::Format::Json,
        };
        assert_eq!(invocation_of(&format!("goavail {options} check")), want);
        assert_eq!(invocation_of(&format!("goavail check {options}")), want);
    }

    #[test]
    fn every_command_takes_every_option_at_both_places() {
        let commands = [
            "monitor",
            "check",
            "plan",
            "status",
            "drain ::1",
            "undrain ::1",
            "rules",
            "dashboard",
            "man",
        ];
        for command in commands {
            for option in ["--config-file=x", "--dry-run", "--no-debug", "--type=ip"] {
                invocation_of(&format!("goavail {option} {command}"));
                invocation_of(&format!("goavail {command} {option}"));
            }
        }
    }

    #[test]
    fn the_last_one_of_a_flag_and_its_opposite_wins() {
        let cases = [
            ("check", true, false),
            ("check --no-dry-run -b", false, true),
            ("--no-dry-run --dry-run check", true, false),
            ("-d --no-dry-run check", false, false),
            ("--no-dry-run check -d", true, false),
            ("-d check --no-dry-run", false, false),
            ("--no-dry-run -d --no-dry-run check", false, false),
            ("-b check --no-debug", true, false),
            ("--no-debug check --debug", true, true),
        ];
        for (line, dry_run, debug) in cases {
            let got = invocation_of(&format!("goavail {line}"));
            assert_eq!((got.asked.dry_run, got.debug), (dry_run, debug), "{line}");
        }
    }

    #[test]
    fn the_last_value_of_an_option_wins() {
        let got = invocation_of("goavail -f a -f b -t tcp check -t ip");
        assert_eq!((got.config_file, got.asked.tcp), ("b".into(), Some(false)));
        assert_eq!(invocation_of("goavail -f a check -f b").config_file, PathBuf::from("b"));
    }

    fn drain(address: &str, lasting: Option<u64>, reason: Option<&str>, force: bool) -> Command {
        let lasting = lasting.map(Duration::from_secs);
        let (address, reason) = (address.parse().unwrap(), reason.map(str::to_owned));
        Command::Drain(DrainOptions { address, service: None, lasting, reason, force })
    }

    #[test]
    fn each_command_reads_what_is_its_own() {
        let address = "192.0.2.10";
        let cases = [
            ("monitor", Command::Monitor(MonitorOptions { rehearse: None })),
            (
                "monitor --rehearse 192.0.2.10",
                Command::Monitor(MonitorOptions { rehearse: Some(address.parse().unwrap()) }),
            ),
            (
                "check --expanded",
                Command::Check(CheckOptions { expanded: true, ..CheckOptions::default() }),
            ),
            (
                "check --json",
                Command::Check(CheckOptions { json: true, ..CheckOptions::default() }),
            ),
            ("plan --json", Command::Plan(PlanOptions { json: true, service: None })),
            (
                "status --json",
                Command::Status(StatusOptions { json: true, watch: false, service: None }),
            ),
            (
                "status --watch",
                Command::Status(StatusOptions { json: false, watch: true, service: None }),
            ),
            ("drain 192.0.2.10", drain(address, None, None, false)),
            (
                "drain 192.0.2.10 --for 2h --reason disk --force",
                drain(address, Some(7200), Some("disk"), true),
            ),
            ("drain --for 90 192.0.2.10", drain(address, Some(90), None, false)),
            (
                "undrain 192.0.2.10",
                Command::Undrain(UndrainOptions {
                    now: false,
                    address: address.parse().unwrap(),
                    service: None,
                }),
            ),
            (
                "undrain 192.0.2.10 --now",
                Command::Undrain(UndrainOptions {
                    now: true,
                    address: address.parse().unwrap(),
                    service: None,
                }),
            ),
            (
                "return www/192.0.2.10",
                Command::Return(ReturnOptions {
                    address: "www/192.0.2.10".parse().unwrap(),
                    service: None,
                }),
            ),
        ];
        for (line, want) in cases {
            assert_eq!(invocation_of(&format!("goavail {line}")).command, want, "{line}");
        }
    }

    #[test]
    fn an_explanation_is_about_an_address_and_perhaps_one_service() {
        let want = ExplainOptions {
            address: "www/192.0.2.10".parse().unwrap(),
            service: Some("www".to_owned()),
            at: None,
            json: true,
        };
        let line = "goavail explain --service www www/192.0.2.10 --json";
        assert_eq!(invocation_of(line).command, Command::Explain(want));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let cases = [
            ("monitor --rehearse 127.0.0.2 --no-dry-run", "--rehearse works in dry-run only"),
            ("--no-dry-run monitor --rehearse 127.0.0.2", "--rehearse works in dry-run only"),
            ("check --rehearse 127.0.0.2", "unexpected argument '--rehearse' found"),
            ("--rehearse 127.0.0.2 monitor", "unexpected argument '--rehearse' found"),
            ("monitor --rehearse web1", "invalid value 'web1' for '--rehearse <ADDRESS>'"),
            ("check --type udp", "invalid value 'udp' for '--type <TYPE>'"),
            ("check -p bind", "invalid value 'bind' for '--dns-provider <PROVIDER>'"),
            ("check --dry-run=false", "unexpected value 'false' for '--dry-run' found"),
            ("drain", "the following required arguments were not provided"),
            (
                "drain 192.0.2.10 --for 2x",
                "invalid value '2x' for '--for <DURATION>': a duration is",
            ),
            ("drain 192.0.2.10 --for 0", "invalid value '0' for '--for <DURATION>': a duration is"),
            ("drain ::1 --for 0.9", "invalid value '0.9' for '--for <DURATION>': a duration is"),
            ("status --json --watch", "the argument '--json' cannot be used with '--watch'"),
            (
                "drain 192.0.2.10 --for NaN",
                "invalid value 'NaN' for '--for <DURATION>': a duration",
            ),
            ("explain", "the following required arguments were not provided"),
            ("explain web1", "invalid value 'web1' for '<ADDRESS>': invalid address"),
            ("watch", "unrecognized subcommand 'watch'"),
            ("check --json --expanded", "the argument '--json' cannot be used with '--expanded'"),
            ("check now", "unexpected argument 'now' found"),
        ];
        for (line, want) in cases {
            let why = refused(&format!("goavail {line}"));
            assert!(why.starts_with(want), "{line}: {why}");
        }
    }

    fn stop(line: &str) -> Stop {
        read(line.split_whitespace()).unwrap_err()
    }

    #[test]
    fn help_and_version_are_told_and_no_command_is_refused_with_the_help() {
        let version = Stop::Told(format!("goavail {}\n", env!("CARGO_PKG_VERSION")));
        assert_eq!(stop("goavail --version"), version);
        for line in ["goavail --help", "goavail -h", "goavail help", "goavail monitor --help"] {
            assert!(matches!(stop(line), Stop::Told(_)), "{line}");
        }
        for line in ["goavail", "goavail -b"] {
            let Stop::NoCommand(help) = stop(line) else { panic!("{line}") };
            assert!(help.contains("Usage: goavail [OPTIONS] <COMMAND>"), "{help}");
            assert!(help.contains("undrain    Return a drained address to the agent"), "{help}");
            assert!(help.starts_with("Monitors public addresses from outside"), "{help}");
            assert!(!help.contains("completions"), "hidden commands stay hidden: {help}");
            assert!(help.contains("3  there is a difference (plan only)"), "{help}");
        }
    }

    #[test]
    fn each_commands_help_tells_its_exit_codes() {
        let commands = [
            ("monitor", "1  stopped by a failure while running"),
            ("check", "0  the configuration is valid"),
            ("plan", "3  a difference"),
            ("status", "its loop is stalled"),
            ("explain", "1  no agent answers, or it does not watch the address"),
            ("drain", "1  no agent answers, or it refused"),
            ("undrain", "1  no agent answers, or it refused"),
            ("return", "1  no agent answers, or it refused"),
        ];
        for (command, want) in commands {
            let Err(Stop::Told(help)) = read(["goavail", command, "--help"]) else {
                panic!("{command}");
            };
            assert!(help.contains("Exit codes:\n") && help.contains(want), "{command}: {help}");
        }
    }

    #[test]
    fn packaging_gets_completions_and_a_manual_page() {
        for shell in clap_complete::Shell::value_variants() {
            let script = String::from_utf8(completions(*shell)).unwrap();
            assert!(script.contains("no-dry-run"), "{shell}");
        }
        let page = String::from_utf8(manual().unwrap()).unwrap();
        assert!(page.contains(".SH OPTIONS") && page.contains("undrain"), "{page}");
    }
}
