//! The log: one event a line on stderr, as text or as JSON.

mod writer;

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::time::Duration;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::text::with_remedy;
use writer::Queue;

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// Text for people
    #[default]
    Text,
    /// JSON, one object a line
    Json,
}

/// Options of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LogOptions {
    /// Format of log lines.
    pub format: Format,
    /// Whether this program's own events are written from DEBUG on (`--debug`).
    pub debug: bool,
    /// Whether text may be coloured.
    pub colour: bool,
}

/// Filter for libraries with unwanted events at INFO, or with an event for every packet.
///
/// surge-ping reports each packet that it did not wait for; rustls and hyper report each
/// connection.
const QUIET: &str = "surge_ping=warn,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn,h2=warn,\
                     foca=warn,aws_config=warn,aws_smithy_runtime=warn,aws_sdk_route53=warn";

/// `RUST_LOG` is not a valid filter.
#[derive(Debug, thiserror::Error)]
#[error("RUST_LOG is not a filter such as \"info,goavail=debug\"")]
pub(crate) struct BadFilter {
    #[from]
    source: tracing_subscriber::filter::ParseError,
}

/// Queue of the writing thread, if there is one.
static QUEUE: OnceLock<Queue> = OnceLock::new();

/// Maximum time that the end of the program waits for the reader of the log.
const FINISH_WITHIN: Duration = Duration::from_secs(1);

/// Starts the log of this process on stderr. `rust_log` is the value of the variable, which
/// overrides every other choice unless it is empty.
///
/// # Errors
///
/// Fails if `rust_log` is not a filter; nothing is started then. An existing log stays in place.
pub(crate) fn start(options: LogOptions, rust_log: Option<&str>) -> Result<(), BadFilter> {
    let filter = filter(options.debug, rust_log)?;
    // An error means that a log was started before, which then remains in use.
    let _ = subscriber(options, filter, io::stderr).try_init();
    Ok(())
}

/// Like [`start`], but with a thread of its own for writing, so that logging never waits for the
/// reader. If no thread can be started, events are written directly.
///
/// # Errors
///
/// Fails as [`start`] does.
pub(crate) fn start_threaded(options: LogOptions, rust_log: Option<&str>) -> Result<(), BadFilter> {
    let filter = filter(options.debug, rust_log)?;
    // A separate descriptor: a write that hangs would hold the lock of `io::stderr`.
    let stderr = io::stderr().as_fd().try_clone_to_owned().map(File::from);
    match stderr.and_then(|stderr| Queue::start(stderr, move |count| lost(options, count))) {
        Ok(queue) => {
            let _ = subscriber(options, filter, queue.clone()).try_init();
            let _ = QUEUE.set(queue);
        }
        Err(error) => {
            let _ = subscriber(options, filter, io::stderr).try_init();
            tracing::warn!(%error, "cannot start a thread for the log: a reader that hangs will \
                block the agent");
        }
    }
    Ok(())
}

/// Formats the line that reports `count` lost lines.
fn lost(options: LogOptions, count: u64) -> Vec<u8> {
    let (line, written) = std::sync::mpsc::channel();
    let filter = EnvFilter::new("warn");
    let subscriber = subscriber(options, filter, move || ToChannel(line.clone()));
    tracing::subscriber::with_default(subscriber, || {
        tracing::warn!("{count} lines lost: the reader of the log did not keep up");
    });
    written.try_iter().flatten().collect()
}

/// Sends the written bytes to a channel.
struct ToChannel(std::sync::mpsc::Sender<Vec<u8>>);

impl Write for ToChannel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The receiver exists as long as anything is written.
        let _ = self.0.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the final message to stderr, unformatted and after all log lines. [`finish`] must follow.
pub(crate) fn write_final_message(text: &str) {
    let line = format!("goavail: {}\n", with_remedy(text));
    match QUEUE.get() {
        Some(queue) => queue.push(line.as_bytes()),
        // If nobody reads stderr, the exit code still reports the failure.
        None => _ = io::stderr().lock().write_all(line.as_bytes()),
    }
}

/// Waits until the log is written completely, but no longer than a second, since the reader may
/// hang.
pub(crate) fn finish() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(FINISH_WITHIN);
    }
}

/// Selects the events that are written.
fn filter(debug: bool, rust_log: Option<&str>) -> Result<EnvFilter, BadFilter> {
    let chosen = rust_log.filter(|text| !text.trim().is_empty());
    let own = if debug { "goavail=debug," } else { "" };
    let default = format!("info,aws_config=warn,{own}{QUIET}");
    Ok(EnvFilter::try_new(chosen.unwrap_or(&default))?)
}

/// Builds a log that writes to `writer`.
fn subscriber<W>(options: LogOptions, filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let layer = match options.format {
        Format::Text => layer.with_ansi(options.colour).with_target(false).boxed(),
        // Without tracing's own `target`, the module: our field `target`, the address, has the same
        // key.
        Format::Json => {
            layer.json().flatten_event(true).with_ansi(false).with_target(false).boxed()
        }
    };
    tracing_subscriber::registry().with(filter).with(filter_fn(may_be_logged)).with(layer)
}

/// Whether an event may be written, whatever `RUST_LOG` requests. At TRACE the AWS SDK logs whole
/// requests and answers, and in those to instance metadata the token used for them.
fn may_be_logged(event: &Metadata<'_>) -> bool {
    *event.level() < Level::TRACE || !event.target().starts_with("aws_")
}

impl fmt::Display for Format {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// The bytes written.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns the output of `events` with these options.
    fn log(options: LogOptions, rust_log: Option<&str>, events: fn()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let filter = filter(options.debug, rust_log).unwrap();
        let subscriber = subscriber(options, filter, move || writer.clone());
        tracing::subscriber::with_default(subscriber, events);
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    /// Emits own events of all levels; their first letters show the ones that pass.
    fn own() {
        tracing::debug!(target: "goavail::agent", "own debug");
        tracing::info!(target: "goavail::agent", "own info");
        tracing::debug!(target: "surge_ping::client", "packet");
        tracing::info!(target: "rustls::client", "connection");
        tracing::warn!(target: "surge_ping::client", "trouble");
    }

    #[test]
    fn the_filter_keeps_libraries_quiet_unless_rust_log_says_otherwise() {
        let debug = LogOptions { debug: true, ..LogOptions::default() };
        let cases = [
            ("by default", LogOptions::default(), None, vec!["own info", "trouble"]),
            (
                "RUST_LOG set to nothing",
                LogOptions::default(),
                Some(""),
                vec!["own info", "trouble"],
            ),
            ("--debug", debug, None, vec!["own debug", "own info", "trouble"]),
            ("RUST_LOG stands for --debug", debug, Some("warn"), vec!["trouble"]),
            (
                "RUST_LOG",
                LogOptions::default(),
                Some("surge_ping=debug"),
                vec!["packet", "trouble"],
            ),
        ];
        for (name, options, rust_log, want) in cases {
            let written = log(options, rust_log, own);
            let got: Vec<&str> =
                written.lines().filter_map(|line| line.split("  ").last()).collect();
            let got: Vec<&str> = got.iter().map(|line| line.trim()).collect();
            assert_eq!(got.len(), want.len(), "{name}: {written}");
            for (line, words) in written.lines().zip(&want) {
                assert!(line.ends_with(words), "{name}: {line}");
            }
        }
    }

    #[test]
    fn whole_requests_to_aws_are_not_told_at_any_level() {
        for rust_log in ["trace", "aws_sigv4=trace,aws_smithy_runtime=trace,goavail=trace"] {
            let written = log(LogOptions::default(), Some(rust_log), || {
                tracing::trace!(
                    target: "aws_sigv4::http_request",
                    "x-aws-ec2-metadata-token: s3cret"
                );
                tracing::debug!(target: "aws_smithy_runtime::client", "attempt");
                tracing::trace!(target: "goavail::agent", "own trace");
            });
            assert!(!written.contains("s3cret"), "{written}");
            assert_eq!(written.lines().count(), 2, "{written}");
        }
    }

    #[test]
    fn a_text_line_carries_the_fields_and_no_colour() {
        let written =
            log(LogOptions::default(), None, || tracing::info!(losses = 3, "target down"));
        assert!(written.ends_with(" INFO target down losses=3\n"), "{written:?}");
        assert!(!written.contains('\u{1b}'), "{written:?}");
    }

    #[test]
    fn colour_is_used_where_it_is_allowed() {
        let options = LogOptions { colour: true, ..LogOptions::default() };
        assert!(log(options, None, || tracing::info!("target down")).contains('\u{1b}'));
    }

    #[test]
    fn a_json_line_is_one_object_with_the_fields_at_its_top() {
        let options = LogOptions { format: Format::Json, colour: true, ..LogOptions::default() };
        let written = log(options, None, || tracing::info!(losses = 3, "target down"));
        let object: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert_eq!(object["message"], "target down");
        assert_eq!(object["losses"], 3);
        assert_eq!(object["level"], "INFO");
        assert_eq!(written.lines().count(), 1);
    }

    #[test]
    fn lost_lines_are_told_like_anything_else() {
        let text = String::from_utf8(lost(LogOptions::default(), 12)).unwrap();
        assert!(text.contains(" WARN 12 lines lost: "), "{text}");
        let json = lost(LogOptions { format: Format::Json, ..LogOptions::default() }, 12);
        let object: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert!(object["message"].as_str().unwrap().starts_with("12 lines lost: "), "{object}");
    }

    #[test]
    fn a_filter_that_is_none_is_refused() {
        let error = filter(false, Some("goavail=loud=very")).unwrap_err();
        assert_eq!(error.to_string(), "RUST_LOG is not a filter such as \"info,goavail=debug\"");
    }
}
