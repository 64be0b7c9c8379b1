//! What systemd is told, if it started us: `Type=notify-reload` and `WatchdogSec=`.
//!
//! Without systemd, that is without `NOTIFY_SOCKET`, each of these does nothing. A message that
//! cannot be delivered, or not at once, is logged and otherwise ignored: the agent is more than its
//! unit, and its loop waits for nobody.

use std::fmt::Write as _;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::text::visible;
use sd_notify::NotifyState;
use tracing::warn;

/// Everything is open and the agent watches; also the end of a reload.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A reload begins. [`ready`] must follow, also if the new configuration is refused.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "cannot read the clock that systemd wants with a reload"),
    }
}

/// The agent stops, on purpose.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The loop turns. To be called from the loop itself, at least every [`watchdog_every`].
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// One line for `systemctl status`.
pub fn say(what: &str) {
    // A line break would begin another message.
    tell(&[NotifyState::Status(&visible(what).replace(char::is_control, " "))]);
}

/// How often [`alive`] must be called: half of `WatchdogSec=`. `None` if nobody waits for it.
pub fn watchdog_every() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|within| within / 2)
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = send(states) {
        warn!(%error, "cannot tell systemd");
    }
}

/// As [`sd_notify::notify`], which waits while systemd's queue is full.
fn send(states: &[NotifyState<'_>]) -> io::Result<()> {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let mut message = String::new();
    for state in states {
        let _ = writeln!(message, "{state}");
    }
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    socket.send(message.as_bytes()).map(drop)
}
