//! Exit codes as listed by `--help`: a contract with scripts that call goavail.

/// Exit codes of all commands.
pub(super) const ALL: &str = "\
Exit codes:
  0  ended as asked
  1  stopped by a failure while running
  2  the command line or the configuration is refused
  3  there is a difference (plan only)";

/// Exit codes of `goavail monitor`.
pub(super) const MONITOR: &str = "\
Exit codes:
  0  stopped by SIGTERM or SIGINT; records stay as they are
  1  stopped by a failure while running
  2  the command line or the configuration is refused, or the provider refuses credentials or zone";

/// Exit codes of `goavail replay` and `goavail tune`.
pub(super) const REPLAY: &str = "\
Reads the files that history_file names. Nothing is written, and no agent is asked.

Exit codes:
  0  ended as asked
  1  the history could not be read
  2  the command line or the configuration is refused, or asks for what was not observed";

/// Exit codes of `goavail check`.
pub(super) const CHECK: &str = "\
Exit codes:
  0  the configuration is valid
  2  the command line or the configuration is refused";

/// Exit codes of `goavail plan`.
pub(super) const PLAN: &str = "\
The desired records are computed twice: with all targets healthy and none drained and, if an agent
answers ([Status] in the same file), by its verdicts. Records on lines with + would be created, with
- deleted. Records on lines with ! stay because of min_in_service, which is not a difference.

The agent's verdicts decide the exit code; without an agent, all targets count as healthy. Nothing
is written, even with --no-dry-run.

Exit codes:
  0  no difference
  1  the zone could not be read
  2  the command line or the configuration is refused
  3  a difference";

/// Exit codes of `goavail status`.
pub(super) const STATUS: &str = "\
The agent is queried on its control socket or its listener, as set in [Status].

Exit codes:
  0  the agent answered
  1  no agent answers, or its loop is stalled
  2  the command line or [Status] is refused";

/// Exit codes of `goavail explain`.
pub(super) const EXPLAIN: &str = "\
The agent is queried on its control socket or its listener, as set in [Status]. A guard \"passes\" if it
has no objection and \"holds\" if it stops the change; \"would pass\" and \"would hold\" are its answers
while no change is called for. The first guard that holds or waits is the one to look at. With --at the
history_file of the configuration answers, and no agent has to run.

Exit codes:
  0  the agent answered, or the history
  1  no agent answers, or it does not watch the address; the history cannot be read, or does not have it
  2  the command line, [Status] or, with --at, the configuration is refused, or the history does not
     reach the time";

/// Exit codes of `goavail drain`, `goavail undrain` and `goavail return`.
pub(super) const ORDER: &str = "\
The agent is queried on its control socket, as set in [Status].

Exit codes:
  0  done
  1  no agent answers, or it refused
  2  the command line or [Status] is refused";

/// Exit codes of `goavail notify`.
pub(super) const NOTIFY: &str = "\
The channels are those of the file; a running agent is not asked. Each channel receives a critical and
a warning incident, their ends, and an event; nothing stays open. min_severity is kept, services is not.

Exit codes:
  0  every channel accepted each notice that it gets
  1  a channel did not accept a notice, or there is no channel
  2  the command line or the configuration is refused";

/// Exit codes of `goavail rules` and `goavail dashboard`.
pub(super) const PRINT: &str = "\
Neither a configuration nor an agent is needed.

Exit codes:
  0  printed
  2  the command line is refused";
