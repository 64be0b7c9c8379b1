//! The right to make network namespaces.

use std::env;
use std::process::{Command, Stdio, exit};

/// Set in a bench that runs again inside a user namespace.
const INSIDE: &str = "GOAVAIL_BENCH_INSIDE";

/// Returns where namespaces can be made: here, or in the same program run again as root of a user
/// namespace, and this one then ends in its place. Where the kernel allows neither it ends and says so.
pub(crate) fn obtain() {
    if unshares(&["--net"]) {
        return;
    }
    let as_user = ["--user", "--map-root-user", "--net"];
    if env::var_os(INSIDE).is_some() || !unshares(&as_user) {
        eprintln!("no right to make network namespaces; run as root or allow user namespaces");
        exit(1);
    }
    let mut again = Command::new("unshare");
    again.args(as_user).arg(env::current_exe().expect("this program has a path"));
    let status = again.args(env::args_os().skip(1)).env(INSIDE, "1").status();
    exit(status.ok().and_then(|status| status.code()).unwrap_or(1));
}

fn unshares(options: &[&str]) -> bool {
    let mut unshare = Command::new("unshare");
    unshare.args(options).arg("true").stderr(Stdio::null());
    unshare.status().is_ok_and(|status| status.success())
}
