//! On a terminal: colour, and the table that is drawn again in place until it is interrupted.

use std::fs::File;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::{FakeAgent, Place, asked};

const PATIENT: Duration = Duration::from_secs(30);

/// The binary with its stdout on a terminal of 100 columns and `ROWS` lines.
struct OnTerminal {
    child: Child,
    pieces: Receiver<String>,
    shown: String,
}

const ROWS: u16 = 12;

impl OnTerminal {
    fn start(place: &Place, arguments: &str, env: &[(&str, &str)]) -> Self {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let size = Winsize { ws_row: ROWS, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&screen, size).unwrap();
        let name = ptsname(&screen, Vec::new()).unwrap().into_string().unwrap();
        let terminal = File::options().read(true).write(true).open(name).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_goavail"))
            .args(arguments.split_whitespace())
            .current_dir(place.path())
            .env_clear()
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(terminal)
            .spawn()
            .unwrap();
        let (sender, pieces) = channel();
        std::thread::spawn(move || {
            let mut screen = File::from(screen);
            let mut piece = [0; 4096];
            // The end of a terminal without a writer is an error.
            while let Ok(length @ 1..) = screen.read(&mut piece) {
                let text = String::from_utf8_lossy(&piece[..length]).into_owned();
                if sender.send(text).is_err() {
                    return;
                }
            }
        });
        Self { child, pieces, shown: String::new() }
    }

    /// Waits until it was shown so often, for as many pictures as seconds that are given to it.
    fn wait_for(&mut self, part: &str, times: usize) {
        while self.shown.matches(part).count() < times {
            let pictures = self.shown.matches("\u{1b}[H").count();
            let last = self.shown.rsplit("\u{1b}[H").next();
            assert!(pictures < 30, "{part:?} was not shown:\n{last:?}");
            match self.pieces.recv_timeout(PATIENT) {
                Ok(piece) => self.shown.push_str(&piece),
                Err(why) => panic!("{part:?} was not shown: {why}\n{:?}", self.shown),
            }
        }
    }

    /// Waits for its end; returns its exit code and all that was shown.
    fn end(mut self) -> (Option<i32>, String) {
        while let Ok(piece) = self.pieces.recv_timeout(PATIENT) {
            self.shown.push_str(&piece);
        }
        (self.child.wait().unwrap().code(), std::mem::take(&mut self.shown))
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        // It may have ended already; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An agent that answers while the test waits.
fn answering() -> (tokio::runtime::Runtime, Place, FakeAgent) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (place, agent) = runtime.block_on(async { asked() });
    (runtime, place, agent)
}

#[test]
fn the_table_is_coloured_on_a_terminal_unless_no_color_is_set() {
    let (_runtime, place, _agent) = answering();
    for (value, coloured) in [(None, true), (Some(""), true), (Some("1"), false)] {
        let env: Vec<_> = value.iter().map(|value| ("NO_COLOR", *value)).collect();
        let (code, shown) = OnTerminal::start(&place, "status", &env).end();
        assert_eq!(code, Some(0), "NO_COLOR {value:?}");
        assert_eq!(shown.contains("\u{1b}[31m198.51.100.17 "), coloured, "{value:?}: {shown:?}");
        assert_eq!(shown.contains('\u{1b}'), coloured, "{value:?}: {shown:?}");
    }
}

#[test]
fn watching_redraws_without_scrolling_until_it_is_interrupted() {
    for signal in [Signal::INT, Signal::TERM] {
        let (_runtime, place, _agent) = answering();
        let mut watching = OnTerminal::start(&place, "status --watch", &[]);
        // The first picture is whole when the second begins.
        watching.wait_for("\u{1b}[H", 2);
        let pid = Pid::from_child(&watching.child);
        kill_process(pid, signal).unwrap();
        let (code, shown) = watching.end();
        assert_eq!(code, Some(0), "{signal:?}: {shown:?}");
        assert!(shown.starts_with("\u{1b}[?25l\u{1b}[2J\u{1b}[H"), "{shown:?}");
        assert!(shown.ends_with("\u{1b}[?25h"), "the cursor is back: {shown:?}");
        let picture = shown.split("\u{1b}[H").nth(1).unwrap();
        assert_eq!(picture.matches('\n').count(), usize::from(ROWS) - 1, "{picture:?}");
        assert!(picture.contains(" more lines"), "{picture:?}");
    }
}

#[test]
fn watching_outlives_its_agent() {
    let (runtime, place, agent) = answering();
    let mut watching = OnTerminal::start(&place, "status --watch", &[]);
    watching.wait_for("last change: ", 1);
    drop(agent);
    drop(runtime);
    watching.wait_for("no agent answers on ", 1);
    assert!(watching.child.try_wait().unwrap().is_none(), "it still watches");
}
