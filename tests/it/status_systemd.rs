//! Notifications to systemd, on a socket like its own.

#![expect(clippy::unwrap_used, reason = "a test's helper fails as the test does")]

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use goavail::testing::systemd;

/// Set in the process that runs [`the_service`].
const SERVICE: &str = "GOAVAIL_TEST_SERVICE";

/// The service that the test below starts as systemd would: this test binary, with this one test. It
/// does nothing in an ordinary run.
#[test]
fn the_service() {
    if std::env::var_os(SERVICE).is_none() {
        return;
    }
    systemd::ready();
    let mut watchdog = systemd::Watchdog::new();
    for seconds in [14, 15, 16, 29] {
        watchdog.iteration(Duration::from_secs(seconds));
    }
    systemd::reloading();
    systemd::ready();
    systemd::stopping();
}

fn service() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "status_systemd::the_service"]);
    command
}

#[test]
fn systemd_receives_ready_alive_reloading_and_stopping() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let output = service()
        .env(SERVICE, "yes")
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "30000000")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let receive = || {
        let mut message = [0; 1_024];
        let length = socket.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let received: Vec<String> = (0..5).map(|_| receive()).collect();
    assert_eq!(received[0], "READY=1\n");
    assert_eq!(received[1], "WATCHDOG=1\n", "once in 15 s, half of the limit");
    let micros = received[2].strip_prefix("RELOADING=1\nMONOTONIC_USEC=").map(str::trim);
    assert!(micros.is_some_and(|micros| micros.parse::<u64>().is_ok()), "{}", received[2]);
    assert_eq!(received[3..], ["READY=1\n", "STOPPING=1\n"]);
}

#[test]
fn without_systemd_nothing_happens() {
    assert!(std::env::var_os("NOTIFY_SOCKET").is_none(), "the test runs under systemd itself");
    systemd::ready();
    systemd::Watchdog::new().iteration(Duration::from_hours(1));
}
