//! What systemd hears, on a socket as it makes them.

#![expect(clippy::unwrap_used, reason = "a test's helper fails as the test does")]

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use goavail::systemd;

/// Set in the process that is asked for [`the_service`].
const SERVICE: &str = "GOAVAIL_TEST_SERVICE";

/// What the test below starts as systemd would: this test binary, asked for this one test. In an
/// ordinary run there is nothing for it to do.
#[test]
fn the_service() {
    if std::env::var_os(SERVICE).is_none() {
        return;
    }
    assert_eq!(systemd::watchdog_every(), Some(Duration::from_secs(15)));
    systemd::ready();
    systemd::alive();
    systemd::status("3 of 12 down\nREADY=0");
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
fn systemd_hears_ready_alive_reloading_and_stopping() {
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
    let hear = || {
        let mut message = [0; 1_024];
        let length = socket.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let heard: Vec<String> = (0..6).map(|_| hear()).collect();
    assert_eq!(heard[0], "READY=1\n");
    assert_eq!(heard[1], "WATCHDOG=1\n");
    assert_eq!(heard[2], "STATUS=3 of 12 down READY=0\n", "one line, whatever is in it");
    let micros = heard[3].strip_prefix("RELOADING=1\nMONOTONIC_USEC=").map(str::trim);
    assert!(micros.is_some_and(|micros| micros.parse::<u64>().is_ok()), "{}", heard[3]);
    assert_eq!(heard[4..], ["READY=1\n", "STOPPING=1\n"]);
}

#[test]
fn without_systemd_nothing_happens() {
    assert!(std::env::var_os("NOTIFY_SOCKET").is_none(), "the test runs under systemd itself");
    systemd::ready();
    assert_eq!(systemd::watchdog_every(), None);
}
