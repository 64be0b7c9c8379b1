//! Getting the right to make namespaces, or saying loudly that it cannot be had.

use std::any::type_name;
use std::env;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::ci::is_ci;

/// Set in a test that runs again inside a user namespace.
const INSIDE: &str = "GOAVAIL_LAB_INSIDE";

const AS_ROOT: &[&str] = &["--net"];
const AS_USER: &[&str] = &["--user", "--map-root-user", "--net"];

/// Runs `body`, the whole of one test, where namespaces can be made.
///
/// With the privilege that is here. Without it the test runs itself again as root of a user
/// namespace, and that run's outcome is this one's. Where the kernel allows neither, it skips.
///
/// `body` must be a closure written in the test function, for that is how the test is named.
pub(crate) fn run<F: FnOnce()>(body: F) {
    if unshares(AS_ROOT) {
        body();
    } else if env::var_os(INSIDE).is_none() && unshares(AS_USER) {
        run_again(&name_of::<F>());
    } else {
        skip("no right to make network namespaces; run as root or allow user namespaces");
    }
}

/// Says loudly that this test proves nothing here.
///
/// # Panics
///
/// In CI (`CI=true`), where a skip would go unnoticed.
pub(crate) fn skip(reason: &str) {
    assert!(!is_ci(), "skipped in CI: {reason}");
    // Not eprintln: the test runner swallows that when the test passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {reason}");
}

fn unshares(options: &[&str]) -> bool {
    let mut unshare = Command::new("unshare");
    unshare.args(options).arg("true").stderr(Stdio::null());
    unshare.status().is_ok_and(|status| status.success())
}

/// The test function around a closure, as the test runner knows it: `file::function`.
fn name_of<F>() -> String {
    let name = type_name::<F>().replace("::{{closure}}", "");
    name.split_once("::").map_or(name.clone(), |(_, rest)| rest.to_owned())
}

fn run_again(test: &str) {
    let output = Command::new("unshare")
        .args(AS_USER)
        .arg(env::current_exe().expect("this program has a path"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare starts");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let ran = output.status.success() && said.contains("1 passed");
    assert!(ran, "{test}, run again in a user namespace:\n{said}");
    if let Some(line) = said.lines().find(|line| line.starts_with("SKIPPED: ")) {
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}
